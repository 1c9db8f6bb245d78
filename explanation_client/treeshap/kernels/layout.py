"""Turns the nodes of an ensemble into splits in the order in which the kernels visit them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from explanation_client.treeshap.kernels.jit import kernel

__all__ = ["lay_out"]


@kernel
def lay_out(
    feature: NDArray[np.int32],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    cover: NDArray[np.float64],
    tree_start: NDArray[np.int64],
    node: NDArray[np.int32],
    child: NDArray[np.int32],
    ratio: NDArray[np.float64],
    before: NDArray[np.float64],
    up: NDArray[np.int32],
    parent: NDArray[np.int32],
    depth: NDArray[np.int32],
    distinct: NDArray[np.int32],
    steps: NDArray[np.int32],
    split_start: NDArray[np.int64],
    tree_depth: NDArray[np.int32],
    tree_distinct: NDArray[np.int32],
) -> None:
    """Fill the arrays of a :class:`~explanation_client.treeshap.layout.Layout`.

    Splits are numbered in depth-first order, left before right. ``parent`` and ``up`` hold
    ``2 * split + side`` of the edge that leads to a split, and of the nearest edge above it whose
    split is on the same feature. ``steps`` holds s at the first visit of a split, ``~s`` at the
    last one; tree t owns ``2 * split_start[t] : 2 * split_start[t + 1]``.
    """
    count = 0
    written = 0
    # The stack holds nodes still to visit (with their edge), or ~split for a last visit.
    size = np.int64(1)
    for tree in range(len(tree_start) - 1):
        size = max(size, tree_start[tree + 1] - tree_start[tree])
    stack = np.empty(2 * size + 2, dtype=np.int64)
    edge = np.empty(2 * size + 2, dtype=np.int64)
    for tree in range(len(tree_start) - 1):
        split_start[tree] = count
        tree_depth[tree] = 0
        tree_distinct[tree] = 0
        stack[0] = tree_start[tree]
        edge[0] = -1
        top = 1
        while top > 0:
            top -= 1
            here = stack[top]
            if here < 0:
                steps[written] = here
                written += 1
                continue
            over = edge[top]
            if feature[here] < 0:
                if over >= 0:
                    child[over // 2, over % 2] = -1 - here
                continue
            s = count
            count += 1
            node[s] = here
            parent[s] = over
            depth[s] = 0
            known = 0
            if over >= 0:
                child[over // 2, over % 2] = s
                depth[s] = depth[over // 2] + 1
                known = distinct[over // 2]
            # The nearest edge above on the same feature.
            up[s] = -1
            before[s] = 1.0
            above = over
            while above >= 0:
                if feature[node[above // 2]] == feature[here]:
                    up[s] = above
                    before[s] = before[above // 2] * ratio[above // 2, above % 2]
                    break
                above = np.int64(parent[above // 2])
            distinct[s] = known + (1 if up[s] < 0 else 0)
            total = cover[here]
            ratio[s, 0] = cover[left[here]] / total if total > 0 else 0.5
            ratio[s, 1] = cover[right[here]] / total if total > 0 else 0.5
            tree_depth[tree] = max(tree_depth[tree], depth[s] + 1)
            tree_distinct[tree] = max(tree_distinct[tree], distinct[s])
            steps[written] = s
            written += 1
            stack[top] = ~s
            stack[top + 1] = right[here]
            edge[top + 1] = 2 * s + 1
            stack[top + 2] = left[here]
            edge[top + 2] = 2 * s
            top += 3
    split_start[len(tree_start) - 1] = count
