"""Starts the workers of a service, replaces them, and stops them: no request is lost on the way.

The supervisor holds the listening socket and answers nothing itself; workers inherit the socket. SIGHUP replaces them
one by one: the new worker loads the model and accepts requests before the old one is told to stop, and where it can't
start the old one stays. A worker that dies is replaced. SIGTERM and SIGINT stop the service once what has arrived is
answered.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from explanation_client.errors import ExplanationError, InvalidArgumentError, MissingDependencyError
from explanation_client.serving.assignment import Assignment
from explanation_client.serving.metrics import create_file
from explanation_client.serving.options import ServiceOptions

# For a worker to import its packages, load the model and replay its self-test, on a machine that does other things too.
_START_SECONDS = 300.0
# A worker that has lived so long and dies is replaced at once; if it dies sooner, after a pause that doubles each time.
_LONG_LIFE = 60.0
_LONGEST_PAUSE = 30.0
# Beyond ``stop_seconds``, for a last sample to be stored.
_LAST_SAMPLE_SECONDS = 30.0
_BACKLOG = 2048
_ENDING = (signal.SIGTERM, signal.SIGINT)
_log = logging.getLogger("explanation_client.serving")


class StartError(ExplanationError):
    """A worker could not start; it has said why."""


def serve(options: ServiceOptions) -> None:
    """Serve a scoring explainer until SIGTERM or SIGINT; on SIGHUP load it again, without losing a request.

    Raises
    ------
    InvalidArgumentError
        Nothing can listen at that address, or this is Windows, where worker processes can't share a socket: pass
        :func:`~explanation_client.serving.create_app` to a server there.
    StartError
        A worker could not start.

    """
    for package in ("fastapi", "orjson", "uvicorn"):
        if find_spec(package) is None:
            raise MissingDependencyError(package, extra="serve", needed_for="serving")
    if os.name == "nt":
        raise InvalidArgumentError(
            "worker processes can't share a socket on Windows: serve create_app(...) with uvicorn"
        )
    Supervisor(options, _listen(options.host, options.port)).run()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise InvalidArgumentError(f"nothing can listen at {host}, port {port}: {error.strerror or error}") from error
    return listening


@dataclass(slots=True)
class _Worker:
    process: subprocess.Popen[bytes]
    slot: int
    ready_fd: int
    started: float = field(default_factory=time.monotonic)


class Supervisor:
    """The processes of one service.

    Parameters
    ----------
    options : ServiceOptions
    listening : socket
        From here on it is the supervisor's.

    """

    def __init__(self, options: ServiceOptions, listening: socket.socket) -> None:
        self._options = options
        self._listening = listening
        self._workers: list[_Worker] = []
        self._signals: set[int] = set()
        self._pause = 0.0
        self._metrics = Path()

    def run(self) -> None:
        """Serve until told to stop.

        Raises
        ------
        StartError
            A worker could not start.

        """
        with self._listening, self._noticing_signals(), tempfile.TemporaryDirectory() as folder:
            self._metrics = Path(folder) / "metrics"
            # While workers are replaced there is one more of them than there should be.
            create_file(self._metrics, self._options.workers + 1)
            try:
                self._workers = [self._launch(slot) for slot in range(self._options.workers)]
                if all(self._is_ready(worker) for worker in self._workers):
                    self._announce()
                    self._watch()
                elif not self._is_ending:
                    raise StartError(
                        f"the service did not start: see above why {self._options.directory} can't be served"
                    )
            finally:
                # Whoever connects from here on is refused, rather than left to wait.
                self._listening.close()
                self._stop(self._workers)

    @property
    def _is_ending(self) -> bool:
        return not self._signals.isdisjoint(_ENDING)

    def _announce(self) -> None:
        host, port = self._listening.getsockname()[:2]
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        what = self._options.script or self._options.directory
        _log.info("serving %s at %s, workers: %d", what, address, len(self._workers))

    def _watch(self) -> None:
        while not self._is_ending:
            if signal.SIGHUP in self._signals:
                self._signals.discard(signal.SIGHUP)
                self._replace_all()
            dead = [worker for worker in self._workers if worker.process.poll() is not None]
            for worker in dead:
                self._replace_dead(worker)
            if not dead:
                self._sleep(None)
        _log.info("stopping")

    def _replace_all(self) -> None:
        _log.info("loading %s again", self._options.directory)
        for old in list(self._workers):
            new = self._launch(self._free_slot())
            if not self._is_ready(new):
                if not self._is_ending:
                    _log.error("a new worker could not start: the old ones go on")
                self._stop([new])
                return
            self._workers[self._workers.index(old)] = new
            self._stop([old])
        self._announce()

    def _replace_dead(self, worker: _Worker) -> None:
        lived = time.monotonic() - worker.started
        self._pause = 0.0 if lived > _LONG_LIFE else min(_LONGEST_PAUSE, max(1.0, 2 * self._pause))
        status = worker.process.returncode
        _log.error("worker %d died (status %d): another one in %g s", worker.process.pid, status, self._pause)
        until = time.monotonic() + self._pause
        while time.monotonic() < until and not self._is_ending:
            self._sleep(until - time.monotonic())
        if self._is_ending:
            return
        self._forget(worker)
        new = self._launch(worker.slot)
        self._workers[self._workers.index(worker)] = new
        if not self._is_ready(new):
            # It is found dead on the next look, and its successor waits longer.
            new.process.kill()
            new.process.wait()

    def _free_slot(self) -> int:
        return min(set(range(self._options.workers + 1)) - {worker.slot for worker in self._workers})

    def _launch(self, slot: int) -> _Worker:
        ready, tell = os.pipe()
        assignment = Assignment(
            options=self._options,
            metrics_file=str(self._metrics),
            slot=slot,
            listen_fd=self._listening.fileno(),
            ready_fd=tell,
        )
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "explanation_client.serving.worker"],
                stdin=subprocess.PIPE,
                pass_fds=(self._listening.fileno(), tell),
                # The same code as here, wherever it comes from.
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                # Ctrl-C at a terminal is for the supervisor alone.
                process_group=0,
            )
        finally:
            os.close(tell)
        assert process.stdin is not None
        try:
            process.stdin.write(f"{assignment.to_json()}\n".encode())
            process.stdin.flush()
        except BrokenPipeError:
            # It died at once, and is found dead by whoever waits for it.
            pass
        return _Worker(process, slot, ready)

    def _is_ready(self, worker: _Worker) -> bool:
        """Wait until a worker accepts requests; return False where it could not start, or the service is to end."""
        until = time.monotonic() + _START_SECONDS
        while not self._is_ending and (left := until - time.monotonic()) > 0:
            readable, _, _ = select.select([worker.ready_fd, self._wake], [], [], left)
            if worker.ready_fd in readable:
                return os.read(worker.ready_fd, 1) == b"1"
            self._drain_wake()
        return False

    def _stop(self, workers: list[_Worker]) -> None:
        """Tell workers to stop, wait until they have answered what has arrived, kill those that take too long."""
        for worker in workers:
            if worker.process.poll() is None:
                worker.process.terminate()
        until = time.monotonic() + self._options.stop_seconds + _LAST_SAMPLE_SECONDS
        for worker in workers:
            try:
                worker.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                _log.error("worker %d did not stop in time and is killed", worker.process.pid)
                worker.process.kill()
                worker.process.wait()
            self._forget(worker)

    def _forget(self, worker: _Worker) -> None:
        """Close what is left of a worker that has ended."""
        if worker.ready_fd >= 0:
            os.close(worker.ready_fd)
            worker.ready_fd = -1
        if worker.process.stdin is not None:
            worker.process.stdin.close()

    @contextmanager
    def _noticing_signals(self) -> Iterator[None]:
        """Wake up from any wait when a signal arrives, and remember which."""
        self._wake, told = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(told, False)
        before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        handlers = {number: signal.signal(number, self._notice) for number in (*_ENDING, signal.SIGHUP, signal.SIGCHLD)}
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)
            os.close(self._wake)
            os.close(told)

    def _notice(self, number: int, _: FrameType | None) -> None:
        self._signals.add(number)

    def _sleep(self, seconds: float | None) -> None:
        """Wait for a signal, the end of a worker among them, or for some seconds."""
        select.select([self._wake], [], [], seconds)
        self._drain_wake()

    def _drain_wake(self) -> None:
        try:
            os.read(self._wake, 4096)
        except BlockingIOError:
            return
