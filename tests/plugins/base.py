"""``-m base`` reads only the test files that have such tests.

It is for an environment without any extra, in which the other files could not even be imported.
"""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the files without a test that is marked ``base``."""
    if config.option.markexpr != "base" or collection_path.suffix != ".py":
        return None
    marked = "mark.base" in collection_path.read_text(encoding="utf-8")
    return None if marked else True
