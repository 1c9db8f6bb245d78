"""The Explanations tab in MLflow's own pages, on a real server, in a real browser."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from playwright.sync_api import Browser, FrameLocator, Page, expect

from explanation_client import ExplanationClient
from tests.strategies import explanation_of
from tests.support.servers import TrackingServer, running_server

pytestmark = [pytest.mark.integration, pytest.mark.browser]

HOSTILE = "</script><img src=x onerror=document.title='hacked'>${alert(1)}\u202e"
TAB = "[data-explanations-tab]"


@dataclass(frozen=True)
class Stored:
    """A server with the plugin, and what is stored there."""

    server: TrackingServer
    experiment: str
    runs: tuple[str, str]
    model: str

    def page(self, path: str) -> str:
        return f"{self.server.uri}/#/{path}"


def fill(server: TrackingServer) -> Stored:
    """Two runs of an experiment with explanations; the first has a logged model, which is registered."""
    client = MlflowClient(tracking_uri=server.uri)
    runs = [server.create_run(experiment="hospital") for _ in range(2)]
    experiment = runs[0].experiment_id
    rng = np.random.default_rng(0)
    names = ("age", "blood pressure", HOSTILE, "weight")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(server.uri)
    try:
        model = mlflow.initialize_logged_model(name="risk", source_run_id=runs[0].run_id, experiment_id=experiment)
        client.create_registered_model("risk")
        client.create_model_version("risk", f"models:/{model.model_id}", run_id=runs[0].run_id, model_id=model.model_id)
    finally:
        mlflow.set_tracking_uri(before)
    for i, run in enumerate(runs):
        uploads = ExplanationClient.from_run_id(server.uri, run_id=run.run_id, timeout=60)
        values = rng.standard_normal((2, 40, 4)) * (np.array([4, 3, 2, 1]) if i == 0 else np.array([1, 3, 2, 4]))
        explanation = explanation_of(values, features=names)
        uploads.upload_model_explanation(
            explanation, comment="every patient", model_id=model.model_id if not i else None
        )
        uploads.upload_model_explanation(explanation, comment=HOSTILE, top_k=2)
    return Stored(server, experiment, (runs[0].run_id, runs[1].run_id), model.model_id)


# The environment with the oldest versions that are allowed: `make test-lowest` makes it.
OLDEST = Path(__file__).parents[2] / ".venv-lowest" / "bin" / "python"


@pytest.fixture(scope="module", params=["newest", "oldest"])
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    """Each test with the newest MLflow, and with the oldest that is supported."""
    if request.param == "oldest" and not OLDEST.exists():
        pytest.skip("there is no environment with the oldest MLflow: make test-lowest makes it")
    python = str(OLDEST) if request.param == "oldest" else sys.executable
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path_factory.mktemp("home")))
        arguments = ("--app-name", "explanations")
        folder = tmp_path_factory.mktemp("ui")
        with running_server(folder, arguments=arguments, static_prefix="/mlf", python=python) as server:
            yield fill(server)


@dataclass
class Window:
    """A page of MLflow's, and what ours complained of in it."""

    page: Page
    problems: list[str]

    @property
    def frame(self) -> FrameLocator:
        return self.page.frame_locator("iframe[title=Explanations]")

    def is_shown(self) -> bool:
        return bool(
            self.page.evaluate("document.querySelector('iframe[title=Explanations]')?.style.display === 'block'")
        )


@pytest.fixture
def window(browser: Browser) -> Iterator[Window]:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    found = Window(page, [])
    page.on("pageerror", lambda error: found.problems.append(str(error)))
    page.on("dialog", lambda dialog: found.problems.append(f"dialog: {dialog.message}"))
    # MLflow's own pages complain of a few things of their own; ours lie below this folder.
    page.on(
        "console", lambda m: m.type == "error" and "explanations" in str(m.location) and found.problems.append(m.text)
    )
    yield found
    context.close()
    assert found.problems == []


def test_a_run_has_a_tab_that_opens_its_explanations(stored: Stored, window: Window) -> None:
    window.page.goto(stored.page(f"experiments/{stored.experiment}/runs/{stored.runs[0]}"))
    window.page.locator(TAB).click()

    expect(window.frame.locator(".xp-card")).to_have_count(2)
    expect(window.frame.locator(".xp-card-title").last).to_have_text("every patient")
    assert window.page.url.endswith(f"/runs/{stored.runs[0]}/explanations")
    assert window.page.title() != "hacked"


def test_opening_one_shows_the_dashboard_and_the_numbers_of_the_explanation(stored: Stored, window: Window) -> None:
    window.page.goto(stored.page(f"experiments/{stored.experiment}/runs/{stored.runs[0]}/explanations"))
    window.frame.locator(".xp-card-open", has_text="every patient").click()

    client = ExplanationClient.from_run_id(stored.server.uri, run_id=stored.runs[0])
    explanation = client.download_model_explanation(comment="every patient")
    bars = window.frame.locator(".xd-bar-value")
    expect(bars.first).to_be_visible()
    shown = [float(each.get_attribute("data-value") or "nan") for each in bars.all()]
    assert shown == list(explanation.get_ranked_global_values())
    assert HOSTILE not in window.page.content()


def test_a_link_leads_back_to_the_same_view(stored: Stored, window: Window) -> None:
    window.page.goto(stored.page(f"experiments/{stored.experiment}/runs/{stored.runs[0]}/explanations"))
    window.frame.locator(".xp-card-open", has_text="every patient").click()
    window.frame.get_by_role("tab", name="Summary importance").click()
    window.page.wait_for_function("location.hash.includes('summary')")
    link = window.page.url

    window.page.goto("about:blank")
    window.page.goto(link)

    expect(window.frame.get_by_role("tab", name="Summary importance")).to_have_attribute("aria-selected", "true")


def test_what_if_says_how_to_get_a_live_model_with_this_run(stored: Stored, window: Window) -> None:
    window.page.goto(stored.page(f"experiments/{stored.experiment}/runs/{stored.runs[0]}/explanations"))
    window.frame.locator(".xp-card-open", has_text="every patient").click()
    window.frame.get_by_role("tab", name="What if").click()

    expect(window.frame.locator("code")).to_contain_text(f'from_run_id(run_id="{stored.runs[0]}")')


def test_native_tabs_work_while_ours_is_open_and_back_and_forward_too(stored: Stored, window: Window) -> None:
    page = window.page
    page.goto(stored.page(f"experiments/{stored.experiment}/runs/{stored.runs[0]}/explanations"))
    expect(window.frame.locator(".xp-card").first).to_be_visible()

    page.get_by_role("tab", name="Overview").click()
    page.wait_for_function("!location.hash.includes('/explanations')")
    expect(page.locator("iframe[title=Explanations]")).to_be_hidden()
    page.go_back()
    expect(page.locator("iframe[title=Explanations]")).to_be_visible()
    page.get_by_role("tab", name="Artifacts").click()
    expect(page.locator("iframe[title=Explanations]")).to_be_hidden()
    assert "/artifacts" in page.url


def test_logged_models_and_model_versions_have_it_too(stored: Stored, window: Window) -> None:
    for path in (
        f"experiments/{stored.experiment}/models/{stored.model}/explanations",
        "models/risk/versions/1?explanations=1",
    ):
        window.page.goto("about:blank")
        window.page.goto(stored.page(path))
        expect(window.page.locator(TAB)).to_have_count(1)
        expect(window.frame.locator(".xp-card")).to_have_count(2)


def test_an_experiment_shows_its_runs_side_by_side_with_what_changed(stored: Stored, window: Window) -> None:
    window.page.goto(stored.page(f"experiments/{stored.experiment}/runs"))
    window.page.locator(TAB).click()
    rows = window.frame.locator(".xp-table tbody tr")
    expect(rows).to_have_count(2)

    # The newest run comes first; its weight has risen from the last place.
    expect(rows.first.locator(".xp-chip").first).to_contain_text("weight")
    window.frame.get_by_label("Find a run, comment or feature").fill("no such thing")
    expect(rows).to_have_count(0)
    window.frame.get_by_label("Find a run, comment or feature").fill("")
    for box in window.frame.locator(".xp-table input[type=checkbox]").all():
        box.check()
    window.frame.get_by_role("button", name="Compare the two chosen").click()
    expect(window.frame.locator(".xd-pair").first).to_be_visible()


def test_sixty_hops_leave_one_tab_and_one_frame(stored: Stored, window: Window) -> None:
    page = window.page
    paths = [
        f"experiments/{stored.experiment}/runs/{stored.runs[0]}",
        f"experiments/{stored.experiment}/runs/{stored.runs[1]}/explanations",
        f"experiments/{stored.experiment}/models/{stored.model}/explanations",
        "models/risk/versions/1",
        f"experiments/{stored.experiment}/runs",
        "experiments",
    ]
    page.goto(stored.page(paths[0]))
    page.locator(TAB).wait_for()
    for hop in range(60):
        page.evaluate("path => { location.hash = '#/' + path }", paths[hop % len(paths)])
        page.wait_for_timeout(100)
    page.evaluate("path => { location.hash = '#/' + path }", paths[1])

    expect(window.frame.locator(".xp-card").first).to_be_visible()
    assert page.locator(TAB).count() == 1
    assert page.locator("iframe[title=Explanations]").count() == 1


def test_the_frame_follows_the_window_and_dark_mode(stored: Stored, window: Window) -> None:
    page = window.page
    page.goto(stored.page(f"experiments/{stored.experiment}/runs/{stored.runs[0]}/explanations"))
    expect(window.frame.locator(".xp-card").first).to_be_visible()
    wide = page.locator("iframe[title=Explanations]").bounding_box()
    page.set_viewport_size({"width": 1000, "height": 700})
    page.wait_for_timeout(500)
    narrow = page.locator("iframe[title=Explanations]").bounding_box()
    assert wide is not None
    assert narrow is not None
    assert narrow["width"] < wide["width"] - 100

    page.evaluate("document.body.classList.add('dark-mode')")
    expect(window.frame.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_page_without_our_hooks_gets_a_link_and_stays_as_it_is(stored: Stored, window: Window) -> None:
    page = window.page
    # As if MLflow had renamed what the tab hangs on.
    page.add_init_script(
        "const find = Document.prototype.querySelector;"
        "Document.prototype.querySelector = function (s) {"
        " return s.includes('view-mode-switch') ? null : find.call(this, s); };"
    )
    page.goto(stored.page(f"experiments/{stored.experiment}/runs/{stored.runs[0]}"))

    link = page.locator("a[data-explanations-tab=link]")
    link.wait_for(timeout=20_000)
    # Nothing of ours stands in MLflow's page but the link, and its own tabs work.
    assert page.locator(TAB).count() == 1
    assert page.locator("iframe[title=Explanations]").count() == 0
    page.get_by_role("tab", name="Artifacts").click()
    expect(page.get_by_role("tab", name="Artifacts")).to_have_attribute("aria-selected", "true")
    link.wait_for()
    page.goto(link.get_attribute("href") or "")
    expect(page.locator(".xp-card")).to_have_count(2)


def test_the_plain_page_of_mlflow_shows_the_dashboard_of_the_same_run(
    stored: Stored, browser: Browser, tmp_path: Path
) -> None:
    """Without the plugin: ``dashboard.html`` among the run's artifacts."""
    client = MlflowClient(tracking_uri=stored.server.uri)
    found = [
        each.path
        for folder in client.list_artifacts(stored.runs[0], "explanations")
        for each in client.list_artifacts(stored.runs[0], folder.path)
        if each.path.endswith("dashboard.html")
    ]
    assert found
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.goto(stored.page(f"experiments/{stored.experiment}/runs/{stored.runs[0]}/artifacts/{found[0]}"))
    inner = page.frame_locator("iframe[sandbox]")
    expect(inner.locator(".xd-bar-value").first).to_be_visible(timeout=20_000)
    context.close()
