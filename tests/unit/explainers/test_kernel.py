"""Kernel SHAP: the definition by enumeration, seeds, any input and any model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR

from explanation_client.errors import InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers import AdditivityError, KernelExplainer
from tests.unit.explainers.data import rows, target
from tests.unit.explainers.truth import interventional, shapley

pytest.importorskip("shap")

X = rows()
BACKGROUND = X[:6]


def vote(model: Any, x: Any) -> np.ndarray:
    return np.asarray(np.asarray(model.predict(x))[:, None] == model.classes_, np.float64)


def mirrored(scores: np.ndarray) -> np.ndarray:
    return np.column_stack([-scores, scores])


MODELS = [
    (KNeighborsClassifier(7), "multiclass", lambda m, x: m.predict_proba(x), "probability"),
    (GaussianNB(), "binary", lambda m, x: m.predict_proba(x), "probability"),
    (SVC(), "binary", lambda m, x: mirrored(m.decision_function(x)), "margin"),
    (SVC(), "multiclass", lambda m, x: m.decision_function(x), "margin"),
    (SVC(decision_function_shape="ovo"), "multiclass", lambda m, x: m.decision_function(x), "margin"),
    (SVR(), "regression", lambda m, x: m.predict(x)[:, None], "value"),
]


@pytest.mark.parametrize(("model", "task", "answers", "space"), MODELS)
def test_values_are_the_sums_over_all_coalitions(model: Any, task: str, answers: Any, space: str) -> None:
    model.fit(X, target(X, task))
    explanation = KernelExplainer(model, BACKGROUND).explain_local(X[10:12])
    assert explanation.info.output_space == space
    for i in range(2):
        values, base = shapley(interventional(lambda x: answers(model, x), X[10 + i], BACKGROUND), 4)
        np.testing.assert_allclose(explanation.local_importances.values[:, i], values, atol=1e-9)
        np.testing.assert_allclose(explanation.expected_values, base, atol=1e-9)
    if space == "margin" and task == "binary":
        assert (explanation.local_importance_values[0] == -explanation.local_importance_values[1]).all()


def test_a_model_that_only_names_classes_is_explained_by_its_votes() -> None:
    class NamesOnly(NearestCentroid):
        predict_proba = property()
        decision_function = property()

    for model in (SVC(break_ties=False, decision_function_shape="ovo"), NamesOnly()):
        four = np.digitize(X[:, 0], np.quantile(X[:, 0], [0.25, 0.5, 0.75]))
        model.fit(X, four)
        explanation = KernelExplainer(model, BACKGROUND).explain_local(X[10])
        values, _ = shapley(interventional(lambda x, m=model: vote(m, x), X[10], BACKGROUND), 4)
        np.testing.assert_allclose(explanation.local_importance_values, values, atol=1e-9)


@pytest.mark.parametrize("wanted", [["one", "two", "three"], None])
def test_a_function_is_a_model(wanted: list[str] | None) -> None:
    model = KNeighborsClassifier(7).fit(X, target(X, "multiclass"))
    of_function = KernelExplainer(model.predict_proba, BACKGROUND, is_function=True, classes=wanted).explain_local(
        X[:3]
    )
    of_model = KernelExplainer(model, BACKGROUND).explain_local(X[:3])
    np.testing.assert_array_equal(of_function.local_importance_values, of_model.local_importance_values)
    assert of_function.classes == tuple(wanted or "012")
    assert of_function.info.model_type == "function KNeighborsClassifier.predict_proba"


def test_a_function_of_one_number_is_a_regression_or_the_second_class() -> None:
    def probability(x: Any) -> Any:
        return 1 / (1 + np.exp(-x[:, 0] - x[:, 1]))

    regression = KernelExplainer(probability, BACKGROUND).explain_local(X[:3])
    assert regression.model_task == "regression"
    binary = KernelExplainer(probability, BACKGROUND, classes=["no", "yes"]).explain_local(X[:3])
    assert binary.info.output_space == "probability"
    np.testing.assert_allclose(binary.local_importance_values[1], regression.local_importance_values, atol=1e-12)
    np.testing.assert_allclose(
        binary.expected_values, [1 - regression.expected_values[0], regression.expected_values[0]]
    )


def test_the_same_seed_gives_the_same_values_and_numpys_generator_is_left_alone() -> None:
    wide = np.random.default_rng(1).normal(size=(30, 14))
    model = SVR().fit(wide, wide[:, 0] * wide[:, 1] + wide[:, 2])

    def explain(seed: int, **more: Any) -> np.ndarray:
        explainer = KernelExplainer(model, wide[:5], nsamples=60, seed=seed, **more)
        return explainer.explain_local(wide[:7]).local_importance_values

    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    first = explain(0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    np.testing.assert_array_equal(explain(0), first)
    assert np.abs(explain(1) - first).max() > 1e-6
    # A row's values do not depend on the rows explained with it.
    alone = KernelExplainer(model, wide[:5], nsamples=60).explain_local(wide[4]).local_importance_values
    np.testing.assert_array_equal(alone, first[4])


def test_a_failing_model_leaves_numpys_generator_alone() -> None:
    def fails(x: Any) -> Any:
        if len(x) > 6:
            raise RuntimeError("out of paper")
        return x[:, 0]

    before = np.random.get_state()[1].copy()
    with pytest.raises(RuntimeError, match="out of paper"):
        KernelExplainer(fails, BACKGROUND).explain_local(X[:2])
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_a_model_that_answers_differently_each_time_is_refused() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(AdditivityError, match="Where it answers the same each time"):
        KernelExplainer(lambda x: x[:, 0] + generator.normal(size=len(x)), BACKGROUND).explain_local(X[:2])


def test_more_than_ten_features_can_have_importance() -> None:
    wide = np.random.default_rng(1).normal(size=(20, 14))
    explainer = KernelExplainer(lambda x: x.sum(axis=1), wide[:2])
    values = explainer.explain_local(wide[3]).local_importance_values
    np.testing.assert_allclose(values, wide[3] - wide[:2].mean(axis=0), atol=1e-6)


def mixed_frame() -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "number": X[:, 0],
            "whole": np.arange(80) % 5,
            "colour": np.array(["red", "green", "blue"])[np.arange(80) % 3],
            "size": pd.Categorical(np.array(["S", "M"])[np.arange(80) % 2]),
        }
    )
    frame.loc[3, "colour"] = None
    return frame


def test_text_and_categories_reach_the_model_as_they_are() -> None:
    frame = mixed_frame()
    y = ((frame["colour"] == "red") | (frame["size"] == "S")).astype(int)
    encode = ColumnTransformer(
        [
            ("text", OneHotEncoder(handle_unknown="ignore"), ["colour", "size"]),
            ("numbers", StandardScaler(), ["number", "whole"]),
        ]
    )
    model = make_pipeline(encode, LogisticRegression()).fit(frame, y)
    explanation = KernelExplainer(model, frame[:5]).explain_local(frame[10:13])
    assert set(explanation[0].get_ranked_local_names()[1, :2]) == {"colour", "size"}

    # The same by definition, on codes that are translated outside of the library.
    codes = {name: list(dict.fromkeys(frame[name])) for name in ("colour", "size")}

    def to_frame(numbers: np.ndarray) -> pd.DataFrame:
        out = pd.DataFrame(numbers, columns=frame.columns)
        for name, values in codes.items():
            out[name] = pd.Series([values[int(i)] for i in out[name]], dtype=frame[name].dtype)
        return out.astype({"whole": int})

    def to_codes(part: pd.DataFrame) -> np.ndarray:
        return np.column_stack(
            [part["number"], part["whole"], *([codes[n].index(v) for v in part[n]] for n in ("colour", "size"))]
        ).astype(float)

    game = interventional(lambda x: model.predict_proba(to_frame(x)), to_codes(frame[10:11])[0], to_codes(frame[:5]))
    values, _ = shapley(game, 4)
    np.testing.assert_allclose(explanation.local_importances.values[:, 0], values, atol=1e-9)


def test_a_row_may_hold_values_that_the_background_has_not() -> None:
    frame = mixed_frame()[["number", "colour"]]
    seen: list[pd.DataFrame] = []

    def model(x: pd.DataFrame) -> np.ndarray:
        seen.append(x)
        return np.where(x["colour"] == "gold", 1.0, 0.0) + x["number"].to_numpy()

    rare = pd.DataFrame({"number": [0.0], "colour": ["gold"]})
    explanation = KernelExplainer(model, frame[:4]).explain_local(rare)
    assert explanation.local_importance_values[0, 1] == pytest.approx(1.0)
    assert all(x.dtypes.equals(frame.dtypes) for x in seen)


def test_object_arrays_reach_the_model_as_they_are() -> None:
    table = np.array([[1.5, "a", None], [2.5, "b", "x"], [0.5, "a", "x"]], dtype=object)

    def model(x: np.ndarray) -> np.ndarray:
        assert x.dtype == object
        return np.array([v + (t == "b") + 2 * (m is None) for v, t, m in x], dtype=float)

    values = KernelExplainer(model, table).explain_local(table[0]).local_importance_values
    np.testing.assert_allclose(values, [0.0, -1 / 3, 4 / 3], atol=1e-9)


def test_a_csr_matrix_is_explained_against_its_median_row() -> None:
    x = np.where(X > 0.5, X, 0.0)
    model = SVC().fit(csr_matrix(x), target(X, "binary"))
    explanation = KernelExplainer(model, csr_matrix(x)).explain_local(csr_matrix(x[:2]))
    median = np.median(x, axis=0)[None]
    game = interventional(lambda z: mirrored(model.decision_function(csr_matrix(z))), x[0], median)
    values, base = shapley(game, 4)
    np.testing.assert_allclose(explanation.local_importances.values[:, 0], values, atol=1e-6)
    np.testing.assert_allclose(explanation.expected_values, base, atol=1e-6)
    assert "median of 80 sparse rows" in explanation.info.notes[0]
    dense_row = KernelExplainer(model, csr_matrix(x)).explain_local(x[0])
    np.testing.assert_allclose(dense_row.local_importance_values, values, atol=1e-6)


def test_a_large_background_becomes_centroids_and_the_explanation_says_so() -> None:
    many = rows(500)
    called: list[int] = []

    def model(x: np.ndarray) -> np.ndarray:
        called.append(len(x))
        return x[:, 0]

    explainer = KernelExplainer(model, many, nclusters=8)
    explanation = explainer.explain_local(many[0])
    assert explanation.info.notes[0] == "background: 500 rows as 8 k-means centroids"
    assert max(called) <= 8 * (2**4 - 2)
    # Weighted centroids keep the mean up to the rounding to values that occur.
    assert explanation.expected_values[0] == pytest.approx(many[:, 0].mean(), abs=0.05)
    kept = KernelExplainer(model, many, nclusters=50).explain_local(many[0])
    assert kept.info.notes[0] == "background: 500 rows"
    np.testing.assert_allclose(kept.expected_values, many[:, 0].mean())


def test_whole_numbers_stay_whole_in_a_summarised_background() -> None:
    frame = pd.DataFrame({"whole": np.arange(300) % 7, "flag": np.arange(300) % 3 == 0, "real": rows(300)[:, 0]})

    def model(x: pd.DataFrame) -> np.ndarray:
        assert x.dtypes.equals(frame.dtypes)
        assert set(x["whole"]) <= set(range(7))
        return x["real"].to_numpy()

    assert KernelExplainer(model, frame, nclusters=5).explain_local(frame[:1]).num_features == 3


def test_large_backgrounds_with_text_or_gaps_are_sampled() -> None:
    frame = pd.concat([mixed_frame()] * 3, ignore_index=True)
    explainer = KernelExplainer(lambda x: x["number"].to_numpy(), frame, nclusters=7)
    assert "7 of 240 rows, sampled" in explainer.explain_local(frame[:1]).info.notes[0]
    gaps = np.where(rows(200) > 2, np.nan, rows(200))
    explainer = KernelExplainer(lambda x: np.nan_to_num(x).sum(axis=1), gaps, nclusters=7)
    assert "7 of 200 rows, sampled" in explainer.explain_local(gaps[:1]).info.notes[0]


def test_arguments_out_of_range_are_refused() -> None:
    model = SVR().fit(X, X[:, 0])
    for wrong in ({"nsamples": 0}, {"nsamples": "many"}, {"nclusters": 0}):
        with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
            KernelExplainer(model, BACKGROUND, **wrong)
    with pytest.raises(InvalidArgumentError, match="needs initialization_examples"):
        KernelExplainer(model, None)
    with pytest.raises(UnsupportedModelError, match="cannot be called"):
        KernelExplainer(model, BACKGROUND, is_function=True)
    with pytest.raises(UnsupportedModelError, match="answers 6 rows"):
        KernelExplainer(lambda x: 1.0, BACKGROUND)
