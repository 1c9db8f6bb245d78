"""The explained rows with the model's predictions for them, gathered batch by batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import EvaluationData, normalise_column
from explanation_client.explainers.inputs import Table
from explanation_client.explainers.model import Model

# Sparse rows are kept as dense columns up to this many values; wider ones would be larger than what they explain.
_MAX_SPARSE_VALUES = 10_000_000
# Classes whose predict is the most probable class, the first of equals. Others weigh, count votes or have thresholds.
_MOST_PROBABLE = {
    ("explanation_client", "LightGBMBooster"),
    ("explanation_client", "XGBoostBooster"),
    ("lightgbm", "LGBMClassifier"),
    ("sklearn", "BaggingClassifier"),
    ("sklearn", "BaseDecisionTree"),
    ("sklearn", "ForestClassifier"),
    ("sklearn", "HistGradientBoostingClassifier"),
    ("xgboost", "XGBClassifier"),
}


class Evaluation:
    """Collects the model's predictions.

    Parameters
    ----------
    model : Model
    n_rows : int
        Rows in all.

    """

    def __init__(self, model: Model, n_rows: int) -> None:
        self._model = model
        self._n_rows = n_rows
        self._labels = most_probable_labels(model)
        self._predicted: list[NDArray[Any]] = []
        self._proba: NDArray[np.float64] | None = None

    def add(self, rows: Any, start: int) -> None:
        """Predict the rows from ``start`` on."""
        proba = self._model.predict_proba(rows)
        if proba is not None and self._labels is not None:
            # One pass through the model, which can take as long as explaining it.
            self._predicted.append(self._labels[proba.argmax(axis=1)])
        else:
            predicted = self._model.predict(rows)
            if predicted is not None:
                self._predicted.append(predicted)
        if proba is None:
            return
        if self._proba is None:
            self._proba = np.empty((self._n_rows, proba.shape[1]))
        self._proba[start : start + len(proba)] = proba

    def data(self, table: Table, features: tuple[str, ...]) -> EvaluationData:
        """Return the rows, copied, under the names of the features, with the predictions."""
        predicted = normalise_column(np.concatenate(self._predicted)) if self._predicted else None
        if table.is_sparse and table.shape[0] * table.shape[1] > _MAX_SPARSE_VALUES:
            return EvaluationData(predicted=predicted, predicted_proba=self._proba)
        rows = table.data.copy() if isinstance(table.data, np.ndarray) else table.data
        described = EvaluationData.from_rows(rows, names=features)
        return EvaluationData(
            names=described.names,
            columns=described.columns,
            row_names=None if table.single_row else described.row_names,
            predicted=predicted,
            predicted_proba=self._proba,
        )


def most_probable_labels(model: Model) -> NDArray[Any] | None:
    """Return the labels (C,) of which a model predicts the most probable one; None where it must be asked itself."""
    if model.task != "classification":
        return None
    if model.is_function:
        return np.array(model.outputs, object)
    estimator = model.estimator
    # The class that predict is from: one that derives from a listed class may have its own.
    source = next(kind for kind in type(estimator).__mro__ if "predict" in vars(kind))
    if (source.__module__.partition(".")[0], source.__qualname__) not in _MOST_PROBABLE:
        return None
    # Where the objective is a function of the caller's, what is called a probability is none.
    return None if callable(getattr(estimator, "objective", None)) else np.asarray(estimator.classes_)
