"""What an executor does: explains its part of the rows, writes the shards, and returns statistics."""

from __future__ import annotations

import pickle
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from explanation_client.artifacts import Artifacts
from explanation_client.batches import BatchExplainer
from explanation_client.errors import StorageError
from explanation_client.spark.pieces import Piece
from explanation_client.store.stream import StreamWriter
from explanation_client.streams.partition import explain_partition
from explanation_client.streams.sample import Sampled
from explanation_client.streams.upload import StreamRequest, explained_batches

RESULTS = "part int, attempt string, result binary, sample binary"
PICKED = "part int, sample binary"
_FIELDS = pa.schema([("part", pa.int32()), ("attempt", pa.string()), ("result", pa.binary()), ("sample", pa.binary())])
_PICKED_FIELDS = pa.schema([("part", pa.int32()), ("sample", pa.binary())])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """How the parts of the rows are explained and stored; the fields are those of ``explain_spark``."""

    explainer: BatchExplainer
    artifacts: Artifacts
    request: StreamRequest
    batch_size: int | None
    engineered: bool
    n_rows: int | None
    is_counted: bool
    n_parts: int
    timeout: float

    def of(self, rows: Any, number: int) -> Iterator[pa.RecordBatch]:
        """Yield one line: the statistics of a part, and its sample; none of a part without rows."""
        stream = explained_batches(
            self.explainer, rows, batch_size=self.batch_size, engineered=self.engineered,
            include_rows=self.request.evaluation_data,
        )  # fmt: skip
        plan = self.request.plan(
            stream.features, part=number, n_parts=self.n_parts, n_rows=self.n_rows, is_counted=self.is_counted
        )
        writer = StreamWriter(self.artifacts, self.request.folder, timeout=self.timeout, at_a_time=1)
        try:
            done = explain_partition(stream, writer, plan)
        except BaseException as error:
            writer.abort(delete=not isinstance(error, StorageError))
            raise
        if done is not None:
            result, sampled = done
            line = [[number], [secrets.token_hex(8)], [pickle.dumps(result)], [pickle.dumps(sampled)]]
            yield pa.record_batch([pa.array(v, f.type) for v, f in zip(line, _FIELDS, strict=True)], schema=_FIELDS)


@dataclass(frozen=True, slots=True, eq=False)
class PartitionTask:
    """Explains the rows of a partition, as Spark brings them."""

    task: Task

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield what is known of the partition."""
        from pyspark import TaskContext

        context = TaskContext.get()
        yield from self.task.of(iter(batches), 0 if context is None else context.partitionId())


@dataclass(frozen=True, slots=True, eq=False)
class PieceTask:
    """Explains pieces of files, of which Spark brings the numbers."""

    task: Task
    pieces: tuple[Piece, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield what is known of the pieces."""
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from self.task.of(self.pieces[number].open(), number)


@dataclass(frozen=True, slots=True, eq=False)
class Pick:
    """Chooses of each part's sample the rows that are wanted, by the mark of the attempt."""

    wanted: Mapping[str, NDArray[np.int64]]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the chosen rows of each part that has some."""
        for batch in batches:
            for line in batch.to_pylist():
                rows = self.wanted.get(line["attempt"])
                if rows is None or not len(rows):
                    continue
                sampled: Sampled = pickle.loads(line["sample"])
                chosen = sampled.take(np.isin(sampled.draws.rows, rows))
                values: list[list[Any]] = [[line["part"]], [pickle.dumps(chosen)]]
                yield pa.record_batch(
                    [pa.array(v, f.type) for v, f in zip(values, _PICKED_FIELDS, strict=True)], schema=_PICKED_FIELDS
                )
