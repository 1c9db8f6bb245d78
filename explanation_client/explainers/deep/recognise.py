"""What is a neural network, bare or wrapped as an estimator, without importing what it was made with."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any, Literal

from explanation_client.dataset import is_instance_of

Framework = Literal["torch", "keras on torch", "keras on tensorflow"]

# Estimators of scikit-learn's interface that hold a network: module, classes, and where it is once it is trained.
_WRAPPERS = (
    ("skorch", ("NeuralNet",), "module_"),
    ("keras.wrappers", ("SKLearnClassifier", "SKLearnRegressor"), "model_"),
)
# Layers that look rows up by whole numbers, so that their inputs have no gradient.
_LOOKUPS = frozenset({"Embedding", "EmbeddingBag", "IntegerLookup", "StringLookup", "Hashing", "CategoryEncoding"})
_HALVES = ("float16", "bfloat16")


def is_network(model: Any) -> bool:
    """Whether a model is a bare network: a module of PyTorch, or a model of Keras."""
    return is_keras(model) or is_instance_of(model, "torch.nn.modules.module", "Module")


def is_keras(model: Any) -> bool:
    """Whether a model is one of Keras 3. With its PyTorch backend it is a module of PyTorch too."""
    return is_instance_of(model, "keras", "Model")


def is_skorch(model: Any) -> bool:
    """Whether a model is an estimator of skorch."""
    return is_instance_of(model, "skorch", "NeuralNet")


def is_wrapped(model: Any) -> bool:
    """Whether a model is an estimator that holds a network."""
    return any(is_instance_of(model, module, *names) for module, names, _ in _WRAPPERS)


def best_of(model: Any) -> Any:
    """Return what a search has found best, other models as they are."""
    return getattr(model, "best_estimator_", model)


def network_in(model: Any) -> Any:
    """Return the network itself: the model, or what the estimator holds, without the shell that ``torch.compile`` adds.

    None where the estimator is not trained yet.
    """
    for module, names, attribute in _WRAPPERS:
        if is_instance_of(model, module, *names):
            model = getattr(model, attribute, None)
            break
    return getattr(model, "_orig_mod", model)


def framework_of(network: Any) -> Framework | None:
    """Return what computes a network, None for a backend of Keras that is not known here."""
    if not is_keras(network):
        return "torch"
    backend = keras_backend()
    return {"torch": "keras on torch", "tensorflow": "keras on tensorflow"}.get(backend)  # type: ignore[return-value]


def keras_backend() -> str:
    """Return the name of the backend that Keras computes with."""
    return str(sys.modules["keras"].config.backend())


def why_no_gradients(model: Any) -> str | None:
    """Return why a network is not explained by its gradients, None where it can be.

    Parameters
    ----------
    model : object
        A network, or an estimator that holds one.

    """
    network = network_in(model)
    if network is None:
        # It is not trained, which is said where the model is read.
        return None
    if framework_of(network) is None:
        return f"Keras computes with {keras_backend()!r} here, and only PyTorch and TensorFlow are known"
    lookups = sorted({type(layer).__name__ for layer in _layers(network)} & _LOOKUPS)
    if lookups:
        return f"its {lookups[0]} layer looks whole numbers up, which have no gradient"
    count = n_inputs(network)
    if count > 1:
        return f"it takes {count} inputs, and a table of rows is one"
    half = _half(network)
    if half is not None:
        return (
            f"it computes in {half}, whose rounding is as large as importances are: explain a float32 copy, "
            "copy.deepcopy(model).float() in PyTorch"
        )
    return None


def has_lookups(network: Any) -> bool:
    """Whether some layer of a network looks whole numbers up."""
    return any(type(layer).__name__ in _LOOKUPS for layer in _layers(network))


def n_inputs(network: Any) -> int:
    """Return the number of inputs that a network cannot do without."""
    if is_keras(network):
        inputs = getattr(network, "inputs", None)
        return len(inputs) if isinstance(inputs, (list, tuple)) else 1
    try:
        parameters = inspect.signature(network.forward).parameters.values()
    except (TypeError, ValueError):
        # A compiled module may have no signature: calling it tells.
        return 1
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return max(1, sum(p.kind in positional and p.default is inspect.Parameter.empty for p in parameters))


def _layers(network: Any) -> Iterator[Any]:
    """Yield the layers of a network, at every depth."""
    # A model of Keras on PyTorch has modules, but its layers are not among them.
    every = getattr(network, "_flatten_layers", None) if is_keras(network) else getattr(network, "modules", None)
    yield from () if every is None else every()


def _half(network: Any) -> str | None:
    """Return the name of the type of half precision that a network computes in, None for others."""
    names = []
    if is_keras(network):
        names = [str(layer.compute_dtype) for layer in _layers(network) if hasattr(layer, "compute_dtype")]
    elif hasattr(network, "parameters"):
        names = [str(parameter.dtype).removeprefix("torch.") for parameter in network.parameters()]
    return next((name for name in names if name in _HALVES), None)
