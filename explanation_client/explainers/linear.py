"""LinearExplainer: exact Shapley values of linear models, in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers.base import Explainer
from explanation_client.explainers.coefficients import Coefficients
from explanation_client.explainers.dispatch import Entry, find_entry, why_not
from explanation_client.explainers.inputs import Table
from explanation_client.explainers.mirror import Floats, mirrored
from explanation_client.explainers.model import LOG_ODDS, MARGIN, VALUE
from explanation_client.explainers.numbers import as_numbers


class LinearExplainer(Explainer):
    """Exact Shapley values of linear models: coefficient times the distance from the background's mean.

    The features are taken as independent: ``coef * (x - mean)`` is then the interventional Shapley value for the
    whole background, of which all rows count. Values add up to the linear part of the model: log-odds of a logistic
    regression of two classes, margins of other classifiers, values of regressors, the logarithm of what a Poisson or
    gamma regression predicts.

    Parameters
    ----------
    model : object
        A trained linear model of scikit-learn; or coefficients (F,) or (K, F) and intercept, as a tuple of both. With
        ``classes``, or several rows of coefficients, these are margins of a classifier.
    initialization_examples : table of shape (B, F)
        Background data. A CSR matrix is not made dense.
    features, classes, explain_subset, transformations, allow_all_transformations, model_task, show_progress
        As of every :class:`~explanation_client.explainers.Explainer`.

    Raises
    ------
    UnsupportedModelError
        The model is not linear, or has several targets.

    """

    method = "shap_linear"

    def __init__(
        self,
        model: Any,
        initialization_examples: Any,
        *,
        features: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        explain_subset: Sequence[int] | None = None,
        transformations: Any = None,
        allow_all_transformations: bool = False,
        model_task: str = "unknown",
        show_progress: bool | None = None,
    ) -> None:
        self._given = model
        if isinstance(model, tuple):
            model = Coefficients.of(model, classes=classes, model_task=model_task)
        super().__init__(
            model,
            initialization_examples,
            features=features,
            classes=classes,
            explain_subset=explain_subset,
            transformations=transformations,
            allow_all_transformations=allow_all_transformations,
            model_task=model_task,
            show_progress=show_progress,
        )
        if self._background is None:
            raise InvalidArgumentError(
                "LinearExplainer needs initialization_examples: values are distances from their mean"
            )
        self._entry = self._find_entry()
        self._coefficients, self._intercepts = _linear_parts(self._model.estimator)
        self._mean = column_means(self._background)
        n_rows = self._background.shape[0]
        self.how = f"exact values, coefficient times the distance from the mean of {n_rows:,} background rows"

    @property
    def model(self) -> Any:
        """The model that is explained, as it was given."""
        return self._given

    def _find_entry(self) -> Entry:
        entry = find_entry(self._model.origin)
        if entry is None or entry.kind != "linear":
            raise UnsupportedModelError(
                f"{self._model.short_name} is no linear model that is known here: use TabularExplainer, which chooses"
            )
        problem = why_not(entry, self._model.estimator)
        if problem is not None:
            raise UnsupportedModelError(f"{self._model.short_name} is not explained as a linear model: {problem}")
        return entry

    @cached_property
    def _output_space(self) -> str:
        if self._model.task == "regression":
            return self._entry.space or VALUE
        return self._entry.space if self._entry.space == LOG_ODDS and self._model.n_outputs == 2 else MARGIN

    def _attribute(self, rows: Any) -> tuple[Floats, Floats]:
        if not hasattr(rows, "tocsr"):
            rows = as_numbers(rows, self._model.short_name)
        values = _distances(rows, self._coefficients, self._mean)
        base_values = self._coefficients @ self._mean + self._intercepts
        if len(values) == 1 and self._model.n_outputs == 2:
            return mirrored(values[0], float(base_values[0]))
        return values, base_values


def _linear_parts(estimator: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return coefficients (K, F) and intercepts (K,)."""
    coefficients = estimator.coef_
    if hasattr(coefficients, "toarray"):
        coefficients = coefficients.toarray()
    coefficients = np.atleast_2d(np.asarray(coefficients, np.float64))
    intercepts = np.broadcast_to(np.asarray(estimator.intercept_, np.float64).ravel(), (len(coefficients),))
    return coefficients, intercepts


def _distances(rows: Any, coefficients: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``coef * (x - mean)`` for each output, (K, N, F); of a CSR matrix only the stored values are visited."""
    if not hasattr(rows, "tocsr"):
        return np.asarray(coefficients[:, None, :] * (rows - mean)[None, :, :])
    values = np.repeat((-coefficients * mean)[:, None, :], rows.shape[0], axis=1)
    stored = rows.tocoo()
    for output, coefficient in enumerate(coefficients):
        np.add.at(values[output], (stored.row, stored.col), coefficient[stored.col] * stored.data)
    return values


def column_means(table: Table) -> NDArray[np.float64]:
    """Return the weighted mean of each column, (F,)."""
    weights = np.full(table.shape[0], 1.0 / table.shape[0]) if table.weights is None else table.weights
    if table.is_sparse:
        return np.asarray(table.data.T @ weights, np.float64).ravel()
    numbers = table.data.to_numpy(np.float64, na_value=np.nan) if table.is_frame else np.asarray(table.data, np.float64)
    return np.asarray(weights @ numbers)
