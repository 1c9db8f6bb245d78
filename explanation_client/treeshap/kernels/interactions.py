"""Shapley interaction values of pairs of features.

Both kernels add the index of a pair {i, j} (Grabisch and Roubens 1999: the mean, in the weights of
Shapley values, of what the two add together beyond what each adds alone) to ``[i, j]`` with i < j
in the order of the features in use, and the Shapley value of i to ``[i, i]``. :func:`spread` makes
the matrix of SHAP interaction values from that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from explanation_client.treeshap.kernels.columns import fill_columns
from explanation_client.treeshap.kernels.jit import inline_kernel, kernel
from explanation_client.treeshap.kernels.row import sweep_rows
from explanation_client.treeshap.kernels.simd import (
    FEW,
    add,
    div,
    load_few,
    muladd,
    one_minus,
    splat_few,
    total,
)
from explanation_client.treeshap.layout import Columns, Leaves, Rule, Splits

__all__ = ["path_interactions", "spread", "walk_interactions"]


@inline_kernel
def _take_pairs(
    out: NDArray[np.float64],
    target: int,
    row: int,
    s: int,
    q: int,
    first: int,
    feature: NDArray[np.int32],
    used: NDArray[np.int32],
    ratio: NDArray[np.float64],
    before: NDArray[np.float64],
    parent: NDArray[np.int32],
    depth: NDArray[np.int32],
    points: NDArray[np.float64],
    b: NDArray[np.float64],
    h: NDArray[np.float64],
    part: NDArray[np.float64],
    seen: NDArray[np.int64],
    mark: int,
) -> None:
    """Add what a split adds to its feature, and to the pairs with the other features on its path."""
    f = feature[s]
    gain = splat_few(0.0)
    for k in range(0, q, FEW):
        gain = add(gain, load_few(part, k))
    out[target, row, used[f], used[f]] += total(gain)
    # Of each feature the edge that is nearest holds what lies above it.
    seen[f] = mark
    e = parent[s]
    while e >= 0:
        u, other = e >> 1, feature[e >> 1]
        if seen[other] != mark:
            seen[other] = mark
            w = before[u] * ratio[u, e & 1]
            went = b[depth[u]] if e & 1 == 0 else 1.0 - b[depth[u]]
            agrees = h[depth[u]] * went > 0.0
            pair = splat_few(0.0)
            for k in range(0, q, FEW):
                t = load_few(points, first + k)
                if agrees:
                    c = div(splat_few(1.0 - w), muladd(one_minus(t), splat_few(w), t))
                else:
                    c = div(splat_few(-1.0), one_minus(t))
                pair = muladd(c, load_few(part, k), pair)
            i, j = min(f, other), max(f, other)
            out[target, row, used[i], used[j]] += total(pair)
        e = parent[u]


@kernel
def path_interactions(
    rows: NDArray[np.float64],
    columns: Columns,
    splits: Splits,
    leaves: Leaves,
    rule: Rule,
    max_depth: int,
    out: NDArray[np.float64],
    offset: int,
) -> None:
    """Add path-dependent indices to ``out[:, offset : offset + n]``, shape (C, N, F, F).

    What a split adds to its feature at a point t (see ``path.py``), times
    ``(h - w) / (t h + (1 - t) w)`` of another feature on the path, is what it adds to the pair.
    """
    sweep_rows(_take_pairs, rows, columns, splits, leaves, rule, max_depth, out, offset)


@kernel
def walk_interactions(
    rows: NDArray[np.float64],
    background: NDArray[np.float64],
    columns: Columns,
    splits: Splits,
    leaves: Leaves,
    gain: NDArray[np.float64],
    loss: NDArray[np.float64],
    max_depth: int,
    out: NDArray[np.float64],
    offset: int,
) -> None:
    """Add interventional indices to ``out[:, offset : offset + n]``, shape (C, N, F, F).

    The walk is that of ``walk.py``. At a leaf with the sets A and B (see ``tables.py``) a pair
    gets ``(a - 2)! b! / (a + b - 1)!`` inside A, ``a! (b - 2)! / (a + b - 1)!`` inside B, and
    ``-(a - 1)! (b - 1)! / (a + b - 1)!`` across.
    """
    column, feature, threshold, nan_left = (
        splits.column, splits.feature, splits.threshold, splits.nan_left
    )  # fmt: skip
    child, start = splits.child, splits.start
    value, tree_output, used = leaves.value, leaves.tree_output, columns.used
    width = value.shape[1]
    xs = np.empty((rows.shape[0], len(used) + len(columns.source)))
    zs = np.empty((background.shape[0], len(used) + len(columns.source)))
    for row in range(rows.shape[0]):
        fill_columns(rows, row, columns, 1, xs[row])
    for z in range(background.shape[0]):
        fill_columns(background, z, columns, 1, zs[z])
    taken = np.zeros(len(used), dtype=np.int8)
    split = np.empty(max_depth + 1, dtype=np.int64)
    other = np.empty(max_depth + 1, dtype=np.int64)
    share = 1.0 / background.shape[0]
    for row in range(rows.shape[0]):
        for z in range(background.shape[0]):
            for tree in range(len(tree_output)):
                if start[tree] == start[tree + 1]:
                    continue
                top, in_a, in_b = 0, 0, 0
                s = np.int64(start[tree])
                while True:
                    while s >= 0:
                        f = feature[s]
                        v = xs[row, column[s]]
                        mine = v <= threshold[s] or (nan_left[s] and np.isnan(v))
                        v = zs[z, column[s]]
                        theirs = v <= threshold[s] or (nan_left[s] and np.isnan(v))
                        if taken[f] == 0 and mine != theirs:
                            split[top], other[top] = s, child[s, 0 if theirs else 1]
                            taken[f] = 1
                            top += 1
                            in_a += 1
                        left = theirs if taken[f] == 2 else mine
                        s = np.int64(child[s, 0 if left else 1])
                    for first in range(top):
                        f = feature[split[first]]
                        alone = gain[in_a, in_b] if taken[f] == 1 else -loss[in_a, in_b]
                        for o in range(width):
                            target = tree_output[tree] if width == 1 else o
                            v = value[-1 - s, o] * share
                            out[target, offset + row, used[f], used[f]] += v * alone
                        for second in range(first + 1, top):
                            f2 = feature[split[second]]
                            # Each weight is one of a smaller pair of sets.
                            if taken[f] != taken[f2]:
                                both = -gain[in_a, in_b - 1]
                            elif taken[f] == 1:
                                both = gain[in_a - 1, in_b]
                            else:
                                both = loss[in_a, in_b - 1]
                            i, j = min(f, f2), max(f, f2)
                            for o in range(width):
                                target = tree_output[tree] if width == 1 else o
                                v = value[-1 - s, o] * share
                                out[target, offset + row, used[i], used[j]] += v * both
                    while top > 0 and taken[feature[split[top - 1]]] == 2:
                        top -= 1
                        taken[feature[split[top]]] = 0
                        in_b -= 1
                    if top == 0:
                        break
                    taken[feature[split[top - 1]]] = 2
                    in_a -= 1
                    in_b += 1
                    s = other[top - 1]


@kernel
def spread(out: NDArray[np.float64], first: int, last: int) -> None:
    """Turn some rows' indices into interaction values: halves off the diagonal, the rest on it."""
    size = out.shape[2]
    for o in range(out.shape[0]):
        for row in range(first, last):
            for i in range(size):
                for j in range(i + 1, size):
                    half = out[o, row, i, j] / 2.0
                    out[o, row, i, j] = half
                    out[o, row, j, i] = half
                    out[o, row, i, i] -= half
                    out[o, row, j, j] -= half
