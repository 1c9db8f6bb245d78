"""From batches, or the statistics of parts, to a stored explanation: whole, or nothing that anybody sees."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from explanation_client import entries
from explanation_client.artifacts import Artifacts
from explanation_client.batches import BatchExplainer, ExplainedBatches
from explanation_client.errors import (
    ExplanationError,
    InvalidArgumentError,
    InvalidExplanationError,
    RunNotFoundError,
    StorageError,
    UnsupportedModelError,
    UploadError,
)
from explanation_client.explanation import Explanation
from explanation_client.format import (
    EncodedFile,
    FileEntry,
    ViewSize,
    check_file,
    dump_manifest,
    is_manifest_name,
    parse_manifest,
)
from explanation_client.format.v1.stream import first_output
from explanation_client.importances import check_top_k
from explanation_client.info import ExplanationInfo, new_id, now
from explanation_client.progress import progress_bar
from explanation_client.store import folder_of
from explanation_client.store.check import delete_file
from explanation_client.store.retry import Deadline, retrying
from explanation_client.store.stream import StreamWriter
from explanation_client.store.write import Committed, write_manifest
from explanation_client.streams.merge import Merged, merge, sample_of_all
from explanation_client.streams.page import page_of
from explanation_client.streams.partition import PartitionPlan, PartitionResult, explain_partition
from explanation_client.streams.sample import Sampled
from explanation_client.streams.sizes import check_files, files_at_end, most_parts
from explanation_client.tracking import RunRecord, Tracking
from explanation_client.upload import check_comment
from explanation_client.upload import page_of as global_page

# How long deleting what nobody will read may take; garbage collection finds the rest.
_TIDYING = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRequest:
    """What is to be stored of a stream, and under which id; the fields are the parameters of ``upload_stream``."""

    id: str
    top_k: int | None = None
    comment: str | None = None
    model_id: str | None = None
    include_local: bool = True
    evaluation_data: bool = False
    visualize: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        check_comment(self.comment)
        if not isinstance(self.evaluation_data, bool):
            raise InvalidArgumentError(
                "evaluation_data= of a stream is True or False: True stores the rows that pass by"
            )
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise InvalidArgumentError(f"seed={self.seed!r}: a whole number, 0 or more")

    @classmethod
    def new(
        cls,
        *,
        top_k: int | None,
        comment: str | None,
        model_id: str | None,
        include_local: bool,
        evaluation_data: bool,
        visualize: bool,
        seed: int,
    ) -> StreamRequest:
        """Return a request under a new id."""
        return cls(
            id=new_id(), top_k=top_k, comment=comment, model_id=model_id, include_local=include_local,
            evaluation_data=evaluation_data, visualize=visualize, seed=seed,
        )  # fmt: skip

    @property
    def folder(self) -> str:
        """Where the files go, relative to the run's artifacts."""
        return folder_of(self.id)

    def plan(
        self,
        features: tuple[str, ...],
        *,
        part: int = 0,
        n_parts: int = 1,
        n_rows: int | None = None,
        is_counted: bool = True,
    ) -> PartitionPlan:
        """Return how a part of the rows is stored.

        Raises
        ------
        InvalidArgumentError
            ``top_k`` is not between 1 and the number of features.

        """
        if self.top_k is not None:
            check_top_k(self.top_k, len(features))
        return PartitionPlan(
            top_k=self.top_k, include_local=self.include_local, include_rows=self.evaluation_data,
            include_sample=self.visualize and self.include_local, seed=self.seed,
            part=part, n_parts=n_parts, n_rows=n_rows, is_counted=is_counted,
        )  # fmt: skip

    def most_parts(self, n_features: int) -> int:
        """Return into how many parts rows of so many features may be divided; of outputs there may be two."""
        at_end = files_at_end(
            n_features, n_outputs=2, top_k=self.top_k,
            include_local=self.include_local, include_rows=self.evaluation_data,
        )  # fmt: skip
        return most_parts(at_end)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredStream:
    """An explanation that has been stored: its manifest, its global parts, and what makes a page of it."""

    committed: Committed
    explanation: Explanation
    page: Callable[[], bytes] | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StreamTarget:
    """A run that streams are stored with.

    Parameters
    ----------
    tracking : Tracking
    run : RunRecord
    artifacts : Artifacts
    timeout : float
        Seconds for each file, and for what comes after the last one.

    """

    tracking: Tracking
    run: RunRecord
    artifacts: Artifacts
    timeout: float

    def enter(self, stored: StoredStream, *, log_metrics: bool, describe_run: bool) -> ExplanationInfo:
        """List an explanation that has been stored, store its page, and return what the list shows."""
        info = stored.committed.manifest.info
        deadline = Deadline.after(self.timeout)
        entries.enter_latest(
            self.tracking, self._now(deadline) if describe_run else self.run, stored.committed, stored.explanation,
            log_metrics=log_metrics, describe_run=describe_run, deadline=deadline,
        )  # fmt: skip
        if stored.page is not None:
            entries.store_page(self.artifacts, info, stored.page, deadline=deadline)
        return info

    def _now(self, deadline: Deadline) -> RunRecord:
        """Return the run as it is now: its description may have been written since the stream began."""
        try:
            return retrying(lambda: self.tracking.get_run(self.run.run_id), deadline=deadline, what="reading the run")
        except (StorageError, RunNotFoundError):
            return self.run


def explained_batches(
    explainer: BatchExplainer, batches: Any, *, batch_size: int | None, engineered: bool, include_rows: bool
) -> ExplainedBatches:
    """Return what explains batches.

    Raises
    ------
    UnsupportedModelError
        The explainer needs all rows at once.

    """
    if not callable(getattr(explainer, "explain_batches", None)):
        raise UnsupportedModelError(
            f"{type(explainer).__qualname__} does not explain rows batch by batch: explain_global() of all rows, or of "
            "a sample, and upload_model_explanation()"
        )
    return explainer.explain_batches(batches, batch_size=batch_size, engineered=engineered, include_rows=include_rows)


def store_stream(
    artifacts: Artifacts,
    batches: ExplainedBatches,
    request: StreamRequest,
    *,
    timeout: float,
    show_progress: bool | None = None,
) -> StoredStream:
    """Return the explanation of batches once it is stored, whole and read back.

    Parameters
    ----------
    artifacts : Artifacts
    batches : ExplainedBatches
    request : StreamRequest
    timeout : float
        Seconds for each file.
    show_progress : bool, optional
        As of ``progress_bar``.

    Raises
    ------
    UploadError
        The store failed. Nothing is listed, and nothing is kept on this machine.
    InvalidExplanationError
        There are no rows, or their importances can't be stored. What was written has been deleted.
    Exception
        Whatever the batches raise, too.

    """
    plan = request.plan(batches.features, n_rows=batches.n_rows)
    writer = StreamWriter(artifacts, request.folder, timeout=timeout)
    try:
        with progress_bar("explaining and uploading", total=batches.n_rows, unit="row", show=show_progress) as advance:
            done = explain_partition(batches, writer, plan, advance=advance)
    except BaseException as error:
        # Ctrl-C too. Where the store is away there is nobody to delete anything: garbage collection finds the rest.
        writer.abort(delete=not isinstance(error, StorageError))
        if isinstance(error, StorageError):
            raise _upload_error(error) from error
        raise
    if done is None:
        raise InvalidExplanationError("the stream has no rows: at least one is needed")
    part, sampled = done
    samples = {} if sampled is None else {part.part: sampled}
    return commit_parts(artifacts, [part], samples, request, is_known=batches.n_rows is not None, timeout=timeout)


def commit_parts(
    artifacts: Artifacts,
    parts: Sequence[PartitionResult],
    samples: Mapping[int, Sampled],
    request: StreamRequest,
    *,
    is_known: bool,
    timeout: float,
) -> StoredStream:
    """Return the explanation of parts that have been written, once it is stored, whole and read back.

    Parameters
    ----------
    artifacts : Artifacts
    parts : sequence of PartitionResult
    samples : mapping of int to Sampled
        By number of the part, what belongs to the sample of all rows; empty where there is none.
    request : StreamRequest
    is_known : bool
        The number of rows was known beforehand.
    timeout : float
        Seconds for each file.

    Raises
    ------
    UploadError
        The store failed. Nothing is listed.
    InvalidExplanationError, LimitExceededError
        The parts do not fit together, or there are too many files. What was written has been deleted.

    """
    writer = StreamWriter(artifacts, request.folder, timeout=timeout)
    try:
        merged = merge(parts, top_k=request.top_k, include_local=request.include_local)
        n_files = len(merged.files) + len(merged.unfinished())
        check_files(n_files, n_rows=merged.explanation.info.n_rows, is_known=is_known)
        sampled = sample_of_all(parts, samples) if samples else None
        for job in _last_jobs(artifacts, request.folder, merged, sampled, timeout):
            writer.submit(job)
        info = replace(
            merged.explanation.info,
            id=request.id, comment=request.comment, model_id=request.model_id, uploaded_at=now(),
        )  # fmt: skip
        manifest = merged.manifest(writer.finish(), info)
        data = dump_manifest(manifest)
        # What can't be read back must never exist.
        parse_manifest(data)
        name = write_manifest(artifacts, request.folder, data, deadline=Deadline.after(timeout))
    except StorageError as error:
        writer.abort(delete=False)
        raise _upload_error(error) from error
    except BaseException:
        writer.abort(delete=False)
        delete_strays(artifacts, request.folder, kept=(), timeout=timeout)
        raise
    page = None
    if request.visualize:
        page = (
            partial(global_page, merged.explanation, manifest.info)
            if sampled is None
            else partial(page_of, merged, sampled, manifest.info)
        )
    return StoredStream(committed=Committed(manifest, name), explanation=merged.explanation, page=page)


def delete_strays(artifacts: Artifacts, folder: str, *, kept: Collection[str], timeout: float) -> None:
    """Delete the files of a folder but some, as far as the store lets it: garbage collection finds the rest."""
    deadline = Deadline.after(min(timeout, _TIDYING))
    with contextlib.suppress(StorageError):
        found = retrying(lambda: artifacts.list(folder), deadline=deadline, what=f"listing {folder}")
        # A manifest first, should there be one: without it the others are nothing.
        for stat in sorted(found, key=lambda stat: not is_manifest_name(stat.name)):
            if not stat.is_folder and stat.name not in kept:
                delete_file(artifacts, stat.path, deadline=deadline)


def _last_jobs(
    artifacts: Artifacts, folder: str, merged: Merged, sampled: Sampled | None, timeout: float
) -> list[Callable[[], EncodedFile]]:
    """Return the jobs of all files that the parts have not written."""

    def complete(entry: FileEntry) -> EncodedFile:
        path = f"{folder}/{entry.name}"
        data = retrying(
            lambda: artifacts.read(path, max_bytes=entry.size + 1),
            deadline=Deadline.after(timeout),
            what=f"reading {path}",
        )
        check_file(entry, data)
        assert merged.local is not None
        return first_output(entry, data, merged.explanation.features, ranked=merged.local.ranked)

    jobs: list[Callable[[], EncodedFile]] = [partial(complete, entry) for entry in merged.unfinished()]
    if sampled is not None:
        jobs += merged.view_jobs(sampled, ViewSize())
    return [*jobs, *merged.whole_jobs()]


def _upload_error(error: ExplanationError) -> UploadError:
    return UploadError(
        f"{error}. The explanation is not listed, and a stream is not kept on this machine: call again with the rows. "
        "Files that were written are garbage: `explanation-client gc` removes them after two days"
    )
