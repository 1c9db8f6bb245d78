"""Files that other packages left among the artifacts of an MLflow run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from explanation_client.errors import ArtifactMissingError, RunNotFoundError, StorageError

if TYPE_CHECKING:
    from mlflow import MlflowClient


@contextmanager
def downloaded(run_id: str, artifact_path: str, *, tracking_uri: str | None) -> Iterator[Path]:
    """Give a temporary folder with what lies under a path of a run's artifacts.

    MLflow's own client does it, because names may be any that MLflow allows, and because newer servers keep logged
    models outside the artifacts of the run while they still answer under their path.

    Raises
    ------
    RunNotFoundError
        There is no such run.
    ArtifactMissingError
        There is nothing under that path.
    StorageError
        The tracking server, or the store, failed.

    """
    import requests
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(tracking_uri)
    try:
        client.get_run(run_id)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise RunNotFoundError(f"there is no run {run_id!r}: {error.message}") from error
        raise StorageError(f"run {run_id!r} could not be read: {error.message}") from error
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = Path(client.download_artifacts(run_id, artifact_path, dst_path=folder))
        except (MlflowException, OSError, requests.RequestException) as error:
            if not _exists(client, run_id, artifact_path):
                raise ArtifactMissingError(f"run {run_id!r} has no artifacts under {artifact_path!r}") from error
            raise StorageError(f"{artifact_path!r} of run {run_id!r} could not be downloaded: {error}") from error
        yield path


def _exists(client: MlflowClient, run_id: str, artifact_path: str) -> bool:
    """Whether there is anything under a path; a store that does not even list is one that failed."""
    from mlflow.exceptions import MlflowException

    try:
        return bool(client.list_artifacts(run_id, artifact_path))
    except (MlflowException, OSError):
        return True
