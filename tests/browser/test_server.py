"""The dashboard of a small server on this machine, in Chromium; and the stored page in MLflow's own viewer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from explanation_client import ExplanationClient
from explanation_client.dashboard import ExplanationDashboard
from explanation_client.store import PAGE, folder_of
from tests.browser.cases import Case, hostile_explanation
from tests.browser.conftest import Shown
from tests.browser.view import PATIENCE, View
from tests.strategies import random_explanation
from tests.support.servers import Run

pytestmark = [pytest.mark.integration, pytest.mark.browser]


class Moody:
    """A model that fails for some rows, with a text that attacks."""

    def predict(self, rows: Any) -> Any:
        rows = np.asarray(rows)
        if (rows[:, 0] > 100).any():
            raise ValueError("<img src=x onerror=attacked()>")
        return rows.sum(axis=1)


def test_the_key_leaves_the_address_and_the_page_can_be_loaded_again(shown: Shown, case: Case) -> None:
    dashboard = ExplanationDashboard(case.explanation, case.model, case.rows, mode="html")
    with dashboard.serve() as server:
        shown.page.goto(server.url)
        view = View(shown.page).wait()
        assert server.token not in shown.page.url
        view.open("What if").choose_row(5)
        before = case.model.predict_proba(case.rows.iloc[[5]])[0, 1]
        assert view.pairs("Prediction for Row 5")["good"][0] == pytest.approx(before, rel=1e-12)
        shown.page.wait_for_url(re.compile("whatif"))
        shown.page.reload()
        assert View(shown.page).wait().pairs("Prediction for Row 5")["good"][0] == pytest.approx(before, rel=1e-12)


def test_without_the_key_it_says_what_to_open(shown: Shown, case: Case) -> None:
    with ExplanationDashboard(case.explanation, mode="html").serve() as server:
        shown.page.goto(server.url.split("#")[0])
        shown.page.get_by_text("Open the address that the command printed").wait_for()
    # The browser notes the refusal.
    assert [problem for problem in shown.problems if "401" not in problem] == []
    shown.problems.clear()


def test_what_a_model_raises_is_shown_as_text(shown: Shown) -> None:
    rows = np.arange(24.0).reshape(8, 3)
    dashboard = ExplanationDashboard(random_explanation(1, 8, 3), Moody(), rows, mode="html")
    with dashboard.serve() as server:
        shown.page.add_init_script("window.attacked = () => console.error('attacked')")
        shown.page.goto(server.url)
        view = View(shown.page).wait().open("What if").choose_row(1)
        view.figure("Prediction for Row 1")
        view.panel.get_by_label("feature 0", exact=True).fill("1000")
        view.panel.get_by_text("The model failed: ValueError: <img").wait_for(timeout=PATIENCE)
        view.panel.get_by_label(re.compile("feature 0")).fill("5")
        expect(view.panel.get_by_text("The model failed")).to_have_count(0, timeout=10_000)
    # The browser notes that the server refused to answer.
    assert [problem for problem in shown.problems if "422" not in problem] == []
    shown.problems.clear()


def test_rows_of_a_sample_are_asked_for_by_their_own_position(shown: Shown, case: Case) -> None:
    dashboard = ExplanationDashboard(case.explanation, case.model, case.rows, mode="html", max_rows=30)
    last = int(dashboard._opened.shown[0].rows)
    assert last == 30
    with dashboard.serve() as server:
        shown.page.goto(server.url)
        view = View(shown.page).wait().open("Rows")
        view.panel.get_by_text("30 of 120").first.wait_for()
        rows = [int(text) for text in view.panel.locator("tbody tr th, tbody tr td:first-child").all_inner_texts()]
        row = max(rows)
        assert row > 30
        view.open("What if").choose_row(row)
        wanted = case.model.predict_proba(case.rows.iloc[[row]])[0, 1]
        assert view.pairs(f"Prediction for Row {row}")["good"][0] == pytest.approx(wanted, rel=1e-12)


def test_two_explanations_are_compared(shown: Shown) -> None:
    first, second = random_explanation(1, 30, 4, seed=1), random_explanation(1, 30, 4, seed=2)
    with ExplanationDashboard(first, comparison={"of last week": second}, mode="html").serve() as server:
        shown.page.goto(server.url)
        view = View(shown.page).wait().open("Two explanations")
        view.figure("Share of the total global importance").get_by_text("of last week").first.wait_for()
        text = view.panel.inner_text()
    for explanation in (first, second):
        shares = explanation.global_importance_values / explanation.global_importance_values.sum()
        assert all(f"{100 * share:.1f}%" in text for share in shares)


def test_hostile_texts_of_a_live_explanation_are_text(shown: Shown) -> None:
    shown.page.add_init_script("window.attacked = () => console.error('attacked')")
    explanation = hostile_explanation()
    with ExplanationDashboard(
        explanation, comparison={"<img src=x onerror=attacked()>": explanation}, mode="html"
    ).serve() as server:
        shown.page.goto(server.url)
        view = View(shown.page).wait()
        for name in view.tabs():
            view.open(name)
        shown.page.wait_for_timeout(300)
        assert shown.page.evaluate("document.querySelectorAll('img').length") == 0


def artifact(page: Page, run: Run, path: str) -> None:
    """Open an artifact in MLflow's own pages."""
    place = f"experiments/{run.experiment_id}/runs/{run.run_id}/artifacts/{path}"
    page.goto(f"{run.tracking_uri}/#/{place}")


def test_mlflows_artifact_viewer_shows_the_stored_page(
    shown: Shown, case: Case, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path))
    client = ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id)
    info = client.upload_model_explanation(case.explanation, evaluation_data=True)
    artifact(shown.page, run, f"{folder_of(info.id)}/{PAGE}")
    frame = shown.page.frame_locator("iframe[sandbox]")
    view = View(frame)
    frame.get_by_role("tablist", name="Views").wait_for(timeout=2 * PATIENCE)
    assert "allow-same-origin" not in (shown.page.locator("iframe").first.get_attribute("sandbox") or "")
    assert view.bars("Mean absolute importance") == pytest.approx(case.explanation.get_feature_importance_dict())
    # MLflow's own page complains of things of its own.
    shown.problems.clear()
