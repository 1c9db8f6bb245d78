"""Surrogates: fitted to a teacher's answers, explained exactly in every space."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

from explanation_client.errors import InvalidArgumentError, UnsupportedModelError
from explanation_client.surrogates import (
    DecisionTreeExplainableModel,
    ExplainableModel,
    LGBMExplainableModel,
    LinearExplainableModel,
    SGDExplainableModel,
)
from explanation_client.surrogates.targets import log_odds, to_probabilities
from tests.unit.explainers.data import rows, score
from tests.unit.explainers.truth import interventional, path_dependent, shapley, sklearn_tree

pytest.importorskip("lightgbm")
pytest.importorskip("numba")

X = rows(120)
KINDS: list[type[ExplainableModel]] = [
    LGBMExplainableModel,
    LinearExplainableModel,
    SGDExplainableModel,
    DecisionTreeExplainableModel,
]
SMALL = {"n_estimators": 10, "num_leaves": 6}


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def answers(x: np.ndarray, task: str) -> np.ndarray:
    values = score(x)
    if task == "regression":
        return values
    if task == "binary":
        return softmax(np.column_stack([-values, values]) / 2)
    return softmax(np.column_stack([values, x[:, 1], -x[:, 3]]))


def fitted(kind: type[ExplainableModel], task: str, x: np.ndarray = X, **options: Any) -> ExplainableModel:
    parameters = SMALL if kind is LGBMExplainableModel else {}
    surrogate = kind(task == "multiclass", classification=task != "regression", parameters=parameters, **options)
    return surrogate.fit(x, answers(x, task))


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
@pytest.mark.parametrize("kind", KINDS)
def test_importances_add_up_to_the_outputs(kind: type[ExplainableModel], task: str) -> None:
    surrogate = fitted(kind, task)
    values = surrogate.explain_local(X[:7])
    n_outputs = {"regression": 1, "binary": 2, "multiclass": 3}[task]
    assert values.shape == (n_outputs, 7, 4)
    outputs = surrogate.outputs(X[:7])
    np.testing.assert_allclose(values.sum(axis=2).T + surrogate.expected_values, outputs, atol=1e-9)
    predicted = surrogate.predict(X)
    if task == "regression":
        np.testing.assert_array_equal(predicted, surrogate.model.predict(X))
    else:
        np.testing.assert_array_equal(predicted, surrogate.predict_proba(X).argmax(axis=1))
        np.testing.assert_allclose(surrogate.predict_proba(X).sum(axis=1), 1.0)
        assert (predicted == answers(X, task).argmax(axis=1)).mean() > 0.7
    # One row without a row axis is one row.
    np.testing.assert_allclose(surrogate.explain_local(X[3])[:, 0], values[:, 3], atol=1e-12)
    np.testing.assert_allclose(surrogate.explain_global(), np.abs(surrogate.explain_local(X)).mean(axis=(0, 1)))
    copy = pickle.loads(pickle.dumps(surrogate))
    np.testing.assert_array_equal(copy.explain_local(X[:7]), values)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_lightgbms_importances_are_its_own_contributions(task: str) -> None:
    gaps = X.copy()
    gaps[::7, 2] = np.nan
    codes = np.arange(len(X)) % 5
    both = np.column_stack([gaps, codes])
    surrogate = LGBMExplainableModel(task == "multiclass", parameters=SMALL).fit(
        both, answers(X + 2.0 * (codes == 2)[:, None], task), categorical_features=[4]
    )
    unseen = both[:20].copy()
    unseen[:3, 4] = np.nan
    values = surrogate.explain_local(unseen)
    models = (surrogate.model,) if task == "binary" else surrogate.model
    for output, model in enumerate(models, start=1 if task == "binary" else 0):
        own = model.predict(unseen, pred_contrib=True)
        np.testing.assert_allclose(values[output], own[:, :-1], atol=1e-9)
        np.testing.assert_allclose(surrogate.expected_values[output], own[0, -1], atol=1e-9)
    assert np.abs(values[:, :, 4]).max() > 0
    if task == "binary":
        np.testing.assert_array_equal(values[0], -values[1])


def test_a_decision_trees_importances_are_the_sums_over_all_coalitions() -> None:
    surrogate = fitted(DecisionTreeExplainableModel, "regression")
    tree = surrogate.model.tree_
    truth = sklearn_tree(tree, tree.value[:, 0])
    for row in X[:2]:
        values, base = shapley(path_dependent([truth], row), 4)
        np.testing.assert_allclose(surrogate.explain_local(row)[:, 0], values, atol=1e-9)
        np.testing.assert_allclose(surrogate.expected_values, base)


@pytest.mark.parametrize("kind", [LinearExplainableModel, SGDExplainableModel])
def test_linear_importances_are_the_sums_over_all_coalitions_with_the_background(kind: type[ExplainableModel]) -> None:
    codes = np.arange(len(X)) % 3
    x = np.column_stack([X[:, :2], codes])
    effects = np.array([0.0, 2.0, -1.0])
    background = x[:10]
    surrogate = kind(classification=False).fit(
        x, 2.0 * x[:, 0] + effects[codes], categorical_features=[2], background=background
    )
    values, base = shapley(interventional(surrogate.outputs, x[17], background), 3)
    np.testing.assert_allclose(surrogate.explain_local(x[17])[:, 0], values, atol=1e-9)
    np.testing.assert_allclose(surrogate.expected_values, base, atol=1e-9)


@pytest.mark.parametrize(("kind", "within"), [(LinearExplainableModel, 1e-9), (SGDExplainableModel, 0.02)])
def test_coefficients_are_those_of_the_plain_columns(kind: type[ExplainableModel], within: float) -> None:
    x = X * np.array([1.0, 1000.0, 1e-3, 1.0]) + np.array([0.0, 5e4, 0.0, 7.0])
    true = np.array([3.0, -2e-3, 1000.0, 0.0])
    surrogate = kind(classification=False).fit(x, x @ true + 4.0)
    np.testing.assert_allclose(surrogate.model.coef_ * x.std(axis=0), true * x.std(axis=0), atol=3 * within)
    np.testing.assert_allclose(surrogate.predict(x), x @ true + 4.0, atol=10 * within)


def test_no_intercept_is_none() -> None:
    surrogate = LinearExplainableModel(classification=False, parameters={"fit_intercept": False}).fit(X + 1.0, X[:, 0])
    assert surrogate.model.intercept_ == 0.0
    expected = np.linalg.lstsq(X + 1.0, X[:, 0], rcond=None)[0]
    np.testing.assert_allclose(surrogate.model.coef_, expected, atol=1e-9)


def test_a_number_that_is_missing_has_no_importance_in_a_linear_surrogate() -> None:
    surrogate = fitted(LinearExplainableModel, "regression")
    row = X[:1].copy()
    row[0, 1] = np.nan
    values = surrogate.explain_local(row)
    assert values[0, 0, 1] == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(values[0, 0, 0], surrogate.explain_local(X[:1])[0, 0, 0])


@pytest.mark.parametrize("kind", KINDS)
def test_sparse_rows_give_what_dense_ones_do(kind: type[ExplainableModel]) -> None:
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LinearRegression

    x = np.where(np.abs(X) > 0.8, X, 0.0)
    options = {"sparse_data": True} if kind is LinearExplainableModel else {}
    # scikit-learn solves for sparse rows step by step, and to what tolerance can be said since 1.7.
    is_exact = kind is not LinearExplainableModel or "tol" in LinearRegression().get_params()
    parameters = {"tol": 1e-10} if kind is LinearExplainableModel and is_exact else {}
    parameters = SMALL if kind is LGBMExplainableModel else parameters
    sparse = kind(parameters=parameters, **options).fit(csr_matrix(x), answers(x, "binary"))
    dense = kind(parameters=parameters).fit(x, answers(x, "binary"))
    within = 0.1 if kind is SGDExplainableModel else 1e-6 if is_exact else 1e-3
    np.testing.assert_allclose(sparse.explain_local(csr_matrix(x[:9])), dense.explain_local(x[:9]), atol=within)
    values = sparse.explain_local(csr_matrix(x[:9]))
    outputs = sparse.outputs(csr_matrix(x[:9]))
    np.testing.assert_allclose(values.sum(axis=2).T + sparse.expected_values, outputs, atol=1e-9)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("kind", [LGBMExplainableModel, LinearExplainableModel])
def test_importances_of_probabilities_add_up_to_them(kind: type[ExplainableModel], task: str) -> None:
    # Far out, where a linear surrogate is surer than any probability it was shown.
    x = np.vstack([X[:9], 20.0 * X[9:12]])
    margins, carried = fitted(kind, task), fitted(kind, task, shap_values_output="probability")
    values = carried.explain_local(x)
    np.testing.assert_allclose(values.sum(axis=2).T + carried.expected_values, carried.predict_proba(x), atol=1e-7)
    assert carried.expected_values.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(values.sum(axis=0), 0.0, atol=1e-7)
    np.testing.assert_allclose(carried.expected_values, to_probabilities(margins.expected_values[None])[0])
    if task == "binary":
        # The slope of the logistic function on the way, by the definition of a mean.
        plain, base = margins.explain_local(x[:1])[1, 0], margins.expected_values[1]
        way = base + plain.sum() * (np.arange(20_000) + 0.5) / 20_000
        slope = (np.exp(-way) / (1.0 + np.exp(-way)) ** 2).mean()
        np.testing.assert_allclose(values[1, 0], plain * slope, atol=1e-7)


def test_small_steps_of_probabilities_are_margins_times_the_slope() -> None:
    from explanation_client.surrogates.targets import values_of_probabilities

    base = np.array([0.4, -1.0, 0.1])
    steps = np.random.default_rng(0).normal(size=(3, 1, 2)) * 1e-6
    values, at_base = values_of_probabilities(steps, base)
    for j in range(2):
        before = to_probabilities(base[None])[0]
        after = to_probabilities((base + 1e3 * steps[:, 0, j])[None])[0]
        # A difference quotient: linear in the step up to its size.
        np.testing.assert_allclose(values[:, 0, j], (after - before) / 1e3, rtol=2e-2, atol=1e-12)
    np.testing.assert_allclose(at_base, before)


def test_importances_can_add_up_to_the_teachers_probabilities() -> None:
    surrogate = fitted(LGBMExplainableModel, "multiclass", shap_values_output="teacher_probability")
    given = answers(X[:9], "multiclass")
    values = surrogate.explain_local(X[:9], given)
    np.testing.assert_allclose(values.sum(axis=2).T + surrogate.expected_values, given, atol=1e-9)
    # What is shared is at most what the surrogate misses.
    own = fitted(LGBMExplainableModel, "multiclass", shap_values_output="probability")
    missed = np.abs(given - own.predict_proba(X[:9])).T
    assert (np.abs(values - own.explain_local(X[:9])).sum(axis=2) <= missed + 1e-9).all()
    with pytest.raises(InvalidArgumentError, match="probabilities= is needed"):
        surrogate.explain_local(X[:9])
    with pytest.raises(InvalidArgumentError, match="probabilities= is not used"):
        own.explain_local(X[:9], given)


def test_log_odds_are_cut_at_five() -> None:
    p = np.array([[0.2, 0.5, 0.3], [0.0, 0.001, 0.999]])
    np.testing.assert_allclose(log_odds(p)[0], np.log(p[0] / (1 - p[0])))
    np.testing.assert_allclose(log_odds(p)[1], [-5.0, -5.0, 5.0])
    np.testing.assert_allclose(to_probabilities(log_odds(p))[0], p[0])
    two = np.array([[0.25, 0.75]])
    np.testing.assert_allclose(log_odds(two), np.log([[3.0]]))


def test_probabilities_of_the_second_class_say_all_of_two() -> None:
    p = answers(X, "binary")
    one, both = LinearExplainableModel().fit(X, p[:, 1]), LinearExplainableModel().fit(X, p)
    np.testing.assert_allclose(one.outputs(X), both.outputs(X), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_margins_are_fitted_as_they_are(kind: type[ExplainableModel]) -> None:
    surrogate = kind().fit(X, 100.0 * score(X), space="margin")
    assert np.abs(surrogate.outputs(X)).max() > 50.0
    with pytest.raises(UnsupportedModelError, match="margins"):
        surrogate.predict_proba(X)


def test_frames_of_numbers_are_rows() -> None:
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame["b"] = frame["b"].astype("Float64")
    surrogate = LinearExplainableModel().fit(frame, answers(X, "binary"))
    np.testing.assert_allclose(surrogate.explain_local(frame[:3]), surrogate.explain_local(X[:3]))


def test_the_most_frequent_levels_get_a_column() -> None:
    codes = np.concatenate([np.arange(150), np.arange(100)])[:, None].astype(float)
    surrogate = LinearExplainableModel(classification=False).fit(codes, codes[:, 0] % 2, categorical_features=[0])
    assert surrogate.model.coef_.shape == (100,)
    assert surrogate.explain_local([[120.0]])[0, 0, 0] == surrogate.explain_local([[np.nan]])[0, 0, 0]


def test_gradient_descent_converges_with_many_columns() -> None:
    wide = np.random.default_rng(3).normal(size=(300, 400))
    surrogate = SGDExplainableModel(classification=False).fit(wide, wide[:, 0])
    assert np.abs(surrogate.model.coef_).argmax() == 0
    with pytest.raises(InvalidArgumentError, match="cannot be fitted to these rows: Floating"):
        SGDExplainableModel(classification=False, parameters={"eta0": 1e305, "max_iter": 5, "tol": None}).fit(
            X, X[:, 0]
        )


def test_kinds_are_told() -> None:
    assert [kind.explainable_model_type() for kind in KINDS] == ["tree", "linear", "linear", "tree"]
    assert [kind.method for kind in KINDS] == ["mimic.lightgbm", "mimic.linear", "mimic.sgd", "mimic.tree"]


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_that_are_not_known_are_refused(kind: type[ExplainableModel]) -> None:
    with pytest.raises(InvalidArgumentError, match="no parameter 'leafs'"):
        kind(parameters={"leafs": 3}).fit(X, answers(X, "binary"))


def test_lightgbm_splits_codes_as_categories() -> None:
    codes = (np.arange(200) % 5).astype(float)[:, None]
    stump = {"n_estimators": 1, "num_leaves": 2, "learning_rate": 1.0, "cat_l2": 0.0, "cat_smooth": 0.0}
    surrogate = LGBMExplainableModel(classification=False, parameters=stump)
    surrogate.fit(codes, 10.0 * (codes[:, 0] == 2.0), categorical_features=[0])
    # One split of a number could not tell the level in the middle from both sides.
    np.testing.assert_allclose(surrogate.predict([[0.0], [1.0], [2.0], [3.0], [4.0]]), [0, 0, 10, 0, 0], atol=1e-6)


def test_lightgbms_own_names_are_parameters() -> None:
    surrogate = LGBMExplainableModel(parameters={"min_data_in_leaf": 60, "n_estimators": 3}).fit(
        X, answers(X, "binary")
    )
    assert surrogate.model.booster_.num_trees() == 3
    few = LGBMExplainableModel(parameters={"min_data_in_leaf": 20}).fit(X[:30], answers(X[:30], "binary"))
    assert few.model.booster_.params["min_data_in_leaf"] == 20


@pytest.mark.parametrize(
    ("parameters", "error"),
    [({"objective": "poisson"}, InvalidArgumentError), ({"linear_tree": True}, UnsupportedModelError)],
)
def test_lightgbm_without_exact_importances_is_refused(parameters: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match="make"):
        LGBMExplainableModel(classification=False, parameters=parameters).fit(X, np.abs(score(X)) + 1.0)


def test_what_contradicts_itself_is_refused() -> None:
    p = answers(X, "multiclass")
    with pytest.raises(InvalidArgumentError, match="3 columns, expected 2"):
        LinearExplainableModel().fit(X, p)
    with pytest.raises(InvalidArgumentError, match="2 columns, expected more than 2"):
        LinearExplainableModel(multiclass=True).fit(X, p[:, :2])
    with pytest.raises(InvalidArgumentError, match="expected 1"):
        LinearExplainableModel(classification=False).fit(X, p)
    with pytest.raises(InvalidArgumentError, match="no probabilities"):
        LinearExplainableModel().fit(X, score(X))
    with pytest.raises(InvalidArgumentError, match="not all finite"):
        LinearExplainableModel().fit(X, np.full(len(X), np.nan))
    with pytest.raises(InvalidArgumentError, match="120 rows"):
        LinearExplainableModel().fit(X, p[:7, :2])
    with pytest.raises(InvalidArgumentError, match="encodes text"):
        LinearExplainableModel().fit([["a"], ["b"]], [0.0, 1.0])
    with pytest.raises(InvalidArgumentError, match="sparse_data=True"):
        LinearExplainableModel(sparse_data=True).fit(X, answers(X, "binary"))
    with pytest.raises(InvalidArgumentError, match="no classes"):
        SGDExplainableModel(multiclass=True, classification=False)
    with pytest.raises(InvalidArgumentError, match="one of default"):
        SGDExplainableModel(shap_values_output="odds")
    with pytest.raises(UnsupportedModelError, match="call fit"):
        LGBMExplainableModel().predict(X)
    with pytest.raises(InvalidArgumentError, match="3 columns, the surrogate was fitted to 4"):
        fitted(LinearExplainableModel, "binary").predict(X[:, :3])
