"""The explained documents: texts in ``documents`` files, their words in ``tokens``, and ``sentences``.

All three are flat tables; a document says how many of the lines of the others are its own. So readers in a browser need
nothing more than for the other files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from explanation_client.documents import AnyDocuments, Documents, LazyDocuments, Sentences
from explanation_client.errors import CorruptFileError, InvalidExplanationError
from explanation_client.format.entries import Buffer, EncodedFile, FileEntry, Limits, Range, make_entry
from explanation_client.format.layout import DocumentsLayout
from explanation_client.format.v1.parquet import ParquetReader, numbers, strings, write
from explanation_client.format.v1.schema import Schema, float_type

if TYPE_CHECKING:
    from explanation_client.format.manifest import Manifest

Fetch = Callable[[FileEntry], Buffer]
Job = Callable[[], EncodedFile]

# What a page shows: more would be slow to load, and nobody reads on.
VIEW_DOCUMENTS, VIEW_CHARACTERS = 300, 4_000_000
# A manifest of 256 KiB holds some 900 files.
_MOST_SHARDS = 100
ROLES = ("documents", "tokens", "sentences")


def jobs(documents: AnyDocuments, *, shard_bytes: int) -> list[Job]:
    """Return the jobs that encode documents, some at a time."""
    loaded = documents.load()
    made: list[Job] = []
    for rows in _shards(loaded, shard_bytes):
        part = partial(_part, loaded, rows)
        made.append(partial(_texts, part, rows, ROLES[0], None))
        if loaded.offsets[rows[1]] > loaded.offsets[rows[0]]:
            made.append(partial(_tokens, part, rows, ROLES[1]))
        sentences = loaded.sentences
        if sentences is not None and sentences.offsets[rows[1]] > sentences.offsets[rows[0]]:
            made.append(partial(_sentences, part, rows, ROLES[2]))
    return made


def view_jobs(documents: AnyDocuments, rows: NDArray[np.int64]) -> list[Job]:
    """Return the jobs that encode a sample of the documents, of the rows that a dashboard shows.

    At most 300 documents, evenly spread over these rows, and fewer where they are long.
    """
    loaded = documents.load()
    picked = rows[np.arange(min(len(rows), VIEW_DOCUMENTS)) * len(rows) // min(len(rows), VIEW_DOCUMENTS)]
    sizes = np.cumsum([len(text) for text in loaded.texts[picked]])
    if sizes[-1] > VIEW_CHARACTERS:
        fewer = max(1, int(len(picked) * VIEW_CHARACTERS / sizes[-1]))
        picked = picked[np.arange(fewer) * len(picked) // fewer]
    part = partial(loaded.take, picked)
    whole = (0, len(picked))
    chosen = loaded.take(picked)
    made: list[Job] = [partial(_texts, part, whole, f"view-{ROLES[0]}", picked)]
    if chosen.n_tokens:
        made.append(partial(_tokens, part, whole, f"view-{ROLES[1]}"))
    if chosen.sentences is not None and len(chosen.sentences.starts):
        made.append(partial(_sentences, part, whole, f"view-{ROLES[2]}"))
    return made


def open_documents(manifest: Manifest, layout: DocumentsLayout, fetch: Fetch, limits: Limits) -> LazyDocuments:
    """Return the documents of a manifest, which are read on first use."""
    read = partial(_read, manifest, layout, fetch, limits)
    return LazyDocuments(read, n_rows=manifest.info.n_rows, n_outputs=len(manifest.info.outputs))


def _read(manifest: Manifest, layout: DocumentsLayout, fetch: Fetch, limits: Limits) -> Documents:
    n_outputs, n_rows = len(manifest.info.outputs), manifest.info.n_rows
    itemsize = np.dtype(layout.dtype).itemsize
    size = layout.tokens * (12 + itemsize * (n_outputs + 1)) + (layout.sentences or 0) * (8 + itemsize) + 24 * n_rows
    limits.check("bytes of the documents", size, "max_bytes")
    kind, has_sentences = float_type(layout.dtype), layout.sentences is not None
    counted = [("tokens", pa.int32()), *([("sentences", pa.int32())] if has_sentences else [])]
    texts, *counts = _all_columns(manifest, ROLES[0], [("text", pa.string()), *counted], fetch, limits)
    spans: Schema = [("start", pa.int32()), ("end", pa.int32())]
    weight: Schema = [("weight", kind)]
    values: Schema = [(f"value_{i}", kind) for i in range(n_outputs)]
    schema = [*spans, ("word", pa.int32()), *values, *(weight if layout.weights else [])]
    starts, ends, words, *found = _all_columns(manifest, ROLES[1], schema, fetch, limits)
    sentences = None
    if has_sentences:
        schema = [*spans, *(weight if layout.sentence_weights else [])]
        first, last, *weights = _all_columns(manifest, ROLES[2], schema, fetch, limits)
        sentences = Sentences(
            offsets=_offsets(counts[1]), starts=first, ends=last, weights=weights[0] if weights else None
        )
    try:
        documents = Documents(
            texts=texts, offsets=_offsets(counts[0]), starts=starts, ends=ends, words=words,
            values=np.array(found[:n_outputs]), weights=found[n_outputs] if layout.weights else None,
            sentences=sentences,
        )  # fmt: skip
        documents.check_finite()
    except InvalidExplanationError as error:
        raise CorruptFileError(f"the documents of explanation {manifest.id} do not fit together: {error}") from error
    if documents.words.max(initial=0) >= manifest.info.n_features:
        raise CorruptFileError(
            f"the documents of explanation {manifest.id} name a feature position outside 0 to "
            f"{manifest.info.n_features - 1}"
        )
    return documents


def _all_columns(manifest: Manifest, role: str, schema: Schema, fetch: Fetch, limits: Limits) -> list[NDArray[Any]]:
    """Return the columns of all files of a role, one file after the other in the order of the documents."""
    parts: list[list[NDArray[Any]]] = []
    for entry in sorted(manifest.of_role(role), key=lambda e: e.rows or (0, 0)):
        reader = ParquetReader(fetch(entry), schema, entry.shape[-1], name=entry.name, limits=limits)
        read = [strings if pa.types.is_string(kind) else numbers for _, kind in schema]
        parts.append([take(column, name=entry.name) for take, column in zip(read, reader.columns(), strict=True)])
    if not parts:
        return [np.empty(0, kind.to_pandas_dtype()) for _, kind in schema]
    return [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]


def _offsets(counts: NDArray[np.int32]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)


def _shards(documents: Documents, shard_bytes: int) -> Iterator[Range]:
    """Yield ranges of documents whose texts and tokens take about so many bytes together."""
    line = 12 + documents.values.dtype.itemsize * (documents.n_outputs + 1)
    sizes = np.array([len(text) for text in documents.texts]) + line * np.diff(documents.offsets) + 16
    ends = np.cumsum(sizes)
    most = max(shard_bytes, int(ends[-1]) // _MOST_SHARDS + int(sizes.max()))
    first = 0
    while first < len(sizes):
        before = int(ends[first - 1]) if first else 0
        end = max(first + 1, int(np.searchsorted(ends, before + most, side="right")))
        yield first, end
        first = end


def _part(documents: Documents, rows: Range) -> Documents:
    return documents.take(slice(*rows))


def _texts(part: Callable[[], Documents], rows: Range, role: str, positions: NDArray[np.int64] | None) -> EncodedFile:
    documents = part()
    columns: dict[str, pa.Array] = {} if positions is None else {"row": pa.array(positions)}
    try:
        columns["text"] = pa.array(documents.texts.tolist(), pa.string())
    except UnicodeEncodeError as error:
        raise InvalidExplanationError("a document is no valid Unicode text") from error
    columns["tokens"] = pa.array(np.diff(documents.offsets).astype(np.int32))
    if documents.sentences is not None:
        columns["sentences"] = pa.array(np.diff(documents.sentences.offsets).astype(np.int32))
    return _file(columns, role, rows, shape=(documents.n_rows,))


def _tokens(part: Callable[[], Documents], rows: Range, role: str) -> EncodedFile:
    documents = part()
    columns = {"start": documents.starts, "end": documents.ends, "word": documents.words}
    arrays = {name: pa.array(np.ascontiguousarray(column)) for name, column in columns.items()}
    arrays |= {f"value_{i}": pa.array(np.ascontiguousarray(line)) for i, line in enumerate(documents.values)}
    if documents.weights is not None:
        arrays["weight"] = pa.array(np.ascontiguousarray(documents.weights.astype(documents.values.dtype)))
    made = _file(arrays, role, rows, shape=documents.values.shape, dictionary=["word"])
    return EncodedFile(replace(made.entry, dtype=str(documents.values.dtype)), made.data)


def _sentences(part: Callable[[], Documents], rows: Range, role: str) -> EncodedFile:
    documents = part()
    sentences = documents.sentences
    assert sentences is not None
    arrays = {"start": pa.array(sentences.starts), "end": pa.array(sentences.ends)}
    if sentences.weights is not None:
        arrays["weight"] = pa.array(sentences.weights.astype(documents.values.dtype))
    return _file(arrays, role, rows, shape=(len(sentences.starts),))


def _file(
    columns: dict[str, pa.Array], role: str, rows: Range, *, shape: tuple[int, ...], dictionary: list[str] | None = None
) -> EncodedFile:
    data = write(pa.table(columns), compression="snappy", dictionary=dictionary or False)
    return EncodedFile(make_entry(data, role=role, shape=shape, rows=rows), data)
