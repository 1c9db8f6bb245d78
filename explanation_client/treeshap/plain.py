"""The same results in numpy alone, for work that is done before compiled code would be loaded.

Loading numba and a compiled kernel takes about a second of CPU, compiling it another three. So long as the work is
smaller than that it is done here; ``TreeTables`` and ``TreeEnsemble`` choose.

The formulas are those of ``kernels/path.py``, for the splits of one depth and many rows at a time. Both games are one:
a single background row is a training set of which every split sends all the cover one way, so that interventional
values are the means of path-dependent ones with shares of 0 and 1. What two features do together is half of what
knowing the one changes in the value of the other, so that a matrix of interactions takes two sweeps for each feature.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from explanation_client.treeshap.ensemble import ZERO_BAND, TreeEnsemble
from explanation_client.treeshap.layout import Layout, Leaves, Rule

__all__ = ["PlainTrees", "cover_mean", "predict"]

Floats = NDArray[np.float64]

# Numbers in an array that stays in the second cache.
_CACHED = 1 << 16
# Measured: seconds for one split, row and point; and for each depth and point, however small the arrays are.
_SECONDS = 25e-9
_SECONDS_OF_A_STEP = 25e-6


def predict(ensemble: TreeEnsemble, rows: NDArray[np.floating]) -> Floats:
    """Return the raw outputs of checked rows, shape (N, C) float64."""
    x = _inputs(ensemble, rows)
    node = np.tile(ensemble.tree_start[:-1], (len(x), 1))
    while (split := ensemble.feature[node] >= 0).any():
        left = _goes_left(ensemble, node, np.take_along_axis(x, np.maximum(ensemble.feature[node], 0), axis=1))
        node = np.where(split, np.where(left, ensemble.left[node], ensemble.right[node]), node)
    reached = ensemble.value[node]
    if reached.shape[2] > 1:
        return np.asarray(ensemble.constant + reached.sum(axis=1))
    belongs = ensemble.tree_output[:, None] == np.arange(ensemble.n_outputs)
    return np.asarray(ensemble.constant + reached[:, :, 0] @ belongs)


def cover_mean(ensemble: TreeEnsemble) -> Floats:
    """Return the outputs' means weighted by cover, shape (C,) float64."""
    reach = np.zeros(len(ensemble.feature))
    here = ensemble.tree_start[:-1]
    reach[here] = 1.0
    while len(here := here[ensemble.feature[here] >= 0]):
        cover = ensemble.cover[here]
        for child in (ensemble.left[here], ensemble.right[here]):
            share = np.where(cover > 0, ensemble.cover[child] / np.where(cover > 0, cover, 1.0), 0.5)
            reach[child] = reach[here] * share
        here = np.concatenate([ensemble.left[here], ensemble.right[here]])
    # What inner nodes hold means nothing, and need not be a number.
    means = np.where(ensemble.feature[:, None] < 0, reach[:, None] * ensemble.value, 0.0)
    if ensemble.value.shape[1] > 1:
        return np.asarray(ensemble.constant + means.sum(axis=0))
    target = np.repeat(ensemble.tree_output, np.diff(ensemble.tree_start))
    return np.asarray(ensemble.constant + np.bincount(target, means[:, 0], minlength=ensemble.n_outputs))


def _inputs(ensemble: TreeEnsemble, rows: NDArray[np.floating]) -> Floats:
    """Return rows as the model compares them, NaN where a value is missing."""
    x = rows.astype(np.float64)
    if ensemble.single_precision:
        with np.errstate(over="ignore"):  # beyond float32 is infinity, as it is to the model
            x = rows.astype(np.float32).astype(np.float64)
    return np.asarray(np.where(x == ensemble.missing_value, np.nan, x))


def _goes_left(ensemble: TreeEnsemble, node: NDArray[np.integer], x: Floats) -> NDArray[np.bool_]:
    """Return whether values go left at some nodes, one each; the result has the shape of both."""
    left = x <= ensemble.threshold[node]
    words = ensemble.category_words[node]
    if words.any():
        # Codes are cut to whole numbers; anything below 0 or beyond the set is not a member.
        known = (x > -1.0) & (x < 32.0 * words)
        code = np.where(known, x, 0.0).astype(np.int64)
        word = ensemble.category_bits[ensemble.category_start[node] + code // 32]
        left = np.where(words > 0, known & ((word >> (code % 32).astype(np.uint32)) & 1 == 1), left)
    missing = np.isnan(x) | (ensemble.zero_missing[node] & (np.abs(x) <= ZERO_BAND))
    return np.asarray(np.where(missing, ensemble.missing_left[node], left))


@dataclass(frozen=True, kw_only=True, eq=False)
class PlainTrees:
    """An ensemble as it is swept here.

    Parameters
    ----------
    ensemble : TreeEnsemble
    layout : Layout
    leaves : Leaves
    rule : Rule
    background : ndarray of float64, shape (B, F), optional
        Values are interventional for these rows. None: path-dependent.
    """

    ensemble: TreeEnsemble
    layout: Layout
    leaves: Leaves
    rule: Rule
    background: Floats | None = None

    def seconds(self, n_rows: int, *, pairs: bool = False) -> float:
        """Return what some rows will take, in seconds of CPU."""
        lanes, sweeps = n_rows, 1.0
        if self.background is not None:
            # Lanes have shares of their own there, which makes some operations wider.
            lanes, sweeps = n_rows * len(self.background), 1.5
        if pairs:
            sweeps *= 3 * len(self.layout.columns.used)
        points = int(self.rule.order.max(initial=0))
        cells = lanes * len(self.layout.node) * int(self.leaves.value.shape[1])
        steps = (1 + cells // _CACHED) * (self.layout.max_depth + 1)
        return sweeps * points * (cells * _SECONDS + steps * _SECONDS_OF_A_STEP)

    def add_values(self, rows: Floats, out: Floats, offset: int) -> None:
        """Add the values of some rows to ``out[:, offset : offset + n]``, shape (C, N, F)."""
        for first, went, share in self._blocks(rows):
            self._add(self._gains(went, share), out[:, offset + first :])

    def add_interactions(self, rows: Floats, out: Floats, offset: int) -> None:
        """Add the interaction values of some rows to ``out[:, offset : offset + n]``, shape (C, N, F, F)."""
        feature, used = self.layout.splits.feature, self.layout.columns.used
        for first, went, share in self._blocks(rows):
            count = went.shape[2] // (1 if self.background is None else len(self.background))
            pairs = np.zeros((len(out), count, *out.shape[2:]))
            for player, column in enumerate(used):
                own = (feature == player)[:, None, None]
                known = self._gains(went, np.where(own, went, share))
                unknown = self._gains(np.where(own, share, went), share)
                self._add((known - unknown) / 2.0, pairs[:, :, :, column])
            # Each pair was found twice, equal but for rounding.
            pairs = (pairs + pairs.swapaxes(2, 3)) / 2.0
            alone = np.zeros(pairs.shape[:3])
            self._add(self._gains(went, share), alone)
            diagonal = np.arange(out.shape[2])
            pairs[:, :, diagonal, diagonal] = alone - pairs.sum(axis=3)
            out[:, offset + first : offset + first + count] += pairs

    def _blocks(self, rows: Floats) -> Iterator[tuple[int, Floats, Floats]]:
        """Yield, for some rows at a time, the first one, and of each split both ways (S, 2, n).

        These are whether a row goes there, and the share of the cover that does. With a background there is a lane for
        each pair of a row and a background row.
        """
        theirs = None if self.background is None else self._ways(self.background)
        lanes = 1 if theirs is None else theirs.shape[2]
        step = max(1, _CACHED // max(1, len(self.layout.node) * lanes))
        for first in range(0, len(rows), step):
            went = self._ways(rows[first : first + step])
            if theirs is None:
                yield first, went, self.layout.splits.ratio[:, :, None]
            else:
                yield first, np.repeat(went, lanes, axis=2), np.tile(theirs, went.shape[2])

    def _ways(self, rows: Floats) -> Floats:
        node = self.layout.node[:, None]
        left = _goes_left(self.ensemble, node, _inputs(self.ensemble, rows).T[self.ensemble.feature[node[:, 0]]])
        return np.stack([left, ~left], axis=1).astype(np.float64)

    @cached_property
    def _levels(self) -> list[NDArray[np.int64]]:
        return self.layout.levels()

    def _gains(self, went: Floats, share: Floats) -> Floats:
        """Return what each split adds to its feature, shape (V, S, n), summed over the points."""
        splits, levels, value = self.layout.splits, self._levels, self.leaves.value
        parent, up, size, n = splits.parent, splits.up, len(splits.up), went.shape[2]
        # The names are those of kernels/path.py.
        h, w, p = np.ones((size, 1, n)), np.ones((size, 1, share.shape[2])), np.empty((size, n))
        for level in levels[1:]:
            s = level[up[level] >= 0]
            h[s, 0] = h[up[s] >> 1, 0] * went.reshape(2 * size, -1)[up[s]]
            w[s, 0] = w[up[s] >> 1, 0] * share.reshape(2 * size, -1)[up[s]]
        a = np.zeros((value.shape[1], size, 2, n))
        edges = a.reshape(len(a), 2 * size, n)
        ends = np.flatnonzero(splits.child.reshape(-1) < 0)
        edges[:, ends] = value[-1 - splits.child.reshape(-1)[ends]].T[:, :, None]
        total, gap = np.zeros((len(a), size, n)), went - share
        order = int(self.rule.order.max(initial=0))
        for t, weight in zip(self.rule.point[order, :order], self.rule.weight[order, :order], strict=True):
            c = (1.0 - t) * w
            g = 1.0 / (t + c)
            m = share + h * ((c * share + t * went) * g - share)
            p[levels[0]] = weight
            for level in levels[1:]:
                p[level] = p[parent[level] >> 1] * m.reshape(2 * size, n)[parent[level]]
            for level in reversed(levels[1:]):
                edges[:, parent[level]] = (m[level] * a[:, level]).sum(axis=2)
            total += (p * (h * (g * g * w))[:, 0]) * (gap * a).sum(axis=2)
        return total

    def _add(self, gains: Floats, out: Floats) -> None:
        """Add the splits' gains to their features, ``out[:, :n]``, shape (C, N, F)."""
        splits, value = self.layout.splits, self.leaves.value
        output: NDArray[np.integer] = np.arange(value.shape[1])[:, None]
        if value.shape[1] == 1:
            output = np.repeat(self.leaves.tree_output, np.diff(splits.start))[None]
        place = (output * out.shape[2] + self.layout.columns.used[splits.feature]).reshape(-1)
        if not len(place):
            return
        order = np.argsort(place, kind="stable")
        first = np.flatnonzero(np.diff(place[order], prepend=-1))
        sums = np.add.reduceat(gains.reshape(len(place), -1)[order], first, axis=0)
        if self.background is not None:
            sums = sums.reshape(len(first), -1, len(self.background)).mean(axis=2)
        found = place[order[first]]
        out[found // out.shape[2], : sums.shape[1], found % out.shape[2]] += sums
