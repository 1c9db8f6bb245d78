"""Faults as a client meets them, on servers with files and with S3: an explanation is whole, or it is not there.

docs/design/faults.md says which fault is shown where.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from explanation_client import ExplanationClient
from explanation_client.artifacts import RunArtifacts
from explanation_client.errors import StorageError, StorageFullError, StoredDataError, UploadError
from explanation_client.explanation import Explanation
from tests.strategies import random_explanation
from tests.support.cells import SHARED, open_cell
from tests.support.disks import small_disk
from tests.support.proxy import Fault, FaultProxy, answer, cut_response, die, flip_bit, lose_response, reset
from tests.support.servers import Run, TrackingServer
from tests.support.stack import SharedStack, server_on
from tests.support.uploads import start_many, start_upload

pytestmark = pytest.mark.integration

EXPLANATION = random_explanation(2, 40, 12)
DAY = 24 * 3600.0
PUT = "PUT"


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Cache and spool of each test in a folder of its own."""
    monkeypatch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def client_of(run: Run, *, through: str | None = None, timeout: float = 60) -> ExplanationClient:
    return ExplanationClient.from_run_id(through or run.tracking_uri, run_id=run.run_id, timeout=timeout)


def the_only_one(run: Run) -> Explanation:
    """Return the run's explanation, after checking that there is one, and that every byte of it is right."""
    client = client_of(run)
    (info,) = client.list_model_explanations()
    reports = client.verify()
    assert [(report.id, report.ok) for report in reports] == [(info.id, True)]
    return client.download_model_explanation(info.id).load()


@pytest.fixture(params=["uvicorn", "s3"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    """A new run on a server with files, and on one with S3."""
    with open_cell(request.param, request, tmp_path) as create_run:
        yield create_run()


@pytest.fixture
def proxy(run: Run) -> Iterator[FaultProxy]:
    """The way to the run's server."""
    with FaultProxy(run.tracking_uri) as proxy:
        yield proxy


# Between the client and the tracking server

WRITING: dict[str, Fault] = {
    "503": answer(503, retry_after="0"),
    "429": answer(429, retry_after="0"),
    "reset before the body": reset(),
    "reset within the body": reset(after=500),
    "end within the body": die(after=500),
    "the answer is lost": lose_response(),
}
READING: dict[str, Fault] = {
    "502": answer(502),
    "cut": cut_response(100),
    "cut without a length": cut_response(100, hide_length=True),
    "a bit is flipped": flip_bit(1000),
}


def upload_through(proxy: FaultProxy, run: Run, fault: Fault) -> None:
    """Upload while the fault happens twice to a file of data, and twice to the manifest."""
    for file in ("/local-", "/manifest-"):
        proxy.inject(fault, method=PUT, path=file, times=2)
    client_of(run, through=proxy.uri).upload_model_explanation(EXPLANATION, visualize=False)
    for file in ("/local-", "/manifest-"):
        paths = [seen.path for seen in proxy.requests if seen.method == PUT and file in seen.path]
        assert len(paths) == 3
        assert len(set(paths)) == 3  # no name is used twice


@pytest.mark.parametrize("fault", WRITING)
def test_an_upload_survives_what_happens_on_the_way(run: Run, proxy: FaultProxy, fault: str) -> None:
    upload_through(proxy, run, WRITING[fault])
    assert the_only_one(run) == EXPLANATION


def test_under_gunicorn_what_was_cut_is_stored_in_part_and_is_never_listed(gunicorn_server: TrackingServer) -> None:
    run = gunicorn_server.create_run()
    with FaultProxy(gunicorn_server.uri) as proxy:
        upload_through(proxy, run, die(after=500))
    store = RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri)
    torn = [stat for stat in store.list(f"explanations/{EXPLANATION.id}") if stat.size == 500]
    assert len(torn) == 4
    assert the_only_one(run) == EXPLANATION


def test_a_tag_that_was_set_without_an_answer_is_set_once(run: Run, proxy: FaultProxy) -> None:
    proxy.inject(lose_response(), method="POST", times=2)
    client_of(run, through=proxy.uri).upload_model_explanation(EXPLANATION, visualize=False)
    assert the_only_one(run) == EXPLANATION


@pytest.mark.parametrize("fault", READING)
def test_a_download_survives_what_happens_on_the_way(run: Run, proxy: FaultProxy, fault: str) -> None:
    client_of(run).upload_model_explanation(EXPLANATION, visualize=False)
    for file in ("/manifest-", "/local-"):
        proxy.inject(READING[fault], method="GET", path=file)
    assert client_of(run, through=proxy.uri).download_model_explanation().load() == EXPLANATION


def test_what_is_always_damaged_is_an_error_and_is_not_cached(run: Run, proxy: FaultProxy, own_home: Path) -> None:
    client_of(run).upload_model_explanation(EXPLANATION, visualize=False)
    proxy.inject(flip_bit(1000), method="GET", path="/local-", times=1000)
    downloaded = client_of(run, through=proxy.uri, timeout=5).download_model_explanation()
    with pytest.raises((StoredDataError, StorageError)):
        downloaded.load()
    assert the_only_one(run) == EXPLANATION  # reads the cache first


def test_a_refusal_ends_an_upload_at_once_and_need_not_end_the_training(run: Run, proxy: FaultProxy) -> None:
    for status in (403, 413, 507):
        proxy.inject(answer(status), method=PUT, path="/local-")
        client = client_of(run, through=proxy.uri)
        with pytest.raises(UploadError, match=str(status)):
            client.upload_model_explanation(EXPLANATION, visualize=False)
    proxy.inject(answer(403), method=PUT, path="/local-")
    with pytest.warns(UserWarning, match="not uploaded"):
        assert client.upload_model_explanation(EXPLANATION, visualize=False, on_error="warn") is None
    assert client_of(run).list_model_explanations() == []


# Between whoever talks to S3, and S3


@pytest.mark.parametrize("fault", ["503", "reset before the body", "reset within the body", "the answer is lost"])
def test_an_upload_straight_to_s3_survives(
    stack: SharedStack, s3_environment: None, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    run = stack.run_in_s3()
    with FaultProxy(stack.endpoint) as line:
        monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", line.uri)
        line.inject(WRITING[fault], method=PUT, path="/local-", times=2)
        line.inject(WRITING[fault], method=PUT, path="/manifest-", times=2)
        client_of(run).upload_model_explanation(EXPLANATION, visualize=False)
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", stack.endpoint)
    assert the_only_one(run) == EXPLANATION


@pytest.mark.parametrize("fault", ["502", "cut", "a bit is flipped"])
def test_a_download_straight_from_s3_survives(
    stack: SharedStack, s3_environment: None, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    run = stack.run_in_s3()
    client_of(run).upload_model_explanation(EXPLANATION, visualize=False)
    with FaultProxy(stack.endpoint) as line:
        monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", line.uri)
        for file in ("/manifest-", "/local-"):
            line.inject(READING[fault], method="GET", path=file)
        assert client_of(run).download_model_explanation().load() == EXPLANATION


@pytest.mark.long
@pytest.mark.parametrize("fault", ["503", "reset before the body", "reset within the body", "the answer is lost"])
def test_an_upload_survives_what_happens_behind_the_server(stack: SharedStack, tmp_path: Path, fault: str) -> None:
    with FaultProxy(stack.endpoint) as line:
        environment = {"MLFLOW_S3_ENDPOINT_URL": line.uri}
        with server_on(stack, tmp_path, "uvicorn", in_s3=True, environment=environment) as server:
            run = server.create_run()
            for file in ("/local-", "/manifest-"):
                line.inject(WRITING[fault], method=PUT, path=file, times=2)
            client_of(run).upload_model_explanation(EXPLANATION, visualize=False)
            assert the_only_one(run) == EXPLANATION


# Several at once


@pytest.mark.parametrize("cell", SHARED)
def test_eight_processes_write_while_one_reads(cell: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Each uploads one explanation of its own, and another under an id that all of them use."""
    with open_cell(cell, request, tmp_path) as create_run:
        run = create_run()
        reader = client_of(run, timeout=120)
        uploads = start_many(run, writers=8, same_id=EXPLANATION.id)
        seen: set[str] = set()
        while any(upload.process.is_alive() for upload in uploads) or not seen:
            for info in reader.list_model_explanations():
                if info.id not in seen:
                    seen.add(info.id)
                    check_is_as_written(reader, info.id)
        assert all(upload.finished() for upload in uploads)
        listed = reader.list_model_explanations()
        assert sorted(str(info.comment) for info in listed) == sorted(
            f"{k} {n}" for k in ("own", "same") for n in range(8)
        )
        assert len({info.id for info in listed}) == 16
        for info in listed:
            check_is_as_written(reader, info.id)
        assert all(report.ok for report in reader.verify())


def check_is_as_written(reader: ExplanationClient, explanation_id: str) -> None:
    downloaded = reader.download_model_explanation(explanation_id).load()
    kind, number = str(downloaded.info.comment).split()
    assert downloaded == random_explanation(1, 50, 5, seed=int(number) + (100 if kind == "same" else 0))


def test_an_interrupted_upload_ends_and_leaves_nothing_listed(tracking_server: TrackingServer) -> None:
    """Ctrl-C, as in a notebook."""
    run = tracking_server.create_run()
    with FaultProxy(tracking_server.uri) as slow:
        slow.bytes_per_second = 2_000_000
        upload = start_upload(replace(run, tracking_uri=slow.uri), "interrupted")
        while not any(seen.method == PUT for seen in slow.requests):
            time.sleep(0.05)
        assert upload.process.pid is not None
        os.kill(upload.process.pid, signal.SIGINT)
        assert not upload.finished(timeout=30)
    assert client_of(run).list_model_explanations() == []


# Disks that are full


def test_a_cache_without_room_is_no_obstacle(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = random_explanation(1, 4000, 20)
    client_of(run).upload_model_explanation(large, visualize=False)
    with small_disk(tmp_path / "full", 200_000) as full:
        monkeypatch.setenv("EXPLANATION_CLIENT_HOME", str(full))
        for _ in range(2):
            assert client_of(run).download_model_explanation().load() == large


def test_a_full_disk_of_this_machine_is_said(
    stack: SharedStack, s3_environment: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files on their way straight to S3 pass through the folder for temporary files."""
    run = stack.run_in_s3()
    store = RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri)
    with small_disk(tmp_path / "full", 200_000) as full:
        monkeypatch.setattr("tempfile.tempdir", str(full))
        with pytest.raises(StorageFullError):
            store.write("folder/file", bytes(1_000_000))
        assert list(full.iterdir()) == []
    assert store.list("folder") == ()


def test_a_full_disk_of_the_server_fails_the_upload_and_lists_nothing(tracking_server: TrackingServer) -> None:
    run = tracking_server.create_run()
    folder = tracking_server.artifacts_folder / run.experiment_id / run.run_id
    large = random_explanation(1, 4000, 20)
    if os.geteuid() != 0:
        pytest.skip("only root can give the server's folder a disk of its own")
    with small_disk(folder, 200_000):
        with pytest.raises(UploadError, match="500") as caught:
            client_of(run, timeout=2).upload_model_explanation(large, visualize=False)
        assert client_of(run).list_model_explanations() == []
        assert all(not report.committed for report in client_of(run).verify())
    assert caught.value.spool is not None
    ExplanationClient.resume(caught.value.spool, timeout=60)
    assert the_only_one(run) == large


# Clocks that are wrong


def file_under_way() -> str:
    """Return the path of a file of an upload without a manifest, named at this moment by this machine's clock."""
    return f"explanations/00000000-0000-0000-0000-{'0' * 12}/local-0-{'0' * 16}-{int(time.time()):08x}{'0' * 8}.parquet"


@pytest.mark.parametrize("off_by", [-DAY, DAY], ids=["a day behind", "a day ahead"])
def test_a_clock_that_is_wrong_costs_nothing(
    tracking_server: TrackingServer, monkeypatch: pytest.MonkeyPatch, off_by: float
) -> None:
    run = tracking_server.create_run()
    right = time.time
    monkeypatch.setattr("time.time", lambda: right() + off_by)
    client_of(run).upload_model_explanation(EXPLANATION, visualize=False)
    # An upload that is under way on the machine whose clock is wrong: a file without a manifest.
    store = RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri)
    under_way = file_under_way()
    store.write(under_way, b"half")
    monkeypatch.setattr("time.time", right)
    assert client_of(run).gc(dry_run=False) == ()
    assert store.read(under_way) == b"half"
    store.delete(under_way)
    assert the_only_one(run) == EXPLANATION


def test_a_collector_whose_clock_is_ahead_takes_nothing_that_is_under_way(
    tracking_server: TrackingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tracking_server.create_run()
    store = RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri)
    store.write(file_under_way(), b"half")
    right = time.time
    monkeypatch.setattr("time.time", lambda: right() + DAY)
    assert client_of(run).gc(dry_run=False) == ()
    monkeypatch.setattr("time.time", lambda: right() + 3 * DAY)
    assert len(client_of(run).gc(dry_run=False)) == 1
