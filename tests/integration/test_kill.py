"""Clients and servers killed at any moment: never a listed explanation that does not verify.

The short form runs with the suite, the long one with `make test-long`.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from explanation_client import ExplanationClient
from explanation_client.artifacts import RunArtifacts
from explanation_client.format import is_manifest_name
from explanation_client.store import PAGE
from tests.support.cells import ON_POSTGRESQL, SHARED, CreateRun, open_cell
from tests.support.servers import Run, StartedBy, TrackingServer, running_server
from tests.support.stack import SharedStack, server_on
from tests.support.uploads import start_upload

pytestmark = pytest.mark.integration

DAY = 24 * 3600.0


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path / "home"))


def seconds_of_an_upload(run: Run, *, as_stream: bool) -> float:
    upload = start_upload(run, "whole", as_stream=as_stream)
    begun = time.monotonic()
    assert upload.finished()
    return time.monotonic() - begun


def check_all(run: Run, *, finished: set[str]) -> int:
    """Assert that what is listed verifies, and that what a process saw finish is listed.

    Returned is the number of uploads that left files and no explanation.
    """
    wait_for_the_server(run)
    client = ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id, timeout=120)
    listed = client.list_model_explanations()
    assert finished <= {info.comment for info in listed}
    reports = {report.id: report for report in client.verify()}
    files = {report.id: report.files for report in reports.values() if report.committed}
    for info in listed:
        assert reports.pop(info.id).ok
    # What is not listed is either whole (killed before its tag was set) or no explanation at all.
    for report in reports.values():
        if report.committed:
            assert len(report.problems) == 1
            assert "it is not listed" in report.problems[0]
    check_garbage(run, client, files)
    return sum(not report.committed for report in reports.values())


def check_garbage(run: Run, client: ExplanationClient, files: dict[str, int]) -> None:
    """Assert that `gc` takes nothing today, and in three days all that is no explanation, and nothing of one.

    ``files`` has the number of files of each explanation, manifest and page not counted: there are two manifests
    where a server stored one and did not live to say so, and the page comes after the manifest.
    """
    assert client.gc() == ()
    right = time.time
    with pytest.MonkeyPatch.context() as later:
        later.setattr("time.time", lambda: right() + 3 * DAY)
        client.gc(dry_run=False)
    left = [path.split("/")[1:] for path in stored_paths(run)]
    assert {explanation_id for explanation_id, _ in left} == files.keys()
    data = Counter(folder for folder, name in left if name != PAGE and not is_manifest_name(name))
    assert data == files


def stored_paths(run: Run) -> tuple[str, ...]:
    """Return the paths of all files of explanations; in a folder also of those that no listing shows."""
    if os.path.isabs(run.artifact_uri):
        artifacts = Path(run.artifact_uri)
        return tuple(str(path.relative_to(artifacts)) for path in artifacts.glob("explanations/*/*") if path.is_file())
    store = RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri)
    return tuple(stat.path for folder in store.list("explanations") for stat in store.list(folder.path))


def wait_for_the_server(run: Run) -> None:
    """Wait until no files are added any more: a server stores what a client has sent before it ended."""
    before, now = None, stored_paths(run)
    while before != now:
        time.sleep(0.3)
        before, now = now, stored_paths(run)


def chance() -> random.Random:
    """Return random moments that can be had again: the seed is in the output of a test that fails."""
    seed = int(os.environ.get("EXPLANATION_CLIENT_SEED", str(time.time_ns() % 100_000)))
    print(f"EXPLANATION_CLIENT_SEED={seed}")
    return random.Random(seed)


def kill_clients(create_run: CreateRun, times: int, *, as_stream: bool = False) -> None:
    """Start uploads until so many were killed before they reported success, and check what is stored after each ten."""
    moments = chance()
    run = create_run()
    duration = seconds_of_an_upload(run, as_stream=as_stream)
    finished = {"whole"}
    killed = half_way = number = 0
    while killed < times:
        upload = start_upload(run, f"attempt {number}", as_stream=as_stream)
        time.sleep(moments.uniform(0, 1.1 * duration))
        upload.kill()
        if upload.finished():
            finished.add(f"attempt {number}")
            duration *= 0.9
        else:
            killed += 1
            # Other work on the machine comes and goes: a fifth of the uploads is to end well, so that the end is hit.
            duration *= 1.03
        number += 1
        if number % 10 == 0:
            half_way += check_all(run, finished=finished)
            run = create_run()
            finished = set()
    half_way += check_all(run, finished=finished)
    print(f"of {number} uploads {killed} were killed before their end, {half_way} of them after their first file")


def kill_servers(server: TrackingServer, times: int) -> None:
    """Kill a server during an upload, and during a stream, in turns."""
    moments = chance()
    for number in range(times):
        run = server.create_run()
        upload = start_upload(run, f"attempt {number}", as_stream=number % 2 == 1)
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


# One that stores what was cut, and one where nothing stands between the client and the store.
@pytest.mark.parametrize("cell", ["gunicorn", "direct"])
def test_streams_are_killed(cell: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with open_cell(cell, request, tmp_path) as create_run:
        kill_clients(create_run, 3, as_stream=True)


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
@pytest.mark.parametrize("cell", ON_POSTGRESQL)
def test_streams_are_killed_many_times(cell: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with open_cell(cell, request, tmp_path) as create_run:
        kill_clients(create_run, int(os.environ.get("EXPLANATION_CLIENT_KILLS", "200")), as_stream=True)


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize(
    ("started_by", "in_s3"), [("uvicorn", False), ("gunicorn", False), ("uvicorn", True), ("gunicorn", True)]
)
def test_servers_are_killed_many_times(stack: SharedStack, tmp_path: Path, started_by: StartedBy, in_s3: bool) -> None:
    with server_on(stack, tmp_path / "server", started_by, in_s3=in_s3) as server:
        kill_servers(server, int(os.environ.get("EXPLANATION_CLIENT_SERVER_KILLS", "20")))
