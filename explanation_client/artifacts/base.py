"""The interface of all artifact stores, and the rules for paths that they share."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from explanation_client.errors import InvalidArgumentError, LimitExceededError

if sys.version_info >= (3, 12):
    from collections.abc import Buffer
elif TYPE_CHECKING:
    from typing_extensions import Buffer
else:
    Buffer = bytes | bytearray | memoryview

__all__ = [
    "MAX_PATH_BYTES",
    "Artifacts",
    "Buffer",
    "LeavesTemporaries",
    "Stat",
    "byte_view",
    "check_path",
    "check_prefix",
    "join",
    "too_large",
]

MAX_PATH_BYTES = 200

# No character that a URL, a shell, Windows or one of MLflow's several path checks would change or refuse: MLflow
# silently stores "%41" as "A" and drops line feeds. A leading dot is kept for the stores' own temporary files.
_NAME = re.compile(r"[a-z0-9_-][a-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Stat:
    """One entry of a listing.

    Parameters
    ----------
    path : str
        Relative to the root of the store, with "/" between names.
    size : int, optional
        Bytes. None for a folder, or where the store does not say.
    modified : datetime, optional
        When the file was last written, with a time zone. None for a folder, or where the store does not say: MLflow's
        artifact API does not.
    is_folder : bool

    """

    path: str
    size: int | None
    modified: datetime | None
    is_folder: bool = False

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


class Artifacts(Protocol):
    """A place for whole files. Every operation is one attempt, and may be called from several threads.

    All paths are relative to the root of the store and pass :func:`check_path`, else ``InvalidArgumentError``. Whatever
    goes wrong in the store or on the way is one of the typed errors of :mod:`explanation_client.errors`, with its
    cause; :func:`~explanation_client.artifacts.is_retryable` tells which of them may pass by themselves.
    """

    def write(self, path: str, data: Buffer) -> None:
        """Store one file whole, or fail.

        Once it returns, readers see all of ``data`` under that path, and folders on the way exist. An existing file is
        replaced in one step, but a reader at that moment may get one file with the length of the other, because
        MLflow's server looks that up first. After an error nothing is promised: the file may be there, whole, if only
        the answer was lost; and an MLflow server under gunicorn publishes what arrived of an upload that broke off. So
        give every attempt a name of its own.

        Parameters
        ----------
        path : str
        data : bytes-like
            Contiguous. It must not change meanwhile.

        Raises
        ------
        InvalidArgumentError
            The path, or a buffer that is not contiguous.
        StoragePermissionError, StorageFullError
            The store refuses.
        StorageUnreachableError, StorageTimeoutError
            It did not answer; another attempt may succeed.
        StorageError
            Anything else.

        """
        ...

    def read(self, path: str, *, max_bytes: int | None = None) -> bytes:
        """Return one file whole, or fail.

        What arrives shorter than the store announced is an error. Where the store announces no size, only the caller's
        digest can tell: check it always.

        Parameters
        ----------
        path : str
        max_bytes : int, optional
            The most that is accepted, and roughly the most memory that is used.

        Raises
        ------
        ArtifactMissingError
            The store answered that there is no such file; never because it could not be asked.
        LimitExceededError
            The file is larger than ``max_bytes``.
        InvalidArgumentError, StorageError
            As for ``write``.

        """
        ...

    def list(self, prefix: str) -> tuple[Stat, ...]:
        """Return the files and folders directly in a folder, sorted by path.

        One call, however many there are. A folder that does not exist holds nothing. Entries whose name does not pass
        :func:`check_path` are left out: this library wrote none of them. An empty folder may still be listed after its
        last file was deleted, depending on the store.

        Parameters
        ----------
        prefix : str
            The folder; "" is the root.

        Raises
        ------
        InvalidArgumentError, StorageError
            As for ``write``.

        """
        ...

    def delete(self, path: str) -> None:
        """Delete one file; no error if there is none.

        Give it the path of a file: some stores delete a folder with all that is in it.

        Raises
        ------
        InvalidArgumentError, StorageError
            As for ``write``.

        """
        ...


@runtime_checkable
class LeavesTemporaries(Protocol):
    """A store in which a writer that is killed leaves a temporary file, under a name that no artifact has."""

    def leftovers(self, prefix: str) -> tuple[Stat, ...]:
        """Return the temporary files directly in a folder, sorted by path; ``delete`` takes these paths too.

        Those of writers that are at work are among them: leave what is young.

        Raises
        ------
        InvalidArgumentError, StorageError
            As for ``write``.

        """
        ...


def check_path(path: str) -> str:
    """Return the path as given, if it is one that every store keeps as it is.

    Raises
    ------
    InvalidArgumentError
        It is empty, absolute, longer than 200 bytes, or has a name with anything but ``a-z 0-9 . _ -`` or with a
        leading dot (``..`` is one of these).

    """
    if len(path) > MAX_PATH_BYTES:
        raise InvalidArgumentError(
            f"artifact path {path[:60]!r}… has {len(path)} characters: at most {MAX_PATH_BYTES} are stored everywhere"
        )
    if not all(_NAME.fullmatch(name) for name in path.split("/")):
        raise InvalidArgumentError(
            f"artifact path {path!r} is refused: names may hold only a-z, 0-9, '.', '_' and '-', may not be empty or "
            "begin with a dot, and are separated by single slashes"
        )
    return path


def check_prefix(prefix: str) -> str:
    """Return the folder as given, if it is "" (the root) or passes :func:`check_path`."""
    return prefix if prefix == "" else check_path(prefix)


def join(folder: str, name: str) -> str | None:
    """Return the path of an entry of a listed folder; None where :func:`check_path` would refuse it."""
    path = f"{folder}/{name}" if folder else name
    return path if _NAME.fullmatch(name) and len(path) <= MAX_PATH_BYTES else None


def byte_view(data: Buffer) -> memoryview:
    """Return the bytes of a buffer, without a copy, as a one-dimensional memoryview.

    Raises
    ------
    InvalidArgumentError
        The buffer is not contiguous.

    """
    view = memoryview(data)
    if view.nbytes == 0:
        return memoryview(b"")  # cast() refuses shapes that hold a zero
    if not view.c_contiguous:
        raise InvalidArgumentError("only contiguous buffers can be stored: copy the data first, as bytes(data)")
    return view.cast("B")


def too_large(what: str, *, size: int | None, max_bytes: int) -> LimitExceededError:
    """Return the error that says a file is larger than the caller accepts."""
    has = "is larger" if size is None else f"has {size:,} bytes, more"
    return LimitExceededError(f"{what} {has} than the {max_bytes:,} bytes that were to be read")
