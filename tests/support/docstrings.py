"""A corpus that every machine has: the docstrings of four packages, without the packages' names.

Which package wrote a docstring? Names of the packages are taken out, as are examples, so that a model has to read.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PACKAGES = ("numpy", "pandas", "scipy", "sklearn")

_NAMES = re.compile(r"(?i)\b(?:numpy|np|scipy|sp|sklearn|scikits?|scikit-learn|pandas|pd)\b")
_LEFT_OUT = {"tests", "_vendor", "externals", "_lib"}
_FEWEST_WORDS = 20
# Docstrings that begin alike are copies of one another.
_BEGINNING = 25


@dataclass(frozen=True)
class Corpus:
    """Docstrings to learn from and to test with, and the package of each."""

    train: list[str]
    train_labels: NDArray[Any]
    test: list[str]
    test_labels: NDArray[Any]


def docstrings(n_train: int, n_test: int, *, seed: int = 0) -> Corpus:
    """Return a random part of the docstrings; files are read, and nothing is imported."""
    texts: list[str] = []
    labels: list[str] = []
    seen: set[str] = set()
    for package in PACKAGES:
        for text in _texts(package):
            beginning = " ".join(text.split()[:_BEGINNING])
            if beginning not in seen:
                seen.add(beginning)
                texts.append(text)
                labels.append(package)
    picked = np.random.default_rng(seed).permutation(len(texts))[: n_train + n_test]
    train, test = picked[:n_train], picked[n_train:]
    names = np.array(labels)
    return Corpus([texts[i] for i in train], names[train], [texts[i] for i in test], names[test])


def _texts(package: str) -> list[str]:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    found: list[str] = []
    for path in sorted(Path(spec.origin).parent.rglob("*.py")):
        if _LEFT_OUT & set(path.parts):
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                text = _plain(ast.get_docstring(node) or "")
                if len(text.split()) >= _FEWEST_WORDS:
                    found.append(text)
    return found


def _plain(docstring: str) -> str:
    """Return a docstring without examples and without names of packages."""
    lines = [line for line in docstring.splitlines() if not line.lstrip().startswith((">>>", "..."))]
    return _NAMES.sub("", "\n".join(lines))
