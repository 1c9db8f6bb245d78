"""Progress of long work: a bar on a terminal or in a notebook, silence elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
    description: str, *, total: int, unit: str, show: bool | None = None, scale: bool = False
) -> Iterator[Advance]:
    """Yield a function that moves a bar forward.

    Parameters
    ----------
    description : str
    total : int
        Amount of work in all, an estimate where it is not known.
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
