"""Two explanations in one page: what drifted, as Python says it; raw and engineered features; zoom in charts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, expect

from explanation_client.drift import AttributionDrift, attribution_drift
from explanation_client.explainers import TabularExplainer
from explanation_client.explanation import Explanation
from tests.browser.cases import Case
from tests.browser.conftest import Shown
from tests.browser.view import View, violations

pytestmark = [pytest.mark.integration, pytest.mark.browser]

SHARES = "Share of the total global importance"


@pytest.fixture(scope="module")
def explainer(case: Case) -> TabularExplainer:
    return TabularExplainer(case.model, case.rows)


@pytest.fixture(scope="module")
def later(case: Case, explainer: TabularExplainer) -> Explanation:
    """The explanation of rows that came later: scores that are all alike, and older people."""
    rng = np.random.default_rng(5)
    rows = case.rows.iloc[:90].assign(score=rng.normal(0.4, 0.05, 90), age=rng.integers(60, 90, 90))
    return explainer.explain_global(rows)


def table(figure: Locator) -> dict[str, list[Any]]:
    """Return the columns of a figure's table, as precise as the page has them."""
    figure.get_by_role("button", name="Show as table").click()
    columns: dict[str, list[Any]] = figure.locator("table").evaluate(
        """table => {
          const dash = String.fromCharCode(0x2013);
          const text = (cell) => (cell.textContent === dash ? null : cell.textContent);
          const read = (cell) => ('value' in cell.dataset ? Number(cell.dataset.value) : text(cell));
          const heads = Array.from(table.querySelectorAll('thead th'), (head) => head.textContent);
          const rows = Array.from(table.querySelectorAll('tbody tr'), (row) => Array.from(row.children, read));
          return Object.fromEntries(heads.map((head, i) => [head, rows.map((row) => row[i])]));
        }"""
    )
    return columns


def check(view: View, drift: AttributionDrift) -> None:
    """Hold what the page says of two explanations to what Python says."""
    view.open("Two explanations")
    tiles = view.panel.locator(".xd-tile")
    expect(tiles.nth(1)).to_contain_text(f"{len(drift.moved)} of {len(drift.features)}")
    expect(tiles.nth(0)).to_contain_text("yes" if drift.drifted else "no")
    ndcg = float(tiles.nth(2).locator("[data-value]").get_attribute("data-value") or "nan")
    assert ndcg == pytest.approx(drift.ndcg, rel=1e-12)
    view.panel.get_by_role("radio", name="Change").check()
    figure = view.figure(SHARES)
    flagged = figure.locator(".xd-pair:has(.xd-flagged) .xd-pair-name").all_inner_texts()
    assert flagged == list(drift.moved)
    found = table(figure)
    assert found["Feature"] == list(drift.features)
    for name, wanted in (
        ("Distance", drift.distance), ("KS statistic", drift.ks), ("p-value", drift.p_value), ("Change", drift.change),
    ):  # fmt: skip
        assert [np.nan if value is None else value for value in found[name]] == pytest.approx(
            wanted.tolist(), rel=1e-9, abs=1e-12, nan_ok=True
        ), name
    shares = [name for name in found if name.startswith(SHARES)]
    ranks = [name for name in found if name.startswith("Rank")]
    assert found[shares[0]] == pytest.approx(drift.baseline_share.tolist(), rel=1e-12)
    assert found[shares[1]] == pytest.approx(drift.current_share.tolist(), rel=1e-12)
    assert found[ranks[0]] == drift.baseline_rank.tolist()
    assert found[ranks[1]] == drift.current_rank.tolist()


def test_what_drifted_is_what_python_says(shown: Shown, case: Case, later: Explanation, tmp_path: Path) -> None:
    drift = attribution_drift(case.explanation, later)
    assert 0 < len(drift.moved) < len(drift.features)
    page = case.explanation.save_html(tmp_path / "page.html", comparison={"later": later})
    shown.page.goto(page.as_uri())
    view = View(shown.page).wait()
    check(view, drift)
    assert violations(shown.page) == []
    # The other way round: what came later is the baseline.
    view.panel.get_by_label("Baseline").select_option(label="later")
    turned = attribution_drift(later, case.explanation)
    assert turned.ndcg != drift.ndcg
    shown.page.reload()
    check(view.wait(), turned)


def test_without_local_importances_only_rankings_are_compared(
    shown: Shown, case: Case, later: Explanation, tmp_path: Path
) -> None:
    bare = replace(later, local_importances=None, data=None)
    drift = attribution_drift(case.explanation, bare)
    page = case.explanation.save_html(tmp_path / "page.html", comparison={"later": bare})
    shown.page.goto(page.as_uri())
    view = View(shown.page).wait().open("Two explanations")
    view.panel.get_by_text("The importances of single rows were not compared: later has none here.").wait_for()
    tiles = view.panel.locator(".xd-tile")
    expect(tiles.nth(1)).to_contain_text(f"{len(drift.moved)} of {len(drift.features)}")
    assert view.panel.locator(".xd-pair-distance").count() == 0


def test_raw_and_engineered_features_are_one_click_apart(
    shown: Shown, case: Case, explainer: TabularExplainer, tmp_path: Path
) -> None:
    engineered = explainer.explain_global(case.rows, engineered=True)
    page = case.explanation.save_html(tmp_path / "page.html", comparison=engineered)
    shown.page.goto(page.as_uri())
    view = View(shown.page).wait()
    title = "Mean absolute importance"
    assert view.bars(title) == pytest.approx(case.explanation.get_feature_importance_dict())
    shown.page.get_by_role("radio", name="engineered").check()
    expect(view.figure(title)).to_contain_text("ordinalencoder__colour")
    assert view.bars(title) == pytest.approx(engineered.get_feature_importance_dict())
    shown.page.reload()
    expect(view.wait().figure(title)).to_contain_text("ordinalencoder__colour")


def ticks(figure: Locator) -> list[str]:
    return [text or "" for text in figure.locator(".xd-tick").all_text_contents()]


def test_a_chart_zooms_by_dragging_by_keys_and_by_buttons(shown: Shown, case_page: Path) -> None:
    shown.page.goto(case_page.as_uri())
    view = View(shown.page).wait().open("Explanation exploration")
    figure = view.panel.get_by_role("figure").first
    canvas = figure.locator("canvas")
    whole = ticks(figure)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    shown.page.mouse.move(x, y)
    shown.page.mouse.down()
    shown.page.mouse.move(x + 120, y + 80, steps=4)
    shown.page.mouse.up()
    dragged = ticks(figure)
    assert dragged != whole
    # A drag is no click: no row was chosen by it.
    assert shown.page.get_by_text("Explain this row").count() == 0
    figure.get_by_role("button", name="Show all").click()
    assert ticks(figure) == whole
    canvas.focus()
    shown.page.keyboard.press("+")
    closer = ticks(figure)
    assert closer != whole
    shown.page.keyboard.press("Shift+ArrowRight")
    assert ticks(figure) != closer
    shown.page.keyboard.press("0")
    assert ticks(figure) == whole
    assert figure.get_by_role("button", name="Zoom out").is_disabled()
