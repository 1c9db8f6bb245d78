"""The small server of a dashboard: who gets what, over real connections."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import numpy as np
import pytest

from explanation_client.dashboard import ExplanationDashboard
from explanation_client.dashboard.server import MAX_REQUEST_BYTES, DashboardServer
from explanation_client.errors import InvalidArgumentError
from tests.strategies import random_explanation

pytestmark = pytest.mark.integration

EXPLANATION = random_explanation(1, 8, 3)
ROWS = np.arange(24.0).reshape(8, 3)


class Slow:
    """A model that keeps what it was asked, and answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.go = threading.Event()
        self.go.set()

    def predict(self, rows: Any) -> Any:
        self.asked.extend(np.asarray(rows)[:, 0].tolist())
        self.go.wait(20)
        return np.asarray(rows).sum(axis=1)


@pytest.fixture(scope="module")
def model() -> Slow:
    return Slow()


@pytest.fixture(scope="module")
def server(model: Slow) -> Iterator[DashboardServer]:
    with ExplanationDashboard(EXPLANATION, model, ROWS, mode="html").serve() as server:
        yield server


def ask(
    server: DashboardServer,
    path: str,
    *,
    method: str = "GET",
    body: Any = None,
    token: str | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    own = {"Authorization": f"Bearer {server.token if token is None else token}"}
    if method == "POST":
        own["Content-Type"] = "application/json"
    data = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
    connection.request(method, path, body=data, headers={**own, **(headers or {})})
    response = connection.getresponse()
    found = response.read()
    connection.close()
    return response, found


def test_it_listens_on_the_loopback_address_only(server: DashboardServer) -> None:
    assert server._server.server_address[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.port}/#token={server.token}"
    assert len(server.token) >= 43


def test_anybody_gets_the_empty_page_and_nothing_of_the_explanation(server: DashboardServer) -> None:
    response, page = ask(server, "/", token="")
    assert response.status == 200
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src 'self'" in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Access-Control-Allow-Origin"] is None
    assert server.token.encode() not in page
    assert EXPLANATION.id.encode() not in page


@pytest.mark.parametrize("token", ["", "wrong", "é"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/config"), ("GET", "/files/0"), ("POST", "/predict")])
def test_everything_else_needs_the_token(server: DashboardServer, token: str, method: str, path: str) -> None:
    response, body = ask(
        server, path, method=method, body=[] if method == "POST" else None, token=token.encode().decode("latin-1")
    )
    assert response.status == 401
    assert EXPLANATION.id.encode() not in body


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Host": "127.0.0.1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ],
)
def test_requests_under_another_name_or_from_other_pages_are_refused(
    server: DashboardServer, headers: dict[str, str]
) -> None:
    for path, method, body in (("/", "GET", None), ("/config", "GET", None), ("/predict", "POST", [{"row": 0}])):
        response, _ = ask(server, path, method=method, body=body, headers=headers)
        assert response.status == 403


def test_files_are_those_of_the_manifest_and_no_other(server: DashboardServer) -> None:
    _, config = ask(server, "/config")
    (source,) = json.loads(config)["sources"]
    _, manifest = ask(server, "/files/0")
    assert {entry["name"] for entry in json.loads(manifest)["files"]} == set(source["files"])
    response, data = ask(server, f"/files/0/{source['files'][0]}")
    assert (response.status, data[:4]) == (200, b"PAR1")
    for path in ("/files/1", "/files/x", "/files", "/files/0/..%2f..%2fetc%2fpasswd", "/files/0/../../x", "/elsewhere"):
        assert ask(server, path)[0].status == 404


def test_the_model_answers(server: DashboardServer) -> None:
    response, body = ask(server, "/predict", method="POST", body=[{"row": 2, "edits": {"feature 1": 100.0}}])
    assert response.status == 200
    assert json.loads(body) == [{"predictions": [[6.0 + 100.0 + 8.0]]}]
    response, body = ask(server, "/predict", method="POST", body=[{"row": 99}])
    assert (response.status, body) == (422, b"there is no row 99: there are 8")


def test_a_body_that_is_no_question_is_refused(server: DashboardServer) -> None:
    def status(**request: Any) -> int:
        return ask(server, "/predict", method="POST", **request)[0].status

    assert status(body=b"{") == 400
    assert status(body=b"[" * 100_000) == 400
    assert status(body=b"[]", headers={"Content-Type": "text/plain"}) == 415
    assert status(body=b"", headers={"Content-Length": str(MAX_REQUEST_BYTES + 1)}) == 413
    assert status(body=b"", headers={"Content-Length": "-1"}) == 411
    assert status(body=b"", headers={"Transfer-Encoding": "chunked"}) == 411
    assert ask(server, "/elsewhere", method="POST", body=[])[0].status == 404
    assert ask(server, "/", method="PUT")[0].status == 501


def test_a_question_that_nobody_waits_for_is_not_asked(server: DashboardServer, model: Slow) -> None:
    model.asked.clear()
    model.go.clear()
    first = threading.Thread(target=ask, args=(server, "/predict"), kwargs={"method": "POST", "body": [{"row": 0}]})
    first.start()
    while not model.asked:
        time.sleep(0.01)
    with socket.create_connection(("127.0.0.1", server.port)) as given_up:
        body = json.dumps([{"row": 5}]).encode()
        head = (
            f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {server.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        given_up.sendall(head.encode() + body)
        time.sleep(0.2)
    last = threading.Thread(target=ask, args=(server, "/predict"), kwargs={"method": "POST", "body": [{"row": 7}]})
    last.start()
    time.sleep(0.2)
    model.go.set()
    first.join()
    last.join()
    assert sorted(model.asked) == [ROWS[0, 0], ROWS[7, 0]]


def test_a_port_that_is_taken_is_named(server: DashboardServer) -> None:
    with pytest.raises(InvalidArgumentError, match=f"port {server.port} can't be used"):
        ExplanationDashboard(EXPLANATION, mode="html").serve(port=server.port)
