"""Progress of long work: a bar on a terminal or in a notebook, silence elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

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
    with tqdm(total=total, desc=description, unit=unit, unit_scale=scale, delay=_DELAY, leave=False) as bar:

        def advance(amount: int) -> None:
            bar.update(amount)

        yield advance


def _nothing(amount: int) -> None:
    """Show nothing."""


def _is_watched() -> bool:
    if "ipykernel" in sys.modules:
        return True
    return sys.stderr is not None and sys.stderr.isatty()
