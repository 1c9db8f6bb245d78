"""Columns of the files of version 1, as writers make them and readers demand them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from explanation_client.format.entries import Range

Schema = list[tuple[str | None, pa.DataType]]
"""Names and types of columns; a name of None is any name."""


def index_type(n_features: int) -> pa.DataType:
    """Return the smallest unsigned integer that counts the features."""
    if n_features <= 1 << 8:
        return pa.uint8()
    return pa.uint16() if n_features <= 1 << 16 else pa.uint32()


def float_type(dtype: str) -> pa.DataType:
    """Return the Arrow type of importances."""
    return pa.float32() if dtype == "float32" else pa.float64()


def ranked_names(ranks: Range) -> list[str]:
    """Return the names of the columns of some ranks: the values, then the positions of their features."""
    numbers = range(ranks[0] + 1, ranks[1] + 1)
    return [f"value_{i}" for i in numbers] + [f"feature_{i}" for i in numbers]


def features_schema(dtype: str | None) -> Schema:
    """Return the columns of the ``features`` file."""
    return [("feature", pa.string()), ("position", pa.int32()), ("importance", float_type(dtype or "float64"))]


def per_class_schema(n_outputs: int, dtype: str, *, ranked: bool) -> Schema:
    """Return the columns of the ``per-class`` file."""
    schema: Schema = []
    for output in range(n_outputs):
        schema.append((f"importance_{output}", float_type(dtype)))
        if ranked:
            schema.append((f"position_{output}", pa.int32()))
    return schema


def interactions_schema(kept: int, dtype: str) -> Schema:
    """Return the columns of the ``interactions`` file; the others are named ``f<position>``."""
    return [("position", pa.int32()), *[(None, float_type(dtype))] * kept]


def dense_schema(names: Sequence[str], dtype: str) -> Schema:
    """Return the columns of a ``local`` file of all features."""
    kind = float_type(dtype)
    return [(name, kind) for name in names]


def ranked_schema(ranks: Range, n_features: int, dtype: str) -> Schema:
    """Return the columns of a ``top`` file, or of a ``local`` file that was cut."""
    width = ranks[1] - ranks[0]
    kinds = [float_type(dtype)] * width + [index_type(n_features)] * width
    schema: Schema = list(zip(ranked_names(ranks), kinds, strict=True))
    return [*schema, ("total", pa.float64())] if ranks[0] == 0 else schema


def column_type(dtype: str) -> pa.DataType:
    """Return the Arrow type under which a column of evaluation data is stored.

    Parquet counts time in milliseconds at the coarsest; what is coarser is stored so, and restored from the manifest.
    """
    if dtype == "object":
        return pa.string()
    if dtype == "bool":
        return pa.bool_()
    if dtype.startswith("datetime64"):
        unit = np.datetime_data(np.dtype(dtype))[0]
        return pa.timestamp(unit if unit in ("us", "ns") else "ms")
    return pa.from_numpy_dtype(np.dtype(dtype))
