"""What changed between two explanations of a model: in the ranking of its features, and in their local importances.

The baseline is what is known to be right, the explanation of the training or test rows for example; the current one is
of rows that the model met later, or of the model that is to replace it. A model can go on predicting well on paper
while it leans on other features than it did: that is what is looked for here, in importances alone, without labels.
"""

from __future__ import annotations

from explanation_client.drift.compare import attribution_drift
from explanation_client.drift.result import AttributionDrift

__all__ = ["AttributionDrift", "attribution_drift"]
