"""What a terminal shows: tables, and sizes as people write them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from explanation_client.errors import MissingDependencyError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_PIPED_WIDTH = 200
_IDS = ("run", "explanation", "id")


def open_console() -> Console:
    """Return the terminal; raise MissingDependencyError without rich."""
    try:
        from rich.console import Console
    except ImportError as error:
        raise MissingDependencyError("rich", extra="cli", needed_for="this command") from error
    # What is piped is read by programs, which want lines whole.
    return Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPED_WIDTH)


def table_of(*columns: str, title: str | None = None) -> Table:
    """Return an empty table whose long texts are wrapped; raise MissingDependencyError without rich."""
    try:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
    except ImportError as error:
        raise MissingDependencyError("rich", extra="cli", needed_for="this command") from error
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    for column in columns:
        # Ids are copied, and looked for.
        table.add_column(column, overflow="fold", no_wrap=column in _IDS)
    return table


def size_of(size: int | None) -> str:
    """Return a number of bytes as people write it, in powers of 1,000."""
    if size is None:
        return "?"
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
