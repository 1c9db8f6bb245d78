"""Open every panel of pages in both themes and at several widths: ``python dev/check.py PAGE ...``.

Says what the console said, what axe-core finds, what is wider than the window, and whether a hostile name was run.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

launch = runpy.run_path(str(Path(__file__).parent / "chromium.py"))["launch"]

AXE = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"


def main() -> int:
    """Check the pages; return how many faults there are."""
    faults = 0
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for path in sys.argv[1:]:
            for theme, width in (("light", 1400), ("dark", 1400), ("light", 500), ("dark", 659)):
                found = check(browser, Path(path), theme, width)
                for fault in found:
                    sys.stdout.write(f"{Path(path).stem} {theme} {width}: {fault}\n")
                faults += len(found)
        browser.close()
    sys.stdout.write(f"{faults} faults\n")
    return faults


def check(browser: Any, path: Path, theme: str, width: int) -> list[str]:
    """Return the faults of a page."""
    faults: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.on("console", lambda said: faults.append(f"console: {said.text}") if said.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.goto(f"{path.resolve().as_uri()}?theme={theme}&model=1#row=3&row2=5")
    page.wait_for_selector(".xd-panel")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    for tab in range(page.locator("[role=tab]").count()):
        page.locator("[role=tab]").nth(tab).click()
        name = page.locator("[role=tab]").nth(tab).inner_text()
        page.wait_for_selector(".xd-waiting", state="detached")
        page.wait_for_timeout(250)
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            faults.append(f"{name}: wider than the window by {wide} px")
        for violation in page.evaluate("axe.run().then(({ violations }) => violations)"):
            nodes = "; ".join(node["html"][:160] for node in violation["nodes"][:2])
            faults.append(f"{name}: {violation['id']} ({violation['impact']}): {nodes}")
    if page.evaluate("globalThis.harmed"):
        faults.append("a hostile name was run")
    page.close()
    return faults


if __name__ == "__main__":
    sys.exit(min(1, main()))
