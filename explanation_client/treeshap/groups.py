"""Which leaves share a table, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from explanation_client.treeshap.layout import Layout

__all__ = ["Groups", "Plan", "make_plan"]

SHARED_BITS = 8
"""Bits up to which the leaves of a subtree share a table; larger tables leave the cache."""

LARGEST_LEAF = 14
"""Distinct features up to which a leaf gets a table: building one takes 3**D steps."""


class Groups(NamedTuple):
    """Subtrees whose leaves share a table; G groups.

    A row's place in the table is a number of some bits: one for each feature on the way to the
    subtree (whether the row agrees with all splits on it), then one for each split inside it
    (whether the row goes left).
    """

    tree_start: NDArray[np.int64]
    """Tree t owns the groups ``tree_start[t] : tree_start[t + 1]``; none if it has no tables."""
    root: NDArray[np.int32]
    """The subtree: a split, or ``-1 - node`` for a single leaf, shape (G,)."""
    edge: NDArray[np.int32]
    """The edge that leads to it, or -1, shape (G,)."""
    bit_start: NDArray[np.int64]
    """Group g owns the bits ``bit_start[g] : bit_start[g + 1]``."""
    bit: NDArray[np.int32]
    """An edge (the row agrees with it and those above on its feature), or ``~split``."""
    feature_start: NDArray[np.int64]
    feature: NDArray[np.int32]
    """The group's distinct features, by position in ``Columns.used``."""
    table_start: NDArray[np.int64]
    """Group g owns ``table_start[g] : table_start[g + 1]``: outputs x features x 2**bits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """Groups of the trees that get tables, and the trees that are walked instead."""

    groups: Groups
    walked: NDArray[np.int32]


def make_plan(layout: Layout, width: int, *, memory_limit: int) -> Plan:
    """Return the plan whose tables of float64 take at most ``memory_limit`` bytes.

    Small trees come first: a table saves the more, the smaller it is.
    """
    tabled = layout.tree_distinct <= LARGEST_LEAF
    sizes = _sizes(layout, tabled, width)
    order = np.argsort(sizes, kind="stable")
    fits = np.cumsum(sizes[order]) * 8 <= memory_limit
    tabled[order[~fits]] = False
    groups = _groups(layout, tabled, width)
    return Plan(groups=groups, walked=np.flatnonzero(~tabled).astype(np.int32))


def _sizes(layout: Layout, tabled: NDArray[np.bool_], width: int) -> NDArray[np.float64]:
    """Return the numbers in each tree's tables, shape (T,)."""
    groups = _groups(layout, tabled, width)
    ends = groups.table_start[groups.tree_start]
    return np.diff(ends).astype(np.float64)


def _groups(layout: Layout, tabled: NDArray[np.bool_], width: int) -> Groups:
    from explanation_client.treeshap.kernels.groups import count_groups, fill_groups

    splits = layout.splits
    parts = (splits.child, splits.feature, splits.parent, splits.distinct, splits.start)
    count, bits, features = count_groups(*parts, tabled, SHARED_BITS)
    groups = Groups(
        tree_start=np.zeros(len(tabled) + 1, dtype=np.int64),
        root=np.zeros(count, dtype=np.int32),
        edge=np.zeros(count, dtype=np.int32),
        bit_start=np.zeros(count + 1, dtype=np.int64),
        bit=np.zeros(bits, dtype=np.int32),
        feature_start=np.zeros(count + 1, dtype=np.int64),
        feature=np.zeros(features, dtype=np.int32),
        table_start=np.zeros(count + 1, dtype=np.int64),
    )
    fill_groups(*parts, tabled, SHARED_BITS, groups)
    cells = np.int64(1) << np.diff(groups.bit_start)
    np.cumsum(cells * np.diff(groups.feature_start) * width, out=groups.table_start[1:])
    return groups
