"""Dashboards: explanations to look at, in a notebook, as one file, or from a small server on this machine."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from explanation_client.dashboard.pages import explanation_page

if TYPE_CHECKING:
    from explanation_client.dashboard.dashboard import ExplanationDashboard

__all__ = ["ExplanationDashboard", "explanation_page"]


def __getattr__(name: str) -> Any:
    """Load the dashboard when it is asked for: a page needs none of what asks models."""
    if name == "ExplanationDashboard":
        return import_module("explanation_client.dashboard.dashboard").ExplanationDashboard
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
