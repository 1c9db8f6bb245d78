"""Finds the subtrees whose leaves share a table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from explanation_client.treeshap.groups import Groups
from explanation_client.treeshap.kernels.jit import kernel

__all__ = ["count_groups", "fill_groups"]


@kernel
def _subtrees(child: NDArray[np.int32], distinct: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the number of splits in each subtree, and its largest number of features on a path."""
    count = np.ones(len(distinct), dtype=np.int32)
    deepest = distinct.copy()
    # Children have larger numbers than their parents.
    for s in range(len(distinct) - 1, -1, -1):
        for side in range(2):
            c = child[s, side]
            if c >= 0:
                count[s] += count[c]
                deepest[s] = max(deepest[s], deepest[c])
    return count, deepest


@kernel
def _visit(
    child: NDArray[np.int32],
    feature: NDArray[np.int32],
    parent: NDArray[np.int32],
    distinct: NDArray[np.int32],
    start: NDArray[np.int64],
    tabled: NDArray[np.bool_],
    shared_bits: int,
    write: bool,
    groups: Groups,
) -> tuple[int, int, int]:
    """Count the groups, their bits and their features; write them down if asked to."""
    count, deepest = _subtrees(child, distinct)
    n_groups, n_bits, n_features = 0, 0, 0
    size = np.int64(1)
    for tree in range(len(tabled)):
        size = max(size, start[tree + 1] - start[tree])
    # Trees of one leaf have no splits and no groups: they move the base value only.
    stack = np.empty(size + 2, dtype=np.int64)
    over = np.empty(size + 2, dtype=np.int64)
    seen = np.empty(size + 64, dtype=np.int64)
    for tree in range(len(tabled)):
        if write:
            groups.tree_start[tree] = n_groups
        if not tabled[tree] or start[tree] == start[tree + 1]:
            continue
        stack[0], over[0], top = start[tree], -1, 1
        while top > 0:
            top -= 1
            c, edge = stack[top], over[top]
            if c >= 0:
                prefix = distinct[edge // 2] if edge >= 0 else 0
                if prefix + count[c] > max(shared_bits, deepest[c]):
                    for side in range(2):
                        stack[top], over[top] = child[c, side], 2 * c + side
                        top += 1
                    continue
            found = 0
            if write:
                groups.root[n_groups], groups.edge[n_groups] = c, edge
                groups.bit_start[n_groups] = n_bits
                groups.feature_start[n_groups] = n_features
            e = edge
            while e >= 0:
                known = False
                for j in range(found):
                    known = known or seen[j] == feature[e // 2]
                if not known:
                    seen[found] = feature[e // 2]
                    found += 1
                    if write:
                        groups.bit[n_bits] = e
                    n_bits += 1
                e = np.int64(parent[e // 2])
            if c >= 0:
                for s in range(c, c + count[c]):
                    if write:
                        groups.bit[n_bits] = ~s
                    n_bits += 1
                    known = False
                    for j in range(found):
                        known = known or seen[j] == feature[s]
                    if not known:
                        seen[found] = feature[s]
                        found += 1
            if write:
                for j in range(found):
                    groups.feature[n_features + j] = seen[j]
            n_features += found
            n_groups += 1
    if write:
        groups.tree_start[len(tabled)] = n_groups
        groups.bit_start[n_groups] = n_bits
        groups.feature_start[n_groups] = n_features
    return n_groups, n_bits, n_features


@kernel
def count_groups(
    child: NDArray[np.int32],
    feature: NDArray[np.int32],
    parent: NDArray[np.int32],
    distinct: NDArray[np.int32],
    start: NDArray[np.int64],
    tabled: NDArray[np.bool_],
    shared_bits: int,
) -> tuple[int, int, int]:
    """Return the numbers of groups, of their bits and of their features."""
    empty = np.empty(0, dtype=np.int64)
    small = np.empty(0, dtype=np.int32)
    nothing = Groups(empty, small, small, empty, small, empty, small, empty)
    return _visit(child, feature, parent, distinct, start, tabled, shared_bits, False, nothing)


@kernel
def fill_groups(
    child: NDArray[np.int32],
    feature: NDArray[np.int32],
    parent: NDArray[np.int32],
    distinct: NDArray[np.int32],
    start: NDArray[np.int64],
    tabled: NDArray[np.bool_],
    shared_bits: int,
    groups: Groups,
) -> None:
    """Fill groups of the size that :func:`count_groups` found; ``table_start`` is left alone."""
    _visit(child, feature, parent, distinct, start, tabled, shared_bits, True, groups)
