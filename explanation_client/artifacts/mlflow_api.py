"""All that the artifact stores use of MLflow, in one place; MLflow is imported when the first of these is called.

Written against MLflow 3.15 to 3.17. Names without an underscore are used throughout, but for ``_download_file``, which
every artifact repository has to implement.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit, urlunsplit

from explanation_client.artifacts.failures import sdk_error
from explanation_client.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import requests

_API = "/mlflow-artifacts/artifacts"


class FileInfo(Protocol):
    """What a repository lists of a file or folder."""

    path: str
    is_dir: bool
    file_size: int | None


class Repository(Protocol):
    """What is used of an artifact repository of MLflow."""

    artifact_uri: str

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Upload one file into a folder, under its own name."""

    def list_artifacts(self, path: str | None = None) -> Iterable[FileInfo]:
        """Return what is directly in a folder; paths are relative to the repository."""

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Delete a file, or a folder with all that is in it."""

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        """Copy one file to a local path."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a tracking server serves artifacts.

    Parameters
    ----------
    api : str
        Address of the artifact API, the same for all runs; listings are asked there.
    root : str
        The run's folder below it, without slashes at its ends.

    """

    api: str
    root: str

    def address(self, path: str) -> str:
        """Return where a file or folder of the run is under the API, for the query of a listing."""
        return posixpath.join(self.root, path) if path else self.root


def open_repository(artifact_uri: str, *, tracking_uri: str) -> Repository:
    """Return MLflow's repository for an artifact address.

    Built afresh: what ``MlflowClient`` uses comes from a cache by run id alone, and could belong to another server.

    Raises
    ------
    InvalidArgumentError
        MLflow knows no store for it, or the tracking address is not that of a server.
    StorageError
        The store's package is not installed.

    """
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    try:
        repository: Any = get_artifact_repository(artifact_uri, tracking_uri=tracking_uri)
    except MlflowException as error:
        raise InvalidArgumentError(
            f"MLflow can't open the artifacts at {without_password(artifact_uri)!r} of the tracking server "
            f"{without_password(tracking_uri)!r}: {error.message}"
        ) from error
    except ImportError as error:
        raise sdk_error(error, f"opening the artifact store {without_password(artifact_uri)!r}") from error
    opened: Repository = repository
    return opened


def artifact_endpoint(repository: Repository) -> Endpoint | None:
    """Return where the tracking server serves the artifacts of a repository; None where it does not.

    Not for classes that a plug-in derives from MLflow's: they may talk to something else.
    """
    from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
    from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository

    if type(repository) not in (HttpArtifactRepository, MlflowArtifactsRepository):
        return None
    base, found, root = repository.artifact_uri.partition(_API)
    return Endpoint(base + _API, root.strip("/")) if found else None


def local_folder(repository: Repository) -> Path | None:
    """Return the folder of this machine in which a repository keeps its files; None for other stores."""
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    return Path(repository.artifact_dir) if type(repository) is LocalArtifactRepository else None


def request(
    method: str,
    endpoint: Endpoint,
    path: str = "",
    *,
    timeout: float,
    body: Iterable[memoryview] | None = None,
    listing: str | None = None,
) -> requests.Response:
    """Return the server's answer, its body not read yet, to one request with MLflow's credentials, headers and TLS.

    MLflow's function for all its requests makes it: credentials from the environment or its file, header and
    authentication plug-ins, workspace, certificates, pooled connections. It is told not to retry, and not to follow the
    server elsewhere: a redirected PUT would become a GET that stores nothing and succeeds.

    Raises
    ------
    Exception
        Whatever MLflow, requests or urllib3 raise when there is no answer.

    """
    from mlflow.utils import credentials as mlflow_credentials
    from mlflow.utils import rest_utils

    # Neither has type hints.
    get_default_host_creds: Any = mlflow_credentials.get_default_host_creds
    http_request: Any = rest_utils.http_request
    credentials = get_default_host_creds(endpoint.api)
    where = f"/{endpoint.address(path)}" if listing is None else ""
    options: dict[str, Any] = {}
    if listing is not None:
        options["params"] = {"path": endpoint.address(listing)}
    if body is not None:
        # Signing needs the whole body at once.
        options["data"] = b"".join(body) if credentials.aws_sigv4 else body
    response: requests.Response = http_request(
        credentials,
        where,
        method,
        max_retries=0,
        retry_codes=frozenset(),
        raise_on_status=False,
        timeout=timeout,
        allow_redirects=False,
        stream=True,
        # A proxy that compresses on the way hides the length, by which a cut answer is found.
        extra_headers={"Accept-Encoding": "identity"}
        | ({"Content-Type": "application/octet-stream"} if body is not None else {}),
        **options,
    )
    return response


def download(repository: Repository, path: str, target: Path) -> None:
    """Copy one file of a repository to ``target``.

    ``download_artifacts``, the public way, lists before it downloads, and turns every failure into text. What it calls
    for each file is abstract in MLflow's base class, so every repository has it.
    """
    repository._download_file(path, str(target))


def without_password(uri: str) -> str:
    """Return an address for messages: without user and password."""
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
