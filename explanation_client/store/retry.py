"""One deadline for an operation, however many requests and retries it takes."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from explanation_client.artifacts import is_retryable, retry_after
from explanation_client.errors import StorageError, StorageTimeoutError

T = TypeVar("T")

_log = logging.getLogger(__name__)
_FIRST_DELAY = 0.2
_LONGEST_DELAY = 15.0


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment (``time.monotonic``) at which an operation gives up, and how many seconds it was given."""

    at: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline that passes in so many seconds."""
        return cls(time.monotonic() + seconds, seconds)

    @property
    def remaining(self) -> float:
        """Seconds that are left; 0 once it has passed."""
        return max(0.0, self.at - time.monotonic())


def retrying(attempt: Callable[[], T], *, deadline: Deadline, what: str, stop: threading.Event | None = None) -> T:
    """Return what ``attempt`` returns; repeat it after failures that may pass, until the deadline.

    Waits twice as long after each failure, from 0.2 up to 15 seconds, with jitter, or as long as the server said.

    Raises
    ------
    InterruptedError
        ``stop`` was set, or the interpreter is ending.
    StorageTimeoutError
        The deadline passed; the last failure is its cause.
    StorageError
        A failure that no repetition mends.

    """
    delay = _FIRST_DELAY
    while True:
        if stop is not None and stop.is_set():
            raise InterruptedError(f"{what} was stopped")
        try:
            return attempt()
        except StorageError as error:
            if not is_retryable(error):
                raise
            wait = max(delay * random.uniform(0.5, 1.0), retry_after(error) or 0.0)
            if wait >= deadline.remaining:
                raise StorageTimeoutError(
                    f"{what}: gave up after {deadline.seconds:g} s. Last failure: {error}. Raise the deadline with "
                    "timeout= (seconds), or try again once the server answers"
                ) from error
            _log.info("%s failed (%s); trying again in %.1f s", what, error, wait)
        _sleep(wait, stop)
        delay = min(2 * delay, _LONGEST_DELAY)


def _sleep(seconds: float, stop: threading.Event | None) -> None:
    """Sleep, but no longer than somebody waits for the result."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if not threading.main_thread().is_alive():
            raise InterruptedError("the interpreter is ending")
        if stop is None:
            time.sleep(min(left, 0.5))
        elif stop.wait(min(left, 0.5)):
            return
