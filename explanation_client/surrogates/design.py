"""The columns that a surrogate without categories of its own is fitted to: one for each level of a category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Of a category with more levels the most frequent ones get a column, the rest share having none.
MAX_LEVELS = 100


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """How F features become E columns of numbers, in the order of the features.

    Parameters
    ----------
    n_features : int
    levels : dict of int to ndarray
        For each categorical feature, the codes that have a column.

    """

    n_features: int
    levels: dict[int, Floats]

    @classmethod
    def of(cls, rows: Any, categorical_features: Sequence[int]) -> Design:
        """Return the design for some rows (N, F), dense where there are categories."""
        return cls(int(rows.shape[1]), {j: _levels(rows[:, j]) for j in categorical_features})

    def expand(self, rows: Any) -> Any:
        """Return the columns (N, E) of rows (N, F); the rows themselves where there are no categories.

        A level that is missing or has no column is 0 in all of its feature's columns.
        """
        if not self.levels:
            return rows
        blocks = [
            (rows[:, [j]] == self.levels[j]).astype(np.float64) if j in self.levels else rows[:, [j]]
            for j in range(self.n_features)
        ]
        return np.hstack(blocks)

    def fold(self, values: Floats) -> Floats:
        """Return importances of features (K, N, F): the sums of those of their columns (K, N, E)."""
        if not self.levels:
            return values
        widths = [len(self.levels.get(j, (0,))) for j in range(self.n_features)]
        starts = np.concatenate([[0], np.cumsum(widths)[:-1]]).astype(np.intp)
        return np.add.reduceat(values, starts, axis=2)


def _levels(codes: Floats) -> Floats:
    """Return the most frequent codes of a column, at least one, in ascending order."""
    found, counts = np.unique(codes[np.isfinite(codes)], return_counts=True)
    kept = np.sort(found[np.argsort(-counts, kind="stable")[:MAX_LEVELS]])
    return kept if len(kept) else np.zeros(1)
