"""The self-contained page in Chromium: from disk, in a sandboxed frame, attacked, by keyboard, for screen readers."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from explanation_client.dataset import EvaluationData
from tests.browser.cases import Case, hostile_explanation
from tests.browser.conftest import WIDE, Shown
from tests.browser.view import View, overflow, violations
from tests.strategies import explanation_of, random_explanation

pytestmark = [pytest.mark.integration, pytest.mark.browser]

# What MLflow's artifact viewer does with an HTML file.
FRAME = """<!doctype html><title>host</title><iframe style="width:100%%;height:880px" sandbox="allow-scripts"></iframe>
<script>
const bytes = Uint8Array.from(atob("%s"), (c) => c.charCodeAt(0));
document.querySelector("iframe").src = URL.createObjectURL(new Blob([bytes], { type: "text/html" }));
</script>"""


def in_frame(page: Path, folder: Path) -> str:
    target = folder / "host.html"
    target.write_text(FRAME % base64.b64encode(page.read_bytes()).decode())
    return target.as_uri()


def check_numbers(view: View, case: Case) -> None:
    """Hold what the page says to the explanation."""
    wanted = case.explanation.get_feature_importance_dict()
    assert view.bars("Mean absolute importance") == pytest.approx(wanted, rel=1e-12)
    assert list(view.bars("Mean absolute importance")) == list(wanted)
    view.open("Local importance").choose_row(7)
    found = view.bars("Row 7: good")
    assert case.explanation.local_importances is not None
    local = case.explanation.local_importances.values[1, 7]
    features = dict(zip(case.explanation.features, local.tolist(), strict=True))
    assert {name: found[name] for name in features} == pytest.approx(features, rel=1e-12)
    base = float(case.explanation.expected_values[1])
    assert found["Base value"] == pytest.approx(base, rel=1e-12)
    probability = case.model.predict_proba(case.rows.iloc[[7]])[0, 1]
    assert found["Output for this row"] == pytest.approx(probability, rel=1e-9)


def test_numbers_from_disk_are_those_of_the_explanation(shown: Shown, case: Case, case_page: Path) -> None:
    shown.page.goto(case_page.as_uri())
    view = View(shown.page).wait()
    assert shown.page.title() == "A case"
    check_numbers(view, case)


def test_numbers_in_a_sandboxed_frame_are_the_same(shown: Shown, case: Case, case_page: Path, tmp_path: Path) -> None:
    shown.page.goto(in_frame(case_page, tmp_path))
    view = View(shown.page.frame_locator("iframe")).wait()
    check_numbers(view, case)
    view.figure("Row 7: good").get_by_role("button", name="Save as CSV").click()
    # Files can't be saved there: the text is shown, to be copied.
    text = shown.page.frame_locator("iframe").get_by_role("textbox").last
    assert "colour" in text.input_value()


def test_a_page_from_disk_saves_files(shown: Shown, case_page: Path) -> None:
    shown.page.goto(case_page.as_uri())
    figure = View(shown.page).wait().figure("Mean absolute importance")
    with shown.page.expect_download() as download:
        figure.get_by_role("button", name="Save as CSV").click()
    text = download.value.path().read_text(encoding="utf-8")
    assert "score" in text
    assert len(text.splitlines()) == 6


def test_a_link_opens_what_was_shown(shown: Shown, case_page: Path) -> None:
    shown.page.goto(case_page.as_uri())
    View(shown.page).wait().open("Local importance").choose_row(3).figure("Row 3: good")
    shown.page.wait_for_url(re.compile("#.*local"))
    shown.page.goto("about:blank")
    shown.page.go_back()
    View(shown.page).wait().figure("Row 3: good")


def test_what_needs_a_model_says_how_to_get_one(shown: Shown, case_page: Path) -> None:
    shown.page.goto(case_page.as_uri())
    View(shown.page).wait().open("What if")
    text = View(shown.page).panel.inner_text()
    assert "explanation-client dashboard RUN_ID --model" in text
    assert "ExplanationDashboard(explanation, model, dataset=x_test)" in text


def test_it_says_what_is_a_sample(shown: Shown, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    explanation = random_explanation(1, 12_000, 4)
    data = EvaluationData(names=explanation.features, columns=tuple(rng.normal(size=12_000) for _ in range(4)))
    page = replace(explanation, data=data).save_html(tmp_path / "page.html")
    shown.page.goto(page.as_uri())
    view = View(shown.page).wait()
    view.open("Summary importance")
    view.panel.get_by_text("5,000 of 12,000").first.wait_for()


# Calls of `attacked` are heard by every test that looks at hostile texts.
ALARM = "window.attacked = (how) => console.error('attacked by ' + how);"


@pytest.mark.parametrize("width", [500, 1400])
def test_hostile_texts_are_text_and_break_no_layout(shown: Shown, tmp_path: Path, width: int) -> None:
    page = hostile_explanation().save_html(tmp_path / "page.html", title="</title><script>attacked('title')</script>")
    shown.page.add_init_script(ALARM)
    shown.page.set_viewport_size({"width": width, "height": 900})
    shown.page.goto(page.as_uri())
    view = View(shown.page).wait()
    assert shown.page.title() == "</title><script>attacked('title')</script>"
    for name in view.tabs():
        view.open(name)
        shown.page.wait_for_timeout(150)
        assert overflow(shown.page) <= 0, name
    view.open("Local importance").choose_row(2)
    shown.page.wait_for_timeout(300)
    assert overflow(shown.page) <= 0
    assert shown.page.evaluate("document.querySelectorAll('img, svg[onload], iframe, object, embed').length") == 0
    assert shown.page.evaluate("Array.from(document.links, (a) => a.protocol).filter((p) => p === 'javascript:')") == []


def test_a_link_of_somebody_else_changes_what_is_shown_and_nothing_else(shown: Shown, case_page: Path) -> None:
    shown.page.add_init_script(ALARM)
    for state in ("%E0%A4%A", "panel=<img src=x onerror=attacked('state')>&row=9e99", "panel=local&row=-1&__proto__=1"):
        shown.page.goto("about:blank")
        shown.page.goto(f"{case_page.as_uri()}#{state}")
        View(shown.page).wait()
    assert shown.page.evaluate("({}).polluted") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, case_page: Path, scheme: Any) -> None:
    context = browser.new_context(viewport=WIDE, color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(case_page.as_uri())
    view = View(page).wait()
    # Only colours depend on the scheme.
    rules = ("color-contrast",) if scheme == "dark" else ()
    found = {name: problems for name in view.tabs() if (problems := violations(_opened(view, name), *rules))}
    context.close()
    assert found == {}


def _opened(view: View, name: str) -> Any:
    view.open(name)
    if name == "Local importance":
        view.choose_row(7).figure("Row 7: good")
    view.place.wait_for_timeout(150)  # type: ignore[union-attr]
    return view.place


def test_it_can_be_used_by_keyboard_alone(shown: Shown, case: Case, case_page: Path) -> None:
    shown.page.goto(case_page.as_uri())
    view = View(shown.page).wait()
    for _ in range(12):
        if shown.page.evaluate("document.activeElement.getAttribute('role')") == "tab":
            break
        shown.page.keyboard.press("Tab")
    assert shown.page.evaluate("document.activeElement.textContent") == "Global importance"
    names = view.tabs()
    for _ in range(names.index("Local importance")):
        shown.page.keyboard.press("ArrowDown")
    assert shown.page.evaluate("document.activeElement.textContent") == "Local importance"
    shown.page.keyboard.press("Enter")
    view.panel.get_by_role("heading", level=2, name="Local importance").wait_for()
    for _ in range(10):
        shown.page.keyboard.press("Tab")
        if shown.page.evaluate("document.activeElement.type") == "number":
            break
    shown.page.keyboard.type("11")
    shown.page.keyboard.press("Enter")
    found = view.bars("Row 11: good")
    probability = case.model.predict_proba(case.rows.iloc[[11]])[0, 1]
    assert found["Output for this row"] == pytest.approx(probability, rel=1e-9)


def test_a_browser_in_another_language_gets_it(browser: Browser, case: Case, tmp_path: Path) -> None:
    page = case.explanation.save_html(tmp_path / "page.html", language="fr")
    context = browser.new_context(locale="sv-SE")
    tab = context.new_page()
    tab.goto(page.as_uri())
    tab.get_by_role("tablist").wait_for()
    assert tab.locator("[lang=fr]").count() >= 1
    context.close()


def test_features_that_are_folded_are_one_exact_sum(shown: Shown, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scales = np.linspace(2, 0.1, 260)
    explanation = explanation_of(rng.normal(size=(1, 540, 260)) * scales)
    page = explanation.save_html(tmp_path / "page.html", max_megabytes=1.05)
    shown.page.goto(page.as_uri())
    view = View(shown.page).wait().open("Local importance").choose_row(0)
    assert explanation.local_importances is not None
    found = view.bars("Row 0")
    assert found["Output for this row"] == pytest.approx(explanation.local_importances.values[0, 0].sum(), rel=1e-5)
