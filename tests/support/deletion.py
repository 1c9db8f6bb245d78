"""The deletion test: how much a model's probability falls as the words that were ranked first are taken out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Predict = Callable[[list[str]], Floats]

_WORD = re.compile(r"\w+")


class Deletion:
    """One document, whose words are taken out wherever they occur.

    Parameters
    ----------
    text : str
    predict : callable
        From documents to probabilities (n, C).
    fold : bool
        Words that differ in case only are one word.

    """

    def __init__(self, text: str, predict: Predict, *, fold: bool = True) -> None:
        self._predict = predict
        matches = list(_WORD.finditer(text))
        names = [match.group().lower() if fold else match.group() for match in matches]
        self.words = list(dict.fromkeys(names))
        places = {word: i for i, word in enumerate(self.words)}
        self._kinds = np.array([places[name] for name in names], np.intp)
        starts = [0, *(match.end() for match in matches)]
        ends = [*(match.start() for match in matches), len(text)]
        self._gaps = [text[a:b] for a, b in zip(starts, ends, strict=True)]
        self._spelled = [match.group() for match in matches]
        self.whole = predict([text])[0]
        self.predicted = int(self.whole.argmax())

    def copy(self, kept: NDArray[np.bool_]) -> str:
        """Return the text with some of its words; what stands between them stays."""
        there = kept[self._kinds]
        pieces = [self._gaps[0]]
        for word, is_there, gap in zip(self._spelled, there, self._gaps[1:], strict=True):
            pieces += [word if is_there else "", gap]
        return "".join(pieces)

    def fall(self, ranked: Sequence[str], *, most: int = 10) -> float:
        """Return by how much the probability of the predicted class falls, on average over the first 1 to 10 words."""
        kept = np.ones(len(self.words), bool)
        copies = []
        for word in ranked[:most]:
            kept[self.words.index(word)] = False
            copies.append(self.copy(kept))
        return float((self.whole[self.predicted] - self._predict(copies)[:, self.predicted]).mean())

    def at_random(self, seed: int = 0) -> list[str]:
        """Return the words in a random order."""
        return [self.words[i] for i in np.random.default_rng([seed, len(self.words)]).permutation(len(self.words))]

    def lime(self, n_samples: int, *, seed: int = 0) -> list[str]:
        """Return the words as LIME ranks them for the predicted class (Ribeiro, Singh and Guestrin 2016).

        Words are kept or taken out at random, any number alike often; a ridge regression of the probability weighs
        copies by their cosine distance from the document, as LIME's explainer of texts does by default.
        """
        rng, n_words = np.random.default_rng(seed), len(self.words)
        removed = rng.integers(1, n_words + 1, n_samples)
        kept = rng.random((n_samples, n_words)).argsort(axis=1) >= removed[:, None]
        kept[0] = True
        answers = self._predict([self.copy(row) for row in kept])[:, self.predicted]
        distances = 100.0 * (1.0 - np.sqrt(kept.mean(axis=1)))
        weights = np.sqrt(np.exp(-(distances**2) / 25.0**2))
        x, y = kept.astype(np.float64), answers
        x, y = x - weights @ x / weights.sum(), y - weights @ y / weights.sum()
        slopes = np.linalg.solve(x.T @ (x * weights[:, None]) + np.eye(n_words), x.T @ (weights * y))
        return [self.words[i] for i in np.argsort(-slopes, kind="stable")]
