"""Settings of these tests: those of the other fast ones."""

from tests.unit.conftest import _one_thread

__all__ = ["_one_thread"]
