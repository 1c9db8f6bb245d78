"""An explanation to the files of version 1: a list of independent jobs, each of which encodes one file."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from explanation_client.dataset import EvaluationData
from explanation_client.errors import InvalidArgumentError, InvalidExplanationError
from explanation_client.explanation import Explanation
from explanation_client.format.entries import EncodedFile, Range, make_entry
from explanation_client.format.layout import TOP_RANKS
from explanation_client.format.v1 import data as data_files
from explanation_client.format.v1 import interactions as interaction_files
from explanation_client.format.v1 import texts as text_files
from explanation_client.format.v1 import view as view_files
from explanation_client.format.v1.parquet import choose_compression, mostly_repeats, write
from explanation_client.format.v1.sample import Sample, ViewSize, choose_sample
from explanation_client.format.v1.schema import index_type, ranked_names
from explanation_client.format.v1.tiles import MAX_BLOCK, Tile, tiles
from explanation_client.importances import AnyImportances, Importances, check_finite

Job = Callable[[], EncodedFile]

SHARD_BYTES = 16 << 20

# Values transposed at a time: what fits a processor's second cache.
_BLOCK_VALUES = 1 << 17


def plan(
    explanation: Explanation,
    *,
    shard_bytes: int = SHARD_BYTES,
    include_data: bool | Collection[str] = False,
    include_view: bool = True,
) -> tuple[Job, ...]:
    """Return independent jobs, each of which encodes and hashes one file; together they hold the explanation.

    Jobs may run in any thread and order; each keeps about two shards in memory while it runs. Large files come first,
    so that they travel while the others are encoded. Local importances that are not in memory are read here.

    Parameters
    ----------
    explanation : Explanation
    shard_bytes : int
        Bytes of local importances in one file, before compression.
    include_data : bool or collection of str
        Which parts of the evaluation data to store: none, all, or some of "columns", "row_names", "predicted",
        "predicted_proba" and "true". True stores documents too.
    include_view : bool
        Whether to store the sample that dashboards read.

    Raises
    ------
    InvalidArgumentError
        An argument is out of its range.
    InvalidExplanationError
        The explanation cannot be stored: NaN or infinity, an index that names a feature twice, a column of a type that
        is not stored. The same from a job.

    """
    if isinstance(shard_bytes, bool) or shard_bytes < 1:
        raise InvalidArgumentError(f"shard_bytes={shard_bytes!r}: a whole number of bytes from 1")
    order = rank_order(explanation)
    stored_data = data_files.select(explanation.data, include_data)
    documents = explanation.documents if include_data is True else None
    jobs: list[Job] = []
    if explanation.local_importances is not None:
        jobs += _local_jobs(explanation.local_importances.load(), explanation.features, order, shard_bytes)
    if stored_data is not None:
        jobs += data_files.jobs(stored_data, shard_bytes=shard_bytes)
    if documents is not None:
        jobs += text_files.jobs(documents, shard_bytes=shard_bytes)
    if include_view and (explanation.local_importances is not None or stored_data is not None):
        sample = sample_of(explanation, ViewSize(), data=stored_data)
        jobs += _view_jobs(explanation, sample, None if stored_data is None else stored_data.take(sample.rows))
        if documents is not None:
            jobs += text_files.view_jobs(documents, sample.rows)
    jobs += whole_jobs(explanation, order)
    return tuple(jobs)


def sample_of(explanation: Explanation, size: ViewSize, *, data: EvaluationData | None) -> Sample:
    """Return the rows of an explanation that a dashboard of that size shows; reads local importances.

    Parameters
    ----------
    explanation : Explanation
    size : ViewSize
    data : EvaluationData, optional
        What is known of all rows: their predictions say which are alike.

    """
    local = explanation.local_importances
    return choose_sample(
        None if local is None else local.load(),
        rank_order(explanation),
        n_rows=explanation.info.n_rows,
        outputs=explanation.info.outputs,
        base_values=explanation.base_values,
        data=data,
        size=size,
    )


def plan_sample(explanation: Explanation, sample: Sample, data: EvaluationData | None) -> tuple[Job, ...]:
    """Return the jobs that encode what a dashboard reads, and nothing else.

    Parameters
    ----------
    explanation : Explanation
        Its own evaluation data is not used, its documents are.
    sample : Sample
        The rows to show.
    data : EvaluationData, optional
        What is to be shown of these rows.

    """
    chosen = data_files.select(data, True)
    if chosen is not None and chosen.n_rows != len(sample.rows):
        raise InvalidArgumentError(f"the data has {chosen.n_rows} rows, the sample {len(sample.rows)}")
    jobs: list[Job] = []
    if explanation.local_importances is not None or chosen is not None:
        jobs += _view_jobs(explanation, sample, chosen)
    if explanation.documents is not None:
        jobs += text_files.view_jobs(explanation.documents, sample.rows)
    return (*jobs, *whole_jobs(explanation, rank_order(explanation)))


def _view_jobs(explanation: Explanation, sample: Sample, data: EvaluationData | None) -> list[Job]:
    local = None if explanation.local_importances is None else explanation.local_importances.load()
    mirrored = local is not None and is_mirrored(local)
    return view_files.jobs(local, rank_order(explanation), sample, data=data, mirrored=mirrored)


def whole_jobs(explanation: Explanation, order: NDArray[np.int32]) -> list[Job]:
    """Return the jobs of the parts that lie in one file each."""
    jobs: list[Job] = []
    if explanation.interactions is not None:
        pairs = explanation.interactions.load()
        jobs.append(partial(interaction_files.encode, pairs, explanation.features, order))
    if explanation.per_class_importances is not None:
        jobs.append(partial(_per_class, explanation.per_class_importances.load(), explanation.features, order))
    jobs.append(partial(_features, explanation, order))
    return jobs


def rank_order(explanation: Explanation) -> NDArray[np.int32]:
    """Return all feature positions, globally most important first; in feature order where there is no global part.

    Features that a cut left out come last, in feature order.
    """
    n_features = explanation.num_features
    if explanation.global_importances is None:
        return np.arange(n_features, dtype=np.int32)
    importances = explanation.global_importances.load()
    ranked = importances if importances.is_ranked else importances.ranked()
    index = _checked_index(ranked, n_features, "global")
    if len(index) == n_features:
        return index
    left_out = np.ones(n_features, bool)
    left_out[index] = False
    return np.concatenate([index, np.flatnonzero(left_out).astype(np.int32)])


def is_mirrored(local: Importances) -> bool:
    """Whether there are two outputs, and output 0 is the negation of output 1, to the last bit.

    Totals of mirrored rows differ in one bit: a sum that is zero has no sign.
    """
    if local.shape[0] != 2:
        return False
    unsigned = np.dtype(f"u{local.dtype.itemsize}")
    sign = unsigned.type(1 << (8 * unsigned.itemsize - 1))
    step = max(1, _BLOCK_VALUES // local.shape[2])
    for first in range(0, local.shape[1], step):
        pair = np.ascontiguousarray(local.values[:, first : first + step]).view(unsigned)
        if not np.array_equal(pair[0] ^ sign, pair[1]):
            return False
    if local.index is None or local.total is None:
        return True
    if not np.array_equal(local.index[0], local.index[1]):
        return False
    total = np.ascontiguousarray(local.total, np.float64)
    return bool(np.array_equal((0.0 - total[1]).view(np.uint64), total[0].view(np.uint64)))


def _local_jobs(local: Importances, features: tuple[str, ...], order: NDArray[np.int32], shard_bytes: int) -> list[Job]:
    outputs = (1, 2) if is_mirrored(local) else (0, local.shape[0])
    itemsize = local.dtype.itemsize
    n_rows, kept = local.shape[1:]
    if local.is_ranked:
        made = tiles(outputs, n_rows, kept, itemsize=itemsize + 2, shard_bytes=shard_bytes, block=MAX_BLOCK // 2)
        return [partial(ranked_tile, local, "local", features, tile) for tile in made]
    made = tiles(outputs, n_rows, kept, itemsize=itemsize, shard_bytes=shard_bytes, block=MAX_BLOCK)
    jobs: list[Job] = [partial(dense_tile, local, features, order, tile) for tile in made]
    if kept > TOP_RANKS:
        top = tiles(outputs, n_rows, TOP_RANKS, itemsize=itemsize + 2, shard_bytes=shard_bytes, block=TOP_RANKS)
        jobs += [partial(_top_tile, local, features, tile) for tile in top]
    return jobs


def dense_tile(local: Importances, features: tuple[str, ...], order: NDArray[np.int32], tile: Tile) -> EncodedFile:
    """Return the ``local`` file of a tile of all features, whose columns are in this order."""
    picked = order[slice(*tile.columns)]
    columns = np.empty((len(picked), tile.lines), local.dtype)
    step = max(256, _BLOCK_VALUES // local.shape[2])
    at = 0
    for output in range(*tile.outputs):
        for first in range(*tile.rows, step):
            block = local.values[output, first : min(first + step, tile.rows[1])]
            columns[:, at : at + len(block)] = block.T[picked]
            at += len(block)
    if not np.isfinite(columns).all():
        check_finite(local.values, features, "local")
    names = [features[position] for position in picked]
    table = pa.table([pa.array(column) for column in columns], names=names)
    data = write(table, compression=choose_compression(columns), dictionary=mostly_repeats(columns))
    return _tile_file(data, "local", tile, str(local.dtype), blocks=tile.shape[2] < local.shape[2])


def _top_tile(local: Importances, features: tuple[str, ...], tile: Tile) -> EncodedFile:
    ranked = local.take(_lines_of(tile)).ranked(TOP_RANKS)
    data = _ranked_bytes(ranked, features, tile.columns)
    return _tile_file(data, "top", tile, str(local.dtype), blocks=False)


def ranked_tile(local: Importances, role: str, features: tuple[str, ...], tile: Tile) -> EncodedFile:
    """Return the ``local`` or ``top`` file of a tile of ranked values."""
    rows = local.take(_lines_of(tile))
    _checked_index(rows, len(features), "local")
    data = _ranked_bytes(rows, features, tile.columns)
    return _tile_file(data, role, tile, str(local.dtype), blocks=tile.shape[2] < local.shape[2])


def _ranked_bytes(ranked: Importances, features: tuple[str, ...], ranks: Range) -> memoryview:
    """Return the file of ranked rows: values, feature positions, and the totals with the first ranks."""
    lines, width = ranked.shape[0] * ranked.shape[1], ranks[1] - ranks[0]
    values, index = (
        np.ascontiguousarray(array[..., slice(*ranks)].reshape(lines, width).T)
        for array in (ranked.values, np.asarray(ranked.index))
    )
    if not np.isfinite(values).all():
        check_finite(ranked.values, features, "local")
    kind = index_type(len(features))
    names = ranked_names(ranks)
    arrays = [pa.array(row) for row in (*values, *index.astype(kind.to_pandas_dtype()))]
    if ranks[0] == 0:
        arrays.append(pa.array(np.ascontiguousarray(ranked.totals, np.float64).reshape(lines)))
        names.append("total")
    table = pa.table(arrays, names=names)
    return write(table, compression=choose_compression(values), dictionary=names[width : 2 * width])


def _lines_of(tile: Tile) -> tuple[slice, slice]:
    return slice(*tile.outputs), slice(*tile.rows)


def _tile_file(data: memoryview, role: str, tile: Tile, dtype: str, *, blocks: bool) -> EncodedFile:
    entry = make_entry(
        data, role=role, dtype=dtype, shape=tile.shape,
        outputs=tile.outputs, rows=tile.rows, columns=tile.columns if blocks else None,
    )  # fmt: skip
    return EncodedFile(entry, data)


def _features(explanation: Explanation, order: NDArray[np.int32]) -> EncodedFile:
    importances = None if explanation.global_importances is None else explanation.global_importances.load()
    n_features = explanation.num_features
    dtype = None if importances is None else str(importances.dtype)
    column = np.zeros(n_features, dtype or "float64")
    kept = 0
    if importances is not None:
        check_finite(importances.values, explanation.features, "global")
        kept = importances.shape[-1]
        column[:kept] = importances.values if importances.is_ranked else importances.values[order]
    table = pa.table(
        {
            "feature": pa.array([explanation.features[i] for i in order], pa.string()),
            "position": pa.array(order),
            "importance": pa.array(column, mask=np.arange(n_features) >= kept),
        }
    )
    data = write(table, compression="snappy")
    return EncodedFile(make_entry(data, role="features", dtype=dtype, shape=(n_features,)), data)


def _per_class(importances: Importances, features: tuple[str, ...], order: NDArray[np.int32]) -> EncodedFile:
    check_finite(importances.values, features, "per-class")
    values, outputs = importances.values, range(importances.shape[0])
    columns = {}
    if importances.is_ranked:
        index = _checked_index(importances, len(features), "per-class")
        for output in outputs:
            columns[f"importance_{output}"] = pa.array(np.ascontiguousarray(values[output]))
            columns[f"position_{output}"] = pa.array(np.ascontiguousarray(index[output]))
    else:
        for output in outputs:
            columns[f"importance_{output}"] = pa.array(values[output][order])
    data = write(pa.table(columns), compression="snappy")
    entry = make_entry(data, role="per-class", dtype=str(values.dtype), shape=values.shape)
    return EncodedFile(entry, data)


def _checked_index(ranked: AnyImportances, n_features: int, part: str) -> NDArray[np.int32]:
    """Return the positions of ranked importances as int32, after checking that each names a feature, and only once."""
    index = np.asarray(ranked.index)
    if index.size and not (index.min() >= 0 and index.max() < n_features):
        raise InvalidExplanationError(f"{part} importances name a feature position outside 0 to {n_features - 1}")
    repeated = np.sort(index, axis=-1)
    if (repeated[..., 1:] == repeated[..., :-1]).any():
        raise InvalidExplanationError(f"{part} importances name the same feature twice in one ranking")
    return index.astype(np.int32, copy=False)
