"""Run the benchmarks, one process after the other: ``bench.py [--quick] [NAME...]``.

``--quick`` is passed on to those that have it; the others are short anyway.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


def main() -> int:
    """Return 1 if a benchmark failed or there is none of that name, else 0."""
    parser = argparse.ArgumentParser(description="Run the benchmarks.")
    parser.add_argument("--quick", action="store_true", help="the short form of each")
    parser.add_argument("names", nargs="*", help="such as import_time; without any: all")
    arguments = parser.parse_args()
    scripts = {script.stem: script for script in sorted(BENCHMARKS.glob("[!_]*.py"))}
    if unknown := sorted(set(arguments.names) - set(scripts)):
        parser.error(f"no benchmark {', '.join(unknown)}: there are {', '.join(scripts)}")
    failed = [name for name in arguments.names or scripts if run(scripts[name], quick=arguments.quick) != 0]
    if failed:
        sys.stderr.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


def run(script: Path, *, quick: bool) -> int:
    """Return the exit status of one benchmark, which prints to the terminal."""
    sys.stdout.write(f"== {script.stem}\n")
    sys.stdout.flush()
    options = ["--quick"] if quick and "--quick" in script.read_text(encoding="utf-8") else []
    return subprocess.run([sys.executable, str(script), *options], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
