"""The files of version 1 to an explanation: small parts now, the others on first use.

Those are local importances, interactions and explained rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from explanation_client.dataset import EvaluationData
from explanation_client.errors import CorruptFileError, InvalidExplanationError, InvalidManifestError
from explanation_client.explanation import Explanation
from explanation_client.format.entries import Buffer, FileEntry, Limits
from explanation_client.format.layout import DataLayout
from explanation_client.format.v1.data import StoredData
from explanation_client.format.v1.interactions import open_interactions
from explanation_client.format.v1.local import LocalReader, MapFiles
from explanation_client.format.v1.parquet import ParquetReader, decoding, numbers, strings
from explanation_client.format.v1.schema import Schema, column_type, features_schema, per_class_schema
from explanation_client.format.v1.texts import open_documents
from explanation_client.importances import Importances, LazyImportances
from explanation_client.info import name_problems

if TYPE_CHECKING:
    from explanation_client.format.manifest import Manifest

Fetch = Callable[[FileEntry], Buffer]


def open_explanation(
    manifest: Manifest, fetch: Fetch, *, limits: Limits | None = None, map_files: MapFiles = map
) -> Explanation:
    """Return the explanation of a manifest; see :func:`explanation_client.format.open_explanation`."""
    bounds = limits or Limits()
    info, parts = manifest.info, manifest.parts
    bounds.check("the number of features", info.n_features, "max_features")
    entry = manifest.of_role("features")[0]
    features, order, global_importances = _read_features(manifest, entry, fetch(entry))
    per_class = None
    if parts.per_class is not None:
        bounds.check("bytes of the per-class part", len(info.outputs) * parts.per_class.kept * 12, "max_bytes")
        entry = manifest.of_role("per-class")[0]
        per_class = _read_per_class(manifest, entry, fetch(entry), order)
    local = None
    if parts.local is not None:
        reader = LocalReader(
            part=parts.local, n_outputs=len(info.outputs), n_rows=info.n_rows, features=features, order=order,
            files=manifest.of_role("local"), top=manifest.of_role("top"),
            fetch=fetch, limits=bounds, map_files=map_files,
        )  # fmt: skip
        local = LazyImportances(reader)
    pairs, texts = parts.interactions, manifest.documents
    base = manifest.base_values
    try:
        return Explanation(
            info=info,
            features=features,
            global_importances=global_importances,
            per_class_importances=per_class,
            local_importances=local,
            base_values=None if base is None else np.array(base.values, base.dtype),
            data=None if manifest.data is None else _open_data(manifest, manifest.data, fetch, bounds),
            interactions=None if pairs is None else open_interactions(manifest, pairs, fetch, bounds),
            documents=None if texts is None else open_documents(manifest, texts, fetch, bounds),
        )
    except InvalidExplanationError as error:
        raise InvalidManifestError(f"the parts of explanation {manifest.id} do not fit together: {error}") from error


def _read_features(
    manifest: Manifest, entry: FileEntry, data: Buffer
) -> tuple[tuple[str, ...], NDArray[np.int32], Importances | None]:
    """Return the features in their order, their positions in column order, and the global importances."""
    n_features, part = manifest.info.n_features, manifest.parts.global_
    reader = ParquetReader(data, features_schema(entry.dtype), n_features, name=entry.name)
    texts, positions, column = reader.columns()
    order = numbers(positions, name=entry.name)
    if not np.array_equal(np.sort(order), np.arange(n_features)):
        raise CorruptFileError(f"{entry.name}: its positions are not 0 to {n_features - 1}, each once")
    names = np.empty(n_features, object)
    names[order] = strings(texts, name=entry.name)
    features = tuple(names.tolist())
    problems = [*name_problems(features)]
    if problems:
        raise CorruptFileError(f"{entry.name}: " + "; ".join(problems[:10]))
    kept = 0 if part is None else part.kept
    with decoding(entry.name):
        present = column.is_valid().to_numpy(zero_copy_only=False)
        values = column.slice(0, kept)
    if not np.array_equal(present, np.arange(n_features) < kept):
        raise CorruptFileError(f"{entry.name}: expected importances of the first {kept} features and of no other")
    if part is None:
        return features, order, None
    found = _finite(numbers(values, name=entry.name), entry)
    if part.ranked:
        totals = np.array((part.totals or (0.0,))[0], np.float64)
        return features, order, Importances(found.copy(), order[:kept].copy(), totals)
    unranked = np.empty_like(found)
    unranked[order] = found
    return features, order, Importances(unranked)


def _read_per_class(manifest: Manifest, entry: FileEntry, data: Buffer, order: NDArray[np.int32]) -> Importances:
    part, n_outputs = manifest.parts.per_class, len(manifest.info.outputs)
    assert part is not None
    schema = per_class_schema(n_outputs, part.dtype, ranked=part.ranked)
    columns = ParquetReader(data, schema, part.kept, name=entry.name).columns()
    step = 2 if part.ranked else 1
    found = _finite(np.stack([numbers(column, name=entry.name) for column in columns[::step]]), entry)
    if not part.ranked:
        values = np.empty_like(found)
        values[:, order] = found
        return Importances(values)
    index = np.stack([numbers(column, name=entry.name) for column in columns[1::2]])
    if index.min() < 0 or index.max() >= manifest.info.n_features:
        raise CorruptFileError(f"{entry.name}: names a feature position outside 0 to {manifest.info.n_features - 1}")
    return Importances(found, index, np.array(part.totals, np.float64))


def _open_data(manifest: Manifest, layout: DataLayout, fetch: Fetch, limits: Limits) -> EvaluationData:
    read_columns = partial(_read_columns, manifest, layout, fetch, limits)
    read_labels = partial(_read_labels, manifest, layout, fetch, limits)
    read: dict[str, Callable[[], dict[str, Any]]] = {}
    if layout.columns:
        read |= {"names": read_columns, "columns": read_columns}
    for part, there in (
        ("row_names", layout.row_names),
        ("predicted", layout.predicted is not None),
        ("predicted_proba", layout.predicted_proba is not None),
        ("true", layout.true is not None),
    ):
        if there:
            read[part] = read_labels
    return StoredData.open(manifest.info.n_rows, read)


def _read_columns(manifest: Manifest, layout: DataLayout, fetch: Fetch, limits: Limits) -> dict[str, Any]:
    n_rows = manifest.info.n_rows
    dtypes = [dtype for dtype, count in layout.columns or () for _ in range(count)]
    limits.check("the number of data columns", len(dtypes), "max_features")
    limits.check("bytes of the explained rows", 8 * n_rows * len(dtypes), "max_bytes")
    names: list[str | None] = [None] * len(dtypes)
    columns = [np.empty(n_rows, dtype) for dtype in dtypes]
    for entry in manifest.of_role("data"):
        first, end = entry.columns or (0, len(dtypes))
        rows = slice(*(entry.rows or (0, n_rows)))
        schema: Schema = [(None, column_type(dtype)) for dtype in dtypes[first:end]]
        reader = ParquetReader(fetch(entry), schema, rows.stop - rows.start, name=entry.name)
        for position, (name, column) in enumerate(zip(reader.names, reader.columns(), strict=True), start=first):
            if names[position] not in (None, name):
                raise CorruptFileError(f"{entry.name}: calls column {position} {name[:80]!r}, another shard does not")
            names[position] = name
            columns[position][rows] = _column(column, dtypes[position], entry.name)
    found = tuple(name or "" for name in names)
    problems = [*name_problems(found)]
    if problems:
        raise CorruptFileError("data files: " + "; ".join(problems[:10]))
    return {"names": found, "columns": tuple(columns)}


def _read_labels(manifest: Manifest, layout: DataLayout, fetch: Fetch, limits: Limits) -> dict[str, Any]:
    entry, n_rows = manifest.of_role("labels")[0], manifest.info.n_rows
    limits.check("bytes of the predictions and true values", 8 * n_rows * layout.n_labels, "max_bytes")
    dtypes = [("row_name", "object")] if layout.row_names else []
    dtypes += [(name, dtype) for name, dtype in (("predicted", layout.predicted), ("true", layout.true)) if dtype]
    if layout.predicted_proba is not None:
        dtypes += [(f"predicted_proba_{i}", layout.predicted_proba[0]) for i in range(layout.predicted_proba[1])]
    schema: Schema = [(name, column_type(dtype)) for name, dtype in dtypes]
    columns = ParquetReader(fetch(entry), schema, n_rows, name=entry.name).columns()
    found = [_column(column, dtype, entry.name) for column, (_, dtype) in zip(columns, dtypes, strict=True)]
    named = dict(zip([name for name, _ in dtypes], found, strict=True))
    parts: dict[str, Any] = {"row_names": named.get("row_name")}
    parts |= {name: named.get(name) for name in ("predicted", "true")}
    proba = [column for name, column in named.items() if name.startswith("predicted_proba_")]
    return parts | {"predicted_proba": np.stack(proba, axis=1) if proba else None}


def _column(column: pa.Array, dtype: str, name: str) -> NDArray[Any]:
    if dtype == "object":
        return strings(column, name=name)
    if not dtype.startswith("datetime64"):
        return numbers(column, name=name).astype(dtype, copy=True)
    with decoding(name):
        times: NDArray[Any] = column.to_numpy(zero_copy_only=False).astype(dtype)
    return times


def _finite(values: NDArray[Any], entry: FileEntry) -> NDArray[Any]:
    if not np.isfinite(values).all():
        raise CorruptFileError(f"{entry.name}: holds importances that are not finite")
    return values
