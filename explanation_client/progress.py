"""Progress of long work: a bar on a terminal or in a notebook, silence elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

# Short work shows no bar: it appears after so many seconds.
_DELAY = 0.5


class Advance(Protocol):
    """Called with the amount of work that has been done since the last call."""

    def __call__(self, amount: int) -> None:
        """Show that so much more is done."""
        ...


@contextmanager
def progress_bar(
    description: str, *, total: int | None, unit: str, show: bool | None = None, scale: bool = False
) -> Iterator[Advance]:
    """Yield a function that moves a bar forward.

    Parameters
    ----------
    description : str
    total : int, optional
        Amount of work in all, or an estimate of it. None: the bar only counts.
    unit : str
        ``"B"`` or ``"row"`` for example.
    show : bool, optional
        None: only where somebody can see it, on a terminal or in a notebook.
    scale : bool
        Show the amount in thousands and millions.

    """
    wanted = _is_watched() if show is None else show
    if not wanted:
        yield _nothing
        return
    try:
        from tqdm import tqdm
    except ImportError:
        # A convenience: without the package there is no bar, and the work is the same.
        yield _nothing
        return
    where = _Output() if "ipykernel" in sys.modules else None
    with tqdm(total=total, desc=description, unit=unit, unit_scale=scale, delay=_DELAY, leave=False, file=where) as bar:

        def advance(amount: int) -> None:
            bar.update(amount)

        yield advance


class ProgressOfAll:
    """A bar for work that tells how much of all is done, whenever it comes to be done.

    The bar appears with the first call, and goes when all is done.

    Parameters
    ----------
    description, unit, show
        As of :func:`progress_bar`.

    """

    def __init__(self, description: str, *, unit: str, show: bool | None = None) -> None:
        self._description, self._unit, self._show = description, unit, show
        self._open = ExitStack()
        self._advance: Advance = _nothing
        self._done = 0

    def __call__(self, done: int, total: int) -> None:
        """Show that so much is done of all."""
        if self._advance is _nothing or done < self._done:
            # The first time, or once more after work that was interrupted.
            self._open.close()
            bar = progress_bar(self._description, total=total, unit=self._unit, show=self._show)
            self._advance, self._done = self._open.enter_context(bar), 0
        self._advance(done - self._done)
        self._done = done
        if done == total:
            self._open.close()
            self._advance = _nothing


def _nothing(amount: int) -> None:
    """Show nothing."""


def _is_watched() -> bool:
    if "ipykernel" in sys.modules:
        return True
    return sys.stderr is not None and sys.stderr.isatty()


class _Output:
    """An output of a notebook's cell that shows the last line that was written, and in the end nothing.

    Written to the standard error stream, a bar that is gone leaves a red stripe in the notebook.
    """

    encoding = "utf-8"  # the bar may be drawn with blocks

    def __init__(self) -> None:
        self._handle: Any = None

    def write(self, text: str) -> None:
        """Show a line in the place of the one before."""
        line = text.strip("\r\n ")
        data = {"text/plain": line} if line else {"text/plain": "", "text/html": ""}
        if self._handle is not None:
            self._handle.update(data, raw=True)
        elif line:
            import IPython.display

            show: Any = IPython.display.display
            self._handle = show(data, raw=True, display_id=True)

    def flush(self) -> None:
        """Do nothing: each line is shown at once."""
