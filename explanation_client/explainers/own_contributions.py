"""Tree contributions from the package that trained the model, for what the tree kernel does not read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.explainers.boosters import (
    LightGBMBooster,
    XGBoostBooster,
    lightgbm_booster,
    lightgbm_divisor,
    xgboost_matrix,
)
from explanation_client.explainers.mirror import Floats, mirrored
from explanation_client.explainers.model import LOG_ODDS, LOG_VALUE, MARGIN, VALUE, Model


class _OwnContributions(ABC):
    """Base of the engines that ask the model's own package."""

    packages: tuple[str, ...] = ()

    def __init__(self, model: Model, reason: str) -> None:
        self._model = model
        self.description = f"the model's own contributions ({reason})"

    @cached_property
    def space(self) -> str:
        """Log-odds of a logistic model of two classes, margin of others; what the link of a regression says."""
        if self._model.task == "classification":
            return LOG_ODDS if self._model.n_outputs == 2 and self._is_logistic() else MARGIN
        return self._regression_space()

    @abstractmethod
    def _is_logistic(self) -> bool:
        """Whether the raw score of two classes is the logit of the probability."""

    @abstractmethod
    def _regression_space(self) -> str:
        """Return what a regression's raw score is."""

    def answers(self, rows: Any) -> NDArray[np.float64]:
        """Return the model's raw scores, (N, C)."""
        return self._model.answer(rows, MARGIN)

    def _split(self, contributions: NDArray[Any]) -> tuple[Floats, Floats]:
        """Return values (C, N, F) and base values (C,) from (N, F + 1) or (N, K, F + 1), base value last."""
        contributions = contributions.astype(np.float64)
        if contributions.ndim == 2:
            contributions = contributions[:, None, :]
        values = np.ascontiguousarray(contributions[:, :, :-1].transpose(1, 0, 2))
        base_values = contributions[0, :, -1]
        if len(base_values) == 1 and self._model.n_outputs == 2:
            return mirrored(values[0], float(base_values[0]))
        return values, base_values.copy()


class LightGBMEngine(_OwnContributions):
    """LightGBM's ``pred_contrib``: dense and CSR rows, categories, missing values, early stopping."""

    def contributions(self, rows: Any) -> tuple[Floats, Floats]:
        """Return values (C, N, F) and base values (C,)."""
        estimator = self._model.estimator
        predict = estimator.native.predict if isinstance(estimator, LightGBMBooster) else estimator.predict
        found = predict(rows, pred_contrib=True)
        if isinstance(found, list):
            # One CSR matrix for each class.
            found = np.stack([part.toarray() for part in found], axis=1)
        elif not isinstance(found, np.ndarray):
            found = found.toarray()
        n_rows = rows.shape[0]
        width = rows.shape[1] + 1
        found = np.asarray(found).reshape(n_rows, -1, width)
        return self._split(found / lightgbm_divisor(lightgbm_booster(estimator)))

    @cached_property
    def _objective(self) -> str:
        estimator = self._model.estimator
        return LightGBMBooster(lightgbm_booster(estimator)).objective

    def _is_logistic(self) -> bool:
        return self._objective == "binary sigmoid:1"

    def _regression_space(self) -> str:
        name = self._objective.partition(" ")[0]
        if name in ("poisson", "gamma", "tweedie"):
            return LOG_VALUE
        return MARGIN if name.startswith("cross_entropy") or "sqrt" in self._objective else VALUE


class XGBoostEngine(_OwnContributions):
    """XGBoost's ``pred_contribs``: dense and CSR rows, categories, missing values, early stopping; sums in float32."""

    def contributions(self, rows: Any) -> tuple[Floats, Floats]:
        """Return values (C, N, F) and base values (C,)."""
        estimator = self._model.estimator
        found = estimator.get_booster().predict(
            xgboost_matrix(estimator, rows), pred_contribs=True, iteration_range=self._iterations()
        )
        return self._split(np.asarray(found))

    def _iterations(self) -> tuple[int, int]:
        """Return the rounds that the model's own predict uses; (0, 0) means all."""
        best = None if isinstance(self._model.estimator, XGBoostBooster) else _best_iteration(self._model.estimator)
        return (0, 0) if best is None else (0, best + 1)

    @cached_property
    def _objective(self) -> str:
        return XGBoostBooster(self._model.estimator.get_booster()).objective

    def _is_logistic(self) -> bool:
        return self._objective in ("binary:logistic", "binary:logitraw")

    def _regression_space(self) -> str:
        if self._objective in ("count:poisson", "reg:gamma", "reg:tweedie"):
            return LOG_VALUE
        identity = ("reg:squarederror", "reg:absolute", "reg:pseudohuber", "reg:quantile", "reg:squaredlog", "rank:")
        return VALUE if self._objective.startswith(identity) else MARGIN


class CatBoostEngine(_OwnContributions):
    """CatBoost's ``ShapValues``: categories and text as the model has them."""

    def contributions(self, rows: Any) -> tuple[Floats, Floats]:
        """Return values (C, N, F) and base values (C,)."""
        from catboost import Pool

        estimator = self._model.estimator
        pool = Pool(rows, cat_features=estimator.get_cat_feature_indices())
        return self._split(np.asarray(estimator.get_feature_importance(pool, type="ShapValues")))

    @cached_property
    def _loss(self) -> str:
        return str(self._model.estimator.get_all_params().get("loss_function", ""))

    def _is_logistic(self) -> bool:
        return self._loss in ("Logloss", "CrossEntropy")

    def _regression_space(self) -> str:
        return LOG_VALUE if self._loss.startswith(("Poisson", "Tweedie")) else VALUE


def _best_iteration(estimator: Any) -> int | None:
    return getattr(estimator, "best_iteration", None)
