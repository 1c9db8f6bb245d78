"""Disks that are full, and places that may not be written or read, for any user that runs the tests."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """Yield a folder in which no file larger than ``size`` bytes can be written; the error is that of a full disk.

    A file system of that size (ENOSPC) where this user may mount one, else a limit for files of this process (EFBIG).
    """
    folder.mkdir(parents=True, exist_ok=True)
    mounted = os.geteuid() == 0 and _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    if mounted:
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield folder
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def unwritable_folder() -> Path:
    """Return a folder in which nobody can make anything, root neither: Linux's view of its devices."""
    return Path("/sys/kernel/explanation-client")


def unreadable_file() -> Path:
    """Return a file that exists and that nobody can read, root neither: a switch of the kernel's."""
    return Path("/sys/bus/cpu/drivers_probe")


def _run(*command: str) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False
