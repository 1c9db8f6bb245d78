"""Measure a page in Chromium: ``python dev/measure.py PAGE STATE [--click SELECTOR]``.

Prints the CPU seconds of the main thread until the page is drawn, and those of each click after it.
"""

from __future__ import annotations

import argparse
import runpy
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

launch = runpy.run_path(str(Path(__file__).parent / "chromium.py"))["launch"]


def main() -> None:
    """Open the page, and click."""
    parser = argparse.ArgumentParser(description="Measure a page.")
    parser.add_argument("page", type=Path)
    parser.add_argument("state", nargs="?", default="")
    parser.add_argument("--click", action="append", default=[])
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for _ in range(options.times):
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            session = page.context.new_cdp_session(page)
            session.send("Performance.enable", {"timeDomain": "threadTicks"})
            page.goto(f"{options.page.resolve().as_uri()}?theme=light#{options.state}")
            page.wait_for_selector(".xd-panel")
            page.wait_for_selector(".xd-waiting", state="detached")
            page.wait_for_timeout(1500)
            spent = busy(session)
            said = [f"first {spent * 1000:.0f} ms"]
            for selector in options.click:
                before = busy(session)
                page.click(selector)
                page.wait_for_timeout(200)
                page.wait_for_selector(".xd-waiting", state="detached")
                page.wait_for_timeout(1500)
                said.append(f"{selector} {(busy(session) - before) * 1000:.0f} ms")
            sys.stdout.write("; ".join(said) + "\n")
            page.close()
        browser.close()


def busy(session: Any) -> float:
    """Return the seconds of tasks on the main thread so far."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(found["value"] for found in metrics if found["name"] == "TaskDuration"))


if __name__ == "__main__":
    main()
