"""Real MLflow tracking servers for tests: started on a free loopback port, killed and restarted at will.

Typical use, in a test module::

    with running_server(tmp_path) as server:
        run = server.create_run()
        store = RunArtifacts(run.artifact_uri, tracking_uri=server.uri)
        server.kill()           # SIGKILL, as a power cut would
        server.start()          # the same port, the same database, the same files

Starting a server costs 10 to 20 seconds of CPU, so most tests share the session fixtures ``tracking_server`` (uvicorn)
and ``gunicorn_server`` of ``tests/conftest.py``; only tests that kill a server start their own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

StartedBy = Literal["uvicorn", "gunicorn"]

START_SECONDS = 240.0  # a loaded two-core machine took up to 115 s
STOP_SECONDS = 5.0


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a test: what a client needs in order to store artifacts under it."""

    run_id: str
    experiment_id: str
    artifact_uri: str
    tracking_uri: str


def create_run(tracking_uri: str, *, experiment: str = "tests", artifact_location: str | None = None) -> Run:
    """Return a new run of the experiment, which is created if need be, with artifacts at ``artifact_location``."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(tracking_uri=tracking_uri)
    try:
        experiment_id = client.create_experiment(experiment, artifact_location)
    except MlflowException:
        found = client.get_experiment_by_name(experiment)
        if found is None:
            raise
        experiment_id = found.experiment_id
    info = client.create_run(experiment_id).info
    return Run(info.run_id, experiment_id, info.artifact_uri, tracking_uri)


@dataclass(slots=True)
class TrackingServer:
    """One ``mlflow server`` with proxied artifacts, on sqlite and files below ``folder`` unless told otherwise.

    Attributes
    ----------
    folder
        Holds the database, the artifacts and the log. Kept when the server stops.
    started_by
        Which program runs the server's code. gunicorn publishes a file whose upload was cut; uvicorn does not.
    workers
        Number of server processes.
    environment
        Variables for the server, over those of the tests.
    arguments
        More arguments of ``mlflow server``.
    artifacts_destination
        Where the server keeps artifacts; a folder below ``folder`` unless given.
    backend_store_uri
        The database; sqlite below ``folder`` unless given. Servers that share one know the same runs.
    static_prefix
        Path below which the server answers, with the slash it begins with.
    python
        The Python that runs the server: that of another environment brings another MLflow.
    """

    folder: Path
    started_by: StartedBy = "uvicorn"
    workers: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    artifacts_destination: str | None = None
    backend_store_uri: str | None = None
    static_prefix: str = ""
    python: str = sys.executable
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """The tracking URI."""
        return f"http://127.0.0.1:{self.port}{self.static_prefix}"

    @property
    def artifacts_folder(self) -> Path:
        """The folder in which the server keeps artifacts (with the default destination)."""
        return self.folder / "artifacts"

    @property
    def log_file(self) -> Path:
        """What the server printed."""
        return self.folder / "server.log"

    def start(self, *, timeout: float = START_SECONDS) -> None:
        """Start the server and wait until it answers; the same port, database and files after a ``kill``."""
        if self.process is not None:
            raise RuntimeError(f"the server at {self.uri} is already running")
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            # A session of its own, so that one signal reaches the command and all its workers.
            self.process = subprocess.Popen(
                self._command(),
                env=self._environment(),
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        try:
            self._wait_until_healthy(timeout)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Ask the server to end, and kill it if it has not within five seconds."""
        if self.process is None:
            return
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End the server and all its workers at once (SIGKILL), whatever they are doing."""
        if self.process is None:
            return
        self._signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def restart(self) -> None:
        """Kill the server and start it again on the same port."""
        self.kill()
        self.start()

    def create_run(self, *, experiment: str = "tests", artifact_location: str | None = None) -> Run:
        """Return a new run of the experiment, which is created if need be."""
        return create_run(self.uri, experiment=experiment, artifact_location=artifact_location)

    def log_tail(self, characters: int = 3000) -> str:
        """Return the end of what the server printed, for error messages."""
        return self.log_file.read_text(errors="replace")[-characters:] if self.log_file.exists() else ""

    def _command(self) -> list[str]:
        destination = self.artifacts_destination or str(self.artifacts_folder)
        command = [
            *(self.python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)),
            *("--backend-store-uri", self.backend_store_uri or f"sqlite:///{self.folder / 'mlflow.db'}"),
            *("--artifacts-destination", destination, "--workers", str(self.workers)),
        ]
        if self.started_by == "gunicorn":
            command += ["--gunicorn-opts", "--timeout 120 --graceful-timeout 3 --log-level warning"]
        if self.static_prefix:
            command += ["--static-prefix", self.static_prefix]
        return [*command, *self.arguments]

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        return {
            **inherited,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # else seven more processes and twice the start-up
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "TMPDIR": self._temporary_folder(),
            **self.environment,
        }

    def _temporary_folder(self) -> str:
        folder = self.folder / "tmp"
        folder.mkdir(exist_ok=True)
        return str(folder)

    def _wait_until_healthy(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                raise RuntimeError(f"mlflow server ended while starting:\n{self.log_tail()}")
            with (
                contextlib.suppress(urllib.error.URLError, OSError),
                urllib.request.urlopen(f"{self.uri}/health", timeout=5) as response,
            ):
                if response.status == 200:
                    return
            time.sleep(0.1)
        raise TimeoutError(f"mlflow server did not answer within {timeout:.0f} s:\n{self.log_tail()}")

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


@contextlib.contextmanager
def running_server(
    folder: Path,
    *,
    started_by: StartedBy = "uvicorn",
    workers: int = 1,
    environment: Mapping[str, str] | None = None,
    arguments: tuple[str, ...] = (),
    artifacts_destination: str | None = None,
    backend_store_uri: str | None = None,
    static_prefix: str = "",
    python: str = sys.executable,
) -> Iterator[TrackingServer]:
    """Yield a running ``mlflow server`` whose files are below ``folder``; it ends with the block."""
    server = TrackingServer(
        folder,
        started_by=started_by,
        workers=workers,
        environment=environment or {},
        arguments=arguments,
        artifacts_destination=artifacts_destination,
        backend_store_uri=backend_store_uri,
        static_prefix=static_prefix,
        python=python,
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()
