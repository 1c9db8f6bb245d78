"""Integrals of gradients along straight paths from background rows to rows, to the accuracy that sums can tell.

The importance of a feature for one row and one background row is the integral of its gradient on the straight path
between them, times how far the feature moves (Sundararajan, Taly and Yan 2017; on average over a background, the
expected gradients of Erion et al. 2021). Importances add up to the difference of the network's scores at both ends.

That difference is known, and so is the score at every point where a gradient is taken: each piece of a path says by
itself how well it was integrated. Gauss's rule with seven nodes is tried on the whole path. A piece whose sum misses
what the score changes on it is cut in two. What is left of a small miss is closed as survey statisticians calibrate
weights (Deville and Särndal 1992): the nodes' weights are changed as little as makes the slopes along the path add up,
and never below 0, so that the result is still a mean of gradients that the network has on this piece. A ReLU network,
whose gradients jump, then needs no more than a smooth one to add up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# From points (M, F) to scores (M, K) and gradients (K, M, F).
Gradients = Callable[[Floats], tuple[Floats, Floats]]

_NODES = 7
# Misses as a share of what a row's scores differ by: what weights may close, and what may stay open.
_CLOSED = 0.1
_OPEN = 1e-5
# Pieces are halved so many times at most: what is left after that is not smooth, or jumps.
_MAX_HALVINGS = 10
# Values of gradients held at a time: 16 MB.
_MAX_VALUES = 1 << 21


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Rows and what a network scores them with.

    Parameters
    ----------
    rows : ndarray of float64, shape (P, F)
    scores : ndarray of float64, shape (P, K)

    """

    rows: Floats
    scores: Floats

    @classmethod
    def joined(cls, parts: Sequence[Points]) -> Points:
        """Return the points of several, one after the other."""
        return cls(np.concatenate([part.rows for part in parts]), np.concatenate([part.scores for part in parts]))


@dataclass(frozen=True, slots=True, eq=False)
class _Pieces:
    """Pieces of paths: which path, from where to where on it, and the scores there."""

    path: NDArray[np.intp]
    first: Floats
    last: Floats
    first_scores: Floats
    last_scores: Floats

    def take(self, chosen: slice | NDArray[np.bool_]) -> _Pieces:
        return _Pieces(
            self.path[chosen],
            self.first[chosen],
            self.last[chosen],
            self.first_scores[chosen],
            self.last_scores[chosen],
        )

    def halves(self, middle_scores: Floats) -> _Pieces:
        middle = (self.first + self.last) / 2.0
        return _Pieces(
            np.concatenate([self.path, self.path]),
            np.concatenate([self.first, middle]),
            np.concatenate([middle, self.last]),
            np.concatenate([self.first_scores, middle_scores]),
            np.concatenate([middle_scores, self.last_scores]),
        )


def integrate(
    gradients: Gradients, starts: Points, ends: Points, scale: Floats, *, rounding: float
) -> tuple[Floats, NDArray[np.intp]]:
    """Return importances (K, P, F) on each straight path, and the number of gradients that each path took (P,).

    Parameters
    ----------
    gradients : callable
        From points (M, F) to scores (M, K) and gradients (K, M, F).
    starts, ends : Points
        Of the P paths.
    scale : ndarray of float64, shape (P,)
        What misses are small beside.
    rounding : float
        Relative error of scores.

    """
    n_paths, n_features = starts.rows.shape
    n_columns = starts.scores.shape[1]
    values = np.zeros((n_columns, n_paths, n_features))
    taken = np.zeros(n_paths, np.intp)
    size = max(1, _MAX_VALUES // (n_columns * n_features * _NODES))
    waiting = [_Pieces(np.arange(n_paths), np.zeros(n_paths), np.ones(n_paths), starts.scores, ends.scores)]
    for halving in range(_MAX_HALVINGS + 1):
        is_last = halving == _MAX_HALVINGS
        halves = []
        for pieces in waiting:
            for first in range(0, len(pieces.path), size):
                batch = pieces.take(slice(first, first + size))
                path = batch.path
                found, miss, are_closed, middle_scores = _rule(gradients, starts.rows[path], ends.rows[path], batch)
                noise = rounding * np.maximum(np.abs(batch.last_scores), np.abs(batch.first_scores))
                small = miss <= _OPEN * scale[path, None] + noise
                enough = small | (are_closed & (miss <= _CLOSED * scale[path, None]))
                good = np.asarray(enough.all(axis=1) | is_last)
                _add(values, path[good], found[:, good])
                np.add.at(taken, path, _NODES)
                if not good.all():
                    halves.append(batch.take(~good).halves(middle_scores[~good]))
        waiting = halves
    return values, taken


def _add(values: Floats, path: NDArray[np.intp], found: Floats) -> None:
    """Add importances (K, p, F) of pieces to those of their paths (K, P, F), several of which may be of one."""
    for of_column, more in zip(values, found, strict=True):
        np.add.at(of_column, path, more)


def _rule(
    gradients: Gradients, starts: Floats, ends: Floats, pieces: _Pieces
) -> tuple[Floats, Floats, NDArray[np.bool_], Floats]:
    """Return what Gauss's rule finds on p pieces of paths.

    Returns
    -------
    importances : ndarray of float64, shape (K, p, F)
    miss : ndarray of float64, shape (p, K)
        By how much their sums missed what the scores change, before it was closed.
    are_closed : ndarray of bool, shape (p, K)
        Where they do not miss it any more.
    scores : ndarray of float64, shape (p, K)
        Halfway.

    """
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    n_pieces, length, move = len(pieces.path), pieces.last - pieces.first, ends - starts
    way = pieces.first[:, None] + length[:, None] * (nodes + 1.0) / 2.0
    points = starts[:, None, :] + way[:, :, None] * move[:, None, :]
    scores, slopes = gradients(points.reshape(-1, points.shape[2]))
    # What each feature adds while the whole piece is walked with the gradient of one node.
    parts = slopes.reshape(-1, *points.shape) * (move * length[:, None])[None, :, None, :]
    change = (pieces.last_scores - pieces.first_scores).T
    calibrated, miss, are_closed = _calibrated(parts.sum(axis=3), np.asarray(weights) / 2.0, change)
    found = np.einsum("kpmf,kpm->kpf", parts, calibrated, optimize=True)
    return found, np.abs(miss).T, are_closed.T, scores.reshape(n_pieces, _NODES, -1)[:, _NODES // 2]


def _calibrated(sums: Floats, weights: Floats, change: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return nodes' weights with which sums (K, p, nodes) give the change (K, p), what they missed, and where they do.

    Where that would take a weight below 0, or the sums are all the same, weights stay what they are.
    """
    mean = sums @ weights
    miss = change - mean
    apart = sums - mean[:, :, None]
    spread = (apart**2) @ weights
    # Sums that differ by rounding alone say nothing of where the path bends.
    told = spread > (1e-6 * np.abs(sums).max(axis=2)) ** 2
    factor = 1.0 + (miss / np.where(told, spread, 1.0))[:, :, None] * apart
    are_closed = told & (factor >= 0.0).all(axis=2)
    return weights * np.where(are_closed[:, :, None], factor, 1.0), miss, are_closed
