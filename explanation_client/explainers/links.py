"""How a classifier's margins become its probabilities: found by comparing both, so that no model has to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from explanation_client.treeshap.ensemble import Link

Floats = NDArray[np.float64]

# Some packages compute probabilities in float32.
_TOLERANCE = 1e-5
# An exponential loss makes margins half the log-odds; other factors are read off the answers.
_SCALES = (1.0, 2.0)
# Probabilities closer to 0 or 1 have too few digits to tell a factor.
_SATURATED = 1e-3


def find_link(margins: Floats, probabilities: Floats) -> tuple[Link, float] | None:
    """Return the link, and the factor of the margins in it, that make probabilities (N, C) of margins (N, C).

    None where neither the logistic function of each margin nor the softmax of all does.
    """
    from explanation_client.treeshap.probability import inverse_link

    for link, scale in _candidates(margins, probabilities):
        if np.abs(inverse_link(margins.T, link=link, scale=scale).T - probabilities).max() <= _TOLERANCE:
            return link, scale
    return None


def _candidates(margins: Floats, probabilities: Floats) -> list[tuple[Link, float]]:
    if margins.shape[1] > 2:
        return [("softmax", 1.0), ("one-vs-rest logit", 1.0)]
    found: list[tuple[Link, float]] = [("logit", scale) for scale in _SCALES]
    p, m = probabilities[:, 1], margins[:, 1]
    telling = (np.abs(p - 0.5) < 0.5 - _SATURATED) & (np.abs(m) > _SATURATED)
    if telling.any():
        p, m = p[telling], m[telling]
        found.append(("logit", float(np.median((np.log(p) - np.log1p(-p)) / m))))
    return found
