"""Writing files while others are still being computed: a few at a time, each checked before its bytes are given up."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace

from explanation_client.artifacts import Artifacts
from explanation_client.errors import StorageError, StorageUnreachableError
from explanation_client.format import EncodedFile, FileEntry, file_name
from explanation_client.store.retry import Deadline, retrying
from explanation_client.store.write import Job, new_nonce

# One file travels while another is encoded. Each holds a shard, and its bytes.
AT_A_TIME = 2
# How long a stream that failed waits for what still travels, before it deletes what has arrived.
_PATIENCE = 10.0


class StreamWriter:
    """Writes the files of one part of a stream.

    Parameters
    ----------
    artifacts : Artifacts
    folder : str
        Where in them.
    timeout : float
        Seconds for each file, all retries included.
    at_a_time : int
        Files that are encoded and written while the caller goes on.

    """

    def __init__(self, artifacts: Artifacts, folder: str, *, timeout: float, at_a_time: int = AT_A_TIME) -> None:
        self._artifacts = artifacts
        self._folder = folder
        self._timeout = timeout
        self._stop = threading.Event()
        self._attempted: set[str] = set()
        self._at_a_time = at_a_time
        self._pool = ThreadPoolExecutor(at_a_time, thread_name_prefix="explanation-stream")
        self._futures: list[Future[FileEntry]] = []

    def submit(self, job: Job) -> None:
        """Encode and write a file in the background; waits while as many are under way as may be.

        Raises
        ------
        StorageError, InvalidExplanationError
            An earlier file could not be written, or not be encoded.

        """
        self._check()
        waiting = [future for future in self._futures if not future.done()]
        if len(waiting) >= self._at_a_time:
            wait(waiting, return_when=FIRST_COMPLETED)
            self._check()
        self._futures.append(self._pool.submit(self._write, job))

    def finish(self) -> tuple[FileEntry, ...]:
        """Return the entries of all files, in the order in which they were submitted, once all are written."""
        entries = tuple(future.result() for future in self._futures)
        self._pool.shutdown(wait=False)
        return entries

    def abort(self, *, delete: bool) -> None:
        """Stop writing; delete what was written, as far as the store lets it. Garbage collection finds the rest."""
        self._stop.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        wait([future for future in self._futures if not future.cancelled()], timeout=_PATIENCE)
        # The first that fails is the last that is tried: the store is away, and each would wait.
        with contextlib.suppress(StorageError):
            for name in sorted(self._attempted) if delete else ():
                self._artifacts.delete(f"{self._folder}/{name}")

    def _check(self) -> None:
        for future in self._futures:
            if future.done() and future.exception() is not None:
                future.result()

    def _write(self, job: Callable[[], EncodedFile]) -> FileEntry:
        encoded = job()

        def attempt() -> FileEntry:
            name = file_name(encoded.entry, new_nonce())
            self._attempted.add(name)
            self._artifacts.write(f"{self._folder}/{name}", encoded.data)
            # Some servers publish a truncated file when the connection breaks, and answer that all is well. The bytes
            # are still here, and will not be later.
            sizes = {stat.name: stat.size for stat in self._artifacts.list(self._folder)}
            if sizes.get(name, -1) not in (encoded.entry.size, None):
                raise StorageUnreachableError(f"{name} was stored with another size than was sent")
            return replace(encoded.entry, name=name)

        what = f"storing {encoded.entry.role}"
        return retrying(attempt, deadline=Deadline.after(self._timeout), what=what, stop=self._stop)
