"""Booster objects of LightGBM and XGBoost, given the members of a scikit-learn estimator.

The rest of the explainers then needs to know one kind of model only. What the native objects do not say of themselves
(task, number of classes) is read from their objective.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import UnsupportedModelError


class BoosterModel(ABC):
    """A native booster with ``predict``, ``predict_proba`` and ``classes_`` of an estimator.

    Parameters
    ----------
    native : lightgbm.Booster or xgboost.Booster

    """

    native: Any
    n_classes: int

    @abstractmethod
    def raw(self, rows: Any) -> NDArray[np.float64]:
        """Return the raw scores, (N,) for one output or (N, C)."""

    def probabilities(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the class probabilities (N, C) that belong to raw scores."""
        positive = 1.0 / (1.0 + np.exp(-raw))
        return np.column_stack([1.0 - positive, positive])

    @property
    def classes_(self) -> NDArray[np.int64]:
        """Positions of the classes: a booster does not know the labels."""
        return np.arange(self.n_classes)


class LightGBMBooster(BoosterModel):
    """A ``lightgbm.Booster`` as an estimator."""

    def __init__(self, native: Any) -> None:
        self.native = native

    @cached_property
    def objective(self) -> str:
        """Objective and its parameters, ``"binary sigmoid:1"``; "" where it was a function of the caller's."""
        return str(self.native.dump_model(num_iteration=1).get("objective") or "")

    @cached_property
    def n_classes(self) -> int:  # type: ignore[override]  # an attribute that is computed once
        """Number of classes, 0 for a regression."""
        k = int(self.native.num_model_per_iteration())
        return k if k > 1 else 2 if self.objective.startswith("binary") else 0

    @property
    def n_features_in_(self) -> int:
        """Number of columns."""
        return int(self.native.num_feature())

    @property
    def booster_names(self) -> tuple[str, ...] | None:
        """Names of the columns, None where the library made them up."""
        names = tuple(self.native.feature_name())
        return None if names == tuple(f"Column_{i}" for i in range(len(names))) else names

    def raw(self, rows: Any) -> NDArray[np.float64]:
        """Return the raw scores, (N,) for one output or (N, C)."""
        return np.asarray(self.native.predict(rows, raw_score=True), np.float64) / lightgbm_divisor(self.native)

    def predict(self, rows: Any) -> NDArray[Any]:
        """Return the predictions (N,): values, or positions of classes."""
        if not self.n_classes:
            return np.asarray(self.native.predict(rows))
        return np.asarray(self.predict_proba(rows).argmax(axis=1))

    def predict_proba(self, rows: Any) -> NDArray[np.float64]:
        """Return the class probabilities (N, C)."""
        predicted = np.asarray(self.native.predict(rows), np.float64)
        return np.column_stack([1.0 - predicted, predicted]) if predicted.ndim == 1 else predicted


class XGBoostBooster(BoosterModel):
    """An ``xgboost.Booster`` as an estimator."""

    missing = np.nan

    def __init__(self, native: Any) -> None:
        self.native = native

    @cached_property
    def objective(self) -> str:
        """Name of the objective."""
        return str(json.loads(self.native.save_config())["learner"]["objective"]["name"])

    @cached_property
    def n_classes(self) -> int:  # type: ignore[override]  # an attribute that is computed once
        """Number of classes, 0 for a regression."""
        if self.objective.startswith("multi:"):
            learner = json.loads(self.native.save_config())["learner"]
            return int(learner["learner_model_param"]["num_class"])
        return 2 if self.objective.startswith("binary:") else 0

    @property
    def n_features_in_(self) -> int:
        """Number of columns."""
        return int(self.native.num_features())

    @property
    def booster_names(self) -> tuple[str, ...] | None:
        """Names of the columns, None where there were none."""
        return None if self.native.feature_names is None else tuple(self.native.feature_names)

    def get_booster(self) -> Any:
        """Return the native object."""
        return self.native

    def raw(self, rows: Any) -> NDArray[np.float64]:
        """Return the margins, (N,) for one output or (N, C)."""
        return np.asarray(self.native.predict(xgboost_matrix(self, rows), output_margin=True), np.float64)

    def predict(self, rows: Any) -> NDArray[Any]:
        """Return the predictions (N,): values, or positions of classes."""
        if not self.n_classes:
            return np.asarray(self.native.predict(xgboost_matrix(self, rows)))
        return np.asarray(self.predict_proba(rows).argmax(axis=1))

    def predict_proba(self, rows: Any) -> NDArray[np.float64]:
        """Return the class probabilities (N, C), from the margins: some objectives return classes."""
        raw = self.raw(rows)
        if raw.ndim == 1:
            return self.probabilities(raw)
        shifted = np.exp(raw - raw.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def lightgbm_booster(estimator: Any) -> Any:
    """Return the native booster of an estimator of LightGBM, or of a booster as one."""
    return estimator.native if isinstance(estimator, LightGBMBooster) else estimator.booster_


def lightgbm_divisor(booster: Any) -> int:
    """Return what raw scores and contributions are to be divided by: they are sums where predictions are means.

    In its random forest mode LightGBM predicts from the mean of its trees, and leaves the sum in ``raw_score`` and
    ``pred_contrib``.
    """
    if "\naverage_output\n" not in booster.model_to_string(num_iteration=1):
        return 1
    return int(booster.current_iteration() if booster.best_iteration <= 0 else booster.best_iteration)


def xgboost_matrix(model: Any, rows: Any) -> Any:
    """Return rows as XGBoost's own matrix, with what the model says of missing values, names and kinds of columns."""
    from xgboost import DMatrix

    booster = model.get_booster()
    has_names = hasattr(rows, "columns")
    return DMatrix(
        rows,
        missing=model.missing,
        feature_names=None if has_names else booster.feature_names,
        feature_types=None if has_names else booster.feature_types,
        enable_categorical=True,
    )


def adapt(model: Any, origin: list[tuple[str, str]]) -> Any:
    """Return a native booster as an estimator, and every other model as it is.

    Parameters
    ----------
    model : object
    origin : list of (package, class name)
        Of the model's classes, most derived first.

    Raises
    ------
    UnsupportedModelError
        It is a native object that has not been trained.

    """
    if ("lightgbm", "Booster") in origin:
        return LightGBMBooster(model)
    if ("xgboost", "Booster") in origin:
        if not model.num_boosted_rounds() and not model.num_features():
            raise UnsupportedModelError("the xgboost.Booster has not been trained")
        return XGBoostBooster(model)
    return model
