"""Values of words from the answers to copies of a document that lack some of them.

A sparse linear model says what each missing word changes (:mod:`~explanation_client.explainers.text.sparse`). Copies
lack words at random at first; later ones lack a word the more often, the more it seemed to change, so that words are
judged in the company that counts. What the words' changes leave of the way from the empty document to the whole is
shared among the words that speak in its direction, in proportion, so that values add up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from explanation_client.explainers.text.sparse import SparseFit, fit_sparse
from explanation_client.explainers.text.words import Floats, Masks, Words

Answer = Callable[[Sequence[str]], Floats]

# Copies that "auto" asks for in each round, until values are accurate: far fewer than the originals' thousand.
ROUNDS = (128, 128, 256)
# The standard error of a document's values, beside their length, at which "auto" stops.
ACCURACY = 0.1
# Up to so many words every copy is asked for.
_LISTED_WORDS = 7
# The largest share of words that a copy of the first round lacks: next to nothing left is no longer the document.
_MOST_REMOVED = 0.75
# How often copies of later rounds lack the word that matters most, and those that matter least.
_OFTEN, _SELDOM = 0.5, 0.05
# Where occurrences are told apart, one of so many copies lacks single ones; the others lack all of what they lack. With
# more of them fewer of the words that count are found, with less fewer of the places where they do.
_BY_PLACE = 4
# Of what values leave over, the part that all words share whatever they say, beside their mean.
_FLOOR = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Values of the words of one document.

    Parameters
    ----------
    values : ndarray of float64, shape (t, C)
    error : float
        Length of the standard errors beside that of the values; 0 where every copy was asked for.
    explained : float
        Share of what the copies changed that the linear model explains.
    n_copies : int
        Copies that the model was asked about.

    """

    values: Floats
    error: float
    explained: float
    n_copies: int


class Removal:
    """The values of one document while they are being found: copies to ask for, answers to learn from.

    Parameters
    ----------
    words : Words
    whole, empty : ndarray of float64, shape (C,)
        Answers to the document and to the empty one.
    by_name : bool
        The order of words cannot matter to the model: words of one name are always removed together.
    rounds : sequence of int
        Copies to ask for, round by round.
    stops_early : bool
        Whether rounds end once values are accurate.
    seed : int

    """

    def __init__(
        self,
        words: Words,
        whole: Floats,
        empty: Floats,
        *,
        by_name: bool,
        rounds: Sequence[int],
        stops_early: bool,
        seed: int,
    ) -> None:
        self._words = words
        self._whole, self._total = whole, whole - empty
        self._by_name = by_name
        self._n_players = len(words.names) if by_name else len(words)
        self._lists_all = self._n_players <= _LISTED_WORDS
        self._rounds = [1] if self._lists_all else list(rounds)
        self._stops_early = stops_early
        # Of its own, so that the values of a document do not depend on those explained with it.
        self._rng = np.random.default_rng([seed, len(words), len(words.names)])
        self._removed: list[Masks] = []
        self._changes: list[Floats] = []
        self._fit: SparseFit | None = None

    @property
    def is_done(self) -> bool:
        """Whether no more copies are to be asked for."""
        return not self._rounds or (self._stops_early and self._fit is not None and self._error() <= ACCURACY)

    def asks(self) -> list[str]:
        """Return the copies to be answered next."""
        n_copies = self._rounds.pop(0)
        if self._lists_all:
            self._drawn = _every_removal(self._n_players)
        elif self._fit is None:
            self._drawn = self._at_random(n_copies)
        else:
            self._drawn = self._by_importance(n_copies)
        return self._words.copies(~self._by_word(self._drawn))

    def learn(self, answers: Floats) -> None:
        """Take the answers (n, C) to the copies that were asked for."""
        self._removed.append(self._drawn)
        self._changes.append(answers - self._whole)
        removed = np.concatenate(self._removed)
        self._fit = fit_sparse(self._columns(removed), np.concatenate(self._changes))

    def found(self) -> Found:
        """Return the values as they are known now."""
        assert self._fit is not None
        values = shared_out(self._effects(), self._total)
        n_copies = sum(len(removed) for removed in self._removed)
        return Found(values, 0.0 if self._lists_all else self._error(), self._fit.explained, n_copies)

    def _error(self) -> float:
        assert self._fit is not None
        length = float(np.linalg.norm(self._fit.coefficients))
        spread = float(np.sqrt(self._fit.variances.sum() * self._fit.coefficients.shape[1]))
        return spread / length if length else 0.0

    def _columns(self, removed: Masks) -> Floats:
        """Return what the linear model sees of copies: the share of each name that is missing, and each place."""
        if self._by_name:
            return removed.astype(np.float64)
        kinds = self._words.kinds
        shares = np.zeros((len(kinds), len(self._words.names)))
        shares[np.arange(len(kinds)), kinds] = 1.0 / np.bincount(kinds)[kinds]
        missing = removed.astype(np.float64)
        # A word that occurs once has one column for both.
        return np.hstack([missing @ shares, missing[:, self._repeated]])

    @property
    def _repeated(self) -> NDArray[np.bool_]:
        return np.asarray(np.bincount(self._words.kinds)[self._words.kinds] > 1)

    def _effects(self) -> Floats:
        """Return what each word adds by being there, (t, C)."""
        assert self._fit is not None
        kinds, n_names = self._words.kinds, len(self._words.names)
        effects = -self._fit.coefficients[:n_names][kinds] / np.bincount(kinds)[kinds][:, None]
        if not self._by_name:
            effects[self._repeated] -= self._fit.coefficients[n_names:]
        return np.asarray(effects)

    def _by_word(self, removed: Masks) -> Masks:
        return removed[:, self._words.kinds] if self._by_name else removed

    def _at_random(self, n_copies: int) -> Masks:
        """Return copies that lack one word to three quarters of them, every number alike often."""
        names, places = len(self._words.names), len(self._words)
        drawn = _draw(self._rng, n_copies, names)
        if self._by_name:
            return drawn
        return _mostly(drawn[:, self._words.kinds], _draw(self._rng, n_copies, places))

    def _by_importance(self, n_copies: int) -> Masks:
        """Return copies that lack each word the more often, the larger the root of its largest effect."""
        kinds = self._words.kinds
        sizes = np.abs(self._words.by_name(self._effects())).max(axis=1)
        rates = np.clip(_OFTEN * np.sqrt(sizes / max(float(sizes.max()), 1e-300)), _SELDOM, _OFTEN)
        drawn = self._rng.random((n_copies, len(rates))) < rates
        if self._by_name:
            return np.asarray(drawn)
        return _mostly(drawn[:, kinds], self._rng.random((n_copies, len(kinds))) < rates[kinds])


def find_all(removals: Sequence[Removal], answer: Answer) -> list[Found]:
    """Return the values of several documents, whose copies are answered together."""
    waiting = [removal for removal in removals if not removal.is_done]
    while waiting:
        copies = [removal.asks() for removal in waiting]
        answers = answer([copy for some in copies for copy in some])
        at = 0
        for removal, some in zip(waiting, copies, strict=True):
            removal.learn(answers[at : at + len(some)])
            at += len(some)
        waiting = [removal for removal in waiting if not removal.is_done]
    return [removal.found() for removal in removals]


def plan_rounds(nsamples: int | str) -> tuple[int, ...]:
    """Return how many copies to ask for in each round."""
    if nsamples == "auto":
        return ROUNDS
    first = max(1, int(nsamples) // 4)
    return tuple(count for count in (first, first, int(nsamples) - 2 * first) if count > 0)


def shared_out(effects: Floats, totals: Floats) -> Floats:
    """Return values (t, C) that add up to totals (C,), of effects (t, C) that need not.

    What is left over goes to the effects of its own sign in proportion, so that they keep their order. A small part
    goes to all words alike, and all of it where there is no effect of its sign.
    """
    left = totals - effects.sum(axis=0)
    shares = np.maximum(effects * np.sign(left), 0.0) + _FLOOR * np.abs(effects).mean(axis=0)
    sums = shares.sum(axis=0)
    even = np.full_like(effects, 1.0 / len(effects))
    return np.asarray(effects + left * np.where(sums > 0, shares / np.where(sums > 0, sums, 1.0), even))


def _draw(rng: np.random.Generator, n_copies: int, n_players: int) -> Masks:
    most = max(1, int(np.ceil(_MOST_REMOVED * n_players)))
    counts = rng.integers(1, most + 1, n_copies)
    return np.asarray(rng.random((n_copies, n_players)).argsort(axis=1).argsort(axis=1) < counts[:, None])


def _mostly(first: Masks, second: Masks) -> Masks:
    """Return every fourth copy from the second, and the others from the first."""
    return np.where((np.arange(len(first)) % _BY_PLACE != 0)[:, None], first, second)


def _every_removal(n_players: int) -> Masks:
    """Return all copies that lack something and have something."""
    listed = np.array(list(product([False, True], repeat=n_players)), np.bool_)
    return listed[1:-1] if n_players > 1 else listed[1:]
