"""Copies a block of rows to columns, in the form that the kernels compare."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from explanation_client.treeshap.kernels.jit import kernel
from explanation_client.treeshap.kernels.predict import goes_left
from explanation_client.treeshap.layout import Columns

__all__ = ["fill_columns"]


@kernel
def fill_columns(rows: NDArray[np.float64], first: int, columns: Columns, lanes: int, x: NDArray[np.float64]) -> None:
    """Fill ``x``, (U + E) columns of ``lanes`` values, from the rows at ``first``.

    Where rows run out, the last one fills up the lanes.
    """
    last = rows.shape[0] - 1
    n_used = len(columns.used)
    for i in range(lanes):
        row = min(first + i, last)
        for u in range(n_used):
            value = rows[row, columns.used[u]]
            if columns.single_precision:
                value = np.float64(np.float32(value))
            x[u * lanes + i] = np.nan if value == columns.missing_value else value
    for e in range(len(columns.source)):
        for i in range(lanes):
            left = goes_left(
                x[columns.source[e] * lanes + i],
                columns.threshold[e],
                columns.missing_left[e],
                columns.zero_missing[e],
                columns.category_words[e],
                columns.category_start[e],
                columns.category_bits,
            )
            x[(n_used + e) * lanes + i] = -1.0 if left else 1.0
