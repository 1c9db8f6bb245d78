"""Networks as estimators: what predicts labels, probabilities and values, so that every explainer takes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers.deep.heads import from_scores
from explanation_client.explainers.deep.network import Floats, Head, Network
from explanation_client.explainers.deep.recognise import (
    framework_of,
    is_keras,
    is_network,
    is_skorch,
    is_wrapped,
    keras_backend,
    n_inputs,
    network_in,
)

# What a network returns.
Returned = Literal["value", "score", "probability"]

# A single column must lie between 0 and 1 on so many rows before it counts as probabilities by that alone.
_TELLING_ROWS = 20
_MOST_ROWS = 1000


def read_network(model: Any, rows: Any) -> Network:
    """Return a network, bare or held by an estimator, as explainers see it.

    Parameters
    ----------
    model : object
        A module of PyTorch, a model of Keras, or an estimator of skorch or Keras that holds one.
    rows : table of shape (N, F)
        Rows to try it with.

    Raises
    ------
    UnsupportedModelError
        It takes more than one table of rows, or does not return one of numbers.
    InvalidArgumentError
        It is not trained.

    """
    network = network_in(model)
    name = type(network).__qualname__
    if is_keras(network) and not network.built:
        raise InvalidArgumentError(f"{name} has no weights yet: train it, or call it once")
    count = n_inputs(network)
    if count > 1:
        raise UnsupportedModelError(
            f"{name} takes {count} inputs, and a table of rows is one: pass a module that takes the table apart"
        )
    framework = framework_of(network)
    if framework is None:
        raise UnsupportedModelError(
            f"Keras computes with {keras_backend()!r} here, and only PyTorch and TensorFlow are known: pass a "
            "prediction function to KernelExplainer"
        )
    if framework == "keras on tensorflow":
        from explanation_client.explainers.deep.tensorflow_network import TensorFlowNetwork

        return TensorFlowNetwork(network, rows)
    from explanation_client.explainers.deep.torch_network import KerasTorchNetwork, TorchNetwork

    return (TorchNetwork if framework == "torch" else KerasTorchNetwork)(network, rows)


def what_returns(network: Network, rows: Any, *, is_classifier: bool) -> Returned:
    """Return what a network returns: values of a regression; probabilities of a classifier, or scores.

    A softmax or sigmoid at the end tells. Where none can be seen, numbers on some rows do: those of several columns
    that are between 0 and 1 and add up to 1, those of one column that are between 0 and 1 on at least 20 rows.
    """
    if not is_classifier:
        return "value"
    if network.head != "none":
        return "probability"
    outputs = network.outputs(rows[:_MOST_ROWS])
    within = bool(((outputs >= 0.0) & (outputs <= 1.0)).all())
    if network.n_columns > 1:
        within = within and np.allclose(outputs.sum(axis=1), 1.0, atol=1e-5)
    else:
        within = within and len(outputs) >= _TELLING_ROWS
    return "probability" if within else "score"


def link_of(network: Network, returned: Returned) -> Head:
    """Return what makes probabilities of a network's scores.

    Its head; for scores without one a softmax of several columns, or a sigmoid of one, as the usual losses take them;
    "none" where what it returns is what is asked for and no head can be seen.
    """
    if network.head != "none" or returned != "score":
        return network.head
    return "softmax" if network.n_columns > 1 else "sigmoid"


class NetworkRegressor:
    """A network that returns values of one target, as an estimator.

    Parameters
    ----------
    network : Network
    n_features : int
        Number of columns that it takes.

    """

    _estimator_type = "regressor"

    def __init__(self, network: Network, n_features: int) -> None:
        self.network = network
        self.n_features_in_ = n_features

    def predict(self, rows: Any) -> Floats:
        """Return the values, (N,)."""
        return self.network.outputs(rows)[:, 0]


class NetworkClassifier:
    """A network that returns scores or probabilities of classes, as an estimator.

    Parameters
    ----------
    network : Network
    rows : table of shape (N, F)
        Rows to try it with.
    labels : ndarray of shape (C,), optional
        Labels of the classes. None: their positions.

    """

    _estimator_type = "classifier"

    def __init__(self, network: Network, rows: Any, labels: NDArray[Any] | None = None) -> None:
        self.network = network
        self.n_features_in_ = int(rows.shape[1])
        self.classes_ = np.arange(max(2, network.n_columns)) if labels is None else labels
        self._returned = what_returns(network, rows, is_classifier=True)

    def predict(self, rows: Any) -> NDArray[Any]:
        """Return the labels of the most probable classes, (N,)."""
        return np.asarray(self.classes_[self.predict_proba(rows).argmax(axis=1)])

    def predict_proba(self, rows: Any) -> Floats:
        """Return the class probabilities, (N, C)."""
        found = self.network.outputs(rows)
        if self._returned == "score":
            found = from_scores(found, link_of(self.network, self._returned))
        return found if found.shape[1] > 1 else np.column_stack([1.0 - found, found])


class SkorchNet:
    """An estimator of skorch that takes rows of any type of number, and is left as it was found.

    Parameters
    ----------
    net : skorch.NeuralNet
    rows : table of shape (N, F)
        Rows to try it with.

    """

    def __init__(self, net: Any, rows: Any) -> None:
        self.net = net
        self.n_features_in_ = int(rows.shape[1])
        self._rows = rows

    @cached_property
    def network(self) -> Network:
        """The module that it has trained."""
        return read_network(self.net, self._rows)

    @property
    def classes_(self) -> NDArray[Any]:
        """The labels of the classes."""
        return np.asarray(self.net.classes_)

    def __sklearn_tags__(self) -> Any:
        return self.net.__sklearn_tags__()

    def predict(self, rows: Any) -> NDArray[Any]:
        """Return labels or values, (N,)."""
        found = np.asarray(self._ask(self.net.predict, rows))
        if found.size != rows.shape[0]:
            raise UnsupportedModelError(
                f"{type(self.net).__qualname__} predicts an array of shape {found.shape} for {rows.shape[0]} rows: "
                "explain one target at a time, with a function that returns it"
            )
        return found.reshape(-1)

    def predict_proba(self, rows: Any) -> Floats:
        """Return the class probabilities, (N, C)."""
        return np.asarray(self._ask(self.net.predict_proba, rows), np.float64)

    def _ask(self, ask: Any, rows: Any) -> Any:
        from explanation_client.explainers.deep.torch_network import as_module_takes, undisturbed

        module = network_in(self.net)
        # skorch draws random numbers to load rows in order.
        with undisturbed(module):
            return ask(as_module_takes(module, rows))


def estimator_of(model: Any, rows: Any, *, classes: Sequence[str] | None, task: str) -> Any:
    """Return a network, or what holds one, with the interface of an estimator.

    Without a task, several columns, a sigmoid or softmax at the end, and names of classes make it a classifier.

    Parameters
    ----------
    model : object
        As of :func:`read_network`.
    rows : table of shape (N, F)
        Rows to try it with.
    classes : sequence of str, optional
        Names of the classes.
    task : "classification", "regression" or "unknown"

    Raises
    ------
    UnsupportedModelError
        It takes more than one table of rows, does not return one of numbers, or has several targets.
    InvalidArgumentError
        It is not trained.

    """
    if is_skorch(model):
        return SkorchNet(model, rows)
    network = read_network(model, rows)
    if is_wrapped(model):
        # Keras' estimators show a bar for each prediction, and predict no probabilities.
        labels = getattr(model, "classes_", None)
        is_classifier = labels is not None
    else:
        labels = None
        said = classes is not None or network.n_columns > 1 or network.head != "none"
        is_classifier = task == "classification" or (task == "unknown" and said)
    if is_classifier:
        return NetworkClassifier(network, rows, None if labels is None else np.asarray(labels))
    if network.n_columns > 1:
        raise UnsupportedModelError(
            f"{network.name} has {network.n_columns} targets: explain one at a time, with a module that returns it; of "
            "a classifier, pass model_task='classification'"
        )
    return NetworkRegressor(network, int(rows.shape[1]))


__all__ = [
    "NetworkClassifier",
    "NetworkRegressor",
    "Returned",
    "SkorchNet",
    "estimator_of",
    "is_network",
    "is_wrapped",
    "link_of",
    "read_network",
    "what_returns",
]
