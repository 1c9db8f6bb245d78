"""Models of Keras as the bytes of a ``.keras`` file, and back: layers of Keras itself, without code of their own."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from explanation_client.errors import CorruptFileError, InvalidArgumentError, StoredDataError

_MEMBERS = frozenset({"metadata.json", "config.json", "model.weights.h5"})
_MOST_CONFIG = 64 << 20
# The one class that Keras names by where it is, and not by where it is found.
_FUNCTIONAL = ("keras.src.models.functional", "Functional")
# They hold code, or call a program of another package.
_REFUSED = frozenset({"Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"})


def pack_keras(model: Any) -> bytes:
    """Return a model of Keras as the bytes of its file.

    Raises
    ------
    InvalidArgumentError
        It has layers or functions that are not Keras' own.

    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        try:
            model.save(path)
        except (ValueError, TypeError, NotImplementedError, AttributeError) as error:
            raise InvalidArgumentError(
                f"the network is not saved: Keras cannot write it ({str(error)[:200]})"
            ) from error
        data = path.read_bytes()
    others = _others(_config(data, "the network"))
    if others:
        raise InvalidArgumentError(
            f"the network is not saved: {others[0]} is code, or not Keras' own. Pass serializer= to "
            "DeepScoringExplainer, or allow_pickle=True here and to load"
        )
    return data


def unpack_keras(data: bytes, *, name: str) -> Any:
    """Return the model of a file.

    Raises
    ------
    CorruptFileError
        It is no such file.
    StoredDataError
        It holds layers or functions that are not Keras' own.

    """
    keras: Any = import_module("keras")
    others = _others(_config(data, name))
    if others:
        raise StoredDataError(f"{name} is refused: {others[0][:200]} is code, or not Keras' own")
    _check_weights(data, name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(data)
        try:
            return keras.models.load_model(path, compile=False, safe_mode=True)
        # Layers raise whatever their settings lead to.
        except Exception as error:
            raise CorruptFileError(f"{name}: is no model of Keras: {str(error)[:200]}") from error


def _config(data: bytes, name: str) -> Any:
    """Return what a file says of the layers."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if {member.filename for member in members} != _MEMBERS or len(members) != len(_MEMBERS):
                raise ValueError(f"it holds {sorted(member.filename[:40] for member in members)[:5]}")
            for member in members:
                # Weights are not compressed: what they are said to take is what there is.
                if member.flag_bits & 1 or member.file_size > max(_MOST_CONFIG, len(data)):
                    raise ValueError(f"{member.filename[:40]} has {member.file_size:,} bytes")
            return json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, ValueError, KeyError, OSError, RecursionError, NotImplementedError) as error:
        raise CorruptFileError(f"{name}: is no file of Keras: {str(error)[:200]}") from error


def _others(config: Any) -> list[str]:
    """Return the classes and functions that are not Keras' own."""
    return [
        f"{module}.{name}" for module, name, registered in _objects(config) if not _is_own(module, name, registered)
    ]


def _is_own(module: Any, name: Any, registered: Any) -> bool:
    own = isinstance(module, str) and (module == "keras" or module.startswith("keras."))
    plain = registered is None or registered == name
    return own and plain and name not in _REFUSED and (".src" not in module or (module, name) == _FUNCTIONAL)


def _objects(config: Any) -> Iterator[tuple[Any, Any, Any]]:
    waiting = [config]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting.extend(found)
        elif isinstance(found, dict):
            waiting.extend(found.values())
            if (
                "class_name" in found
                and found["class_name"] != "__tuple__"
                and found["class_name"] != "__keras_tensor__"
            ):
                yield found.get("module"), found["class_name"], found.get("registered_name")


def _check_weights(data: bytes, name: str) -> None:
    """Raise where the file of the weights leads to other files."""
    h5py: Any = import_module("h5py")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        weights = archive.read("model.weights.h5")

    def look(group: Any) -> None:
        for key in group:
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise StoredDataError(f"{name} is refused: its weights lead to other files")
            member = group[key]
            if isinstance(member, h5py.Group):
                look(member)
            elif member.external or member.is_virtual:
                raise StoredDataError(f"{name} is refused: its weights lead to other files")

    try:
        with h5py.File(io.BytesIO(weights), "r") as file:
            look(file)
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise CorruptFileError(f"{name}: holds no weights of Keras: {str(error)[:200]}") from error
