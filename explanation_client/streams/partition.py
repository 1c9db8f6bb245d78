"""One part of the rows: explained, written in shards, and told in statistics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explanation_client.batches import ExplainedBatch, ExplainedBatches
from explanation_client.format import FileEntry
from explanation_client.format.layout import DataLayout
from explanation_client.format.v1.encode import is_mirrored
from explanation_client.importances import FloatArray, Importances
from explanation_client.info import ExplanationInfo
from explanation_client.store.stream import StreamWriter
from explanation_client.streams.moments import Moments, added
from explanation_client.streams.sample import Draws, Reservoir, Sampled
from explanation_client.streams.shards import Files, LocalShards, RowShards
from explanation_client.streams.sizes import ShardSizes, files_at_end


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
    is_counted : bool
        That number is right; otherwise somebody said so.

    """

    top_k: int | None = None
    include_local: bool = True
    include_rows: bool = False
    include_sample: bool = True
    seed: int = 0
    part: int = 0
    n_parts: int = 1
    n_rows: int | None = None
    is_counted: bool = True

    def sizes(self, n_features: int, n_outputs: int) -> ShardSizes:
        """Return how large shards are of so many features and outputs."""
        return ShardSizes(
            n_parts=self.n_parts,
            n_rows=self.n_rows,
            files_at_end=files_at_end(
                n_features, n_outputs=n_outputs, top_k=self.top_k,
                include_local=self.include_local, include_rows=self.include_rows,
            ),
        )  # fmt: skip


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
        files = Files(writer, plan.sizes(n_features, n_outputs))
        dtype = np.dtype(batches.dtype)
        self._shards = LocalShards(files, batches.features, dtype, plan.top_k) if plan.include_local else None
        counted = plan.n_rows if plan.is_counted else None
        self._sample = (
            Reservoir(n_outputs, n_features, seed=plan.seed, part=plan.part, n_rows=counted)
            if plan.include_sample
            else None
        )
        self._rows = RowShards(files) if plan.include_rows else None
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


def _predicted(values: FloatArray, base_values: NDArray[np.float64]) -> NDArray[np.int32] | None:
    """Return the output for which base value and importances of each row add up to the most; None of a single one."""
    if len(base_values) == 1:
        return None
    heights = values.sum(axis=2, dtype=np.float64) + base_values[:, None]
    return np.asarray(heights.argmax(axis=0), np.int32)
