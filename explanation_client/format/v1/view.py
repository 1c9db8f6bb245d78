"""The sample that dashboards read: some rows with their local importances, and exact figures over all rows.

Plain or snappy-compressed Parquet with positional column names, which readers in a browser handle without plug-ins.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from explanation_client.dataset import EvaluationData
from explanation_client.format.entries import EncodedFile, make_entry
from explanation_client.format.v1 import data as data_files
from explanation_client.format.v1.parquet import choose_compression, write
from explanation_client.format.v1.schema import index_type, ranked_names
from explanation_client.importances import Importances

MAX_ROWS = 5_000
# What a browser can hold: 2,500,000 float64 are 20 MB.
MAX_VALUES = 2_500_000
MAX_COLUMNS = 1_000
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
AGGREGATES = ("mean_abs", "mean", "std", "min", "q05", "q25", "q50", "q75", "q95", "max")


def jobs(
    local: Importances, order: NDArray[np.int32], *, data: EvaluationData | None
) -> list[Callable[[], EncodedFile]]:
    """Return the jobs that encode the view: sampled rows, aggregates unless cut, and the sample of stored data."""
    rows = sample_rows(local.shape)
    made: list[Callable[[], EncodedFile]] = [partial(_rows, local, order, rows)]
    if not local.is_ranked:
        made.append(partial(_aggregates, local, order[:MAX_COLUMNS]))
    if data is not None:
        made += data_files.jobs(data.take(rows), shard_bytes=1 << 30, roles=("view-data", "view-labels"))
    return made


def sample_rows(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the rows of the sample, evenly spread over all rows; all of them where they are few enough."""
    outputs, n_rows, kept = shape
    most = max(1, min(MAX_ROWS, MAX_VALUES // (outputs * min(kept, MAX_COLUMNS))))
    count = min(n_rows, most)
    return np.arange(count, dtype=np.int64) * n_rows // count


def aggregate_columns(columns: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Return exact figures over all rows of some features' importances.

    Parameters
    ----------
    columns : ndarray of shape (features, rows)

    Returns
    -------
    dict
        For each of ``AGGREGATES`` an array (features,) of float64. ``std`` divides by the number of rows; quantiles
        are interpolated linearly between the two nearest rows.

    """
    n_rows = columns.shape[1]
    places = np.array(QUANTILES) * (n_rows - 1)
    below = np.floor(places).astype(np.int64)
    above = np.minimum(below + 1, n_rows - 1)
    figures = {name: np.empty(len(columns), np.float64) for name in AGGREGATES}
    for i, column in enumerate(columns):
        # Sorting is vectorised, and so several times faster here than a partition at each quantile.
        values = np.sort(column).astype(np.float64)
        split = int(np.searchsorted(values, 0.0))
        negative, positive = float(values[:split].sum()), float(values[split:].sum())
        mean = (negative + positive) / n_rows
        figures["mean_abs"][i] = (positive - negative) / n_rows
        figures["mean"][i] = mean
        figures["min"][i], figures["max"][i] = values[0], values[-1]
        quantiles = values[below] + (values[above] - values[below]) * (places - below)
        for name, quantile in zip(AGGREGATES[4:9], quantiles, strict=True):
            figures[name][i] = quantile
        values -= mean
        values *= values
        figures["std"][i] = np.sqrt(values.sum() / n_rows)
    return figures


def _rows(local: Importances, order: NDArray[np.int32], rows: NDArray[np.int64]) -> EncodedFile:
    """Return the sampled rows: output, row, then ranked values or one column ``f<position>`` for each feature."""
    outputs, _, kept = local.shape
    lines, width = outputs * len(rows), min(kept, MAX_COLUMNS)
    # Picked in one step: a copy of all columns of the sampled rows may be large.
    picked = order[:width] if local.index is None else np.arange(width)
    values = np.ascontiguousarray(local.values[:, rows[:, None], picked].reshape(lines, width).T)
    columns: dict[str, NDArray[Any]] = {
        "output": np.repeat(np.arange(outputs, dtype=np.int32), len(rows)),
        "row": np.tile(rows, outputs),
    }
    if local.index is None:
        columns |= {f"f{position}": column for position, column in zip(picked, values, strict=True)}
    else:
        kind = index_type(len(order)).to_pandas_dtype()
        index = np.ascontiguousarray(local.index[:, rows[:, None], picked].reshape(lines, width).T, kind)
        columns |= dict(zip(ranked_names((0, width)), (*values, *index), strict=True))
        columns["total"] = np.ascontiguousarray(local.totals[:, rows].reshape(lines))
    table = pa.table({name: pa.array(column) for name, column in columns.items()})
    data = write(table, compression=choose_compression(values), rows_per_group=len(rows))
    entry = make_entry(data, role="view", dtype=str(local.dtype), shape=(outputs, len(rows), width))
    return EncodedFile(entry, data)


def _aggregates(local: Importances, picked: NDArray[np.int32]) -> EncodedFile:
    """Return figures over all rows, a line for each output and feature."""
    outputs, n_rows, _ = local.shape
    figures: dict[str, list[NDArray[np.float64]]] = {name: [] for name in AGGREGATES}
    # Some features at a time, so that their columns together take about 32 MB.
    step = max(1, (1 << 22) // n_rows)
    for output in range(outputs):
        for first in range(0, len(picked), step):
            block = np.ascontiguousarray(local.values[output][:, picked[first : first + step]].T)
            for name, array in aggregate_columns(block).items():
                figures[name].append(array)
    columns = {
        "output": np.repeat(np.arange(outputs, dtype=np.int32), len(picked)),
        "feature": np.tile(picked, outputs),
        **{name: np.concatenate(arrays) for name, arrays in figures.items()},
    }
    data = write(pa.table({name: pa.array(column) for name, column in columns.items()}), compression="snappy")
    entry = make_entry(data, role="aggregates", dtype="float64", shape=(outputs, len(picked)))
    return EncodedFile(entry, data)
