"""S3 behind the tracking server alone: ``--artifacts-destination s3-proxied://bucket/path``.

With a plain ``s3:`` destination the server tells MLflow's clients to fetch every file, of any size, from the object
store by a presigned address; files over 500 MiB are sent that way too. The address names the store as the server sees
it, so that clients fail which can't reach the store: all of those outside a compose network or a cluster. There is no
setting of the server against it. This store is the same, without the offer: everything goes through the server.
"""

from __future__ import annotations

from typing import Any

from mlflow.entities import FileInfo
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

SCHEME = "s3-proxied"


class ProxiedS3ArtifactRepository(ArtifactRepository):
    """MLflow's artifact repository for S3, without presigned addresses.

    Parameters
    ----------
    artifact_uri : str
        ``s3-proxied://bucket/path``.
    tracking_uri, registry_uri : str, optional
        As of MLflow's repositories.

    """

    def __init__(self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        address = f"s3{artifact_uri.removeprefix(SCHEME)}"
        self._s3 = S3ArtifactRepository(address, tracking_uri=tracking_uri, registry_uri=registry_uri)

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Store a file."""
        self._s3.log_artifact(local_file, artifact_path)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Store the files of a folder."""
        self._s3.log_artifacts(local_dir, artifact_path)

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """Return the files and folders directly in a folder."""
        return list(self._s3.list_artifacts(path))

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Delete a file, or all below a folder."""
        self._s3.delete_artifacts(artifact_path)

    def _download_file(self, remote_file_path: str, local_path: str) -> Any:
        return self._s3._download_file(remote_file_path, local_path)
