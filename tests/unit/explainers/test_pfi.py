"""Permutation importance: planted structure, scikit-learn's own, and metrics that point either way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss, make_scorer, mean_absolute_error, r2_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from explanation_client.errors import InvalidArgumentError, PartMissingError, UnsupportedModelError
from explanation_client.explainers import PFIExplainer
from tests.unit.explainers.data import rows, target

X = rows(200)
Y = 5 * X[:, 1] + X[:, 3]
REGRESSION = LinearRegression().fit(X, Y)
LABELS = target(X, "binary")
BINARY = LogisticRegression().fit(X, LABELS)


@pytest.mark.parametrize(
    "metric",
    [
        None,
        mean_absolute_error,
        r2_score,
        "mean_squared_error",
        "r2_score",
        "r2",
        "neg_mean_absolute_error",
        make_scorer(r2_score),
    ],
)
def test_the_important_columns_come_first_whichever_way_the_metric_points(metric: Any) -> None:
    explanation = PFIExplainer(REGRESSION, metric=metric, features=list("abcd")).explain_global(X, true_labels=Y)
    assert explanation.get_ranked_global_names(top_k=2).tolist() == ["b", "d"]
    values = explanation.global_importance_values
    assert (values > -1e-12).all()
    np.testing.assert_allclose(values[[0, 2]], 0.0, atol=1e-9)


def test_values_are_those_of_scikit_learn() -> None:
    model = RandomForestRegressor(5, random_state=0).fit(X, Y)
    ours = PFIExplainer(model, metric="r2", n_repeats=60).explain_global(X, Y).global_importance_values
    batched = PFIExplainer(model, metric=r2_score, n_repeats=60).explain_global(X, Y).global_importance_values
    theirs = permutation_importance(model, X, Y, scoring="r2", n_repeats=60, random_state=1)
    allowed = 4 * theirs.importances_std / np.sqrt(60) * 2 + 1e-9
    assert (np.abs(ours - theirs.importances_mean) < allowed).all()
    np.testing.assert_allclose(batched, ours, atol=1e-12)


def test_threads_change_nothing_and_the_spread_is_that_of_the_shuffles() -> None:
    alone, side_by_side = PFIExplainer(REGRESSION, n_repeats=20), PFIExplainer(REGRESSION, n_repeats=20, n_jobs=3)
    assert alone.explain_global(X, Y) == side_by_side.explain_global(X, Y)
    np.testing.assert_array_equal(alone.standard_errors, side_by_side.standard_errors)
    subset = PFIExplainer(REGRESSION, n_repeats=20, explain_subset=[3, 1])
    whole = alone.explain_global(X, Y).global_importance_values
    np.testing.assert_array_equal(subset.explain_global(X, Y).global_importance_values, whole[[3, 1]])
    # As the means of other shuffles differ.
    means = [
        PFIExplainer(REGRESSION, n_repeats=20, seed=i).explain_global(X, Y).global_importance_values for i in range(12)
    ]
    np.testing.assert_allclose(alone.standard_errors[[1, 3]], np.std(means, axis=0)[[1, 3]], rtol=0.6)
    single = PFIExplainer(REGRESSION, n_repeats=1)
    assert single.standard_errors is None
    single.explain_global(X, Y)
    assert np.isnan(single.standard_errors).all()


def test_a_linear_model_loses_what_the_shuffled_column_carried() -> None:
    # Of independent shuffles the expected squared error is twice the variance of coefficient times column.
    values = PFIExplainer(REGRESSION, metric="mean_squared_error", n_repeats=80).explain_global(X, Y)
    wanted = 2 * REGRESSION.coef_**2 * X.var(axis=0)
    np.testing.assert_allclose(values.global_importance_values, wanted, rtol=0.1, atol=1e-9)


@pytest.mark.parametrize("as_probabilities", [False, True])
def test_classifiers_are_scored_on_labels_or_probabilities(as_probabilities: bool) -> None:
    metric = log_loss if as_probabilities else None
    explanation = PFIExplainer(
        BINARY, metric=metric, for_classifier_use_predict_proba=as_probabilities, classes=["no", "yes"]
    ).explain_global(X, LABELS)
    assert explanation.get_ranked_global_names()[0] == "feature_0"
    assert explanation.classes == ("no", "yes")
    assert explanation.info.method == "pfi"
    np.testing.assert_array_equal(explanation.data.true, LABELS)
    name, score = ("log_loss", log_loss(LABELS, BINARY.predict_proba(X))) if as_probabilities else (
        "accuracy_score", BINARY.score(X, LABELS),
    )  # fmt: skip
    assert f"{name} {score:.6g} unshuffled; 5 shuffles" in explanation.info.notes[0]


def test_text_labels_frames_functions_and_sparse_rows_work() -> None:
    words = np.array(["no", "yes"])[LABELS]
    frame = pd.DataFrame(X, columns=list("abcd"))
    of_frame = PFIExplainer(LogisticRegression().fit(frame, words)).explain_global(frame[["d", "c", "b", "a"]], words)
    assert of_frame.features == ("a", "b", "c", "d")
    wanted = PFIExplainer(BINARY).explain_global(X, LABELS)
    np.testing.assert_array_equal(of_frame.global_importance_values, wanted.global_importance_values)
    sparse = PFIExplainer(BINARY).explain_global(csr_matrix(X), LABELS)
    np.testing.assert_allclose(sparse.global_importance_values, wanted.global_importance_values)
    of_function = PFIExplainer(REGRESSION.predict).explain_global(X, Y)
    np.testing.assert_allclose(
        of_function.global_importance_values, PFIExplainer(REGRESSION).explain_global(X, Y).global_importance_values
    )


def test_categories_keep_their_types_when_they_are_shuffled() -> None:
    frame = pd.DataFrame({"kind": pd.Categorical(np.array(["x", "y"])[LABELS]), "number": X[:, 0]})

    def model(given: pd.DataFrame) -> np.ndarray:
        assert given.dtypes.equals(frame.dtypes)
        return (given["kind"] == "y").to_numpy().astype(float)

    explanation = PFIExplainer(model).explain_global(frame, LABELS.astype(float))
    assert explanation.get_ranked_global_names().tolist() == ["kind", "number"]
    assert explanation.global_importance_values[1] == 0.0


def test_raw_columns_are_shuffled_before_the_transformations() -> None:
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline

    frame = pd.DataFrame(X, columns=list("abcd"))
    pipeline = make_pipeline(PCA(3), LinearRegression()).fit(frame, Y)
    whole = PFIExplainer(pipeline).explain_global(frame, Y)
    parts = PFIExplainer(pipeline[-1], transformations=pipeline[:-1]).explain_global(frame[["d", "c", "b", "a"]], Y)
    assert parts.features == ("a", "b", "c", "d")
    assert parts.is_raw
    np.testing.assert_allclose(parts.global_importance_values, whole.global_importance_values)
    np.testing.assert_array_equal(parts.eval_data, X)
    np.testing.assert_allclose(parts.eval_y_predicted, pipeline.predict(frame))
    pairs = [(["b"], StandardScaler().fit(frame[["b"]])), (["d"], None)]
    model = LinearRegression().fit(np.column_stack([pairs[0][1].transform(frame[["b"]]), frame["d"]]), Y)
    of_pairs = PFIExplainer(model, transformations=pairs).explain_global(frame, Y)
    np.testing.assert_array_equal(of_pairs.global_importance_values[[0, 2]], 0.0)
    assert of_pairs.get_ranked_global_names()[0] == "b"


def test_seeds_hold_and_a_subset_is_shuffled_alone() -> None:
    first = PFIExplainer(REGRESSION, seed=3).explain_global(X, Y)
    assert first == PFIExplainer(REGRESSION, seed=3).explain_global(X, Y)
    assert first != PFIExplainer(REGRESSION, seed=4).explain_global(X, Y)
    subset = PFIExplainer(REGRESSION, explain_subset=[3, 1]).explain_global(X, Y)
    assert subset.features == ("feature_3", "feature_1")
    assert subset.get_ranked_global_names()[0] == "feature_1"


def test_there_is_no_local_part() -> None:
    explanation = PFIExplainer(REGRESSION).explain_global(X, Y)
    with pytest.raises(PartMissingError, match="permutation importance gives global importances only"):
        _ = explanation.local_importance_values


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="n_repeats"):
        PFIExplainer(REGRESSION, n_repeats=0)
    with pytest.raises(InvalidArgumentError, match=r"true_labels have shape \(3,\)"):
        PFIExplainer(REGRESSION).explain_global(X, Y[:3])
    with pytest.raises(InvalidArgumentError, match="'nothing' is neither"):
        PFIExplainer(REGRESSION, metric="nothing").explain_global(X, Y)
    with pytest.raises(InvalidArgumentError, match="a function, a scorer"):
        PFIExplainer(REGRESSION, metric=5).explain_global(X, Y)
    with pytest.raises(InvalidArgumentError, match="needs a model, not a function"):
        PFIExplainer(lambda x: x[:, 0], metric="r2").explain_global(X, Y)
    with pytest.raises(UnsupportedModelError, match="no predict_proba"):
        PFIExplainer(SVC().fit(X, LABELS), for_classifier_use_predict_proba=True).explain_global(X, LABELS)


def test_a_metric_for_another_task_is_refused_with_its_reason() -> None:
    words = np.where(LABELS, "yes", "no")
    of_words = LogisticRegression().fit(X, words)
    for model, metric, labels in (
        (of_words, "r2_score", words),
        (REGRESSION, "accuracy_score", Y),
        (SVC().fit(X, LABELS), "neg_log_loss", LABELS),
    ):
        with pytest.raises(InvalidArgumentError, match=r"metric .* does not take what this model says .*Error: "):
            PFIExplainer(model, metric=metric, allow_all_transformations=True).explain_global(X, labels)
