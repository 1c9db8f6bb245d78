"""Values of margins carried over to the space of predictions.

A classifier that adds up margins has no Shapley values of its probabilities at the cost of a tree
kernel: the link is not linear, and the game of probabilities has to be sampled. What can be had at
once is a map of the margins' values that adds up exactly. Walk straight from the base margin b to
the row's margin m and follow the link L:

    L(m) - L(b) = J (m - b),   J = the mean of the link's Jacobian on the way,

so that ``J phi`` adds up to the difference of the predictions, for every number of classes. It is
an approximation of the interventional values of the probabilities and is to be labelled as one
(it gives the same ranking more often than not, and the same numbers where the link is straight).

Source: the fundamental theorem of calculus; the straight path is that of integrated gradients
(Sundararajan, Taly and Yan 2017).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from explanation_client.treeshap.ensemble import Link
from explanation_client.treeshap.errors import UnsupportedModelError

__all__ = ["inverse_link", "to_predictions"]

Floats = NDArray[np.float64]

_STEP = 2.0
_POINTS = 16


def inverse_link(margin: Floats, *, link: Link, scale: float = 1.0) -> Floats:
    """Return the predictions of some margins, shape (C, ...), in the same shape.

    Raises
    ------
    UnsupportedModelError
        For a link that isn't known.
    """
    if link == "identity":
        return margin
    if link in ("logit", "one-vs-rest logit"):
        # tanh neither overflows nor loses digits on either side.
        return 0.5 * (1.0 + np.tanh(0.5 * scale * margin))
    if link == "log":
        return np.asarray(np.exp(margin))
    if link == "softmax":
        power = np.exp(margin - margin.max(axis=0))
        return np.asarray(power / power.sum(axis=0))
    raise UnsupportedModelError(f"no map of values through the link {link!r}")


def to_predictions(values: Floats, base_values: Floats, *, link: Link, scale: float = 1.0) -> tuple[Floats, Floats]:
    """Return values and base values in the space of predictions.

    Parameters
    ----------
    values : ndarray, shape (C, N, F)
        Values of margins.
    base_values : ndarray, shape (C,)
    link, scale
        ``link`` and ``link_scale`` of the ensemble.

    Returns
    -------
    values : ndarray, shape (C, N, F)
        ``values.sum(axis=2)`` is the difference between the rows' predictions and the base's.
    base_values : ndarray, shape (C,)
        The prediction at the base margin.
    """
    base = np.asarray(base_values, dtype=np.float64)
    inner = np.asarray(values, dtype=np.float64)
    start = np.broadcast_to(base[:, None], inner.shape[:2])
    end = start + inner.sum(axis=2)
    mapped_base = inverse_link(base, link=link, scale=scale)
    if link == "softmax":
        slopes = _softmax_slopes(start, end)
        return np.einsum("cdn,dnf->cnf", slopes, inner, optimize=True), mapped_base
    return _mean_slope(start, end, link, scale)[:, :, None] * inner, mapped_base


def _mean_slope(start: Floats, end: Floats, link: Link, scale: float) -> Floats:
    """Return the link's mean slope between margins, shape (C, N), for outputs on their own."""
    gap = end - start
    near = np.abs(gap) < 1e-5
    low = inverse_link(start, link=link, scale=scale)
    high = inverse_link(end, link=link, scale=scale)
    # Where both ends are nearly one, the difference quotient is rounding: the slope halfway is not.
    middle = inverse_link((start + end) / 2.0, link=link, scale=scale)
    slope = np.ones_like(middle)
    if link == "log":
        slope = middle
    elif link != "identity":
        slope = scale * middle * (1.0 - middle)
    return np.where(near, slope, (high - low) / np.where(near, 1.0, gap))


def _softmax_slopes(start: Floats, end: Floats) -> Floats:
    """Return the mean Jacobian between margins, shape (C, C, N)."""
    point, weight = np.polynomial.legendre.leggauss(_POINTS)
    farthest = float(np.abs(end - start).max(initial=0.0))
    # Sixteen points are exact to rounding where the margins move by a few units.
    pieces = max(1, int(np.ceil(farthest / _STEP)))
    size, count = start.shape
    slopes = np.zeros((size, size, count))
    for piece in range(pieces):
        for x, w in zip(point, weight, strict=True):
            way = (piece + (x + 1.0) / 2.0) / pieces
            p = inverse_link(start + way * (end - start), link="softmax")
            share = w / 2.0 / pieces
            slopes -= share * p[:, None] * p[None, :]
            slopes[np.arange(size), np.arange(size)] += share * p
    return slopes
