"""Models as bytes in their packages' own formats, and back."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from explanation_client.errors import (
    CorruptFileError,
    InvalidArgumentError,
    MissingDependencyError,
    StoredDataError,
)
from explanation_client.explainers.boosters import BoosterModel
from explanation_client.explainers.model import origin_of
from explanation_client.scoring.trusted import dump_trusted, load_trusted

_METHODS = ("predict", "predict_proba", "decision_function", "score_samples")
_XGBOOST = ("XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor")
_CATBOOST = ("CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker", "CatBoost")
_PICKLES_ALLOWED = "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"

Packed = tuple[dict[str, Any], str, bytes]


def pack_model(model: Any, *, allow_pickle: bool = False) -> Packed:
    """Return what a model is, the suffix of its file, and its bytes.

    Boosters are written in their packages' own formats, what derives from scikit-learn with skops. A method of a model,
    passed as a function, is written as the model and the method's name.

    Raises
    ------
    InvalidArgumentError
        It can only be pickled, and ``allow_pickle`` does not say that it may.

    """
    if isinstance(model, BoosterModel):
        model = model.native
    owner, method = getattr(model, "__self__", None), getattr(model, "__name__", "")
    if owner is not None and not hasattr(model, "predict") and method in _METHODS:
        document, suffix, data = pack_model(owner, allow_pickle=allow_pickle)
        return {**document, "method": method}, suffix, data
    origin = origin_of(model)
    try:
        return _native(model, origin) or _skops(model, origin)
    except InvalidArgumentError:
        if not allow_pickle:
            raise
    return pickled_model(model)


def unpack_model(document: dict[str, Any], data: bytes, *, name: str, allow_pickle: bool) -> Any:
    """Return the model of some bytes, or the method of one.

    Raises
    ------
    CorruptFileError
        The bytes are no model of that format.
    StoredDataError
        It is pickled, and that is not allowed; or it holds a type that is not listed.
    MissingDependencyError
        The model's package is not installed.

    """
    model = _reader(document, data, name, allow_pickle)
    method = document.get("method")
    if method is None:
        return model
    if method not in _METHODS or not hasattr(model, method):
        raise CorruptFileError(f"{name}: the model has no method {str(method)[:40]!r}")
    return getattr(model, method)


def _reader(document: dict[str, Any], data: bytes, name: str, allow_pickle: bool) -> Any:
    readers: dict[str, Callable[[], Any]] = {
        "lightgbm": lambda: _read_lightgbm(data, name),
        "xgboost": lambda: _read_xgboost(document, data, name),
        "catboost": lambda: _read_catboost(document, data, name),
        "skops": lambda: load_trusted(data, name=name),
        "pickle": lambda: unpickle(data, name=name, allow_pickle=allow_pickle),
    }
    kind = document.get("format")
    if kind not in readers:
        raise CorruptFileError(f"{name}: there is no format {str(kind)[:40]!r}")
    return readers[kind]()


def pack_transformer(transformer: Any, *, allow_pickle: bool = False) -> Packed:
    """Return what fitted transformers are, the suffix of their file, and their bytes.

    Raises
    ------
    InvalidArgumentError
        They can only be pickled, and ``allow_pickle`` does not say that they may.

    """
    try:
        return {"format": "skops"}, "skops", dump_trusted(transformer, "transformations=")
    except InvalidArgumentError:
        if not allow_pickle:
            raise
    return pickled_model(transformer)


def unpack_transformer(document: dict[str, Any], data: bytes, *, name: str, allow_pickle: bool) -> Any:
    """Return the transformers of some bytes; errors are those of :func:`unpack_model`."""
    if document.get("format") not in ("skops", "pickle"):
        raise CorruptFileError(f"{name}: transformers have no format {str(document.get('format'))[:40]!r}")
    return _reader(document, data, name, allow_pickle)


def pickled(value: Any) -> bytes:
    """Return the pickle of a value, functions and classes of ``__main__`` included."""
    return bytes(_package("cloudpickle", "allow_pickle=True").dumps(value))


def unpickle(data: bytes, *, name: str, allow_pickle: bool) -> Any:
    """Return what was pickled, where it may be: code that is in the file runs.

    Raises
    ------
    StoredDataError
        The caller, or the environment variable of MLflow, does not allow it.

    """
    if not allow_pickle:
        raise StoredDataError(
            f"{name} is a pickle, and loading it runs code that is in it: pass allow_pickle=True if whoever made it "
            "may do that here"
        )
    if os.environ.get(_PICKLES_ALLOWED, "true").lower() in ("false", "0"):
        raise StoredDataError(f"{name} is a pickle, and {_PICKLES_ALLOWED} says that none is to be loaded")
    import pickle

    return pickle.loads(data)


def _native(model: Any, origin: list[tuple[str, str]]) -> Packed | None:
    """Return a booster of LightGBM, XGBoost or CatBoost in its own format, None for other models."""
    for package, name in origin:
        if package == "lightgbm":
            booster = model if name == "Booster" else model.booster_
            return {"format": "lightgbm"}, "txt", booster.model_to_string().encode("utf-8")
        if package == "xgboost" and (name == "Booster" or name in _XGBOOST):
            return _packed_xgboost(model, name)
        if package == "catboost" and name in _CATBOOST:
            return {"format": "catboost", "class": name}, "cbm", _through_file(model.save_model, "cbm")
    return None


def _packed_xgboost(model: Any, name: str) -> Packed:
    if name == "Booster":
        return {"format": "xgboost", "class": name}, "ubj", bytes(model.save_raw("ubj"))
    document: dict[str, Any] = {"format": "xgboost", "class": name}
    missing = model.get_params().get("missing")
    if missing is not None and missing == missing:
        document["missing"] = float(missing)
    return document, "ubj", bytes(model.get_booster().save_raw("ubj"))


def _skops(model: Any, origin: list[tuple[str, str]]) -> Packed:
    what = f"the model, a {'.'.join(origin[0])}," if hasattr(model, "predict") else "the prediction function"
    if not hasattr(model, "predict"):
        raise InvalidArgumentError(
            f"{what} is not saved: a function is code, which a scoring explainer does not hold. Explain a model's own "
            "method (model.predict_proba); pass allow_pickle=True here and to load; or, for a MimicExplainer, "
            "keep_model=False"
        )
    return {"format": "skops"}, "skops", dump_trusted(model, what)


def pickled_model(model: Any) -> Packed:
    """Return the pickle of a model or transformers, as :func:`pack_model` does."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"format": "pickle", "python": version}, "pkl", pickled(model)


def _read_lightgbm(data: bytes, name: str) -> Any:
    lightgbm = _package("lightgbm", f"reading {name}")
    try:
        return lightgbm.Booster(model_str=data.decode("utf-8"))
    except (lightgbm.basic.LightGBMError, ValueError) as error:
        raise CorruptFileError(f"{name}: is no model of LightGBM: {str(error)[:200]}") from error


def _read_xgboost(document: dict[str, Any], data: bytes, name: str) -> Any:
    xgboost = _package("xgboost", f"reading {name}")
    kind = document.get("class")
    if kind != "Booster" and kind not in _XGBOOST:
        raise CorruptFileError(f"{name}: there is no model {str(kind)[:40]!r} of XGBoost")
    model = xgboost.Booster() if kind == "Booster" else getattr(xgboost, kind)(enable_categorical=True)
    try:
        model.load_model(bytearray(data))
        if "missing" in document:
            model.set_params(missing=float(document["missing"]))
    except (xgboost.core.XGBoostError, ValueError, TypeError, KeyError) as error:
        raise CorruptFileError(f"{name}: is no model of XGBoost: {str(error)[:200]}") from error
    return model


def _read_catboost(document: dict[str, Any], data: bytes, name: str) -> Any:
    catboost = _package("catboost", f"reading {name}")
    kind = document.get("class")
    if kind not in _CATBOOST:
        raise CorruptFileError(f"{name}: there is no model {str(kind)[:40]!r} of CatBoost")
    try:
        return getattr(catboost, kind)().load_model(blob=data, format="cbm")
    except (catboost.CatBoostError, ValueError) as error:
        raise CorruptFileError(f"{name}: is no model of CatBoost: {str(error)[:200]}") from error


def _package(package: str, needed_for: str) -> Any:
    try:
        return import_module(package)
    except ImportError as error:
        raise MissingDependencyError(package, extra="scoring", needed_for=needed_for) from error


def _through_file(save: Callable[[str], Any], suffix: str) -> bytes:
    """Return what a package writes to a file: it has no way to write to memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model.{suffix}"
        save(str(path))
        return path.read_bytes()
