"""Which explainer fits which model: one table over (package, class name), looked up along the model's classes.

A class that derives from a listed one is explained like it; the first class that is listed decides. An entry may have
a condition, which says why it does not apply to one model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from explanation_client.explainers.deep.recognise import why_no_gradients
from explanation_client.explainers.members import members_of
from explanation_client.explainers.model import LOG_ODDS, LOG_VALUE, PROBABILITY, origin_of

Kind = Literal["tree", "deep", "linear"]
Condition = Callable[[Any], str | None]


@dataclass(frozen=True, slots=True)
class Entry:
    """What the table says of a class of models.

    Parameters
    ----------
    kind : "tree", "deep" or "linear"
    package, name : str
        Of the listed class.
    space : str, optional
        What the values add up to, where the kind of estimator does not say.
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
    if not hasattr(model, "coef_"):
        # It is not fitted, which is said where the model is read.
        return None
    n_targets = np.atleast_2d(model.coef_).shape[0]
    return f"it has {n_targets} targets" if n_targets > 1 else None


def _trees_averaged(model: Any) -> str | None:
    if getattr(model, "voting", "soft") != "soft":
        return f"it counts votes (voting={model.voting!r})"
    if not hasattr(model, "estimators_"):
        # It is not fitted, which is said where the model is read.
        return None
    for member in members_of(model):
        origin = origin_of(member.estimator)
        name = f"its member {member.name!r}, a {'.'.join(origin[0])},"
        entry = find_entry(origin)
        if entry is None or entry.kind != "tree":
            return f"{name} is no tree model"
        problem = why_not(entry, member.estimator)
        if problem is not None:
            return f"{name} is not explained as a tree model, since {problem}"
        if hasattr(model, "classes_") and entry.space != PROBABILITY:
            return f"it averages probabilities, and those of {name} are no sums over trees"
    return None


def _weighs_votes(_: Any) -> str:
    return "it weighs the votes of its trees, of which neither a probability nor a margin of the trees is the average"


def _weighted_median(_: Any) -> str:
    return "it answers with a weighted median of its trees, which is no sum over them"


_PROBABILITY_TREES = (
    "DecisionTreeClassifier",
    "ExtraTreeClassifier",
    "RandomForestClassifier",
    "ExtraTreesClassifier",
)
_SKLEARN_TREES = (
    "DecisionTreeRegressor",
    "ExtraTreeRegressor",
    "RandomForestRegressor",
    "ExtraTreesRegressor",
    "GradientBoostingClassifier",
    "GradientBoostingRegressor",
    "HistGradientBoostingClassifier",
    "HistGradientBoostingRegressor",
    "IsolationForest",
)
# Averages of their members' answers, and exact where all of these are trees.
AVERAGES = ("BaggingClassifier", "BaggingRegressor", "VotingClassifier", "VotingRegressor")
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
# Bare networks, and estimators that hold one. A model of Keras may be a module of PyTorch too, further from its class.
_NETWORKS = (
    ("keras", "Model"),
    ("keras", "SKLearnClassifier"),
    ("keras", "SKLearnRegressor"),
    ("torch", "Module"),
    ("skorch", "NeuralNet"),
)
# Their prediction is the exponential of what is linear.
_LOG_LINK = ("GammaRegressor", "PoissonRegressor")

TABLE: tuple[Entry, ...] = (
    *(Entry("tree", "sklearn", name, space=PROBABILITY) for name in _PROBABILITY_TREES),
    *(Entry("tree", "sklearn", name) for name in _SKLEARN_TREES),
    *(
        Entry("tree", "sklearn", name, PROBABILITY if name.endswith("Classifier") else None, _trees_averaged)
        for name in AVERAGES
    ),
    *(Entry("tree", package, name) for package, name in _OTHER_TREES),
    *(Entry("deep", package, name, condition=why_no_gradients) for package, name in _NETWORKS),
    *(Entry("linear", "sklearn", name) for name in _LINEAR_CLASSIFIERS),
    *(Entry("linear", "sklearn", name, space=LOG_ODDS) for name in _LOGISTIC),
    *(Entry("linear", "sklearn", name, condition=_one_target) for name in _LINEAR_REGRESSORS),
    *(Entry("linear", "sklearn", name, space=LOG_VALUE) for name in _LOG_LINK),
    Entry("linear", "explanation_client", "Coefficients"),
    *(Entry("linear", "sklearn", name, condition=_linear_kernel) for name in ("SVC", "SVR", "NuSVC", "NuSVR")),
)
# Made of trees, and never explained by them: listed so that the reason is said.
_REFUSED = (
    Entry("tree", "sklearn", "AdaBoostClassifier", condition=_weighs_votes),
    Entry("tree", "sklearn", "AdaBoostRegressor", condition=_weighted_median),
)
_BY_CLASS = {(entry.package, entry.name): entry for entry in (*TABLE, *_REFUSED)}

# What is said of models that look as if they could be taken apart.
_WHY_GENERAL = {
    "CalibratedClassifierCV": "it maps its model's scores to probabilities by a curve, and a sum does not stay one",
    "StackingClassifier": "its last model sees predictions of the others, not the features",
    "StackingRegressor": "its last model sees predictions of the others, not the features",
    "OneVsRestClassifier": "it scales the probabilities of its models so that they add up to 1",
    "OneVsOneClassifier": "it counts votes between pairs of classes",
    "OutputCodeClassifier": "it looks for the code nearest to the answers of its models",
    "TransformedTargetRegressor": "its answers are another model's, transformed",
}


def find_entry(origin: list[tuple[str, str]]) -> Entry | None:
    """Return the entry of the first listed class among (package, class name) pairs, most derived first."""
    return next((_BY_CLASS[key] for key in origin if key in _BY_CLASS), None)


def why_general(origin: list[tuple[str, str]]) -> str | None:
    """Return why a model of scikit-learn that is made of others is not taken apart, None where there is none to say."""
    return next((_WHY_GENERAL[name] for package, name in origin if package == "sklearn" and name in _WHY_GENERAL), None)


def why_not(entry: Entry, model: Any) -> str | None:
    """Return why an entry does not apply to a model, or None where it does."""
    return None if entry.condition is None else entry.condition(model)
