"""Rows explained by Spark's executors: each task writes the shards of its part, and returns statistics."""

from __future__ import annotations

import contextlib
import numbers
import os
import pickle
import re
import warnings
from typing import TYPE_CHECKING, Any

from explanation_client.client import DEFAULT_TIMEOUT, ExplanationClient
from explanation_client.dataset import is_instance_of
from explanation_client.errors import (
    InvalidArgumentError,
    InvalidExplanationError,
    LimitExceededError,
    MissingDependencyError,
    StorageError,
    UnsupportedModelError,
    UploadError,
)
from explanation_client.info import ExplanationInfo
from explanation_client.spark.pieces import Piece, cut_files
from explanation_client.spark.saved import SavedExplainer
from explanation_client.spark.task import PICKED, RESULTS, PartitionTask, Pick, PieceTask, Task
from explanation_client.store import PAGE
from explanation_client.streams.merge import wanted_rows
from explanation_client.streams.partition import PartitionResult
from explanation_client.streams.sample import Sampled
from explanation_client.streams.upload import StreamRequest, commit_parts, delete_strays, explained_batches

if TYPE_CHECKING:
    from mlflow import ActiveRun
    from mlflow.entities import Run
    from pyarrow.dataset import Dataset
    from pyspark.sql import DataFrame, SparkSession

    from explanation_client.batches import BatchExplainer

# A manifest lists some 900 files: more partitions are put together, and fewer remain where each has many files.
_MOST_PARTITIONS = 128
# The last line of a traceback of Python.
_ERROR = re.compile(r"([A-Za-z_][\w.]*(Error|Exception|Interrupt)|[a-z_]+(\.\w+)+): ")


def explain_spark(
    explainer: BatchExplainer | str | os.PathLike[str],
    rows: DataFrame | Dataset | str | os.PathLike[str],
    *,
    session: SparkSession | None = None,
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
    """Explain rows on Spark's executors, store the explanation with a run, and return what a listing shows.

    The result is an ordinary explanation of the rows. Of Parquet files they are in the order of the files; of a
    DataFrame in that of the partitions where there are at most 80 (of up to 1,000 features): more are put together,
    which Spark does in an order of its own. A task that is repeated writes files under new names, and only those of the
    attempt whose result arrived are listed. What other attempts wrote is deleted at the end, or left to
    :meth:`ExplanationClient.gc`.

    Parameters
    ----------
    explainer : explainer, or path
        Spark pickles it and sends it to the executors, where the packages of its model must be installed. The path of a
        folder with a saved scoring explainer: its files are sent, and loaded there without pickle.
    rows : path, pyarrow.dataset.Dataset or pyspark.sql.DataFrame
        Has the columns that the explainer takes, and no other. A path, or an Arrow dataset, is of Parquet: a file, a
        folder, or a URI that Arrow knows (``s3://``, ``gs://``, ``hdfs://``). Executors read such files themselves,
        some row groups each, which spares what Spark needs to bring rows to Python: they must reach the files, under
        the same path. An Arrow dataset is sent to them with the credentials that its file system was made with.
    session : pyspark.sql.SparkSession, optional
        Where files are explained. None: the session that runs, or what ``SparkSession.builder.getOrCreate()`` makes. A
        DataFrame is explained in its own, whatever is passed here.
    run : run, run id or ExplanationClient, optional
        As for :meth:`ExplanationClient.from_run`. Executors must reach its artifact store, with credentials of theirs.
    top_k, comment, include_local, evaluation_data, model_id, visualize, log_metrics, describe_run
        As of :meth:`ExplanationClient.upload_stream`.
    engineered, batch_size, seed
        As there.
    n_rows : int, optional
        How many rows a DataFrame has, about, where it is known. Shards are then as large as they must be for one
        explanation to hold all of them; without it there is less room. Files tell it themselves.
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
    if isinstance(explainer, (str, os.PathLike)):
        explainer = SavedExplainer.read(explainer)
    features = _features(explainer, request, batch_size=batch_size, engineered=engineered, n_rows=n_rows)
    n_parts = min(_MOST_PARTITIONS, request.most_parts(len(features)))
    frame, pieces = _divided(rows, session, n_rows, n_parts)
    store = client.stream_target(model_id)
    task = Task(
        explainer=explainer, artifacts=store.artifacts, request=request, batch_size=batch_size, engineered=engineered,
        n_rows=sum(piece.n_rows for piece in pieces) or n_rows, is_counted=bool(pieces),
        n_parts=len(pieces) or n_parts, timeout=timeout,
    )  # fmt: skip
    results = frame.mapInArrow(PieceTask(task, pieces) if pieces else PartitionTask(task), RESULTS).persist(level)
    try:
        parts, samples = _run(results, failures)
        stored = commit_parts(
            store.artifacts, parts, samples, request, is_known=task.n_rows is not None, timeout=timeout
        )
    except BaseException as error:
        if not isinstance(error.__cause__, StorageError):  # else there is nobody to delete anything
            delete_strays(store.artifacts, request.folder, kept=(), timeout=timeout)
        raise
    finally:
        # The session may have ended by now, which is no failure of what is stored, nor the one to tell of.
        with contextlib.suppress(*failures):
            results.unpersist()
    found = stored.committed.manifest.info.n_rows
    if n_rows is not None and n_rows != found:
        warnings.warn(f"n_rows={n_rows!r}, and the DataFrame had {found:,} rows: all are explained", stacklevel=2)
    info = store.enter(stored, log_metrics=log_metrics, describe_run=describe_run)
    committed = stored.committed
    kept = [committed.name, PAGE, *(entry.name for entry in committed.manifest.files)]
    # No task runs any more that could still need one of the others.
    delete_strays(store.artifacts, request.folder, kept=kept, timeout=timeout)
    return info


def _features(
    explainer: BatchExplainer, request: StreamRequest, *, batch_size: int | None, engineered: bool, n_rows: int | None
) -> tuple[str, ...]:
    """Return the features that will be explained.

    Raises
    ------
    InvalidArgumentError, UnsupportedModelError
        What an executor would raise of the arguments, before Spark has begun anything.

    """
    for name, value in (("batch_size", batch_size), ("n_rows", n_rows)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1):
            raise InvalidArgumentError(f"{name}={value!r}: a whole number, 1 or more, or None")
    nothing = explained_batches(
        explainer, iter(()), batch_size=batch_size, engineered=engineered, include_rows=request.evaluation_data
    )
    request.plan(nothing.features)
    return nothing.features


def _divided(
    rows: Any, session: SparkSession | None, n_rows: int | None, n_parts: int
) -> tuple[DataFrame, tuple[Piece, ...]]:
    """Return a DataFrame with one partition for each task, and the pieces of files that its lines are the numbers of.

    Raises
    ------
    InvalidArgumentError
        There are no files to read, or ``rows`` is neither DataFrame nor files; ``n_rows`` is not the number of rows.
    InvalidExplanationError
        The files have no rows.

    """
    if hasattr(rows, "mapInArrow"):
        return rows.coalesce(n_parts), ()
    if not isinstance(rows, (str, os.PathLike)) and not is_instance_of(rows, "pyarrow.dataset", "Dataset"):
        raise InvalidArgumentError(
            f"rows are a {type(rows).__qualname__}: pass a DataFrame of Spark or the path of Parquet files, or use "
            "upload_stream()"
        )
    if session is not None and not hasattr(session, "range"):
        raise InvalidArgumentError(f"session is a {type(session).__qualname__}: pass a SparkSession, or None")
    from pyspark import cloudpickle
    from pyspark.sql import SparkSession

    session = session or SparkSession.builder.getOrCreate()
    # A session of Spark Connect does not tell.
    context = getattr(session, "sparkContext", None)
    n_cores = 1 if context is None else context.defaultParallelism
    pieces = cut_files(rows, n_cores=n_cores, at_most=n_parts, dumps=cloudpickle.dumps)
    found = sum(piece.n_rows for piece in pieces)
    if n_rows is not None and n_rows != found:
        raise InvalidArgumentError(f"n_rows={n_rows!r}, and the files have {found:,} rows: leave n_rows out")
    return session.range(0, len(pieces), numPartitions=len(pieces)), pieces


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
        picked = results.select("part", "attempt", "sample").mapInArrow(Pick(wanted), PICKED).collect()
    except failures as error:
        raise _job_error(error) from error
    return parts, {line["part"]: pickle.loads(line["sample"]) for line in picked}


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
    for known in (InvalidArgumentError, InvalidExplanationError, LimitExceededError, UnsupportedModelError):
        if kind == known.__name__:
            return known(message)
    return UploadError(f"Spark's job failed, and nothing is listed: {quoted[-1]}")
