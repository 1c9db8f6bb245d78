"""Settings of the fast tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Keep native libraries from starting threads: the models are tiny, and threads that wait for others cost more."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    if "sklearn" in sys.modules:
        # Loaded first, so that its thread pool is known.
        import sklearn.ensemble  # noqa: F401
    with threadpoolctl.threadpool_limits(1):
        yield
