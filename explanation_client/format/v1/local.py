"""Local importances that lie in shards: reads the shards that an answer needs, and of those the row groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from explanation_client.errors import CorruptFileError
from explanation_client.format.coverage import stored_outputs
from explanation_client.format.entries import Buffer, FileEntry, Limits, Range
from explanation_client.format.layout import TOP_RANKS, PartLayout
from explanation_client.format.v1.parquet import ParquetReader, numbers
from explanation_client.format.v1.schema import dense_schema, ranked_schema
from explanation_client.importances import Importances


class MapFiles(Protocol):
    """Calls a function for each file: ``map``, or the ``map`` of an executor, so that shards are read in parallel."""

    def __call__(self, function: Callable[[FileEntry], None], entries: Iterable[FileEntry], /) -> Iterable[None]:
        """Return the results, one for each file."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LocalReader:
    """Reads local importances (C, N, k) of version 1; an ``ImportancesReader``.

    Parameters
    ----------
    part : PartLayout
    n_outputs, n_rows : int
    features : tuple of str
    order : ndarray of int32, shape (F,)
        Feature positions in the order of the columns.
    files, top : tuple of FileEntry
        The files of the roles ``local`` and ``top``.
    fetch : callable
        Returns the bytes of a file, checked against its digest.
    limits : Limits
    map_files : callable
        ``map``, or an executor's.

    """

    part: PartLayout
    n_outputs: int
    n_rows: int
    features: tuple[str, ...]
    order: NDArray[np.int32]
    files: tuple[FileEntry, ...]
    top: tuple[FileEntry, ...]
    fetch: Callable[[FileEntry], Buffer]
    limits: Limits
    map_files: MapFiles

    @property
    def shape(self) -> tuple[int, int, int]:
        """Outputs, rows, stored features."""
        return self.n_outputs, self.n_rows, self.part.kept

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return np.dtype(self.part.dtype)

    @property
    def is_ranked(self) -> bool:
        """Whether the stored values were cut and ranked."""
        return self.part.ranked

    def read(self, outputs: slice, rows: slice) -> Importances:
        """Return all stored values of these outputs and rows."""
        return self._read(self.files, self.part.kept, outputs, rows, ranked=self.part.ranked)

    def read_ranked(self, top_k: int, outputs: slice, rows: slice) -> Importances:
        """Return what ``read(outputs, rows).ranked(top_k)`` would, from the ``top`` files where they hold enough."""
        if not self.top or top_k > TOP_RANKS:
            return self.read(outputs, rows).ranked(top_k)
        found = self._read(self.top, TOP_RANKS, outputs, rows, ranked=True)
        if top_k == TOP_RANKS or found.index is None:
            return found
        kept = np.s_[..., :top_k]
        return Importances(np.ascontiguousarray(found.values[kept]), found.index[kept].copy(), found.total)

    def _read(
        self, files: tuple[FileEntry, ...], kept: int, outputs: slice, rows: slice, *, ranked: bool
    ) -> Importances:
        shape = (max(0, outputs.stop - outputs.start), max(0, rows.stop - rows.start))
        width = self.dtype.itemsize + (4 if ranked else 0)
        self.limits.check("bytes of the local importances asked for", shape[0] * shape[1] * kept * width, "max_bytes")
        values = np.empty((*shape, kept), self.dtype)
        index = np.empty((*shape, kept), np.int32) if ranked else None
        total = np.empty(shape, np.float64) if ranked else None
        if values.size == 0:
            return Importances(values, index, total)
        # Of two outputs that mirror each other the second is stored; it is read into the last place, then mirrored.
        stored = stored_outputs(self.part, self.n_outputs)
        wanted = stored if self.part.mirror else (outputs.start, outputs.stop)
        last = shape[0] - (wanted[1] - wanted[0])
        target = _Target(
            outputs=wanted, rows=(rows.start, rows.stop), values=values[last:],
            index=None if index is None else index[last:], total=None if total is None else total[last:],
        )  # fmt: skip

        def fill(entry: FileEntry) -> None:
            self._fill(entry, target, kept)

        needed = [
            entry
            for entry in files
            if _overlap(entry.outputs or stored, target.outputs)
            and _overlap(entry.rows or (0, self.n_rows), target.rows)
        ]
        for _ in self.map_files(fill, needed):
            pass
        if self.part.mirror and outputs.start == 0:
            np.negative(values[-1], out=values[0])
            if index is not None and total is not None:
                index[0] = index[-1]
                np.subtract(0.0, total[-1], out=total[0])
        return Importances(values, index, total)

    def _fill(self, entry: FileEntry, target: _Target, kept: int) -> None:
        """Read what the target wants of one file."""
        stored = stored_outputs(self.part, self.n_outputs)
        outputs, rows, columns = entry.outputs or stored, entry.rows or (0, self.n_rows), entry.columns or (0, kept)
        n_rows = rows[1] - rows[0]
        picked = self.order[slice(*columns)]
        if target.index is None:
            schema = dense_schema([self.features[i] for i in picked], self.part.dtype)
        else:
            schema = ranked_schema(columns, len(self.features), self.part.dtype)
        lines = (outputs[1] - outputs[0]) * n_rows
        reader = ParquetReader(self.fetch(entry), schema, lines, name=entry.name)
        spans = list(_spans(outputs, rows, target))
        for first, end, found in reader.batches(spans[0][0], spans[-1][1]):
            block = _Block(found, columns, len(self.features), entry.name)
            for low, high, output, row in spans:
                a, b = max(low, first), min(high, end)
                if a < b:
                    into = np.s_[output, row + a - low : row + b - low]
                    block.store(slice(a - first, b - first), into, target, picked)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Target:
    """Where values go: arrays of some outputs and rows of the whole."""

    outputs: Range
    rows: Range
    values: NDArray[Any]
    index: NDArray[np.int32] | None
    total: NDArray[np.float64] | None


class _Block:
    """Consecutive lines of a file, checked."""

    __slots__ = ("_columns", "_index", "_total", "_values")

    def __init__(self, found: list[pa.Array], columns: Range, n_features: int, name: str) -> None:
        width = columns[1] - columns[0]
        arrays = [numbers(column, name=name) for column in found]
        self._columns = columns
        self._values = np.stack(arrays[:width])
        self._index = np.stack(arrays[width : 2 * width]) if len(arrays) > width else None
        self._total = arrays[-1] if len(arrays) > 2 * width else None
        if not np.isfinite(self._values).all():
            raise CorruptFileError(f"{name}: holds importances that are not finite")
        if self._index is not None and self._index.max(initial=0) >= n_features:
            raise CorruptFileError(f"{name}: names a feature position outside 0 to {n_features - 1}")

    def store(self, lines: slice, into: tuple[int, slice], target: _Target, picked: NDArray[np.int32]) -> None:
        """Copy some lines to their place in the target."""
        if target.index is None:
            _transpose(self._values[:, lines], target.values[into], picked)
            return
        columns = slice(*self._columns)
        target.values[into][:, columns] = self._values[:, lines].T
        if self._index is not None:
            target.index[into][:, columns] = self._index[:, lines].T
        if self._total is not None and target.total is not None:
            target.total[into] = self._total[lines]


def _transpose(columns: NDArray[Any], rows: NDArray[Any], picked: NDArray[np.int32]) -> None:
    """Store columns (k, n) into rows (n, F) at the picked places, so much at a time as a processor's cache holds."""
    step = max(128, (1 << 17) // rows.shape[1])
    for first in range(0, rows.shape[0], step):
        rows[first : first + step, picked] = columns[:, first : first + step].T


def _spans(outputs: Range, rows: Range, target: _Target) -> Iterator[tuple[int, int, int, int]]:
    """Yield (first line, end, output in the target, row in the target) of what the target wants of a file."""
    n_rows = rows[1] - rows[0]
    low, high = max(rows[0], target.rows[0]), min(rows[1], target.rows[1])
    for output in range(max(outputs[0], target.outputs[0]), min(outputs[1], target.outputs[1])):
        line = (output - outputs[0]) * n_rows
        yield (
            line + low - rows[0],
            line + high - rows[0],
            output - target.outputs[0],
            low - target.rows[0],
        )


def _overlap(a: Range, b: Range) -> bool:
    return max(a[0], b[0]) < min(a[1], b[1])
