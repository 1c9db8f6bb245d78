"""One Chromium for all tests in a browser, and pages that remember what went wrong in them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.cases import Case, make_case

# No network beside what a test opens, and no sandbox, which containers do not have.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]
WIDE = {"width": 1400, "height": 900}
# What is waited for comes at once; on a busy machine, later.
expect.set_options(timeout=30_000)


@dataclass
class Shown:
    """A page in the browser, and all that it complained about."""

    page: Page
    problems: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("console", self._heard)
        self.page.on("dialog", self._alarmed)
        self.page.on("request", self._requested)

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text}")

    def _alarmed(self, dialog: Any) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _requested(self, request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "blob:", "about:", "http://127.0.0.1", "http://localhost")):
            self.problems.append(f"request: {request.url}")


def chromium() -> str:
    """Return the path of the browser that is installed."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        raise FileNotFoundError("tests in a browser need Chromium: apt-get install chromium")
    return path


# It ends with this folder: while it runs, other tests of the process can't run an event loop of their own.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def shown(browser: Browser) -> Iterator[Shown]:
    """A new window, 1400 pixels wide; whatever its page complains of fails the test."""
    context = browser.new_context(viewport=WIDE)  # type: ignore[arg-type]  # a TypedDict
    window = Shown(context.new_page())
    window.watch()
    yield window
    context.close()
    assert window.problems == []


@pytest.fixture(scope="session")
def case() -> Case:
    """A trained model with numbers, categories and times, and its explanation."""
    return make_case()


@pytest.fixture(scope="session")
def case_page(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of that explanation."""
    return case.explanation.save_html(tmp_path_factory.mktemp("page") / "dashboard.html", title="A case")
