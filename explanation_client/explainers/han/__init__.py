"""A hierarchical attention network as a surrogate of models of documents. Needs PyTorch."""

from __future__ import annotations

from explanation_client.errors import MissingDependencyError

try:
    from explanation_client.explainers.han.explainer import HANTextExplainer
except ImportError as error:
    if error.name != "torch":
        raise
    raise MissingDependencyError("torch", extra="text", needed_for="HANTextExplainer") from error

__all__ = ["HANTextExplainer"]
