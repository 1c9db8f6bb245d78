"""Check what every tracked file must hold to: no package registry's address, no path of one machine.

Lock files and logs pick both up by themselves. An address pins who downloads from where, and a path works nowhere else.
Prints each place and exits with 1 if there is any.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Written so that they do not match themselves, nor name what they look for.
REGISTRY = re.compile(
    rb"(?:py[p]i|python[h]osted|npm[j]s|yarn[p]kg|crates|anaconda|rubygems|debian|ubuntu)[.](?:org|com|io|net)\b"
    rb"|(?:proxy[.]golang|repo[.]maven|repo1[.]maven)[.]",
    re.IGNORECASE,
)
MACHINE_PATH = re.compile(rb"(?<![\w.~$}/-])/(?:(?:work|home|Users)/\w|root/[.])|\b[A-Z]:\\Users\\")

# They name paths inside a container, which are the same everywhere.
CONTAINER_FILES = re.compile(r"(^|/)(Dockerfile|docker-compose[^/]*[.]ya?ml|compose[^/]*[.]ya?ml|[.]dockerignore)$")


def tracked_files(root: Path = ROOT) -> list[Path]:
    """Return the files that git tracks, or would with the next ``git add``."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    return [root / name for name in sorted(set(listed)) if name and (root / name).is_file()]


def problems(files: list[Path], root: Path = ROOT) -> Iterator[str]:
    """Return one line for each place that names a registry or a path of one machine."""
    for path in files:
        name = path.relative_to(root).as_posix()
        for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
            if found := REGISTRY.search(line):
                yield f"{name}:{number}: names a package registry: {found[0].decode()}"
            if not CONTAINER_FILES.search(name) and (found := MACHINE_PATH.search(line)):
                yield f"{name}:{number}: names a path of one machine: {found[0].decode()}"


def main() -> int:
    """Return 1, after printing every problem, if there is one."""
    found = list(problems(tracked_files()))
    sys.stdout.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
