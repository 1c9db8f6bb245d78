"""Surrogates of trees: LightGBM and single decision trees, explained exactly by the tree kernel."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError, MissingDependencyError, UnsupportedModelError
from explanation_client.surrogates.base import ExplainableModel, check_names
from explanation_client.surrogates.design import Design

if TYPE_CHECKING:
    from explanation_client.treeshap import TreeTables

Floats = NDArray[np.float64]

# Below this many values, threads take LightGBM longer than they save.
_FEW_VALUES = 1 << 22
# Below this many rows a leaf may hold a single one.
_FEW_ROWS = 50
# A teacher's answers are without noise: what LightGBM does by default against chance in small levels only blurs them.
_CATEGORIES = {"min_data_per_group": 5, "cat_smooth": 1.0, "cat_l2": 1.0}


class _TreeSurrogate(ExplainableModel):
    """A surrogate of trees: one regressor for each column of targets, and the tables that explain it."""

    @staticmethod
    def explainable_model_type() -> str:
        """Return ``"tree"``."""
        return "tree"

    @property
    def model(self) -> Any:
        """The fitted regressor, a tuple of one for each class where there are more than two."""
        self._fitted_sample()
        return self._models[0] if len(self._models) == 1 else self._models

    @abstractmethod
    def _regressor(self, n_rows: int, n_values: int) -> Any:
        """Return a regressor that is not fitted yet."""

    def _fit_one(self, regressor: Any, columns: Any, target: Floats) -> Any:
        return regressor.fit(columns, target)

    def _fit(self, rows: Any, targets: Floats, categorical_features: Sequence[int], background: Any) -> None:
        if find_spec("numba") is None:
            raise MissingDependencyError("numba", extra="explain", needed_for=f"explaining {type(self).__qualname__}")
        self._design = self._make_design(rows, categorical_features)
        columns = self._design.expand(rows)
        n_rows, n_columns = columns.shape
        self._models = tuple(
            self._fit_one(self._regressor(n_rows, n_rows * n_columns), columns, target) for target in targets.T
        )
        self._tables = tuple(_tables(model) for model in self._models)

    def _make_design(self, rows: Any, categorical_features: Sequence[int]) -> Design:
        return Design.of(rows, categorical_features)

    def _outputs(self, rows: Any) -> Floats:
        columns = self._design.expand(rows)
        return np.column_stack([np.asarray(model.predict(columns), np.float64) for model in self._models])

    def _contributions(self, rows: Any) -> Floats:
        columns = self._design.expand(rows)
        dense = columns if isinstance(columns, np.ndarray) else columns.toarray()
        return self._design.fold(np.concatenate([tables.shap_values(dense) for tables in self._tables]))

    def _base_values(self) -> Floats:
        return np.concatenate([np.asarray(tables.base_values, np.float64) for tables in self._tables])


class LGBMExplainableModel(_TreeSurrogate):
    """LightGBM: the most faithful of the surrogates, with interactions, missing values and categories of its own.

    With fewer than 50 rows a leaf may hold a single one, and levels are trusted with fewer rows than LightGBM would by
    itself. Few rows are fitted in one thread.

    Parameters
    ----------
    multiclass : bool
        There are more than two classes.
    random_state : int
    classification : bool
        The answers are of classes; otherwise they are values.
    shap_values_output : "default", "probability" or "teacher_probability"
        What importances add up to.
    parameters : mapping, optional
        Of ``lightgbm.LGBMRegressor``, or LightGBM's own under their main names.

    """

    method = "mimic.lightgbm"
    packages = ("lightgbm", "numba")

    def _make_design(self, rows: Any, categorical_features: Sequence[int]) -> Design:
        # LightGBM knows categories: they stay one column each.
        self._categorical = list(categorical_features)
        return Design(int(rows.shape[1]), {})

    def _regressor(self, n_rows: int, n_values: int) -> Any:
        if find_spec("lightgbm") is None:
            raise MissingDependencyError("lightgbm", extra="explain", needed_for="LGBMExplainableModel")
        from lightgbm import LGBMRegressor

        chosen: dict[str, Any] = {"random_state": self.random_state, "verbose": -1, "deterministic": True}
        if n_values < _FEW_VALUES:
            chosen |= {"n_jobs": 1, "force_row_wise": True}
        if n_rows < _FEW_ROWS and "min_data_in_leaf" not in self.parameters:
            chosen["min_child_samples"] = 1
        if self._categorical:
            chosen |= _CATEGORIES
        return LGBMRegressor(**(chosen | self.parameters))

    def _fit_one(self, regressor: Any, columns: Any, target: Floats) -> Any:
        regressor.fit(columns, target, categorical_feature=self._categorical)
        # Unknown names are nowhere refused by LightGBM; its model text lists those that it knows.
        text = regressor.booster_.model_to_string(num_iteration=1).rpartition("\nparameters:")[2]
        known = {*type(regressor)().get_params(), *re.findall(r"^\[(\w+):", text, re.MULTILINE)}
        check_names(self.parameters, sorted(known), of="LightGBM")
        return regressor


class DecisionTreeExplainableModel(_TreeSurrogate):
    """One decision tree of scikit-learn: the only surrogate that can be read as a whole, if it is kept small.

    Its leaves hold at least five rows unless ``parameters`` says otherwise. Categories become a column for each level.

    Parameters
    ----------
    multiclass : bool
        There are more than two classes.
    random_state : int
    classification : bool
        The answers are of classes; otherwise they are values.
    shap_values_output : "default", "probability" or "teacher_probability"
        What importances add up to.
    parameters : mapping, optional
        Of ``sklearn.tree.DecisionTreeRegressor``.

    """

    method = "mimic.tree"
    packages = ("scikit-learn", "numba")

    def _regressor(self, n_rows: int, n_values: int) -> Any:
        from sklearn.tree import DecisionTreeRegressor

        chosen = {"random_state": self.random_state, "min_samples_leaf": 5}
        check_names(self.parameters, sorted(DecisionTreeRegressor().get_params()), of="DecisionTreeRegressor")
        return DecisionTreeRegressor(**(chosen | self.parameters))


def _tables(model: Any) -> TreeTables:
    """Return the prepared trees of a fitted regressor, whose sums are its predictions."""
    from explanation_client.treeshap import TreeTables
    from explanation_client.treeshap import UnsupportedModelError as UnreadableError

    try:
        tables = TreeTables(model)
    except UnreadableError as error:
        raise UnsupportedModelError(f"these parameters make a surrogate without exact importances: {error}") from error
    if tables.ensemble.link != "identity":
        raise InvalidArgumentError(
            f"this objective makes a surrogate that predicts through a link ({tables.ensemble.link}): use one whose "
            "sums are the predictions, 'regression' or 'huber'"
        )
    return tables
