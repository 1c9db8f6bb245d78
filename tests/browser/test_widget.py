"""The widget in a real JupyterLab, with a live model in the kernel."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import nbconvert
import nbformat
import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from explanation_client.dashboard import ExplanationDashboard
from explanation_client.dashboard.widget import DashboardWidget
from tests.browser.cases import Case
from tests.browser.conftest import WIDE, Shown
from tests.browser.jupyter import Lab, running_lab
from tests.browser.view import View

pytestmark = [pytest.mark.integration, pytest.mark.browser]

DASHBOARD = """\
from explanation_client.dashboard import ExplanationDashboard
from tests.browser.cases import make_case
case = make_case()
ExplanationDashboard(case.explanation, case.model, dataset=case.rows, true_y=case.labels)"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running_lab(tmp_path_factory.mktemp("jupyter")) as lab:
        yield lab


@pytest.fixture(scope="module")
def notebook(lab: Lab) -> Path:
    return lab.write("dashboard.ipynb", DASHBOARD)


@pytest.fixture(scope="module")
def framed(lab: Lab) -> Path:
    return lab.write("frame.ipynb", f"{DASHBOARD[:-1]}, mode='html')")


@pytest.fixture(scope="module")
def page(browser: Browser, lab: Lab, notebook: Path) -> Iterator[Page]:
    context = browser.new_context(viewport={**WIDE, "height": 1_300})  # type: ignore[arg-type]
    page = context.new_page()
    window = Shown(page)
    page.on("pageerror", lambda error: window.problems.append(str(error)))
    page.on("dialog", window._alarmed)
    yield lab.open(page, notebook)
    context.close()
    assert window.problems == []


@pytest.fixture(scope="module")
def view(lab: Lab, page: Page) -> View:
    return lab.run(page, 0)


def changed(case: Case, row: int, **cells: object) -> pd.DataFrame:
    """Return a row with some cells changed, by hand."""
    found = case.rows.iloc[[row]].copy()
    for name, value in cells.items():
        found[name] = pd.Series([value], index=found.index).astype(case.rows[name].dtype)
    return found


def test_numbers_are_those_of_the_explanation(view: View, case: Case) -> None:
    assert view.bars("Mean absolute importance") == pytest.approx(case.explanation.get_feature_importance_dict())


def test_a_point_that_is_chosen_is_explained(view: View, case: Case) -> None:
    view.open("Explanation exploration")
    points = view.panel.locator("canvas").first
    points.focus()
    points.press("ArrowRight")
    points.press("ArrowRight")
    points.press("Enter")
    view.open("Local importance")
    row = int(view.panel.get_by_label("Row number").input_value())
    assert case.explanation.local_importances is not None
    wanted = dict(zip(case.explanation.features, case.explanation.local_importances.values[1, row], strict=True))
    found = view.bars(f"Row {row}: good")
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)


def test_an_edited_value_changes_prediction_and_importances(view: View, case: Case) -> None:
    view.open("What if").choose_row(5)
    before = case.model.predict_proba(case.rows.iloc[[5]])[0]
    assert view.pairs("Prediction for Row 5")["good"] == pytest.approx((before[1], before[1]))
    view.panel.get_by_label("colour", exact=True).select_option(label="red")
    view.panel.get_by_label("age", exact=True).fill("71")
    after = case.model.predict_proba(changed(case, 5, colour="red", age=71))[0]
    assert abs(after[1] - before[1]) > 0.1
    shown = view.figure("Prediction for Row 5").locator(f'[data-value="{float(after[1])!r}"]')
    expect(shown).to_be_visible(timeout=30_000)
    assert view.pairs("Prediction for Row 5")["good"] == pytest.approx((before[1], after[1]), rel=1e-12)
    local = view.pairs("Local importance: good")
    assert sum(new for _, new in local.values()) + case.explanation.expected_values[1] == pytest.approx(after[1])


def test_a_value_that_the_column_cannot_have_is_refused_in_words(view: View) -> None:
    view.open("What if").choose_row(6)
    view.panel.get_by_label("visits", exact=True).fill("2.5")
    view.panel.get_by_text("whole number").first.wait_for()


def test_ice_follows_the_models_answers(view: View, case: Case) -> None:
    view.open("ICE and partial dependence").choose_row(5)
    view.panel.get_by_label("Feature", exact=True).select_option(label="score")
    figure = view.figure("score:")
    figure.get_by_role("button", name="Show as table").click()
    table = figure.get_by_role("table")
    header = table.locator("thead th").all_inner_texts()
    lines = np.array(
        [[float(text.replace("\N{MINUS SIGN}", "-")) for text in line.locator("th, td").all_inner_texts()]
         for line in table.locator("tbody tr").all()]
    )  # fmt: skip
    values, shown = lines[:, 0], lines[:, header.index("Row 5")]
    assert len(values) >= 10
    wanted = [case.model.predict_proba(changed(case, 5, score=value))[0, 1] for value in values]
    # Values are shown with four digits, and a tree can turn at the fifth.
    assert np.isclose(shown, wanted, atol=6e-4).mean() > 0.8
    assert np.ptp(shown) > 0.2


def test_keys_in_the_dashboard_are_not_the_notebooks(page: Page, view: View) -> None:
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    view.open("Rows")
    tab = view.place.get_by_role("tab", name="Rows", exact=True)  # type: ignore[union-attr]
    tab.focus()
    for key in ("a", "b", "x", "d", "d", "m", "ArrowDown", "j"):
        page.keyboard.press(key)
    page.wait_for_timeout(300)
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells
    assert view.tabs()


def test_arrow_keys_move_between_the_views(page: Page, view: View) -> None:
    view.open("Global importance")
    view.place.get_by_role("tab", name="Global importance").focus()  # type: ignore[union-attr]
    page.keyboard.press("ArrowDown")
    focused = (
        "(() => { let a = document.activeElement; while (a.shadowRoot) a = a.shadowRoot.activeElement; return a; })()"
    )
    assert page.evaluate(f"{focused}.textContent") == "Summary importance"


def test_the_notebooks_styles_end_at_the_dashboard(page: Page, view: View) -> None:
    page.add_style_tag(content="dt, dd, td, button { float: right !important; font-size: 40px !important }")
    view.open("Local importance").choose_row(5).figure("Row 5: good")
    styles = view.place.locator("dt, dd").evaluate_all(  # type: ignore[union-attr]
        "cells => cells.map((cell) => [getComputedStyle(cell).float, getComputedStyle(cell).fontSize])"
    )
    assert styles
    assert all(found[0] == "none" and found[1] != "40px" for found in styles)


def test_it_turns_dark_with_the_notebook(page: Page, view: View) -> None:
    root = view.place.locator("[data-theme]")  # type: ignore[union-attr]
    assert root.get_attribute("data-theme") == "light"
    view.open("Local importance").choose_row(3).figure("Row 3: good")
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    expect(root).to_have_attribute("data-theme", "dark", timeout=10_000)
    # What was shown is shown again.
    View(view.place).figure("Row 3: good")
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    expect(root).to_have_attribute("data-theme", "light", timeout=10_000)


def test_the_saved_notebook_stays_small(page: Page, view: View, notebook: Path) -> None:
    page.keyboard.press("Escape")
    page.keyboard.press("Control+s")
    page.wait_for_timeout(1_500)
    saved = notebook.read_text(encoding="utf-8")
    assert json.loads(saved)["cells"][0]["outputs"]
    assert len(saved) < 10_000


def test_in_a_frame_it_works_without_widgets(shown: Shown, lab: Lab, framed: Path, case: Case) -> None:
    page = lab.open(shown.page, framed)
    page.locator(".jp-CodeCell .cm-content").first.click()
    page.keyboard.press("Shift+Enter")
    view = View(page.frame_locator(".jp-OutputArea-output iframe")).wait()
    assert view.bars("Mean absolute importance") == pytest.approx(case.explanation.get_feature_importance_dict())
    with page.expect_download():
        view.figure("Mean absolute importance").get_by_role("button", name="Save as CSV").click()
    shown.problems.clear()


# What anywidget gives a widget, where nobody answers.
ALONE = """async ({ code, embedded }) => {
  const decode = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  for (const [name, text] of Object.entries(embedded.data)) embedded.data[name] = decode(text);
  const model = { get: () => embedded, on() {}, off() {}, send() {} };
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const widget = (await import(url)).default;
  window.close_widget = await widget.render({ model, el: document.getElementById("place") });
}"""


def test_an_embedded_widget_needs_no_kernel(shown: Shown, case: Case) -> None:
    dashboard = ExplanationDashboard(case.explanation, case.model, case.rows, embed=True)
    state = dashboard.widget.get_state()
    embedded = {**state["embedded"]}
    embedded["data"] = {name: base64.b64encode(data).decode() for name, data in embedded["data"].items()}
    shown.page.set_content("<!doctype html><html lang='en'><title>x</title><div id='place'></div>")
    shown.page.evaluate(ALONE, {"code": state["_esm"], "embedded": embedded})
    view = View(shown.page.locator("#place")).wait()
    assert view.bars("Mean absolute importance") == pytest.approx(case.explanation.get_feature_importance_dict())
    view.open("What if")
    assert "Run the notebook: its kernel has the model." in view.panel.inner_text()
    shown.page.evaluate("window.close_widget()")
    assert shown.page.locator("#place [role=tablist]").count() == 0


def test_the_state_of_a_widget_is_small_unless_it_is_embedded(case: Case) -> None:
    def size(widget: DashboardWidget) -> int:
        return len(str(widget.get_state()))

    assert size(ExplanationDashboard(case.explanation, case.model, case.rows).widget) < 20_000
    assert size(ExplanationDashboard(case.explanation, embed=True).widget) > 100_000


def converted(dashboard: ExplanationDashboard) -> str:
    """Return the page that nbconvert makes of a notebook that was saved without the state of its widgets."""
    shown = dashboard._repr_mimebundle_()
    data = shown[0] if isinstance(shown, tuple) else shown
    notebook = nbformat.v4.new_notebook()
    output = nbformat.v4.new_output("execute_result", data, execution_count=1)
    notebook.cells = [nbformat.v4.new_code_cell("dashboard", outputs=[output], execution_count=1)]
    page: str = nbconvert.HTMLExporter().from_notebook_node(notebook)[0]
    return page


def test_a_notebook_that_is_read_without_its_kernel_shows_the_importances(case: Case) -> None:
    page = converted(ExplanationDashboard(case.explanation, case.model, case.rows))
    text = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", page[page.index("<body") :]))
    for name, value in case.explanation.get_feature_importance_dict().items():
        assert f"{name} {value:.4g}" in text
    assert "Run the cell to see the dashboard" in text
    assert "DashboardWidget object" not in text


def test_a_page_made_from_a_notebook_holds_the_dashboard_in_a_frame(shown: Shown, case: Case, tmp_path: Path) -> None:
    path = tmp_path / "notebook.html"
    path.write_text(converted(ExplanationDashboard(case.explanation, dataset=case.rows, mode="html")), encoding="utf-8")
    # The page around it asks others for scripts of its own.
    shown.page.route("https://**", lambda route: route.abort())
    shown.page.goto(path.as_uri(), wait_until="domcontentloaded")
    view = View(shown.page.frame_locator("iframe")).wait()
    assert view.bars("Mean absolute importance") == pytest.approx(case.explanation.get_feature_importance_dict())
    shown.problems.clear()


def test_a_widget_whose_kernel_is_silent_says_what_it_waits_for(shown: Shown, case: Case) -> None:
    state = ExplanationDashboard(case.explanation, case.model, case.rows).widget.get_state()
    shown.page.clock.install()
    shown.page.set_content("<!doctype html><html lang='en'><title>x</title><div id='place'></div>")
    shown.page.evaluate(f"async (given) => {{ ({ALONE})(given); }}", {"code": state["_esm"], "embedded": {"data": {}}})
    place = shown.page.locator("#place[data-lm-suppress-shortcuts]")
    place.wait_for(state="attached")
    shown.page.clock.fast_forward(10_000)
    expect(place).to_contain_text("waits for the notebook's kernel")
