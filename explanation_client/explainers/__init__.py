"""Explainers: what computes feature importances of a model.

:class:`TabularExplainer` chooses one; the others can be called by hand. Names load on first use, so that this package
costs nothing before something is explained.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from explanation_client.errors import AdditivityError

if TYPE_CHECKING:
    from explanation_client.explainers.base import Explainer
    from explanation_client.explainers.deep.explainer import DeepExplainer
    from explanation_client.explainers.han import HANTextExplainer
    from explanation_client.explainers.kernel import KernelExplainer
    from explanation_client.explainers.lime import LIMEExplainer
    from explanation_client.explainers.linear import LinearExplainer
    from explanation_client.explainers.mimic import MimicExplainer
    from explanation_client.explainers.pfi import PFIExplainer
    from explanation_client.explainers.sampling import SamplingPolicy
    from explanation_client.explainers.tabular import TabularExplainer
    from explanation_client.explainers.text import TextExplainer
    from explanation_client.explainers.tree import TreeExplainer

__all__ = [
    "AdditivityError",
    "DeepExplainer",
    "Explainer",
    "HANTextExplainer",
    "KernelExplainer",
    "LIMEExplainer",
    "LinearExplainer",
    "MimicExplainer",
    "PFIExplainer",
    "SamplingPolicy",
    "TabularExplainer",
    "TextExplainer",
    "TreeExplainer",
]

_HOMES = {
    "DeepExplainer": "deep.explainer",
    "Explainer": "base",
    "HANTextExplainer": "han",
    "KernelExplainer": "kernel",
    "LIMEExplainer": "lime",
    "LinearExplainer": "linear",
    "MimicExplainer": "mimic",
    "PFIExplainer": "pfi",
    "SamplingPolicy": "sampling",
    "TabularExplainer": "tabular",
    "TextExplainer": "text",
    "TreeExplainer": "tree",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
