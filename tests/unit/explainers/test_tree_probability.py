"""shap_values_output="probability" of trees: additive to the model's own probabilities, and said so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeRegressor

from explanation_client.errors import InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers import TreeExplainer
from explanation_client.explainers.links import find_link
from tests.unit.explainers.data import rows, target
from tests.unit.explainers.truth import interventional, shapley

lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")
catboost = pytest.importorskip("catboost")
pytest.importorskip("numba")

X = rows(120)
FEW = {"n_estimators": 8, "max_depth": 3}
MODELS = [
    (GradientBoostingClassifier(**FEW), "binary"),
    (GradientBoostingClassifier(**FEW, loss="exponential"), "binary"),
    (GradientBoostingClassifier(**FEW), "multiclass"),
    (HistGradientBoostingClassifier(max_iter=8), "binary"),
    (HistGradientBoostingClassifier(max_iter=8), "multiclass"),
    (lightgbm.LGBMClassifier(**FEW, verbose=-1, n_jobs=1), "binary"),
    (lightgbm.LGBMClassifier(**FEW, verbose=-1, n_jobs=1, sigmoid=1.7), "binary"),
    (lightgbm.LGBMClassifier(**FEW, verbose=-1, n_jobs=1), "multiclass"),
    (lightgbm.LGBMClassifier(**FEW, verbose=-1, n_jobs=1, objective="multiclassova"), "multiclass"),
    (xgboost.XGBClassifier(**FEW, n_jobs=1), "binary"),
    (xgboost.XGBClassifier(**FEW, n_jobs=1), "multiclass"),
    (
        catboost.CatBoostClassifier(iterations=8, depth=3, verbose=0, thread_count=1, allow_writing_files=False),
        "binary",
    ),
    (
        catboost.CatBoostClassifier(iterations=8, depth=3, verbose=0, thread_count=1, allow_writing_files=False),
        "multiclass",
    ),
]


@pytest.mark.parametrize(("model", "task"), MODELS)
def test_values_add_up_to_the_models_probabilities(model: Any, task: str) -> None:
    model.fit(X, target(X, task))
    explanation = TreeExplainer(model, shap_values_output="probability").explain_global(X[:30])
    assert explanation.info.output_space == "probability"
    assert any("carried over" in note for note in explanation.info.notes)
    values = explanation.local_importances.values
    sums = values.sum(axis=2).T + explanation.base_values
    np.testing.assert_allclose(sums, model.predict_proba(X[:30]), atol=2e-6)
    plain = TreeExplainer(model).explain_global(X[:30])
    assert plain.info.output_space != "probability"
    assert not any("carried over" in note for note in plain.info.notes)
    if task == "binary":
        # One slope for each row and class: the features' shares stay what they are in the margin.
        of_margin = plain.local_importances.values[1]
        shares = [v / np.abs(v).sum(axis=1, keepdims=True) for v in (values[1], of_margin)]
        np.testing.assert_allclose(shares[0], shares[1], atol=1e-6)


def test_they_are_close_to_the_sums_over_all_coalitions_of_probabilities() -> None:
    model = lightgbm.LGBMClassifier(**FEW, verbose=-1, n_jobs=1).fit(X, target(X, "multiclass"))
    background = X[:20]
    explainer = TreeExplainer(
        model, background, feature_perturbation="interventional", shap_values_output="probability"
    )
    found = explainer.explain_local(X[30:34]).local_importances.values
    truth = np.stack([shapley(interventional(model.predict_proba, row, background), 4)[0] for row in X[30:34]], axis=1)
    # An approximation, and no more: the margins' own values are far from it.
    assert np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.98
    assert np.abs(found - truth).max() < 0.1 * np.abs(truth).max() + 0.02


def test_categories_of_a_frame_are_no_obstacle() -> None:
    frame = pd.DataFrame(X, columns=list("abcd")).assign(kind=pd.Categorical(np.array(["u", "v"])[np.arange(120) % 2]))
    model = lightgbm.LGBMClassifier(**FEW, verbose=-1, n_jobs=1).fit(frame, target(X, "binary"))
    explanation = TreeExplainer(model, shap_values_output="probability").explain_local(frame[:9])
    sums = explanation.local_importances.values.sum(axis=2).T + explanation.base_values
    np.testing.assert_allclose(sums, model.predict_proba(frame[:9]), atol=1e-9)


def test_forests_are_in_probabilities_already() -> None:
    model = RandomForestClassifier(5, random_state=0).fit(X, target(X, "binary"))
    plain = TreeExplainer(model).explain_local(X[:5])
    asked = TreeExplainer(model, shap_values_output="probability").explain_local(X[:5])
    np.testing.assert_array_equal(asked.local_importance_values, plain.local_importance_values)
    assert asked.info.notes == plain.info.notes


def test_what_has_no_probabilities_is_refused() -> None:
    for model in (DecisionTreeRegressor().fit(X, X[:, 0]), IsolationForest(n_estimators=5, random_state=0).fit(X)):
        with pytest.raises(InvalidArgumentError, match="is a regression"):
            TreeExplainer(model, shap_values_output="probability")
    model = lightgbm.LGBMClassifier(**FEW, verbose=-1, n_jobs=1).fit(X, target(X, "binary"))
    with pytest.raises(InvalidArgumentError, match="shap_values_output='odds'"):
        TreeExplainer(model, shap_values_output="odds")

    class Squared(GradientBoostingClassifier):
        def predict_proba(self, X: Any) -> Any:
            found = super().predict_proba(X) ** 2
            return found / 2.0

    odd = Squared(**FEW).fit(X, target(X, "binary"))
    with pytest.raises(UnsupportedModelError, match="neither the logistic function nor the softmax"):
        TreeExplainer(odd, shap_values_output="probability").explain_local(X[:20])


def test_links_are_told_from_answers() -> None:
    m = np.random.default_rng(0).normal(size=(9, 3))
    softmax = np.exp(m) / np.exp(m).sum(axis=1, keepdims=True)
    assert find_link(m, softmax) == ("softmax", 1.0)
    assert find_link(m, 1 / (1 + np.exp(-m))) == ("one-vs-rest logit", 1.0)
    assert find_link(m, np.full((9, 3), 1 / 3)) is None
    two = np.column_stack([-m[:, 0], m[:, 0]])
    assert find_link(two, 1 / (1 + np.exp(-2 * two))) == ("logit", 2.0)
    link, scale = find_link(two, 1 / (1 + np.exp(-0.3 * two))) or ("", 0.0)
    assert link == "logit"
    assert scale == pytest.approx(0.3)
