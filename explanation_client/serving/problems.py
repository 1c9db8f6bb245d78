"""What a request is refused with: a status, a code for programs, a message for people."""

from __future__ import annotations


class RefusedError(Exception):
    """A request that is not answered as it asks. Its text goes to whoever sent the request, and to nobody else."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after


def too_slow(seconds: float | None = None) -> RefusedError:
    """Return the refusal of a request whose answer would take too long."""
    limit = "the time that there is for it" if seconds is None else f"{seconds:g} s"
    return RefusedError(504, "TIMEOUT", f"the answer took more than {limit}: send fewer rows")
