"""A linear model given by its numbers: coefficients and intercept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError


@dataclass(frozen=True, slots=True, eq=False)
class Coefficients:
    """A linear model that is known by its coefficients only; predicts as scikit-learn's do.

    Parameters
    ----------
    coef_ : ndarray of float64, shape (K, F)
    intercept_ : ndarray of float64, shape (K,)
    classes_ : ndarray of object (str), shape (C,), optional
        Names of the classes: two where K is 1, else K. None: a regression.

    """

    coef_: NDArray[np.float64]
    intercept_: NDArray[np.float64]
    classes_: NDArray[np.object_] | None

    @classmethod
    def of(cls, pair: Any, *, classes: Sequence[Any] | None, model_task: str) -> Coefficients:
        """Return the model of a pair (coefficients, intercept).

        Raises
        ------
        InvalidArgumentError
            It is no such pair, or its shapes do not fit the classes or the task.

        """
        if len(pair) != 2:
            raise InvalidArgumentError(
                f"the model is a tuple of {len(pair)}: a linear model is given as (coefficients, intercept)"
            )
        coef = _numbers(pair[0], "coefficients")
        intercept = _numbers(pair[1], "intercept").ravel()
        if coef.ndim not in (1, 2) or not coef.size:
            raise InvalidArgumentError(f"the coefficients have shape {coef.shape}: (F,) or (K, F) is needed")
        coef = np.atleast_2d(coef)
        if len(intercept) not in (1, len(coef)):
            raise InvalidArgumentError(
                f"the intercept has {len(intercept)} values, the coefficients have shape {coef.shape}: one for each "
                f"of {len(coef)} outputs is needed"
            )
        intercept = np.broadcast_to(intercept, (len(coef),)).copy()
        is_regression = model_task == "regression" or (model_task == "unknown" and classes is None and len(coef) == 1)
        if not is_regression:
            n_classes = max(2, len(coef))
            names = list(range(n_classes)) if classes is None else list(classes)
            if len(names) != n_classes:
                raise InvalidArgumentError(
                    f"classes= names {len(names)} classes, and coefficients of shape {coef.shape} are of {n_classes}"
                )
            return cls(coef, intercept, np.array([str(name) for name in names], dtype=object))
        if len(coef) > 1:
            raise InvalidArgumentError(f"the coefficients are of {len(coef)} targets: explain one at a time")
        return cls(coef, intercept, None)

    @property
    def n_features_in_(self) -> int:
        """F."""
        return int(self.coef_.shape[1])

    @property
    def _estimator_type(self) -> str:
        return "regressor" if self.classes_ is None else "classifier"

    def decision_function(self, rows: Any) -> NDArray[np.float64]:
        """Return the margins, (N,) of a single one, else (N, K)."""
        margins = np.asarray(rows @ self.coef_.T) + self.intercept_
        return margins[:, 0] if margins.shape[1] == 1 else margins

    def predict(self, rows: Any) -> NDArray[Any]:
        """Return the values or class names, (N,)."""
        margins = self.decision_function(rows)
        if self.classes_ is None:
            return margins
        return np.asarray(self.classes_[margins.argmax(axis=1) if margins.ndim == 2 else (margins > 0).astype(int)])


def _numbers(values: Any, what: str) -> NDArray[np.float64]:
    """Return values as float64, also of a sparse matrix."""
    try:
        numbers = np.asarray(values.toarray() if hasattr(values, "toarray") else values, np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(f"the {what} of the linear model are no numbers: {error}") from error
    if not np.isfinite(numbers).all():
        raise InvalidArgumentError(f"the {what} of the linear model are not all finite")
    return numbers
