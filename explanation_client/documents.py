"""The explained documents of a text explanation: their texts, where each word stands, how much it contributed there.

The features of a text explanation are words, each of which counts once for a document, however often it occurs. This
part keeps what that leaves out: the order of the words, and the importance of every single occurrence.
"""

from __future__ import annotations

import html
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError, InvalidExplanationError
from explanation_client.importances import AnyImportances, FloatArray, Importances, same_bits, sum_features

IntArray = NDArray[np.int32]
Offsets = NDArray[np.int64]

# Colours of words that speak for an output and against it; both are told apart by people who see few colours.
_FOR, _AGAINST = "38,112,201", "211,84,0"
# Characters of a text that a notebook shows: a browser gets slow with hundreds of thousands of coloured words.
_SHOWN = 20_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sentences:
    """Where the sentences of the documents are, S in all.

    Parameters
    ----------
    offsets : ndarray of int64, shape (N + 1,)
        Sentences ``offsets[i]`` to ``offsets[i + 1]`` are those of document i.
    starts, ends : ndarray of int32, shape (S,)
        First character and the one after the last, counted in Unicode code points from the document's beginning.
    weights : ndarray of float32 or float64, shape (S,), optional
        How much the explainer attended to each sentence.

    """

    offsets: Offsets
    starts: IntArray
    ends: IntArray
    weights: FloatArray | None = None

    def take(self, rows: NDArray[np.intp]) -> Sentences:
        """Return the sentences of some documents."""
        picked, offsets = _members(self.offsets, rows)
        weights = None if self.weights is None else self.weights[picked]
        return Sentences(offsets=offsets, starts=self.starts[picked], ends=self.ends[picked], weights=weights)

    def same_as(self, other: Sentences | None) -> bool:
        """Whether both hold the same, bit for bit."""
        names = ("offsets", "starts", "ends", "weights")
        return other is not None and all(same_bits(getattr(self, name), getattr(other, name)) for name in names)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Document:
    """One document and the importances of its words.

    Parameters
    ----------
    text : str
    spans : tuple of (start, end)
        Where each of the t tokens is, in characters.
    words : ndarray of int32, shape (t,)
        Positions of the tokens' features.
    values : ndarray of float32 or float64, shape (C, t)
        Importance of each token for each output.
    weights : ndarray of shape (t,), optional
        How much the explainer attended to each token.
    sentences : tuple of (start, end, weight)
        Where the sentences are; a weight of None where there is none.

    """

    text: str
    spans: tuple[tuple[int, int], ...]
    words: IntArray
    values: FloatArray
    weights: FloatArray | None = None
    sentences: tuple[tuple[int, int, float | None], ...] = ()

    @property
    def tokens(self) -> tuple[str, ...]:
        """The words as they are written, in their order."""
        return tuple(self.text[start:end] for start, end in self.spans)

    def to_html(self, output: int | None = None, *, label: str | None = None) -> str:
        """Return the text as HTML, its words tinted: blue speaks for the output, orange against it.

        No script and no style sheet; the text is escaped, and its control and direction marks are made visible.

        Parameters
        ----------
        output : int, optional
            Whose importances are shown. None: the output whose importances add up to most.
        label : str, optional
            What to call the output.

        Raises
        ------
        InvalidArgumentError
            There is no such output.

        """
        if output is None:
            output = int(self.values.sum(axis=1).argmax())
        if isinstance(output, bool) or not 0 <= output < len(self.values):
            raise InvalidArgumentError(f"output={output!r}: 0 to {len(self.values) - 1}")
        return _tinted(self, self.values[output], label)

    def _repr_html_(self) -> str:
        return self.to_html()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Documents(Sequence[Document]):
    """The N explained documents, their T tokens in order. ``documents[i]`` is one :class:`Document`.

    Parameters
    ----------
    texts : ndarray of object (str), shape (N,)
    offsets : ndarray of int64, shape (N + 1,)
        Tokens ``offsets[i]`` to ``offsets[i + 1]`` are those of document i.
    starts, ends : ndarray of int32, shape (T,)
        First character of each token and the one after its last, counted in Unicode code points from the document's
        beginning. Tokens of a document are in order and do not overlap.
    words : ndarray of int32, shape (T,)
        Position of each token's feature.
    values : ndarray of float32 or float64, shape (C, T)
        Importance of each occurrence: those of a word in a document add up to its local importance.
    weights : ndarray of float32 or float64, shape (T,), optional
        How much the explainer attended to each token; without a sign, and the same for all outputs.
    sentences : Sentences, optional

    Raises
    ------
    InvalidExplanationError
        The arrays do not fit together; the message lists every problem.

    """

    texts: NDArray[np.object_]
    offsets: Offsets
    starts: IntArray
    ends: IntArray
    words: IntArray
    values: FloatArray
    weights: FloatArray | None = None
    sentences: Sentences | None = None

    def __post_init__(self) -> None:
        problems = [*_problems(self)]
        if problems:
            raise InvalidExplanationError("documents: " + "; ".join(problems))

    @property
    def n_rows(self) -> int:
        """N."""
        return len(self.texts)

    @property
    def n_tokens(self) -> int:
        """T."""
        return len(self.words)

    @property
    def n_outputs(self) -> int:
        """C."""
        return len(self.values)

    @property
    def is_loaded(self) -> bool:
        """Whether the arrays are in memory: yes."""
        return True

    def load(self) -> Documents:
        """Return self: these documents are in memory."""
        return self

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, row: Any) -> Any:
        if not isinstance(row, (int, np.integer)) or isinstance(row, bool):
            raise InvalidArgumentError(f"documents[{row!r}]: one document by its position; take() returns several")
        if not -len(self.texts) <= row < len(self.texts):
            raise IndexError(f"document {row} is out of range: there are {len(self.texts)}")
        return self._one(int(row) % len(self.texts))

    def __iter__(self) -> Iterator[Document]:
        return (self._one(row) for row in range(len(self.texts)))

    def take(self, rows: Any) -> Documents:
        """Return the documents that a numpy selection picks."""
        chosen = np.arange(self.n_rows)[rows]
        picked, offsets = _members(self.offsets, chosen)
        return Documents(
            texts=self.texts[chosen],
            offsets=offsets,
            starts=self.starts[picked],
            ends=self.ends[picked],
            words=self.words[picked],
            values=np.ascontiguousarray(self.values[:, picked]),
            weights=None if self.weights is None else self.weights[picked],
            sentences=None if self.sentences is None else self.sentences.take(chosen),
        )

    def output(self, position: int) -> Documents:
        """Return the documents with the importances of one output."""
        return self._with_values(self.values[position : position + 1])

    def cut(self, local: AnyImportances) -> Documents:
        """Return the documents with the importances of those words only that cut local importances (C, N, k) keep.

        The others stay where they are, with an importance of 0.
        """
        index = local.load().index
        if index is None:
            return self
        width = int(max(self.words.max(initial=0), index.max(initial=0))) + 1
        rows = np.repeat(np.arange(self.n_rows, dtype=np.int64), np.diff(self.offsets))
        tokens = rows * width + self.words
        firsts = np.arange(self.n_rows, dtype=np.int64)[:, None] * width
        kept = np.array([np.isin(tokens, firsts + places) for places in index])
        return self._with_values(np.where(kept, self.values, self.values.dtype.type(0)))

    def local_importances(self, n_features: int) -> Importances:
        """Return the importances of the words in each document, (C, N, k): occurrences added up, most important first.

        Equal to ranking values of all F features (C, N, F), in which words that a document does not have are 0; k is
        the largest number of words of one document whose importance is not 0. Of a single document all features, in
        order.
        """
        sums = [self._sums(row) for row in range(self.n_rows)]
        if self.n_rows == 1:
            words, values = sums[0]
            dense = np.zeros((self.n_outputs, 1, n_features), self.values.dtype)
            dense[:, 0, words] = values
            return Importances(dense)
        most = max((int(np.count_nonzero(values, axis=1).max(initial=0)) for _, values in sums), default=0)
        return _ranked(sums, n_features, max(1, most), self.values.dtype)

    def same_as(self, other: AnyDocuments) -> bool:
        """Whether both hold the same, bit for bit."""
        theirs = other.load()
        names = ("texts", "offsets", "starts", "ends", "words", "values", "weights")
        if not all(same_bits(getattr(self, name), getattr(theirs, name)) for name in names):
            return False
        return theirs.sentences is None if self.sentences is None else self.sentences.same_as(theirs.sentences)

    def check_finite(self) -> None:
        """Raise ``InvalidExplanationError`` if there is NaN or infinity."""
        weights = None if self.sentences is None else self.sentences.weights
        for name, array in (("values", self.values), ("weights", self.weights), ("weights of sentences", weights)):
            if array is not None and not np.isfinite(array).all():
                raise InvalidExplanationError(f"{name} of the documents' tokens hold NaN or infinity")

    def _one(self, row: int) -> Document:
        tokens = slice(int(self.offsets[row]), int(self.offsets[row + 1]))
        found: list[tuple[int, int, float | None]] = []
        if self.sentences is not None:
            part = slice(int(self.sentences.offsets[row]), int(self.sentences.offsets[row + 1]))
            starts, ends = self.sentences.starts[part].tolist(), self.sentences.ends[part].tolist()
            weights = self.sentences.weights
            all_weights = [None] * len(starts) if weights is None else weights[part].tolist()
            found = list(zip(starts, ends, all_weights, strict=True))
        return Document(
            text=self.texts[row],
            spans=tuple(zip(self.starts[tokens].tolist(), self.ends[tokens].tolist(), strict=True)),
            words=self.words[tokens],
            values=self.values[:, tokens],
            weights=None if self.weights is None else self.weights[tokens],
            sentences=tuple(found),
        )

    def _sums(self, row: int) -> tuple[NDArray[np.intp], FloatArray]:
        """Return the words of a document in the order of the features, and the sums of their occurrences (C, w)."""
        tokens = slice(int(self.offsets[row]), int(self.offsets[row + 1]))
        words, places = np.unique(self.words[tokens], return_inverse=True)
        sums = np.zeros((self.n_outputs, len(words)), self.values.dtype)
        for total, values in zip(sums, self.values[:, tokens], strict=True):
            np.add.at(total, places, values)
        return words.astype(np.intp), sums

    def _with_values(self, values: FloatArray) -> Documents:
        return Documents(
            texts=self.texts, offsets=self.offsets, starts=self.starts, ends=self.ends, words=self.words,
            values=np.ascontiguousarray(values), weights=self.weights, sentences=self.sentences,
        )  # fmt: skip


class LazyDocuments(Sequence[Document]):
    """Documents that are read on first use. Has the interface of :class:`Documents`; safe in several threads.

    Parameters
    ----------
    read : callable
        Returns the documents.
    n_rows, n_outputs : int
        N and C.

    """

    __slots__ = ("_loaded", "_lock", "_read", "n_outputs", "n_rows")

    def __init__(self, read: Callable[[], Documents], *, n_rows: int, n_outputs: int) -> None:
        self._read = read
        self._loaded: Documents | None = None
        self._lock = threading.Lock()
        self.n_rows = n_rows
        self.n_outputs = n_outputs

    @property
    def is_loaded(self) -> bool:
        """Whether the documents have been read."""
        return self._loaded is not None

    @property
    def texts(self) -> NDArray[np.object_]:
        """The texts, (N,)."""
        return self.load().texts

    @property
    def offsets(self) -> Offsets:
        """First token of each document, and the number of all, (N + 1,)."""
        return self.load().offsets

    @property
    def starts(self) -> IntArray:
        """First character of each token, (T,)."""
        return self.load().starts

    @property
    def ends(self) -> IntArray:
        """Character after the last of each token, (T,)."""
        return self.load().ends

    @property
    def words(self) -> IntArray:
        """Position of each token's feature, (T,)."""
        return self.load().words

    @property
    def values(self) -> FloatArray:
        """Importance of each token, (C, T)."""
        return self.load().values

    @property
    def weights(self) -> FloatArray | None:
        """How much the explainer attended to each token, (T,)."""
        return self.load().weights

    @property
    def sentences(self) -> Sentences | None:
        """Where the sentences are."""
        return self.load().sentences

    @property
    def n_tokens(self) -> int:
        """T."""
        return self.load().n_tokens

    def load(self) -> Documents:
        """Return the documents in memory; reads them once."""
        with self._lock:
            if self._loaded is None:
                self._loaded = self._read()
            return self._loaded

    def __len__(self) -> int:
        return self.n_rows

    def __getitem__(self, row: Any) -> Any:
        return self.load()[row]

    def __iter__(self) -> Iterator[Document]:
        return iter(self.load())

    def take(self, rows: Any) -> LazyDocuments:
        """Return the documents that a numpy selection picks, still unread."""
        n_rows = len(np.arange(self.n_rows)[rows])
        return self._then(lambda whole: whole.take(rows), n_rows=n_rows)

    def output(self, position: int) -> LazyDocuments:
        """Return the documents with the importances of one output, still unread."""
        return self._then(lambda whole: whole.output(position), n_outputs=1)

    def cut(self, local: AnyImportances) -> LazyDocuments:
        """Return the documents with the importances of those words that a cut keeps; see :meth:`Documents.cut`."""
        return self._then(lambda whole: whole.cut(local))

    def local_importances(self, n_features: int) -> Importances:
        """Return the importances of the words in each document; see :meth:`Documents.local_importances`."""
        return self.load().local_importances(n_features)

    def same_as(self, other: AnyDocuments) -> bool:
        """Whether both hold the same, bit for bit."""
        return self.load().same_as(other)

    def check_finite(self) -> None:
        """Raise ``InvalidExplanationError`` if there is NaN or infinity."""
        self.load().check_finite()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the documents themselves: the copy no longer needs the store."""
        return _same_object, (self.load(),)

    def _then(
        self, change: Callable[[Documents], Documents], *, n_rows: int | None = None, n_outputs: int | None = None
    ) -> LazyDocuments:
        # What has been read is used; what has not been is not kept whole for the sake of a part.
        read = self.load if self.is_loaded else self._read
        rows, outputs = self.n_rows if n_rows is None else n_rows, n_outputs or self.n_outputs
        return LazyDocuments(lambda: change(read()), n_rows=rows, n_outputs=outputs)


AnyDocuments = Documents | LazyDocuments


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


def widened(local: AnyImportances | None, top_k: int, n_features: int) -> AnyImportances | None:
    """Return local importances with at least ``top_k`` features for each row, where ranked ones keep fewer.

    Explanations of documents keep as many as a document has words. All others are 0, and come in feature order.
    """
    if local is None or not local.is_ranked or local.shape[-1] >= top_k:
        return local
    kept, more = local.load(), top_k - local.shape[-1]
    assert kept.index is not None
    first = np.arange(min(n_features, top_k + kept.shape[-1]), dtype=np.int32)
    index = np.array([[first[np.isin(first, row, invert=True)][:more] for row in rows] for rows in kept.index])
    zeros = np.zeros(index.shape, kept.dtype)
    values, places = np.concatenate([kept.values, zeros], axis=2), np.concatenate([kept.index, index], axis=2)
    return Importances(values, places, kept.total)


def _problems(documents: Documents) -> Iterator[str]:
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


def _members(offsets: Offsets, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], Offsets]:
    """Return positions of what some documents have, and the offsets of these documents among them."""
    parts = [np.arange(offsets[row], offsets[row + 1], dtype=np.intp) for row in rows]
    taken = np.concatenate(parts) if parts else np.empty(0, np.intp)
    return taken, np.concatenate([[0], np.cumsum([len(part) for part in parts], dtype=np.int64)]).astype(np.int64)


def _ranked(
    sums: list[tuple[NDArray[np.intp], FloatArray]], n_features: int, kept: int, dtype: np.dtype[Any]
) -> Importances:
    """Return what ranking values of all features would, from those of each document's own words."""
    n_outputs = len(sums[0][1])
    values = np.zeros((n_outputs, len(sums), kept), dtype)
    index = np.empty(values.shape, np.int32)
    total = np.zeros(values.shape[:2], np.float64)
    first = np.arange(min(n_features, 2 * kept), dtype=np.int32)
    for row, (words, importances) in enumerate(sums):
        total[:, row] = sum_features(importances) if len(words) else 0.0
        for output, line in enumerate(importances):
            there = np.flatnonzero(line)
            order = there[np.argsort(-np.abs(line[there]), kind="stable")]
            n_there = len(order)
            values[output, row, :n_there] = line[order]
            index[output, row, :n_there] = words[order]
            # Zeros come last, and the first features among them are first.
            index[output, row, n_there:] = first[np.isin(first, words[there], invert=True)][: kept - n_there]
    return Importances(values, index, total)


def _same_object(documents: Documents) -> Documents:
    return documents


def _tinted(document: Document, values: FloatArray, label: str | None) -> str:
    text, largest = document.text, float(np.abs(values).max(initial=0.0)) or 1.0
    pieces, at = [], 0
    for (start, end), value in zip(document.spans, values.tolist(), strict=True):
        if start >= _SHOWN:
            break
        share = abs(value) / largest
        pieces.append(_escaped(text[at:start]))
        if share < 0.02:
            pieces.append(_escaped(text[start:end]))
        else:
            colour = f"rgba({_FOR if value > 0 else _AGAINST},{0.1 + 0.5 * share:.2f})"
            style = f"background:{colour};border-radius:.2em;padding:0 .1em"
            pieces.append(f'<span style="{style}" title="{value:+.3g}">{_escaped(text[start:end])}</span>')
        at = end
    pieces.append(_escaped(text[at : max(at, _SHOWN)]) + ("…" if len(text) > max(at, _SHOWN) else ""))
    head = "" if label is None else f'<div style="opacity:.65;margin:.7em 0 .2em">{_escaped(label[:200])}</div>'
    body = "white-space:pre-wrap;overflow-wrap:anywhere;max-width:60em;font:13px/1.8 system-ui,sans-serif;color:inherit"
    return f'{head}<div dir="auto" style="{body}">{"".join(pieces)}</div>'


def _escaped(text: str) -> str:
    """Return text for HTML; what controls a terminal or the direction of writing is shown as an escape."""
    shown = "".join(
        c if c in "\n\t" or unicodedata.category(c)[0] != "C" else f"\\u{ord(c):04x}"
        for c in text.replace("\r\n", "\n")
    )
    return html.escape(shown, quote=True)
