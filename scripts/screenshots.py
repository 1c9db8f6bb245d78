"""Pictures of the dashboard in each host: ``python scripts/screenshots.py OUTDIR [--hosts page server notebook]``.

Each view of the self-contained page, light and dark, 1400 and 500 pixels wide; what needs a live model from the small
server; and the widget in JupyterLab. They are for people to look at.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402

from explanation_client.dashboard import ExplanationDashboard  # noqa: E402
from explanation_client.explainers import TreeExplainer  # noqa: E402
from tests.browser.cases import Case, hostile_explanation, make_case  # noqa: E402
from tests.browser.conftest import ARGUMENTS, chromium  # noqa: E402
from tests.browser.jupyter import running_lab  # noqa: E402
from tests.browser.view import View  # noqa: E402

WIDTHS = (1_400, 500)
SCHEMES = ("light", "dark")
HOSTS = ("page", "server", "notebook")
LIVE = ("What if", "ICE and partial dependence")
CELL = """\
from explanation_client.dashboard import ExplanationDashboard
from tests.browser.cases import make_case
case = make_case(600)
ExplanationDashboard(case.explanation, case.model, dataset=case.rows, true_y=case.labels, theme=\"{}\")"""


def main() -> int:
    """Make the pictures and say where they are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hosts", nargs="+", choices=HOSTS, default=HOSTS)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    case = make_case(1_200)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        for host in options.hosts:
            {"page": of_page, "server": of_server, "notebook": of_notebook}[host](browser, case, options.folder)
        browser.close()
    count = len(list(options.folder.glob("*.png")))
    sys.stdout.write(f"{count} pictures in {options.folder}\n")
    return 0


def of_page(browser: Browser, case: Case, folder: Path) -> None:
    """Take a picture of every view of the page, and of one whose texts attack."""
    explanation = replace(case.explanation, info=replace(case.explanation.info, comment="Who comes back, November"))
    pairs = TreeExplainer(case.model[-1], interactions=True).explain_global(case.model[:-1].transform(case.rows))
    earlier = replace(make_case(300).explanation, info=replace(case.explanation.info, n_rows=300, comment="October"))
    with tempfile.TemporaryDirectory() as temporary:
        page = explanation.save_html(Path(temporary) / "page.html", comparison=earlier)
        attack = hostile_explanation().save_html(Path(temporary) / "hostile.html")
        with_pairs = pairs.save_html(Path(temporary) / "pairs.html")
        for width, scheme, tab in windows(browser):
            tab.goto(page.as_uri())
            every_view(View(tab).wait(), tab, folder / f"page-{width}-{scheme}")
            tab.goto(with_pairs.as_uri())
            View(tab).wait().open("Interactions")
            shot(tab, folder / f"page-{width}-{scheme}-interactions-stored.png")
            tab.goto(attack.as_uri())
            View(tab).wait().open("Local importance").choose_row(2)
            shot(tab, folder / f"page-{width}-{scheme}-hostile.png")


def of_server(browser: Browser, case: Case, folder: Path) -> None:
    """Take a picture of the views that ask the model."""
    dashboard = ExplanationDashboard(case.explanation, case.model, case.rows, case.labels, mode="html")
    with dashboard.serve() as server:
        for width, scheme, tab in windows(browser):
            tab.goto(server.url)
            view = View(tab).wait()
            for name in LIVE:
                asked(view.open(name), tab)
                shot(tab, folder / f"server-{width}-{scheme}-{plain(name)}.png")


def of_notebook(browser: Browser, case: Case, folder: Path) -> None:
    """Take a picture of the widget in JupyterLab."""
    with tempfile.TemporaryDirectory() as temporary, running_lab(Path(temporary)) as lab:
        for scheme in SCHEMES:
            notebook = lab.write(f"{scheme}.ipynb", CELL.format(scheme))
            context = browser.new_context(viewport={"width": WIDTHS[0], "height": 1_100})
            tab = lab.open(context.new_page(), notebook)
            view = lab.run(tab, 0)
            for name in ("Global importance", "Summary importance", *LIVE):
                asked(view.open(name), tab)
                shot(tab, folder / f"notebook-{WIDTHS[0]}-{scheme}-{plain(name)}.png")
            context.close()


def windows(browser: Browser) -> Any:
    """Yield width, colour scheme and a new page for each pair of them."""
    for width in WIDTHS:
        for scheme in SCHEMES:
            context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
            yield width, scheme, context.new_page()
            context.close()


def every_view(view: View, tab: Page, stem: Path) -> None:
    """Take a picture of each view."""
    for name in view.tabs():
        view.open(name)
        if name == "Local importance":
            view.choose_row(5)
        tab.wait_for_timeout(500)
        shot(tab, stem.with_name(f"{stem.name}-{plain(name)}.png"))


def asked(view: View, tab: Page) -> None:
    """Choose a row where there is a choice, change it where that is what the view is for, and wait for the model."""
    if view.panel.get_by_label("Row number").count():
        view.choose_row(5)
    if view.panel.get_by_label("age", exact=True).count():
        view.panel.get_by_label("age", exact=True).fill("64")
    tab.wait_for_timeout(1_500)


def shot(tab: Page, path: Path) -> None:
    """Save a picture of the whole page."""
    tab.screenshot(path=path, full_page=True)


def plain(name: str) -> str:
    """Return a name for a file."""
    return name.lower().replace(" ", "-")


if __name__ == "__main__":
    sys.exit(main())
