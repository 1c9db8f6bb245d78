"""TreeScoringExplainer: exact importances of trees, from their arrays alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.explainers.engines import TablesEngine
from explanation_client.explainers.members import AverageEngine
from explanation_client.explainers.mimic import MimicExplainer
from explanation_client.explainers.tree import TreeExplainer
from explanation_client.scoring.attributors import ExplainerAttributor, SumAttributor
from explanation_client.scoring.base import ScoringExplainer
from explanation_client.scoring.categories import codes_of_trees
from explanation_client.scoring.create import Wishes, check_kind, make_parts, probe_of, unwrapped
from explanation_client.scoring.encoding import Levels
from explanation_client.scoring.parts import Attributor
from explanation_client.scoring.sums import Member, TreeSum


class TreeScoringExplainer(ScoringExplainer):
    """Importances of tree models at prediction time, exact, in microseconds for a row.

    Trees that the library's own kernel reads are kept as arrays of nodes: explaining, and predicting where that says
    what the model says, takes numpy and numba, and not the package that trained them. Categories are known by their
    codes. Others (statistics of categories of CatBoost, categories of XGBoost) keep their model.

    Parameters
    ----------
    original_explainer : TreeExplainer, TabularExplainer or MimicExplainer
        Of a mimic explainer with a tree as its surrogate, the surrogate is explained.
    feature_maps : list of matrix of shape (R, F), optional
        Shares of R raw features in the F columns that are passed. ``explain(rows, get_raw=True)`` then gives raw
        importances. Not together with transformations of the explainer.
    raw_features : sequence of str, optional
        Names of the raw features.
    engineered_features : sequence of str, optional
        Names of the engineered features.
    evaluation_examples : table of shape (N, F), optional
        Rows as they will come in. They are not stored: what is tested at each load are mixtures of them, and on these
        rows predictions from the parsed model are held to its own. None: the explainer's initialization examples, or
        rows that are made up from the trees.
    keep_model : bool
        Keep what predicts. Without it the scoring explainer explains only.

    Raises
    ------
    UnsupportedModelError
        The explainer is of another kind.
    InvalidArgumentError
        An argument does not fit the explainer.

    """

    kind = "tree"

    def __init__(
        self,
        original_explainer: Any,
        *,
        feature_maps: Any = None,
        raw_features: Sequence[str] | None = None,
        engineered_features: Sequence[str] | None = None,
        evaluation_examples: Any = None,
        keep_model: bool = True,
    ) -> None:
        explainer, reason = unwrapped(original_explainer)
        check_kind(explainer, self.kind, type(self).__qualname__)
        wishes = Wishes(
            feature_maps=feature_maps,
            raw_features=raw_features,
            engineered_features=engineered_features,
            evaluation_examples=evaluation_examples,
            keep_model=keep_model,
        )
        if isinstance(explainer, MimicExplainer):
            from explanation_client.scoring.surrogate import surrogate_parts

            self._parts = surrogate_parts(explainer, reason, wishes)
            return
        assert isinstance(explainer, TreeExplainer)
        self._parts = make_parts(explainer, reason, _attributor(explainer, wishes), wishes)


def _attributor(explainer: TreeExplainer, wishes: Wishes) -> Attributor:
    """Return what explains the trees: their arrays, or the explainer where the kernel does not read them."""
    members = _members(explainer._engine, np.arange(explainer._model.n_outputs))
    n_columns = explainer._model_schema.n_features
    codes = None if members is None else codes_of_trees(explainer, wishes.evaluation_examples)
    if members is None or codes is None:
        return ExplainerAttributor(explainer, probe_of(explainer, wishes.evaluation_examples))
    one_margin = len(members) == 1 and members[0].tables.ensemble.n_outputs == 1
    plain = SumAttributor(
        TreeSum(members, 1 if one_margin else explainer._model.n_outputs, n_columns),
        explainer._model.n_outputs,
        explainer._model_schema.features,
        Levels(codes),
        unstored_is_missing="xgboost" in {package for package, _ in explainer._model.origin},
    )
    return plain if not explainer._carried else _carried(explainer, plain)


def _carried(explainer: TreeExplainer, plain: SumAttributor) -> SumAttributor:
    """Return the attributor of probabilities that margins are carried over to."""
    from dataclasses import replace

    from explanation_client.scoring.examples import made_up

    if explainer._link is None:
        rows = made_up(plain.sums, explainer._model_schema.n_features, 32)
        explainer._link = explainer._find_link(explainer._model.form(rows))
    link, scale = explainer._link
    return replace(plain, output="carried", link=link, scale=scale)


def _members(engine: Any, outputs: NDArray[np.intp]) -> list[Member] | None:
    """Return the trees of an engine, None where some are not read by the library's own kernel."""
    if isinstance(engine, TablesEngine):
        tables = engine.tables
        return [Member(tables, outputs if tables.ensemble.n_outputs > 1 else outputs[:1])]
    if not isinstance(engine, AverageEngine):
        return None
    found: list[Member] = []
    for member, _, inner in engine.members:
        below = _members(inner, outputs[engine._outputs(member)])
        if below is None:
            return None
        for part in below:
            columns = part.columns
            if member.columns is not None:
                columns = member.columns if columns is None else member.columns[columns]
            found.append(Member(part.tables, part.outputs, part.weight * member.weight, columns))
    return found
