"""Track model explanations in MLflow: compute, upload, find, download and compare feature importances.

Public names load on first use, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from explanation_client.client import ExplanationClient
    from explanation_client.dataset import EvaluationData
    from explanation_client.explanation import Explanation
    from explanation_client.importances import Importances
    from explanation_client.info import ExplanationInfo
    from explanation_client.spool import load_explanation, save_explanation

__version__ = "0.1.0"

__all__ = [
    "EvaluationData",
    "Explanation",
    "ExplanationClient",
    "ExplanationInfo",
    "Importances",
    "__version__",
    "load_explanation",
    "save_explanation",
]

_HOMES = {
    "EvaluationData": "explanation_client.dataset",
    "Explanation": "explanation_client.explanation",
    "ExplanationClient": "explanation_client.client",
    "ExplanationInfo": "explanation_client.info",
    "Importances": "explanation_client.importances",
    "load_explanation": "explanation_client.spool",
    "save_explanation": "explanation_client.spool",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
