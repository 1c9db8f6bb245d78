"""One part of the rows: explained, written in shards, and told in statistics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.batches import ExplainedBatch, ExplainedBatches
from explanation_client.dataset import EvaluationData
from explanation_client.errors import InvalidExplanationError, LimitExceededError
from explanation_client.format import SHARD_BYTES, FileEntry
from explanation_client.format.layout import DataLayout, columns_layout
from explanation_client.format.v1.encode import is_mirrored
from explanation_client.format.v1.stream import row_jobs, shard_jobs, top_of
from explanation_client.importances import FloatArray, Importances
from explanation_client.info import ExplanationInfo
from explanation_client.store.stream import StreamWriter
from explanation_client.streams.moments import Moments, added
from explanation_client.streams.sample import Draws, Reservoir, Sampled

# A manifest of 256 KiB lists some 900 files. Shards grow, so that a stream of any length is a few hundred of them.
_SHARDS_OF_A_SIZE = 64
_PARTS_OF_A_SIZE = 16
_KNOWN_SHARDS = 256
# Readers refuse files of more than a gibibyte.
_LARGEST_SHARD = 896 << 20
MAX_FILES = 850


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionPlan:
    """How a part is stored.

    Parameters
    ----------
    top_k : int, optional
        Features that are kept of each row.
    include_local : bool
        Store the importances of each row.
    include_rows : bool
        Store the explained rows.
    include_sample : bool
        Collect what dashboards read.
    seed : int
        Of the sample.
    part : int
        Which part.
    n_parts : int
        About how many there are.
    n_rows : int, optional
        Rows of all parts together, where they are known.

    """

    top_k: int | None = None
    include_local: bool = True
    include_rows: bool = False
    include_sample: bool = True
    seed: int = 0
    part: int = 0
    n_parts: int = 1
    n_rows: int | None = None

    def shard_bytes(self, number: int, row_bytes: int) -> int:
        """Return how many bytes of importances the shard of that number has, before compression.

        16 MiB where that makes few enough of them; else more, twice as many after each 64 shards of all parts, up to
        896 MiB.
        """
        first = SHARD_BYTES * max(1, self.n_parts // _PARTS_OF_A_SIZE)
        if self.n_rows is not None:
            size = max(first, -(-self.n_rows * row_bytes // _KNOWN_SHARDS))
        else:
            size = first << min(16, number // max(1, _SHARDS_OF_A_SIZE // self.n_parts))
        return min(size, _LARGEST_SHARD)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartitionResult:
    """What is known of a part once it has been written: a few numbers for each feature, and the names of its files.

    Parameters
    ----------
    part : int
    info : ExplanationInfo
        Of its rows.
    features : tuple of str
    base_values : ndarray of float64, shape (C,)
    dtype : str
        Of local importances.
    moments : Moments
        Figures over its rows.
    predicted : Moments, optional
        The same of the values for the output that each row is predicted as, shape (1, F).
    pairs : ndarray of float64, shape (C, F, F) or (1, F, F), optional
        Absolute interactions, added up over its rows.
    files : tuple of FileEntry
        Their rows count from the first one of the part.
    data : DataLayout, optional
        How its rows are stored.
    draws : Draws, optional
        Who its sampled rows are.

    """

    part: int
    info: ExplanationInfo
    features: tuple[str, ...]
    base_values: NDArray[np.float64]
    dtype: str
    moments: Moments
    predicted: Moments | None
    pairs: NDArray[np.float64] | None
    files: tuple[FileEntry, ...]
    data: DataLayout | None
    draws: Draws | None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.moments.n_rows


def explain_partition(
    batches: ExplainedBatches,
    writer: StreamWriter,
    plan: PartitionPlan,
    *,
    advance: Callable[[int], None] | None = None,
) -> tuple[PartitionResult, Sampled | None] | None:
    """Return the statistics of a part, and its sampled rows, once its shards are written; None of a part without rows.

    Memory holds one batch, the shard that fills, those that are being written, and the sample.

    Parameters
    ----------
    batches : ExplainedBatches
    writer : StreamWriter
        Is finished here; whoever called aborts it where this fails.
    plan : PartitionPlan
    advance : callable, optional
        Called with the number of rows after each batch.

    Raises
    ------
    StorageError
        A file could not be written.
    InvalidExplanationError, InvalidArgumentError
        The rows, or their importances, can't be stored.
    LimitExceededError
        There would be more files than a manifest lists.

    """
    part: _Part | None = None
    for batch in batches:
        if part is None:
            part = _Part(batches, batch, writer, plan)
        part.add(batch)
        if advance is not None:
            advance(batch.values.shape[1])
    if part is None:
        writer.finish()
        return None
    return part.finish()


class _Part:
    """What is collected of a part."""

    def __init__(
        self, batches: ExplainedBatches, first: ExplainedBatch, writer: StreamWriter, plan: PartitionPlan
    ) -> None:
        self._batches = batches
        self._plan = plan
        self._base_values = np.asarray(first.base_values, np.float64)
        n_outputs, _, n_features = first.values.shape
        self._shards = _Shards(writer, plan, batches.features, np.dtype(batches.dtype)) if plan.include_local else None
        self._sample = Reservoir(n_outputs, n_features, seed=plan.seed, part=plan.part) if plan.include_sample else None
        self._rows = _Rows(writer, plan) if plan.include_rows else None
        self._writer = writer
        self._moments: Moments | None = None
        self._predicted: Moments | None = None
        self._pairs: NDArray[np.float64] | None = None

    def add(self, batch: ExplainedBatch) -> None:
        """Take the next rows."""
        values = batch.values
        mirrored = is_mirrored(Importances(values))
        moments = Moments.of(values[1:]).mirrored() if mirrored else Moments.of(values)
        predicted = _predicted(values, self._base_values)
        self._moments = added(self._moments, moments)
        if predicted is not None:
            own = values[predicted, np.arange(len(predicted))]
            self._predicted = added(self._predicted, Moments.of(own[None]))
        if batch.pairs is not None:
            self._pairs = batch.pairs if self._pairs is None else self._pairs + batch.pairs
        if self._sample is not None:
            self._sample.add(values, moments, predicted, batch.rows)
        if self._rows is not None and batch.rows is not None:
            self._rows.add(batch.rows)
        if self._shards is not None:
            self._shards.add(values, mirrored=mirrored)

    def finish(self) -> tuple[PartitionResult, Sampled | None]:
        """Write what is left, and return what is known."""
        if self._shards is not None:
            self._shards.finish()
        if self._rows is not None:
            self._rows.finish()
        sampled = None if self._sample is None else self._sample.sampled()
        files = self._writer.finish()
        assert self._moments is not None
        result = PartitionResult(
            part=self._plan.part,
            info=self._batches.info(),
            features=self._batches.features,
            base_values=self._base_values,
            dtype=self._batches.dtype,
            moments=self._moments,
            predicted=self._predicted,
            pairs=self._pairs,
            files=files,
            data=None if self._rows is None else self._rows.layout,
            draws=None if sampled is None else sampled.draws,
        )
        return result, sampled


class _Shards:
    """Local importances on their way into files."""

    def __init__(
        self, writer: StreamWriter, plan: PartitionPlan, features: tuple[str, ...], dtype: np.dtype[Any]
    ) -> None:
        self._writer = writer
        self._plan = plan
        self._features = features
        self._dtype = dtype
        self._pieces: list[tuple[FloatArray, bool]] = []
        self._n_waiting = 0
        self._row_bytes = 0
        self._first = 0
        self._number = 0
        self._n_files = 0
        self._tops: dict[int, list[Importances]] = {}
        self._tops_mirrored = False

    def add(self, values: FloatArray, *, mirrored: bool) -> None:
        """Take the importances (C, n, F) of the next rows."""
        # Of two outputs that mirror each other the second is kept, and stored.
        kept = values[1:] if mirrored else values
        self._pieces.append((kept.astype(self._dtype, copy=mirrored), mirrored))
        self._n_waiting += values.shape[1]
        width = values.shape[2] if self._plan.top_k is None else self._plan.top_k + self._plan.top_k // 4
        self._row_bytes = len(kept) * width * self._dtype.itemsize
        if self._n_waiting * self._row_bytes >= self._plan.shard_bytes(self._number, self._row_bytes):
            self._flush()

    def finish(self) -> None:
        """Hand on what is left."""
        if self._pieces:
            self._flush()
        self._flush_tops()

    def _flush(self) -> None:
        values, mirrored = _joined(self._pieces)
        whole = Importances(values)
        local = whole if self._plan.top_k is None else whole.ranked(self._plan.top_k)
        if mirrored != self._tops_mirrored:
            self._flush_tops()
            self._tops_mirrored = mirrored
        for first_output, group in _groups(local, mirrored=mirrored):
            self._submit(shard_jobs(group, self._features, first_output=first_output, first_row=self._first))
            top = top_of(group)
            if top is not None:
                self._tops.setdefault(first_output, []).append(top)
        self._first += self._n_waiting
        self._n_waiting = 0
        self._number += 1
        waiting = sum(top.values.nbytes for tops in self._tops.values() for top in tops)
        if waiting > self._plan.shard_bytes(self._number, self._row_bytes):
            self._flush_tops()

    def _flush_tops(self) -> None:
        for first_output, tops in self._tops.items():
            whole = _stacked(tops)
            first_row = self._first - whole.shape[1]
            jobs = shard_jobs(whole, self._features, role="top", first_output=first_output, first_row=first_row)
            self._submit(jobs)
        self._tops = {}

    def _submit(self, jobs: list[Any]) -> None:
        self._n_files += len(jobs)
        if self._n_files > MAX_FILES:
            raise LimitExceededError(
                f"after {self._first:,} rows there are more than {MAX_FILES} files, and a manifest lists no more: pass "
                "a Parquet dataset, whose number of rows is known beforehand, cut rows with top_k, or leave them out "
                "with include_local=False"
            )
        for job in jobs:
            self._writer.submit(job)


class _Rows:
    """Explained rows on their way into files."""

    def __init__(self, writer: StreamWriter, plan: PartitionPlan) -> None:
        self._writer = writer
        self._plan = plan
        self._pieces: list[EvaluationData] = []
        self._first = 0
        self._number = 0
        self.layout: DataLayout | None = None

    def add(self, rows: EvaluationData) -> None:
        """Take the next rows."""
        layout = columns_layout(rows)
        if self.layout is None:
            self.layout = layout
        elif layout != self.layout:
            raise InvalidExplanationError(
                f"from row {self._first + sum(p.n_rows for p in self._pieces):,} on the columns have other types, "
                f"{layout.columns} after {self.layout.columns}: cast the batches to the same types to store the rows"
            )
        self._pieces.append(rows)
        row_bytes = 8 * layout.n_columns
        waiting = sum(piece.n_rows for piece in self._pieces)
        if waiting * row_bytes >= self._plan.shard_bytes(self._number, row_bytes):
            self.finish()

    def finish(self) -> None:
        """Hand on what waits."""
        if not self._pieces:
            return
        columns = zip(*(piece.columns or () for piece in self._pieces), strict=True)
        whole = EvaluationData(names=self._pieces[0].names, columns=tuple(map(np.concatenate, columns)))
        for job in row_jobs(whole, first_row=self._first):
            self._writer.submit(job)
        self._first += whole.n_rows
        self._number += 1
        self._pieces = []


def _predicted(values: FloatArray, base_values: NDArray[np.float64]) -> NDArray[np.int32] | None:
    """Return the output for which base value and importances of each row add up to the most; None of a single one."""
    if len(base_values) == 1:
        return None
    heights = values.sum(axis=2, dtype=np.float64) + base_values[:, None]
    return np.asarray(heights.argmax(axis=0), np.int32)


def _joined(pieces: list[tuple[FloatArray, bool]]) -> tuple[FloatArray, bool]:
    """Return importances as one array, and whether output 0 is left out; empties the list."""
    mirrored = all(one for _, one in pieces)
    arrays = [values if one == mirrored else np.concatenate([-values, values]) for values, one in pieces]
    pieces.clear()
    return (arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=1)), mirrored


def _groups(local: Importances, *, mirrored: bool) -> list[tuple[int, Importances]]:
    """Return outputs that lie in one file, with the first of them: all, but two are apart, as one may be left out."""
    if mirrored:
        return [(1, local)]
    if local.shape[0] != 2:
        return [(0, local)]
    return [(output, local.take((slice(output, output + 1), slice(None)))) for output in range(2)]


def _stacked(parts: list[Importances]) -> Importances:
    return Importances(
        np.concatenate([part.values for part in parts], axis=1),
        np.concatenate([np.asarray(part.index) for part in parts], axis=1),
        np.concatenate([part.totals for part in parts], axis=1),
    )
