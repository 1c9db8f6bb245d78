"""Models that average trees: exact values, held to sums over all coalitions and to the models' answers."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from explanation_client.errors import UnsupportedModelError
from explanation_client.explainers import TabularExplainer, TreeExplainer
from tests.unit.explainers.data import rows, target
from tests.unit.explainers.truth import interventional, shapley

X = rows(60)
SMALL = {"n_estimators": 2, "max_depth": 3, "random_state": 0}
TREE = DecisionTreeClassifier(max_depth=3, random_state=0)
NUMBERS = DecisionTreeRegressor(max_depth=3, random_state=0)
FOREST = RandomForestClassifier(**SMALL)
PAIR = [("forest", FOREST), ("gone", "drop"), ("extra", ExtraTreesClassifier(**SMALL))]
AVERAGES = [
    (BaggingClassifier(TREE, n_estimators=3, random_state=0), "multiclass"),
    (BaggingClassifier(TREE, n_estimators=3, max_features=0.75, bootstrap_features=True, random_state=1), "multiclass"),
    (VotingClassifier(PAIR, voting="soft", weights=[1, 9, 3]), "binary"),
    (VotingClassifier([("bag", BaggingClassifier(TREE, n_estimators=2, random_state=0))], voting="soft"), "binary"),
    (BaggingRegressor(NUMBERS, n_estimators=3, max_features=2, random_state=0), "regression"),
    (
        VotingRegressor(
            [
                ("boosted", GradientBoostingRegressor(**SMALL)),
                ("histogram", HistGradientBoostingRegressor(max_iter=2, min_samples_leaf=5)),
                ("forest", RandomForestRegressor(**SMALL)),
            ]
        ),
        "regression",
    ),
]


def case_name(value: Any) -> str:
    return value if isinstance(value, str) else type(value).__name__


def answers(model: Any, x: Any) -> np.ndarray:
    return np.asarray(model.predict_proba(x) if hasattr(model, "classes_") else model.predict(x)[:, None])


@pytest.mark.parametrize(("model", "task"), AVERAGES, ids=case_name)
def test_values_of_an_average_of_trees_are_exact(model: Any, task: str) -> None:
    model.fit(X, target(X, task))
    explanation = TabularExplainer(model, X).explain_local(X[:5])
    assert explanation.method == "shap_tree"
    assert explanation.info.output_space == ("value" if task == "regression" else "probability")
    assert "the average over" in explanation.info.reason
    sums = explanation.local_importances.values.sum(axis=2).T + explanation.expected_values
    np.testing.assert_allclose(sums, answers(model, X[:5]), atol=1e-12)
    # The definition, with the features that are left out taken from other rows.
    few = X[10:16]
    local = TreeExplainer(model, few, feature_perturbation="interventional").explain_local(X[0]).local_importances
    values, _ = shapley(interventional(lambda x: answers(model, x), X[0], few), 4)
    np.testing.assert_allclose(local.values[:, 0], values, atol=1e-12)


def test_a_bagging_of_one_tree_on_all_rows_is_that_tree() -> None:
    y = target(X, "binary")
    bagging = BaggingClassifier(TREE, n_estimators=1, bootstrap=False, random_state=0).fit(X, y)
    alone = TreeExplainer(bagging.estimators_[0]).explain_global(X)
    together = TreeExplainer(bagging).explain_global(X)
    np.testing.assert_allclose(together.local_importance_values, alone.local_importance_values, atol=1e-15)
    np.testing.assert_allclose(together.expected_values, alone.expected_values, atol=1e-15)


class TreeWithoutWeights(DecisionTreeClassifier):
    """A tree that bagging has to fit on some of the rows, not on weighted ones."""

    def fit(self, x: Any, y: Any) -> Any:
        return super().fit(x, y)


def test_members_that_never_saw_a_class_leave_it_to_the_others() -> None:
    y = np.array(["rare", *["a", "b"] * 29, "a"])
    model = BaggingClassifier(TreeWithoutWeights(max_depth=3), n_estimators=4, max_samples=10, random_state=0).fit(X, y)
    assert any(len(member.classes_) < 3 for member in model.estimators_)
    explanation = TreeExplainer(model).explain_local(X[:5])
    sums = explanation.local_importance_values.sum(axis=2).T + explanation.expected_values
    np.testing.assert_allclose(sums, model.predict_proba(X[:5]), atol=1e-12)


def test_an_average_that_was_trained_on_names_takes_its_columns_in_any_order() -> None:
    frame = pd.DataFrame(X, columns=list("abcd"))
    y = target(X, "binary")
    for model in (BaggingClassifier(TREE, n_estimators=2, random_state=0), VotingClassifier(PAIR, voting="soft")):
        model.fit(frame, y)
        explanation = TabularExplainer(model, frame).explain_local(frame[["d", "c", "b", "a"]].head())
        sums = explanation.local_importance_values.sum(axis=2).T + explanation.expected_values
        np.testing.assert_allclose(sums, model.predict_proba(frame.head()), atol=1e-12)


@pytest.mark.parametrize(
    ("model", "task", "reason"),
    [
        (VotingClassifier([("forest", FOREST)]), "binary", r"it counts votes \(voting='hard'\)"),
        (
            VotingClassifier([("forest", FOREST), ("logistic", LogisticRegression())], voting="soft"),
            "binary",
            "member 'logistic', a sklearn.LogisticRegression, is no tree model",
        ),
        (
            VotingClassifier([("boosted", GradientBoostingClassifier(**SMALL))], voting="soft"),
            "binary",
            "it averages probabilities, and those of its member 'boosted'.* are no sums over trees",
        ),
        (BaggingRegressor(Ridge(), n_estimators=2), "regression", "member '0', a sklearn.Ridge, is no tree model"),
        (AdaBoostClassifier(TREE, n_estimators=2), "binary", "it weighs the votes of its trees"),
        (AdaBoostRegressor(NUMBERS, n_estimators=2), "regression", "weighted median of its trees"),
    ],
    ids=case_name,
)
def test_what_is_no_average_of_trees_is_refused_and_the_reason_recorded(model: Any, task: str, reason: str) -> None:
    model.fit(X, target(X, task))
    with pytest.raises(UnsupportedModelError, match=reason):
        TreeExplainer(model)
    explanation = TabularExplainer(model, X[:4]).explain_local(X[:2])
    assert explanation.method == "shap_kernel"
    assert re.search(reason, explanation.info.reason)


def test_members_in_another_space_than_the_average_are_refused() -> None:
    poisson = HistGradientBoostingRegressor(loss="poisson", max_iter=2)
    model = VotingRegressor([("poisson", poisson)]).fit(X, np.exp(X[:, 0]))
    with pytest.raises(UnsupportedModelError, match=r"averages answers \(value\).*'poisson' add up to the log"):
        TreeExplainer(model)
