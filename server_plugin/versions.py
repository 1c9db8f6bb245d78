"""Which versions of MLflow the plugin works with."""

from __future__ import annotations

import logging

from packaging.version import Version

OLDEST = Version("3.15")
"""The first version whose start page and endpoints are those that the plugin knows."""

NEWEST_TESTED = Version("3.17")
"""The newest minor version that the tests run against."""

_log = logging.getLogger(__name__)


def check_version(version: str) -> None:
    """Raise ``RuntimeError`` where MLflow is too old; log a warning where it is newer than what was tested.

    A newer MLflow is not refused: where its pages have changed they stay as they are, and only a link is added.
    """
    found = Version(version)
    if found < OLDEST:
        raise RuntimeError(
            f"The Explanations tab needs MLflow {OLDEST} or newer, and this is MLflow {version}: upgrade MLflow, or "
            "start the server without --app-name"
        )
    if found.release[:2] > NEWEST_TESTED.release[:2]:
        _log.warning(
            "The Explanations tab was tested with MLflow %s to %s, and this is MLflow %s. If its pages have changed, "
            "they show a link to the explanations instead of a tab.",
            OLDEST,
            NEWEST_TESTED,
            version,
        )
