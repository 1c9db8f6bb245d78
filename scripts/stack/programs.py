"""Where the programs are that the stack runs, and what to install where they are not."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

from scripts.stack.service import StackError


class NotInstalledError(StackError):
    """A program is missing; the message says how it comes onto the machine."""


def of_postgresql(name: str) -> str:
    """Return the path of one of PostgreSQL's programs: on the PATH, or where Debian keeps the newest version's."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: _number(folder.parent.name))
    places = [os.environ.get("PATH", os.defpath), *(str(folder) for folder in reversed(versions))]
    found = shutil.which(name, path=os.pathsep.join(places))
    if found is None:
        raise NotInstalledError(
            f"PostgreSQL's program {name} is not on this machine. On Debian and Ubuntu: apt-get install postgresql; "
            "on Fedora: dnf install postgresql-server. Or put the folder with initdb and postgres on the PATH"
        )
    return str(Path(found).resolve())  # Debian's way of finding its libraries needs the real place


def of_environment(name: str, *, packages: tuple[str, ...], install: str) -> str:
    """Return the path of a command of the Python environment that this runs in.

    Parameters
    ----------
    name : str
    packages : tuple of str
        What it needs to be importable; only looked for, not imported.
    install : str
        What to do where something is missing, for the message.

    """
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    missing = [package for package in packages if find_spec(package) is None]
    if found is None or missing:
        raise NotInstalledError(
            f"{', '.join(missing) or name} is not in the environment of {sys.executable}: {install}"
        )
    return found


def _number(version: str) -> int:
    return int(version) if version.isdigit() else 0
