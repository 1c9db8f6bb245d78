"""From a teacher's probabilities to what a surrogate is fitted to, and back, for outputs and for importances.

A regressor can only be fitted to numbers without bounds: a probability becomes its log-odds, cut at 5 in either
direction (probabilities of 0.0067 and 0.9933), so that a teacher's certainty doesn't drown everything else. Two classes
take one regressor, more take one for each class against the rest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LIMIT = 5.0
# Below this distance the difference quotient of a link is rounding, and its slope halfway is not.
_NEAR = 1e-5


def log_odds(probabilities: Floats) -> Floats:
    """Return the log-odds of probabilities (N, C), cut at 5: (N, 1) of the second of two classes, else (N, C)."""
    lowest = 1.0 / (1.0 + np.exp(LIMIT))
    kept = np.clip(probabilities[:, 1:] if probabilities.shape[1] == 2 else probabilities, lowest, 1.0 - lowest)
    return np.asarray(np.log(kept) - np.log1p(-kept))


def to_probabilities(margins: Floats) -> Floats:
    """Return the class probabilities (N, C) that belong to log-odds (N, C): logistic, made to add up to 1."""
    logs = _log_logistic(margins)
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def values_of_probabilities(values: Floats, base_values: Floats) -> tuple[Floats, Floats]:
    """Return importances (C, N, F) and base values (C,) of probabilities, from those of log-odds.

    They add up to :func:`to_probabilities` exactly; each is what the log-odds' value does on the straight way from the
    base value to the row's output (see :mod:`explanation_client.treeshap.probability`). The importances that the
    probabilities would have as a game of their own are close, not equal.
    """
    from explanation_client.treeshap.probability import to_predictions

    if len(base_values) == 2:
        return to_predictions(values, base_values, link="logit")
    start = np.broadcast_to(base_values[:, None], values.shape[:2])
    end = start + values.sum(axis=2)
    gap = end - start
    near = np.abs(gap) < _NEAR
    quotient = (_log_logistic(end) - _log_logistic(start)) / np.where(near, 1.0, gap)
    slope = np.where(near, np.exp(_log_logistic(-(start + end) / 2.0)), quotient)
    return to_predictions(slope[:, :, None] * values, _log_logistic(base_values), link="softmax")


def values_of_given(values: Floats, base_values: Floats, probabilities: Floats) -> Floats:
    """Return importances (C, N, F) that add up to given probabilities (N, C) rather than to the surrogate's.

    What the surrogate misses of a row is shared among its features in proportion to their absolute values, so that no
    value is blown up where the surrogate's own effects nearly cancel.
    """
    missed = probabilities.T - base_values[:, None] - values.sum(axis=2)
    sizes = np.abs(values)
    totals = sizes.sum(axis=2, keepdims=True)
    shares = np.where(totals > 0.0, sizes / np.where(totals > 0.0, totals, 1.0), 1.0 / values.shape[2])
    return np.asarray(values + shares * missed[:, :, None])


def _log_logistic(margins: Floats) -> Floats:
    """Return ``log(1 / (1 + exp(-m)))`` without overflow."""
    return np.asarray(-np.logaddexp(0.0, -margins))
