"""The sample that dashboards read: some rows with their local importances, and exact figures over all rows.

Plain or snappy-compressed Parquet with positional column names, which readers in a browser handle without plug-ins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from explanation_client.dataset import EvaluationData
from explanation_client.format.entries import EncodedFile, Range, make_entry
from explanation_client.format.v1 import data as data_files
from explanation_client.format.v1.parquet import choose_compression, write
from explanation_client.format.v1.sample import Sample
from explanation_client.format.v1.schema import index_type, ranked_names
from explanation_client.importances import Importances

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
AGGREGATES = ("mean_abs", "mean", "std", "min", "q05", "q25", "q50", "q75", "q95", "max")

# In place of a position: the features that the view leaves out, added up; of each row the output that is predicted.
OTHERS = PREDICTED = -1

# Values of some features that are worked on together: about 32 MB.
_BLOCK_VALUES = 1 << 22


def jobs(
    local: Importances | None, order: NDArray[np.int32], sample: Sample, *, data: EvaluationData | None, mirrored: bool
) -> list[Callable[[], EncodedFile]]:
    """Return the jobs that encode the view.

    Parameters
    ----------
    local : Importances of shape (C, N, F), optional
    order : ndarray of int32, shape (F,)
        The global ranking.
    sample : Sample
    data : EvaluationData, optional
        What is known of the sampled rows.
    mirrored : bool
        Whether output 0 is the negation of output 1.

    """
    outputs = (1, 2) if mirrored else (0, 1 if local is None else local.shape[0])
    made: list[Callable[[], EncodedFile]] = [partial(rows_file, local, order, sample, outputs)]
    if local is not None and not local.is_ranked:
        made.append(partial(aggregates_file, local, order[: sample.size.columns], sample.predicted))
    if data is not None:
        made += data_files.jobs(data, shard_bytes=1 << 30, roles=("view-data", "view-labels"))
    return made


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


def rows_file(
    local: Importances | None,
    order: NDArray[np.int32],
    sample: Sample,
    outputs: Range,
    positions: NDArray[np.int64] | None = None,
) -> EncodedFile:
    """Return the sampled rows: output, row, then ranked values or one column ``f<position>`` for each feature.

    ``positions`` (N,) says where the N rows stand among all, where they are some of them.
    """
    rows = sample.rows
    row_numbers = rows if positions is None else positions[rows]
    if local is None:
        columns: dict[str, NDArray[Any]] = {"output": np.zeros(len(rows), np.int32), "row": row_numbers}
        return _view_file(columns, np.empty((0, 0)), sample, (0, 1))
    taken = local.take((slice(*outputs), rows))
    columns = {
        "output": np.repeat(np.arange(*outputs, dtype=np.int32), len(rows)),
        "row": np.tile(row_numbers, outputs[1] - outputs[0]),
    }
    width = min(local.shape[2], sample.size.columns)
    if taken.index is None:
        picked = order[:width]
        values = _in_dtype(_columns_of(taken.values, picked), sample.size.dtype)
        columns |= {f"f{position}": column for position, column in zip(picked, values, strict=True)}
    else:
        kind = index_type(len(order)).to_pandas_dtype()
        values = _in_dtype(_columns_of(taken.values, slice(width)), sample.size.dtype)
        index = _columns_of(taken.index, slice(width)).astype(kind)
        columns |= dict(zip(ranked_names((0, width)), (*values, *index), strict=True))
    if taken.index is not None or width < len(order):
        columns["total"] = np.ascontiguousarray(taken.totals, np.float64).reshape(-1)
    return _view_file(columns, values, sample, outputs)


def _view_file(columns: dict[str, NDArray[Any]], values: NDArray[Any], sample: Sample, outputs: Range) -> EncodedFile:
    table = pa.table({name: pa.array(column) for name, column in columns.items()})
    compression = choose_compression(values) if len(values) else "snappy"
    data = write(table, compression=compression, rows_per_group=table.num_rows)
    entry = make_entry(
        data, role="view", dtype=str(values.dtype) if len(values) else None,
        shape=(outputs[1] - outputs[0], len(sample.rows), len(values)),
        outputs=outputs if outputs[0] else None, sample=sample.kind,
    )  # fmt: skip
    return EncodedFile(entry, data)


def _columns_of(array: NDArray[Any], picked: Any) -> NDArray[Any]:
    """Return some columns of an array (outputs, rows, columns), each as one line of outputs after one another."""
    chosen = array[:, :, picked]
    return np.ascontiguousarray(chosen.reshape(-1, chosen.shape[2]).T)


def _in_dtype(values: NDArray[Any], dtype: str | None) -> NDArray[Any]:
    """Return values in a narrower dtype, or as they are where there is none, or one of them does not fit."""
    if dtype is None or values.dtype == dtype:
        return values
    with np.errstate(over="ignore"):
        narrow = values.astype(dtype)
    return narrow if np.isfinite(narrow).all() else values


def aggregates_file(
    local: Importances,
    picked: NDArray[np.int32],
    predicted: NDArray[np.intp] | None,
    *,
    exact: Mapping[str, NDArray[np.float64]] | None = None,
    sample: str | None = None,
) -> EncodedFile:
    """Return figures over all rows, a line for each output and feature.

    Where the rows are a sample, ``exact`` has the figures that are known of all of them, by name, arrays (outputs, F).
    """
    n_outputs, n_rows, n_features = local.shape
    totals = None if len(picked) == n_features else local.values.sum(axis=2, dtype=np.float64)
    outputs = [*range(n_outputs), *([PREDICTED] if predicted is not None and n_outputs > 1 else [])]
    figures: dict[str, list[NDArray[np.float64]]] = {name: [] for name in AGGREGATES}
    for output in outputs:
        others = np.zeros(n_rows)
        for block in _blocks(local, picked, output, predicted):
            for name, array in aggregate_columns(block).items():
                figures[name].append(array)
            others -= block.sum(axis=0, dtype=np.float64)
        if totals is not None:
            others += totals[output] if output != PREDICTED else totals[predicted, np.arange(n_rows)]
            for name, array in aggregate_columns(others[None]).items():
                figures[name].append(array)
    features = picked if totals is None else np.append(picked, np.int32(OTHERS))
    lines = {name: np.concatenate(arrays).reshape(len(outputs), -1) for name, arrays in figures.items()}
    for name, known in (exact or {}).items():
        lines[name][:, : len(picked)] = known[: len(outputs), picked]
    columns = {
        "output": np.repeat(np.array(outputs, np.int32), len(features)),
        "feature": np.tile(features.astype(np.int32), len(outputs)),
        **{name: array.ravel() for name, array in lines.items()},
    }
    data = write(pa.table({name: pa.array(column) for name, column in columns.items()}), compression="snappy")
    shape = (len(outputs), len(features))
    entry = make_entry(data, role="aggregates", dtype="float64", shape=shape, sample=sample)
    return EncodedFile(entry, data)


def _blocks(
    local: Importances, picked: NDArray[np.int32], output: int, predicted: NDArray[np.intp] | None
) -> Iterator[NDArray[Any]]:
    """Yield the columns of some features, a few at a time, as lines (features, N)."""
    n_rows = local.shape[1]
    step = max(1, _BLOCK_VALUES // n_rows)
    for first in range(0, len(picked), step):
        features = picked[first : first + step]
        if predicted is not None and output == PREDICTED:
            block = local.values[predicted[:, None], np.arange(n_rows)[:, None], features]
        else:
            block = local.values[output][:, features]
        yield np.ascontiguousarray(block.T)
