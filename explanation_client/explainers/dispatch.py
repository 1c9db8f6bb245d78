"""Which explainer fits which model: one table over (package, class name), looked up along the model's classes.

A class that derives from a listed one is explained like it; the first class that is listed decides. An entry may have
a condition, which says why it does not apply to one model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from explanation_client.explainers.model import LOG_ODDS, LOG_VALUE

Kind = Literal["tree", "linear"]
Condition = Callable[[Any], str | None]


@dataclass(frozen=True, slots=True)
class Entry:
    """What the table says of a class of models.

    Parameters
    ----------
    kind : "tree" or "linear"
    package, name : str
        Of the listed class.
    space : str, optional
        What the values of a linear model add up to, where its kind of estimator does not say.
    condition : callable, optional
        Returns why the model is not explained this way, or None.

    """

    kind: Kind
    package: str
    name: str
    space: str | None = None
    condition: Condition | None = None


def _linear_kernel(model: Any) -> str | None:
    if getattr(model, "kernel", None) != "linear":
        return f"its kernel is {getattr(model, 'kernel', None)!r}, not linear"
    if len(getattr(model, "classes_", ())) > 2:
        return "with more than two classes it votes between pairs of them"
    return None


def _one_target(model: Any) -> str | None:
    n_targets = np.atleast_2d(model.coef_).shape[0]
    return f"it has {n_targets} targets" if n_targets > 1 else None


_SKLEARN_TREES = (
    "DecisionTreeClassifier",
    "DecisionTreeRegressor",
    "ExtraTreeClassifier",
    "ExtraTreeRegressor",
    "RandomForestClassifier",
    "RandomForestRegressor",
    "ExtraTreesClassifier",
    "ExtraTreesRegressor",
    "GradientBoostingClassifier",
    "GradientBoostingRegressor",
    "HistGradientBoostingClassifier",
    "HistGradientBoostingRegressor",
    "IsolationForest",
)
_OTHER_TREES = (
    ("lightgbm", "LGBMModel"),
    ("lightgbm", "Booster"),
    ("xgboost", "XGBModel"),
    ("xgboost", "Booster"),
    ("catboost", "CatBoost"),
)
_LINEAR_CLASSIFIERS = (
    "LinearDiscriminantAnalysis",
    "LinearSVC",
    "PassiveAggressiveClassifier",
    "Perceptron",
    "RidgeClassifier",
    "RidgeClassifierCV",
    "SGDClassifier",
)
_LOGISTIC = ("LogisticRegression", "LogisticRegressionCV")
_LINEAR_REGRESSORS = (
    "ARDRegression",
    "BayesianRidge",
    "ElasticNet",
    "ElasticNetCV",
    "HuberRegressor",
    "Lars",
    "LarsCV",
    "Lasso",
    "LassoCV",
    "LassoLars",
    "LassoLarsCV",
    "LassoLarsIC",
    "LinearRegression",
    "LinearSVR",
    "OrthogonalMatchingPursuit",
    "OrthogonalMatchingPursuitCV",
    "PassiveAggressiveRegressor",
    "QuantileRegressor",
    "Ridge",
    "RidgeCV",
    "SGDRegressor",
    "TheilSenRegressor",
)
# Their prediction is the exponential of what is linear.
_LOG_LINK = ("GammaRegressor", "PoissonRegressor")

TABLE: tuple[Entry, ...] = (
    *(Entry("tree", "sklearn", name) for name in _SKLEARN_TREES),
    *(Entry("tree", package, name) for package, name in _OTHER_TREES),
    *(Entry("linear", "sklearn", name) for name in _LINEAR_CLASSIFIERS),
    *(Entry("linear", "sklearn", name, space=LOG_ODDS) for name in _LOGISTIC),
    *(Entry("linear", "sklearn", name, condition=_one_target) for name in _LINEAR_REGRESSORS),
    *(Entry("linear", "sklearn", name, space=LOG_VALUE) for name in _LOG_LINK),
    *(Entry("linear", "sklearn", name, condition=_linear_kernel) for name in ("SVC", "SVR", "NuSVC", "NuSVR")),
)
_BY_CLASS = {(entry.package, entry.name): entry for entry in TABLE}


def find_entry(origin: list[tuple[str, str]]) -> Entry | None:
    """Return the entry of the first listed class among (package, class name) pairs, most derived first."""
    return next((_BY_CLASS[key] for key in origin if key in _BY_CLASS), None)


def why_not(entry: Entry, model: Any) -> str | None:
    """Return why an entry does not apply to a model, or None where it does."""
    return None if entry.condition is None else entry.condition(model)
