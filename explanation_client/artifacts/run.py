"""The artifacts of an MLflow run, in whatever store the run has."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from explanation_client.artifacts import mlflow_api
from explanation_client.artifacts.base import Artifacts, Buffer, LeavesTemporaries, Stat
from explanation_client.artifacts.folder import FolderArtifacts
from explanation_client.artifacts.proxied import ProxiedArtifacts
from explanation_client.artifacts.repository import RepositoryArtifacts
from explanation_client.errors import InvalidArgumentError

_log = logging.getLogger(__name__)

DEFAULT_TIMEOUT = 60.0


class RunArtifacts:
    """The artifact store of a run; see :class:`~explanation_client.artifacts.Artifacts`.

    A tracking server that serves artifacts gets one request per operation. A local folder is used as such. Any other
    store (``s3:``, ``gs:``, ``wasbs:``, ``dbfs:``, a plug-in's) goes through MLflow's artifact repository for it, with
    the retries and timeouts of that store's own client.

    Parameters
    ----------
    artifact_uri : str
        ``run.info.artifact_uri``; not a ``runs:`` address, whose repository reports every failure as a missing file.
    tracking_uri : str
        The tracking server that the run belongs to.
    timeout : float
        Seconds without progress after which one attempt fails, where the store is a tracking server.

    Raises
    ------
    InvalidArgumentError
        No store of MLflow has such an address.
    StorageError
        The store needs a package that is not installed.

    """

    def __init__(self, artifact_uri: str, *, tracking_uri: str, timeout: float = DEFAULT_TIMEOUT) -> None:
        if urlsplit(artifact_uri).scheme in ("runs", "models"):
            raise InvalidArgumentError(
                f"{artifact_uri!r} is a reference, not a store: give the run's own address, run.info.artifact_uri"
            )
        if not timeout > 0:
            raise InvalidArgumentError(f"timeout={timeout!r}: give a positive number of seconds")
        self._uri = artifact_uri
        self._tracking_uri = tracking_uri
        self._timeout = timeout
        self._store = _store_of(artifact_uri, tracking_uri=tracking_uri, timeout=timeout)

    def __repr__(self) -> str:
        return f"RunArtifacts({mlflow_api.without_password(self._uri)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the addresses: the copy opens the store anew, with the credentials of the process that it is in."""
        return _opened, (self._uri, self._tracking_uri, self._timeout)

    def write(self, path: str, data: Buffer) -> None:
        """Store one file whole, or fail; one attempt."""
        self._store.write(path, data)

    def read(self, path: str, *, max_bytes: int | None = None) -> bytes:
        """Return one file whole, or fail; one attempt."""
        return self._store.read(path, max_bytes=max_bytes)

    def list(self, prefix: str) -> tuple[Stat, ...]:
        """Return the files and folders directly in a folder, sorted by path."""
        return self._store.list(prefix)

    def leftovers(self, prefix: str) -> tuple[Stat, ...]:
        """Return the temporary files directly in a folder that writers were killed over; only folders have any."""
        return self._store.leftovers(prefix) if isinstance(self._store, LeavesTemporaries) else ()

    def delete(self, path: str) -> None:
        """Delete one file; no error if there is none."""
        self._store.delete(path)


def _opened(artifact_uri: str, tracking_uri: str, timeout: float) -> RunArtifacts:
    return RunArtifacts(artifact_uri, tracking_uri=tracking_uri, timeout=timeout)


def _store_of(artifact_uri: str, *, tracking_uri: str, timeout: float) -> Artifacts:
    repository = mlflow_api.open_repository(artifact_uri, tracking_uri=tracking_uri)
    server = mlflow_api.artifact_endpoint(repository)
    if server is not None:
        return ProxiedArtifacts(server, timeout=timeout)
    folder = mlflow_api.local_folder(repository)
    if folder is not None:
        _warn_of_remote_path(folder, tracking_uri)
        return FolderArtifacts(folder)
    return RepositoryArtifacts(repository)


def _warn_of_remote_path(folder: Path, tracking_uri: str) -> None:
    """Say so where a server told its own path to a client that may be on another machine, as MLflow itself does not."""
    remote = urlsplit(tracking_uri).hostname not in (None, "localhost", "127.0.0.1", "::1")
    # <root>/<experiment>/<run>/artifacts: all but the root appear with the first artifact.
    root = folder.parents[min(2, len(folder.parents) - 1)]
    if remote and not root.exists():
        _log.warning(
            "the tracking server keeps this run's artifacts in %s, a path of its own machine; this one has no %s, and "
            "they are read and written here. Start the server with --serve-artifacts, or mount that folder",
            folder,
            root,
        )
