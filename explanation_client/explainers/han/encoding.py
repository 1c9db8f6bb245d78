"""Documents as numbers: sentences of words of a vocabulary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from explanation_client.explainers.text.words import Words, sentence_of

PADDING, UNKNOWN = 0, 1
_FIRST_WORD = 2
# A sentence with more words is read in parts, and a document with more parts up to there.
MAX_WORDS, MAX_SENTENCES = 40, 200
MAX_VOCABULARY = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One document as a network reads it.

    Parameters
    ----------
    ids : tuple of ndarray of int, each of shape (w,)
        The words of each sentence; one empty sentence where the document has none.
    sentences : ndarray of int
        The sentence of the document that each of ``ids`` is of, or a part of.

    """

    ids: tuple[NDArray[np.int64], ...]
    sentences: NDArray[np.intp]

    @property
    def n_words(self) -> int:
        """Words that are read: the first ones of the document."""
        return sum(len(part) for part in self.ids)


@dataclass(frozen=True)
class Vocabulary:
    """The words that a network knows, in lower case.

    Parameters
    ----------
    words : tuple of str
        Their numbers count from 2: 0 fills up, 1 is any other word.

    """

    words: tuple[str, ...]

    @classmethod
    def of(cls, documents: Iterable[Words]) -> Vocabulary:
        """Return the most frequent words of some documents, of those that occur at least twice."""
        counts: Counter[str] = Counter()
        for words in documents:
            for name, count in zip(words.names, np.bincount(words.kinds, minlength=len(words.names)), strict=True):
                counts[name.lower()] += int(count)
        return cls(tuple(word for word, count in counts.most_common(MAX_VOCABULARY) if count > 1))

    def __len__(self) -> int:
        return len(self.words) + _FIRST_WORD

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.words, start=_FIRST_WORD)}

    def encode(self, words: Words) -> Encoded:
        """Return one document as numbers."""
        numbers = np.array([self._numbers.get(name.lower(), UNKNOWN) for name in words.names], np.int64)
        if not len(words):
            return Encoded((np.empty(0, np.int64),), np.zeros(1, np.intp))
        ids = numbers[words.kinds]
        sentences = sentence_of(words.starts.tolist(), words.sentences()[0])
        cuts = np.flatnonzero(np.diff(sentences)) + 1
        parts: list[NDArray[np.int64]] = []
        owners: list[int] = []
        for whole, first in zip(np.split(ids, cuts), [0, *cuts.tolist()], strict=True):
            for at in range(0, len(whole), MAX_WORDS):
                parts.append(whole[at : at + MAX_WORDS])
                owners.append(int(sentences[first]))
        return Encoded(tuple(parts[:MAX_SENTENCES]), np.array(owners[:MAX_SENTENCES], np.intp))


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Some documents, filled up to the same length.

    Parameters
    ----------
    ids : ndarray of int64, shape (S, W)
        Words of all sentences, one document's after the other's.
    n_words : ndarray of int64, shape (S,)
        At least 1: an empty sentence has one word that fills up.
    n_sentences : ndarray of int64, shape (B,)

    """

    ids: NDArray[np.int64]
    n_words: NDArray[np.int64]
    n_sentences: NDArray[np.int64]


def batch_of(documents: Sequence[Encoded]) -> Batch:
    """Return some documents as one batch."""
    parts = [part for document in documents for part in document.ids]
    counts = np.array([max(1, len(part)) for part in parts], np.int64)
    ids = np.full((len(parts), int(counts.max())), PADDING, np.int64)
    for line, part in zip(ids, parts, strict=True):
        line[: len(part)] = part
    return Batch(ids, counts, np.array([len(document.ids) for document in documents], np.int64))


def batches(sizes: NDArray[np.intp], size: int, rng: np.random.Generator) -> list[NDArray[np.intp]]:
    """Return the documents in batches of about equal length, shuffled."""
    shuffled = rng.permutation(len(sizes))
    # Sorted within parts of twenty batches, so that little is filled up and every epoch has other batches.
    parts = np.array_split(shuffled, max(1, len(sizes) // (20 * size)))
    made = [
        part[np.argsort(sizes[part], kind="stable")][first : first + size]
        for part in parts
        for first in range(0, len(part), size)
    ]
    return [made[i] for i in rng.permutation(len(made))]
