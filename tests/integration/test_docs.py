"""What the documentation shows works as shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import TrackingServer

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run_blocks(page: str, server: TrackingServer, folder: Path) -> str:
    """Run all Python blocks of a page, one after the other, as one script; return what it printed."""
    blocks = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    assert blocks
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": server.uri,
        "EXPLANATION_CLIENT_HOME": str(folder / "home"),
        "PYTHONPATH": str(ROOT),
    }
    finished = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", "\n".join(blocks)],
        env=environment, cwd=folder, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_the_readme_runs(tracking_server: TrackingServer, tmp_path: Path) -> None:
    output = run_blocks("README.md", tracking_server, tmp_path)
    assert "test set" in output
    assert "(2, 143, 30)" in output
