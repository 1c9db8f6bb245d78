"""Loads saved scoring explainers where nothing is installed but what each of them says it needs.

``python -m tests.support.alone`` reads JSON from its input: rows, and for each scoring explainer its folder and its
distributions. Before it loads one, it hides every other distribution from ``import``: all but the library's own
requirements without extras, those that the scoring explainer names, and what these require. What it answers is
written as JSON. Folders with fewer distributions come first, so that one process is enough for many.
"""

from __future__ import annotations

import importlib.abc
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_ROOT = Path(__file__).parents[2]
# The variant of XGBoost without code for graphics cards has a name of its own.
_ALSO_KNOWN_AS = {"xgboost": "xgboost-cpu"}


def answers_of(saved: Sequence[tuple[Path, Sequence[str]]], rows: Any) -> list[dict[str, Any]]:
    """Return what scoring explainers say in a new process, in their order.

    Parameters
    ----------
    saved : sequence of (folder, distributions)
    rows : ndarray of float64, shape (N, F)

    Returns
    -------
    list of dict
        ``values``, ``base``, ``predictions`` and ``probabilities`` as lists, the latter two None where it has none.

    """
    folders = [[str(folder), list(names)] for folder, names in saved]
    finished = subprocess.run(
        [sys.executable, "-m", "tests.support.alone"],
        input=json.dumps({"folders": folders, "rows": rows.tolist()}),
        env={**os.environ, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false", "OMP_NUM_THREADS": "1"},
        cwd=_ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    found: list[dict[str, Any]] = json.loads(finished.stdout)
    return found


class Hide(importlib.abc.MetaPathFinder):
    """Refuses modules of distributions that are not allowed."""

    def __init__(self) -> None:
        self.allowed = required({"explanation-client", "threadpoolctl"})
        self._owners = packages_distributions()

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        owners = {canonical(owner) for owner in self._owners.get(name.partition(".")[0], ())}
        if owners and not owners & self.allowed:
            raise ModuleNotFoundError(f"{name} is of {', '.join(sorted(owners))}, which is not needed", name=name)


def required(names: Iterable[str]) -> set[str]:
    """Return distributions and all that they require without extras."""
    found: set[str] = set()
    waiting = [canonical(_ALSO_KNOWN_AS.get(name, name)) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            lines = distribution(name).requires or []
        except PackageNotFoundError:  # for another platform
            continue
        waiting += [canonical(_NAME.match(line)[0]) for line in lines if "extra ==" not in line]  # type: ignore[index]
    return found


def canonical(name: str) -> str:
    """Return a distribution's name as all write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Answer."""
    asked = json.load(sys.stdin)
    hide = Hide()
    sys.meta_path.insert(0, hide)
    folders: list[tuple[str, list[str]]] = [tuple(pair) for pair in asked["folders"]]
    found: dict[str, dict[str, Any]] = {}
    for folder, names in sorted(folders, key=lambda pair: len(required(pair[1]))):
        hide.allowed |= required(names)
        found[folder] = answered(folder, asked["rows"])
    json.dump([found[folder] for folder, _ in folders], sys.stdout)


def answered(folder: str, rows: list[list[float]]) -> dict[str, Any]:
    """Return what one of them says."""
    from explanation_client.scoring import load

    loaded = load(folder, trusted=True, compiled=False)
    score = loaded.score(rows)
    return {
        "values": score.values.tolist(),
        "base": loaded.expected_values.tolist(),
        "predictions": None if score.predictions is None else score.predictions.tolist(),
        "probabilities": None if score.probabilities is None else score.probabilities.tolist(),
    }


if __name__ == "__main__":
    main()
