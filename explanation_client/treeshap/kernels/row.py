"""Path-dependent values of rows one by one: ``path.py`` with the points as lanes.

What a split adds at each point is either summed (Shapley values) or worked on further (interactions), by a function
that the sweep is given and that the compiler merges into it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.treeshap.kernels.columns import fill_columns
from explanation_client.treeshap.kernels.jit import inline_kernel, kernel
from explanation_client.treeshap.kernels.simd import (
    FEW,
    add,
    div,
    load_few,
    mul,
    muladd,
    one_minus,
    splat_few,
    store,
    sub,
    total,
)  # fmt: skip
from explanation_client.treeshap.layout import Columns, Leaves, Rule, Splits

__all__ = ["path_rows", "sweep_rows"]


@inline_kernel
def _go_down(
    q: int,
    first: int,
    here: int,
    stride: int,
    r: float,
    w: float,
    went: float,
    hh: float,
    repeated: bool,
    points: NDArray[np.float64],
    p: NDArray[np.float64],
) -> None:
    """Set p of a split from that of the split above."""
    for k in range(0, q, FEW):
        t = load_few(points, first + k)
        if repeated:
            c = mul(one_minus(t), splat_few(w))
            m = div(muladd(c, splat_few(r), mul(t, splat_few(went))), add(t, c))
            m = muladd(splat_few(hh), sub(m, splat_few(r)), splat_few(r))
        else:
            m = muladd(one_minus(t), splat_few(r), mul(t, splat_few(went)))
        store(p, here + stride + k, mul(load_few(p, here + k), m))


@inline_kernel
def _close(
    q: int,
    first: int,
    here: int,
    slot: int,
    below: int,
    after: int,
    left_leaf: bool,
    right_leaf: bool,
    left: float,
    right: float,
    rl: float,
    rr: float,
    w: float,
    bb: float,
    hh: float,
    repeated: bool,
    points: NDArray[np.float64],
    p: NDArray[np.float64],
    a: NDArray[np.float64],
    part: NDArray[np.float64],
) -> None:
    """Set part to what a split adds to its feature at each point, and set a at the split above."""
    for k in range(0, q, FEW):
        t = load_few(points, first + k)
        al = splat_few(left) if left_leaf else load_few(a, below + k)
        ar = splat_few(right) if right_leaf else load_few(a, after + k)
        pp = load_few(p, here + k)
        c = one_minus(t)
        if repeated:
            c = mul(c, splat_few(w))
            g = div(splat_few(1.0), add(t, c))
            pp = mul(mul(pp, mul(g, g)), splat_few(w * hh))
            ml = mul(muladd(c, splat_few(rl), mul(t, splat_few(bb))), g)
            mr = mul(muladd(c, splat_few(rr), mul(t, splat_few(1.0 - bb))), g)
            ml = muladd(splat_few(hh), sub(ml, splat_few(rl)), splat_few(rl))
            mr = muladd(splat_few(hh), sub(mr, splat_few(rr)), splat_few(rr))
        else:
            ml = muladd(c, splat_few(rl), mul(t, splat_few(bb)))
            mr = muladd(c, splat_few(rr), mul(t, splat_few(1.0 - bb)))
        both = muladd(splat_few(bb - rl), al, mul(splat_few(1.0 - bb - rr), ar))
        store(part, k, mul(pp, both))
        store(a, slot + k, muladd(ml, al, mul(mr, ar)))


@inline_kernel
def sweep_rows(
    take: Any,
    rows: NDArray[np.float64],
    columns: Columns,
    splits: Splits,
    leaves: Leaves,
    rule: Rule,
    max_depth: int,
    out: NDArray[np.float64],
    offset: int,
) -> None:
    """Call ``take`` with what each split adds to its feature for each row and output."""
    column, feature, threshold, nan_left = (
        splits.column, splits.feature, splits.threshold, splits.nan_left
    )  # fmt: skip
    child, ratio, before = splits.child, splits.ratio, splits.before
    up, parent, depth, steps = splits.up, splits.parent, splits.depth, splits.steps
    start, used = splits.start, columns.used
    value, tree_output = leaves.value, leaves.tree_output
    order, point, weight = rule.order, rule.point, rule.weight
    width, largest = value.shape[1], point.shape[1]
    points, weights = point.reshape(-1), weight.reshape(-1)
    x = np.empty(len(used) + len(columns.source))
    p = np.empty((max_depth + 1) * largest)
    a = np.empty((max_depth + 1) * 2 * width * largest)
    b, h = np.empty(max_depth + 1), np.empty(max_depth + 1)
    part = np.empty(largest)
    seen = np.full(len(used), -1)
    for row in range(rows.shape[0]):
        fill_columns(rows, row, columns, 1, x)
        for tree in range(len(tree_output)):
            q, first = order[tree], order[tree] * largest
            for k in range(0, q, FEW):
                store(p, k, load_few(weights, first + k))
            for step in range(2 * start[tree], 2 * start[tree + 1]):
                s = steps[step]
                if s >= 0:
                    d, u, e = depth[s], up[s], parent[s]
                    v = x[column[s]]
                    left = (v <= threshold[s]) | (nan_left[s] & (v != v))
                    b[d] = 1.0 if left else 0.0
                    h[d] = 1.0
                    if u >= 0:
                        ub = b[depth[u >> 1]]
                        h[d] = h[depth[u >> 1]] * (ub if u & 1 == 0 else 1.0 - ub)
                    if e < 0:
                        continue
                    r, w = ratio[e >> 1, e & 1], before[e >> 1]
                    went = b[d - 1] if e & 1 == 0 else 1.0 - b[d - 1]
                    _go_down(q, first, (d - 1) * largest, largest, r, w, went, h[d - 1], up[e >> 1] >= 0, points, p)
                    continue
                s = ~s
                d, rl, rr, w, hh = depth[s], ratio[s, 0], ratio[s, 1], before[s], h[depth[s]]
                cl, cr = child[s, 0], child[s, 1]
                for o in range(width):
                    target = tree_output[tree] if width == 1 else o
                    slot = ((2 * d + (parent[s] & 1)) * width + o) * largest
                    below = ((2 * d + 2) * width + o) * largest
                    after = ((2 * d + 3) * width + o) * largest
                    lv = value[-1 - cl, o] if cl < 0 else 0.0
                    rv = value[-1 - cr, o] if cr < 0 else 0.0
                    _close(q, first, d * largest, slot, below, after, cl < 0, cr < 0, lv, rv,
                           rl, rr, w, b[d], hh, up[s] >= 0, points, p, a, part)  # fmt: skip
                    mark = (row * len(parent) + s) * width + o
                    take(out, target, offset + row, s, q, first, feature, used, ratio, before, parent, depth,
                         points, b, h, part, seen, mark)  # fmt: skip


@inline_kernel
def _take_sum(
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
    gain = load_few(part, 0)
    for k in range(FEW, q, FEW):
        gain = add(gain, load_few(part, k))
    out[target, row, used[feature[s]]] += total(gain)


@kernel
def path_rows(
    rows: NDArray[np.float64],
    columns: Columns,
    splits: Splits,
    leaves: Leaves,
    rule: Rule,
    max_depth: int,
    out: NDArray[np.float64],
    offset: int,
) -> None:
    """Add the values of some rows to ``out[:, offset : offset + n]``, which must hold zeros."""
    sweep_rows(_take_sum, rows, columns, splits, leaves, rule, max_depth, out, offset)
