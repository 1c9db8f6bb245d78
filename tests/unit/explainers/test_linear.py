"""Linear values: coefficients, the definition by enumeration, and the model's own answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import (
    GammaRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.svm import SVC, SVR, LinearSVC

from explanation_client.errors import InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers import LinearExplainer
from tests.unit.explainers.data import rows, target
from tests.unit.explainers.truth import interventional, shapley

X = rows(200)
CLASSIFIERS = [
    LogisticRegression(),
    LinearSVC(random_state=0),
    SGDClassifier(random_state=0),
    RidgeClassifier(),
    LinearDiscriminantAnalysis(),
]
CASES = [
    *((model, task) for model in CLASSIFIERS for task in ("binary", "multiclass")),
    (SVC(kernel="linear"), "binary"),
    *(
        (model, "regression")
        for model in (LinearRegression(), Ridge(), Lasso(0.1), SGDRegressor(random_state=0), SVR(kernel="linear"))
    ),
]


def case_name(value: Any) -> str:
    return value if isinstance(value, str) else type(value).__name__


def own_answers(model: Any, x: Any) -> np.ndarray:
    if not hasattr(model, "classes_"):
        return np.asarray(model.predict(x))[:, None]
    scores = model.decision_function(x)
    return np.column_stack([-scores, scores]) if scores.ndim == 1 else scores


@pytest.mark.parametrize(("model", "task"), CASES, ids=case_name)
def test_values_are_the_sums_over_all_coalitions_and_the_whole_background(model: Any, task: str) -> None:
    model.fit(X, target(X, task))
    explanation = LinearExplainer(model, X).explain_local(X[:2])
    for i in range(2):
        values, base = shapley(interventional(lambda x: own_answers(model, x), X[i], X), 4)
        np.testing.assert_allclose(explanation.local_importances.values[:, i], values, atol=1e-9)
        np.testing.assert_allclose(explanation.expected_values, base, atol=1e-9)


@pytest.mark.parametrize(("model", "task"), CASES, ids=case_name)
def test_values_are_coefficient_times_distance_from_the_mean(model: Any, task: str) -> None:
    model.fit(X, target(X, task))
    local = LinearExplainer(model, X).explain_global(X).local_importances.values
    coefficients = np.atleast_2d(model.coef_)
    wanted = coefficients[:, None, :] * (X - X.mean(axis=0))[None]
    np.testing.assert_allclose(local[1:] if task == "binary" else local, wanted, atol=1e-12)
    if task == "binary":
        assert (local[0] == -local[1]).all()


def test_a_csr_matrix_gives_the_values_of_its_dense_form() -> None:
    sparse = np.where(X > 0.8, X, 0.0)
    for task in ("binary", "multiclass"):
        model = LogisticRegression().fit(sparse, target(X, task))
        dense = LinearExplainer(model, sparse).explain_global(sparse)
        ours = LinearExplainer(model, csr_matrix(sparse)).explain_global(csr_matrix(sparse))
        np.testing.assert_allclose(ours.local_importance_values, dense.local_importance_values, atol=1e-12)
        np.testing.assert_allclose(ours.expected_values, dense.expected_values, atol=1e-12)


def test_a_wide_csr_matrix_is_not_made_dense() -> None:
    from scipy.sparse import random

    wide = random(1000, 10_000, density=0.001, format="csr", random_state=0)
    explainer = LinearExplainer((np.ones(10_000), 0.0), wide, classes=["no", "yes"])
    # Dense, the background alone would take 80 MB.
    import tracemalloc

    tracemalloc.start()
    explanation = explainer.explain_global(wide, include_local=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert explanation.global_importance_values.shape == (10_000,)
    assert peak < 60e6


def test_a_logistic_regression_of_two_classes_is_explained_in_log_odds() -> None:
    model = LogisticRegression().fit(X, target(X, "binary"))
    explanation = LinearExplainer(model, X).explain_local(X[:5])
    assert explanation.info.output_space == "log-odds"
    p = model.predict_proba(X[:5])[:, 1]
    sums = explanation.local_importance_values[1].sum(axis=1) + explanation.expected_values[1]
    np.testing.assert_allclose(sums, np.log(p / (1 - p)), atol=1e-9)


@pytest.mark.parametrize("model", [PoissonRegressor(), GammaRegressor()], ids=case_name)
def test_a_log_link_is_explained_in_logarithms(model: Any) -> None:
    model.fit(X, np.exp(target(X, "regression") / 4))
    explanation = LinearExplainer(model, X).explain_local(X[:5])
    assert explanation.info.output_space == "log of the value"
    sums = explanation.local_importance_values.sum(axis=1) + explanation.expected_values[0]
    np.testing.assert_allclose(np.exp(sums), model.predict(X[:5]))


def test_weighted_background_rows_count_by_their_weights() -> None:
    shap = pytest.importorskip("shap.utils._legacy")
    model = LinearRegression().fit(X, target(X, "regression"))
    weighted = shap.DenseData(X[:2].copy(), list("abcd"), None, np.array([3.0, 1.0]))
    explanation = LinearExplainer(model, weighted).explain_local(X[5])
    mean = (3 * X[0] + X[1]) / 4
    np.testing.assert_allclose(explanation.local_importance_values, model.coef_ * (X[5] - mean), atol=1e-12)


def test_what_is_not_linear_is_refused_with_the_reason() -> None:
    y = target(X, "multiclass")
    with pytest.raises(UnsupportedModelError, match="its kernel is 'rbf'"):
        LinearExplainer(SVC().fit(X, y), X)
    with pytest.raises(UnsupportedModelError, match="votes between pairs"):
        LinearExplainer(SVC(kernel="linear").fit(X, y), X)
    with pytest.raises(UnsupportedModelError, match="2 targets"):
        LinearExplainer(LinearRegression().fit(X, X[:, :2]), X)
    with pytest.raises(InvalidArgumentError, match="needs initialization_examples"):
        LinearExplainer(LinearRegression().fit(X, X[:, 0]), None)


# --- Coefficients and intercept -----------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_coefficients_and_intercept_alone_are_explained_as_the_model_they_come_from(task: str) -> None:
    model = (LinearRegression() if task == "regression" else LogisticRegression()).fit(X, target(X, task))
    classes = {"regression": None, "binary": ["no", "yes"], "multiclass": None}[task]
    pair = (model.coef_, model.intercept_)
    ours = LinearExplainer(pair, X, classes=classes).explain_global(X[:9])
    theirs = LinearExplainer(model, X).explain_global(X[:9])
    np.testing.assert_allclose(ours.local_importance_values, theirs.local_importance_values, atol=1e-12)
    np.testing.assert_allclose(ours.expected_values, theirs.expected_values, atol=1e-12)
    assert ours.model_task == theirs.model_task
    assert ours.classes == (("no", "yes") if task == "binary" else theirs.classes)
    assert ours.info.output_space == ("value" if task == "regression" else "margin")
    wanted = model.predict(X[:9])
    np.testing.assert_allclose(
        ours.eval_y_predicted.astype(float) if classes is None else ours.eval_y_predicted == "yes", wanted
    )


def test_a_pair_works_on_frames_sparse_rows_and_with_a_number_as_intercept() -> None:
    import pandas as pd

    coefficients = np.array([2.0, 0.0, -1.0, 0.5])
    explainer = LinearExplainer((coefficients, 3.0), pd.DataFrame(X, columns=list("abcd")))
    assert explainer.features == tuple("abcd")
    assert explainer.model[0] is coefficients
    explanation = explainer.explain_local(pd.DataFrame(X[:3], columns=list("abcd")))
    np.testing.assert_allclose(explanation.local_importance_values, coefficients * (X[:3] - X.mean(axis=0)))
    np.testing.assert_allclose(explanation.expected_values, [X.mean(axis=0) @ coefficients + 3.0])
    sparse = LinearExplainer((coefficients, 3.0), csr_matrix(X)).explain_local(csr_matrix(X[:3]))
    np.testing.assert_allclose(sparse.local_importance_values, explanation.local_importance_values, atol=1e-12)


@pytest.mark.parametrize(
    ("pair", "how", "message"),
    [
        ((np.ones(4), 0.0, 1.0), {}, "a tuple of 3"),
        ((np.ones((1, 2, 2)), 0.0), {}, r"shape \(1, 2, 2\)"),
        ((["a"] * 4, 0.0), {}, "are no numbers"),
        ((np.array([1.0, np.nan, 0.0, 0.0]), 0.0), {}, "not all finite"),
        ((np.ones((3, 4)), np.ones(2)), {}, "one for each of 3 outputs"),
        ((np.ones((3, 4)), 0.0), {"model_task": "regression"}, "of 3 targets"),
        ((np.ones(4), 0.0), {"classes": ["a", "b", "c"]}, "names 3 classes"),
    ],
)
def test_a_pair_that_is_no_linear_model_is_refused(pair: Any, how: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        LinearExplainer(pair, X, **how)
