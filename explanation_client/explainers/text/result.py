"""Values of words to an explanation: the words of all documents become the features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import EvaluationData
from explanation_client.documents import Documents, Sentences
from explanation_client.errors import InvalidArgumentError, InvalidExplanationError
from explanation_client.explainers.text.words import Floats, Words
from explanation_client.explanation import Explanation
from explanation_client.importances import Importances
from explanation_client.info import ExplanationInfo


class Collected:
    """Gathers the explained documents.

    Parameters
    ----------
    n_outputs : int
        C.
    keep_global : bool
        Add up the importances over the documents.
    keep_local : bool
        Keep the documents, and the importance of each word in them.

    """

    def __init__(self, n_outputs: int, *, keep_global: bool, keep_local: bool) -> None:
        self._keep_global, self._keep_local = keep_global, keep_local
        self._features: dict[str, int] = {}
        self._sums = np.zeros((n_outputs, 1024))
        self._words: list[Words] = []
        self._values: list[Floats] = []
        self._positions: list[NDArray[np.int32]] = []
        self._weights: list[Floats] = []
        self._sentence_weights: list[Floats] = []
        self._n_rows = 0

    def add(
        self, words: Words, values: Floats, weights: Floats | None = None, sentence_weights: Floats | None = None
    ) -> None:
        """Take one document, the values (t, C) of its words, and the weights of words (t,) and sentences (s,)."""
        if not np.isfinite(values).all():
            raise InvalidExplanationError(f"the importances of {words.text[:60]!r} are not all finite")
        places = np.array([self._features.setdefault(name, len(self._features)) for name in words.names], np.int32)
        self._n_rows += 1
        if self._keep_global:
            while len(self._features) > self._sums.shape[1]:
                self._sums = np.hstack([self._sums, np.zeros_like(self._sums)])
            self._sums[:, places] += np.abs(words.by_name(values)).T
        if not self._keep_local:
            return
        self._words.append(words)
        self._values.append(values)
        self._positions.append(places[words.kinds] if len(words) else np.empty(0, np.int32))
        if weights is not None:
            self._weights.append(weights)
        if sentence_weights is not None:
            self._sentence_weights.append(sentence_weights)

    @property
    def features(self) -> tuple[str, ...]:
        """The words of all documents, in the order in which they appear.

        Raises
        ------
        InvalidArgumentError
            There are none.

        """
        if not self._features:
            raise InvalidArgumentError("no document has a word: there is nothing to explain")
        return tuple(self._features)

    def documents(self) -> Documents:
        """Return the documents with the importance of every token."""
        spans = [words.sentences() for words in self._words]
        weights = self._sentence_weights
        return Documents(
            texts=np.array([words.text for words in self._words], dtype=object),
            offsets=_offsets([len(words) for words in self._words]),
            starts=np.concatenate([words.starts for words in self._words]),
            ends=np.concatenate([words.ends for words in self._words]),
            words=np.concatenate(self._positions),
            values=np.ascontiguousarray(np.concatenate(self._values).T),
            weights=np.concatenate(self._weights) if self._weights else None,
            sentences=Sentences(
                offsets=_offsets([len(starts) for starts, _ in spans]),
                starts=np.concatenate([starts for starts, _ in spans]),
                ends=np.concatenate([ends for _, ends in spans]),
                weights=np.concatenate(weights) if weights else None,
            ),
        )

    def explanation(self, info: ExplanationInfo, base_values: Floats, data: EvaluationData | None) -> Explanation:
        """Return the explanation of all documents."""
        features = self.features
        documents = self.documents() if self._keep_local else None
        per_class = self._sums[:, : len(features)] / self._n_rows if self._keep_global else None
        return Explanation(
            info=info,
            features=features,
            global_importances=None if per_class is None else Importances(per_class.mean(axis=0)),
            per_class_importances=Importances(per_class.copy())
            if per_class is not None and info.task == "classification"
            else None,
            local_importances=None if documents is None else documents.local_importances(len(features)),
            base_values=np.array(base_values, np.float64),
            data=data,
            documents=documents,
        )


def _offsets(counts: list[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
