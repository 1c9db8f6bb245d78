"""Surrogates that are linear: least squares and stochastic gradient descent, explained in closed form."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError
from explanation_client.surrogates.base import ExplainableModel, check_names
from explanation_client.surrogates.design import Design

Floats = NDArray[np.float64]

# Steps of gradient descent diverge when their size times the squared length of a row, here the number of columns, is
# over 2; scikit-learn's own step of 0.01 does so from 200 columns on.
_STEP, _STEP_TIMES_COLUMNS = 0.01, 0.5
# scikit-learn's 0.001 ends the descent halfway where there are a few hundred rows.
_TOLERANCE = 1e-5


class _LinearSurrogate(ExplainableModel):
    """A linear surrogate: fitted to scaled columns and targets, with coefficients that are mapped back.

    The importance of a feature is its coefficient times its distance from the background's mean, the exact
    interventional Shapley value of a linear model with independent features. A missing number has the mean, and
    importance 0. Categories become a column for each level.
    """

    packages = ("scikit-learn",)

    @staticmethod
    def explainable_model_type() -> str:
        """Return ``"linear"``."""
        return "linear"

    @property
    def model(self) -> Any:
        """The fitted regressor, a tuple of one for each class where there are more than two.

        Its coefficients are those of the columns as they came, not of the scaled ones.
        """
        self._fitted_sample()
        return self._models[0] if len(self._models) == 1 else self._models

    @abstractmethod
    def _regressor(self, n_columns: int) -> Any:
        """Return a regressor that is not fitted yet."""

    def _fit(self, rows: Any, targets: Floats, categorical_features: Sequence[int], background: Any) -> None:
        self._check_rows(rows)
        self._design = Design.of(rows, categorical_features)
        columns = self._design.expand(rows)
        self._fill = _means(columns)
        columns = self._filled(columns)
        scale = _deviations(columns, self._fill)
        centre = self._fill if isinstance(columns, np.ndarray) and self._has_intercept() else np.zeros(len(scale))
        scaled = (columns - centre) / scale if isinstance(columns, np.ndarray) else columns @ _diagonal(1.0 / scale)
        self._models = tuple(self._fit_one(scaled, target, centre, scale) for target in targets.T)
        self._coefficients = np.stack([np.asarray(model.coef_, np.float64) for model in self._models])
        self._mean = _means(self._filled(self._design.expand(background)))

    def _check_rows(self, rows: Any) -> None:
        """Raise where the rows are not what the constructor was told."""

    def _has_intercept(self) -> bool:
        return bool(self.parameters.get("fit_intercept", True))

    def _fit_one(self, scaled: Any, target: Floats, centre: Floats, scale: Floats) -> Any:
        """Return a regressor fitted to scaled columns and one target, with the coefficients of the plain columns."""
        middle = float(target.mean()) if self._has_intercept() else 0.0
        spread = float(target.std()) or 1.0
        model = self._regressor(len(scale))
        try:
            model.fit(scaled, (target - middle) / spread)
        except ValueError as error:
            raise InvalidArgumentError(f"{type(model).__name__} cannot be fitted to these rows: {error}") from error
        coefficients = spread * np.asarray(model.coef_, np.float64).ravel() / scale
        intercept = middle + spread * float(np.ravel(model.intercept_)[0]) - float(coefficients @ centre)
        model.coef_ = coefficients
        model.intercept_ = intercept if np.ndim(model.intercept_) == 0 else np.array([intercept])
        return model

    def _filled(self, columns: Any) -> Any:
        """Return columns with their mean where a number is missing."""
        if not isinstance(columns, np.ndarray):
            return columns
        missing = np.isnan(columns)
        return np.where(missing, self._fill, columns) if missing.any() else columns

    def _outputs(self, rows: Any) -> Floats:
        columns = self._filled(self._design.expand(rows))
        return np.column_stack([np.asarray(model.predict(columns), np.float64) for model in self._models])

    def _contributions(self, rows: Any) -> Floats:
        columns = self._filled(self._design.expand(rows))
        if isinstance(columns, np.ndarray):
            return self._design.fold(self._coefficients[:, None, :] * (columns - self._mean))
        values = np.repeat((-self._coefficients * self._mean)[:, None, :], columns.shape[0], axis=1)
        stored = columns.tocoo()
        for output, coefficients in enumerate(self._coefficients):
            np.add.at(values[output], (stored.row, stored.col), coefficients[stored.col] * stored.data)
        return values

    def _base_values(self) -> Floats:
        intercepts = np.array([float(np.ravel(model.intercept_)[0]) for model in self._models])
        return np.asarray(self._coefficients @ self._mean + intercepts)


class LinearExplainableModel(_LinearSurrogate):
    """Least squares: one coefficient for each column, so that importances have the same sign and slope in every row.

    Parameters
    ----------
    multiclass : bool
        There are more than two classes.
    random_state : int
        Taken like that of the other surrogates; least squares draws no numbers.
    classification : bool
        The answers are of classes; otherwise they are values.
    shap_values_output : "default", "probability" or "teacher_probability"
        What importances add up to.
    sparse_data : bool
        The rows are sparse. That is seen from the rows; True is held to them.
    parameters : mapping, optional
        Of ``sklearn.linear_model.LinearRegression``.

    """

    method = "mimic.linear"

    def __init__(
        self,
        multiclass: bool = False,
        random_state: int = 123,
        *,
        classification: bool = True,
        shap_values_output: str = "default",
        sparse_data: bool = False,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            multiclass,
            random_state,
            classification=classification,
            shap_values_output=shap_values_output,
            parameters=parameters,
        )
        self.sparse_data = sparse_data

    def _check_rows(self, rows: Any) -> None:
        if self.sparse_data and isinstance(rows, np.ndarray):
            raise InvalidArgumentError("sparse_data=True, and the rows are dense: leave it out")

    def _regressor(self, n_columns: int) -> Any:
        from sklearn.linear_model import LinearRegression

        check_names(self.parameters, sorted(LinearRegression().get_params()), of="LinearRegression")
        return LinearRegression(**self.parameters)


class SGDExplainableModel(_LinearSurrogate):
    """Stochastic gradient descent with a small penalty: like least squares, and for more rows and columns than that.

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
        Of ``sklearn.linear_model.SGDRegressor``, for columns and answers that are scaled to a deviation of 1. The
        default steps are smaller with more than 50 columns, and go on for longer than scikit-learn's.

    """

    method = "mimic.sgd"

    def _regressor(self, n_columns: int) -> Any:
        from sklearn.linear_model import SGDRegressor

        check_names(self.parameters, sorted(SGDRegressor().get_params()), of="SGDRegressor")
        chosen = {
            "random_state": self.random_state,
            "eta0": min(_STEP, _STEP_TIMES_COLUMNS / n_columns),
            "tol": _TOLERANCE,
        }
        return SGDRegressor(**(chosen | self.parameters))


def _means(columns: Any) -> Floats:
    """Return the mean of each column (E,) over what is not missing, 0 where all is."""
    if not isinstance(columns, np.ndarray):
        return np.asarray(columns.mean(axis=0), np.float64).ravel()
    present = ~np.isnan(columns)
    counts = present.sum(axis=0)
    return np.asarray(np.where(present, columns, 0.0).sum(axis=0) / np.maximum(counts, 1))


def _deviations(columns: Any, means: Floats) -> Floats:
    """Return the standard deviation of each column (E,), 1 of a constant one; of sparse columns around 0."""
    if isinstance(columns, np.ndarray):
        found = np.sqrt(np.mean((columns - means) ** 2, axis=0))
        constant = found <= 1e-12 * np.abs(means)
    else:
        found = np.sqrt(np.asarray(columns.multiply(columns).mean(axis=0), np.float64).ravel())
        constant = found == 0.0
    return np.where(constant | (found == 0.0), 1.0, found)


def _diagonal(values: Floats) -> Any:
    from scipy.sparse import diags

    return diags(values, format="csr")
