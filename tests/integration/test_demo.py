"""The main job, end to end, as the README has it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


def test_the_demo_runs_and_ends_by_itself(tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, "examples/demo.py", "--once", "--folder", str(tmp_path / "demo")],
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stdout + finished.stderr
    output = finished.stdout
    assert "two explanations uploaded" in output
    assert "local explanation: top 2 features" in output
    assert "Browse the run: http://127.0.0.1:" in output
    ranked = output.split("matter most to the model:\n")[1].split("\n\n")[0].splitlines()
    assert len(ranked) == 4
    values = [float(line.split()[-1]) for line in ranked]
    assert values == sorted(values, reverse=True)
