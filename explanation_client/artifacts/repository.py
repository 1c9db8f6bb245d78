"""Files in a store that MLflow reaches with a client of its own: S3, Google, Azure, Databricks, plug-ins."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from explanation_client.artifacts import mlflow_api
from explanation_client.artifacts.base import Buffer, Stat, byte_view, check_path, check_prefix, join, too_large
from explanation_client.artifacts.failures import os_error, sdk_error
from explanation_client.errors import (
    ArtifactMissingError,
    ExplanationError,
    StorageError,
    StoragePermissionError,
    StorageTimeoutError,
    StorageUnreachableError,
)


class RepositoryArtifacts:
    """An artifact store behind one of MLflow's repositories; see :class:`~explanation_client.artifacts.Artifacts`.

    Files pass through a temporary folder that only this user can read, because repositories take and give files.
    Retries and timeouts are those of the store's own client, and ``max_bytes`` bounds memory, not what is downloaded.

    Parameters
    ----------
    repository : Repository

    """

    def __init__(self, repository: mlflow_api.Repository) -> None:
        self._repository = repository

    def write(self, path: str, data: Buffer) -> None:
        """Upload one file."""
        folder, _, name = check_path(path).rpartition("/")
        view = byte_view(data)
        with _temporary_folder() as temporary:
            source = temporary / name
            with _typed_errors(f"writing {source}"):
                source.write_bytes(view)
            with self._typed_errors("writing", path):
                self._repository.log_artifact(str(source), folder or None)

    def read(self, path: str, *, max_bytes: int | None = None) -> bytes:
        """Return one file: one download; after a failure that says little, a listing tells whether the file exists."""
        with _temporary_folder() as temporary:
            target = temporary / check_path(path).rpartition("/")[2]
            try:
                with self._typed_errors("reading", path):
                    mlflow_api.download(self._repository, path, target)
            except (ArtifactMissingError, StoragePermissionError, StorageUnreachableError, StorageTimeoutError):
                raise
            except StorageError as failure:
                raise self._missing_or(failure, path) from failure
            with _typed_errors(f"reading {target}"):
                size = target.stat().st_size
                if max_bytes is not None and size > max_bytes:
                    raise too_large(self._what("reading", path), size=size, max_bytes=max_bytes)
                return target.read_bytes()

    def list(self, prefix: str) -> tuple[Stat, ...]:
        """Return the files and folders directly in a folder, sorted by path."""
        check_prefix(prefix)
        with self._typed_errors("listing", prefix):
            found = self._repository.list_artifacts(prefix or None)
        stats: dict[str, Stat] = {}
        for entry in found:
            # Repositories differ in whether they end the path of a folder with a slash.
            path = join(prefix, entry.path.rstrip("/").rpartition("/")[2])
            if path is None or entry.path.rstrip("/") == prefix:
                continue
            size = None if entry.is_dir or entry.file_size is None else int(entry.file_size)
            stats[path] = Stat(path, size, None, is_folder=bool(entry.is_dir))
        return tuple(stats[path] for path in sorted(stats))

    def delete(self, path: str) -> None:
        """Delete one file."""
        check_path(path)
        with contextlib.suppress(ArtifactMissingError), self._typed_errors("deleting", path):
            self._repository.delete_artifacts(path)

    def _missing_or(self, failure: StorageError, path: str) -> StorageError:
        try:
            listing = self.list(path.rpartition("/")[0])
        except StorageError:
            return failure
        if any(stat.path == path for stat in listing):
            return failure
        return ArtifactMissingError(f"{self._what('reading', path)} failed: there is no such file")

    @contextlib.contextmanager
    def _typed_errors(self, verb: str, path: str) -> Iterator[None]:
        before = sys.exception()
        try:
            yield
        except ExplanationError:
            raise
        # Each store's client raises classes of its own, which are not to be imported here; the cause is kept.
        except Exception as error:
            raise sdk_error(error, self._what(verb, path), before=before) from error

    def _what(self, verb: str, path: str) -> str:
        return f"{verb} {mlflow_api.without_password(self._repository.artifact_uri)}/{path}"


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Yield a new folder that only this user can enter (mode 0700), and remove it."""
    with _typed_errors("making a temporary folder"):
        folder = tempfile.TemporaryDirectory(prefix="explanation-client-")
    with folder as name:
        yield Path(name)


@contextlib.contextmanager
def _typed_errors(what: str) -> Iterator[None]:
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise os_error(error, what) from error
