"""One process of the stack: started, waited for, stopped, killed."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START_SECONDS = 240.0  # an mlflow server took up to 115 s on a loaded two-core machine
STOP_SECONDS = 20.0
_QUOTED = 3000


class StackError(Exception):
    """The stack, or a part of it, can't be started."""


def free_port(wanted: int = 0) -> int:
    """Return ``wanted`` if nothing listens on that port of 127.0.0.1, else a free one."""
    for port in (wanted, 0) if wanted else (0,):
        with socket.socket() as probe, contextlib.suppress(OSError):
            # As servers do: a port whose last connections are still timing out is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise StackError("no port of 127.0.0.1 is free")


def answers(address: str) -> bool:
    """Return whether a GET of an http address succeeds."""
    with (
        contextlib.suppress(urllib.error.URLError, OSError),
        urllib.request.urlopen(address, timeout=5) as response,
    ):
        return bool(response.status == 200)
    return False


@dataclass(slots=True)
class Service:
    """One process, with all its children, and the file that has what it printed.

    Parameters
    ----------
    name : str
        For messages.
    command : sequence of str
    log : Path
        Appended to.
    is_ready : callable
        Whether it answers; asked again and again after the start.
    environment : mapping, optional
        The whole of it; that of this process unless given.
    user : str, optional
        Who it runs as, where that is not who starts it. Only root can give one.
    ends_by : signal
        What asks it to end.

    """

    name: str
    command: Sequence[str]
    log: Path
    is_ready: Callable[[], bool]
    environment: Mapping[str, str] | None = None
    user: str | None = None
    ends_by: signal.Signals = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def is_running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start the process, and return at once."""
        if self.process is not None:
            raise StackError(f"{self.name} is already running")
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C in a terminal does not reach it, and one signal reaches all its children.
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                cwd=self.log.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **as_user(self.user),
            )

    def wait_until_ready(self, timeout: float = START_SECONDS) -> None:
        """Return once the process answers.

        Raises
        ------
        StackError
            It ended, or did not answer in time: the message has the end of what it printed.

        """
        deadline = time.monotonic() + timeout
        while not self.is_ready():
            if not self.is_running:
                raise StackError(f"{self.name} ended while starting. The end of {self.log}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise StackError(f"{self.name} did not answer in {timeout:.0f} s. {self.log} ends:\n{self.log_tail()}")
            time.sleep(0.1)

    def stop(self, timeout: float = STOP_SECONDS) -> None:
        """Ask the process to end, and kill it if it has not in time."""
        if self.process is None:
            return
        try:
            self.process.send_signal(self.ends_by)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout)
        finally:  # a second Ctrl-C ends the patience, and leaves no process behind
            self.kill()

    def kill(self) -> None:
        """End the process and its children at once, whatever they are doing."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def log_tail(self) -> str:
        """Return the end of what the process printed."""
        return self.log.read_text(errors="replace")[-_QUOTED:] if self.log.exists() else ""


def as_user(user: str | None) -> dict[str, Any]:
    """Return the arguments of ``subprocess`` that run a program as a user, with that user's group and no other."""
    if user is None:
        return {}
    import pwd

    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
