"""A Spark DataFrame, explained and stored: each task writes the shards of its partition, and returns statistics."""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from explanation_client.artifacts import Artifacts
from explanation_client.client import DEFAULT_TIMEOUT, ExplanationClient
from explanation_client.errors import (
    InvalidArgumentError,
    InvalidExplanationError,
    MissingDependencyError,
    StorageError,
    UnsupportedModelError,
    UploadError,
)
from explanation_client.info import ExplanationInfo
from explanation_client.spark.saved import SavedExplainer
from explanation_client.store import PAGE
from explanation_client.store.stream import StreamWriter
from explanation_client.streams.merge import wanted_rows
from explanation_client.streams.partition import PartitionResult, explain_partition
from explanation_client.streams.sample import Sampled
from explanation_client.streams.upload import StreamRequest, commit_parts, delete_strays, explained_batches

if TYPE_CHECKING:
    from mlflow import ActiveRun
    from mlflow.entities import Run
    from pyspark.sql import DataFrame

    from explanation_client.batches import BatchExplainer

# A manifest lists some 900 files: more partitions are put together, and fewer remain where each has many files.
_MOST_PARTITIONS = 128
# The last line of a traceback of Python.
_ERROR = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt): ")
_SCHEMA = "part int, attempt string, result binary, sample binary"
_PICKED = "part int, sample binary"
_FIELDS = pa.schema([("part", pa.int32()), ("attempt", pa.string()), ("result", pa.binary()), ("sample", pa.binary())])
_PICKED_FIELDS = pa.schema([("part", pa.int32()), ("sample", pa.binary())])


def explain_spark(
    explainer: BatchExplainer | str | os.PathLike[str],
    dataframe: DataFrame,
    *,
    run: ActiveRun | Run | ExplanationClient | str | None = None,
    top_k: int | None = None,
    comment: str | None = None,
    include_local: bool = True,
    evaluation_data: bool = False,
    model_id: str | None = None,
    visualize: bool = True,
    log_metrics: bool = True,
    describe_run: bool = False,
    engineered: bool = False,
    batch_size: int | None = None,
    seed: int = 0,
    n_rows: int | None = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> ExplanationInfo:
    """Explain a DataFrame on Spark's executors, store the explanation with a run, and return what a listing shows.

    The result is an ordinary explanation of the rows, in the order of the partitions where there are at most 128;
    more are put together, which Spark does in an order of its own. A task that is repeated writes
    files under new names, and only those of the attempt whose result arrived are listed. What other attempts wrote is
    deleted at the end, or left to :meth:`ExplanationClient.gc`.

    Parameters
    ----------
    explainer : explainer, or path
        Spark pickles it and sends it to the executors, where the packages of its model must be installed. The path of a
        folder with a saved scoring explainer: its files are sent, and loaded there without pickle.
    dataframe : pyspark.sql.DataFrame
        Has the columns that the explainer takes, and no other.
    run : run, run id or ExplanationClient, optional
        As for :meth:`ExplanationClient.from_run`. Executors must reach its artifact store, with credentials of theirs.
    top_k, comment, include_local, evaluation_data, model_id, visualize, log_metrics, describe_run
        As of :meth:`ExplanationClient.upload_stream`.
    engineered, batch_size, seed
        As there.
    n_rows : int, optional
        How many rows the DataFrame has, where it is known. Shards are then as large as they must be for one explanation
        to hold all of them; without it there is room for some 20 GB of importances, or more.
    timeout : float
        Seconds for each file, and for each request of the driver.

    Raises
    ------
    InvalidArgumentError, InvalidExplanationError
        An argument, or what comes of the rows, can't be used.
    RunNotFoundError
        The run (or model) does not exist, or is deleted.
    UploadError
        Spark's job, or the store, failed. Nothing is listed.
    MissingDependencyError
        pyspark is not installed.

    """
    level, failures = _spark()
    client = run if isinstance(run, ExplanationClient) else ExplanationClient.from_run(run, timeout=timeout)
    request = StreamRequest.new(
        top_k=top_k, comment=comment, model_id=model_id, include_local=include_local,
        evaluation_data=evaluation_data, visualize=visualize, seed=seed,
    )  # fmt: skip
    if not hasattr(dataframe, "mapInArrow"):
        raise InvalidArgumentError(
            f"dataframe is a {type(dataframe).__qualname__}: pass a DataFrame of Spark, or use upload_stream()"
        )
    store = client.stream_target(model_id)
    loaded = SavedExplainer.read(explainer) if isinstance(explainer, (str, os.PathLike)) else explainer
    # Of no rows: what can't be explained is told before a job starts.
    nothing = explained_batches(
        loaded, iter(()), batch_size=batch_size, engineered=engineered, include_rows=request.evaluation_data
    )
    request.plan(nothing.features)
    n_parts = min(_MOST_PARTITIONS, request.most_parts(len(nothing.features)))
    task = _Task(
        explainer=loaded, artifacts=store.artifacts, request=request, n_parts=n_parts,
        batch_size=batch_size, engineered=engineered, n_rows=n_rows, timeout=timeout,
    )  # fmt: skip
    results = dataframe.coalesce(n_parts).mapInArrow(task, _SCHEMA).persist(level)
    try:
        parts, samples = _run(results, failures)
        stored = commit_parts(store.artifacts, parts, samples, request, timeout=timeout)
    except BaseException as error:
        if not isinstance(error.__cause__, StorageError):  # else there is nobody to delete anything
            delete_strays(store.artifacts, request.folder, kept=(), timeout=timeout)
        raise
    finally:
        # The session may have ended by now, which is no failure of what is stored, nor the one to tell of.
        with contextlib.suppress(*failures):
            results.unpersist()
    info = store.enter(stored, log_metrics=log_metrics, describe_run=describe_run)
    committed = stored.committed
    kept = [committed.name, PAGE, *(entry.name for entry in committed.manifest.files)]
    # No task runs any more that could still need one of the others.
    delete_strays(store.artifacts, request.folder, kept=kept, timeout=timeout)
    return info


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Task:
    """What an executor does with the batches of a partition."""

    explainer: BatchExplainer
    artifacts: Artifacts
    request: StreamRequest
    n_parts: int
    batch_size: int | None
    engineered: bool
    n_rows: int | None
    timeout: float

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield one line: the statistics of the partition, and its sample; none of a partition without rows."""
        from pyspark import TaskContext

        context = TaskContext.get()
        number = 0 if context is None else context.partitionId()
        stream = explained_batches(
            self.explainer, iter(batches), batch_size=self.batch_size, engineered=self.engineered,
            include_rows=self.request.evaluation_data,
        )  # fmt: skip
        plan = self.request.plan(stream.features, part=number, n_parts=self.n_parts, n_rows=self.n_rows)
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


def _run(results: DataFrame, failures: tuple[type[Exception], ...]) -> tuple[list[PartitionResult], dict[int, Sampled]]:
    """Return the statistics of all partitions, and of each what belongs to the sample of all rows.

    Raises
    ------
    UploadError
        The job failed.
    InvalidExplanationError
        There are no rows.

    """
    try:
        lines = results.select("part", "attempt", "result").collect()
        parts = [pickle.loads(line["result"]) for line in lines]
        if not parts:
            raise InvalidExplanationError("the DataFrame has no rows: at least one is needed")
        if any(part.draws is None for part in parts):
            return parts, {}
        rows = wanted_rows(parts)
        # Should Spark have lost a result and computed it again, it may be of other rows: those are not shown.
        wanted = {line["attempt"]: rows[line["part"]] for line in lines}
        picked = results.select("part", "attempt", "sample").mapInArrow(partial(_pick, wanted), _PICKED).collect()
    except failures as error:
        raise _job_error(error) from error
    return parts, {line["part"]: pickle.loads(line["sample"]) for line in picked}


def _pick(wanted: Mapping[str, NDArray[np.int64]], batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield of each partition's sample the rows that are wanted, where there are any."""
    for batch in batches:
        for line in batch.to_pylist():
            rows = wanted.get(line["attempt"])
            if rows is None or not len(rows):
                continue
            sampled: Sampled = pickle.loads(line["sample"])
            chosen = sampled.take(np.isin(sampled.draws.rows, rows))
            values: list[list[Any]] = [[line["part"]], [pickle.dumps(chosen)]]
            yield pa.record_batch(
                [pa.array(v, f.type) for v, f in zip(values, _PICKED_FIELDS, strict=True)], schema=_PICKED_FIELDS
            )


def _spark() -> tuple[Any, tuple[type[Exception], ...]]:
    """Return how results are kept until they are read a second time, and the errors of a job.

    Raises
    ------
    MissingDependencyError
        pyspark is not installed.

    """
    try:
        from py4j.protocol import Py4JError
        from pyspark import StorageLevel
        from pyspark.errors import PySparkException
    except ImportError as error:
        raise MissingDependencyError("pyspark", extra="spark", needed_for="explain_spark()") from error
    # pyspark has classes for some errors of the JVM; a lost executor, or a worker without memory, is Py4J's.
    return StorageLevel.DISK_ONLY, (PySparkException, Py4JError)


def _job_error(error: Exception) -> Exception:
    """Return what a job failed of, as far as Spark's message tells: the last error of a task that it quotes."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    quoted = [line for line in lines if _ERROR.match(line)] or lines[:1] or [type(error).__name__]
    kind, _, message = quoted[-1].removeprefix("explanation_client.errors.").partition(": ")
    for known in (InvalidArgumentError, InvalidExplanationError, UnsupportedModelError):
        if kind == known.__name__:
            return known(message)
    return UploadError(f"Spark's job failed, and nothing is listed: {quoted[-1]}")
