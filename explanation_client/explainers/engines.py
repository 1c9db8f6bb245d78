"""What computes tree contributions: the tree kernel of this library, else the model's own package, else shap.

Every engine returns all outputs as (C, N, F), whatever shape its source has, and says in which space they are. Values
are path-dependent: a feature that is missing takes the branches in the proportions of the training data. With a
background the kernel computes interventional ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import CannotExplainError, MissingDependencyError
from explanation_client.explainers.boosters import BoosterModel, lightgbm_booster
from explanation_client.explainers.dispatch import Entry, find_entry, why_not
from explanation_client.explainers.members import AverageEngine, Contributes, Member, member_rows, members_of
from explanation_client.explainers.mirror import Floats, mirrored
from explanation_client.explainers.model import (
    LOG_ODDS,
    LOG_VALUE,
    MARGIN,
    PATH_LENGTH,
    PROBABILITY,
    VALUE,
    Model,
    several_targets,
)
from explanation_client.explainers.numbers import as_numbers, tree_levels
from explanation_client.explainers.own_contributions import CatBoostEngine, LightGBMEngine, XGBoostEngine
from explanation_client.explainers.reading import read_model
from explanation_client.explainers.shap_trees import ShapEngine
from explanation_client.treeshap.explain import MEMORY_LIMIT

# Interaction values computed at a time: 8 MB.
_PAIR_VALUES = 1 << 20


@dataclass(frozen=True, slots=True)
class TableOptions:
    """How the tables of a background are built.

    Parameters
    ----------
    memory_limit : int
        Bytes that they may take; trees beyond it are walked once for each background row.
    progress : callable, optional
        Told of the trees done and all trees.

    """

    memory_limit: int = MEMORY_LIMIT
    progress: Callable[[int, int], None] | None = None


DEFAULT_OPTIONS = TableOptions()


class TreeEngine(Protocol):
    """Computes the contributions of one model."""

    @property
    def packages(self) -> tuple[str, ...]:
        """Distributions whose versions matter for the values."""
        ...

    @property
    def description(self) -> str:
        """What computes the values, in a few words."""
        ...

    @property
    def space(self) -> str:
        """What the contributions add up to."""
        ...

    def contributions(self, rows: Any) -> tuple[Floats, Floats]:
        """Return values (C, N, F) and base values (C,)."""
        ...

    def answers(self, rows: Any) -> NDArray[np.float64]:
        """Return what the model itself says in the same space, (N, C)."""
        ...


class TablesEngine:
    """The exact tree kernel of this library: LightGBM, XGBoost and scikit-learn, float64 throughout.

    Parameters
    ----------
    model : Model
    package : str
        Whose model it is.
    background : DataFrame or ndarray of shape (B, F), optional
        Values are interventional for these rows. None: path-dependent.
    options : TableOptions, optional

    Attributes
    ----------
    tables : TreeTables
    levels : TreeLevels
        Of categories.

    Raises
    ------
    CannotExplainError
        The kernel cannot read the model.
    MissingDependencyError
        numba is not installed.

    """

    packages: tuple[str, ...] = ("numba",)
    description = "the tree kernel of this library"

    def __init__(
        self, model: Model, package: str, background: Any = None, options: TableOptions = DEFAULT_OPTIONS
    ) -> None:
        if find_spec("numba") is None:
            raise MissingDependencyError("numba", extra="explain", needed_for=f"explaining {model.short_name}")
        from explanation_client.treeshap import TreeEnsemble, TreeTables
        from explanation_client.treeshap import UnsupportedModelError as UnreadableError

        self._model = model
        self._unstored_is_missing = package == "xgboost"
        estimator = model.estimator
        native = estimator.native if isinstance(estimator, BoosterModel) else estimator
        self.levels = tree_levels(estimator, package)
        try:
            ensemble = TreeEnsemble.from_model(native)
        except UnreadableError as error:
            raise CannotExplainError(f"{model.short_name} is not read as trees: {error}") from error
        self.tables = TreeTables(
            ensemble,
            None if background is None else self._numbers(background),
            memory_limit=options.memory_limit,
            progress=options.progress,
        )

    @property
    def space(self) -> str:
        """What the contributions add up to, in the words of an explanation."""
        ensemble = self.tables.ensemble
        if ensemble.output_space != MARGIN:
            return str(ensemble.output_space)
        if ensemble.link == "logit" and ensemble.link_scale == 1.0:
            return LOG_ODDS
        return LOG_VALUE if ensemble.link == "log" else MARGIN

    def answers(self, rows: Any) -> NDArray[np.float64]:
        """Return the model's own probabilities, raw scores, values or mean path lengths, (N, C)."""
        return _path_lengths(self._model, rows) if self.space == PATH_LENGTH else self._model.answer(rows, self.space)

    def contributions(self, rows: Any) -> tuple[Floats, Floats]:
        """Return values (C, N, F) and base values (C,)."""
        values = self.tables.shap_values(self._numbers(rows))
        base_values = np.asarray(self.tables.base_values, np.float64)
        if len(values) == 1 and self._model.n_outputs == 2:
            return mirrored(values[0], float(base_values[0]))
        return values, base_values

    def interactions(self, rows: Any) -> Iterator[Floats]:
        """Yield interaction values (C, n, F, F) of the rows, some at a time; of two classes with one margin, once."""
        dense = self.tables.ensemble.check_rows(self._numbers(rows))
        step = max(1, _PAIR_VALUES // (self.tables.ensemble.n_outputs * dense.shape[1] ** 2))
        for start in range(0, len(dense), step):
            yield self.tables.interaction_values(dense[start : start + step])

    def _numbers(self, rows: Any) -> Any:
        """Return rows as the kernel takes them: dense numbers, with gaps where a CSR matrix means them."""
        if not hasattr(rows, "tocsr"):
            return as_numbers(rows, self._model.short_name, self.levels.of(rows))
        if not self._unstored_is_missing:
            return rows.toarray()
        stored = rows.tocoo()
        dense = np.full(rows.shape, np.nan)
        dense[stored.row, stored.col] = stored.data
        return dense


def _path_lengths(model: Model, rows: Any) -> NDArray[np.float64]:
    """Return an isolation forest's mean path lengths (N, 1), from its public scores.

    A score is -2^(-length / c), with c the mean length of an unsuccessful search among as many samples as each tree
    was trained on (Liu, Ting and Zhou 2008).
    """
    n = int(model.estimator.max_samples_)
    average = {1: 1.0, 2: 1.0}.get(n, 2.0 * (np.log(n - 1.0) + np.euler_gamma) - 2.0 * (n - 1.0) / n)
    return np.asarray(-average * np.log2(-model.estimator.score_samples(rows))[:, None])


_OWN: dict[str, Callable[[Model, str], TreeEngine]] = {
    "lightgbm": LightGBMEngine,
    "xgboost": XGBoostEngine,
    "catboost": CatBoostEngine,
}


def tree_engine(
    model: Model, package: str, *, background: Any = None, options: TableOptions = DEFAULT_OPTIONS
) -> TreeEngine:
    """Return the engine for a model of a package: the tree kernel where it reads the model.

    Else it is the model's own contributions, or shap for models of scikit-learn, which have none.

    Raises
    ------
    CannotExplainError
        None of them explains the model.

    """
    entry = find_entry(model.origin)
    if entry is not None and entry.condition is not None:
        return _average_engine(model, entry, background, options)
    own = _OWN.get(package)
    reason = None
    if own is not None and find_spec("numba") is None:
        reason = "the tree kernel needs numba, which is not installed"
    else:
        try:
            return TablesEngine(model, package, background, options)
        except CannotExplainError as error:
            if package == "lightgbm" and _has_linear_leaves(model):
                # Neither LightGBM itself nor shap gives contributions of trees with linear leaves.
                raise
            reason = str(error)
    if background is not None:
        raise CannotExplainError(f"interventional values need the tree kernel: {reason}")
    return ShapEngine(model, reason) if own is None else own(model, reason)


def _average_engine(model: Model, entry: Entry, background: Any, options: TableOptions) -> TreeEngine:
    """Return the engine of a model that averages trees."""
    problem = why_not(entry, model.estimator)
    if problem is not None:
        raise CannotExplainError(f"{model.short_name} is not explained as a tree model: {problem}")
    space = PROBABILITY if model.task == "classification" else VALUE
    members: list[tuple[Member, Model, Contributes]] = []
    packages: dict[str, None] = {}
    found = members_of(model.estimator)
    options = replace(options, memory_limit=options.memory_limit // len(found))
    for member in found:
        own = read_model(member.estimator, background=None, classes=None)
        if int(getattr(own.estimator, "n_outputs_", 1)) > 1:
            raise several_targets(model.short_name, own.estimator.n_outputs_)
        listed = find_entry(own.origin)
        assert listed is not None  # or the condition would have said so
        engine = tree_engine(
            own,
            listed.package,
            background=None if background is None else member_rows(member, own, background),
            options=options,
        )
        if engine.space != space:
            raise CannotExplainError(
                f"{model.short_name} averages answers ({space}), and the trees of its member {member.name!r} add up to "
                f"the {engine.space}"
            )
        packages |= dict.fromkeys((*engine.packages, listed.package))
        members.append((member, own, engine))
    return AverageEngine(model, members, space, tuple(packages))


def _has_linear_leaves(model: Model) -> bool:
    return "\nis_linear=1\n" in lightgbm_booster(model.estimator).model_to_string()
