"""Clients and servers killed at any moment: never a listed explanation that does not verify.

The short form runs with the suite, the long one with `make test-long`.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from explanation_client import ExplanationClient
from tests.support.cells import ON_POSTGRESQL, SHARED, CreateRun, open_cell
from tests.support.servers import Run, StartedBy, TrackingServer, running_server
from tests.support.stack import SharedStack, server_on
from tests.support.uploads import start_upload

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path / "home"))


def seconds_of_an_upload(run: Run) -> float:
    upload = start_upload(run, "whole")
    begun = time.monotonic()
    assert upload.finished()
    return time.monotonic() - begun


def check_all(run: Run, *, finished: set[str]) -> int:
    """Assert that what is listed verifies, and that what a process saw finish is listed.

    Returned is the number of uploads that left files and no explanation.
    """
    client = ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id, timeout=120)
    listed = client.list_model_explanations()
    assert finished <= {info.comment for info in listed}
    reports = {report.id: report for report in client.verify()}
    for info in listed:
        assert reports.pop(info.id).ok
    # What is not listed is either whole (killed before its tag was set) or no explanation at all.
    for report in reports.values():
        if report.committed:
            assert len(report.problems) == 1
            assert "it is not listed" in report.problems[0]
    return sum(not report.committed for report in reports.values())


def chance() -> random.Random:
    """Return random moments that can be had again: the seed is in the output of a test that fails."""
    seed = int(os.environ.get("EXPLANATION_CLIENT_SEED", str(time.time_ns() % 100_000)))
    print(f"EXPLANATION_CLIENT_SEED={seed}")
    return random.Random(seed)


def kill_clients(create_run: CreateRun, times: int) -> None:
    moments = chance()
    run = create_run()
    duration = seconds_of_an_upload(run)
    finished = {"whole"}
    killed = half_way = 0
    for number in range(times):
        upload = start_upload(run, f"attempt {number}")
        time.sleep(moments.uniform(0, 1.1 * duration))
        upload.kill()
        if upload.finished():
            finished.add(f"attempt {number}")
        else:
            killed += 1
        if number % 10 == 9:
            half_way += check_all(run, finished=finished)
            run = create_run()
            finished = set()
    half_way += check_all(run, finished=finished)
    print(f"of {times} uploads {killed} were killed before their end, {half_way} of them after their first file")


def kill_servers(server: TrackingServer, times: int) -> None:
    moments = chance()
    for number in range(times):
        run = server.create_run()
        upload = start_upload(run, f"attempt {number}")
        time.sleep(moments.uniform(0.02, 0.8))
        server.kill()
        server.start()
        assert upload.finished()
        check_all(run, finished={f"attempt {number}"})
    print(f"{times} servers were killed during an upload, each upload then succeeded")


@pytest.mark.parametrize("cell", SHARED)
def test_clients_are_killed(cell: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with open_cell(cell, request, tmp_path) as create_run:
        kill_clients(create_run, 2)


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[TrackingServer]:
    with running_server(tmp_path / "server") as server:
        yield server


def test_a_server_is_killed_and_comes_back(own_server: TrackingServer) -> None:
    kill_servers(own_server, 1)


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("cell", ON_POSTGRESQL)
def test_clients_are_killed_many_times(cell: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with open_cell(cell, request, tmp_path) as create_run:
        kill_clients(create_run, int(os.environ.get("EXPLANATION_CLIENT_KILLS", "200")))


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize(("started_by", "in_s3"), [("uvicorn", False), ("gunicorn", False), ("uvicorn", True)])
def test_servers_are_killed_many_times(stack: SharedStack, tmp_path: Path, started_by: StartedBy, in_s3: bool) -> None:
    with server_on(stack, tmp_path / "server", started_by, in_s3=in_s3) as server:
        kill_servers(server, int(os.environ.get("EXPLANATION_CLIENT_SERVER_KILLS", "20")))
