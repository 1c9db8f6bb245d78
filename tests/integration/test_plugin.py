"""The tracking server's plugin: what it serves to whom, and what it says when it can't."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, sync_playwright

from explanation_client import ExplanationClient
from server_plugin.versions import NEWEST_TESTED, OLDEST, check_version
from tests.browser.conftest import ARGUMENTS, chromium
from tests.strategies import explanation_of
from tests.support.servers import TrackingServer, running_server

pytestmark = pytest.mark.integration

STATIC = "/static-files/explanations"
ADMIN = ("admin", "a-long-password-1")
SETTINGS = """[mlflow]
default_permission = NO_PERMISSIONS
database_uri = sqlite:///{database}
admin_username = {admin[0]}
admin_password = {admin[1]}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""


def ask(
    url: str,
    *,
    user: tuple[str, str] | None = None,
    method: str = "GET",
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Mapping[str, str], bytes]:
    request = urllib.request.Request(
        url, method=method, headers={"Content-Type": "application/json", **(headers or {})}
    )
    if body is not None:
        request.data = json.dumps(body).encode()
    if user is not None:
        request.add_header("Authorization", "Basic " + base64.b64encode(":".join(user).encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


@pytest.fixture(scope="module", params=["uvicorn", "gunicorn"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    with running_server(
        tmp_path_factory.mktemp("plugin"),
        started_by=request.param,
        workers=2,
        arguments=("--app-name", "explanations"),
        static_prefix="/mlf",
    ) as running:
        yield running


def test_the_start_page_has_one_script_more_and_is_asked_for_again(server: TrackingServer) -> None:
    status, headers, page = ask(f"{server.uri}/")

    assert status == 200
    assert page.count(b"static-files/explanations/inject.js?v=") == 1
    assert headers["Cache-Control"] == "no-cache"
    assert ask(f"{server.uri}/", headers={"If-None-Match": headers["ETag"]})[0] == 304


@pytest.mark.parametrize("name", ["inject.js", "index.html", "page.js", "page.css", "dashboard.js", "dashboard.css"])
def test_the_front_end_is_served_with_a_strict_policy(server: TrackingServer, name: str) -> None:
    status, headers, content = ask(f"{server.uri}{STATIC}/{name}")

    assert status == 200
    assert content
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "trusted-types 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_nothing_else_is_served_and_nothing_can_be_changed(server: TrackingServer) -> None:
    for name in ("../pages.py", "%2e%2e/pages.py", "..%2fpages.py", "nothing.js", ""):
        assert ask(f"{server.uri}{STATIC}/{name}")[0] == 404, name
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert ask(f"{server.uri}{STATIC}/inject.js", method=method)[0] in (404, 405), method


def test_mlflow_itself_works_as_without_the_plugin(server: TrackingServer) -> None:
    run = server.create_run()

    assert ask(f"{server.uri}/api/2.0/mlflow/runs/get?run_id={run.run_id}")[0] == 200


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    folder = tmp_path_factory.mktemp("guarded")
    settings = folder / "auth.ini"
    settings.write_text(SETTINGS.format(database=folder / "auth.db", admin=ADMIN), encoding="utf-8")
    with running_server(
        folder,
        workers=2,
        arguments=("--app-name", "explanations-basic-auth"),
        environment={"MLFLOW_AUTH_CONFIG_PATH": str(settings), "MLFLOW_FLASK_SERVER_SECRET_KEY": "for tests only"},
    ) as running:
        yield running


@pytest.fixture(scope="module")
def shared_run(guarded: TrackingServer) -> str:
    """A run of the administrator, in an experiment that the user `reader` may read and `stranger` may not."""
    api = f"{guarded.uri}/api/2.0/mlflow"
    for name in ("reader", "stranger"):
        assert (
            ask(
                f"{api}/users/create",
                user=ADMIN,
                method="POST",
                body={"username": name, "password": f"{name}-password-1"},
            )[0]
            == 200
        )
    made = json.loads(ask(f"{api}/experiments/create", user=ADMIN, method="POST", body={"name": "private"})[2])
    run = json.loads(
        ask(f"{api}/runs/create", user=ADMIN, method="POST", body={"experiment_id": made["experiment_id"]})[2]
    )
    grant = {
        "username": "reader",
        "resource_type": "experiment",
        "resource_id": made["experiment_id"],
        "permission": "READ",
    }
    granted = ask(f"{guarded.uri}/api/3.0/mlflow/users/permissions/grant", user=ADMIN, method="POST", body=grant)
    assert granted[0] == 200, granted[2]
    run_id = run["run"]["info"]["run_id"]
    tag = {"run_id": run_id, "key": "explanations.latest", "value": "x"}
    assert ask(f"{api}/runs/set-tag", user=ADMIN, method="POST", body=tag)[0] == 200
    return f"{made['experiment_id']}/{run_id}"


USERS = {
    "nobody": None,
    "admin": ADMIN,
    "reader": ("reader", "reader-password-1"),
    "stranger": ("stranger", "stranger-password-1"),
}


@pytest.mark.parametrize(
    ("who", "start", "data"), [("nobody", 401, 401), ("admin", 200, 200), ("reader", 200, 200), ("stranger", 200, 403)]
)
def test_permissions_are_those_of_mlflow(
    guarded: TrackingServer, shared_run: str, who: str, start: int, data: int
) -> None:
    experiment, run = shared_run.split("/")
    user = USERS[who]

    assert ask(f"{guarded.uri}/", user=user)[0] == start
    assert ask(f"{guarded.uri}{STATIC}/page.js", user=user)[0] == 200
    # What the page asks for.
    assert ask(f"{guarded.uri}/ajax-api/2.0/mlflow/runs/get?run_id={run}", user=user)[0] == data
    file = f"{guarded.uri}/get-artifact?path=explanations/x&run_uuid={run}"
    assert ask(file, user=user)[0] == data if data != 200 else ask(file, user=user)[0] in (200, 404, 500)
    body = {"experiment_ids": [experiment], "filter": "tags.`explanations.latest` LIKE '%'"}
    status, _, found = ask(f"{guarded.uri}/ajax-api/2.0/mlflow/runs/search", user=user, method="POST", body=body)
    assert (run.encode() in found) == (data == 200)
    assert status in (200, data)


@pytest.fixture(scope="module")
def secret_run(guarded: TrackingServer, shared_run: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The run with an explanation that the admin has uploaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_USERNAME", ADMIN[0])
        patch.setenv("MLFLOW_TRACKING_PASSWORD", ADMIN[1])
        patch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path_factory.mktemp("home")))
        client = ExplanationClient.from_run_id(guarded.uri, run_id=shared_run.split("/")[1], timeout=60)
        values = np.arange(12.0).reshape(1, 4, 3)
        client.upload_model_explanation(explanation_of(values, features=("salary", "age", "b")), comment="confidential")
    return shared_run


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.mark.browser
@pytest.mark.parametrize(("who", "sees"), [("admin", True), ("reader", True), ("stranger", False), ("nobody", False)])
def test_the_page_shows_what_the_user_may_read_and_no_more(
    guarded: TrackingServer, secret_run: str, browser: Browser, who: str, sees: bool
) -> None:
    experiment, run = secret_run.split("/")
    user = USERS[who]
    credentials: Any = None if user is None else {"username": user[0], "password": user[1], "send": "always"}
    context = browser.new_context(http_credentials=credentials)
    page = context.new_page()
    for place in (f"kind=run&experiment={experiment}&run={run}", f"kind=experiment&experiment={experiment}"):
        page.goto("about:blank")
        page.goto(f"{guarded.uri}{STATIC}/index.html#{place}")
        # A browser asks an anonymous user for a name and waits: then there is nothing but the word that it reads.
        waited_for = ".xp-waiting" if user is None else ".xp-card, .xp-table tbody tr, .xp-message"
        page.locator(waited_for).first.wait_for()
        text = page.locator("body").inner_text()
        assert [word for word in ("salary", "confidential") if word in text] == (["salary", "confidential"] * sees)
    context.close()


def test_basic_auth_without_its_secret_ends_the_server_with_one_message(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "explanations-basic-auth", "--port", "0"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    settings = tmp_path / "auth.ini"
    settings.write_text(SETTINGS.format(database=tmp_path / "auth.db", admin=ADMIN), encoding="utf-8")
    environment["MLFLOW_AUTH_CONFIG_PATH"] = str(settings)

    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )

    assert ended.returncode != 0
    assert "MLFLOW_FLASK_SERVER_SECRET_KEY" in ended.stderr


def test_the_plugin_imports_nothing_of_the_library(tmp_path: Path) -> None:
    code = (
        "import sys; from flask import Flask; import mlflow.server;"
        "from server_plugin.pages import add_pages, read_files;"
        "add_pages(Flask('x')); assert 'dashboard.js' in read_files();"
        "print([name for name in sys.modules if name.split('.')[0] == 'explanation_client'])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
    )

    assert ended.stdout.strip() == "[]"


def test_an_older_mlflow_is_refused_and_a_newer_one_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError, match=rf"needs MLflow {OLDEST} or newer, and this is MLflow 2\.22\.0"):
        check_version("2.22.0")
    check_version(f"{OLDEST}.1")
    check_version(f"{NEWEST_TESTED}.9")
    assert caplog.records == []
    check_version("99.0.0")
    assert "tested with MLflow" in caplog.text
