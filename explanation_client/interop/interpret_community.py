"""Explanations of interpret-community and of Azure's SDK: its objects, and the folders that it saved.

Both have the same members under the same names: an object as attributes, a folder as one JSON file for each.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import EvaluationData, is_instance_of, normalise_column
from explanation_client.errors import (
    FormatVersionError,
    InvalidArgumentError,
    InvalidExplanationError,
    LimitExceededError,
    StoredDataError,
)
from explanation_client.explanation import Explanation
from explanation_client.importances import FloatArray
from explanation_client.interop.arrays import floats, from_arrays
from explanation_client.interop.runs import downloaded

# The one version of the folder that was ever written.
_FOLDER_VERSION = 1
_METADATA = "explanation_metadata.json"
# A sparse matrix in JSON says how large it is: nothing larger is made dense than 2 GB of float64.
_MAX_DENSE_VALUES = 1 << 28

_Members = Callable[[str], Any]


def from_interpret_community(
    explanation: Any, *, features: Sequence[Any] | None = None, classes: Sequence[Any] | None = None
) -> Explanation:
    """Return an explanation that interpret-community made, read by its public members.

    Predictions and rows that belong to another call, as some of its explainers attach, are left out; the notes of the
    explanation say so.

    Parameters
    ----------
    explanation : interpret-community explanation
        A local or global explanation of tabular data, or an ``ExplanationAdapter``'s.
    features, classes : sequence of str, optional
        Used in place of its own names.

    Raises
    ------
    InvalidArgumentError
        This is no explanation.
    InvalidExplanationError
        Its parts do not fit together, or it was cut and has no local importances.

    """
    if not isinstance(getattr(explanation, "method", None), str) or not any(
        hasattr(explanation, name) for name in ("local_importance_values", "global_importance_values")
    ):
        raise InvalidArgumentError(
            f"a {type(explanation).__module__}.{type(explanation).__qualname__} is no explanation of "
            "interpret-community: it needs a method, and local_importance_values or global_importance_values"
        )
    return _build(lambda name: getattr(explanation, name, None), features=features, classes=classes)


def load_folder(
    path: str | Path, *, features: Sequence[Any] | None = None, classes: Sequence[Any] | None = None
) -> Explanation:
    """Return the explanation in a folder that interpret-community's ``save_explanation`` wrote.

    Parameters
    ----------
    path : str or Path
    features, classes : sequence of str, optional
        Used in place of its own names.

    Raises
    ------
    InvalidArgumentError
        There is no such folder.
    StoredDataError
        A file is damaged, or from a version that is not known here.
    InvalidExplanationError
        The parts do not fit together.

    """
    folder = Path(path)
    if not (folder / _METADATA).is_file():
        raise InvalidArgumentError(f"{str(folder)!r} was not written by save_explanation: it has no {_METADATA}")
    metadata = _read_json(folder / _METADATA)
    version = metadata.get("serialization_version")
    if version != _FOLDER_VERSION:
        raise FormatVersionError(
            f"{str(folder)!r} says serialization_version={version!r}, and {_FOLDER_VERSION} is what is known here"
        )
    return _build(_folder_members(folder, metadata), features=features, classes=classes)


def from_run(
    run_id: str,
    name: str,
    *,
    tracking_uri: str | None = None,
    features: Sequence[Any] | None = None,
    classes: Sequence[Any] | None = None,
) -> Explanation:
    """Return the explanation that ``interpret_community.mlflow.log_explanation`` logged to an MLflow run.

    Parameters
    ----------
    run_id : str
    name : str
        As it was given to ``log_explanation``.
    tracking_uri : str, optional
        None: MLflow's own.
    features, classes : sequence of str, optional
        Used in place of its own names.

    Raises
    ------
    RunNotFoundError
        There is no such run.
    ArtifactMissingError
        The run has no explanation of that name.
    StorageError
        The tracking server, or the store, failed.

    """
    with downloaded(run_id, f"{name}/data/explanation", tracking_uri=tracking_uri) as folder:
        return load_folder(folder, features=features, classes=classes)


# --- From members to an explanation --------------------------------------------------------------------------------


def _build(get: _Members, *, features: Sequence[Any] | None, classes: Sequence[Any] | None) -> Explanation:
    own_classes = _names(get("classes")) if classes is None else list(classes)
    own_features = _names(get("features")) if features is None else list(features)
    is_classifier = get("model_task") == "classification" or own_classes is not None
    bases = _expected_values(get("expected_values"))
    by_class = get("per_class_values")
    n_classes = _number_of_classes(own_classes, bases, by_class)
    local, single_row = _local(get("local_importance_values"), is_classifier=is_classifier, n_classes=n_classes)
    whole = get("global_importance_values")
    is_global = whole is not None
    n_features = len(own_features or ()) or None if local is None else local.shape[-1]
    if n_features is not None and whole is not None and len(whole) != n_features:
        if local is None:
            raise InvalidExplanationError(
                f"the explanation was cut to {len(whole)} of {n_features} features, and what the others add up to is "
                "not in it: download it without top_k, or explain again"
            )
        # A cut left the local values whole: the global ones are their means.
        whole = by_class = None
    if local is not None and len(local) == 2 and bases is not None and len(bases) == 1:
        bases = _both_bases(bases, local)
    notes = [f"brought in from interpret-community, where its id was {get('id')}"]
    n_rows = None if local is None else local.shape[1]
    data = _data(get, own_features, n_rows=n_rows, notes=notes)
    is_raw, is_engineered = get("is_raw") is True, get("is_engineered") is True
    explanation = from_arrays(
        local=local,
        global_=whole,
        per_class=by_class if is_classifier else None,
        features=own_features,
        classes=own_classes,
        base_values=bases,
        data=data,
        method=get("method"),
        task="classification" if is_classifier else None,
        include_global=is_global,
        feature_space="raw" if is_raw else "engineered" if is_engineered else None,
        model_type=_class_name(get("model_type")),
        notes=tuple(notes),
        package="interpret-community",
    )
    return replace(explanation, info=replace(explanation.info, single_row=single_row))


def _local(values: Any, *, is_classifier: bool, n_classes: int | None) -> tuple[FloatArray | None, bool]:
    """Return local importances (C, N, F), and whether they are those of a single row without an axis for it."""
    if values is None:
        return None, False
    array = floats(values, "local_importance_values", ndim=(1, 2, 3))
    if array.ndim == 3:
        return array, False
    if array.ndim == 1:
        return array[None, None], True
    if not is_classifier:
        return array[None], False
    if n_classes is not None and len(array) != n_classes:
        raise InvalidExplanationError(
            f"local_importance_values have shape {array.shape}, and there are {n_classes} classes: a classifier's are "
            "(C, N, F), or (C, F) of one row"
        )
    return array[:, None], True


def _number_of_classes(classes: Sequence[Any] | None, bases: FloatArray | None, by_class: Any) -> int | None:
    if classes is not None:
        return len(classes)
    if by_class is not None:
        return len(by_class)
    return None if bases is None or len(bases) == 1 else len(bases)


def _expected_values(values: Any) -> FloatArray | None:
    """Return base values; some surrogates give (C, 1)."""
    if values is None:
        return None
    return floats(values, "expected_values", ndim=(0, 1, 2)).reshape(-1).astype(np.float64)


def _both_bases(bases: FloatArray, local: FloatArray) -> FloatArray | None:
    """Return both base values where a linear binary classifier's one is given, None where it can't be told.

    The importances of its classes are each other's negative, and so are then the margins; the one is the second's.
    """
    return np.concatenate([-bases, bases]) if np.array_equal(local[0], -local[1]) else None


def _data(
    get: _Members, features: Sequence[Any] | None, *, n_rows: int | None, notes: list[str]
) -> EvaluationData | None:
    """Return the rows and predictions that are of these rows, and note what is not."""
    rows = _rows(get("eval_data"))
    predicted, proba = _array(get("eval_y_predicted")), _array(get("eval_y_predicted_proba"))
    found = None
    if rows is not None:
        n_columns = int(rows.shape[-1])
        names = [str(name) for name in features or ()]
        fitting = names if len(names) == n_columns else [f"feature_{i}" for i in range(n_columns)]
        found = EvaluationData.from_rows(rows, names=fitting)
    count = n_rows if n_rows is not None else (None if found is None else found.n_rows)
    lengths = {
        "eval_data": None if found is None else found.n_rows,
        "eval_y_predicted": None if predicted is None else len(predicted),
        "eval_y_predicted_proba": None if proba is None else len(proba),
    }
    fits = {name: length is not None and length == count for name, length in lengths.items()}
    for name, length in lengths.items():
        if length is not None and not fits[name]:
            notes.append(f"{name} left out: it has {length} rows, {count} were explained")
    if not any(fits.values()):
        return None
    has_rows = found is not None and fits["eval_data"]
    return EvaluationData(
        names=found.names if found is not None and has_rows else (),
        columns=found.columns if found is not None and has_rows else None,
        row_names=found.row_names if found is not None and has_rows else None,
        predicted=normalise_column(predicted.reshape(-1))
        if predicted is not None and fits["eval_y_predicted"]
        else None,
        predicted_proba=None if proba is None or not fits["eval_y_predicted_proba"] else proba.astype(np.float64),
    )


def _rows(data: Any) -> Any:
    """Return evaluation data as a table; None for the id of a dataset that lies elsewhere."""
    wrapped = getattr(data, "original_dataset", data)
    if wrapped is None or isinstance(wrapped, str):
        return None
    if isinstance(wrapped, (list, tuple)):
        wrapped = _array(wrapped)
    return wrapped


def _array(values: Any) -> NDArray[Any] | None:
    """Return a list as an array that keeps numbers numbers, of objects where they are mixed with text."""
    if values is None or isinstance(values, str):
        return None
    if is_instance_of(values, "pandas", "DataFrame", "Series"):
        values = values.to_numpy()
    array = np.asarray(values)
    return np.array(values, dtype=object) if array.dtype.kind in "US" else array


def _names(names: Any) -> list[str] | None:
    return None if names is None else [str(name) for name in names]


def _class_name(model_type: Any) -> str | None:
    """Return ``a.b.C`` of ``<class 'a.b.C'>``, which is what interpret-community has for the class of the model."""
    if model_type is None:
        return None
    return str(model_type).removeprefix("<class '").removesuffix("'>")


# --- The folder ----------------------------------------------------------------------------------------------------


def _folder_members(folder: Path, metadata: Mapping[str, Any]) -> _Members:
    in_metadata = {
        "id": "explanation_id",
        "method": "method",
        "model_task": "model_task",
        "model_type": "model_class",
        "is_raw": "is_raw",
        "is_engineered": "is_engineered",
    }

    def get(name: str) -> Any:
        if name in in_metadata:
            return metadata.get(in_metadata[name])
        file = folder / f"{name}.json"
        return _value(_read_json(file), file) if file.is_file() else None

    return get


def _read_json(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StoredDataError(f"{str(file)!r} is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise StoredDataError(f"{str(file)!r} holds a {type(document).__name__}, an object is needed")
    return document


def _value(document: dict[str, Any], file: Path) -> Any:
    """Return what a file holds: lists as they are, sparse matrices made dense."""
    if not {"metadata", "data"} <= document.keys():
        raise StoredDataError(f"{str(file)!r} has no 'metadata' and 'data'")
    data = document["data"]
    if document["metadata"] not in ("sparse", "DatasetWrapperSparse"):
        return data
    try:
        per_class = bool(data[0]) and isinstance(data[0][0], list)
        return [_dense(*matrix) for matrix in data] if per_class else _dense(*data)
    except (TypeError, ValueError, IndexError) as error:
        raise StoredDataError(f"{str(file)!r} holds no sparse matrix: {error}") from error


def _dense(values: list[float], indices: list[int], indptr: list[int], shape: list[int]) -> NDArray[np.float64]:
    """Return a matrix from the three arrays of the compressed sparse row form."""
    n_rows, n_columns = (int(n) for n in shape)
    if n_rows * n_columns > _MAX_DENSE_VALUES:
        raise LimitExceededError(f"a sparse matrix of {n_rows} x {n_columns} is too large to be made dense")
    ends, columns = np.asarray(indptr, np.int64), np.asarray(indices, np.int64)
    rows = np.repeat(np.arange(n_rows), ends[1:] - ends[:-1])
    if not len(values) == len(columns) == len(rows) or (columns < 0).any() or (columns >= n_columns).any():
        raise ValueError(f"{len(values)} values, {len(columns)} columns and {len(rows)} rows do not fit together")
    dense = np.zeros((n_rows, n_columns))
    np.add.at(dense, (rows, columns), values)
    return dense
