"""Real scoring services for tests and benchmarks: ``explanation-client serve`` in processes of its own.

::

    with running_service(tmp_path, "scoring_explainer", "--workers", "2") as service:
        requests.post(service.scoring_uri, '{"data": [[1.0, 2.0]]}', headers=JSON)
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.servers import free_port

START_SECONDS = 240.0
STOP_SECONDS = 60.0


@dataclass(slots=True)
class ScoringService:
    """One service on a free loopback port.

    Attributes
    ----------
    folder
        Holds the log.
    arguments
        Of ``explanation-client serve``, without the port.
    environment
        Variables over those of the tests.
    command
        Starts something else that answers at ``/ping``; ``{port}`` stands for the port.
    """

    folder: Path
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = (sys.executable, "-m", "explanation_client.cli", "serve", "--port", "{port}")
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Address of the service."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def scoring_uri(self) -> str:
        """Where rows are posted to."""
        return f"{self.uri}/score"

    @property
    def log(self) -> str:
        """What the service has printed."""
        return (self.folder / "service.log").read_text(errors="replace")

    def start(self, *, wait: bool = True) -> None:
        """Start the service, and wait until it answers."""
        command = [part.format(port=self.port) for part in (*self.command, *self.arguments)]
        with (self.folder / "service.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, env=self._variables())
        if wait:
            self._wait_until_ready()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> int:
        """Tell the service to stop, and return its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """End what is left of the service at once."""
        if self.process is None:
            return
        for pid in self.descendants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def descendants(self) -> list[int]:
        """Return the ids of the processes that the service has started, workers among them."""
        assert self.process is not None
        found, unseen = [], [self.process.pid]
        while unseen:
            children = _children(unseen.pop())
            found += children
            unseen += children
        return found

    def _variables(self) -> dict[str, str]:
        # MLflow calls programs by name that lie beside this interpreter.
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
        return {**os.environ, "PATH": path, **self.environment}

    def _wait_until_ready(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the service ended while starting:\n{self.log[-3000:]}")
            with (
                contextlib.suppress(urllib.error.URLError, OSError),
                urllib.request.urlopen(f"{self.uri}/ping", timeout=60) as response,
            ):
                if response.status == 200:
                    return
            time.sleep(0.05)
        raise TimeoutError(f"the service did not answer within {START_SECONDS:.0f} s:\n{self.log[-3000:]}")


@contextlib.contextmanager
def running_service(
    folder: Path, *arguments: object, environment: Mapping[str, str] | None = None
) -> Iterator[ScoringService]:
    """Yield a running service; it ends with the block."""
    service = ScoringService(folder, tuple(str(argument) for argument in arguments), environment or {})
    try:
        service.start()
        yield service
        service.stop()
    finally:
        service.kill()


def cpu_seconds(pids: list[int]) -> float:
    """Return the processor time that processes have used so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_bytes(pids: list[int]) -> int:
    """Return the memory that processes hold, without what is only mapped."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE")


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found
