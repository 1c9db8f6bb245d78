"""Local importances and rows on their way into files: collected until a shard is full, cut, encoded, counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import EvaluationData
from explanation_client.errors import InvalidExplanationError
from explanation_client.format.layout import DataLayout, columns_layout
from explanation_client.format.v1.stream import Job, row_jobs, shard_jobs, top_of
from explanation_client.importances import FloatArray, Importances
from explanation_client.store.stream import StreamWriter
from explanation_client.streams.sizes import ShardSizes, check_files, local_files

# Beside its value, a ranked importance has its feature, and each row of an output the sum over all features.
_INDEX_BYTES, _TOTAL_BYTES = 4, 8
# What Python has of each text beside its characters.
_TEXT_BYTES = 48


class Files:
    """The files of a part: hands them on, and counts them.

    Parameters
    ----------
    writer : StreamWriter
    sizes : ShardSizes

    """

    def __init__(self, writer: StreamWriter, sizes: ShardSizes) -> None:
        self._writer = writer
        self._sizes = sizes
        self._n_written = 0

    def shard_bytes(self, row_bytes: int) -> int:
        """Return how many bytes the next shard of such rows has, at least those of one row."""
        return max(row_bytes, self._sizes.shard_bytes(row_bytes, n_written=self._n_written))

    def expect(self, row_bytes: int, n_files: int) -> None:
        """Hold what is still to come to what a manifest lists, as far as that is known.

        Raises
        ------
        LimitExceededError
            Shards of such rows, which are so many files each, will be too many.

        """
        if self._sizes.n_rows is not None:
            check_files(self._sizes.least_files(row_bytes, n_files), n_rows=self._sizes.n_rows, is_known=True)

    def submit(self, jobs: Sequence[Job], *, n_rows: int) -> None:
        """Write files, after which so many rows are stored.

        Raises
        ------
        LimitExceededError
            A manifest does not list so many.
        StorageError
            An earlier file could not be written.

        """
        self._n_written += len(jobs)
        check_files(self._n_written, n_rows=n_rows, is_known=self._sizes.n_rows is not None)
        for job in jobs:
            self._writer.submit(job)


class LocalShards:
    """Local importances on their way into files.

    Parameters
    ----------
    files : Files
    features : tuple of str
    dtype : dtype
        What is stored.
    top_k : int, optional
        Features that are kept of each row.

    """

    def __init__(self, files: Files, features: tuple[str, ...], dtype: np.dtype[Any], top_k: int | None) -> None:
        self._files = files
        self._features = features
        self._dtype = dtype
        self._top_k = top_k
        self._pieces: list[tuple[Importances, bool]] = []
        self._n_waiting = 0
        self._first = 0
        self._tops: dict[int, list[Importances]] = {}
        self._tops_mirrored = False

    def add(self, values: FloatArray, *, mirrored: bool) -> None:
        """Take the importances (C, n, F) of the next rows; of two outputs that mirror each other the second is kept."""
        kept = values[1:] if mirrored else values
        outputs, n_rows, _ = kept.shape
        row_bytes = outputs * self._line_bytes
        if self._first + self._n_waiting == 0:
            self._files.expect(row_bytes, local_files(len(self._features), n_outputs=outputs, top_k=self._top_k))
        start = 0
        while start < n_rows:
            full = self._files.shard_bytes(row_bytes) // row_bytes
            end = min(n_rows, start + max(1, full - self._n_waiting))
            self._pieces.append((self._cut(kept[:, start:end], copy=mirrored or end - start < n_rows), mirrored))
            self._n_waiting += end - start
            start = end
            if self._n_waiting >= full:
                self._flush()

    def finish(self) -> None:
        """Hand on what is left."""
        if self._pieces:
            self._flush()
        self._flush_tops()

    @property
    def _line_bytes(self) -> int:
        """Bytes of a row of one output."""
        itemsize = self._dtype.itemsize
        if self._top_k is None:
            return len(self._features) * itemsize
        return self._top_k * (itemsize + _INDEX_BYTES) + _TOTAL_BYTES

    def _cut(self, values: FloatArray, *, copy: bool) -> Importances:
        """Return what is stored of some rows; a part of a batch, as a view, would keep all of it."""
        if self._top_k is not None:
            return Importances(values.astype(self._dtype, copy=False)).ranked(self._top_k)
        return Importances(values.astype(self._dtype, copy=copy))

    def _flush(self) -> None:
        local, mirrored = _joined(self._pieces)
        if mirrored != self._tops_mirrored:
            self._flush_tops()
            self._tops_mirrored = mirrored
        first_row = self._first
        self._first += self._n_waiting
        self._n_waiting = 0
        for first_output, group in _groups(local, mirrored=mirrored):
            jobs = shard_jobs(group, self._features, first_output=first_output, first_row=first_row)
            self._files.submit(jobs, n_rows=self._first)
            top = top_of(group)
            if top is not None:
                self._tops.setdefault(first_output, []).append(top)
        if self._tops_are_full():
            self._flush_tops()

    def _tops_are_full(self) -> bool:
        tops = [top for of_outputs in self._tops.values() for top in of_outputs]
        n_bytes = sum(top.nbytes for top in tops)
        n_rows = sum(top.shape[1] for top in next(iter(self._tops.values()), ()))
        return n_rows > 0 and n_bytes >= self._files.shard_bytes(-(-n_bytes // n_rows))

    def _flush_tops(self) -> None:
        for first_output, tops in self._tops.items():
            whole = _stacked(tops)
            first_row = self._first - whole.shape[1]
            jobs = shard_jobs(whole, self._features, role="top", first_output=first_output, first_row=first_row)
            self._files.submit(jobs, n_rows=self._first)
        self._tops = {}


class RowShards:
    """Explained rows on their way into files.

    Parameters
    ----------
    files : Files

    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._pieces: list[EvaluationData] = []
        self._n_bytes = 0
        self._all_bytes = 0
        self._first = 0
        self.layout: DataLayout | None = None

    def add(self, rows: EvaluationData) -> None:
        """Take the next rows.

        Raises
        ------
        InvalidExplanationError
            Their columns have other types than those before.

        """
        layout = columns_layout(rows)
        if self.layout is None:
            self.layout = layout
        elif layout != self.layout:
            raise InvalidExplanationError(
                f"from row {self._first + self._n_waiting:,} on the columns have other types, "
                f"{layout.columns} after {self.layout.columns}: cast the batches to the same types to store the rows"
            )
        ends = np.cumsum(row_sizes(rows))
        self._all_bytes += int(ends[-1])
        # Of all rows so far: batches may have texts of other lengths.
        row_bytes = -(-self._all_bytes // (self._first + self._n_waiting + rows.n_rows))
        start = 0
        while start < rows.n_rows:
            before = int(ends[start - 1]) if start else 0
            full = self._files.shard_bytes(row_bytes)
            fits = int(np.searchsorted(ends, before + full - self._n_bytes, side="right"))
            end = min(rows.n_rows, max(start + (not self._pieces), fits))
            if end > start:
                self._pieces.append(rows.take(slice(start, end)))
                self._n_bytes += int(ends[end - 1]) - before
            start = end
            if start < rows.n_rows or self._n_bytes >= full:
                self.finish()

    def finish(self) -> None:
        """Hand on what waits."""
        if not self._pieces:
            return
        columns = zip(*(piece.columns or () for piece in self._pieces), strict=True)
        whole = EvaluationData(names=self._pieces[0].names, columns=tuple(map(np.concatenate, columns)))
        first_row = self._first
        self._first += whole.n_rows
        self._pieces, self._n_bytes = [], 0
        self._files.submit(row_jobs(whole, first_row=first_row), n_rows=self._first)

    @property
    def _n_waiting(self) -> int:
        return sum(piece.n_rows for piece in self._pieces)


def row_sizes(rows: EvaluationData) -> NDArray[np.int64]:
    """Return how many bytes each row has in memory, about: 8 for a number, and those of its texts as Python has them.

    In a file it has fewer.
    """
    columns = rows.columns or ()
    sizes = np.full(rows.n_rows, 8 * len(columns), np.int64)
    for column in columns:
        if column.dtype.kind == "O":
            sizes += np.fromiter((_text_bytes(value) for value in column), np.int64, rows.n_rows)
        elif column.dtype.kind in "US":
            sizes += column.dtype.itemsize
    return sizes


def _text_bytes(value: Any) -> int:
    if not isinstance(value, str):
        return 0
    return _TEXT_BYTES + (len(value) if value.isascii() else len(value.encode()))


def _joined(pieces: list[tuple[Importances, bool]]) -> tuple[Importances, bool]:
    """Return importances as one, and whether output 0 is left out; empties the list."""
    mirrored = all(one for _, one in pieces)
    whole = _stacked([part if one == mirrored else _with_mirror(part) for part, one in pieces])
    pieces.clear()
    return whole, mirrored


def _with_mirror(second: Importances) -> Importances:
    """Return two outputs, of which this is the second and the first is its negation."""
    if second.index is None:
        return Importances(np.concatenate([-second.values, second.values]))
    return Importances(
        np.concatenate([-second.values, second.values]),
        np.concatenate([second.index, second.index]),
        np.concatenate([-second.totals, second.totals]),
    )


def _groups(local: Importances, *, mirrored: bool) -> list[tuple[int, Importances]]:
    """Return outputs that lie in one file, with the first of them: all, but two are apart, as one may be left out."""
    if mirrored:
        return [(1, local)]
    if local.shape[0] != 2:
        return [(0, local)]
    return [(output, local.take((slice(output, output + 1), slice(None)))) for output in range(2)]


def _stacked(parts: Sequence[Importances]) -> Importances:
    if len(parts) == 1:
        return parts[0]
    values = np.concatenate([part.values for part in parts], axis=1)
    if not parts[0].is_ranked:
        return Importances(values)
    index = np.concatenate([np.asarray(part.index) for part in parts], axis=1)
    return Importances(values, index, np.concatenate([part.totals for part in parts], axis=1))
