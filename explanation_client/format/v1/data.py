"""The explained rows: feature columns in ``data`` files, names, predictions and true values in one ``labels`` file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from explanation_client.dataset import Column, EvaluationData
from explanation_client.errors import InvalidArgumentError, InvalidExplanationError
from explanation_client.format.entries import EncodedFile, Range, make_entry
from explanation_client.format.layout import column_dtype
from explanation_client.format.v1.parquet import choose_compression, write
from explanation_client.format.v1.schema import column_type
from explanation_client.format.v1.tiles import MAX_BLOCK, tiles
from explanation_client.info import name_problems

PARTS = ("columns", "row_names", "predicted", "predicted_proba", "true")


def select(data: EvaluationData | None, include: bool | Collection[str]) -> EvaluationData | None:
    """Return the parts of evaluation data that are to be stored; None where nothing is.

    Raises
    ------
    InvalidArgumentError
        ``include`` names a part that does not exist.
    InvalidExplanationError
        A part is of a shape or a type that cannot be stored.

    """
    if isinstance(include, (str, bytes)) or (not isinstance(include, bool) and set(include) - set(PARTS)):
        raise InvalidArgumentError(f"include_data={include!r}: True, False, or some of {', '.join(PARTS)}")
    wanted = (PARTS if include else ()) if isinstance(include, bool) else tuple(include)
    if data is None or not wanted or data.n_rows == 0:
        return None
    has_columns = "columns" in wanted and bool(data.columns)
    chosen = EvaluationData(
        names=data.names if has_columns else (),
        columns=data.columns if has_columns else None,
        row_names=data.row_names if "row_names" in wanted else None,
        predicted=data.predicted if "predicted" in wanted else None,
        predicted_proba=data.predicted_proba if "predicted_proba" in wanted else None,
        true=data.true if "true" in wanted else None,
    )
    problems = [*name_problems(chosen.names)] if has_columns else []
    proba = chosen.predicted_proba
    if proba is not None and (proba.ndim != 2 or proba.dtype.kind != "f" or proba.shape[1] == 0):
        problems.append(f"predicted_proba has shape {proba.shape} and dtype {proba.dtype}, expected floats (N, C)")
    if problems:
        raise InvalidExplanationError("evaluation data: " + "; ".join(problems))
    for column in (*(chosen.columns or ()), chosen.predicted, chosen.true):
        if column is not None:
            column_dtype(column)
    return None if chosen.is_empty else chosen


def jobs(
    data: EvaluationData, *, shard_bytes: int, roles: tuple[str, str] = ("data", "labels")
) -> list[Callable[[], EncodedFile]]:
    """Return the jobs that encode evaluation data: its columns in shards of rows, the rest in one file."""
    made: list[Callable[[], EncodedFile]] = []
    if data.columns:
        n_columns = len(data.columns)
        parts = tiles((0, 1), data.n_rows, n_columns, itemsize=8, shard_bytes=shard_bytes, block=MAX_BLOCK)
        for tile in parts:
            blocks = tile.columns if tile.shape[2] < n_columns else None
            made.append(partial(columns_file, data, roles[0], tile.rows, tile.columns, blocks))
    if any(part is not None for part in (data.row_names, data.predicted, data.predicted_proba, data.true)):
        made.append(partial(_labels, data, roles[1]))
    return made


def label_columns(data: EvaluationData) -> dict[str, Column]:
    """Return what the ``labels`` file holds, in order."""
    proba = data.predicted_proba
    found = {"row_name": data.row_names, "predicted": data.predicted, "true": data.true}
    columns = {name: column for name, column in found.items() if column is not None}
    if proba is not None:
        columns |= {f"predicted_proba_{i}": proba[:, i] for i in range(proba.shape[1])}
    return columns


def to_arrow(column: Column, name: str) -> pa.Array:
    """Return one column as an Arrow array.

    Raises
    ------
    InvalidExplanationError
        It holds something that is not stored: objects that are no text, text that is no Unicode, a far year.

    """
    dtype = column_dtype(column)
    kind = column_type(dtype)
    if dtype == "object":
        stray = next((value for value in column if value is not None and not isinstance(value, str)), None)
        if stray is not None:
            raise InvalidExplanationError(
                f"column {name[:80]!r} holds {stray!r} of type {type(stray).__name__}: objects are texts, or None"
            )
        try:
            return pa.array([None if value is None else str(value) for value in column], kind)
        except UnicodeEncodeError as error:
            raise InvalidExplanationError(f"column {name[:80]!r} holds a text that is no valid Unicode") from error
    array = np.ascontiguousarray(column, np.dtype(dtype))
    if dtype.startswith("datetime64"):
        stored = array.astype(f"datetime64[{kind.unit}]")
        same = (stored.astype(array.dtype) == array) | np.isnat(array)
        if not same.all():
            raise InvalidExplanationError(
                f"column {name[:80]!r} holds {array[~same][0]}, too far to count milliseconds"
            )
        array = stored
    return pa.array(array)


class StoredData(EvaluationData):
    """Evaluation data that lies in a store: each part is read on first use."""

    __slots__ = ("_length", "_lock", "_parts", "_read")

    _length: int
    _lock: threading.RLock
    _parts: dict[str, Any]
    _read: dict[str, Callable[[], dict[str, Any]]]

    def __new__(cls, **parts: Any) -> EvaluationData:  # type: ignore[misc]
        """Return plain evaluation data: a copy with other parts, by ``dataclasses.replace``, is no stored one."""
        return EvaluationData(**parts)

    @classmethod
    def open(cls, n_rows: int, read: dict[str, Callable[[], dict[str, Any]]]) -> EvaluationData:
        """Return data whose parts are read by these functions, each of which may give several.

        Parameters
        ----------
        n_rows : int
        read : dict
            For each part that is stored the function that reads it.

        """
        made = object.__new__(cls)
        for name, value in (("_length", n_rows), ("_read", read), ("_parts", {}), ("_lock", threading.RLock())):
            object.__setattr__(made, name, value)
        return made

    def _get(self, part: str) -> Any:
        with self._lock:
            if part not in self._parts and part in self._read:
                self._parts.update(self._read[part]())
            return self._parts.get(part)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self._get("names") or ()

    @property
    def columns(self) -> tuple[Column, ...] | None:
        """Feature values, one array for each name."""
        found: tuple[Column, ...] | None = self._get("columns")
        return found

    @property
    def row_names(self) -> NDArray[np.object_] | None:
        """Names of the rows."""
        found: NDArray[np.object_] | None = self._get("row_names")
        return found

    @property
    def predicted(self) -> Column | None:
        """The model's predictions."""
        found: Column | None = self._get("predicted")
        return found

    @property
    def predicted_proba(self) -> NDArray[np.floating[Any]] | None:
        """The model's class probabilities."""
        found: NDArray[np.floating[Any]] | None = self._get("predicted_proba")
        return found

    @property
    def true(self) -> Column | None:
        """True values."""
        found: Column | None = self._get("true")
        return found

    @property
    def n_rows(self) -> int:
        """Number of rows, known without reading them."""
        return self._length

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known of the rows, known without reading them."""
        return not self._read

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the values themselves: the copy no longer needs the store."""
        return _plain, (self.names, self.columns, self.row_names, self.predicted, self.predicted_proba, self.true)


def _plain(
    names: tuple[str, ...],
    columns: tuple[Column, ...] | None,
    row_names: NDArray[np.object_] | None,
    predicted: Column | None,
    predicted_proba: NDArray[np.floating[Any]] | None,
    true: Column | None,
) -> EvaluationData:
    return EvaluationData(
        names=names, columns=columns, row_names=row_names,
        predicted=predicted, predicted_proba=predicted_proba, true=true,
    )  # fmt: skip


def columns_file(data: EvaluationData, role: str, rows: Range, columns: Range, blocks: Range | None) -> EncodedFile:
    """Return the file of some rows of some columns; ``blocks`` is what the manifest says of these."""
    picked = range(*columns)
    assert data.columns is not None
    arrays = [to_arrow(data.columns[i][slice(*rows)], data.names[i]) for i in picked]
    names = [data.names[i] for i in picked]
    encoded = _encode(arrays, names, [data.columns[i][slice(*rows)] for i in picked])
    shape = (rows[1] - rows[0], len(picked))
    return EncodedFile(
        make_entry(encoded, role=role, shape=shape, rows=rows, columns=blocks, holds=("columns",)), encoded
    )


def _labels(data: EvaluationData, role: str) -> EncodedFile:
    columns = label_columns(data)
    arrays = [to_arrow(column, name) for name, column in columns.items()]
    encoded = _encode(arrays, list(columns), list(columns.values()))
    holds = tuple(part for part in PARTS[1:] if getattr(data, part) is not None)
    return EncodedFile(make_entry(encoded, role=role, shape=(data.n_rows, len(columns)), holds=holds), encoded)


def _encode(arrays: list[pa.Array], names: list[str], columns: list[Column]) -> memoryview:
    floats = [column for column in columns if column.dtype.kind == "f"]
    texts = [name for name, array in zip(names, arrays, strict=True) if not pa.types.is_floating(array.type)]
    compression = choose_compression(floats) if len(floats) == len(columns) else "snappy"
    return write(pa.table(arrays, names=names), compression=compression, dictionary=texts)
