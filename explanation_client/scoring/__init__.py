"""Scoring explainers: local importances at prediction time, saved beside a model without pickle.

>>> scoring_explainer = explainer.create_scoring_explainer(x_test)                        # doctest: +SKIP
>>> save(scoring_explainer, "scoring_explainer", exist_ok=True)                           # doctest: +SKIP
>>> load("scoring_explainer").explain(rows)                                               # doctest: +SKIP

A scoring explainer holds what explaining takes and nothing else: the parsed trees, the coefficients, or a model with a
few background rows. Public names load on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from explanation_client.scoring.base import Score, ScoringExplainer
    from explanation_client.scoring.create import create_scoring_explainer
    from explanation_client.scoring.deep import DeepScoringExplainer
    from explanation_client.scoring.folder import load, save
    from explanation_client.scoring.kernel import KernelScoringExplainer
    from explanation_client.scoring.linear import LinearScoringExplainer
    from explanation_client.scoring.runs import (
        LoggedScoringExplainer,
        download_scoring_explainer,
        load_scoring_explainer,
        log_scoring_explainer,
    )
    from explanation_client.scoring.selftest import NotReproducedError
    from explanation_client.scoring.tree import TreeScoringExplainer

__all__ = [
    "DeepScoringExplainer",
    "KernelScoringExplainer",
    "LinearScoringExplainer",
    "LoggedScoringExplainer",
    "NotReproducedError",
    "Score",
    "ScoringExplainer",
    "TreeScoringExplainer",
    "create_scoring_explainer",
    "download_scoring_explainer",
    "load",
    "load_scoring_explainer",
    "log_scoring_explainer",
    "save",
]

_HOMES = {
    "DeepScoringExplainer": "deep",
    "KernelScoringExplainer": "kernel",
    "LinearScoringExplainer": "linear",
    "LoggedScoringExplainer": "runs",
    "NotReproducedError": "selftest",
    "Score": "base",
    "ScoringExplainer": "base",
    "TreeScoringExplainer": "tree",
    "create_scoring_explainer": "create",
    "download_scoring_explainer": "runs",
    "load": "folder",
    "load_scoring_explainer": "runs",
    "log_scoring_explainer": "runs",
    "save": "folder",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
