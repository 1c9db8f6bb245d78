"""LIMEExplainer: what was planted is found, for the right class."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers import LIMEExplainer
from tests.unit.explainers.data import rows, target

X = rows()
COEFFICIENTS = np.array([2.0, -1.0, 0.0, 0.5])


def linear(x: np.ndarray) -> np.ndarray:
    return np.asarray(x @ COEFFICIENTS)


def test_a_linear_model_is_found() -> None:
    background = X[:1]
    explanation = LIMEExplainer(linear, background).explain_local(X[10:14])
    np.testing.assert_allclose(
        explanation.local_importance_values, COEFFICIENTS * (X[10:14] - background), rtol=0.02, atol=0.02
    )
    np.testing.assert_allclose(explanation.expected_values, linear(background))
    assert explanation.method == "lime"
    assert explanation.info.notes[-1].startswith("local fits: 2,000 mixtures for each row; R² median 1.00")


def test_values_are_those_of_the_class_that_they_stand_for() -> None:
    """Values are in the order of the model's classes, one vector each, with labels that are text and sort backwards."""
    labels = np.where(X[:, 1] > 0, "a-high", "z-low")
    model = LogisticRegression().fit(X, labels)
    row = X[X[:, 1].argmax()]
    explanation = LIMEExplainer(model, X[:20]).explain_local(row)
    assert explanation.classes == ("a-high", "z-low")
    assert explanation.local_importance_values[0, 1] > 0.2
    assert explanation.local_importance_values[1, 1] < -0.2
    np.testing.assert_allclose(explanation.local_importance_values[0], -explanation.local_importance_values[1])


def test_three_classes_each_follow_their_own_column() -> None:
    def model(x: np.ndarray) -> np.ndarray:
        scores = np.exp(3 * x[:, :3])
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))

    explanation = LIMEExplainer(model, np.zeros((1, 4)), classes=["one", "two", "three"]).explain_local(np.ones(4))
    assert (explanation.local_importance_values.argmax(axis=1) == [0, 1, 2]).all()
    np.testing.assert_allclose(explanation.local_importance_values[:, 3], 0, atol=0.03)


def test_global_importances_are_means_of_the_local_ones() -> None:
    model = LogisticRegression().fit(X, target(X, "multiclass"))
    explainer = LIMEExplainer(model, X[:10], nsamples=200)
    explanation = explainer.explain_global(X[:20])
    assert explanation.local_importances.values.shape == (3, 20, 4)
    np.testing.assert_allclose(
        explanation.global_importances.values, np.abs(explanation.local_importances.values).mean(axis=(0, 1))
    )
    assert explainer.local_fit.shape == (3, 20)
    # More rows than a batch: values do not depend on the rows explained with them.
    alone = explainer.explain_local(X[18]).local_importance_values
    np.testing.assert_allclose(explanation.local_importances.values[:, 18], alone, atol=1e-12)


def test_text_missing_values_and_sparse_rows_are_taken() -> None:
    frame = pd.DataFrame({"colour": ["red", "green", None] * 5, "number": np.arange(15.0)})

    def by_colour(x: pd.DataFrame) -> np.ndarray:
        return np.asarray((x["colour"] == "red").to_numpy() * 5.0)

    explanation = LIMEExplainer(by_colour, frame, categorical_features=["colour"]).explain_local(frame[:2])
    assert explanation.local_importance_values[0, 0] > 2
    assert explanation.local_importance_values[1, 0] < -1
    assert np.abs(explanation.local_importance_values[:, 1]).max() < 0.3

    sparse = csr_matrix(np.where(X > 0.5, X, 0.0))
    of_sparse = LIMEExplainer(lambda x: linear(x.toarray()), sparse).explain_local(sparse[:3])
    of_dense = LIMEExplainer(linear, np.median(sparse.toarray(), axis=0)[None]).explain_local(sparse[:3].toarray())
    np.testing.assert_allclose(of_sparse.local_importance_values, of_dense.local_importance_values, atol=1e-5)


def test_the_same_seed_gives_the_same_values_also_after_pickling() -> None:
    explainer = LIMEExplainer(LogisticRegression().fit(X, target(X, "binary")), X[:10], nsamples=100)
    values = explainer.explain_local(X[:2]).local_importance_values
    copied = pickle.loads(pickle.dumps(explainer))
    np.testing.assert_array_equal(copied.explain_local(X[:2]).local_importance_values, values)


def test_what_is_not_supported_is_refused() -> None:
    for wrong in ({"verbose": True}, {"nclusters": 0}, {"nsamples": 1}, {"categorical_features": ["colour"]}):
        with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
            LIMEExplainer(linear, X[:5], **wrong)
    with pytest.raises(InvalidArgumentError, match="needs initialization_examples"):
        LIMEExplainer(LogisticRegression().fit(X, target(X, "binary")), None)
