"""Values of words for any model, from its answers to copies of each document that lack some."""

from __future__ import annotations

import numpy as np

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.coalitions import draw_pairs
from explanation_client.explainers.model import LOG_ODDS, PROBABILITY
from explanation_client.explainers.regression_adjusted import ACCURACY, Estimate, estimate, plan
from explanation_client.explainers.text.model import Answers, DocumentModel, log_odds
from explanation_client.explainers.text.removal import Found, Removal, find_all, plan_rounds
from explanation_client.explainers.text.words import Floats, WordReader, Words

# Pairs of coalitions that Shapley values of a document take at most, unless a number is asked for.
_MOST_PAIRS = 512


class GeneralRoute:
    """Values of words from copies of the documents.

    Parameters
    ----------
    model : DocumentModel
    reader : WordReader
    output : "auto", "log-odds" or "probability"
        What values of a classifier with probabilities add up to.
    by_name : bool
        Words of one name are removed together.
    nsamples : "auto" or int
    seed : int
    call_size : int
        Documents in a call of the model.

    Attributes
    ----------
    answers : Answers
        What the model is asked through.

    """

    method: str
    how: str
    packages: tuple[str, ...] = ("scipy",)

    def __init__(
        self,
        model: DocumentModel,
        reader: WordReader,
        *,
        output: str,
        by_name: bool,
        nsamples: int | str,
        seed: int,
        call_size: int,
    ) -> None:
        if output != "auto" and model.own_space != PROBABILITY:
            raise InvalidArgumentError(
                f"output={output!r}: {model.short_name} gives no probabilities, so that values are of its "
                f"{model.own_space}; leave output out"
            )
        takes_log_odds = model.own_space == PROBABILITY and output != PROBABILITY
        self.space = LOG_ODDS if takes_log_odds else model.own_space
        self.answers = Answers(model.answer, call_size)
        self._reader = reader
        self._by_name = by_name
        self._nsamples = nsamples
        self._seed = seed
        self._found: list[Found] = []
        self.base_values = self._worth([""])[0]

    @property
    def batch_size(self) -> int:
        """Documents explained at a time: their copies make up large calls."""
        return 16

    def explain(self, texts: list[str]) -> list[tuple[Words, Floats]]:
        """Return the words of each document, and their values (t, C)."""
        read = [self._reader.read(text) for text in texts]
        wholes = self._worth(texts)
        values = [np.zeros((len(words), len(self.base_values))) for words in read]
        # The empty document has no words, and the base value is its answer.
        some = [i for i, words in enumerate(read) if len(words)]
        found = self._find([read[i] for i in some], wholes[some])
        for i, one in zip(some, found, strict=True):
            values[i] = one.values
        self._found += found
        return list(zip(read, values, strict=True))

    def notes(self) -> tuple[str, ...]:
        """Return how many copies were asked for, and how exact the values are, of all documents since the last call."""
        found, self._found = self._found, []
        if not found:
            return ()
        copies = [one.n_copies for one in found]
        asked = f"{min(copies):,}" if min(copies) == max(copies) else f"{min(copies):,} to {max(copies):,}"
        errors, fits = [one.error for one in found], [one.explained for one in found]
        return (
            f"copies: {asked} of each document; standard error of a document's values, beside their length: median "
            f"{np.median(errors):.1%}, largest {max(errors):.1%}",
            *self._more_notes(fits),
        )

    def _more_notes(self, fits: list[float]) -> tuple[str, ...]:
        return ()

    def _worth(self, texts: list[str]) -> Floats:
        answers = self.answers(texts)
        return log_odds(answers) if self.space == LOG_ODDS else answers

    def _find(self, read: list[Words], wholes: Floats) -> list[Found]:
        raise NotImplementedError


class RemovalRoute(GeneralRoute):
    """What removing words changes, made to add up; see :mod:`~explanation_client.explainers.text.removal`."""

    method = "text_removal"
    how = "values from answers to copies of the document that lack some of its words"

    def _find(self, read: list[Words], wholes: Floats) -> list[Found]:
        removals = [
            Removal(
                words, whole, self.base_values, by_name=self._by_name, rounds=plan_rounds(self._nsamples),
                stops_early=self._nsamples == "auto", seed=self._seed,
            )
            for words, whole in zip(read, wholes, strict=True)
        ]  # fmt: skip
        return find_all(removals, lambda texts: self._worth(list(texts)))

    def _more_notes(self, fits: list[float]) -> tuple[str, ...]:
        return (
            f"linear fits to what the copies change: share explained (R²) median {np.median(fits):.2f}, least "
            f"{min(fits):.2f}",
        )


class ShapleyRoute(GeneralRoute):
    """Shapley values, as :class:`~explanation_client.explainers.kernel.KernelExplainer` estimates them."""

    method = "text_shapley"
    how = "Shapley values from answers to copies of the document that lack some of its words"

    def _find(self, read: list[Words], wholes: Floats) -> list[Found]:
        return [self._one(words, whole) for words, whole in zip(read, wholes, strict=True)]

    def _one(self, words: Words, whole: Floats) -> Found:
        n_players = len(words.names) if self._by_name else len(words)
        totals = whole - self.base_values
        found, n_copies = Estimate(np.tile(totals, (n_players, 1)) / n_players, np.zeros((n_players, 1)), True), 0
        for n_pairs in _pairs(n_players, self._nsamples) if n_players > 1 else []:
            pairs = draw_pairs(n_players, n_pairs, seed=self._seed)
            kept = pairs.masks[:, words.kinds] if self._by_name else pairs.masks
            differences = (self._worth(words.copies(kept)) - self._worth(words.copies(~kept))) / 2
            found, n_copies = estimate(pairs, differences, totals, seed=self._seed), 2 * len(kept)
            if found.relative_error <= ACCURACY:
                break
        values = found.values
        if self._by_name:
            values = values[words.kinds] / np.bincount(words.kinds)[words.kinds][:, None]
        return Found(values, found.relative_error, 1.0, n_copies)


def _pairs(n_players: int, nsamples: int | str) -> list[int]:
    steps = plan(n_players, nsamples)
    if nsamples != "auto":
        return steps
    return [n_pairs for n_pairs in steps if n_pairs <= _MOST_PAIRS] or [min(steps[0], max(_MOST_PAIRS, n_players))]
