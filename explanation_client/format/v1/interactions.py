"""Interactions of pairs: one file of a square matrix for each output, features in column order both ways."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from explanation_client.errors import CorruptFileError, InvalidExplanationError
from explanation_client.format.entries import Buffer, EncodedFile, FileEntry, Limits, make_entry
from explanation_client.format.layout import PartLayout
from explanation_client.format.v1.parquet import ParquetReader, choose_compression, numbers, write
from explanation_client.format.v1.schema import interactions_schema
from explanation_client.interactions import Interactions, LazyInteractions

if TYPE_CHECKING:
    from explanation_client.format.manifest import Manifest

Fetch = Callable[[FileEntry], Buffer]


def encode(interactions: Interactions, features: tuple[str, ...], order: NDArray[np.int32]) -> EncodedFile:
    """Return the file of interactions: a line for each output and feature, a column for each feature.

    Parameters
    ----------
    interactions : Interactions
    features : tuple of str
    order : ndarray of int32, shape (F,)
        The global ranking, in which features are stored; those of a cut stay in their own order.

    Raises
    ------
    InvalidExplanationError
        There is NaN or infinity, or more than a reader accepts in one file.

    """
    interactions.check_finite(features)
    if interactions.values.nbytes > Limits().max_file_bytes:
        raise InvalidExplanationError(
            f"interactions of {interactions.shape[2]:,} features take {interactions.values.nbytes:,} bytes, at most "
            f"{Limits().max_file_bytes:,} are stored: cut the explanation with top_k"
        )
    n_outputs, kept, _ = interactions.shape
    values, positions = interactions.values, interactions.positions
    if not interactions.is_ranked:
        values, positions = values[:, order[:, None], order], order
    columns = np.ascontiguousarray(values.reshape(n_outputs * kept, kept).T)
    arrays = [pa.array(np.tile(positions, n_outputs)), *(pa.array(column) for column in columns)]
    table = pa.table(arrays, names=["position", *(f"f{position}" for position in positions)])
    data = write(table, compression=choose_compression(columns))
    entry = make_entry(data, role="interactions", dtype=str(values.dtype), shape=interactions.shape)
    return EncodedFile(entry, data)


def open_interactions(manifest: Manifest, part: PartLayout, fetch: Fetch, limits: Limits) -> LazyInteractions:
    """Return the interactions of a manifest, which are read on first use."""
    shape = (len(manifest.info.outputs), part.kept, part.kept)
    read = partial(_read, manifest, part, fetch, limits)
    return LazyInteractions(read, shape=shape, dtype=np.dtype(part.dtype), is_ranked=part.ranked)


def _read(manifest: Manifest, part: PartLayout, fetch: Fetch, limits: Limits) -> Interactions:
    n_outputs, kept, n_features = len(manifest.info.outputs), part.kept, manifest.info.n_features
    limits.check("bytes of the interactions", n_outputs * kept * kept * np.dtype(part.dtype).itemsize, "max_bytes")
    entry = manifest.of_role("interactions")[0]
    schema = interactions_schema(kept, part.dtype)
    reader = ParquetReader(fetch(entry), schema, n_outputs * kept, name=entry.name)
    found, *columns = (numbers(column, name=entry.name) for column in reader.columns())
    positions = found[:kept].copy()
    if positions.min() < 0 or positions.max() >= n_features:
        raise CorruptFileError(f"{entry.name}: names a feature position outside 0 to {n_features - 1}")
    named = [f"f{position}" for position in positions]
    if not np.array_equal(found, np.tile(positions, n_outputs)) or reader.names[1:] != named:
        raise CorruptFileError(f"{entry.name}: its rows and columns are not the same features in the same order")
    values = np.stack(columns, axis=1).reshape(n_outputs, kept, kept)
    if not np.isfinite(values).all():
        raise CorruptFileError(f"{entry.name}: holds interactions that are not finite")
    try:
        stored = Interactions(values, positions)
    except InvalidExplanationError as error:
        raise CorruptFileError(f"{entry.name}: {error}") from error
    if part.ranked:
        return stored
    whole = np.empty_like(values)
    whole[:, positions[:, None], positions] = values
    return Interactions(whole)
