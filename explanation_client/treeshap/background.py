"""A background prepared for interventional values: tables, and rows to walk with."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import factorial

import numpy as np
from numpy.typing import NDArray

from explanation_client.treeshap.groups import LARGEST_LEAF, Groups, make_plan
from explanation_client.treeshap.layout import Layout, Leaves

__all__ = ["Background", "make_background"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Background:
    """Tables of the trees that have some, and what walking the others needs.

    Attributes
    ----------
    layout : Layout; leaves : Leaves; groups : Groups
    tables : ndarray of float64
        Means over the background, see ``kernels/tables.py``.
    walked : ndarray of int32
        Trees without tables.
    rows : ndarray of float64, shape (B, F)
        The background, for walks and interaction values.
    gain, loss : ndarray of float64
        Weights of a member of A and of B by the sizes of the two sets.
    """

    layout: Layout
    leaves: Leaves
    groups: Groups
    tables: NDArray[np.float64]
    walked: NDArray[np.int32]
    rows: NDArray[np.float64]
    gain: NDArray[np.float64]
    loss: NDArray[np.float64]

    @property
    def nbytes(self) -> int:
        """Memory of the tables, in bytes."""
        return int(self.tables.nbytes + sum(a.nbytes for a in self.groups))

    def writer(self) -> Callable[[NDArray[np.float64], NDArray[np.float64], int], None]:
        """Return what adds the values of a block of rows to an output that holds zeros."""
        from explanation_client.treeshap.kernels.tables import table_block
        from explanation_client.treeshap.kernels.walk import walk_block

        columns, splits, leaves = self.layout.columns, self.layout.splits, self.leaves
        width = leaves.value.shape[1]

        def write(block: NDArray[np.float64], out: NDArray[np.float64], offset: int) -> None:
            if len(self.tables):
                table_block(
                    block, columns, splits, leaves.tree_output, width, self.groups, self.tables,
                    out, offset,
                )  # fmt: skip
            if len(self.walked):
                walk_block(
                    block, self.rows, columns, splits, leaves, self.walked, self.gain, self.loss,
                    self.layout.max_depth, out, offset,
                )  # fmt: skip

        return write


def make_background(
    layout: Layout,
    leaves: Leaves,
    rows: NDArray[np.float64],
    *,
    memory_limit: int,
    threads: int,
    progress: Callable[[int, int], None] | None = None,
) -> Background:
    """Return the prepared background; trees are worked on in parallel.

    There is at least one row, and nothing else writes to them.
    """
    plan = make_plan(layout, leaves.value.shape[1], memory_limit=memory_limit)
    gain, loss = _weights(max(LARGEST_LEAF, int(layout.tree_distinct.max(initial=0))))
    tables = _tables(rows, layout, leaves, plan.groups, gain, loss, threads, progress)
    return Background(
        layout=layout,
        leaves=leaves,
        groups=plan.groups,
        tables=tables,
        walked=plan.walked,
        rows=rows,
        gain=gain,
        loss=loss,
    )


def _tables(
    rows: NDArray[np.float64],
    layout: Layout,
    leaves: Leaves,
    groups: Groups,
    gain: NDArray[np.float64],
    loss: NDArray[np.float64],
    threads: int,
    progress: Callable[[int, int], None] | None,
) -> NDArray[np.float64]:
    from explanation_client.treeshap.kernels.tables import agreements, fill_tables

    tables = np.zeros(int(groups.table_start[-1]))
    largest = LARGEST_LEAF + 1
    small_gain, small_loss = gain[:largest, :largest].copy(), loss[:largest, :largest].copy()

    def work(tree: int) -> None:
        words = agreements(rows, tree, layout.columns, layout.splits)
        fill_tables(tree, words, len(rows), layout.splits, leaves, groups, small_gain, small_loss, tables)

    trees = np.flatnonzero(np.diff(groups.tree_start)).tolist()
    with ThreadPoolExecutor(threads) as pool:
        for done, _ in enumerate(pool.map(work, trees), start=1):
            if progress is not None:
                progress(done, len(trees))
    return tables


def _weights(largest: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ``(a - 1)! b! / (a + b)!`` and ``a! (b - 1)! / (a + b)!`` for a, b up to largest."""
    gain, loss = np.zeros((largest + 1, largest + 1)), np.zeros((largest + 1, largest + 1))
    for a in range(largest + 1):
        for b in range(largest + 1):
            # Whole numbers divide exactly at any size; factorials overflow floats at 171.
            if a:
                gain[a, b] = (factorial(a - 1) * factorial(b)) / factorial(a + b)
            if b:
                loss[a, b] = (factorial(a) * factorial(b - 1)) / factorial(a + b)
    return gain, loss
