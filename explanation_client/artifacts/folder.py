"""Files in a folder of this machine, or of a file system that it mounts."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat as modes
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from explanation_client.artifacts.base import Buffer, Stat, byte_view, check_path, check_prefix, join, too_large
from explanation_client.artifacts.failures import os_error
from explanation_client.errors import StorageError

# A leading dot: check_path refuses such names, so that no artifact is ever taken for a leftover or listed as one.
_TEMPORARY = ".explanation-client."
_TEMPORARY_PATH = re.compile(rf"(?:(?P<folder>.*)/)?{re.escape(_TEMPORARY)}[0-9a-f]{{16}}")
_LEFTOVER_SECONDS = 24 * 3600.0
# How often a writer makes its folder again that a deleter found empty and removed.
_ATTEMPTS = 10
# Absent on Windows, where a symbolic link is found by lstat alone.
_NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
_NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)
_BINARY: int = getattr(os, "O_BINARY", 0)


class FolderArtifacts:
    """An artifact store in a folder; see :class:`~explanation_client.artifacts.Artifacts`.

    A file is written beside its place under a temporary name, flushed to the disk, and renamed, so that neither a crash
    nor a power cut leaves half a file under its name. What lies below the root may be reached through no symbolic link.

    Parameters
    ----------
    root : Path or str
        Made by the first write if it does not exist.

    """

    def __init__(self, root: Path | str) -> None:
        self._root = Path(root).expanduser().absolute()

    def __repr__(self) -> str:
        return f"FolderArtifacts({str(self._root)!r})"

    def write(self, path: str, data: Buffer) -> None:
        """Store one file whole: it is on the disk once this returns."""
        target = self._root / check_path(path)
        view = byte_view(data)
        with _typed_errors(f"writing {target}"):
            self._refuse_links(path)
            descriptor, temporary = _open_temporary(target.parent)
            try:
                with os.fdopen(descriptor, "wb", buffering=0) as file:
                    while view:
                        view = view[file.write(view) :]
                    os.fsync(file.fileno())
                os.replace(temporary, target)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
            _sync_folder(target.parent)

    def read(self, path: str, *, max_bytes: int | None = None) -> bytes:
        """Return one file whole."""
        source = self._root / check_path(path)
        what = f"reading {source}"
        with _typed_errors(what):
            self._refuse_links(path)
            # Not to wait for ever where somebody put a pipe.
            descriptor = os.open(source, os.O_RDONLY | _NOFOLLOW | _NONBLOCK | _BINARY)
            with os.fdopen(descriptor, "rb", buffering=0) as file:
                found = os.fstat(file.fileno())
                if not modes.S_ISREG(found.st_mode):
                    raise StorageError(f"{what} failed: it is not a file")
                if max_bytes is not None and found.st_size > max_bytes:
                    raise too_large(str(source), size=found.st_size, max_bytes=max_bytes)
                return file.readall()

    def list(self, prefix: str) -> tuple[Stat, ...]:
        """Return the files and folders directly in a folder, sorted by path."""
        return self._listed(prefix, lambda name: join(prefix, name))

    def leftovers(self, prefix: str) -> tuple[Stat, ...]:
        """Return the temporary files directly in a folder, sorted by path: of writers at work, and of killed ones."""
        return self._listed(prefix, lambda name: _temporary_path(prefix, name))

    def delete(self, path: str) -> None:
        """Delete one file, or a leftover, and the folders below the root that are empty then."""
        temporary = _TEMPORARY_PATH.fullmatch(path)
        if temporary is None:
            check_path(path)
        elif temporary["folder"] is not None:
            check_path(temporary["folder"])
        target = self._root / path
        with _typed_errors(f"deleting {target}"):
            self._refuse_links(path)
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.unlink(target)
            for folder in target.parents:
                if folder == self._root or not _remove_if_empty(folder):
                    return

    def _listed(self, prefix: str, path_of: Callable[[str], str | None]) -> tuple[Stat, ...]:
        folder = self._root / check_prefix(prefix)
        with _typed_errors(f"listing {folder}"):
            if prefix:
                self._refuse_links(prefix)
            try:
                with os.scandir(folder) as entries:
                    found = [_stat(entry, path_of(entry.name)) for entry in entries]
            except (FileNotFoundError, NotADirectoryError):
                return ()
        return tuple(sorted((stat for stat in found if stat is not None), key=lambda stat: stat.path))

    def _refuse_links(self, path: str) -> None:
        """Raise an error if any part of the path is a symbolic link: it could lead out of the root."""
        current = self._root
        for name in path.split("/"):
            current /= name
            try:
                mode = os.lstat(current).st_mode
            except (FileNotFoundError, NotADirectoryError):
                return
            if modes.S_ISLNK(mode):
                raise StorageError(f"{current} is a symbolic link: artifacts are never reached through one")


@contextlib.contextmanager
def _typed_errors(what: str) -> Iterator[None]:
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise os_error(error, what) from error


def _open_temporary(folder: Path) -> tuple[int, Path]:
    """Return a new file in the folder, which is made if need be, as a descriptor open for writing, and its path."""
    for _ in range(_ATTEMPTS):
        _make_folder(folder)
        temporary = folder / f"{_TEMPORARY}{secrets.token_hex(8)}"
        with contextlib.suppress(FileNotFoundError):
            # 0o666, less the umask: a tracking server that runs as another user reads these files.
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NOFOLLOW | _BINARY
            return os.open(temporary, flags, 0o666), temporary
    raise StorageError(f"{folder} was removed {_ATTEMPTS} times while a file was to be written there")


def _make_folder(folder: Path) -> None:
    """Make the folder and those above it, each of them on the disk before this returns."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with contextlib.suppress(FileExistsError, FileNotFoundError):
        folder.mkdir()
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk; nothing where the system (Windows, some network mounts) can't."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _temporary_path(prefix: str, name: str) -> str | None:
    if not _TEMPORARY_PATH.fullmatch(name):
        return None
    return f"{prefix}/{name}" if prefix else name


def _stat(entry: os.DirEntry[str], path: str | None) -> Stat | None:
    """Return what a listing says of an entry; None for what is no artifact."""
    if path is None:
        return None
    if entry.is_dir(follow_symlinks=False):
        return Stat(path, None, None, is_folder=True)
    if not entry.is_file(follow_symlinks=False):
        return None
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None  # deleted since
    return Stat(path, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def _remove_if_empty(folder: Path) -> bool:
    """Return whether the folder is gone: it held nothing, or only what writers killed over a day ago left behind."""
    oldest = time.time() - _LEFTOVER_SECONDS
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith(_TEMPORARY) or entry.stat(follow_symlinks=False).st_mtime > oldest:
                    return False
                os.unlink(entry.path)
        folder.rmdir()
    except OSError:
        return False  # somebody wrote there meanwhile, or may, and this user may not
    return True
