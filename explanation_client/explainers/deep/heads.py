"""What a softmax or sigmoid at the end of a network does to importances: Shapley values through it.

Gradients of probabilities vanish where the head is saturated, and along a straight path through a steep head they say
little of the game that is asked about. So a network is taken apart there: scores get importances, and the head is
treated as what it is, a known function of the scores.

For one row and one background row, scores are taken as additive: those of the background row, plus the importances of
the features that have come in. Of this game, which has the network's own probabilities at both ends, the Shapley
values are computed. A few features are players, all of whose coalitions are tried. Where there are more, the largest
are players, and the others are an ocean that comes in evenly (Milnor and Shapley 1978, "Values of large games II:
oceanic games"). Nothing is sampled, and values add up exactly.
"""

from __future__ import annotations

from itertools import product
from math import ceil, comb

import numpy as np
from numpy.typing import NDArray

from explanation_client.explainers.deep.network import Head

Floats = NDArray[np.float64]

# Up to so many features all coalitions are tried; of more, so many are players.
_ALL_PLAYERS = 9
_PLAYERS = 6
# Nodes of Gauss's rule for scores that move by so much: what is left is under 1e-6.
_NODES = 12
_STEP = 8.0
# Values held at a time: 16 MB.
_MAX_VALUES = 1 << 21


def from_scores(scores: Floats, head: Head, axis: int = -1) -> Floats:
    """Return what a head makes of scores, in the same shape; a softmax is along ``axis``."""
    if head == "sigmoid":
        # tanh neither overflows nor loses digits on either side.
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * scores)))
    if head == "softmax":
        power = np.exp(scores - scores.max(axis=axis, keepdims=True))
        return np.asarray(power / power.sum(axis=axis, keepdims=True))
    return scores


def through_head(values: Floats, start: Floats, head: Head) -> Floats:
    """Return Shapley values of what a head makes of additive scores, (K, N, F).

    Parameters
    ----------
    values : ndarray of float64, shape (K, N, F)
        Importances of the scores.
    start : ndarray of float64, shape (K,)
        Scores without any feature: those of a background row.
    head : "sigmoid" or "softmax"

    """
    n_columns, n_rows, n_features = values.shape
    n_players = n_features if n_features <= _ALL_PLAYERS else _PLAYERS
    size = max(1, _MAX_VALUES // (n_columns * max(2**n_players, n_features)))
    parts = [_part(values[:, first : first + size], start, head, n_players) for first in range(0, n_rows, size)]
    return np.concatenate(parts, axis=1)


def _part(values: Floats, start: Floats, head: Head, n_players: int) -> Floats:
    masks = np.array(list(product((False, True), repeat=n_players)))
    if n_players == values.shape[2]:
        worth = from_scores(start[:, None, None] + values @ masks.T, head, axis=0)
        return np.asarray(worth @ _shapley_shares(masks))
    # What shifts all scores of a softmax alike changes nothing.
    sizes = np.ptp(values, axis=0) if head == "softmax" else np.abs(values).max(axis=0)
    chosen = np.argpartition(-sizes, n_players, axis=1)[:, :n_players]
    where = np.broadcast_to(chosen, (len(values), *chosen.shape))
    players = np.take_along_axis(values, where, axis=2)
    ocean = values.copy()
    np.put_along_axis(ocean, where, 0.0, axis=2)
    of_players, slopes = _oceanic(start[:, None, None] + players @ masks.T, ocean.sum(axis=2), masks, head)
    found = (slopes.transpose(2, 0, 1) @ ocean.transpose(1, 0, 2)).transpose(1, 0, 2)
    np.put_along_axis(found, where, of_players, axis=2)
    return np.asarray(found)


def _shapley_shares(masks: NDArray[np.bool_]) -> Floats:
    """Return how much the worth of each coalition counts for each player, (coalitions, players)."""
    n_players = masks.shape[1]
    others = masks.sum(axis=1)[:, None] - masks
    shares = np.array([1.0 / (n_players * comb(n_players - 1, s)) for s in range(n_players)])[others]
    return np.asarray(np.where(masks, shares, -shares))


def _oceanic(scores: Floats, tide: Floats, masks: NDArray[np.bool_], head: Head) -> tuple[Floats, Floats]:
    """Return the values of the players (K, N, players), and the mean slopes of the head under the ocean (K, K, N).

    Parameters
    ----------
    scores : ndarray of float64, shape (K, N, coalitions)
        Of each coalition of players, without the ocean.
    tide : ndarray of float64, shape (K, N)
        What all of the ocean adds to the scores.
    masks : ndarray of bool, shape (coalitions, players)
    head : "sigmoid" or "softmax"

    """
    n_columns, n_rows, _ = scores.shape
    values = np.zeros((n_columns, n_rows, masks.shape[1]))
    slopes = np.zeros((n_columns, n_columns, n_rows))
    diagonal = np.arange(n_columns)
    sizes = masks.sum(axis=1)
    for share, weight in _ways(float(np.abs(tide).max())):
        # Each player has come in with this probability, and so much of the ocean.
        chances = share**sizes * (1.0 - share) ** (masks.shape[1] - sizes)
        made = from_scores(scores + share * tide[:, :, None], head, axis=0)
        values += weight * (made @ (chances[:, None] * np.where(masks, 1.0 / share, -1.0 / (1.0 - share))))
        if head == "sigmoid":
            slopes[diagonal, diagonal] += weight * ((made * (1.0 - made)) @ chances)
        else:
            slopes[diagonal, diagonal] += weight * (made @ chances)
            by_row = made.transpose(1, 0, 2)
            slopes -= weight * ((by_row * chances) @ by_row.transpose(0, 2, 1)).transpose(1, 2, 0)
    return values, slopes


def _ways(farthest: float) -> list[tuple[float, float]]:
    """Return the nodes and weights of Gauss's rule between 0 and 1, in as many pieces as scores move far."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    # Powers of two, so that rows which are explained together hardly change how finely others are.
    n_pieces = 2 ** max(0, ceil(np.log2(max(farthest, 1e-300) / _STEP)))
    return [
        ((piece + (node + 1.0) / 2.0) / n_pieces, weight / 2.0 / n_pieces)
        for piece in range(n_pieces)
        for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True)
    ]
