"""The splits of an ensemble in visiting order, and the columns that their tests read."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from explanation_client.treeshap.ensemble import TreeEnsemble

__all__ = ["Columns", "Layout", "Leaves", "Rule", "Splits", "gauss_rule", "make_layout"]


class Columns(NamedTuple):
    """How rows become the columns that splits test; one column per used feature, then per node.

    The columns after the features' belong to splits that are not a plain comparison: they hold
    -1 where a row goes left, else 1. E such splits, U used features.
    """

    used: NDArray[np.int32]
    """Features that some tree splits on, shape (U,)."""
    source: NDArray[np.int32]
    """Position in ``used`` of each such split's feature, shape (E,)."""
    threshold: NDArray[np.float64]
    missing_left: NDArray[np.bool_]
    zero_missing: NDArray[np.bool_]
    category_start: NDArray[np.int32]
    category_words: NDArray[np.int32]
    category_bits: NDArray[np.uint32]
    single_precision: bool
    missing_value: float


class Splits(NamedTuple):
    """Splits in depth-first order, left before right; S splits, T trees.

    An edge is written ``2 * split + side``, side 0 for left and 1 for right.
    """

    column: NDArray[np.int32]
    """The column that the test reads, shape (S,)."""
    feature: NDArray[np.int32]
    """Position of the feature in ``Columns.used``, shape (S,)."""
    threshold: NDArray[np.float64]
    nan_left: NDArray[np.bool_]
    child: NDArray[np.int32]
    """A split, or ``-1 - node`` for a leaf, shape (S, 2)."""
    ratio: NDArray[np.float64]
    """Share of the cover in each child, one half each where there is none, shape (S, 2)."""
    balanced: NDArray[np.bool_]
    """Whether the two shares add up to one (rounded covers need not), shape (S,)."""
    before: NDArray[np.float64]
    """Product of the shares of the edges above on the same feature, shape (S,)."""
    up: NDArray[np.int32]
    """Nearest edge above on the same feature, or -1, shape (S,)."""
    parent: NDArray[np.int32]
    """The edge just above, or -1, shape (S,)."""
    depth: NDArray[np.int32]
    distinct: NDArray[np.int32]
    """Distinct features on the path, this one included, shape (S,)."""
    steps: NDArray[np.int32]
    """A walk: ``s`` at the first visit of a split, ``~s`` at the last, shape (2 * S,)."""
    start: NDArray[np.int64]
    """Tree t owns the splits ``start[t] : start[t + 1]``, shape (T + 1,)."""


class Leaves(NamedTuple):
    """What the leaves add to the outputs; V values in each."""

    value: NDArray[np.float64]
    """By node, shape (M, V)."""
    tree_output: NDArray[np.int32]
    """The output of each tree where V is 1, shape (T,)."""


class Rule(NamedTuple):
    """Gauss-Legendre rules on [0, 1]; row q of ``point`` and ``weight`` is the rule of q points.

    Rows are filled up to a multiple of four with points of weight 0.
    """

    order: NDArray[np.int32]
    """Number of points that is exact for each tree, shape (T,)."""
    point: NDArray[np.float64]
    weight: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """All that the kernels know of an ensemble.

    Attributes
    ----------
    columns : Columns
    splits : Splits
    node : ndarray of int64, shape (S,)
        The ensemble's node that each split is.
    tree_depth, tree_distinct : ndarray of int32, shape (T,)
        Largest number of splits, and of distinct features, on a path of each tree.
    """

    columns: Columns
    splits: Splits
    node: NDArray[np.int64]
    tree_depth: NDArray[np.int32]
    tree_distinct: NDArray[np.int32]

    @property
    def max_depth(self) -> int:
        """Largest number of splits on a path."""
        return int(self.tree_depth.max(initial=0))

    def levels(self) -> list[NDArray[np.int64]]:
        """Return the splits of each depth, the roots first; together they are all splits."""
        depth = self.splits.depth
        return np.split(np.argsort(depth, kind="stable"), np.cumsum(np.bincount(depth))[:-1])


def make_layout(ensemble: TreeEnsemble) -> Layout:
    """Return the layout of an ensemble.

    Numpy alone does this, level by level: compiled code would take a thousand times as long to load as to run.
    """
    node, parent, depth, size, start = _depth_first(ensemble)
    tree = np.repeat(np.arange(ensemble.n_trees), np.diff(start))
    up = _nearest_on_the_same_feature(ensemble.feature[node], parent)
    kids = np.stack([ensemble.left[node], ensemble.right[node]], axis=1)
    child = np.where(ensemble.feature[kids] < 0, -1 - kids, 0).astype(np.int32)
    inner = np.flatnonzero(parent >= 0)
    child.reshape(-1)[parent[inner]] = inner
    ratio = _shares(ensemble, node, kids)
    before, distinct = np.ones(len(node)), np.ones(len(node), dtype=np.int32)
    for level in range(1, int(depth.max(initial=0)) + 1):
        here = np.flatnonzero(depth == level)
        again = here[up[here] >= 0]
        before[again] = before[up[again] >> 1] * ratio.reshape(-1)[up[again]]
        distinct[here] = distinct[parent[here] >> 1] + (up[here] < 0)
    tree_depth, tree_distinct = np.zeros((2, ensemble.n_trees), dtype=np.int32)
    np.maximum.at(tree_depth, tree, depth + 1)
    np.maximum.at(tree_distinct, tree, distinct)
    columns, tests = _columns(ensemble, node)
    splits = Splits(
        **tests,
        child=child,
        ratio=ratio,
        balanced=np.abs(ratio.sum(axis=1) - 1.0) <= 4.0 * np.finfo(np.float64).eps,
        before=before,
        up=up.astype(np.int32),
        parent=parent.astype(np.int32),
        depth=depth.astype(np.int32),
        distinct=distinct,
        steps=_walk(depth, size),
        start=start,
    )
    return Layout(columns=columns, splits=splits, node=node, tree_depth=tree_depth, tree_distinct=tree_distinct)


def _depth_first(ensemble: TreeEnsemble) -> tuple[NDArray[np.int64], ...]:
    """Return the splits in depth-first order, left before right, and ``Splits.start``.

    Of each: its node, parent edge, depth, and the number of splits from it down. Splits that no root reaches (pruned
    ones) have no place.
    """
    nodes, parents = _by_level(ensemble)
    sizes = [len(level) for level in nodes]
    ends = np.cumsum([0, *sizes])
    levels = [slice(low, high) for low, high in pairwise(ends)]
    node, parent = np.concatenate(nodes), np.concatenate(parents)
    # Splits below each edge: they decide how far from its parent a right child stands.
    below = np.zeros((len(node), 2), dtype=np.int64)
    for level in reversed(levels[1:]):
        below.reshape(-1)[parent[level]] = 1 + below[level].sum(axis=1)
    tree = np.searchsorted(ensemble.tree_start, node, side="right") - 1
    start = np.zeros(ensemble.n_trees + 1, dtype=np.int64)
    np.cumsum(np.bincount(tree, minlength=ensemble.n_trees), out=start[1:])
    place = np.empty(len(node), dtype=np.int64)
    place[levels[0]] = start[tree[levels[0]]]
    for level in levels[1:]:
        over = parent[level] >> 1
        place[level] = place[over] + 1 + (parent[level] & 1) * below[over, 0]
    order = np.argsort(place)
    parent = np.where(parent < 0, -1, 2 * place[parent >> 1] + (parent & 1))[order]
    depth, size = np.repeat(np.arange(len(levels)), sizes), 1 + below.sum(axis=1)
    return node[order], parent, depth[order], size[order], start


def _by_level(ensemble: TreeEnsemble) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Return the splits' nodes of each depth, roots first, and their parent edges, numbered in that order."""
    here = ensemble.tree_start[:-1].astype(np.int64)
    over = np.full(len(here), -1, dtype=np.int64)
    nodes, parents, count = [], [], 0
    while True:
        split = ensemble.feature[here] >= 0
        here, over = here[split], over[split]
        nodes.append(here)
        parents.append(over)
        if not len(here):
            return nodes, parents
        over = 2 * count + np.arange(2 * len(here))
        count += len(here)
        here = np.stack([ensemble.left[here], ensemble.right[here]], axis=1).reshape(-1).astype(np.int64)


def _nearest_on_the_same_feature(feature: NDArray[np.int32], parent: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the nearest edge above each split whose split is on the same feature, or -1."""
    up = np.full(len(parent), -1, dtype=np.int64)
    searching, edge = np.arange(len(parent)), parent
    while len(searching):
        on_a_path = edge >= 0
        searching, edge = searching[on_a_path], edge[on_a_path]
        same = feature[edge >> 1] == feature[searching]
        up[searching[same]] = edge[same]
        searching, edge = searching[~same], parent[edge[~same] >> 1]
    return up


def _shares(ensemble: TreeEnsemble, node: NDArray[np.int64], kids: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the share of the cover in both children of each split: one half where there is none."""
    total = ensemble.cover[node][:, None]
    return np.where(total > 0, ensemble.cover[kids] / np.where(total > 0, total, 1.0), 0.5)


def _walk(depth: NDArray[np.int64], size: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return ``Splits.steps`` from the depth of each split, and the number of splits from it down."""
    number = np.arange(len(depth))
    # Before a split's first visit, all before it have been visited, and those that are not above it have been left.
    first = 2 * number - depth
    steps = np.empty(2 * len(depth), dtype=np.int32)
    steps[first], steps[first + 2 * size - 1] = number, ~number
    return steps


def _columns(ensemble: TreeEnsemble, node: NDArray[np.int64]) -> tuple[Columns, dict[str, NDArray[Any]]]:
    used, feature = np.unique(ensemble.feature[node], return_inverse=True)
    feature = feature.astype(np.int32)
    special = (ensemble.category_words[node] > 0) | ensemble.zero_missing[node]
    nodes = node[special]
    column = feature.copy()
    column[special] = len(used) + np.arange(len(nodes), dtype=np.int32)
    columns = Columns(
        used=used.astype(np.int32),
        source=feature[special].astype(np.int32),
        threshold=ensemble.threshold[nodes],
        missing_left=ensemble.missing_left[nodes],
        zero_missing=ensemble.zero_missing[nodes],
        category_start=ensemble.category_start[nodes],
        category_words=ensemble.category_words[nodes],
        category_bits=ensemble.category_bits.copy(),
        single_precision=ensemble.single_precision,
        missing_value=ensemble.missing_value,
    )
    tests = {
        "column": column,
        "feature": feature,
        "threshold": np.where(special, 0.0, ensemble.threshold[node]),
        "nan_left": ensemble.missing_left[node] & ~special,
    }
    return columns, tests


def gauss_rule(tree_distinct: NDArray[np.int32]) -> Rule:
    """Return the rules that are exact for trees with so many distinct features on a path.

    A leaf behind D features is a polynomial of degree D - 1; q points are exact to 2 q - 1.
    """
    order = np.maximum(1, (tree_distinct + 1) // 2).astype(np.int32)
    largest = int(order.max(initial=1))
    # The kernel for single rows takes four points at a time; those without weight add nothing.
    padded = -(-largest // 4) * 4
    point, weight = np.full((largest + 1, padded), 0.5), np.zeros((largest + 1, padded))
    for count in range(1, largest + 1):
        x, w = np.polynomial.legendre.leggauss(count)
        point[count, :count], weight[count, :count] = (x + 1.0) / 2.0, w / 2.0
    return Rule(order=order, point=point, weight=weight)
