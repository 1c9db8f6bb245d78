"""What the documentation of the dashboard shows works as shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.test_docs import run_blocks
from tests.support.servers import TrackingServer

pytestmark = pytest.mark.integration


def test_the_page_about_the_dashboard_runs(tracking_server: TrackingServer, tmp_path: Path) -> None:
    output = run_blocks("docs/dashboard.md", tracking_server, tmp_path)
    assert "http://127.0.0.1:" in output
    for name in ("explanation.html", "with-true-values.html"):
        assert 200_000 < (tmp_path / name).stat().st_size < 3_000_000
