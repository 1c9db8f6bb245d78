"""Interventional Shapley values of trees too deep for tables: one walk per pair of rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from explanation_client.treeshap.kernels.columns import fill_columns
from explanation_client.treeshap.kernels.jit import inline_kernel, kernel
from explanation_client.treeshap.layout import Columns, Leaves, Splits

__all__ = ["walk_block"]


@inline_kernel
def _side(x: NDArray[np.float64], row: int, column: int, threshold: float, nan_left: bool) -> int:
    """Return 0 if a row goes left, else 1."""
    v = x[row, column]
    if nan_left:
        return 1 if v > threshold else 0
    return 0 if v <= threshold else 1


@kernel
def _all_columns(rows: NDArray[np.float64], columns: Columns) -> NDArray[np.float64]:
    x = np.empty((rows.shape[0], len(columns.used) + len(columns.source)))
    for row in range(rows.shape[0]):
        fill_columns(rows, row, columns, 1, x[row])
    return x


@kernel
def walk_block(
    rows: NDArray[np.float64],
    background: NDArray[np.float64],
    columns: Columns,
    splits: Splits,
    leaves: Leaves,
    trees: NDArray[np.int32],
    gain: NDArray[np.float64],
    loss: NDArray[np.float64],
    max_depth: int,
    out: NDArray[np.float64],
    offset: int,
) -> None:
    """Add the values of some rows for the given trees to ``out[:, offset : offset + n]``.

    Where the two rows part at a feature that both agreed with so far, the walk takes both ways:
    the row's with the feature in its set A, the background row's with it in B. Each way returns
    the sums over its leaves of value times the weights of a member of A and of B.
    """
    column, feature, threshold, nan_left = (
        splits.column, splits.feature, splits.threshold, splits.nan_left
    )  # fmt: skip
    child, start = splits.child, splits.start
    value, tree_output, used = leaves.value, leaves.tree_output, columns.used
    width = value.shape[1]
    xs, zs = _all_columns(rows, columns), _all_columns(background, columns)
    taken = np.zeros(len(used), dtype=np.int8)
    split = np.empty(max_depth + 1, dtype=np.int64)
    other = np.empty(max_depth + 1, dtype=np.int64)
    second = np.empty(max_depth + 1, dtype=np.bool_)
    ups, downs = np.zeros((max_depth + 1, width)), np.zeros((max_depth + 1, width))
    share = 1.0 / background.shape[0]
    for row in range(rows.shape[0]):
        for z in range(background.shape[0]):
            for tree in trees:
                if start[tree] == start[tree + 1]:
                    continue
                top, in_a, in_b = 0, 0, 0
                s = np.int64(start[tree])
                while True:
                    while s >= 0:
                        f = feature[s]
                        side = _side(xs, row, column[s], threshold[s], nan_left[s])
                        if taken[f] != 1:
                            their = _side(zs, z, column[s], threshold[s], nan_left[s])
                            if taken[f] == 2:
                                side = their
                            elif their != side:
                                split[top], other[top] = s, child[s, their]
                                second[top] = False
                                top += 1
                                taken[f] = 1
                                in_a += 1
                        s = np.int64(child[s, side])
                    for o in range(width):
                        ups[top, o] = value[-1 - s, o] * gain[in_a, in_b]
                        downs[top, o] = value[-1 - s, o] * loss[in_a, in_b]
                    # Back up through the partings whose two ways are done.
                    while top > 0 and second[top - 1]:
                        f = feature[split[top - 1]]
                        for o in range(width):
                            target = tree_output[tree] if width == 1 else o
                            out[target, offset + row, used[f]] -= downs[top, o] * share
                            ups[top - 1, o] += ups[top, o]
                            downs[top - 1, o] += downs[top, o]
                        taken[f] = 0
                        in_b -= 1
                        top -= 1
                    if top == 0:
                        break
                    f = feature[split[top - 1]]
                    for o in range(width):
                        target = tree_output[tree] if width == 1 else o
                        out[target, offset + row, used[f]] += ups[top, o] * share
                        ups[top - 1, o] = ups[top, o]
                        downs[top - 1, o] = downs[top, o]
                    second[top - 1] = True
                    taken[f] = 2
                    in_a -= 1
                    in_b += 1
                    s = other[top - 1]
