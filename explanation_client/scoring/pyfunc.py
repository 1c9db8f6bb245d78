"""A scoring explainer as a model of MLflow's own: logged, registered, and served by ``mlflow models serve``."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from explanation_client.errors import InvalidArgumentError, MissingDependencyError
from explanation_client.info import versions
from explanation_client.scoring.base import ScoringExplainer
from explanation_client.scoring.response import explained

if TYPE_CHECKING:
    from mlflow.models import ModelSignature
    from mlflow.models.model import ModelInfo

_CODE = "pyfunc_model.py"
# MLflow's types of numpy's kinds.
_OF_KIND = {"b": "boolean", "i": "long", "u": "long", "f": "double", "M": "datetime"}


def log_pyfunc(
    scoring_explainer: ScoringExplainer,
    name: str = "explained_model",
    *,
    registered_model_name: str | None = None,
    pip_requirements: Sequence[str] | None = None,
) -> ModelInfo:
    """Return MLflow's record of a scoring explainer that was logged as a model of the active run.

    ``mlflow models serve`` and ``mlflow.pyfunc.load_model`` answer with predictions and local importances; see
    :func:`explanation_client.scoring.response.explained`. Nothing in the model is pickled: it holds the files that
    :func:`~explanation_client.scoring.save` writes, and a file of code that loads them.

    Parameters
    ----------
    scoring_explainer : ScoringExplainer
    name : str
    registered_model_name : str, optional
        Register a version under this name.
    pip_requirements : sequence of str, optional
        What an environment for the model installs. None: :func:`requirements`.

    Raises
    ------
    InvalidArgumentError
        Something in the scoring explainer can only be pickled.
    MissingDependencyError
        There is mlflow-skinny alone, or no pandas.

    """
    pyfunc = _mlflow_pyfunc()
    with _saved(scoring_explainer) as folder:
        arguments = _arguments(scoring_explainer, folder, pip_requirements)
        logged: ModelInfo = pyfunc.log_model(name=name, registered_model_name=registered_model_name, **arguments)
        return logged


def save_pyfunc(
    scoring_explainer: ScoringExplainer,
    path: str | os.PathLike[str],
    *,
    pip_requirements: Sequence[str] | None = None,
) -> None:
    """Write a scoring explainer as a model of MLflow to a new folder: what :func:`log_pyfunc` logs.

    Raises
    ------
    InvalidArgumentError
        The folder exists, or something in the scoring explainer can only be pickled.
    MissingDependencyError
        There is mlflow-skinny alone, or no pandas.

    """
    pyfunc = _mlflow_pyfunc()
    if Path(path).exists():
        raise InvalidArgumentError(f"{path} exists: choose a new folder")
    with _saved(scoring_explainer) as folder:
        pyfunc.save_model(path=str(path), **_arguments(scoring_explainer, folder, pip_requirements))


def requirements(scoring_explainer: ScoringExplainer) -> list[str]:
    """Return what an environment for the model needs, each package with the version that is installed here.

    The library of the model is there only where the model itself was kept: trees and coefficients have been taken out
    of theirs.
    """
    # MLflow's server hands rows on as tables of pandas; the others are those of the extra.
    others = ("mlflow", "numpy", "pandas", "pyarrow", "numba", "scikit-learn", "skops", *scoring_explainer.packages)
    # The same library under another name, without what graphics cards need.
    others = tuple("xgboost-cpu" if name == "xgboost" and not versions(name) else name for name in others)
    pinned = [f"{package}=={number}" for package, number in versions(*dict.fromkeys(others))]
    return [f"explanation-client[scoring]=={version('explanation-client')}", *pinned]


def signature(scoring_explainer: ScoringExplainer) -> ModelSignature:
    """Return MLflow's signature of the model: columns, answer, and the parameters ``explain`` and ``top_k``."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array

    parts = scoring_explainer._parts
    types = parts.inputs.types or ("number",) * len(scoring_explainer.columns)
    columns: list[Any] = [
        ColSpec(_data_type(kind, parts.inputs.levels.get(position)), name)
        for position, (name, kind) in enumerate(zip(scoring_explainer.columns, types, strict=True))
    ]
    answer = explained(scoring_explainer, scoring_explainer.score(parts.examples.data))
    outputs: list[Any] = []
    for name, value in answer.items():
        array = np.asarray(value)
        spec: Any = _OF_KIND.get(array.dtype.kind, "string")
        for _ in range(array.ndim):
            spec = Array(DataType[spec] if isinstance(spec, str) else spec)
        outputs.append(ColSpec(spec, name, required=name in ("local_importance_values", "expected_values")))
    params: list[Any] = [ParamSpec("explain", DataType.boolean, True), ParamSpec("top_k", DataType.long, None)]
    return ModelSignature(inputs=Schema(columns), outputs=Schema(outputs), params=ParamSchema(params))


def _data_type(kind: str, levels: Sequence[Any] | None) -> Any:
    """Return MLflow's type of a column. All numbers are doubles, which have a place for missing values."""
    from mlflow.types import DataType

    if kind == "bool":
        return DataType.boolean
    if kind.startswith("datetime64"):
        return DataType.datetime
    if kind in ("object", "str", "string") or any(isinstance(level, str) for level in levels or ()):
        return DataType.string
    return DataType.double


def _arguments(
    scoring_explainer: ScoringExplainer, folder: Path, pip_requirements: Sequence[str] | None
) -> dict[str, Any]:
    return {
        "python_model": str(folder / _CODE),
        "artifacts": {"scoring_explainer": str(folder / "scoring_explainer")},
        # A row that is made up or mixed, like all that the scoring explainer stores of its data.
        "input_example": _example(scoring_explainer),
        "signature": signature(scoring_explainer),
        "pip_requirements": list(pip_requirements or requirements(scoring_explainer)),
    }


@contextlib.contextmanager
def _saved(scoring_explainer: ScoringExplainer) -> Iterator[Path]:
    """Yield a folder in which the scoring explainer and its code are, for as long as MLflow needs to copy them."""
    from explanation_client.scoring.folder import save

    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        # MLflow notes where it found the code: not where this library is installed.
        shutil.copyfile(Path(__file__).with_name(_CODE), folder / _CODE)
        save(scoring_explainer, folder / "scoring_explainer")
        yield folder


def _example(scoring_explainer: ScoringExplainer) -> Any:
    import pandas

    examples = scoring_explainer._parts.examples
    row = examples.take(slice(0, 1)).data
    if examples.is_sparse:
        row = row.toarray()
    return pandas.DataFrame(row).set_axis(list(scoring_explainer.columns), axis=1)


def _mlflow_pyfunc() -> Any:
    try:
        import mlflow.pyfunc
    except ImportError as error:
        raise MissingDependencyError("mlflow", extra="server", needed_for="logging a model of MLflow") from error
    return mlflow.pyfunc
