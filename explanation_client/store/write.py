"""Writing an explanation: data files first, the manifest last.

An explanation exists once a manifest does whose name carries the SHA-256 of its own bytes. Every attempt to write a
file has a name of its own, so that a late write of an attempt that was given up can't damage what a retry finished.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from explanation_client.artifacts import Artifacts
from explanation_client.errors import ExplanationError, StorageError, StorageUnreachableError
from explanation_client.explanation import Explanation
from explanation_client.format import (
    EncodedFile,
    FileEntry,
    Manifest,
    build_manifest,
    dump_manifest,
    file_name,
    manifest_name,
    parse_manifest,
    plan,
)
from explanation_client.info import ExplanationInfo, new_id
from explanation_client.store import folder_of
from explanation_client.store.retry import Deadline, retrying

# One thread encodes and hashes while others wait for the network; more would only hold more shards in memory.
_THREADS = 3
_REWRITES = 3

Progress = Callable[[int], None]
Job = Callable[[], EncodedFile]


@dataclass(frozen=True, slots=True)
class Committed:
    """A manifest that has been stored, and the name of its file."""

    manifest: Manifest
    name: str


def write_explanation(
    artifacts: Artifacts,
    explanation: Explanation,
    *,
    info: ExplanationInfo,
    include_view: bool,
    deadline: Deadline,
    progress: Progress | None = None,
) -> Committed:
    """Return the manifest of the explanation once it is stored, whole and read back.

    Files are encoded while earlier ones travel; memory holds a few shards at a time. Where the folder of this id turns
    out to hold files of another upload, the explanation gets an id of its own, and is written again.

    Parameters
    ----------
    artifacts : Artifacts
        Where to write.
    explanation : Explanation
        What to write, the evaluation data that it holds included; importances must be finite.
    info : ExplanationInfo
        What the manifest says of it: the explanation's, with comment, model and time of upload.
    include_view : bool
        Whether a sampled copy for dashboards is stored beside it.
    deadline : Deadline
        When to give up, over everything.
    progress : callable, optional
        Called with the number of bytes after each file.

    Raises
    ------
    StorageError
        The store failed, or did not answer before the deadline. Nothing is listed then.
    InvalidExplanationError, LimitExceededError
        The explanation can't be stored. What had been written by then has been deleted.

    """
    jobs = plan(explanation, include_data=True, include_view=include_view)
    writer = _Writer(artifacts, folder_of(info.id), deadline, progress)
    try:
        files = writer.write_all(jobs)
        files = writer.rewrite_short_ones(jobs, files)
        manifest = build_manifest(explanation, files, info=info)
        data = dump_manifest(manifest)
        # What can't be read back must never exist.
        parse_manifest(data)
    except _FolderTakenError:
        writer.delete_all()
        return write_explanation(
            artifacts,
            explanation,
            info=replace(info, id=new_id()),
            include_view=include_view,
            deadline=deadline,
            progress=progress,
        )
    except StorageError:
        # The store is away: there is nobody to delete anything. Garbage collection finds the rest.
        raise
    except Exception:
        # Whatever is wrong with the explanation, or with this code, goes on to the caller; its files do not stay.
        writer.delete_all()
        raise
    return Committed(manifest, write_manifest(artifacts, folder_of(info.id), data, deadline=deadline))


def write_manifest(artifacts: Artifacts, folder: str, data: bytes, *, deadline: Deadline) -> str:
    """Return the name under which a manifest was stored and read back: the moment at which an explanation exists."""

    def attempt() -> str:
        name = manifest_name(data, new_nonce())
        artifacts.write(f"{folder}/{name}", data)
        if artifacts.read(f"{folder}/{name}", max_bytes=len(data) + 1) != data:
            raise StorageUnreachableError(f"{name} was stored with other bytes than were sent")
        return name

    return retrying(attempt, deadline=deadline, what="storing the manifest")


def new_nonce() -> str:
    """Return 16 hexadecimal digits that no other attempt has: the time in seconds, then random ones.

    The time tells garbage collection how old an attempt is where the store does not.
    """
    return f"{int(time.time()) & 0xFFFFFFFF:08x}{secrets.token_hex(4)}"


class _FolderTakenError(ExplanationError):
    """The folder holds files that this upload did not write."""


class _Writer:
    """The writes of one upload: what they share."""

    def __init__(self, artifacts: Artifacts, folder: str, deadline: Deadline, progress: Progress | None) -> None:
        self._artifacts = artifacts
        self._folder = folder
        self._deadline = deadline
        self._progress = progress
        self._stop = threading.Event()
        self._attempted: set[str] = set()

    def write_all(self, jobs: tuple[Job, ...]) -> list[FileEntry]:
        """Return the entries of all files, in the order of the jobs, once they are written."""
        # Not a `with` block, which would wait: after Ctrl-C, or a failure, what waits is dropped, and what travels
        # ends by itself.
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="explanation-upload")
        try:
            futures = [pool.submit(self._write_job, job) for job in jobs]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            failed = next((f for f in done if f.exception() is not None), None)
            if failed is not None:
                failed.result()
            return [future.result() for future in futures]
        except BaseException:
            self._stop.set()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def rewrite_short_ones(self, jobs: tuple[Job, ...], files: list[FileEntry]) -> list[FileEntry]:
        """Return the entries after a listing showed each file in its full size; write again what it did not.

        Some servers publish a truncated file when the connection breaks, and answer that all is well.

        The same listing tells two uploads under one id apart, whoever they are: both list after they have written, so
        that at least the later one sees the other's files.
        """
        for rewrites_left in reversed(range(_REWRITES + 1)):
            listing = retrying(
                lambda: self._artifacts.list(self._folder), deadline=self._deadline, what="listing what was stored"
            )
            sizes = {stat.name: stat.size for stat in listing}
            if not sizes.keys() <= self._attempted:
                raise _FolderTakenError(f"{self._folder} holds files of another upload")
            short = [i for i, entry in enumerate(files) if sizes.get(entry.name, -1) not in (entry.size, None)]
            if not short:
                return files
            if rewrites_left:
                for position in short:
                    files[position] = self._write_job(jobs[position])
        names = ", ".join(files[position].name for position in short)
        raise StorageUnreachableError(f"the store keeps other sizes than were sent, {_REWRITES} times over: {names}")

    def delete_all(self) -> None:
        """Delete what this upload has written, as far as the store lets it: garbage collection finds the rest."""
        for name in sorted(self._attempted):
            with contextlib.suppress(StorageError):
                self._artifacts.delete(f"{self._folder}/{name}")

    def _write_job(self, job: Job) -> FileEntry:
        encoded = job()

        def attempt() -> FileEntry:
            name = file_name(encoded.entry, new_nonce())
            self._attempted.add(name)
            self._artifacts.write(f"{self._folder}/{name}", encoded.data)
            return replace(encoded.entry, name=name)

        what = f"storing {encoded.entry.role}"
        written = retrying(attempt, deadline=self._deadline, what=what, stop=self._stop)
        if self._progress is not None:
            self._progress(written.size)
        return written
