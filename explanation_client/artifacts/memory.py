"""Files in memory: for tests, and for passing stored bytes around within a process."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from explanation_client.artifacts.base import Buffer, Stat, byte_view, check_path, check_prefix, too_large
from explanation_client.errors import ArtifactMissingError


class MemoryArtifacts:
    """An artifact store in a dictionary of this process; see :class:`~explanation_client.artifacts.Artifacts`."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[bytes, datetime]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"MemoryArtifacts({len(self._files)} files)"

    def write(self, path: str, data: Buffer) -> None:
        """Keep a copy of the data under the path."""
        check_path(path)
        copied = bytes(byte_view(data))
        with self._lock:
            self._files[path] = (copied, datetime.now(UTC))

    def read(self, path: str, *, max_bytes: int | None = None) -> bytes:
        """Return the bytes under the path."""
        check_path(path)
        with self._lock:
            found = self._files.get(path)
        if found is None:
            raise ArtifactMissingError(f"there is no file {path!r}")
        if max_bytes is not None and len(found[0]) > max_bytes:
            raise too_large(path, size=len(found[0]), max_bytes=max_bytes)
        return found[0]

    def list(self, prefix: str) -> tuple[Stat, ...]:
        """Return the files and folders directly in a folder, sorted by path."""
        start = f"{check_prefix(prefix)}/" if prefix else ""
        with self._lock:
            files = [(path, len(data), time) for path, (data, time) in self._files.items() if path.startswith(start)]
        stats: dict[str, Stat] = {}
        for path, size, modified in files:
            name, slash, _ = path[len(start) :].partition("/")
            entry = start + name
            stats[entry] = Stat(entry, None, None, is_folder=True) if slash else Stat(entry, size, modified)
        return tuple(stats[path] for path in sorted(stats))

    def delete(self, path: str) -> None:
        """Forget the file, if there is one."""
        check_path(path)
        with self._lock:
            self._files.pop(path, None)
