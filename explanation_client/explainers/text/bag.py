"""Documents as bags of words: which column of a fitted vectorizer comes from which words of a document.

What scikit-learn's analyzers do is done again here with the places kept, and held to their own result for every
document: one that comes out otherwise is not explained this way.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import CannotExplainError
from explanation_client.explainers.model import origin_of
from explanation_client.explainers.text.words import Floats, WordReader, Words

Span = tuple[int, int]
Gram = tuple[str, tuple[Span, ...]]

# Steps behind a vectorizer that keep its columns, and 0 as 0. What they divide by is taken as fixed for a document.
_KEEPS_COLUMNS = ("MaxAbsScaler", "Normalizer", "StandardScaler", "TfidfTransformer")
_SPACES = re.compile(r"\s\s+")


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One vectorizer, and where its columns are among those of the bag.

    Parameters
    ----------
    vectorizer : Vectorizer
    columns : ndarray of int, shape (V,)
        -1 where a column was dropped.

    """

    vectorizer: Vectorizer
    columns: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Bag:
    """Fitted steps from documents to columns, each of which comes from words.

    Parameters
    ----------
    sources : tuple of Source
    transform : callable
        From a list of documents to a sparse matrix (N, F).

    """

    sources: tuple[Source, ...]
    transform: Callable[[list[str]], Any]

    @property
    def describes(self) -> str:
        """What counts the words."""
        return " and ".join(dict.fromkeys(source.vectorizer.name for source in self.sources))

    def reader(self, pattern: str | None) -> WordReader:
        """Return what finds words, and calls them what the vectorizer does."""
        first = self.sources[0].vectorizer
        if pattern is not None:
            return WordReader(pattern, first.preprocess)
        return WordReader(first.pattern, first.preprocess, ignore_case=first.lowers)

    def rows(self, texts: list[str]) -> Any:
        """Return documents as a CSR matrix (N, F)."""
        from scipy.sparse import csr_matrix

        return csr_matrix(self.transform(texts))

    def spread(self, words: Words, columns: NDArray[np.intp], shares: Floats) -> Floats:
        """Return values (t, C) of words, from what each stored column of their document contributes (C, m).

        A column is shared equally among the places where it occurs, and there among the words that it is made of;
        what lies between two words is the first one's.

        Raises
        ------
        CannotExplainError
            A column comes from nowhere in the document.

        """
        places: dict[int, list[NDArray[np.intp]]] = {}
        at, before = _word_at(words)
        for source in self.sources:
            for gram, spans in source.vectorizer.grams(words.text):
                column = source.vectorizer.column(gram)
                if column < 0 or source.columns[column] < 0:
                    continue
                members = np.unique(np.concatenate([at[start:end] for start, end in spans]))
                members = members[members >= 0] if members[-1] >= 0 else before[spans[0][0] : spans[0][0] + 1]
                places.setdefault(int(source.columns[column]), []).append(members)
        values = np.zeros((len(words), len(shares)))
        for column, contribution in zip(columns.tolist(), shares.T, strict=True):
            occurrences = places.get(column)
            if occurrences is None:
                if contribution.any():
                    raise CannotExplainError(f"column {column} of {words.text[:60]!r} comes from none of its words")
                continue
            for members in occurrences:
                values[members] += contribution / (len(occurrences) * len(members))
        return values


class Vectorizer:
    """A fitted vectorizer of scikit-learn, with the places of what it counts.

    Parameters
    ----------
    vectorizer : CountVectorizer, TfidfVectorizer or HashingVectorizer

    Raises
    ------
    CannotExplainError
        It finds words in a way of its own.

    """

    def __init__(self, vectorizer: Any) -> None:
        self.name = type(vectorizer).__name__
        if vectorizer.analyzer not in ("word", "char", "char_wb"):
            raise CannotExplainError(f"the analyzer of {self.name} is a function of its own")
        if vectorizer.input != "content":
            raise CannotExplainError(f"{self.name} reads files (input={vectorizer.input!r})")
        self._vectorizer = vectorizer
        self._analyze = vectorizer.build_analyzer()
        self.preprocess: Callable[[str], str] = vectorizer.build_preprocessor()
        self._stop_words = vectorizer.get_stop_words() or frozenset()
        self._vocabulary: dict[str, int] | None = getattr(vectorizer, "vocabulary_", None)
        self.n_columns = int(vectorizer.n_features) if self._vocabulary is None else len(self._vocabulary)
        self._ranges = vectorizer.ngram_range
        self.lowers = bool(vectorizer.lowercase)
        self._maps_each = vectorizer.strip_accents is not None or vectorizer.preprocessor is not None
        own_tokens = vectorizer.analyzer != "word" or vectorizer.tokenizer is not None
        self.pattern: str | None = None if own_tokens else vectorizer.token_pattern

    def column(self, gram: str) -> int:
        """Return the column of what is counted, -1 where the vocabulary does not have it."""
        if self._vocabulary is not None:
            return int(self._vocabulary.get(gram, -1))
        from sklearn.utils import murmurhash3_32

        # As FeatureHasher: the magnitude of a signed hash, whose smallest number has none.
        hashed = int(murmurhash3_32(gram, seed=0))
        return abs(hashed) % self.n_columns if hashed != -(1 << 31) else ((1 << 31) - self.n_columns) % self.n_columns

    def grams(self, text: str) -> list[Gram]:
        """Return what is counted of a document, each with the places of its words in the text.

        Raises
        ------
        CannotExplainError
            It is not what the vectorizer itself counts.

        """
        prepared = self.preprocess(text)
        origin = self._origins(text, prepared)
        analyzer = self._vectorizer.analyzer
        if analyzer == "word":
            found = self._word_grams(self._tokens(prepared))
        else:
            found = self._char_grams(prepared) if analyzer == "char" else self._bounded_grams(prepared)
        if Counter(gram for gram, _ in found) != Counter(self._analyze(text)):
            raise CannotExplainError(f"where the words of {self.name} stand could not be told for {text[:60]!r}")
        if origin is None:
            return found
        return [(gram, tuple((int(origin[a]), int(origin[b - 1]) + 1) for a, b in spans)) for gram, spans in found]

    def _origins(self, text: str, prepared: str) -> NDArray[np.intp] | None:
        """Return where each character of the prepared text comes from; None where nothing moved."""
        # Lower case alone makes nothing shorter, so that the same length means the same places.
        if len(prepared) == len(text) and not self._maps_each:
            return None
        lengths = np.array([len(self.preprocess(character)) for character in text], np.intp)
        if lengths.sum() != len(prepared):
            raise CannotExplainError(f"the preprocessor of {self.name} changes more than single characters")
        return np.repeat(np.arange(len(text)), lengths)

    def _tokens(self, prepared: str) -> list[tuple[str, Span]]:
        if self._vectorizer.tokenizer is None:
            pattern = re.compile(self._vectorizer.token_pattern)
            found = [(match.group(pattern.groups), match.span(pattern.groups)) for match in pattern.finditer(prepared)]
        else:
            found, at = [], 0
            for token in self._vectorizer.tokenizer(prepared):
                start = prepared.find(token, at) if isinstance(token, str) else -1
                if start < 0:
                    raise CannotExplainError(
                        f"the tokenizer of {self.name} returns {str(token)[:40]!r}, not in the text"
                    )
                at = start + len(token)
                found.append((token, (start, at)))
        return [(token, span) for token, span in found if token not in self._stop_words]

    def _word_grams(self, tokens: list[tuple[str, Span]]) -> list[Gram]:
        least, most = self._ranges
        return [
            (" ".join(token for token, _ in tokens[i : i + n]), tuple(span for _, span in tokens[i : i + n]))
            for n in range(least, min(most, len(tokens)) + 1)
            for i in range(len(tokens) - n + 1)
        ]

    def _char_grams(self, prepared: str) -> list[Gram]:
        text, origin = _single_spaces(prepared)
        least, most = self._ranges
        return [
            (text[i : i + n], ((origin[i], origin[i + n - 1] + 1),))
            for n in range(least, min(most, len(text)) + 1)
            for i in range(len(text) - n + 1)
        ]

    def _bounded_grams(self, prepared: str) -> list[Gram]:
        """Return runs of characters within words, each of which is of its whole word."""
        least, most = self._ranges
        found: list[Gram] = []
        for match in re.finditer(r"\S+", prepared):
            word = f" {match.group()} "
            for n in range(least, most + 1):
                found += [(word[i : i + n], (match.span(),)) for i in range(max(1, len(word) - n + 1))]
                if n >= len(word):
                    # A short word is counted once.
                    break
        return found


def read_bag(transform: Any) -> Bag:
    """Return fitted steps, from documents to columns, as a bag of words.

    Parameters
    ----------
    transform : Pipeline, FeatureUnion or vectorizer of scikit-learn

    Raises
    ------
    CannotExplainError
        It is something else, or columns are mixed on the way.

    """
    sources = tuple(_sources(transform))
    bag = Bag(sources, transform.transform)
    if bag.rows([""]).nnz:
        raise CannotExplainError("a document without words does not come out as zeros")
    return bag


def _sources(step: Any) -> list[Source]:
    origin = origin_of(step)
    names = {name for package, name in origin if package == "sklearn"}
    shown = ".".join(origin[0])
    if names & {"CountVectorizer", "HashingVectorizer"}:
        vectorizer = Vectorizer(step)
        return [Source(vectorizer, np.arange(vectorizer.n_columns))]
    if "Pipeline" in names:
        first, *others = (inner for _, inner in step.steps if inner not in (None, "passthrough"))
        sources = _sources(first)
        for other in others:
            sources = [Source(source.vectorizer, _behind(other, source.columns)) for source in sources]
        return sources
    if "FeatureUnion" in names:
        sources, offset = [], 0
        for _, inner in step.transformer_list:
            if isinstance(inner, str):
                if inner == "drop":
                    continue
                raise CannotExplainError("a FeatureUnion passes documents through")
            inner_sources = _sources(inner)
            sources += [Source(s.vectorizer, np.where(s.columns < 0, -1, s.columns + offset)) for s in inner_sources]
            offset += int(inner.transform([""]).shape[1])
        return sources
    raise CannotExplainError(f"{shown} is no vectorizer whose words are known")


def _behind(step: Any, columns: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return where columns are behind one more step."""
    names = {name for package, name in origin_of(step) if package == "sklearn"}
    if names & set(_KEEPS_COLUMNS):
        return columns
    if hasattr(step, "get_support"):
        kept = np.asarray(step.get_support())
        places = np.where(kept, np.cumsum(kept) - 1, -1)
        return np.where(columns < 0, -1, places[columns])
    raise CannotExplainError(f"{'.'.join(origin_of(step)[0])} mixes the columns of the words")


def _word_at(words: Words) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the word at each character, -1 between words; and the last word that begins at or before it."""
    at = np.full(len(words.text) + 1, -1, np.intp)
    before = np.zeros(len(words.text) + 1, np.intp)
    for position, (start, end) in enumerate(zip(words.starts.tolist(), words.ends.tolist(), strict=True)):
        at[start:end] = position
        before[start:] = position
    return at, before


def _single_spaces(text: str) -> tuple[str, list[int]]:
    """Return the text with runs of white space as one space, as the analyzers of characters do, and the places."""
    pieces: list[str] = []
    origin: list[int] = []
    at = 0
    for match in _SPACES.finditer(text):
        pieces += [text[at : match.start()], " "]
        origin += [*range(at, match.start()), match.start()]
        at = match.end()
    return "".join([*pieces, text[at:]]), [*origin, *range(at, len(text))]
