"""Documents as words: where each one stands, which are the same, and copies of the document that lack some.

A copy without any word is the empty string, and a copy with all of them the document itself. So a word takes with it
what stands between it and the next one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from explanation_client.documents import IntArray
from explanation_client.errors import InvalidArgumentError

Floats = NDArray[np.float64]
Masks = NDArray[np.bool_]

# Scripts that put no spaces between words: each of their characters is taken as a word.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# What joins or ends a sentence, and says nothing by itself.
_PUNCTUATION = "!-/:-@\\[-`{-~\u00a1-\u00bf\u2010-\u2027\u2030-\u205e\u3000-\u303f\uff01-\uff0f\uff1a-\uff20"
# A word with what is joined by an apostrophe; one character of an unspaced script; a run of other signs, emoji mostly.
WORD_PATTERN = rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+(?:['\u2019][^\W{_UNSPACED}]+)*|[^\w\s{_PUNCTUATION}]+"
# The end of a sentence: a mark with what closes after it and white space, a mark of an unspaced script, an empty line.
_SENTENCE_END = re.compile(
    r"[.!?\u2026]+[\"'\u201d\u2019)\]]*\s+|[\u3002\uff01\uff1f]+[\u201d\u2019\u300d\u300f\uff09]*\s*|\n\s*\n\s*"
)
# A name longer than this is a blob, which no list of words can show.
_LONGEST_NAME = 200


@dataclass(frozen=True, eq=False)
class Words:
    """One document and its t words.

    Parameters
    ----------
    text : str
    starts, ends : ndarray of int32, shape (t,)
        Where the words stand, in characters.
    names : tuple of str
        Names of the d different words, in the order in which they appear.
    kinds : ndarray of int, shape (t,)
        Position among ``names`` of each word.

    """

    text: str
    starts: IntArray
    ends: IntArray
    names: tuple[str, ...]
    kinds: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """The document cut before each word: together they are the text."""
        if not len(self):
            return ()
        cuts = [0, *self.starts[1:].tolist(), len(self.text)]
        return tuple(self.text[a:b] for a, b in pairwise(cuts))

    def copies(self, kept: Masks) -> list[str]:
        """Return the document with some of its words, for each row of ``kept`` (n, t)."""
        pieces = np.array(self.pieces, dtype=object)
        return ["".join(pieces[row]) for row in kept]

    def by_name(self, values: Floats) -> Floats:
        """Return the sums (d, C) over the occurrences of each word of values (t, C)."""
        sums = np.zeros((len(self.names), values.shape[1]))
        np.add.at(sums, self.kinds, values)
        return sums

    def sentences(self) -> tuple[IntArray, IntArray]:
        """Return where the sentences start and end; every word is in one."""
        return split_sentences(self.text)


class WordReader:
    """Finds the words of documents.

    Parameters
    ----------
    pattern : str, optional
        A regular expression that matches one word.
    name : callable, optional
        Returns what a word is called, from how it is written: two words of one name are the same word.
    ignore_case : bool
        The pattern is meant for text in lower case.

    Raises
    ------
    InvalidArgumentError
        The pattern is no regular expression, or matches an empty string.

    """

    def __init__(
        self, pattern: str | None = None, name: Callable[[str], str] | None = None, *, ignore_case: bool = False
    ) -> None:
        try:
            self._pattern = re.compile(pattern or WORD_PATTERN, re.IGNORECASE if ignore_case else 0)
        except re.error as error:
            raise InvalidArgumentError(f"token_pattern={pattern!r} is no regular expression: {error}") from error
        if self._pattern.match(""):
            raise InvalidArgumentError(f"token_pattern={pattern!r} matches an empty string: it must match one word")
        self._name = name or str

    def read(self, text: str) -> Words:
        """Return the words of a document; a document in which none is found is one word."""
        spans = [match.span() for match in self._pattern.finditer(text)]
        if not spans and text:
            stripped = text.strip()
            start = text.index(stripped) if stripped else 0
            spans = [(start, start + len(stripped or text))]
        kinds: dict[str, int] = {}
        positions = [kinds.setdefault(self._named(text[start:end]), len(kinds)) for start, end in spans]
        places = np.array(spans, np.int32).reshape(-1, 2)
        return Words(text, places[:, 0].copy(), places[:, 1].copy(), tuple(kinds), np.array(positions, np.intp))

    def _named(self, written: str) -> str:
        name = self._name(written) or written
        if len(name) <= _LONGEST_NAME:
            return name
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return f"{name[: _LONGEST_NAME // 2]}… {digest}"


def split_sentences(text: str) -> tuple[IntArray, IntArray]:
    """Return where the sentences of a text start and end, (S,) each; white space around them is left out."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    spans = [_stripped(text, start, end) for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]
    places = np.array([span for span in spans if span[0] < span[1]], np.int32).reshape(-1, 2)
    return places[:, 0].copy(), places[:, 1].copy()


def sentence_of(starts: Iterable[int], sentence_starts: IntArray) -> NDArray[np.intp]:
    """Return the sentence that each word is in, from where both start."""
    return np.searchsorted(sentence_starts, np.asarray(starts), side="right") - 1


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())
