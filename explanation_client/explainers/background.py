"""Background data made small: what stands for a missing feature in explainers that call the model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.explainers.inputs import Table

# Background rows for each cluster from which on they are summarised.
_ROWS_PER_CLUSTER = 10


def summarise(table: Table, *, n_clusters: int, seed: int) -> tuple[Table, str]:
    """Return background data of few rows, and what was done.

    Up to ten rows for each cluster are kept as they are. More become weighted centroids of k-means, each number of
    which is the nearest that its column has, so that whole numbers stay whole. Rows with text or missing values are
    sampled. Of a sparse matrix the median row is kept, which is mostly zero.

    Parameters
    ----------
    table : Table of shape (B, F)
    n_clusters : int
    seed : int

    """
    n_rows = table.shape[0]
    if table.is_sparse:
        if n_rows == 1:
            return table, "1 background row"
        return _median_row(table), f"background: the median of {n_rows:,} sparse rows"
    if n_rows <= _ROWS_PER_CLUSTER * n_clusters:
        return table, f"background: {n_rows:,} rows"
    numbers = _numbers(table)
    if numbers is None:
        picked = np.sort(np.random.default_rng(seed).choice(n_rows, n_clusters, replace=False, p=table.weights))
        sampled = Table(table.take(picked).data, table.names)
        return sampled, f"background: {n_clusters} of {n_rows:,} rows, sampled: some values are no numbers"
    return _centroids(
        table, numbers, n_clusters, seed
    ), f"background: {n_rows:,} rows as {n_clusters} k-means centroids"


def _numbers(table: Table) -> NDArray[np.float64] | None:
    """Return the values as numbers, or None where there are text, categories or missing values."""
    if table.is_frame:
        if not all(dtype.kind in "biuf" for dtype in table.data.dtypes):
            return None
        values = table.data.to_numpy(np.float64, na_value=np.nan)
    elif table.data.dtype.kind not in "biuf":
        return None
    else:
        values = np.asarray(table.data, np.float64)
    return values if np.isfinite(values).all() else None


def _centroids(table: Table, numbers: NDArray[np.float64], n_clusters: int, seed: int) -> Table:
    from sklearn.cluster import KMeans

    found = KMeans(n_clusters, n_init=1, random_state=seed).fit(numbers, sample_weight=table.weights)
    weights = np.ones(len(numbers)) if table.weights is None else table.weights
    totals = np.bincount(found.labels_, weights=weights, minlength=n_clusters)
    # A cluster can be empty where fewer rows differ than there are clusters.
    centres, totals = found.cluster_centers_[totals > 0], totals[totals > 0]
    rows = np.array([[_nearest(numbers[:, j], value) for j, value in enumerate(centre)] for centre in centres])
    return Table(_like(table, rows), table.names, weights=totals / totals.sum())


def _nearest(column: NDArray[np.float64], value: float) -> float:
    return float(column[np.abs(column - value).argmin()])


def _like(table: Table, rows: NDArray[np.float64]) -> Any:
    """Return rows in the form and with the types of the table."""
    if not table.is_frame:
        return rows.astype(table.data.dtype)
    import pandas

    return pandas.DataFrame(rows, columns=table.data.columns).astype(dict(table.data.dtypes))


def _median_row(table: Table) -> Table:
    """Return the median of each column as one CSR row, without making the matrix dense."""
    columns = table.data.tocsc()
    n_rows = table.shape[0]
    median = np.zeros(table.shape[1])
    stored = np.diff(columns.indptr)
    for j in np.flatnonzero(2 * stored >= n_rows):
        column = np.zeros(n_rows)
        column[: stored[j]] = columns.data[columns.indptr[j] : columns.indptr[j + 1]]
        median[j] = np.median(column)
    return Table(type(table.data)(median[None, :].astype(np.result_type(table.data.dtype, np.float32))), table.names)
