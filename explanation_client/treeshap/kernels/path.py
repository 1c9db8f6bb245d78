"""Path-dependent Shapley values of row blocks, one lane per row.

For one point t of the quadrature and one tree, with b telling whether the row goes left at a split
and h whether it still agrees with the splits above on the same feature:

* an edge multiplies what lies above it by ``m``, its share of the cover mixed with the row's way:
  ``m = (1 - t) r + t [the row goes there]`` for a feature's first split on the path, and the
  quotient of two such factors for a later one (``r`` alone once h is 0);
* ``p`` is the product of the m above a split (times the point's weight), going down;
* ``a`` is the sum over the leaves below of value times the m on the way, going up:
  ``a = m_left a_left + m_right a_right``;
* a split adds ``(b - r_left) p a_left + (1 - b - r_right) p a_right`` to its feature, summed over
  the points; for a later split on the feature this counts where h is 1, times ``w / g**2`` with
  w the share of the splits above on the feature and ``g = t + (1 - t) w``.

The cost of a row is a few operations per split and point: no recursion, no branch that depends on
the row, nothing quadratic in the depth.

``row.py`` sweeps in the same order, with the quadrature points as lanes. The two are kept apart: here a
node's terms are worked out once for all lanes and stored, there they stay in registers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from explanation_client.treeshap.kernels.columns import fill_columns
from explanation_client.treeshap.kernels.jit import inline_kernel, kernel
from explanation_client.treeshap.kernels.simd import (
    WIDTH,
    add,
    load,
    mul,
    muladd,
    one_minus,
    splat,
    store,
    sub,
    where_above,
    where_at_most,
)
from explanation_client.treeshap.layout import Columns, Leaves, Rule, Splits

__all__ = ["LANES", "path_block"]

LANES = 64
"""Rows that are worked on together: what they need stays in the first cache."""


@inline_kernel
def _decide(
    here: int,
    column: int,
    threshold: float,
    nan_left: bool,
    up: int,
    above: int,
    x: NDArray[np.float64],
    b: NDArray[np.float64],
    h: NDArray[np.float64],
) -> None:
    """Set b and h of a split from its column; ``above`` is where those of ``up``'s split lie."""
    for j in range(0, LANES, WIDTH):
        if nan_left:
            store(b, here + j, where_above(load(x, column + j), threshold))
        else:
            store(b, here + j, where_at_most(load(x, column + j), threshold))
        if up >= 0:
            went = load(b, above + j)
            if up % 2 == 1:
                went = one_minus(went)
            store(h, here + j, mul(went, load(h, above + j)))
        else:
            store(h, here + j, splat(1.0))


@inline_kernel
def _edge_terms(
    side: int,
    repeated: bool,
    r: float,
    w: float,
    q: int,
    point: NDArray[np.float64],
    c0: NDArray[np.float64],
    c1: NDArray[np.float64],
) -> None:
    """Set c0, c1 of an edge's multiplier: ``c0 + c1 b``, or ``r + h (c0 + c1 b)`` lower down."""
    constant = 0.0 if side == 0 else 1.0
    slope = 1.0 - 2.0 * constant
    if not repeated:
        for k in range(q):
            t = point[q, k]
            c0[k] = (1.0 - t) * r + t * constant
            c1[k] = t * slope
    else:
        for k in range(q):
            t = point[q, k]
            g = 1.0 / (t + (1.0 - t) * w)
            c0[k] = ((1.0 - t) * w * r + t * constant) * g - r
            c1[k] = t * slope * g


@inline_kernel
def _go_down(
    over: int,
    repeated: bool,
    r: float,
    q: int,
    stride: int,
    b: NDArray[np.float64],
    h: NDArray[np.float64],
    p: NDArray[np.float64],
    c0: NDArray[np.float64],
    c1: NDArray[np.float64],
) -> None:
    """Set p below the split at depth ``over``."""
    for j in range(0, LANES, WIDTH):
        bb = load(b, over * LANES + j)
        at = over * stride + j
        if repeated:
            hh = load(h, over * LANES + j)
            for k in range(q):
                m = muladd(hh, muladd(splat(c1[k]), bb, splat(c0[k])), splat(r))
                store(p, at + stride, mul(load(p, at), m))
                at += LANES
        else:
            for k in range(q):
                m = muladd(splat(c1[k]), bb, splat(c0[k]))
                store(p, at + stride, mul(load(p, at), m))
                at += LANES


@inline_kernel
def _split_terms(
    left: float,
    right: float,
    repeated: bool,
    w: float,
    q: int,
    point: NDArray[np.float64],
    c0: NDArray[np.float64],
    c1: NDArray[np.float64],
    c2: NDArray[np.float64],
    c3: NDArray[np.float64],
) -> None:
    """Set the terms of both edges: ``c0 + c1 b`` left, ``c2 - c1 b`` right, factor c3 of p."""
    if not repeated:
        for k in range(q):
            t = point[q, k]
            c0[k] = (1.0 - t) * left
            c1[k] = t
            c2[k] = (1.0 - t) * right + t
            c3[k] = 1.0
    else:
        for k in range(q):
            t = point[q, k]
            g = 1.0 / (t + (1.0 - t) * w)
            c0[k] = (1.0 - t) * w * left * g - left
            c1[k] = t * g
            c2[k] = ((1.0 - t) * w * right + t) * g - right
            c3[k] = g * g * w


@inline_kernel
def _close_pair(
    q: int,
    state: int,
    repeated: bool,
    rl: float,
    rr: float,
    here: int,
    place: int,
    slot: int,
    left: float,
    right: float,
    b: NDArray[np.float64],
    h: NDArray[np.float64],
    p: NDArray[np.float64],
    a: NDArray[np.float64],
    sums: NDArray[np.float64],
    c0: NDArray[np.float64],
    c1: NDArray[np.float64],
    c2: NDArray[np.float64],
    c3: NDArray[np.float64],
) -> None:
    """Add a split with two leaves to its feature's sums, and set a at the split above."""
    share = rl * left + rr * right
    # What the feature gains does not depend on t here: the p are added up first.
    gain0 = right - share
    gain1 = left - right
    for j in range(0, LANES, WIDTH):
        bb = load(b, state + j)
        hh = load(h, state + j)
        total = splat(0.0)
        if repeated:
            for k in range(q):
                total = muladd(splat(c3[k]), load(p, here + k * LANES + j), total)
                m = muladd(splat(c1[k] * gain1), bb, splat(c0[k] * left + c2[k] * right))
                store(a, slot + k * LANES + j, muladd(hh, m, splat(share)))
            total = mul(total, hh)
        else:
            for k in range(q):
                total = add(total, load(p, here + k * LANES + j))
                m = muladd(splat(c1[k] * gain1), bb, splat(c0[k] * left + c2[k] * right))
                store(a, slot + k * LANES + j, m)
        gain = muladd(splat(gain1), bb, splat(gain0))
        store(sums, place + j, muladd(total, gain, load(sums, place + j)))


@inline_kernel
def _close(
    balanced: bool,
    repeated: bool,
    q: int,
    state: int,
    rl: float,
    rr: float,
    here: int,
    place: int,
    slot: int,
    below: int,
    after: int,
    left_leaf: bool,
    right_leaf: bool,
    left: float,
    right: float,
    b: NDArray[np.float64],
    h: NDArray[np.float64],
    p: NDArray[np.float64],
    a: NDArray[np.float64],
    sums: NDArray[np.float64],
    c0: NDArray[np.float64],
    c1: NDArray[np.float64],
    c2: NDArray[np.float64],
    c3: NDArray[np.float64],
) -> None:
    """Add a split to its feature's sums, and set a at the split above.

    Where its shares add up to one (``balanced``), its multipliers do as well, and one of them is enough. The two
    flags are constants where this is merged into: what they rule out is not compiled.
    """
    for j in range(0, LANES, WIDTH):
        bb = load(b, state + j)
        hh = load(h, state + j)
        lefts = splat(0.0)
        rights = splat(0.0)
        for k in range(q):
            at = k * LANES + j
            al = splat(left) if left_leaf else load(a, below + at)
            ar = splat(right) if right_leaf else load(a, after + at)
            pp = load(p, here + at)
            ml = muladd(splat(c1[k]), bb, splat(c0[k]))
            if repeated:
                pp = mul(pp, splat(c3[k]))
                ml = muladd(hh, ml, splat(rl))
            if balanced:
                gap = sub(al, ar)
                lefts = muladd(pp, gap, lefts)
                store(a, slot + at, muladd(ml, gap, ar))
            else:
                mr = muladd(splat(-c1[k]), bb, splat(c2[k]))
                if repeated:
                    mr = muladd(hh, mr, splat(rr))
                lefts = muladd(pp, al, lefts)
                rights = muladd(pp, ar, rights)
                store(a, slot + at, muladd(ml, al, mul(mr, ar)))
        gain = mul(sub(bb, splat(rl)), lefts)
        if not balanced:
            gain = muladd(sub(one_minus(bb), splat(rr)), rights, gain)
        if repeated:
            gain = mul(hh, gain)
        store(sums, place + j, add(gain, load(sums, place + j)))


@kernel
def path_block(
    rows: NDArray[np.float64],
    columns: Columns,
    splits: Splits,
    leaves: Leaves,
    rule: Rule,
    max_depth: int,
    out: NDArray[np.float64],
    offset: int,
) -> None:
    """Write the values of some rows, shape (n, F), to ``out[:, offset : offset + n]``, (C, N, F).

    Columns of features that no tree uses are left as they are.
    """
    # Arrays are taken out of their tuples once: each access would count references.
    column, feature, threshold, nan_left = (
        splits.column, splits.feature, splits.threshold, splits.nan_left
    )  # fmt: skip
    child, ratio, balanced, before = splits.child, splits.ratio, splits.balanced, splits.before
    up, parent, depth, steps = splits.up, splits.parent, splits.depth, splits.steps
    start, used = splits.start, columns.used
    value, tree_output = leaves.value, leaves.tree_output
    order, point, weight = rule.order, rule.point, rule.weight
    n_used, width, largest = len(used), value.shape[1], point.shape[1]
    stride = largest * LANES
    x = np.empty((n_used + len(columns.source)) * LANES)
    sums = np.empty(out.shape[0] * n_used * LANES)
    p = np.empty((max_depth + 1) * stride)
    # Results go to the split above, one place per side; what a root gives is not needed.
    a = np.empty((max_depth + 1) * 2 * width * stride)
    b, h = np.empty((max_depth + 1) * LANES), np.empty((max_depth + 1) * LANES)
    c0, c1, c2, c3 = np.empty(largest), np.empty(largest), np.empty(largest), np.empty(largest)
    for first in range(0, rows.shape[0], LANES):
        fill_columns(rows, first, columns, LANES, x)
        sums[:] = 0.0
        for tree in range(len(tree_output)):
            q = order[tree]
            for k in range(q):
                for i in range(LANES):
                    p[k * LANES + i] = weight[q, k]
            for step in range(2 * start[tree], 2 * start[tree + 1]):
                s = steps[step]
                if s >= 0:
                    d, u = depth[s], up[s]
                    above = depth[u // 2] * LANES if u >= 0 else 0
                    _decide(d * LANES, column[s] * LANES, threshold[s], nan_left[s], u, above, x, b, h)
                    e = parent[s]
                    if e >= 0:
                        r, repeated = ratio[e >> 1, e % 2], up[e >> 1] >= 0
                        _edge_terms(e % 2, repeated, r, before[e >> 1], q, point, c0, c1)
                        _go_down(d - 1, repeated, r, q, stride, b, h, p, c0, c1)
                    continue
                s = ~s
                d, repeated, rl, rr = depth[s], up[s] >= 0, ratio[s, 0], ratio[s, 1]
                _split_terms(rl, rr, repeated, before[s], q, point, c0, c1, c2, c3)
                cl, cr = child[s, 0], child[s, 1]
                for o in range(width):
                    target = tree_output[tree] if width == 1 else o
                    place = (target * n_used + feature[s]) * LANES
                    slot = ((2 * d + (parent[s] & 1)) * width + o) * stride
                    below = ((2 * d + 2) * width + o) * stride
                    after = ((2 * d + 3) * width + o) * stride
                    left = value[-1 - cl, o] if cl < 0 else 0.0
                    right = value[-1 - cr, o] if cr < 0 else 0.0
                    if cl < 0 and cr < 0:
                        _close_pair(q, d * LANES, repeated, rl, rr, d * stride, place, slot,
                                    left, right, b, h, p, a, sums, c0, c1, c2, c3)  # fmt: skip
                    elif not balanced[s] and repeated:
                        _close(False, True, q, d * LANES, rl, rr, d * stride, place, slot, below, after,
                               cl < 0, cr < 0, left, right, b, h, p, a, sums, c0, c1, c2, c3)  # fmt: skip
                    elif not balanced[s]:
                        _close(False, False, q, d * LANES, rl, rr, d * stride, place, slot, below, after,
                               cl < 0, cr < 0, left, right, b, h, p, a, sums, c0, c1, c2, c3)  # fmt: skip
                    elif repeated:
                        _close(True, True, q, d * LANES, rl, rr, d * stride, place, slot, below, after,
                               cl < 0, cr < 0, left, right, b, h, p, a, sums, c0, c1, c2, c3)  # fmt: skip
                    else:
                        _close(True, False, q, d * LANES, rl, rr, d * stride, place, slot, below, after,
                               cl < 0, cr < 0, left, right, b, h, p, a, sums, c0, c1, c2, c3)  # fmt: skip
        for o in range(out.shape[0]):
            for i in range(min(LANES, rows.shape[0] - first)):
                for f in range(n_used):
                    out[o, offset + first + i, used[f]] = sums[(o * n_used + f) * LANES + i]
