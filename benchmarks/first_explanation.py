"""What the first explanation in a process costs, beside ``import shap``: ``python benchmarks/first_explanation.py``.

Compiled code is made once per machine and loaded once per process, which takes longer than a small explanation. Each
figure is the CPU time of one fresh process, from the import of what explains to the explanation, with pandas,
scikit-learn and LightGBM imported and a model trained before, as it is where models are trained. *Fresh machine* means
an empty folder for compiled code, *again* the folder that the run before left. Printed: the median of some processes.
Small explanations are to cost less than ``import shap`` does on either; with a background, and with interactions, too.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from typing import NamedTuple

BEFORE = """
import time, warnings
warnings.simplefilter("ignore")
import lightgbm, numpy as np, pandas, sklearn.datasets, sklearn.ensemble
x, y = sklearn.datasets.load_breast_cancer(return_X_y=True)
model = lightgbm.LGBMClassifier(n_estimators={trees}, num_leaves={leaves}, n_jobs=1, verbose=-1).fit(x, y)
many = np.tile(x, (40, 1))
start = time.process_time()
"""
AFTER = "\nprint(time.process_time() - start)"
EXPLAIN = (
    "from explanation_client.explainers import TreeExplainer\nTreeExplainer(model{options}).explain_global({rows})"
)
SHAP = "import shap\nshap.TreeExplainer(model).shap_values({rows})"
SMALL = {"trees": 20, "leaves": 15}
USUAL = {"trees": 100, "leaves": 31}
BACKGROUND = ", x[:50], feature_perturbation='interventional'"


class Case(NamedTuple):
    """What is timed, with a model of so many trees and leaves."""

    name: str
    code: str
    sizes: dict[str, int] = SMALL
    is_small: bool = False
    """It is to cost less than the import of shap."""


CASES = (
    Case("import shap", "import shap"),
    Case("import numba", "import numba"),
    Case("20 x 15 leaves, 100 rows", EXPLAIN.format(options="", rows="x[:100]"), is_small=True),
    Case("  with a background of 50 rows", EXPLAIN.format(options=BACKGROUND, rows="x[:100]"), is_small=True),
    Case("  with interactions", EXPLAIN.format(options=", interactions=True", rows="x[:100]"), is_small=True),
    Case("  shap", SHAP.format(rows="x[:100]")),
    Case("100 x 31 leaves, 569 rows", EXPLAIN.format(options="", rows="x"), USUAL, is_small=True),
    Case("  shap", SHAP.format(rows="x"), USUAL),
    Case("100 x 31 leaves, 22,760 rows", EXPLAIN.format(options="", rows="many"), USUAL),
)


def main() -> int:
    """Print the table; return 1 if the aim was missed."""
    parser = argparse.ArgumentParser(description="CPU time of the first explanation in a process.")
    parser.add_argument("--quick", action="store_true", help="1 process for each figure instead of 5")
    runs = 1 if parser.parse_args().quick else 5
    print(f"CPU seconds in a new process, median of {runs}".ljust(56) + "fresh machine".rjust(14) + "again".rjust(8))
    missed, limit = False, float("inf")
    for case in CASES:
        code = BEFORE.format(**case.sizes) + case.code + AFTER
        fresh, again = zip(*(both(code) for _ in range(runs)), strict=True)
        taken = statistics.median(fresh), statistics.median(again)
        if case.name == "import shap":
            limit = min(taken)
        missed |= case.is_small and max(taken) > limit
        print(case.name.ljust(56) + f"{taken[0]:14.2f}{taken[1]:8.2f}", flush=True)
    print(f"small explanations cost less than import shap: {'MISSED' if missed else 'met'}")
    return int(missed)


def both(code: str) -> tuple[float, float]:
    """Return the seconds that some code takes without, and then with, the compiled code that it left."""
    with tempfile.TemporaryDirectory() as folder:
        return seconds(code, folder), seconds(code, folder)


def seconds(code: str, folder: str) -> float:
    """Return what a fresh interpreter prints last."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": folder, "MLFLOW_DISABLE_TELEMETRY": "true"}
    found = subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True, env=environment
    ).stdout
    return float(found.split()[-1])


if __name__ == "__main__":
    sys.exit(main())
