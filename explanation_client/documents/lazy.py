"""Documents that are read when something asks for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.documents.data import Document, Documents, IntArray, Offsets, Sentences
from explanation_client.importances import AnyImportances, FloatArray, Importances


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


def _same_object(documents: Documents) -> Documents:
    return documents
