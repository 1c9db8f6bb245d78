"""Retrying within one deadline."""

from __future__ import annotations

import time

import pytest

from explanation_client.errors import StoragePermissionError, StorageTimeoutError, StorageUnreachableError
from explanation_client.store.retry import Deadline, retrying


class Flaky:
    """Fails a number of times, then answers."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures, self.error, self.calls = failures, error, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return "answer"


def test_failures_that_pass_are_repeated() -> None:
    attempt = Flaky(2, StorageUnreachableError("away"))
    assert retrying(attempt, deadline=Deadline.after(30), what="asking") == "answer"
    assert attempt.calls == 3


def test_refusals_are_not_repeated() -> None:
    attempt = Flaky(1, StoragePermissionError("no"))
    with pytest.raises(StoragePermissionError):
        retrying(attempt, deadline=Deadline.after(30), what="asking")
    assert attempt.calls == 1


def test_the_deadline_ends_it_and_the_last_failure_is_told() -> None:
    begun = time.monotonic()
    with pytest.raises(StorageTimeoutError, match=r"asking: gave up after 0.5 s.*away") as caught:
        retrying(Flaky(100, StorageUnreachableError("away")), deadline=Deadline.after(0.5), what="asking")
    assert isinstance(caught.value.__cause__, StorageUnreachableError)
    assert time.monotonic() - begun < 5


def test_the_server_says_how_long_to_wait() -> None:
    busy = StorageUnreachableError("busy")
    busy.retry_after = 1000.0
    attempt = Flaky(1, busy)
    with pytest.raises(StorageTimeoutError):
        retrying(attempt, deadline=Deadline.after(5), what="asking")
    assert attempt.calls == 1
