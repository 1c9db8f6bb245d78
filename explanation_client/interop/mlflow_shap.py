"""Explanations that ``mlflow.shap.log_explanation`` logged: two arrays among the artifacts of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import (
    ArtifactMissingError,
    InvalidArgumentError,
    InvalidExplanationError,
    StoredDataError,
)
from explanation_client.explanation import Explanation
from explanation_client.interop.arrays import floats
from explanation_client.interop.runs import downloaded
from explanation_client.interop.shap_package import from_shap

_VALUES, _BASES = "shap_values.npy", "base_values.npy"
Axes = Literal["outputs first", "outputs last"]


def from_run(
    run_id: str,
    artifact_path: str = "model_explanations_shap",
    *,
    tracking_uri: str | None = None,
    features: Sequence[Any] | None = None,
    classes: Sequence[Any] | None = None,
    task: str | None = None,
    data: Any = None,
    output_space: str | None = None,
    axes: Axes | None = None,
) -> Explanation:
    """Return the explanation that ``mlflow.shap.log_explanation`` logged to a run.

    MLflow keeps the importances and the base values, and neither names nor rows: pass them to have them.

    Parameters
    ----------
    run_id : str
    artifact_path : str
        As it was given to ``log_explanation``.
    tracking_uri : str, optional
        None: MLflow's own.
    features, classes : sequence of str, optional
    task : "classification" or "regression", optional
        None: classification where there are classes or several outputs.
    data : table of shape (N, F), optional
        The rows that were explained.
    output_space : str, optional
        What the values add up to: ``"probability"`` where ``predict_proba`` was explained.
    axes : "outputs first" or "outputs last", optional
        How three axes are meant: shap before 0.45 had (C, N, F), since then it has (N, F, C). None: tell by the number
        of base values and of features.

    Raises
    ------
    RunNotFoundError
        There is no such run.
    ArtifactMissingError
        The run has no such explanation.
    StoredDataError
        A file is damaged, or holds Python objects.
    InvalidExplanationError
        The order of the axes can't be told, or parts do not fit together.
    StorageError
        The tracking server, or the store, failed.

    """
    if axes not in ("outputs first", "outputs last", None):
        raise InvalidArgumentError(f"axes={axes!r}: 'outputs first', 'outputs last', or None")
    with downloaded(run_id, artifact_path, tracking_uri=tracking_uri) as folder:
        values, bases = _read_array(folder / _VALUES), _read_array(folder / _BASES)
    n_features = _count_features(features, data)
    return from_shap(
        _outputs_last(values, n_outputs=bases.size, n_features=n_features, axes=axes),
        features=features,
        classes=classes,
        base_values=bases,
        data=data,
        task=task,
        output_space=output_space,
        method="shap_kernel",
    )


def _read_array(file: Path) -> NDArray[Any]:
    """Return a stored array; a file that is shorter than its header says is refused before memory is allocated."""
    if not file.is_file():
        raise ArtifactMissingError(
            f"there is no {file.name}: mlflow.shap.log_explanation writes {_VALUES} and {_BASES}"
        )
    try:
        return np.array(np.load(file, mmap_mode="r", allow_pickle=False))
    except ValueError as error:
        raise StoredDataError(f"{file.name} can't be read as an array of numbers: {error}") from error


def _count_features(features: Sequence[Any] | None, data: Any) -> int | None:
    if features is not None:
        return len(features)
    shape = getattr(data, "shape", ())
    return shape[-1] if shape else None


def _outputs_last(values: NDArray[Any], *, n_outputs: int, n_features: int | None, axes: Axes | None) -> NDArray[Any]:
    """Return values (N, F) or (N, F, C)."""
    array = floats(values, _VALUES, ndim=(1, 2, 3))
    if array.ndim < 3 or axes == "outputs last":
        return array
    if axes == "outputs first":
        return np.moveaxis(array, 0, -1)
    first = array.shape[0] == n_outputs and n_features in (None, array.shape[2])
    last = array.shape[2] == n_outputs and n_features in (None, array.shape[1])
    if first == last:
        reason = "both orders of the axes fit" if first else "no order of the axes fits"
        raise InvalidExplanationError(
            f"{_VALUES} has shape {array.shape}, with {n_outputs} base values and "
            f"{'an unknown number of' if n_features is None else n_features} features: {reason}; pass features=, or "
            "axes='outputs last' for (N, F, C), as shap has it since 0.45, or 'outputs first' for (C, N, F)"
        )
    return np.moveaxis(array, 0, -1) if first else array
