"""``-m base`` reads only the test files that have such tests, and only the folders that have such files.

It is for an environment without any extra, in which the other files, and the ``conftest.py`` beside them, could not
even be imported.
"""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the files without a test that is marked ``base``, and the folders without such a file."""
    if config.option.markexpr != "base":
        return None
    if collection_path.is_dir():
        # The root is asked about too, and holds environments with other people's files.
        if TESTS not in collection_path.parents:
            return None
        files = collection_path.rglob("test_*.py")
    elif collection_path.suffix == ".py":
        files = iter([collection_path])
    else:
        return None
    return None if any("mark.base" in file.read_text(encoding="utf-8") for file in files) else True
