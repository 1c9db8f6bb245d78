"""One typed way to compile a loop, with a cache that survives the process."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

__all__ = ["cache_folder", "inline_kernel", "kernel"]

Function = TypeVar("Function", bound=Callable[..., Any])

_PACKAGE = Path(__file__).resolve().parent.parent


def kernel(function: Function) -> Function:
    """Return the function compiled on its first call, without the interpreter lock.

    ``error_model="numpy"`` leaves out the zero checks that keep loops from being vectorised.
    """
    return _compiled(function, {"nogil": True, "error_model": "numpy"})


def inline_kernel(function: Function) -> Function:
    """Return the function as a part of the kernels that call it: merged into each of them."""
    return _compiled(function, {"nogil": True, "error_model": "numpy", "forceinline": True})


def _compiled(function: Function, options: dict[str, Any]) -> Function:
    folder = cache_folder()
    if folder is None:
        return cast(Function, numba.njit(**options)(function))
    # numba looks for its folder when a function is decorated, and has no argument for it.
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        return cast(Function, numba.njit(cache=True, **options)(function))
    finally:
        config.CACHE_DIR = before


@cache
def cache_folder() -> Path | None:
    """Return a folder for compiled code that can be written, or None: then it is kept in memory.

    numba tells by a function's own file whether its compiled code is current, but what is compiled
    holds the code of other files too. So the folder is named by the digest of all of them: after
    an upgrade nothing old is ever run. Two versions of numba would undo each other's work in one
    folder for ever, so that each has its own.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    for source in sorted(_PACKAGE.glob("*.py")) + sorted(_PACKAGE.glob("kernels/*.py")):
        digest.update(source.read_bytes())
    name = f"treeshap-{digest.hexdigest()[:16]}"
    for base in _bases():
        folder = base / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


def _bases() -> Iterator[Path]:
    """Yield where compiled code may go, best first: as numba is told, the package, the user's cache, temporary."""
    config: Any = numba.config
    if config.CACHE_DIR:
        yield Path(config.CACHE_DIR)
    yield _PACKAGE / "kernels" / "__pycache__"
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    if home:
        yield Path(home)
    elif os.environ.get("HOME"):
        yield Path(os.environ["HOME"]) / ".cache"
    private = _private_folder()
    if private is not None:
        yield private


def _private_folder() -> Path | None:
    """Return a temporary folder that only this user can write, or None.

    Cached code is run as it is found, so that a folder someone else made must not be used.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"treeshap-cache-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    if not stat.S_ISDIR(found.st_mode):
        return None
    if hasattr(os, "getuid") and (found.st_uid != user or found.st_mode & 0o077):
        return None
    return folder
