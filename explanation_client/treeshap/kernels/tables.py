"""Interventional Shapley values from tables: filling them, and looking rows up in them.

For one leaf of value v whose path tests D distinct features, let h be the set of those that the
row agrees with and u the set that a background row agrees with. The leaf's game is worth v to a
coalition S if every feature is in h where it is in S and in u where it is not. It is worth nothing
to any unless h and u together are everything; then, with A = h without u and B = u without h,

    phi_j =  v (|A| - 1)! |B|! / (|A| + |B|)!   for j in A,
    phi_j = -v |A|! (|B| - 1)! / (|A| + |B|)!   for j in B,

and 0 for the rest. A leaf's table holds the mean of this over the background for each h. It is
filled from the counts of the patterns u that occur, so that the size of the background matters
once; a row then costs one look-up per table and feature.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from explanation_client.treeshap.groups import Groups
from explanation_client.treeshap.kernels.columns import fill_columns
from explanation_client.treeshap.kernels.jit import inline_kernel, kernel
from explanation_client.treeshap.kernels.simd import WIDTH, bits_at_most
from explanation_client.treeshap.layout import Columns, Leaves, Splits

__all__ = ["LANES", "agreements", "fill_tables", "table_block"]

LANES = 64
"""Rows that are worked on together: one bit each in a word."""


@inline_kernel
def _words(
    first: int,
    last: int,
    x: NDArray[np.float64],
    column: NDArray[np.int32],
    threshold: NDArray[np.float64],
    nan_left: NDArray[np.bool_],
    up: NDArray[np.int32],
    raw: NDArray[np.int64],
    agree: NDArray[np.int64],
) -> None:
    """Set 64 rows' bits for the splits of a tree: goes left; agrees with each edge so far."""
    for s in range(first, last):
        word = np.int64(0)
        for j in range(0, LANES, WIDTH):
            word |= bits_at_most(x, column[s] * LANES + j, threshold[s], nan_left[s]) << j
        state = np.int64(-1)
        if up[s] >= 0:
            state = agree[up[s] - 2 * first]
        raw[s - first] = word
        agree[2 * (s - first)] = state & word
        agree[2 * (s - first) + 1] = state & ~word


@kernel
def agreements(rows: NDArray[np.float64], tree: int, columns: Columns, splits: Splits) -> NDArray[np.int64]:
    """Return a word of 64 rows for each block of rows and edge of a tree, shape (blocks, 2 S)."""
    first, last = splits.start[tree], splits.start[tree + 1]
    blocks = (rows.shape[0] + LANES - 1) // LANES
    out = np.empty((blocks, 2 * (last - first)), dtype=np.int64)
    raw = np.empty(last - first, dtype=np.int64)
    x = np.empty((len(columns.used) + len(columns.source)) * LANES)
    column, threshold, nan_left, up = (
        splits.column, splits.threshold, splits.nan_left, splits.up
    )  # fmt: skip
    for block in range(blocks):
        fill_columns(rows, block * LANES, columns, LANES, x)
        _words(first, last, x, column, threshold, nan_left, up, raw, out[block])
    return out


@kernel
def _leaf_table(
    counts: NDArray[np.float64],
    size: int,
    gain: NDArray[np.float64],
    loss: NDArray[np.float64],
    table: NDArray[np.float64],
) -> None:
    """Set ``table[h, j]`` for a leaf of value 1 from the counts of the patterns u."""
    full = (1 << size) - 1
    table[: full + 1, :size] = 0.0
    for u in range(full + 1):
        if counts[u] == 0.0:
            continue
        missing = full & ~u
        n_missing = 0
        for j in range(size):
            n_missing += (missing >> j) & 1
        # All sets h that hold what u lacks; ``both`` runs over the rest of h.
        both = u
        while True:
            h = missing | both
            n_lost = 0
            for j in range(size):
                n_lost += ((full & ~h) >> j) & 1
            up = counts[u] * gain[n_missing, n_lost]
            down = counts[u] * loss[n_missing, n_lost]
            for j in range(size):
                if (missing >> j) & 1:
                    table[h, j] += up
                elif not (h >> j) & 1:
                    table[h, j] -= down
            if both == 0:
                break
            both = (both - 1) & u


@kernel
def fill_tables(
    tree: int,
    words: NDArray[np.int64],
    n_rows: int,
    splits: Splits,
    leaves: Leaves,
    groups: Groups,
    gain: NDArray[np.float64],
    loss: NDArray[np.float64],
    tables: NDArray[np.float64],
) -> None:
    """Fill the tables of one tree's groups, which hold zeros, from its :func:`agreements`."""
    child, feature, parent = splits.child, splits.feature, splits.parent
    first = splits.start[tree]
    width = leaves.value.shape[1]
    largest = gain.shape[0] - 1
    counts = np.empty(1 << largest)
    table = np.empty((1 << largest, largest))
    stack = np.empty(splits.start[tree + 1] - first + 2, dtype=np.int64)
    over = np.empty(splits.start[tree + 1] - first + 2, dtype=np.int64)
    last_edge = np.empty(largest, dtype=np.int64)
    asks = np.empty(largest, dtype=np.int64)
    wants = np.empty(largest, dtype=np.int64)
    place = np.empty(largest, dtype=np.int64)
    for g in range(groups.tree_start[tree], groups.tree_start[tree + 1]):
        bit0 = groups.bit_start[g]
        n_bits = groups.bit_start[g + 1] - bit0
        feature0 = groups.feature_start[g]
        n_features = groups.feature_start[g + 1] - feature0
        root = groups.root[g]
        stack[0], over[0], top = root, groups.edge[g], 1
        while top > 0:
            top -= 1
            c, edge = stack[top], over[top]
            if c >= 0:
                for side in range(2):
                    stack[top], over[top] = child[c, side], 2 * c + side
                    top += 1
                continue
            # The path's distinct features: last edge, bits of the group that it asks for.
            size = 0
            e = np.int64(edge)
            while e >= 0:
                s = e // 2
                j = 0
                while j < size and feature[last_edge[j] // 2] != feature[s]:
                    j += 1
                if j == size:
                    last_edge[j], asks[j], wants[j] = e, 0, 0
                    size += 1
                if root >= 0 and s >= root:
                    # Splits inside the group are its last bits, in their order.
                    inside = n_bits - 1
                    while groups.bit[bit0 + inside] != ~s:
                        inside -= 1
                    asks[j] |= np.int64(1) << inside
                    if e % 2 == 0:
                        wants[j] |= np.int64(1) << inside
                e = np.int64(parent[s])
            for j in range(size):
                f = feature[last_edge[j] // 2]
                for at in range(n_bits):
                    named = groups.bit[bit0 + at]
                    if named >= 0 and feature[named // 2] == f:
                        asks[j] |= np.int64(1) << at
                        wants[j] |= np.int64(1) << at
                at = 0
                while groups.feature[feature0 + at] != f:
                    at += 1
                place[j] = at
            counts[: 1 << size] = 0.0
            for row in range(n_rows):
                u = 0
                for j in range(size):
                    word = words[row // LANES, last_edge[j] - 2 * first]
                    u |= ((word >> (row % LANES)) & 1) << j
                counts[u] += 1.0 / n_rows
            _leaf_table(counts, size, gain, loss, table)
            for cell in range(1 << n_bits):
                h = 0
                for j in range(size):
                    if (cell ^ wants[j]) & asks[j] == 0:
                        h |= 1 << j
                for o in range(width):
                    v = leaves.value[-1 - c, o]
                    at = groups.table_start[g] + ((o * n_features) << n_bits) + cell
                    for j in range(size):
                        tables[at + (place[j] << n_bits)] += v * table[h, j]


@kernel
def table_block(
    rows: NDArray[np.float64],
    columns: Columns,
    splits: Splits,
    tree_output: NDArray[np.int32],
    width: int,
    groups: Groups,
    tables: NDArray[np.float64],
    out: NDArray[np.float64],
    offset: int,
) -> None:
    """Add the values of some rows to ``out[:, offset : offset + n]``, which must hold zeros."""
    used, start = columns.used, splits.start
    column, threshold, nan_left, up = (
        splits.column, splits.threshold, splits.nan_left, splits.up
    )  # fmt: skip
    tree_start, bit_start, bit = groups.tree_start, groups.bit_start, groups.bit
    feature_start, feature, table_start = (
        groups.feature_start, groups.feature, groups.table_start
    )  # fmt: skip
    n_used, n_columns = len(used), len(used) + len(columns.source)
    size = np.int64(1)
    for tree in range(len(tree_output)):
        size = max(size, start[tree + 1] - start[tree])
    # Many words of rows share one visit of a table, as long as their columns stay in the cache.
    blocks = max(1, min(8, 1024 // (n_columns + out.shape[0] * n_used)))
    blocks = min(blocks, (rows.shape[0] + LANES - 1) // LANES)
    raw = np.empty((blocks, size), dtype=np.int64)
    agree = np.empty((blocks, 2 * size), dtype=np.int64)
    x = np.empty((blocks, n_columns * LANES))
    sums = np.empty((blocks, out.shape[0] * n_used, LANES))
    code = np.empty(LANES, dtype=np.int64)
    for first in range(0, rows.shape[0], blocks * LANES):
        filled = min(blocks, (rows.shape[0] - first + LANES - 1) // LANES)
        for block in range(filled):
            fill_columns(rows, first + block * LANES, columns, LANES, x[block])
        sums[:] = 0.0
        for tree in range(len(tree_output)):
            if tree_start[tree] == tree_start[tree + 1]:
                continue
            low = start[tree]
            for block in range(filled):
                _words(low, start[tree + 1], x[block], column, threshold, nan_left, up, raw[block], agree[block])
            for g in range(tree_start[tree], tree_start[tree + 1]):
                n_bits = bit_start[g + 1] - bit_start[g]
                for block in range(filled):
                    lanes = min(LANES, rows.shape[0] - first - block * LANES)
                    code[:lanes] = 0
                    for j in range(n_bits):
                        named = bit[bit_start[g] + j]
                        if named >= 0:
                            word = agree[block, named - 2 * low]
                        else:
                            word = raw[block, ~named - low]
                        for i in range(lanes):
                            code[i] |= ((word >> i) & 1) << j
                    at = table_start[g]
                    for o in range(width):
                        target = tree_output[tree] if width == 1 else o
                        for k in range(feature_start[g], feature_start[g + 1]):
                            line = target * n_used + feature[k]
                            for i in range(lanes):
                                sums[block, line, i] += tables[at + code[i]]
                            at += np.int64(1) << n_bits
        for o in range(out.shape[0]):
            for i in range(min(filled * LANES, rows.shape[0] - first)):
                for f in range(n_used):
                    gain = sums[i // LANES, o * n_used + f, i % LANES]
                    out[o, offset + first + i, used[f]] += gain
