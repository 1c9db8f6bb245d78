"""How the scripts of this folder start the browser."""

from __future__ import annotations

from playwright.sync_api import Browser, Playwright

ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def launch(playwright: Playwright) -> Browser:
    """Return Debian's Chromium without a window, and without a network of its own."""
    return playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGS)
