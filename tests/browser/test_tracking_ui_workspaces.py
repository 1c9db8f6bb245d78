"""The Explanations tab on a server with workspaces: what belongs to one is asked for with its name, and only then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import mlflow
import numpy as np
import pytest
import requests
from playwright.sync_api import Browser, FrameLocator, Page, expect

from explanation_client import ExplanationClient
from tests.strategies import explanation_of
from tests.support.servers import Run, TrackingServer, running_server

pytestmark = [pytest.mark.integration, pytest.mark.browser]

WORKSPACE = "cardiology"
FEATURES = ("age", "blood pressure", "weight")
# The tab itself; the link in its place is for pages that have none, or are slow to show it.
TAB = "[data-explanations-tab]:not([data-explanations-tab=link])"
CARD = ".xp-card"
# MLflow's own page has to be loaded first, and others use this machine too.
PATIENCE = 30_000


@dataclass(frozen=True)
class Stored:
    """A server with two workspaces, and a run with an explanation in the second one."""

    server: TrackingServer
    run: Run

    def page(self, path: str, workspace: str) -> str:
        return f"{self.server.uri}/#/{path}?workspace={workspace}"

    @property
    def of_run(self) -> str:
        return f"experiments/{self.run.experiment_id}/runs/{self.run.run_id}"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    arguments = ("--app-name", "explanations", "--enable-workspaces")
    with (
        running_server(tmp_path_factory.mktemp("workspaces"), arguments=arguments) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path_factory.mktemp("home")))
        mlflow.MlflowClient(tracking_uri=server.uri, workspace_store_uri=server.uri).create_workspace(WORKSPACE)
        # What a user of a workspace sets, and nothing more.
        patch.setenv("MLFLOW_WORKSPACE", WORKSPACE)
        run = server.create_run(experiment="hospital")
        client = ExplanationClient.from_run_id(server.uri, run_id=run.run_id, timeout=60)
        values = np.random.default_rng(0).standard_normal((2, 20, 3)) * (3, 2, 1)
        client.upload_model_explanation(explanation_of(values, features=FEATURES), comment="of the workspace")
        yield Stored(server, run)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    context.close()
    assert problems == []


def frame_of(page: Page) -> FrameLocator:
    return page.frame_locator("iframe[title=Explanations]")


def test_a_client_reads_what_its_workspace_has_and_nothing_else(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_WORKSPACE", WORKSPACE)
    client = ExplanationClient.from_run_id(stored.server.uri, run_id=stored.run.run_id)
    assert client.download_model_explanation().get_ranked_global_names()[0] == "age"

    address = f"{stored.server.uri}/ajax-api/2.0/mlflow/runs/get?run_id={stored.run.run_id}"
    assert requests.get(address, headers={"X-MLFLOW-WORKSPACE": WORKSPACE}, timeout=60).status_code == 200
    assert requests.get(address, timeout=60).status_code == 404


def test_the_tab_shows_the_explanations_of_the_workspace(stored: Stored, page: Page) -> None:
    asked: list[tuple[str, str | None]] = []
    page.on("request", lambda request: asked.append((request.url, request.headers.get("x-mlflow-workspace"))))
    page.goto(stored.page(stored.of_run, WORKSPACE))
    page.locator(TAB).click()
    expect(frame_of(page).locator(CARD)).to_have_count(1, timeout=PATIENCE)
    assert f"workspace={WORKSPACE}" in page.url

    asked.clear()
    frame_of(page).locator(".xp-card-open").click()
    expect(frame_of(page).locator(".xd-bar-value").first).to_be_visible(timeout=PATIENCE)
    fetched = [workspace for address, workspace in asked if "get-artifact" in address]
    assert fetched
    assert set(fetched) == {WORKSPACE}


def test_an_experiment_of_the_workspace_shows_its_runs(stored: Stored, page: Page) -> None:
    page.goto(stored.page(f"experiments/{stored.run.experiment_id}/runs", WORKSPACE))
    page.locator(TAB).click()
    expect(frame_of(page).locator(".xp-table tbody tr")).to_have_count(1, timeout=PATIENCE)


def test_another_workspace_shows_nothing_of_it(stored: Stored, page: Page) -> None:
    # The page of explanations itself: MLflow's own page shows no run here, and so has no place for a tab.
    address = f"{stored.server.uri}/static-files/explanations/index.html"
    page.goto(f"{address}#kind=run&experiment={stored.run.experiment_id}&run={stored.run.run_id}&workspace=default")
    page.wait_for_load_state("networkidle")
    expect(page.locator(CARD)).to_have_count(0, timeout=PATIENCE)
    expect(page.locator("body")).to_contain_text(stored.run.run_id, timeout=PATIENCE)
    assert "blood pressure" not in page.content()
