"""The codes by which trees know categories, so that they are explained without their package and without pandas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.engines import TablesEngine
from explanation_client.explainers.members import AverageEngine
from explanation_client.explainers.tree import TreeExplainer
from explanation_client.scoring.create import rows_of
from explanation_client.scoring.encoding import Level
from explanation_client.scoring.tables import plain_scalars

Codes = Mapping[int, tuple[Level, ...]]


def codes_of_trees(explainer: TreeExplainer, examples: Any) -> Codes | None:
    """Return the levels of each column of categories, whose positions are codes; None where codes alone do not do.

    That is so where a model refuses categories that it does not know, where values are carried over to probabilities,
    where members of an average have codes of their own, and where it is not known which columns hold categories.
    """
    engine = explainer._engine
    if isinstance(engine, AverageEngine):
        return None if any(_has_levels(inner) for _, _, inner in engine.members) else {}
    assert isinstance(engine, TablesEngine)
    if not _has_levels(engine):
        return {}
    table = rows_of(explainer, examples)
    if explainer._carried or table is None or not table.is_frame:
        return None
    rows = explainer._model.form(explainer._engineered(table.take(slice(0, 1))))
    levels = engine.levels.of(rows)
    if levels.refused is not None:
        return None
    try:
        return {j: plain_scalars(known, "a column") for j, known in levels.known.items()}
    except InvalidArgumentError:
        return None


def _has_levels(engine: Any) -> bool:
    """Whether some trees of an engine have codes for levels."""
    if isinstance(engine, AverageEngine):
        return any(_has_levels(inner) for _, _, inner in engine.members)
    return bool(engine.levels.of_categories or engine.levels.fixed.known)
