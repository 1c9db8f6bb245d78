"""Fixtures that the whole suite shares."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.servers import Run, TrackingServer, running_server

if TYPE_CHECKING:
    from tests.support.stack import SharedStack

# Before anything imports mlflow: no test talks to anyone but servers of its own.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
for _name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_WORKSPACE"):
    os.environ.pop(_name, None)


@pytest.fixture(scope="session")
def tracking_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    """A running ``mlflow server`` (uvicorn, one worker, sqlite, proxied artifacts), shared by the session.

    Do not kill it; a test that needs to starts its own with ``running_server``.
    """
    with running_server(tmp_path_factory.mktemp("tracking_server")) as server:
        yield server


@pytest.fixture(scope="session")
def gunicorn_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    """The same under gunicorn, which publishes a file whose upload was cut. Shared: do not kill it."""
    with running_server(tmp_path_factory.mktemp("gunicorn_server"), started_by="gunicorn") as server:
        yield server


@pytest.fixture
def run(tracking_server: TrackingServer) -> Run:
    """A new run on the shared tracking server."""
    return tracking_server.create_run()


@pytest.fixture(scope="session")
def stack() -> SharedStack:
    """PostgreSQL, an S3-compatible store, and an ``mlflow server`` on both, shared by all workers: stop no part."""
    from scripts.stack import NotInstalledError
    from tests.support.stack import check_programs, shared_stack

    try:
        check_programs()
    except NotInstalledError as error:
        pytest.skip(str(error))
    # A worker's parent is the pytest that was started.
    return shared_stack(os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid())


@pytest.fixture
def s3_environment(stack: SharedStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process, and those it starts, what a client needs that talks to the object store itself."""
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
