"""Local importances gathered batch by batch: the whole, their means, or both; and the means of interactions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Aggregate:
    """Collects batches of local importances (C, n, F).

    Parameters
    ----------
    keep_global : bool
        Sum absolute values over the rows.
    n_rows : int, optional
        Keep all values of so many rows: the result is allocated once, at the first batch. None: keep none.
    dtype : float64 or float32
        Of what is kept. Sums are float64.

    """

    def __init__(self, *, keep_global: bool, n_rows: int | None, dtype: DTypeLike = np.float64) -> None:
        self._keep_global = keep_global
        self._n_rows = n_rows
        self._dtype = dtype
        self._sums: NDArray[np.float64] | None = None
        self._seen = 0
        self._pair_sums: NDArray[np.float64] | None = None
        self.local: NDArray[np.floating[Any]] | None = None

    def add(self, values: NDArray[np.floating[Any]], start: int) -> None:
        """Take the values of the rows from ``start`` on."""
        outputs, n_rows, n_features = values.shape
        if self._n_rows is not None:
            if self._n_rows == n_rows:
                # One batch holds all rows: it is the result.
                self.local = np.ascontiguousarray(values, self._dtype)
            else:
                if self.local is None:
                    self.local = np.empty((outputs, self._n_rows, n_features), self._dtype)
                self.local[:, start : start + n_rows] = values
        if self._keep_global:
            sums = np.abs(values).sum(axis=1, dtype=np.float64)
            self._sums = sums if self._sums is None else self._sums + sums
        self._seen += n_rows

    def add_interactions(self, values: NDArray[np.floating[Any]]) -> None:
        """Take the interaction values (C, n, F, F) of more rows; (1, n, F, F) where outputs differ in sign only."""
        self.add_pair_sums(np.abs(values).sum(axis=1, dtype=np.float64))

    def add_pair_sums(self, sums: NDArray[np.float64]) -> None:
        """Take absolute interaction values of more rows that were added up over them, (C, F, F) or (1, F, F)."""
        self._pair_sums = sums if self._pair_sums is None else self._pair_sums + sums

    def interactions(self, n_outputs: int) -> NDArray[np.float64] | None:
        """Return the mean over rows of the absolute interaction values, (C, F, F), or None where there were none."""
        if self._pair_sums is None:
            return None
        # Symmetric to the last bit, also where features were mapped after the kernel.
        means = (self._pair_sums + self._pair_sums.swapaxes(1, 2)) / (2 * self._seen)
        return means if len(means) == n_outputs else np.repeat(means, n_outputs, axis=0)

    def per_class(self) -> NDArray[np.float64] | None:
        """Return the mean over rows of the absolute values, (C, F), or None where they were not summed."""
        return None if self._sums is None else self._sums / self._seen
