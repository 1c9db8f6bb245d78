"""One explained document, and all of them as arrays: texts, where each word stands, how much it contributed there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.documents.problems import problems_of
from explanation_client.documents.ranked import ranked
from explanation_client.documents.tinted import tinted
from explanation_client.errors import InvalidArgumentError, InvalidExplanationError
from explanation_client.importances import AnyImportances, FloatArray, Importances, same_bits

if TYPE_CHECKING:
    from explanation_client.documents.lazy import AnyDocuments

IntArray = NDArray[np.int32]
Offsets = NDArray[np.int64]


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
        return tinted(self, self.values[output], label)

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
        problems = [*problems_of(self)]
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
        return ranked(sums, n_features, max(1, most), self.values.dtype)

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


def _members(offsets: Offsets, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], Offsets]:
    """Return positions of what some documents have, and the offsets of these documents among them."""
    parts = [np.arange(offsets[row], offsets[row + 1], dtype=np.intp) for row in rows]
    taken = np.concatenate(parts) if parts else np.empty(0, np.intp)
    return taken, np.concatenate([[0], np.cumsum([len(part) for part in parts], dtype=np.int64)]).astype(np.int64)
