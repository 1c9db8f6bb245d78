"""What differs where ``CI=true`` is set: nothing is skipped silently, and Hypothesis draws the same examples each time.

A test that skips itself because a program or a package is missing is a fair thing on a developer's machine. In CI it
would mean that a part of the suite never runs and nobody notices: there, a skip is a failure.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import hypothesis
import pytest

IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")

# No deadline: machines that run tests are busy, and a slow example is not a wrong one.
hypothesis.settings.register_profile("local", deadline=None)
hypothesis.settings.register_profile("in-ci", deadline=None, derandomize=True, database=None, print_blob=True)
hypothesis.settings.load_profile("in-ci" if IN_CI else "local")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a test into a failure."""
    report = yield
    if not hasattr(report, "wasxfail"):
        _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole module into an error."""
    report = yield
    _fail_if_skipped(report)
    return report


def _fail_if_skipped(report: Any) -> None:
    if IN_CI and report.outcome == "skipped":
        path, line, reason = report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{path}:{line}: skipped, which CI does not allow: {reason.removeprefix('Skipped: ')}"
