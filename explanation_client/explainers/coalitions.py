"""Coalitions of players, in pairs of a coalition and the rest: all of them, or a sample by size.

A Shapley value depends on the worths of a coalition S and of the rest N - S through their difference alone. So the two
are always asked for together, and half the difference is what everything below works on. Pairs are stratified by the
size of their smaller side; within a size every pair is equally likely and none is drawn twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, islice
from math import comb

import numpy as np
from numpy.typing import NDArray

Masks = NDArray[np.bool_]

# Sizes with up to so many pairs are listed and shuffled; of larger ones pairs are drawn until enough differ.
_LISTED = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of coalitions that stand for all pairs, or for those that others do not stand for.

    Parameters
    ----------
    masks : ndarray of bool, shape (n, P)
        The members of one side of each pair, the smaller one.
    factors : ndarray of float64, shape (n,)
        Share that a pair has in the sum over its size, with those that it stands for.
    unseen : ndarray of float64, shape (n,)
        Share of the pairs of its size that are not here.

    """

    masks: Masks
    factors: NDArray[np.float64]
    unseen: NDArray[np.float64]

    @property
    def influence(self) -> NDArray[np.float64]:
        """What half the difference of each pair adds to each Shapley value, (n, P).

        Over all pairs that there are the sum, and ``total / P``, is the definition of the Shapley value; over a sample
        its expectation is.
        """
        sizes = self.masks.sum(axis=1)
        others = self.masks.shape[1] - sizes
        signs = np.where(self.masks, (1.0 / sizes)[:, None], (-1.0 / others)[:, None])
        return np.asarray(self.factors[:, None] * signs)

    def without(self, others: Pairs) -> Pairs:
        """Return the pairs that are not among others, standing for all that the others are not."""
        known = {mask.tobytes() for mask in others.masks}
        kept = np.array([mask.tobytes() not in known for mask in self.masks], np.bool_)
        sizes, other_sizes = self.masks.sum(axis=1), others.masks.sum(axis=1)
        here, there = _counts(sizes[kept]), _counts(other_sizes)
        factors, unseen = np.empty(int(kept.sum())), np.empty(int(kept.sum()))
        for i, size in enumerate(sizes[kept].tolist()):
            factors[i], unseen[i] = _shares(self.masks.shape[1], size, here[size], there.get(size, 0))
        return Pairs(self.masks[kept], factors, unseen)


def _counts(sizes: NDArray[np.intp]) -> dict[int, int]:
    return {int(size): int(count) for size, count in zip(*np.unique(sizes, return_counts=True), strict=True)}


def _shares(n_players: int, size: int, count: int, known: int = 0) -> tuple[float, float]:
    """Return factor and unseen share of pairs of one size, ``count`` of which stand for all that are not known."""
    # Whole numbers: there can be more pairs than any float is large.
    available = _available(n_players, size)
    both = 1.0 if 2 * size == n_players else 2.0
    left = available - known
    return both * (left / available) / count, (left - count) / left


def count_pairs(n_players: int) -> int:
    """Return the number of pairs, without that of all players and none."""
    return int(2 ** (n_players - 1)) - 1


def draw_pairs(n_players: int, n_pairs: int, *, seed: int) -> Pairs:
    """Return pairs of coalitions of some players: all there are, or a sample by size.

    A smaller sample with the same seed holds the first of each size that a larger one holds, as far as sizes get more
    pairs when there are more to give. All sizes get as many, which is in proportion to the leverage scores of Shapley's
    regression (Musco and Witter 2025); single players come first where there are one and a half pairs for each.

    Parameters
    ----------
    n_players : int
        P, at least 2.
    n_pairs : int
    seed : int

    """
    sizes = np.arange(1, n_players // 2 + 1)
    available = [_available(n_players, int(size)) for size in sizes]
    counts = _allocate(n_players, n_pairs, available)
    masks = [
        _of_size(n_players, int(size), int(count), np.random.default_rng([seed, n_players, int(size)]))
        for size, count in zip(sizes, counts, strict=True)
        if count
    ]
    shares = [
        np.tile(_shares(n_players, int(size), count), (count, 1))
        for size, count in zip(sizes, counts, strict=True)
        if count
    ]
    factors, unseen = np.concatenate(shares).T
    return Pairs(np.concatenate(masks), factors, unseen)


def _available(n_players: int, size: int) -> int:
    """Return the number of pairs whose smaller side has this size."""
    return comb(n_players, size) // (2 if 2 * size == n_players else 1)


def _allocate(n_players: int, n_pairs: int, available: list[int]) -> list[int]:
    """Return how many pairs each size gets."""
    left = min(n_pairs, count_pairs(n_players))
    counts = [0] * len(available)
    if 2 * n_pairs >= 3 * n_players:
        counts[0] = min(available[0], left)
        left -= counts[0]
    law = np.ones(len(available))
    if n_players % 2 == 0:
        # Both sides have this size, so that there are half as many pairs.
        law[-1] = 0.5
    # What a size has not enough pairs for goes to the others.
    while left:
        room = np.array([min(there - count, left) for there, count in zip(available, counts, strict=True)])
        weights = np.where(room > 0, law, 0.0)
        wanted = np.minimum(left * weights / weights.sum(), room)
        given = wanted.astype(int)
        if not given.any():
            for k in np.argsort(-wanted, kind="stable")[:left]:
                given[k] = int(wanted[k] > 0)
        counts = [count + int(more) for count, more in zip(counts, given, strict=True)]
        left -= int(given.sum())
    return counts


def _of_size(n_players: int, size: int, count: int, rng: np.random.Generator) -> Masks:
    """Return different coalitions of one size, no two of which make up a pair."""
    halves = 2 * size == n_players
    masks = np.zeros((count, n_players), np.bool_)
    if _available(n_players, size) <= _LISTED:
        # Where both sides have this size, player 0 is in the one that is listed.
        listed = combinations(range(n_players), size)
        members = np.array(list(islice(listed, comb(n_players - 1, size - 1)) if halves else listed))
        rng.shuffle(members)
        masks[np.arange(count)[:, None], members[:count]] = True
        return masks
    seen: set[bytes] = set()
    while len(seen) < count:
        drawn = np.zeros(n_players, np.bool_)
        drawn[rng.choice(n_players, size, replace=False)] = True
        if halves and not drawn[0]:
            drawn = ~drawn
        key = drawn.tobytes()
        if key not in seen:
            masks[len(seen)] = drawn
            seen.add(key)
    return masks
