"""Settings of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Iterator[None]:
    """Keep native libraries from starting threads: the models are tiny, and threads that wait for others cost more."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    # Loaded first, so that its thread pool is known.
    import sklearn.ensemble  # noqa: F401

    with threadpoolctl.threadpool_limits(1):
        yield
