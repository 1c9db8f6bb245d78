"""Take screenshots of a page: ``python dev/shots.py PAGE OUT [state] [--dark] [--width 1400] ...``."""

from __future__ import annotations

import argparse
import runpy
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

launch = runpy.run_path(str(Path(__file__).parent / "chromium.py"))["launch"]


def main() -> None:
    """Open the page, wait until it is drawn, take the picture, say what the console said."""
    parser = argparse.ArgumentParser(description="Take a screenshot of a page.")
    parser.add_argument("page", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("state", nargs="?", default="")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--width", type=int, default=1400)
    parser.add_argument("--height", type=int, default=900)
    parser.add_argument("--language", default="en")
    parser.add_argument("--model", action="store_true")
    parser.add_argument("--click", action="append", default=[])
    options = parser.parse_args()
    theme = "dark" if options.dark else "light"
    query = f"theme={theme}&language={options.language}{'&model=1' if options.model else ''}"
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_page(viewport={"width": options.width, "height": options.height})
        page.on("console", lambda found: say(f"{found.type}: {found.text}"))
        page.on("pageerror", lambda found: say(f"error: {found}"))
        page.goto(f"{options.page.resolve().as_uri()}?{query}#{options.state}")
        page.wait_for_selector(".xd-panel, .xd-lone")
        page.wait_for_selector(".xd-waiting", state="detached")
        for selector in options.click:
            page.click(selector)
        page.wait_for_timeout(400)
        page.screenshot(path=options.out, full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            sys.stderr.write(f"wider than the window by {wide} px\n")
        browser.close()


def say(text: str) -> None:
    """Print a line beside the picture."""
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    main()
