"""The stack (PostgreSQL, an S3-compatible store, MLflow) for tests: started once, whatever number of workers asks.

The first test that needs it starts a process of its own, ``python -m tests.support.stack``, which runs the stack until
pytest ends. A start costs about 25 seconds of CPU. Whoever runs tests again and again keeps one running, and names its
folder::

    python -m tests.support.stack /tmp/stack $$ &
    EXPLANATION_CLIENT_STACK=/tmp/stack python -m pytest tests/conformance/test_s3.py
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.stack import programs, running_stack
from scripts.stack.object_store import check_installed
from tests.support.servers import START_SECONDS, Run, StartedBy, TrackingServer, create_run, running_server

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class SharedStack:
    """Where the running stack is. Do not stop a part of it.

    Attributes
    ----------
    tracking_uri
        An ``mlflow server`` (uvicorn) on PostgreSQL, which keeps artifacts in S3.
    database_uri
        Its database: another server on it knows the same runs.
    bucket
        Of the object store; ``artifacts/`` in it is the server's.
    environment
        What a server, or a client without one between, needs to reach the object store.

    """

    tracking_uri: str
    database_uri: str
    bucket: str
    environment: dict[str, str]

    @property
    def endpoint(self) -> str:
        """Address of the object store."""
        return self.environment["MLFLOW_S3_ENDPOINT_URL"]

    @property
    def artifacts_destination(self) -> str:
        """Where the server keeps artifacts."""
        return f"s3://{self.bucket}/artifacts"

    def run_through_server(self) -> Run:
        """Return a new run whose artifacts go through the tracking server to S3."""
        return create_run(self.tracking_uri, experiment="through the server")

    def run_in_s3(self) -> Run:
        """Return a new run whose artifacts clients keep in S3 themselves; they need ``environment``."""
        location = f"s3://{self.bucket}/direct"
        return create_run(self.tracking_uri, experiment="straight to S3", artifact_location=location)

    def run_in_folder(self, folder: Path) -> Run:
        """Return a new run of an experiment of its own, whose artifacts clients keep in a folder of this machine."""
        return create_run(self.tracking_uri, experiment=f"in {folder}", artifact_location=str(folder))


@contextlib.contextmanager
def server_on(
    stack: SharedStack,
    folder: Path,
    started_by: StartedBy,
    *,
    in_s3: bool,
    environment: Mapping[str, str] | None = None,
) -> Iterator[TrackingServer]:
    """Yield another tracking server on the stack's PostgreSQL, with artifacts in files below ``folder`` or in S3."""
    with running_server(
        folder,
        started_by=started_by,
        backend_store_uri=stack.database_uri,
        artifacts_destination=stack.artifacts_destination if in_s3 else None,
        environment={**(stack.environment if in_s3 else {}), **(environment or {})},
    ) as server:
        yield server


def check_programs() -> None:
    """Raise ``NotInstalledError`` where the machine lacks what the stack needs."""
    programs.of_postgresql("initdb")
    check_installed()


def shared_stack(pytest_pid: int) -> SharedStack:
    """Return the stack of a run of pytest, started by the first that asks."""
    if kept := os.environ.get("EXPLANATION_CLIENT_STACK"):
        return SharedStack(**json.loads((Path(kept) / "state.json").read_text()))
    # Not below pytest's folder: the user that PostgreSQL runs as can't enter that.
    folder = Path(tempfile.gettempdir()) / f"explanation-client-stack-{pytest_pid}"
    with folder.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = folder / "state.json"
        if not state.exists():
            _start(folder, pytest_pid)
        return SharedStack(**json.loads(state.read_text()))


def _start(folder: Path, pytest_pid: int) -> None:
    folder.mkdir(mode=0o755)  # to be entered by others
    with (folder / "stack.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.stack", str(folder), str(pytest_pid)],
            cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + 2 * START_SECONDS
    while not (folder / "state.json").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.terminate()
            raise RuntimeError(f"the stack did not start:\n{(folder / 'stack.log').read_text()[-3000:]}")
        time.sleep(0.2)
    process.returncode = 0  # nobody waits for it: it outlives whoever started it


def _run(folder: Path, pytest_pid: int) -> None:
    """Run the stack until that process has ended, and remove its data."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with running_stack(folder, durable=False) as stack:
            state = {
                "tracking_uri": stack.tracking_uri,
                "database_uri": stack.database.uri(),
                "bucket": stack.bucket,
                "environment": stack.object_store.environment,
            }
            (folder / "state.new").write_text(json.dumps(state))
            os.replace(folder / "state.new", folder / "state.json")
            while _exists(pytest_pid):
                time.sleep(0.5)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_suffix(".lock").unlink(missing_ok=True)


def _exists(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


if __name__ == "__main__":
    _run(Path(sys.argv[1]), int(sys.argv[2]))
