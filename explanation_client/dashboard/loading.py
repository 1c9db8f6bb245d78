"""Models and rows that somebody names on a command line.

Most stored models are pickles, and whoever wrote a pickle runs code on the machine that loads it. Nothing is unpickled
here, and no code that comes with a model is run, unless the user said that he trusts the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from explanation_client.errors import InvalidArgumentError, MissingDependencyError

_PICKLES = (".pkl", ".pickle", ".joblib")
# What the packages write themselves: trees as text or in a layout of their own.
_PLAIN = {"lightgbm": (".lgb", ".txt"), "xgboost": (".json", ".ubj", ".xgb"), "catboost": (".cb", ".cbm")}
_FLAVORS = ("sklearn", "lightgbm", "xgboost", "catboost")
_TRUST = (
    "model {} is pickled, or has code of its own: loading it runs what whoever made it put there. If you trust it, "
    "pass --allow-pickle"
)


def load_model(name: str, *, allow_pickle: bool = False, tracking_uri: str | None = None) -> Any:
    """Return the model of a URI of MLflow, of a folder with an MLflow model, or of a file.

    Files are those that LightGBM, XGBoost and CatBoost write, and pickles.

    Parameters
    ----------
    name : str
        ``models:/name/version``, ``runs:/id/name``, or a path.
    allow_pickle : bool
        Load models that are pickled, or bring code of their own.
    tracking_uri : str, optional
        Of the server that a URI is looked up on. None: the one that MLflow is set to.

    Raises
    ------
    InvalidArgumentError
        There is no such model, or loading it would run code of whoever made it and ``allow_pickle`` is not set.
    MissingDependencyError
        The package that made the model is not installed.

    """
    path = Path(name)
    if path.is_file():
        return _load_file(path, allow_pickle)
    if not path.exists() and ":/" not in name:
        raise InvalidArgumentError(f"there is no model {name!r}: pass a path, or a URI such as models:/name/1")
    folder = path if path.exists() else _download(name, tracking_uri)
    return _load_folder(folder, name, allow_pickle)


def load_rows(path: Path) -> Any:
    """Return the rows of a .parquet, .csv or .npy file, as a DataFrame or an array.

    Raises
    ------
    InvalidArgumentError
        It is of another kind, or can't be read.

    """
    kind = path.suffix.lower()
    if kind not in (".parquet", ".csv", ".npy"):
        raise InvalidArgumentError(f"{path} is no .parquet, .csv or .npy file")
    try:
        if kind == ".npy":
            import numpy as np

            return np.load(path, allow_pickle=False)
        pandas = _package("pandas")
        return pandas.read_parquet(path) if kind == ".parquet" else pandas.read_csv(path)
    except (OSError, ValueError) as error:
        raise InvalidArgumentError(f"{path} can't be read: {error}") from error


def _load_file(path: Path, allow_pickle: bool) -> Any:
    kind = path.suffix.lower()
    if kind in _PICKLES:
        if not allow_pickle:
            raise InvalidArgumentError(_TRUST.format(path))
        if kind == ".joblib":
            return _package("joblib").load(path)
        import pickle

        return pickle.loads(path.read_bytes())
    if kind in _PLAIN["lightgbm"]:
        return _package("lightgbm").Booster(model_file=str(path))
    if kind in _PLAIN["catboost"]:
        return _package("catboost").CatBoost().load_model(str(path))
    if kind in _PLAIN["xgboost"]:
        booster = _package("xgboost").Booster()
        booster.load_model(str(path))
        return booster
    known = ", ".join((*_PICKLES, *(suffix for suffixes in _PLAIN.values() for suffix in suffixes)))
    raise InvalidArgumentError(f"{path} is no model that is known here: a folder with an MLflow model, or {known}")


def _download(uri: str, tracking_uri: str | None) -> Path:
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    try:
        return Path(download_artifacts(artifact_uri=uri, tracking_uri=tracking_uri))
    except (MlflowException, OSError) as error:
        raise InvalidArgumentError(f"model {uri} can't be fetched: {error}") from error


def _load_folder(folder: Path, name: str, allow_pickle: bool) -> Any:
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model

    try:
        flavors: Mapping[str, Any] = Model.load(str(folder)).flavors
    except (MlflowException, OSError) as error:
        raise InvalidArgumentError(f"{name} is no MLflow model: {error}") from error
    flavor = next((known for known in _FLAVORS if known in flavors), None)
    if allow_pickle:
        return _load_flavor(folder, flavor)
    file = _plain_file(folder, flavor)
    if file is None:
        raise InvalidArgumentError(_TRUST.format(name))
    return _load_file(file, allow_pickle)


def _plain_file(folder: Path, flavor: str | None) -> Path | None:
    """Return the file in which a package keeps a model without pickling it, whatever the model says of itself."""
    names = (f"model{suffix}" for suffix in _PLAIN.get(flavor or "", ()))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _load_flavor(folder: Path, flavor: str | None) -> Any:
    if flavor is None:
        import mlflow.pyfunc

        return _function(mlflow.pyfunc.load_model(str(folder)))
    try:
        return import_module(f"mlflow.{flavor}").load_model(str(folder))
    except ImportError as error:
        package = "scikit-learn" if flavor == "sklearn" else flavor
        raise MissingDependencyError(package, extra="explain", needed_for="loading this model") from error


def _function(model: Any) -> Any:
    """Return the prediction function of a model of any other kind, from rows to numbers."""

    def predict(rows: Any) -> Any:
        import numpy as np

        return np.asarray(model.predict(rows))

    return predict


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingDependencyError(name, extra="explain", needed_for="loading this file") from error
