"""An artifact store that fails on purpose: what networks, servers and dying processes do to single operations.

It wraps a real store. Which operation fails, and how, is a plan that a test (or Hypothesis) draws up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from explanation_client.artifacts import Artifacts, Buffer, Stat, byte_view
from explanation_client.errors import StorageUnreachableError

Fault = Literal["ok", "refused", "torn", "torn silently", "lost answer", "zombie", "cut", "flip", "crash"]


class Crash(BaseException):  # no error: the process is gone, nothing catches it
    """The process dies here."""


class FaultyArtifacts:
    """Performs the operations of another store, each as its plan says; past the plan, as they should be.

    - refused: an error, nothing done
    - torn: a write stores half of the bytes and reports an error
    - torn silently: a write stores half of the bytes and reports that all is well (a cut upload under gunicorn)
    - lost answer: the operation is done, and reported as failed
    - zombie: a write fails; half of its bytes appear later, when ``wake_zombies`` is called or another write succeeds
    - cut, flip: a read returns half of the bytes, or one changed bit
    - crash: the process dies, before or half-way through
    """

    def __init__(self, inner: Artifacts, plan: Sequence[Fault]) -> None:
        self._inner = inner
        self._plan = list(plan)
        self._zombies: list[tuple[str, bytes]] = []
        self.operations = 0

    def write(self, path: str, data: Buffer) -> None:
        fault = self._next()
        whole = bytes(byte_view(data))
        if fault in ("torn", "torn silently", "crash"):
            self._inner.write(path, whole[: len(whole) // 2])
        elif fault == "zombie":
            self._zombies.append((path, whole[: len(whole) // 2]))
        elif fault != "refused":
            self._inner.write(path, whole)
        self._fail(fault, ("refused", "torn", "lost answer", "zombie"))
        self.wake_zombies()

    def read(self, path: str, *, max_bytes: int | None = None) -> bytes:
        fault = self._next()
        self._fail(fault, ("refused", "torn", "lost answer", "zombie"))
        data = self._inner.read(path, max_bytes=max_bytes)
        if fault == "cut":
            return data[: len(data) // 2]
        if fault == "flip" and data:
            middle = len(data) // 2
            return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        return data

    def list(self, prefix: str) -> tuple[Stat, ...]:
        self._fail(self._next(), ("refused", "torn", "lost answer", "zombie"))
        return self._inner.list(prefix)

    def delete(self, path: str) -> None:
        self._fail(self._next(), ("refused", "torn", "lost answer", "zombie"))
        self._inner.delete(path)

    def wake_zombies(self) -> None:
        """Let the writes that were given up reach the store now."""
        for path, half in self._zombies:
            self._inner.write(path, half)
        self._zombies.clear()

    def _next(self) -> Fault:
        self.operations += 1
        return self._plan.pop(0) if self._plan else "ok"

    def _fail(self, fault: Fault, failing: tuple[Fault, ...]) -> None:
        if fault == "crash":
            raise Crash
        if fault in failing:
            raise StorageUnreachableError(f"fault on purpose: {fault}")
