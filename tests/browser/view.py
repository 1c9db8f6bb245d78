"""The dashboard as a test uses it: by the names and roles that people and screen readers find."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Frame, FrameLocator, Locator, Page

ROOT = Path(__file__).parents[2]
AXE = ROOT / "explanation_client" / "dashboard" / "js" / "node_modules" / "axe-core" / "axe.min.js"
PATIENCE = 30_000.0


@dataclass(frozen=True)
class View:
    """The dashboard in a page, a frame, or a part of a page."""

    place: Page | Frame | FrameLocator | Locator

    def wait(self) -> View:
        """Return this view once the first panel is there."""
        self.place.get_by_role("tablist", name="Views").wait_for(timeout=PATIENCE)
        self.panel.get_by_role("heading", level=2).wait_for(timeout=PATIENCE)
        return self

    @property
    def panel(self) -> Locator:
        return self.place.get_by_role("tabpanel")

    def tabs(self) -> list[str]:
        # A ring marks a view that lacks its data.
        return [text.rstrip("○ \n") for text in self.place.get_by_role("tab").all_inner_texts()]

    def open(self, name: str) -> View:
        """Return this view once the panel of that name is shown."""
        # The name of a view that lacks its data goes on, and says so.
        self.place.get_by_role("tab", name=re.compile(f"^{re.escape(name)}")).click()
        self.panel.get_by_role("heading", level=2, name=name, exact=True).wait_for(timeout=PATIENCE)
        return self

    def choose_row(self, row: int) -> View:
        field = self.panel.get_by_label("Row number")
        field.fill(str(row))
        field.press("Enter")
        return self

    def figure(self, name: str) -> Locator:
        found = self.panel.get_by_role("figure", name=name)
        found.wait_for(timeout=PATIENCE)
        return found

    def bars(self, figure: str) -> dict[str, float]:
        """Return name and value of each bar, as precise as the page has them."""
        items = self.figure(figure).locator(".xd-bar")
        found: Any = items.evaluate_all(
            "bars => bars.map(bar => [bar.querySelector('bdi').textContent,"
            " Number(bar.querySelector('[data-value]').dataset.value)])"
        )
        return dict(found)

    def pairs(self, figure: str) -> dict[str, tuple[float, float]]:
        """Return name and both values of each pair of bars."""
        items = self.figure(figure).locator(".xd-pair")
        found: Any = items.evaluate_all(
            "pairs => pairs.map(pair => [pair.querySelector('.xd-pair-name').textContent,"
            " Array.from(pair.querySelectorAll('[data-value]'), (value) => Number(value.dataset.value))])"
        )
        return {name: (first, second) for name, (first, second) in found}


def violations(page: Page | Frame, *rules: str) -> list[str]:
    """Return what axe-core finds wrong in a page, by some rules or by all, with what it is about."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
    found: Any = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{problem['id']} ({problem['impact']}): {problem['help']}: {node['html'][:160]}"
        for problem in found["violations"]
        for node in problem["nodes"][:3]
    ]


def overflow(page: Page | Frame) -> int:
    """Return how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
