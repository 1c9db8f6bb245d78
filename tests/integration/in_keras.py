"""What holds of models of Keras, with the backend of this process: run by test_deep_keras.py, once for each backend."""

from __future__ import annotations

import os
import sys
from typing import Any

import keras
import numpy as np
import pytest

from explanation_client.errors import CannotExplainError, InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers import DeepExplainer, KernelExplainer, TabularExplainer

layers = keras.layers
BACKEND = keras.config.backend()
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4)).astype("f4")
SCORE = X[:, 0] - X[:, 1] * X[:, 2]


def model(*parts: Any, columns: int = 4) -> Any:
    keras.utils.set_random_seed(0)
    return keras.Sequential([layers.Input((columns,)), *parts])


def test_the_backend_is_the_one_that_was_asked_for() -> None:
    assert os.environ["KERAS_BACKEND"] == BACKEND
    assert ("tensorflow" in sys.modules) == (BACKEND == "tensorflow")


@pytest.mark.parametrize("method", ["gradients", "deeplift"])
def test_a_linear_model_gets_weights_times_distances(method: str) -> None:
    linear = model(layers.Dense(1))
    if method == "deeplift" and BACKEND == "tensorflow":
        with pytest.raises(CannotExplainError, match="TensorFlow computes Sequential"):
            DeepExplainer(linear, X[:10], method=method)
        return
    explanation = DeepExplainer(linear, X[:10], method=method).explain_local(X[:5])
    weights = np.asarray(linear.get_weights()[0])[:, 0]
    wanted = weights * (X[:5] - X[:10].mean(axis=0))
    np.testing.assert_allclose(explanation.local_importance_values, wanted, atol=1e-6)


def test_digits_are_trained_and_explained() -> None:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x / 16.0).astype("f4")
    network = model(
        layers.Reshape((8, 8, 1)), layers.Conv2D(8, 3, padding="same", activation="relu"), layers.MaxPooling2D(),
        layers.Flatten(), layers.Dropout(0.2), layers.Dense(10, "softmax"), columns=64,
    )  # fmt: skip
    network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    network.fit(x[:1200], y[:1200], epochs=6, verbose=0)
    assert network.evaluate(x[1200:], y[1200:], verbose=0, return_dict=True)["accuracy"] > 0.8
    before = [weights.copy() for weights in network.get_weights()]
    random = np.random.get_state()[1].tolist()

    explainer = TabularExplainer(network, x[:1200], classes=[str(i) for i in range(10)])
    explanation = explainer.explain_global(x[1200:1220])
    assert explainer.method == "expected_gradients"
    assert "keras.Sequential is a deep model, as a keras.Model" in explainer.reason
    assert explanation.info.output_space == "probability"
    said = network.predict(x[1200:1220], verbose=0)
    sums = explanation.local_importances.values.sum(axis=2).T + explanation.expected_values
    np.testing.assert_allclose(sums, said, atol=1e-5)
    np.testing.assert_allclose(explanation.eval_y_predicted_proba, said, atol=1e-5)
    assert {"keras", {"torch": "torch"}.get(BACKEND, "tensorflow")} & {name for name, _ in explanation.info.made_with}

    assert all(np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True))
    assert np.random.get_state()[1].tolist() == random
    # Training goes on where it was.
    network.fit(x[:200], y[:200], epochs=1, verbose=0)


def test_diabetes_is_near_the_exact_values() -> None:
    from sklearn.datasets import load_diabetes
    from sklearn.preprocessing import StandardScaler

    x, y = load_diabetes(return_X_y=True)
    x = StandardScaler().fit_transform(x).astype("f4")
    network = model(layers.Dense(32, "relu"), layers.Dense(32, "relu"), layers.Dense(1), columns=10)
    network.compile(keras.optimizers.Adam(3e-3), "mse")
    network.fit(x[:300], y[:300] / 100.0, epochs=15, verbose=0)
    deep = TabularExplainer(network, x[:300]).explain_local(x[300:310])
    exact = KernelExplainer(network, x[:300]).explain_local(x[300:310])
    wanted = exact.local_importances.values
    assert deep.method == "expected_gradients"
    assert np.linalg.norm(deep.local_importances.values - wanted) < 0.25 * np.linalg.norm(wanted)


@pytest.mark.parametrize(
    ("end", "space"), [(layers.Dense(3, "softmax"), "margin"), (layers.Dense(1, "sigmoid"), "log-odds")]
)
def test_what_goes_into_the_head_is_found(end: Any, space: str) -> None:
    network = model(layers.Dense(8, "tanh"), end)
    explanation = DeepExplainer(network, X[:10], shap_values_output="margin").explain_local(X[:5])
    assert explanation.info.output_space == space
    kernel, bias = (np.asarray(weights, np.float64) for weights in network.get_weights()[-2:])
    first, offset = (np.asarray(weights, np.float64) for weights in network.get_weights()[:2])
    scores = np.tanh(X[:5] @ first + offset) @ kernel + bias
    sums = explanation.local_importances.values.sum(axis=2).T + explanation.expected_values
    np.testing.assert_allclose(sums[:, -scores.shape[1] :], scores, atol=1e-5)


def test_wrappers_and_pipelines_around_them_are_explained() -> None:
    import pandas
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def classifier(X: Any, y: Any) -> Any:
        made = model(layers.Dense(16, "relu"), layers.Dense(y.shape[1], "softmax"), columns=X.shape[1])
        made.compile(keras.optimizers.Adam(0.02), "categorical_crossentropy")
        return made

    def regressor(X: Any, y: Any) -> Any:
        made = model(layers.Dense(16, "relu"), layers.Dense(1), columns=X.shape[1])
        made.compile(keras.optimizers.Adam(0.02), "mse")
        return made

    frame = pandas.DataFrame(X, columns=list("abcd"))
    labels = np.where(SCORE > 0, "high", "low")
    fit = {"epochs": 5, "verbose": 0}
    clf = make_pipeline(StandardScaler(), keras.wrappers.SKLearnClassifier(classifier, fit_kwargs=fit))
    explainer = TabularExplainer(clf.fit(frame, labels), frame)
    explanation = explainer.explain_global(frame[:10])
    assert explainer.method == "expected_gradients"
    assert explanation.classes == ("high", "low")
    assert explanation.info.output_space == "probability"
    assert list(explanation.eval_y_predicted) == list(clf.predict(frame[:10]))

    alone = keras.wrappers.SKLearnRegressor(regressor, fit_kwargs=fit).fit(frame, SCORE)
    found = TabularExplainer(alone, frame).explain_local(frame[:5])
    assert found.features == ("a", "b", "c", "d")
    sums = found.local_importance_values.sum(axis=1) + found.expected_values
    np.testing.assert_allclose(sums, np.asarray(alone.predict(frame[:5])).reshape(-1), atol=1e-5)


def test_models_that_are_not_explained_say_why() -> None:
    inputs = [layers.Input((4,)), layers.Input((4,))]
    two = keras.Model(inputs, layers.Dense(1)(layers.Concatenate()(inputs)))
    with pytest.raises(UnsupportedModelError, match="takes 2 inputs"):
        DeepExplainer(two, X[:10])

    class Later(keras.Model):  # type: ignore[misc]  # Keras is not everywhere
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(InvalidArgumentError, match="no weights yet"):
        DeepExplainer(Later(), X[:10])
    with pytest.raises(UnsupportedModelError, match="computes in float16"):
        DeepExplainer(model(layers.Dense(1, dtype="float16")), X[:10])


def test_what_is_looked_up_is_left_to_kernel_shap() -> None:
    network = model(layers.Embedding(5, 2), layers.Flatten(), layers.Dense(1))
    rows = RNG.integers(0, 5, size=(20, 4))
    with pytest.raises(CannotExplainError, match="Embedding layer looks whole numbers up"):
        DeepExplainer(network, rows)
    explainer = TabularExplainer(network, rows)
    explanation = explainer.explain_local(rows[:3])
    assert explainer.method == "shap_kernel"
    sums = explanation.local_importance_values.sum(axis=1) + explanation.expected_values
    np.testing.assert_allclose(sums, network.predict(rows[:3], verbose=0)[:, 0], atol=1e-5)


def test_tensors_are_rows() -> None:
    network = model(layers.Dense(8, "gelu"), layers.Dense(1))
    tensor = keras.ops.convert_to_tensor(X[:10])
    found = DeepExplainer(network, tensor).explain_local(tensor)
    wanted = DeepExplainer(network, X[:10]).explain_local(X[:10])
    np.testing.assert_allclose(found.local_importance_values, wanted.local_importance_values, atol=1e-6)
