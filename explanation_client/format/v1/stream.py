"""Files of version 1 of rows that are not all at hand: shards of some rows, and a sample in place of all of them.

The global ranking is not known before the last row. So features have their own order here, in all files alike: in
``features``, in whose order the columns of ``local`` are, and in those columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from explanation_client.dataset import EvaluationData
from explanation_client.explanation import Explanation
from explanation_client.format.entries import Buffer, EncodedFile, FileEntry, make_entry
from explanation_client.format.layout import TOP_RANKS
from explanation_client.format.v1 import data as data_files
from explanation_client.format.v1 import encode
from explanation_client.format.v1 import view as view_files
from explanation_client.format.v1.parquet import ParquetReader, numbers, write
from explanation_client.format.v1.sample import STRATIFIED, ViewSize, choose_sample
from explanation_client.format.v1.schema import dense_schema, ranked_schema
from explanation_client.format.v1.tiles import MAX_BLOCK, Tile, split
from explanation_client.importances import Importances

Job = Callable[[], EncodedFile]

# How a sample is called in which every row has the same chance.
UNIFORM = "uniform"


def shard_jobs(
    local: Importances, features: tuple[str, ...], *, role: str = "local", first_output: int, first_row: int
) -> list[Job]:
    """Return the jobs that encode some rows of some outputs, one file for each block of columns.

    Parameters
    ----------
    local : Importances of shape (c, n, k)
        All features, or ranked ones.
    features : tuple of str
    role : "local" or "top"
    first_output, first_row : int
        Where these outputs and rows stand among all.

    """
    outputs, rows, kept = local.shape
    order = np.arange(len(features), dtype=np.int32)
    jobs: list[Job] = []
    for columns in split((0, kept), MAX_BLOCK // 2 if local.is_ranked else MAX_BLOCK):
        tile = Tile((0, outputs), (0, rows), columns)
        job = (
            partial(encode.ranked_tile, local, role, features, tile)
            if local.is_ranked
            else partial(encode.dense_tile, local, features, order, tile)
        )
        jobs.append(partial(_moved, job, first_output, first_row))
    return jobs


def row_jobs(data: EvaluationData, *, first_row: int) -> list[Job]:
    """Return the jobs that encode some of the explained rows, one file for each block of columns."""
    n_columns = len(data.columns or ())
    return [
        partial(
            _moved,
            partial(
                data_files.columns_file, data, "data", (0, data.n_rows), columns,
                columns if columns[1] - columns[0] < n_columns else None,
            ),
            None,
            first_row,
        )
        for columns in split((0, n_columns), MAX_BLOCK)
    ]  # fmt: skip


def whole_jobs(explanation: Explanation, order: NDArray[np.int32]) -> list[Job]:
    """Return the jobs of the parts that lie in one file each, with features in this order."""
    return encode.whole_jobs(explanation, order)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """A sample of the rows.

    Parameters
    ----------
    local : Importances of shape (C, m, F)
        All features.
    rows : ndarray of int64, shape (m,)
        Their positions among all rows, ascending.
    uniform : ndarray of bool, shape (m,)
        Rows that are here by chance alone; the others are extremes, or of rare classes.
    data : EvaluationData, optional
        What may be shown of them.
    are_all : bool
        There are no other rows.

    """

    local: Importances
    rows: NDArray[np.int64]
    uniform: NDArray[np.bool_]
    data: EvaluationData | None
    are_all: bool


def view_jobs(
    explanation: Explanation,
    sample: Rows,
    *,
    size: ViewSize,
    mirrored: bool,
    top_k: int | None,
    exact: Mapping[str, NDArray[np.float64]],
) -> list[Job]:
    """Return the jobs that encode what dashboards read.

    Parameters
    ----------
    explanation : Explanation
        The global parts.
    sample : Rows
    size : ViewSize
    mirrored : bool
        Whether output 0 is the negation of output 1.
    top_k : int, optional
        Features of each row that a cut keeps.
    exact : mapping of str to ndarray of float64, shape (outputs, F)
        Figures over all rows, by their names in ``aggregates``; a line for each output, then, where it is known what
        rows are predicted as, one of the values for that.

    """
    local = sample.local if top_k is None else sample.local.ranked(top_k)
    ranking = encode.rank_order(explanation)
    chosen = choose_sample(
        local, ranking, n_rows=local.shape[1], outputs=explanation.info.outputs,
        base_values=explanation.base_values, data=None, size=size, pool=sample.uniform,
    )  # fmt: skip
    if not sample.are_all:
        chosen = replace(chosen, kind=STRATIFIED)
    # Where columns are named by the feature, they stand in the order of `features`.
    order = ranking if top_k is not None else np.append(np.sort(ranking[: size.columns]), ranking[size.columns :])
    outputs = (1, 2) if mirrored else (0, local.shape[0])
    jobs: list[Job] = [partial(view_files.rows_file, local, order.astype(np.int32), chosen, outputs, sample.rows)]
    if top_k is None:
        predicted = None if chosen.predicted is None else chosen.predicted[sample.uniform]
        jobs.append(
            partial(
                view_files.aggregates_file,
                local.take((slice(None), sample.uniform)),
                ranking[: size.columns],
                predicted,
                exact=exact,
                sample=None if sample.are_all else UNIFORM,
            )
        )
    if sample.data is not None:
        shown = sample.data.take(chosen.rows)
        jobs += data_files.jobs(shown, shard_bytes=1 << 30, roles=("view-data", "view-labels"))
    return jobs


def first_output(entry: FileEntry, data: Buffer, features: tuple[str, ...], *, ranked: bool) -> EncodedFile:
    """Return the file of output 0 that mirrors one of output 1, a ``local`` or ``top`` file."""
    lines, width = entry.shape[1], entry.shape[2]
    columns = entry.columns or (0, width)
    dtype = str(entry.dtype)
    ranked = ranked or entry.role == "top"
    schema: Sequence[Any] = (
        ranked_schema(columns, len(features), dtype) if ranked else dense_schema(features[slice(*columns)], dtype)
    )
    found = ParquetReader(data, list(schema), lines, name=entry.name).columns()
    arrays = [np.asarray(numbers(column, name=entry.name)) for column in found]
    turned = [-array if i < width else array for i, array in enumerate(arrays)]
    if len(arrays) > 2 * width:
        turned[-1] = 0.0 - arrays[-1]
    table = pa.table([pa.array(array) for array in turned], names=[name for name, _ in schema])
    encoded = write(table, compression="snappy")
    made = make_entry(
        encoded, role=entry.role, dtype=dtype, shape=entry.shape,
        outputs=(0, 1), rows=entry.rows, columns=entry.columns,
    )  # fmt: skip
    return EncodedFile(made, encoded)


def top_of(local: Importances) -> Importances | None:
    """Return what a ``top`` file holds of some rows, None where there is none."""
    return None if local.is_ranked or local.shape[2] <= TOP_RANKS else local.ranked(TOP_RANKS)


def _moved(job: Job, first_output: int | None, first_row: int) -> EncodedFile:
    """Return the file of a job, whose outputs and rows were counted from others."""
    made = job()
    entry = made.entry
    outputs = entry.outputs
    if outputs is not None and first_output is not None:
        outputs = (outputs[0] + first_output, outputs[1] + first_output)
    rows = entry.rows or (0, entry.shape[-2])
    return EncodedFile(replace(entry, outputs=outputs, rows=(rows[0] + first_row, rows[1] + first_row)), made.data)
