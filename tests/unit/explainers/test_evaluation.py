"""The predictions that an explanation keeps are the model's own labels, whether or not it was asked twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.tree import DecisionTreeClassifier

from explanation_client.explainers.evaluation import Evaluation, most_probable_labels
from explanation_client.explainers.reading import read_model
from tests.unit.explainers.data import rows, target

lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")

X = rows(60)
NAMES = np.array(["no", "perhaps", "yes"])


class Contrary(RandomForestClassifier):
    """A forest that predicts what is least probable."""

    def predict(self, x: Any) -> Any:
        return self.classes_[self.predict_proba(x).argmin(axis=1)]


ONE_PASS = [
    RandomForestClassifier(3, max_depth=2, random_state=0),
    DecisionTreeClassifier(max_depth=2),
    BaggingClassifier(DecisionTreeClassifier(max_depth=2), 2, random_state=0),
    HistGradientBoostingClassifier(max_iter=2),
    lightgbm.LGBMClassifier(n_estimators=2, verbose=-1, n_jobs=1),
]
ASKED = [
    LogisticRegression(),
    GradientBoostingClassifier(n_estimators=2),
    FixedThresholdClassifier(RandomForestClassifier(3, max_depth=2, random_state=0), threshold=0.9),
    Contrary(3, max_depth=2, random_state=0),
]


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize(("model", "is_asked"), [*((m, False) for m in ONE_PASS), *((m, True) for m in ASKED)])
def test_labels_are_those_that_the_model_predicts(model: Any, is_asked: bool, task: str) -> None:
    if task == "multiclass" and isinstance(model, FixedThresholdClassifier):
        task = "binary"
    model.fit(X, NAMES[target(X, task)])
    read = read_model(model, background=None, classes=None)
    assert (most_probable_labels(read) is None) == is_asked
    evaluation = Evaluation(read, len(X))
    for start in (0, 40):
        evaluation.add(X[start : start + 40], start)
    predicted = evaluation._predicted
    np.testing.assert_array_equal(np.concatenate(predicted), model.predict(X))
    assert predicted[0].dtype == model.predict(X).dtype


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_boosters_predict_the_positions_of_their_classes(task: str) -> None:
    y = target(X, task)
    light = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1, n_jobs=1).fit(X, y)
    xgb = xgboost.XGBClassifier(n_estimators=2, n_jobs=1).fit(X, y)
    for model, booster in ((light, light.booster_), (xgb, xgb.get_booster()), (xgb, xgb)):
        read = read_model(booster, background=None, classes=None)
        evaluation = Evaluation(read, len(X))
        evaluation.add(X, 0)
        np.testing.assert_array_equal(evaluation._predicted[0], model.predict(X))


def test_what_a_callers_objective_gives_is_no_probability() -> None:
    def squared(y: Any, raw: Any) -> Any:
        return raw - y, np.ones_like(raw)

    model = xgboost.XGBClassifier(n_estimators=2, n_jobs=1, objective=squared).fit(X, target(X, "binary"))
    assert most_probable_labels(read_model(model, background=None, classes=None)) is None
