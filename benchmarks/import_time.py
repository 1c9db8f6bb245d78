"""What ``import explanation_client`` costs, beside ``import mlflow`` and ``import shap``.

Each import runs in a fresh process with ``-X importtime``, in turns, after a first round that fills the caches of the
file system. CPU time (user and system) is that of the process less that of one that imports nothing: a busy
machine does not show in it. Printed: median and range, each in relation to ours, and the modules that cost most.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys

OURS = "import explanation_client"
STATEMENTS = (
    OURS,
    "from explanation_client import Explanation",
    "from explanation_client import ExplanationClient",
    "import mlflow",
    "import shap",
)
AIM_SECONDS = 0.1
SHOWN = 5


def main() -> int:
    """Print the table; return 1 if the aim was missed."""
    parser = argparse.ArgumentParser(description="CPU time of import explanation_client.")
    parser.add_argument("--quick", action="store_true", help="3 processes for each import instead of 15")
    runs = 3 if parser.parse_args().quick else 15

    times: dict[str, list[float]] = {"pass": [], **{statement: [] for statement in STATEMENTS}}
    for _ in range(runs + 1):
        for statement, taken in times.items():
            taken.append(cpu_seconds(statement)[0])
    start = statistics.median(times.pop("pass")[1:])
    cost = {statement: [seconds - start for seconds in taken[1:]] for statement, taken in times.items()}
    own = statistics.median(cost[OURS])

    print(
        f"CPU time of imports, median of {runs} processes (lowest to highest), less {start:.3f} s for the interpreter"
    )
    for statement, taken in cost.items():
        median = statistics.median(taken)
        print(
            f"  {statement:<50} {median:7.3f} s  ({min(taken):.3f} to {max(taken):.3f})"
            f"  {median / max(own, 1e-4):6.1f} times ours"
        )
    print(f"  aim: under {AIM_SECONDS} s: {'met' if own < AIM_SECONDS else 'MISSED'}")
    print(f"The {SHOWN} modules that cost most by themselves (wall time by -X importtime):")
    for microseconds, module in slowest_imports(OURS):
        print(f"  {microseconds / 1e6:7.3f} s  {module}")
    return 0 if own < AIM_SECONDS else 1


def cpu_seconds(code: str) -> tuple[float, str]:
    """Return the user and system time of a fresh interpreter that runs ``code``, and its -X importtime report."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    finished = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # No bar, no telemetry, no update check: an import alone.
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, finished.stderr


def slowest_imports(code: str) -> list[tuple[int, str]]:
    """Return the modules whose own import took longest, in microseconds, largest first; not the interpreter's own."""
    already = {module for _, module in _own_times(cpu_seconds("pass")[1])}
    return sorted((t for t in _own_times(cpu_seconds(code)[1]) if t[1] not in already), reverse=True)[:SHOWN]


def _own_times(report: str) -> list[tuple[int, str]]:
    """Return own time and name from lines such as ``import time:  155 |  155 | json.scanner``."""
    rows = (line.removeprefix("import time:").split("|") for line in report.splitlines() if "|" in line)
    return [(int(own), module.strip()) for own, _, module in rows if own.strip().isdigit()]


if __name__ == "__main__":
    sys.exit(main())
