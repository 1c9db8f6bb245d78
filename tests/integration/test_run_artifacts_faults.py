"""RunArtifacts on a real tracking server, through a proxy that goes wrong: the right error, nothing half-read."""

from __future__ import annotations

import base64
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from explanation_client.artifacts import Artifacts, RunArtifacts, is_retryable, retry_after
from explanation_client.errors import (
    ArtifactMissingError,
    InvalidArgumentError,
    LimitExceededError,
    StorageError,
    StorageFullError,
    StoragePermissionError,
    StorageTimeoutError,
    StorageUnreachableError,
)
from tests.conformance.contract import pattern
from tests.support.cells import open_cell
from tests.support.proxy import (
    Fault,
    FaultProxy,
    answer,
    cut_response,
    die,
    flip_bit,
    hide_length,
    lose_response,
    reset,
    stall,
)
from tests.support.servers import Run, TrackingServer, free_port

pytestmark = pytest.mark.integration

TIMEOUT = 5.0
DATA = pattern(3_000_000)
S3_SAYS_MISSING = (
    b'{"error_code": "INTERNAL_ERROR", "message": "The following failures occurred while downloading one or more '
    b'artifacts from s3://bucket: An error occurred (404) when calling the HeadObject operation: Not Found"}'
)


@pytest.fixture(params=["uvicorn", *(pytest.param(cell, marks=pytest.mark.long) for cell in ("gunicorn", "s3"))])
def cell(request: pytest.FixtureRequest) -> str:
    """What runs the server, or has its files. What is between it and the client is the same for all of them."""
    return str(request.param)


@pytest.fixture
def run(cell: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    with open_cell(cell, request, tmp_path) as create_run:
        yield create_run()


@pytest.fixture
def proxy(run: Run) -> Iterator[FaultProxy]:
    with FaultProxy(run.tracking_uri) as proxy:
        yield proxy


@pytest.fixture
def direct(run: Run) -> Artifacts:
    """The run's artifacts, without the proxy."""
    return RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri)


@pytest.fixture
def store(run: Run, proxy: FaultProxy) -> Artifacts:
    """The run's artifacts, through the proxy."""
    return RunArtifacts(run.artifact_uri, tracking_uri=proxy.uri, timeout=TIMEOUT)


OPERATIONS: dict[str, Callable[[Artifacts], object]] = {
    "PUT": lambda store: store.write("folder/new", DATA),
    "GET": lambda store: store.read("folder/file"),
    "GET ?path=": lambda store: store.list("folder"),
    "DELETE": lambda store: store.delete("folder/file"),
}


def methods(proxy: FaultProxy) -> list[str]:
    return [seen.method for seen in proxy.requests]


# One request each, at the artifact API, with MLflow's own credentials


def test_each_operation_is_one_request_at_the_artifact_api(store: Artifacts, proxy: FaultProxy, run: Run) -> None:
    store.write("folder/file", DATA)
    assert store.read("folder/file") == DATA
    store.list("folder")
    store.delete("folder/file")
    api = "/api/2.0/mlflow-artifacts/artifacts"
    file = f"{api}/{run.experiment_id}/{run.run_id}/artifacts/folder/file"
    folder = f"{run.experiment_id}%2F{run.run_id}%2Fartifacts%2Ffolder"
    assert [(seen.method, seen.path) for seen in proxy.requests] == [
        ("PUT", file),
        ("GET", file),
        ("GET", f"{api}?path={folder}"),
        ("DELETE", file),
    ]
    assert proxy.requests[0].headers["content-length"] == str(len(DATA))
    assert proxy.requests[0].body_bytes == len(DATA)


def test_no_address_in_the_store_behind_the_server_is_asked_for(
    store: Artifacts, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's own helper would ask for a presigned address here, and download from that."""
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "true")
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "1")
    store.write("file", DATA)
    assert store.read("file") == DATA
    assert methods(proxy) == ["PUT", "GET"]
    assert not [seen.path for seen in proxy.requests if "presigned" in seen.path or "mpu" in seen.path]


def test_mlflows_environment_decides_about_retries_of_others_not_of_these(
    store: Artifacts, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "5")
    proxy.inject(answer(503), times=10)
    with pytest.raises(StorageUnreachableError):
        store.write("file", b"x")
    assert methods(proxy) == ["PUT"]


def test_user_and_password_are_sent_as_mlflow_sends_them(
    store: Artifacts, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "alice")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "opensesame")
    proxy.inject(answer(200, body=b"{}"), times=4)
    for operation in OPERATIONS.values():
        operation(store)
    expected = "Basic " + base64.b64encode(b"alice:opensesame").decode()
    assert [seen.headers.get("authorization") for seen in proxy.requests] == [expected] * 4


def test_token_and_workspace_are_sent_as_mlflow_sends_them(
    store: Artifacts, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    monkeypatch.setenv("MLFLOW_WORKSPACE", "team-a")
    proxy.inject(answer(200))
    store.write("file", b"x")
    (seen,) = proxy.requests
    assert seen.headers["authorization"] == "Bearer t0ken"
    assert seen.headers["x-mlflow-workspace"] == "team-a"
    assert "mlflow" in seen.headers["user-agent"]


# What the server says


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("status", "expected", "retryable", "hint"),
    [
        (400, StorageError, False, "400"),
        (401, StoragePermissionError, False, "MLFLOW_TRACKING_USERNAME"),
        (403, StoragePermissionError, False, "may not"),
        (408, StorageUnreachableError, True, "408"),
        (413, StorageFullError, False, "client_max_body_size"),
        (429, StorageUnreachableError, True, "429"),
        (500, StorageUnreachableError, True, "log"),
        (501, StorageError, False, "501"),
        (502, StorageUnreachableError, True, "502"),
        (503, StorageUnreachableError, True, "503"),
        (504, StorageUnreachableError, True, "504"),
        (507, StorageFullError, False, "no room"),
    ],
)
def test_a_refusal_becomes_its_error_after_one_request(
    store: Artifacts,
    direct: Artifacts,
    proxy: FaultProxy,
    operation: str,
    status: int,
    expected: type[StorageError],
    retryable: bool,
    hint: str,
) -> None:
    direct.write("folder/file", b"kept")
    proxy.inject(answer(status, body=b"<html>Something the proxy says</html>"))
    with pytest.raises(StorageError, match=hint) as caught:
        OPERATIONS[operation](store)
    assert type(caught.value) is expected
    assert is_retryable(caught.value) is retryable
    assert "Something the proxy says" in str(caught.value)
    assert len(proxy.requests) == 1
    assert direct.read("folder/file") == b"kept"
    # The connection is usable, or another is made.
    assert [stat.path for stat in store.list("folder")] == ["folder/file"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_servers_wish_to_wait_is_passed_on(store: Artifacts, proxy: FaultProxy, operation: str) -> None:
    proxy.inject(answer(429, retry_after="7"))
    with pytest.raises(StorageUnreachableError) as caught:
        OPERATIONS[operation](store)
    assert retry_after(caught.value) == 7.0


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        (format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True), 1, 600),
        ("Mon, 01 Jan 2024 00:00:00 GMT", 0, 0),
        ("99999999999999999999", 3600, 3600),
        ("soon", None, None),
        ("-5", None, None),
        ("\u00b2", None, None),
    ],
)
def test_a_wait_is_a_date_or_seconds_and_never_forever(
    store: Artifacts, proxy: FaultProxy, header: str, least: float | None, most: float | None
) -> None:
    proxy.inject(answer(503, retry_after=header))
    with pytest.raises(StorageUnreachableError) as caught:
        store.read("file")
    wait = retry_after(caught.value)
    if least is None or most is None:
        assert wait is None
    else:
        assert wait is not None
        assert least <= wait <= most


def test_a_servers_words_are_quoted_in_part_and_harmless(store: Artifacts, proxy: FaultProxy) -> None:
    proxy.inject(answer(400, body=b"\x1b[31m\x00 red\r\n" + b"blah " * 10_000))
    with pytest.raises(StorageError) as caught:
        store.read("file")
    assert str(caught.value).isprintable()
    assert 200 <= len(str(caught.value)) < 500


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_redirect_is_not_followed(store: Artifacts, proxy: FaultProxy, direct: Artifacts, operation: str) -> None:
    """A PUT that is redirected becomes a GET, which succeeds and stores nothing."""
    direct.write("folder/file", b"kept")
    proxy.inject(answer(302, location=f"{proxy.uri}/health"))
    with pytest.raises(StorageError, match="use that address") as caught:
        OPERATIONS[operation](store)
    assert not is_retryable(caught.value)
    assert len(proxy.requests) == 1


def test_a_server_that_serves_no_artifacts_is_not_asked_again(store: Artifacts, proxy: FaultProxy) -> None:
    proxy.inject(answer(503, body=b"Artifact serving is disabled. Run `mlflow server` with `--serve-artifacts`"))
    with pytest.raises(StorageError, match="--serve-artifacts") as caught:
        store.write("file", b"x")
    assert not is_retryable(caught.value)


def test_a_server_that_can_not_store_is_reported_with_a_hint(tracking_server: TrackingServer) -> None:
    run = tracking_server.create_run()
    store = RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri, timeout=TIMEOUT)
    folder = tracking_server.artifacts_folder / run.experiment_id / run.run_id
    folder.mkdir(parents=True)
    (folder / "artifacts").write_bytes(b"a file where the server wants a folder")
    # So small that it is sent before the server gives up: the answer is then read rather than a reset.
    with pytest.raises(StorageUnreachableError, match=r"500.*log says why"):
        store.write("file", b"small")


# Missing, or only not found by somebody on the way


def test_a_missing_file_is_one_request(store: Artifacts, proxy: FaultProxy, cell: str) -> None:
    with pytest.raises(ArtifactMissingError):
        store.read("folder/none")
    # Behind S3 the server answers 500, and the listing is asked.
    assert methods(proxy) == (["GET", "GET"] if cell == "s3" else ["GET"])


def test_a_404_that_is_not_mlflows_is_looked_into(store: Artifacts, direct: Artifacts, proxy: FaultProxy) -> None:
    direct.write("folder/file", b"there")
    proxy.inject(answer(404, body=b"<html>nginx</html>"), path="folder/file")
    with pytest.raises(StorageUnreachableError, match="nginx"):
        store.read("folder/file")
    proxy.inject(answer(404, body=b"<html>nginx</html>"), path="folder/none")
    with pytest.raises(ArtifactMissingError, match="no such file"):
        store.read("folder/none")


def test_a_server_without_artifact_api_is_not_an_empty_store(store: Artifacts, proxy: FaultProxy) -> None:
    proxy.inject(answer(404, body=b"<html>no such page</html>"), times=5)
    for operation in ("GET", "GET ?path=", "DELETE"):
        with pytest.raises(StorageError) as caught:
            OPERATIONS[operation](store)
        assert not is_retryable(caught.value)
        if operation != "DELETE":
            assert not isinstance(caught.value, ArtifactMissingError)
            assert "tracking URI" in str(caught.value)


def test_the_500_that_s3_causes_for_a_missing_file_is_missing(store: Artifacts, proxy: FaultProxy) -> None:
    proxy.inject(answer(500, body=S3_SAYS_MISSING), method="GET")
    with pytest.raises(ArtifactMissingError, match="no such file"):
        store.read("folder/none")
    assert methods(proxy) == ["GET", "GET"]


def test_the_same_500_for_a_file_that_exists_is_not(store: Artifacts, direct: Artifacts, proxy: FaultProxy) -> None:
    direct.write("folder/file", b"there")
    proxy.inject(answer(500, body=S3_SAYS_MISSING), method="GET", path="folder/file")
    with pytest.raises(StorageUnreachableError):
        store.read("folder/file")
    proxy.inject(answer(500, body=S3_SAYS_MISSING), method="GET", times=2)
    with pytest.raises(StorageUnreachableError):
        store.read("folder/none")


def test_what_is_no_listing_is_not_an_empty_one(store: Artifacts, proxy: FaultProxy) -> None:
    for body in (
        b"",
        b"<html>Log in</html>",
        b"[]",
        b'{"files": 1}',
        b'{"files": [1]}',
        b'{"files": [{"path"',
        b"null",
    ):
        proxy.inject(answer(200, body=body))
        with pytest.raises(StorageUnreachableError, match="no listing"):
            store.list("folder")


def test_hostile_names_in_a_listing_are_left_out(store: Artifacts, proxy: FaultProxy) -> None:
    names = ["../../etc/passwd", "/etc", "..", "", "a b", "a%2fb", "a/b", "good"]
    files = ", ".join(f'{{"path": "{name}", "is_dir": false, "file_size": "5"}}' for name in names)
    proxy.inject(answer(200, body=f'{{"files": [{files}]}}'.encode()))
    assert [(stat.path, stat.size) for stat in store.list("folder")] == [("folder/good", 5)]


# What happens to the connection


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_reset_is_unreachable_and_changes_nothing(
    store: Artifacts, direct: Artifacts, proxy: FaultProxy, operation: str
) -> None:
    direct.write("folder/file", b"kept")
    proxy.inject(reset())
    with pytest.raises(StorageUnreachableError):
        OPERATIONS[operation](store)
    assert [stat.path for stat in direct.list("folder")] == ["folder/file"]


@pytest.mark.parametrize("fault", [reset(after=1_000_000), die(after=1_000_000)], ids=["reset", "end"])
@pytest.mark.parametrize("before", [b"", b"the version before"])
def test_an_upload_that_breaks_off_stores_nothing(
    store: Artifacts, direct: Artifacts, proxy: FaultProxy, fault: Fault, before: bytes, cell: str
) -> None:
    if cell == "gunicorn" and fault.end == "fin":
        return  # the next test
    if before:
        direct.write("folder/file", before)
    proxy.inject(fault, method="PUT")
    with pytest.raises(StorageUnreachableError):
        store.write("folder/file", DATA)
    assert [(stat.path, stat.size) for stat in direct.list("folder")] == (
        [("folder/file", len(before))] if before else []
    )
    store.write("folder/file", DATA)
    assert direct.read("folder/file") == DATA


def test_under_gunicorn_an_upload_that_breaks_off_is_stored_in_part_and_shows_it(
    gunicorn_server: TrackingServer,
) -> None:
    """A fault of that server that this layer can't prevent: the size in the listing, and the digest, tell."""
    run = gunicorn_server.create_run()
    with FaultProxy(gunicorn_server.uri) as proxy:
        store = RunArtifacts(run.artifact_uri, tracking_uri=proxy.uri, timeout=TIMEOUT)
        proxy.inject(die(after=1_000_000), method="PUT")
        with pytest.raises(StorageUnreachableError):
            store.write("folder/file", DATA)
        deadline = time.monotonic() + 10
        while not store.list("folder") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [(stat.path, stat.size) for stat in store.list("folder")] == [("folder/file", 1_000_000)]
        proxy.inject(die(after=0), method="PUT")
        with pytest.raises(StorageUnreachableError):
            store.write("empty/file", DATA)
        while not store.list("empty") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert [(stat.path, stat.size) for stat in store.list("empty")] == [("empty/file", 0)]


def test_a_write_whose_answer_is_lost_fails_and_is_stored_whole(
    store: Artifacts, direct: Artifacts, proxy: FaultProxy
) -> None:
    proxy.inject(lose_response(), method="PUT")
    with pytest.raises(StorageUnreachableError):
        store.write("file", DATA)
    assert direct.read("file") == DATA
    store.write("file", DATA)
    assert direct.read("file") == DATA


def test_a_delete_whose_answer_is_lost_can_be_repeated(store: Artifacts, direct: Artifacts, proxy: FaultProxy) -> None:
    direct.write("folder/file", b"x")
    proxy.inject(lose_response(), method="DELETE")
    with pytest.raises(StorageUnreachableError):
        store.delete("folder/file")
    store.delete("folder/file")
    assert direct.list("folder") == ()


@pytest.mark.parametrize("after", [0, 1, 100_000, len(DATA) - 1])
def test_a_download_that_is_cut_is_an_error(store: Artifacts, direct: Artifacts, proxy: FaultProxy, after: int) -> None:
    direct.write("file", DATA)
    proxy.inject(cut_response(after), method="GET")
    with pytest.raises(StorageUnreachableError):
        store.read("file")
    assert store.read("file") == DATA


def test_a_listing_that_is_cut_is_an_error(store: Artifacts, direct: Artifacts, proxy: FaultProxy) -> None:
    direct.write("folder/file", b"x")
    for hidden in (False, True):
        proxy.inject(cut_response(30, hide_length=hidden), method="GET")
        with pytest.raises(StorageUnreachableError):
            store.list("folder")


def test_a_cut_without_a_length_is_left_to_the_digest(
    store: Artifacts, direct: Artifacts, proxy: FaultProxy, cell: str
) -> None:
    """Nothing on the wire tells; this is why the contract asks callers to check what they read."""
    direct.write("file", DATA)
    proxy.inject(cut_response(100_000, hide_length=True), method="GET")
    if cell == "s3":  # sent in chunks, whose end is marked
        with pytest.raises(StorageUnreachableError):
            store.read("file")
        return
    assert store.read("file") == DATA[:100_000]
    proxy.inject(flip_bit(8 * 1000 + 3), method="GET")
    found = store.read("file")
    assert [i for i in range(len(DATA)) if found[i] != DATA[i]] == [1000]


def test_an_answer_without_a_length_is_read_whole_and_bounded(
    store: Artifacts, direct: Artifacts, proxy: FaultProxy
) -> None:
    direct.write("file", DATA)
    proxy.inject(hide_length(), times=3)
    assert store.read("file") == DATA
    assert store.read("file", max_bytes=len(DATA)) == DATA
    with pytest.raises(LimitExceededError):
        store.read("file", max_bytes=len(DATA) - 1)


@pytest.mark.parametrize(("tail", "whole"), [(b"5\r\nworld\r\n0\r\n\r\n", True), (b"5\r\nwor", False), (b"", False)])
def test_an_answer_in_chunks_is_whole_or_an_error(run: Run, tail: bytes, whole: bool) -> None:
    """How MLflow's server sends files that it has in S3: no length, but an end that is marked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def send() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(10_000)
                peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n" + tail)

        thread = threading.Thread(target=send)
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        store = RunArtifacts(run.artifact_uri, tracking_uri=address, timeout=TIMEOUT)
        if whole:
            assert store.read("file") == b"hello world"
        else:
            with pytest.raises(StorageUnreachableError):
                store.read("file")
        thread.join()


def test_an_answer_that_was_compressed_on_the_way_is_refused(store: Artifacts, proxy: FaultProxy) -> None:
    """A megabyte of it can be a gigabyte of zeros. None is asked for."""
    body = gzip.compress(bytes(5_000_000))
    proxy.inject(Fault(status=200, headers=(("Content-Encoding", "gzip"),), body=body))
    with pytest.raises(StorageError, match="compressed"):
        store.read("file", max_bytes=10_000_000)
    assert proxy.requests[0].headers["accept-encoding"] == "identity"


def test_a_file_that_is_too_large_is_not_downloaded(store: Artifacts, direct: Artifacts, proxy: FaultProxy) -> None:
    direct.write("file", pattern(30_000_000))
    proxy.bytes_per_second = 2_000_000
    started = time.monotonic()
    with pytest.raises(LimitExceededError):
        store.read("file", max_bytes=1000)
    assert time.monotonic() - started < 5


# Time


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_server_that_says_nothing_is_a_timeout(run: Run, proxy: FaultProxy, operation: str) -> None:
    store = RunArtifacts(run.artifact_uri, tracking_uri=proxy.uri, timeout=0.3)
    proxy.inject(stall(20.0))
    started = time.monotonic()
    with pytest.raises(StorageTimeoutError) as caught:
        OPERATIONS[operation](store)
    assert is_retryable(caught.value)
    assert isinstance(caught.value, TimeoutError)
    assert time.monotonic() - started < 5


def test_a_body_that_does_not_come_is_a_timeout(run: Run, direct: Artifacts, proxy: FaultProxy) -> None:
    direct.write("file", DATA)
    store = RunArtifacts(run.artifact_uri, tracking_uri=proxy.uri, timeout=0.3)
    proxy.inject(stall(20.0, answering=True))
    with pytest.raises(StorageTimeoutError):
        store.read("file")


def test_a_body_that_trickles_is_a_timeout(run: Run) -> None:
    """Each piece comes in time, and the file would not in a day."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def trickle() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(10_000)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                try:
                    while True:
                        peer.sendall(b"x")
                        time.sleep(0.05)
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        store = RunArtifacts(run.artifact_uri, tracking_uri=address, timeout=0.5)
        started = time.monotonic()
        with pytest.raises(StorageTimeoutError, match="too slow"):
            store.read("file")
        assert time.monotonic() - started < 5
        thread.join()


def test_a_slow_line_is_no_failure(run: Run, proxy: FaultProxy) -> None:
    """What takes longer than the timeout, and never stands still."""
    data = pattern(10_000_000)
    proxy.bytes_per_second = 5_000_000
    store = RunArtifacts(run.artifact_uri, tracking_uri=proxy.uri, timeout=1.5)
    started = time.monotonic()
    store.write("file", data)
    written = time.monotonic()
    assert written - started > 1.5
    assert store.read("file") == data
    assert time.monotonic() - written > 1.5


# No server at all


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_closed_port_is_unreachable(run: Run, operation: str) -> None:
    address = f"http://alice:opensesame@127.0.0.1:{free_port()}"
    store = RunArtifacts(run.artifact_uri, tracking_uri=address, timeout=TIMEOUT)
    started = time.monotonic()
    with pytest.raises(StorageUnreachableError, match="refused") as caught:
        OPERATIONS[operation](store)
    assert time.monotonic() - started < TIMEOUT
    assert "opensesame" not in str(caught.value) + repr(store)


def test_an_unknown_host_is_unreachable(run: Run) -> None:
    store = RunArtifacts(run.artifact_uri, tracking_uri="http://no-such-host.invalid", timeout=TIMEOUT)
    with pytest.raises(StorageUnreachableError, match=r"no-such-host\.invalid"):
        store.read("file")


def test_what_was_being_handled_is_not_taken_for_the_cause(run: Run) -> None:
    """A retry within an ``except`` block: its error is about the retry."""
    store = RunArtifacts(run.artifact_uri, tracking_uri=f"http://127.0.0.1:{free_port()}", timeout=TIMEOUT)
    try:
        raise PermissionError(13, "something else entirely")
    except PermissionError:
        with pytest.raises(StorageUnreachableError, match="refused"):
            store.read("file")


@pytest.mark.parametrize(
    ("uri", "tracking_uri"),
    [
        ("runs:/0123456789/x", "http://127.0.0.1:9"),
        ("models:/name/1", "http://127.0.0.1:9"),
        ("nonsense://bucket/x", "http://127.0.0.1:9"),
        ("mlflow-artifacts:/1/run/artifacts", "sqlite:///mlflow.db"),
    ],
)
def test_an_address_that_is_no_store_is_refused(uri: str, tracking_uri: str) -> None:
    with pytest.raises(InvalidArgumentError):
        RunArtifacts(uri, tracking_uri=tracking_uri)


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_is_positive(tmp_path: Path, timeout: float) -> None:
    with pytest.raises(InvalidArgumentError, match="timeout"):
        RunArtifacts(str(tmp_path), tracking_uri="http://127.0.0.1:9", timeout=timeout)
