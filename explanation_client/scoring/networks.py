"""Neural networks as bytes and back: operations and arrays of PyTorch, files of Keras, or what a serializer makes."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

from explanation_client.errors import CorruptFileError, InvalidArgumentError, MissingDependencyError
from explanation_client.explainers.deep.recognise import best_of, is_keras, is_network, is_wrapped, network_in
from explanation_client.scoring.arrays import pack_arrays, unpack_arrays

Packed = tuple[dict[str, Any], str, bytes]
FORMATS = ("torch", "keras", "serializer")


class Serializer(Protocol):
    """Writes a network in a way of the caller's, and reads it."""

    def save(self, model: Any) -> dict[str, Any]:
        """Return a network as arrays, bytes, texts, numbers and truth values, by name."""
        ...

    def load(self, state: dict[str, Any]) -> Any:
        """Return the network of what :meth:`save` returned."""
        ...


def holds_network(model: Any) -> bool:
    """Whether a model is a network, or an estimator that holds one."""
    inner = best_of(model)
    return is_network(inner) or is_wrapped(inner)


def pack_network(model: Any, n_columns: int, serializer: Serializer | None = None) -> Packed:
    """Return what a network is, the suffix of its file, and its bytes.

    Raises
    ------
    InvalidArgumentError
        It has operations or layers that are not listed; or the serializer returns something else than it may.

    """
    network = network_in(best_of(model))
    if serializer is not None:
        return _by_serializer(network, serializer)
    if is_keras(network):
        from explanation_client.scoring.keras_file import pack_keras

        return {"format": "keras"}, "keras", pack_keras(network)
    from explanation_client.scoring.torch_program import pack_module

    program, arrays = pack_module(network, n_columns)
    return {"format": "torch", "program": program}, "npz", pack_arrays(arrays)


def unpack_network(document: dict[str, Any], data: bytes, *, name: str, serializer: Serializer | None) -> Any:
    """Return the network of some bytes.

    Raises
    ------
    CorruptFileError, StoredDataError
        The bytes are no such network, or hold operations or layers that are not listed.
    MissingDependencyError
        The network's package is not installed.

    """
    kind = document["format"]
    if kind == "serializer":
        assert serializer is not None
        return serializer.load(_state(document, data, name))
    package = "keras" if kind == "keras" else "torch"
    if find_spec(package) is None:
        raise MissingDependencyError(package, extra="deep", needed_for=f"reading {name}")
    if kind == "keras":
        from explanation_client.scoring.keras_file import unpack_keras

        return unpack_keras(data, name=name)
    from explanation_client.scoring.torch_program import StoredNetwork

    return StoredNetwork(document["program"], unpack_arrays(data, name=name), name=name).eval()


def _by_serializer(network: Any, serializer: Serializer) -> Packed:
    state = serializer.save(network)
    if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
        raise InvalidArgumentError(f"serializer.save() returned a {type(state).__qualname__}: a dict by name is needed")
    arrays, kinds, plain = {}, {}, {}
    for i, (key, value) in enumerate(state.items()):
        if isinstance(value, (bytes, bytearray)):
            arrays[f"{i}"], kinds[key] = np.frombuffer(bytes(value), np.uint8), f"bytes {i}"
        elif isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
            arrays[f"{i}"], kinds[key] = value, f"array {i}"
        elif value is None or isinstance(value, (bool, int, float, str)):
            plain[key] = value
        else:
            raise InvalidArgumentError(
                f"serializer.save() returned a {type(value).__qualname__} for {key!r}: bytes, an array of numbers, a "
                "text, a number or a truth value is needed"
            )
    return {"format": "serializer", "kinds": kinds, "plain": plain}, "npz", pack_arrays(arrays)


def _state(document: dict[str, Any], data: bytes, name: str) -> dict[str, Any]:
    """Return what a serializer returned."""
    arrays = unpack_arrays(data, name=name)
    state = dict(document["plain"])
    for key, said in document["kinds"].items():
        kind, _, place = str(said).partition(" ")
        if place not in arrays:
            raise CorruptFileError(f"{name}: {key[:40]!r} is missing")
        state[key] = arrays[place].tobytes() if kind == "bytes" else np.array(arrays[place])
    return state
