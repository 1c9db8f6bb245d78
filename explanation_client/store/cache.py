"""A folder of files by their SHA-256: what was downloaded once is not moved again.

Safe for several processes: files appear by an atomic rename and are never changed. Whatever is read back is checked
by the caller, as if it came from the network. A folder that can't be written is no error: nothing is cached then.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

from explanation_client.artifacts import Buffer

_log = logging.getLogger(__name__)
DEFAULT_MAX_BYTES = 2 << 30
# Room is made for many files at a time, and looked for after every sixteenth small file (by its digest): walking the
# folder costs more than writing to it.
_SLACK = 0.9


def user_folder() -> Path:
    """Return the folder for this user's cache: ``EXPLANATION_CLIENT_HOME``, or one in the system's cache folder.

    Raises
    ------
    RuntimeError
        The user has no home folder.

    """
    chosen = os.environ.get("EXPLANATION_CLIENT_HOME")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "explanation-client"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "explanation-client"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "explanation-client"


@dataclass(frozen=True, slots=True)
class FileCache:
    """Files by digest under a folder, at most about ``max_bytes`` of them.

    Parameters
    ----------
    folder : Path
    max_bytes : int
        0 turns the cache off. Past it, the files that were used longest ago go first.

    """

    folder: Path
    max_bytes: int = DEFAULT_MAX_BYTES

    def get(self, sha256: str) -> bytes | None:
        """Return the file with that digest, or None. The bytes are not checked here."""
        if not self.max_bytes:
            return None
        path = self._path(sha256)
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        return data

    def put(self, sha256: str, data: Buffer) -> None:
        """Keep a file, if there is room for it and the folder can be written."""
        if not self.max_bytes or len(memoryview(data)) > self.max_bytes // 2:
            return
        path = self._path(sha256)
        temporary = path.with_name(f".{sha256}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            temporary.replace(path)
        except OSError as error:
            _log.warning("nothing is cached in %s: %s", self.folder, error)
            with contextlib.suppress(OSError):
                temporary.unlink()
            return
        if int(sha256[:1], 16) == 0 or len(memoryview(data)) > self.max_bytes // 64:
            self._make_room()

    def drop(self, sha256: str) -> None:
        """Forget a file that turned out to be damaged."""
        with contextlib.suppress(OSError):
            self._path(sha256).unlink()

    def _path(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / sha256

    def _make_room(self) -> None:
        entries: list[tuple[float, int, Path]] = []
        with contextlib.suppress(OSError):
            for path in self.folder.glob("??/*"):
                # Another process may remove files while this one looks.
                with contextlib.suppress(OSError):
                    stat = path.stat()
                    entries.append((stat.st_mtime, stat.st_size, path))
        size = sum(entry[1] for entry in entries)
        if size <= self.max_bytes:
            return
        for _, bytes_freed, path in sorted(entries, key=lambda entry: entry[0]):
            if size <= self.max_bytes * _SLACK:
                return
            with contextlib.suppress(OSError):
                path.unlink()
            size -= bytes_freed


def default_cache() -> FileCache:
    """Return this user's cache; ``EXPLANATION_CLIENT_CACHE_BYTES`` bounds it, 0 turns it off."""
    text = os.environ.get("EXPLANATION_CLIENT_CACHE_BYTES", "")
    try:
        folder = user_folder() / "files"
    except RuntimeError as error:
        _log.warning("nothing is cached: %s. Set EXPLANATION_CLIENT_HOME to a folder", error)
        return FileCache(Path(), max_bytes=0)
    return FileCache(folder, int(text) if text.isdigit() else DEFAULT_MAX_BYTES)
