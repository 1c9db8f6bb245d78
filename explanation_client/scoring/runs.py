"""Scoring explainers among the artifacts of MLflow runs and in its model registry."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from explanation_client.artifacts import Artifacts, Buffer, FolderArtifacts, RunArtifacts, Stat, check_path
from explanation_client.artifacts.failures import sdk_error
from explanation_client.artifacts.mlflow_api import without_password
from explanation_client.errors import InvalidArgumentError, RunNotFoundError
from explanation_client.scoring.base import ScoringExplainer
from explanation_client.scoring.description import NAME, Bundle
from explanation_client.scoring.folder import check_folder, open_bundle, packed, read_bundle, write_bundle
from explanation_client.store.retry import Deadline, retrying
from explanation_client.tracking import connect

if TYPE_CHECKING:
    from mlflow import ActiveRun, MlflowClient
    from mlflow.entities import Run

T = TypeVar("T")

DEFAULT_PATH = "scoring_explainer"
TAG = "explanation_client.scoring_explainer"
DEFAULT_TIMEOUT = 600.0
# Where a model that MLflow serves keeps it.
_IN_MODEL = f"artifacts/{DEFAULT_PATH}"
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_MODEL = re.compile(r"models:/+([^/@]+)(?:/([^/]+)|@([^/]+))?")
_UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedScoringExplainer:
    """Where a scoring explainer was logged.

    Parameters
    ----------
    run_id, artifact_path : str
    uri : str
        ``runs:/<run id>/<artifact path>``, or ``models:/<name>/<version>`` where it was registered.
    name, version : str, optional
        Of the registered model.

    """

    run_id: str
    artifact_path: str
    uri: str
    name: str | None = None
    version: str | None = None


def log_scoring_explainer(
    scoring_explainer: ScoringExplainer,
    artifact_path: str = DEFAULT_PATH,
    *,
    run: ActiveRun | Run | str | None = None,
    register: str | None = None,
    tracking_uri: str | None = None,
    allow_pickle: bool = False,
    timeout: float = DEFAULT_TIMEOUT,
) -> LoggedScoringExplainer:
    """Store a scoring explainer among the artifacts of a run, and return where it is.

    Its description is stored last: until then there is none.

    Parameters
    ----------
    scoring_explainer : ScoringExplainer
    artifact_path : str
        A folder of its own. A scoring explainer that is there is replaced.
    run : ActiveRun, Run or str, optional
        A run, or its id. None: the run that is active.
    register : str, optional
        Register it as the next version of the model of this name, which is made if there is none.
    tracking_uri : str, optional
        None: the tracking server that MLflow is set to.
    allow_pickle : bool
        As of :func:`~explanation_client.scoring.save`.
    timeout : float
        Seconds for all of it, retries included.

    Raises
    ------
    RunNotFoundError
        There is no such run, or none is active.
    InvalidArgumentError
        The path has other characters than ``a-z 0-9 . _ - /``, or something can only be pickled.
    StorageError
        The tracking server or the store failed.

    """
    check_path(artifact_path)
    bundle = packed(scoring_explainer, allow_pickle=allow_pickle)
    uri = _tracking_uri(tracking_uri)
    tracking, run_id = connect(uri, timeout=timeout), _run_id(run)
    deadline = Deadline.after(timeout)
    record = retrying(lambda: tracking.get_run(run_id), deadline=deadline, what="looking up the run")
    if record.is_deleted:
        raise RunNotFoundError(f"run {run_id} is deleted: restore it first, or log to another run")
    write_bundle(_Patient(RunArtifacts(record.artifact_uri, tracking_uri=uri), deadline), bundle, artifact_path)
    retrying(lambda: tracking.set_tag(run_id, TAG, artifact_path), deadline=deadline, what="setting the run's tag")
    logged = LoggedScoringExplainer(run_id=run_id, artifact_path=artifact_path, uri=f"runs:/{run_id}/{artifact_path}")
    if register is None:
        return logged
    version = _register(uri, register, f"{record.artifact_uri}/{artifact_path}", run_id)
    return LoggedScoringExplainer(
        run_id=run_id, artifact_path=artifact_path, uri=f"models:/{register}/{version}", name=register, version=version
    )


def load_scoring_explainer(
    source: ActiveRun | Run | str | None = None,
    *,
    artifact_path: str | None = None,
    tracking_uri: str | None = None,
    allow_pickle: bool = False,
    trusted: bool = False,
    timeout: float = DEFAULT_TIMEOUT,
) -> ScoringExplainer:
    """Return the scoring explainer of a run, of a registered model, or of a model that MLflow logged.

    Parameters
    ----------
    source : ActiveRun, Run or str, optional
        A run or its id; ``runs:/<run id>/<path>``; ``models:/<name>/<version>``, ``models:/<name>@<alias>``, or
        ``models:/<name>`` for the latest version; ``models:/<id of a logged model>``. None: the run that is active.
    artifact_path : str, optional
        Of a run. None: where the run's latest one was logged.
    tracking_uri : str, optional
        None: the tracking server that MLflow is set to.
    allow_pickle, trusted : bool
        As of :func:`~explanation_client.scoring.load`.
    timeout : float
        Seconds for all of it, retries included.

    Raises
    ------
    RunNotFoundError
        There is no such run or model.
    ArtifactMissingError
        It has no scoring explainer.
    StoredDataError, MissingDependencyError
        As of :func:`~explanation_client.scoring.load`.
    StorageError
        The tracking server or the store failed.

    """
    bundle = _fetched(source, artifact_path, _tracking_uri(tracking_uri), Deadline.after(timeout))
    return open_bundle(bundle, allow_pickle=allow_pickle, trusted=trusted)


def download_scoring_explainer(
    source: ActiveRun | Run | str | None,
    directory: str | os.PathLike[str],
    *,
    exist_ok: bool = False,
    artifact_path: str | None = None,
    tracking_uri: str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> str:
    """Return the path of a folder, in which the scoring explainer of a run or model now is, as it was stored.

    It is not loaded: :func:`~explanation_client.scoring.load` does so, here or on the machine that serves it.

    Parameters
    ----------
    source, artifact_path, tracking_uri, timeout
        As of :func:`load_scoring_explainer`.
    directory : path
        A folder of its own.
    exist_ok : bool
        Replace a scoring explainer that is there.

    Raises
    ------
    InvalidArgumentError
        The folder exists and ``exist_ok`` does not say that it may, or it holds other files.
    RunNotFoundError, ArtifactMissingError, StoredDataError, StorageError
        As of :func:`load_scoring_explainer`.

    """
    folder = Path(directory)
    check_folder(folder, exist_ok=exist_ok)
    bundle = _fetched(source, artifact_path, _tracking_uri(tracking_uri), Deadline.after(timeout))
    write_bundle(FolderArtifacts(folder), bundle)
    return str(directory)


class _Patient:
    """An artifact store whose operations are repeated until a deadline."""

    def __init__(self, artifacts: Artifacts, deadline: Deadline) -> None:
        self._artifacts = artifacts
        self._deadline = deadline

    def write(self, path: str, data: Buffer) -> None:
        """Store one file whole."""
        self._repeat(lambda: self._artifacts.write(path, data), f"storing {path}")

    def read(self, path: str, *, max_bytes: int | None = None) -> bytes:
        """Return one file whole."""
        return self._repeat(lambda: self._artifacts.read(path, max_bytes=max_bytes), f"reading {path}")

    def list(self, prefix: str) -> tuple[Stat, ...]:
        """Return the files and folders directly in a folder."""
        return self._repeat(lambda: self._artifacts.list(prefix), f"listing {prefix or 'the artifacts'}")

    def delete(self, path: str) -> None:
        """Delete one file."""
        self._repeat(lambda: self._artifacts.delete(path), f"deleting {path}")

    def _repeat(self, attempt: Callable[[], T], what: str) -> T:
        return retrying(attempt, deadline=self._deadline, what=what)


def _fetched(source: Any, artifact_path: str | None, uri: str, deadline: Deadline) -> Bundle:
    """Return the bytes of the scoring explainer of a run or model."""
    if isinstance(source, str) and source.startswith("models:/"):
        if artifact_path is not None:
            raise InvalidArgumentError(f"artifact_path={artifact_path!r} is of a run, and {source!r} is a model")
        artifacts: Artifacts = _Patient(RunArtifacts(_model_uri(source, uri), tracking_uri=uri), deadline)
        return read_bundle(artifacts, _place(artifacts), what=source)
    run_id, path = _run_and_path(source, artifact_path)
    tracking = connect(uri, timeout=deadline.seconds)
    record = retrying(lambda: tracking.get_run(run_id), deadline=deadline, what="looking up the run")
    artifacts = _Patient(RunArtifacts(record.artifact_uri, tracking_uri=uri), deadline)
    chosen = check_path(path or record.tags.get(TAG, DEFAULT_PATH))
    return read_bundle(artifacts, chosen, what=f"{chosen} of run {run_id}")


def _run_and_path(source: Any, artifact_path: str | None) -> tuple[str, str | None]:
    if isinstance(source, str) and source.startswith("runs:/"):
        run_id, _, path = source.removeprefix("runs:/").strip("/").partition("/")
        if artifact_path is not None and path:
            raise InvalidArgumentError(f"artifact_path={artifact_path!r} and {source!r} both name a path: pass one")
        return run_id, artifact_path or path or None
    if isinstance(source, str) and not _RUN_ID.fullmatch(source):
        raise InvalidArgumentError(
            f"{source!r} is no run id and no address: pass runs:/<run id>/<path>, or models:/<name>/<version>"
        )
    return _run_id(source), artifact_path


def _place(artifacts: Artifacts) -> str:
    """Return the folder in a model's artifacts that a scoring explainer is in."""
    if any(entry.name == NAME for entry in artifacts.list("")):
        return ""
    return _IN_MODEL


def _model_uri(source: str, tracking_uri: str) -> str:
    """Return where the artifacts of a registered or logged model are."""
    match = _MODEL.fullmatch(source)
    if match is None:
        raise InvalidArgumentError(f"{source!r}: models:/<name>/<version>, models:/<name>@<alias> or models:/<name>")
    name, version, alias = match.groups()
    client = _client(tracking_uri)

    def resolve() -> str:
        if version is None and alias is None and name.startswith("m-"):
            return str(client.get_logged_model(name).artifact_location)
        number = version
        if alias is not None:
            number = client.get_model_version_by_alias(name, alias).version
        elif version in (None, "latest"):
            number = _latest(client, name)
        found = str(client.get_model_version_download_uri(name, number))
        return str(client.get_logged_model(found.rpartition("/")[2]).artifact_location) if _is_model(found) else found

    return _asked(resolve, source, tracking_uri)


def _is_model(uri: str) -> bool:
    return uri.startswith("models:/")


def _latest(client: MlflowClient, name: str) -> str:
    """Return the number of the latest version of a registered model."""
    found = client.search_model_versions(f"name='{name}'", max_results=1000)
    if not found:
        raise RunNotFoundError(f"there is no registered model {name!r}, or it has no versions")
    return str(max(int(version.version) for version in found))


def _register(tracking_uri: str, name: str, source: str, run_id: str) -> str:
    """Return the version as which a scoring explainer was registered."""
    from mlflow.exceptions import MlflowException

    client = _client(tracking_uri)

    def register() -> str:
        try:
            client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        return str(client.create_model_version(name, source, run_id=run_id, tags={TAG: "true"}).version)

    return _asked(register, f"registering {name!r}", tracking_uri)


def _client(tracking_uri: str) -> MlflowClient:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=tracking_uri)


def _asked(ask: Callable[[], str], what: str, tracking_uri: str) -> str:
    """Return what a tracking server answers, its errors made ours."""
    import requests
    from mlflow.exceptions import MlflowException

    server = without_password(tracking_uri)
    try:
        return ask()
    except MlflowException as error:
        if error.error_code in _UNKNOWN:
            raise RunNotFoundError(f"the tracking server {server}: {what}: {error.message}") from error
        raise sdk_error(error, f"asking the tracking server {server} for {what}") from error
    except (requests.RequestException, OSError) as error:
        raise sdk_error(error, f"asking the tracking server {server} for {what}") from error


def _run_id(run: Any) -> str:
    """Return the id of a run, of the active one where none is given."""
    if run is None:
        import mlflow

        active = mlflow.active_run()
        run = active if active is not None else os.environ.get("MLFLOW_RUN_ID")
    if run is None:
        raise RunNotFoundError("no run is active: pass a run, or call this within `with mlflow.start_run():`")
    if isinstance(run, str):
        return run
    found = getattr(getattr(run, "info", None), "run_id", None)
    if not isinstance(found, str):
        raise InvalidArgumentError(f"a {type(run).__name__} is no run: pass an MLflow run, or its id")
    return found


def _tracking_uri(given: str | None) -> str:
    if given is not None:
        return given
    import mlflow

    return str(mlflow.get_tracking_uri())
