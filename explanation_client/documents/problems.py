"""What is wrong with documents, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from explanation_client.documents.data import Documents, IntArray, Offsets
    from explanation_client.documents.lazy import AnyDocuments


def document_problems(documents: AnyDocuments | None, n_rows: int, n_outputs: int, n_features: int) -> Iterable[str]:
    """Yield how documents do not fit an explanation of so many rows, outputs and features."""
    if documents is None:
        return
    if documents.n_rows != n_rows:
        yield f"there are {documents.n_rows} documents, {n_rows} were explained"
    if documents.n_outputs != n_outputs:
        yield f"tokens have importances of {documents.n_outputs} outputs, there are {n_outputs}"
    if documents.is_loaded and documents.words.max(initial=0) >= n_features:
        yield f"tokens name feature {documents.words.max()}, there are {n_features}"


def problems_of(documents: Documents) -> Iterator[str]:
    """Yield how the arrays of documents do not fit one another."""
    n_rows, n_tokens = len(documents.texts), len(documents.words)
    if documents.texts.ndim != 1 or not all(isinstance(text, str) for text in documents.texts):
        yield "texts are not one string for each document"
        return
    if documents.values.ndim != 2 or documents.values.dtype not in (np.float32, np.float64):
        yield f"values have shape {documents.values.shape} and dtype {documents.values.dtype}: floats (C, T) are needed"
        return
    columns = {"starts": documents.starts, "ends": documents.ends, "words": documents.words}
    sizes = {name: column.shape for name, column in columns.items()} | {"values": documents.values.shape[1:]}
    if documents.weights is not None:
        sizes["weights"] = documents.weights.shape
    if any(size != (n_tokens,) for size in sizes.values()):
        yield f"parts of the tokens differ in length: {sizes}"
        return
    if any(column.dtype != np.int32 for column in columns.values()):
        yield "starts, ends and words are not all int32"
    yield from _span_problems("tokens", documents.texts, documents.offsets, documents.starts, documents.ends)
    if n_tokens and documents.words.min() < 0:
        yield f"a token has feature {documents.words.min()}"
    sentences = documents.sentences
    if sentences is None:
        return
    if sentences.weights is not None and sentences.weights.shape != sentences.starts.shape:
        yield f"{sentences.weights.shape} weights of {sentences.starts.shape} sentences"
    if len(sentences.offsets) != n_rows + 1:
        yield f"sentences are of {len(sentences.offsets) - 1} documents, there are {n_rows}"
    else:
        yield from _span_problems("sentences", documents.texts, sentences.offsets, sentences.starts, sentences.ends)


def _span_problems(
    what: str, texts: NDArray[np.object_], offsets: Offsets, starts: IntArray, ends: IntArray
) -> Iterator[str]:
    """Yield why some spans are not in order within their texts."""
    if offsets.dtype != np.int64 or offsets.shape != (len(texts) + 1,) or starts.shape != ends.shape:
        yield f"{what} have offsets of shape {offsets.shape} and dtype {offsets.dtype} for {len(texts)} documents"
        return
    if offsets[0] != 0 or offsets[-1] != len(starts) or (np.diff(offsets) < 0).any():
        yield f"offsets of {what} do not go from 0 to {len(starts)}"
        return
    lengths = np.repeat(np.array([len(text) for text in texts], np.int64), np.diff(offsets))
    after = np.zeros(len(starts), np.int64)
    after[1:] = ends[:-1]
    # The first of each document has nothing before it.
    after[offsets[:-1][offsets[:-1] < len(starts)]] = 0
    wrong = np.flatnonzero((starts < after) | (ends <= starts) | (ends > lengths))
    if len(wrong):
        first = int(wrong[0])
        row = int(np.searchsorted(offsets, first, side="right")) - 1
        yield (
            f"{what} of document {row} are not in order within its {len(texts[row])} characters: one is from "
            f"{starts[first]} to {ends[first]}"
        )
