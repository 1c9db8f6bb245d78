"""The splits of an ensemble in visiting order, and the columns that their tests read."""

from __future__ import annotations

from dataclasses import dataclass
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
    tree_depth, tree_distinct : ndarray of int32, shape (T,)
        Largest number of splits, and of distinct features, on a path of each tree.
    """

    columns: Columns
    splits: Splits
    tree_depth: NDArray[np.int32]
    tree_distinct: NDArray[np.int32]

    @property
    def max_depth(self) -> int:
        """Largest number of splits on a path."""
        return int(self.tree_depth.max(initial=0))


def make_layout(ensemble: TreeEnsemble) -> Layout:
    """Return the layout of an ensemble."""
    from explanation_client.treeshap.kernels.layout import lay_out

    size = int((ensemble.feature >= 0).sum())
    trees = ensemble.n_trees
    node, up, parent, depth, distinct = (np.empty(size, dtype=np.int32) for _ in range(5))
    child, ratio = np.empty((size, 2), dtype=np.int32), np.empty((size, 2))
    before, steps = np.empty(size), np.empty(2 * size, dtype=np.int32)
    start = np.zeros(trees + 1, dtype=np.int64)
    tree_depth, tree_distinct = np.zeros(trees, np.int32), np.zeros(trees, np.int32)
    lay_out(
        ensemble.feature, ensemble.left, ensemble.right, ensemble.cover, ensemble.tree_start,
        node, child, ratio, before, up, parent, depth, distinct, steps, start,
        tree_depth, tree_distinct,
    )  # fmt: skip
    # Splits that no root reaches (pruned ones) were not counted.
    found = int(start[-1])
    node, child, ratio = node[:found], child[:found].copy(), ratio[:found].copy()
    columns, tests = _columns(ensemble, node)
    splits = Splits(
        **tests,
        child=child,
        ratio=ratio,
        balanced=np.abs(ratio.sum(axis=1) - 1.0) <= 4.0 * np.finfo(np.float64).eps,
        before=before[:found].copy(),
        up=up[:found].copy(),
        parent=parent[:found].copy(),
        depth=depth[:found].copy(),
        distinct=distinct[:found].copy(),
        steps=steps[: 2 * found].copy(),
        start=start,
    )
    return Layout(columns=columns, splits=splits, tree_depth=tree_depth, tree_distinct=tree_distinct)


def _columns(ensemble: TreeEnsemble, node: NDArray[np.int32]) -> tuple[Columns, dict[str, NDArray[Any]]]:
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
