"""The client: explanations of an MLflow run, uploaded, listed, downloaded, verified, deleted."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from explanation_client import entries
from explanation_client import upload as uploads
from explanation_client.artifacts import RunArtifacts
from explanation_client.artifacts.mlflow_api import without_password
from explanation_client.committed import find_listed, find_unlisted, verified
from explanation_client.errors import (
    ExplanationError,
    ExplanationNotFoundError,
    InvalidArgumentError,
    RunNotFoundError,
    StorageError,
    UploadError,
)
from explanation_client.explanation import Explanation
from explanation_client.format import Limits
from explanation_client.index import (
    Query,
    index_entries,
    not_found,
    tag_key,
    tagged_ids,
)
from explanation_client.info import ExplanationInfo
from explanation_client.progress import progress_bar
from explanation_client.search import FoundExplanation, Wanted, search_explanations
from explanation_client.spool import Spooled, forget_spool, read_spool, spool_upload
from explanation_client.store.cache import FileCache, default_cache
from explanation_client.store.check import (
    Garbage,
    Report,
    delete_file,
    delete_stored,
    find_garbage,
)
from explanation_client.store.read import Source, open_stored, stored_ids
from explanation_client.store.retry import Deadline, retrying
from explanation_client.store.write import Committed, write_explanation
from explanation_client.streams.upload import StreamRequest, StreamTarget, explained_batches, store_stream
from explanation_client.tracking import ATTEMPT_SECONDS, RunRecord, Tracking, connect

if TYPE_CHECKING:
    from mlflow import ActiveRun, MlflowClient
    from mlflow.entities import Run

    from explanation_client.batches import BatchExplainer
    from explanation_client.scoring import ScoringExplainer

DEFAULT_TIMEOUT = 600.0
# Whoever reads is waiting: a server that is away is said to be sooner than an upload gives up.
_READING = 60.0
_log = logging.getLogger(__name__)


class ExplanationClient:
    """Explanations of one MLflow run. Made by :meth:`from_run` or :meth:`from_run_id`.

    Parameters
    ----------
    tracking : Tracking
        The tracking server.
    run_id : str
    timeout : float
        Seconds for an upload, all retries included. One request takes at most a minute of it, and reading gives up on
        a server that is away after a minute.
    cache : FileCache, optional
        Where downloads are kept; by default a folder of the user, at most 2 GiB.
    limits : Limits, optional
        How large an explanation a download accepts.

    """

    def __init__(
        self,
        tracking: Tracking,
        run_id: str,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        cache: FileCache | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._tracking = tracking
        self._run_id = run_id
        self._timeout = timeout
        self._cache = cache or default_cache()
        self._limits = limits or Limits()
        self._artifacts: RunArtifacts | None = None

    @classmethod
    def from_run(
        cls,
        run: ActiveRun | Run | str | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        cache: FileCache | None = None,
        limits: Limits | None = None,
    ) -> ExplanationClient:
        """Return the client of a run, a run id, or, with nothing, of the run that is active here.

        Active is what ``mlflow.start_run`` started, or the run that the environment names (``MLFLOW_RUN_ID``, as set
        by ``mlflow run``). The tracking server is the one that MLflow is set to.
        The other parameters are those of the class.

        Raises
        ------
        RunNotFoundError
            Nothing was passed and no run is active.

        """
        import mlflow

        if run is None:
            active = mlflow.active_run()
            run = active if active is not None else os.environ.get("MLFLOW_RUN_ID")
        if run is None:
            raise RunNotFoundError("no run is active: pass a run, or call this within `with mlflow.start_run():`")
        tracking = connect(mlflow.get_tracking_uri(), timeout=timeout)
        return cls(tracking, _run_id(run), timeout=timeout, cache=cache, limits=limits)

    @classmethod
    def from_run_id(
        cls,
        workspace: MlflowClient | str | None = None,
        experiment_name: str | None = None,
        run_id: str | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        cache: FileCache | None = None,
        limits: Limits | None = None,
    ) -> ExplanationClient:
        """Return the client of a run by its id.

        Parameters
        ----------
        workspace : str or MlflowClient, optional
            Tracking URI, or a client of MLflow. None: the tracking server that MLflow is set to.
        experiment_name : str, optional
            Checked where given: the run must belong to this experiment.
        run_id : str
        timeout, cache, limits
            As for the class.

        Raises
        ------
        InvalidArgumentError
            There is no run id.
        RunNotFoundError
            The run belongs to another experiment, or does not exist (only looked up where an experiment is given).

        """
        if not run_id:
            raise InvalidArgumentError("run_id is missing: from_run_id(workspace, experiment_name, run_id)")
        tracking = connect(_tracking_uri(workspace), timeout=timeout)
        client = cls(tracking, run_id, timeout=timeout, cache=cache, limits=limits)
        if experiment_name is not None:
            client._check_experiment(experiment_name)
        return client

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return self._run_id

    @property
    def tracking_uri(self) -> str:
        """Address of the tracking server."""
        return self._tracking.uri

    def __repr__(self) -> str:
        return f"ExplanationClient(run {self._run_id} at {without_password(self._tracking.uri)})"

    # --- Upload ------------------------------------------------------------------------------------------------

    @overload
    def upload_model_explanation(
        self,
        explanation: Explanation,
        top_k: int | None = None,
        comment: str | None = None,
        *,
        true_ys: Any = None,
        model_id: str | None = None,
        evaluation_data: Any = False,
        visualize: bool = True,
        log_metrics: bool = True,
        describe_run: bool = False,
        on_error: Literal["raise"] = "raise",
        show_progress: bool | None = None,
    ) -> ExplanationInfo: ...

    @overload
    def upload_model_explanation(
        self,
        explanation: Explanation,
        top_k: int | None = None,
        comment: str | None = None,
        *,
        true_ys: Any = None,
        model_id: str | None = None,
        evaluation_data: Any = False,
        visualize: bool = True,
        log_metrics: bool = True,
        describe_run: bool = False,
        on_error: Literal["warn"],
        show_progress: bool | None = None,
    ) -> ExplanationInfo | None: ...

    def upload_model_explanation(
        self,
        explanation: Explanation | Any,
        *positional: Any,
        top_k: int | None = None,
        comment: str | None = None,
        true_ys: Any = None,
        model_id: str | None = None,
        evaluation_data: Any = False,
        visualize: bool = True,
        log_metrics: bool = True,
        describe_run: bool = False,
        on_error: Literal["raise", "warn"] = "raise",
        show_progress: bool | None = None,
    ) -> ExplanationInfo | None:
        """Store an explanation with the run, and return what a listing shows of it.

        Called as ``upload_model_explanation(explanation, top_k, comment)``, also by keyword. The run may come first,
        as in ``upload_model_explanation(run, explanation, ...)``, where it is this client's own.

        The explanation is listed once it is stored whole, and not before. Feature values, labels, predictions and
        row names stay here unless they are asked for.

        Parameters
        ----------
        explanation : Explanation
        top_k : int, optional
            Keep only the ``top_k`` most important features of every ranking: global, per class, and of each row.
        comment : str, optional
            At most 10,000 characters; downloads can be selected by it.
        true_ys : array of shape (N,), optional
            True values of the explained rows: stored, with the predictions where the explanation has them.
        model_id : str, optional
            Id of a logged model that the explanation belongs to; it gets a tag.
        evaluation_data : bool, or table of shape (N, F)
            The explained rows: True stores those that the explanation holds, a DataFrame or an array stores these.
            Off by default: rows are often personal data.
        visualize : bool
            Store a sampled copy of the importances for dashboards beside the full ones, and a page, ``dashboard.html``,
            that MLflow's artifact viewer shows. It has the explained rows only where they are stored.
        log_metrics : bool
            Log the global importance of the ten most important features as metrics ``importance/<feature>``, so that
            MLflow's charts and searches have them. Those of the run's latest explanation count.
        describe_run : bool
            Add a line about the explanation to the run's description.
        on_error : "raise" or "warn"
            With "warn" a failed upload does not stop a training run: it warns, says what was lost, returns None.
        show_progress : bool, optional
            None: a bar where the upload is long and somebody can see it.

        Raises
        ------
        InvalidExplanationError, InvalidArgumentError
            The explanation, or an argument, can't be stored. Nothing has been written.
        RunNotFoundError
            The run (or model) does not exist, or is deleted.
        UploadError
            The store or the server failed until the deadline. Nothing is listed; ``error.spool`` is the folder from
            which :meth:`resume` finishes the upload.

        """
        if on_error not in ("raise", "warn"):
            raise InvalidArgumentError(f"on_error={on_error!r}: 'raise' or 'warn'")
        try:
            explanation, top_k, comment = uploads.arguments(
                explanation, positional, top_k=top_k, comment=comment, run_id=self._run_id
            )
            request = uploads.prepare(
                explanation,
                top_k=top_k,
                comment=comment,
                true_ys=true_ys,
                model_id=model_id,
                evaluation_data=evaluation_data,
                include_view=visualize,
                log_metrics=log_metrics,
                describe_run=describe_run,
            )
            return self._upload_or_spool(request, show_progress)
        except Exception as error:
            # Whatever it is, a fault of ours too: the caller has said that it must not end a training run.
            if on_error == "raise":
                raise
            if not isinstance(error, ExplanationError):
                _log.exception("an upload ended in an error that was not foreseen")
            warnings.warn(f"the explanation was not uploaded: {error}", stacklevel=2)
            return None

    def upload_stream(
        self,
        explainer: BatchExplainer,
        batches: Any,
        top_k: int | None = None,
        comment: str | None = None,
        *,
        include_local: bool = True,
        evaluation_data: bool = False,
        model_id: str | None = None,
        visualize: bool = True,
        log_metrics: bool = True,
        describe_run: bool = False,
        engineered: bool = False,
        batch_size: int | None = None,
        seed: int = 0,
        show_progress: bool | None = None,
    ) -> ExplanationInfo:
        """Explain rows batch by batch, store what is found meanwhile, and return what a listing shows of it.

        The same as ``upload_model_explanation(explainer.explain_global(rows), top_k, comment)``, in memory that does
        not grow with the number of rows. The explanation is listed once it is stored whole, and not before: where the
        batches, the store or the caller end it earlier, what was written is deleted, or left to :meth:`gc`.

        Parameters
        ----------
        explainer : explainer
            ``TabularExplainer``, or another one that explains each row by itself.
        batches : stream, or iterable of tables
            The path of a Parquet file or folder, an Arrow dataset or reader, a generator of DataFrames or arrays.
        top_k : int, optional
            Keep only the ``top_k`` most important features of every ranking: global, per class, and of each row.
        comment : str, optional
            At most 10,000 characters; downloads can be selected by it.
        include_local : bool
            Store the importances of each row, not only those over all rows.
        evaluation_data : bool
            Store the explained rows too. Off by default: rows are often personal data.
        model_id, visualize, log_metrics, describe_run
            As of :meth:`upload_model_explanation`.
        engineered : bool
            Explain the features that the transformations make.
        batch_size : int, optional
            Rows explained at a time, whatever sizes they come in. None: what fits well.
        seed : int
            Of the sample for dashboards.
        show_progress : bool, optional
            None: a bar where the work is long and somebody can see it.

        Raises
        ------
        InvalidArgumentError, InvalidExplanationError
            An argument, a batch, or what comes of it, can't be used.
        UnsupportedModelError
            The explainer needs all rows at once.
        RunNotFoundError
            The run (or model) does not exist, or is deleted.
        UploadError
            The store failed for longer than the client's timeout, which counts for each file here.

        """
        request = StreamRequest.new(
            top_k=top_k, comment=comment, model_id=model_id, include_local=include_local,
            evaluation_data=evaluation_data, visualize=visualize, seed=seed,
        )  # fmt: skip
        explained = explained_batches(
            explainer, batches, batch_size=batch_size, engineered=engineered, include_rows=evaluation_data
        )
        target = self.stream_target(model_id)
        stored = store_stream(target.artifacts, explained, request, timeout=self._timeout, show_progress=show_progress)
        return target.enter(stored, log_metrics=log_metrics, describe_run=describe_run)

    @classmethod
    def resume(cls, spool: str | Path, *, timeout: float = DEFAULT_TIMEOUT) -> ExplanationInfo:
        """Finish an upload that gave up, and return what a listing shows of it; the spool is then removed.

        Raises
        ------
        InvalidArgumentError
            The folder holds no such upload.
        StorageError, RunNotFoundError
            It failed again; the spool is kept.

        """
        spooled = read_spool(spool)
        client = cls(connect(spooled.tracking_uri, timeout=timeout), spooled.run_id, timeout=timeout)
        request = uploads.Request(
            explanation=spooled.explanation,
            info=spooled.info,
            include_view=spooled.include_view,
            log_metrics=spooled.log_metrics,
            describe_run=spooled.describe_run,
        )
        info = client._upload(request, Deadline.after(timeout), show_progress=None)
        forget_spool(spool)
        return info

    # --- List and download -------------------------------------------------------------------------------------

    def list_model_explanations(
        self, comment: str | None = None, raw: bool | None = None, engineered: bool | None = None
    ) -> list[ExplanationInfo]:
        """Return what is known of the run's explanations, oldest upload first, from one call.

        Parameters
        ----------
        comment : str, optional
            Only those with exactly this comment.
        raw, engineered : bool, optional
            Only those whose features are (not) the raw, the engineered ones.

        """
        query = Query(comment=comment, raw=raw, engineered=engineered)
        return [entry.info for entry in index_entries(self._run().tags) if query.matches(entry.info)]

    def download_model_explanation(
        self,
        explanation_id: str | None = None,
        top_k: int | None = None,
        comment: str | None = None,
        raw: bool | None = None,
        engineered: bool | None = None,
    ) -> Explanation:
        """Return the latest explanation that matches; large parts are moved when they are first used.

        Parameters
        ----------
        explanation_id, comment, raw, engineered
            All that are given must match.
        top_k : int, optional
            Only the ``top_k`` most important features of every ranking, as if cut at the upload.

        Raises
        ------
        ExplanationNotFoundError
            Nothing matches; the message says what there is.
        InvalidArgumentError
            ``top_k`` is not between 1 and the number of features that are stored.
        StoredDataError
            What is stored is damaged, too new, or too large.

        """
        query = Query(explanation_id=explanation_id, comment=comment, raw=raw, engineered=engineered)
        run = self._run()
        source = self._source(run)
        listed = index_entries(run.tags)
        entry = next((e for e in reversed(listed) if query.matches(e.info)), None)
        if entry is not None:
            committed = find_listed(source, entry, self._run_id)
        else:
            committed = find_unlisted(source, query, listed, self._run_id)
        return open_stored(source, committed.manifest, top_k=top_k)

    @classmethod
    def search(
        cls,
        workspace: MlflowClient | str | None = None,
        *,
        experiment_names: Sequence[str] | str | None = None,
        top_feature: str | None = None,
        among: int = 1,
        comment: str | None = None,
        method: str | None = None,
        raw: bool | None = None,
        engineered: bool | None = None,
        max_results: int = 1000,
        timeout: float = _READING,
    ) -> list[FoundExplanation]:
        """Return explanations of many runs, newest runs first: one request for each thousand runs that have any.

        Each result has ``run_id``, ``run_name``, ``experiment_id`` and ``info``; ``from_run_id(run_id=...)`` goes on
        from there.

        Parameters
        ----------
        workspace : str or MlflowClient, optional
            As in :meth:`from_run_id`.
        experiment_names : list of str, optional
            Only in these experiments; by default in all that the caller can see.
        top_feature : str, optional
            Only explanations in which this feature is the most important one, or ``among`` so many (at most 5).
        comment, method : str, optional
            Only with exactly this comment, this method.
        raw, engineered : bool, optional
            Only those whose features are (not) the raw, the engineered ones.
        max_results : int
        timeout : float
            Seconds for all requests together.

        Raises
        ------
        RunNotFoundError
            An experiment does not exist.
        InvalidArgumentError
            ``among`` or ``max_results`` is out of its range.

        """
        names = [experiment_names] if isinstance(experiment_names, str) else experiment_names
        query = Query(comment=comment, raw=raw, engineered=engineered)
        return search_explanations(
            connect(_tracking_uri(workspace), timeout=timeout),
            experiment_names=names,
            wanted=Wanted(query=query, top_feature=top_feature, among=among, method=method),
            max_results=max_results,
            seconds=timeout,
        )

    # --- Scoring explainers -------------------------------------------------------------------------------------

    def download_scoring_explainer(
        self,
        name: str | None = None,
        version: str | int | None = None,
        *,
        artifact_path: str | None = None,
        allow_pickle: bool = False,
        trusted: bool = False,
    ) -> ScoringExplainer:
        """Return the scoring explainer of this run, or of a registered model on the same server.

        Parameters
        ----------
        name : str, optional
            Of a registered model. None: that of this run.
        version : str or int, optional
            Of the model, or an alias as ``"@champion"``. None: the latest.
        artifact_path : str, optional
            Of this run. None: where its latest one was logged.
        allow_pickle, trusted : bool
            As of :func:`explanation_client.scoring.load`.

        Raises
        ------
        RunNotFoundError
            There is no such run, model or version.
        ArtifactMissingError
            It has no scoring explainer.
        StoredDataError, MissingDependencyError, StorageError
            As of :func:`explanation_client.scoring.load_scoring_explainer`.

        """
        from explanation_client.scoring import load_scoring_explainer

        source = self._run_id
        if name is not None:
            number = "" if version is None else f"{version}" if str(version).startswith("@") else f"/{version}"
            source = f"models:/{name}{number}"
        return load_scoring_explainer(
            source,
            artifact_path=artifact_path,
            tracking_uri=self._tracking.uri,
            allow_pickle=allow_pickle,
            trusted=trusted,
            timeout=self._timeout,
        )

    # --- Delete, verify, collect garbage -----------------------------------------------------------------------

    def delete_model_explanation(self, explanation_id: str) -> None:
        """Delete an explanation: its tag, its manifest, its files, in this order.

        Raises
        ------
        ExplanationNotFoundError
            The run has no such explanation.

        """
        run = self._run()
        source = self._source(run)
        is_listed = tag_key(explanation_id) in run.tags
        if not is_listed and explanation_id not in stored_ids(source):
            existing = [entry.info for entry in index_entries(run.tags)]
            raise ExplanationNotFoundError(not_found(self._run_id, Query(explanation_id=explanation_id), existing))
        deadline = source.deadline()
        if is_listed:
            entries.remove(self._tracking, run, explanation_id, deadline=deadline)
        delete_stored(source.artifacts, explanation_id, deadline=deadline)

    def verify(self, explanation_id: str | None = None, *, repair: bool = False) -> list[Report]:
        """Return a report on each explanation (or one) after reading every stored byte of it.

        Parameters
        ----------
        explanation_id : str, optional
        repair : bool
            Write lost, damaged or wrong tags again. Nothing is deleted.

        """
        run = self._run()
        source = self._source(run)
        ids = sorted({*stored_ids(source), *tagged_ids(run.tags)})
        if explanation_id is not None and explanation_id not in ids:
            existing = [entry.info for entry in index_entries(run.tags)]
            raise ExplanationNotFoundError(not_found(self._run_id, Query(explanation_id=explanation_id), existing))
        chosen = ids if explanation_id is None else [explanation_id]

        def enter(committed: Committed) -> None:
            entries.enter(self._tracking, self._run_id, committed, deadline=source.deadline())

        reports = [
            verified(source, each, run.tags.get(tag_key(each)), repair=enter if repair else None) for each in chosen
        ]
        if repair:
            # What searches find of the run may be lost with the list.
            entries.highlight_latest(self._tracking, self._run(), deadline=source.deadline())
        return [report for report in reports if report is not None]

    def gc(self, *, older_than_hours: float = 48.0, dry_run: bool = True) -> tuple[Garbage, ...]:
        """Return the files that unfinished uploads left behind; with ``dry_run=False`` they are deleted.

        Parameters
        ----------
        older_than_hours : float
            Younger files stay: their upload may still be under way. At least 1. By the clock of this machine, and
            where the store does not say when a file was written, by that of the machine that wrote it: two days leave
            room for clocks that are a day apart.
        dry_run : bool
            Only look.

        """
        if not older_than_hours >= 1:
            raise InvalidArgumentError(f"older_than_hours={older_than_hours!r}: at least 1, uploads may be under way")
        run = self._run()
        source = self._source(run)
        listed = tagged_ids(run.tags)
        garbage = find_garbage(source, older_than_hours=older_than_hours, listed=listed)
        if not dry_run:
            for item in garbage:
                delete_file(source.artifacts, item.path, deadline=source.deadline())
        return garbage

    # --- Inside ------------------------------------------------------------------------------------------------

    def _run(self, deadline: Deadline | None = None) -> RunRecord:
        return retrying(
            lambda: self._tracking.get_run(self._run_id),
            deadline=deadline or Deadline.after(min(self._timeout, _READING)),
            what=f"looking up run {self._run_id}",
        )

    def _source(self, run: RunRecord) -> Source:
        if self._artifacts is None:
            seconds = min(self._timeout, ATTEMPT_SECONDS)
            self._artifacts = RunArtifacts(run.artifact_uri, tracking_uri=self._tracking.uri, timeout=seconds)
        return Source(
            artifacts=self._artifacts, cache=self._cache, timeout=min(self._timeout, _READING), limits=self._limits
        )

    def _check_experiment(self, experiment_name: str) -> None:
        run = self._run()
        found = retrying(
            lambda: self._tracking.experiment_name(run.experiment_id),
            deadline=Deadline.after(self._timeout),
            what=f"looking up experiment {run.experiment_id}",
        )
        if found != experiment_name:
            raise RunNotFoundError(f"run {self._run_id} belongs to experiment {found!r}, not to {experiment_name!r}")

    def _upload_or_spool(self, request: uploads.Request, show_progress: bool | None) -> ExplanationInfo:
        try:
            return self._upload(request, Deadline.after(self._timeout), show_progress)
        except StorageError as error:
            try:
                spool = spool_upload(
                    Spooled(
                        explanation=request.explanation,
                        info=request.info,
                        tracking_uri=self._tracking.uri,
                        run_id=self._run_id,
                        include_view=request.include_view,
                        log_metrics=request.log_metrics,
                        describe_run=request.describe_run,
                    )
                )
            except StorageError as unsaved:
                raise UploadError(f"{error}. It could not be kept on this machine either: {unsaved}") from error
            raise UploadError(
                f"{error}. The explanation is not listed. It is kept in {spool}: finish the upload with "
                f"`explanation-client resume {spool}`, or ExplanationClient.resume(...)",
                spool=str(spool),
            ) from error

    def _upload(self, request: uploads.Request, deadline: Deadline, show_progress: bool | None) -> ExplanationInfo:
        run = entries.writable_run(self._tracking, self._run_id, request.info.model_id, deadline=deadline)
        source = self._source(run)
        info = uploads.stamp(request.info, taken=tag_key(request.info.id) in run.tags)
        size = uploads.estimate_bytes(request.explanation)
        with progress_bar("uploading explanation", total=size, unit="B", show=show_progress, scale=True) as advance:
            committed = write_explanation(
                source.artifacts,
                request.explanation,
                info=info,
                include_view=request.include_view,
                deadline=deadline,
                progress=advance,
            )
        info = committed.manifest.info
        entries.enter_latest(
            self._tracking, run, committed, request.explanation,
            log_metrics=request.log_metrics, describe_run=request.describe_run, deadline=deadline,
        )  # fmt: skip
        if request.include_view:
            make = partial(uploads.page_of, request.explanation, info)
            entries.store_page(source.artifacts, info, make, deadline=deadline)
        return info

    def stream_target(self, model_id: str | None = None) -> StreamTarget:
        """Return where streams of this run are stored: what engines such as Spark write to.

        Parameters
        ----------
        model_id : str, optional
            Of a logged model that must exist.

        Raises
        ------
        RunNotFoundError
            The run (or model) does not exist, or is deleted.
        UploadError
            The server did not answer. Nothing has been written.

        """
        deadline = Deadline.after(self._timeout)
        try:
            run = entries.writable_run(self._tracking, self._run_id, model_id, deadline=deadline)
        except StorageError as error:
            raise UploadError(f"{error}. Nothing has been written, and no rows have been read") from error
        artifacts = self._source(run).artifacts
        return StreamTarget(tracking=self._tracking, run=run, artifacts=artifacts, timeout=self._timeout)


def _run_id(run: Any) -> str:
    if isinstance(run, str):
        return run
    info = getattr(run, "info", None)
    if info is None or not isinstance(getattr(info, "run_id", None), str):
        raise InvalidArgumentError(f"run is a {type(run).__name__}: pass an MLflow run, or its id")
    return str(info.run_id)


def _tracking_uri(workspace: Any) -> str:
    if isinstance(workspace, str) and workspace:
        return workspace
    if workspace is None or workspace == "":
        import mlflow

        return str(mlflow.get_tracking_uri())
    uri = getattr(workspace, "tracking_uri", None)
    if not isinstance(uri, str):
        raise InvalidArgumentError(
            f"workspace is a {type(workspace).__name__}: pass a tracking URI, an MlflowClient, or None for MLflow's own"
        )
    return uri
