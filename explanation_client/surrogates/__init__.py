"""Surrogates: simple models that are trained on the answers of another one, the teacher, and explained in its place.

:class:`~explanation_client.explainers.mimic.MimicExplainer` trains one and explains it. They can be used by hand where
rows are numbers; the explainer also takes text, categories and tables of any kind.
"""

from __future__ import annotations

from explanation_client.surrogates.base import ExplainableModel
from explanation_client.surrogates.linear import LinearExplainableModel, SGDExplainableModel
from explanation_client.surrogates.trees import DecisionTreeExplainableModel, LGBMExplainableModel

__all__ = [
    "DecisionTreeExplainableModel",
    "ExplainableModel",
    "LGBMExplainableModel",
    "LinearExplainableModel",
    "SGDExplainableModel",
]
