"""Interactions of pairs of features over all rows, as matrices of mean absolute values.

The two feature axes are always last. :class:`Interactions` either holds all features in their order (``index`` is
None), or those that a cut kept. :class:`LazyInteractions` answers the same questions for matrices that still lie in a
store.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from explanation_client.errors import InvalidArgumentError, InvalidExplanationError
from explanation_client.importances import FloatArray, IndexArray, same_bits


@dataclass(frozen=True, slots=True, eq=False)
class Interactions:
    """Mean absolute interaction values of pairs of features, one symmetric matrix for each output.

    Off the diagonal stands a pair's interaction, half of it at either place; on the diagonal what is left of a
    feature's own importance, its main effect. Values are means over rows of magnitudes, so that rows of the matrix do
    not add up to the global importances, as the interaction values of one row do to its local importances.

    Parameters
    ----------
    values : ndarray of float32 or float64, shape (C, k, k)
        Not negative.
    index : ndarray of int32, shape (k,), optional
        Position of the feature of each row and column. None: all features, in order.

    Raises
    ------
    InvalidExplanationError
        These are no such matrices, or the index names a feature twice.

    """

    values: FloatArray
    index: IndexArray | None = None

    def __post_init__(self) -> None:
        values, index = self.values, self.index
        if not isinstance(values, np.ndarray) or values.dtype not in (np.float32, np.float64):
            kind = getattr(values, "dtype", type(values).__name__)
            raise InvalidExplanationError(f"interactions are arrays of float32 or float64, not {kind}")
        if values.ndim != 3 or values.shape[1] != values.shape[2] or not values.size:
            raise InvalidExplanationError(f"interactions have shape {values.shape}, expected (outputs, k, k)")
        if (values < 0).any():
            raise InvalidExplanationError(f"interactions are means of absolute values, got {values.min()}")
        if not np.array_equal(values, values.swapaxes(1, 2), equal_nan=True):
            raise InvalidExplanationError("interactions are not symmetric: a pair has one value, whichever comes first")
        if index is None:
            return
        if index.dtype != np.int32 or index.shape != values.shape[2:]:
            raise InvalidExplanationError(
                f"the index of the interactions is {index.dtype} of shape {index.shape}, expected int32 of "
                f"shape {values.shape[2:]}"
            )
        if index.min() < 0 or len(np.unique(index)) != len(index):
            raise InvalidExplanationError("the index of the interactions names a feature twice, or a negative position")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Outputs, kept features, kept features."""
        return self.values.shape[0], self.values.shape[1], self.values.shape[2]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self.values.dtype

    @property
    def is_ranked(self) -> bool:
        """Whether these are the features that a cut kept, most important first."""
        return self.index is not None

    @property
    def is_loaded(self) -> bool:
        """Whether the values are in memory: yes."""
        return True

    @property
    def positions(self) -> IndexArray:
        """Position of the feature of each row and column, int32 of shape (k,)."""
        return np.arange(self.shape[2], dtype=np.int32) if self.index is None else self.index

    def load(self) -> Interactions:
        """Return self: these values are in memory."""
        return self

    def pairs(self, top_k: int | None = None) -> tuple[IndexArray, FloatArray]:
        """Return the positions (P, 2) of pairs of two features and their values (P,), most important first.

        With several outputs, pairs are ranked by the mean over outputs, which is the value returned. Ties keep the
        order of the features.

        Raises
        ------
        InvalidArgumentError
            ``top_k`` is not between 1 and the number of pairs.

        """
        first, second = np.triu_indices(self.shape[2], 1)
        if top_k is not None and (
            isinstance(top_k, bool) or not isinstance(top_k, (int, np.integer)) or not 1 <= top_k <= len(first)
        ):
            raise InvalidArgumentError(f"top_k={top_k!r}: a whole number from 1 to {len(first)} pairs, or None for all")
        values = self.values.mean(axis=0, dtype=np.float64)[first, second]
        order = np.argsort(-values, kind="stable")[:top_k]
        chosen = np.stack([first[order], second[order]], axis=1)
        return self.positions[chosen], values[order].astype(self.dtype)

    def cut(self, top_k: int, ranking: IndexArray) -> Interactions:
        """Return the pairs among ``top_k`` features: those that come first in a ranking of positions.

        Features that are not in the ranking come after those that are, in their order here.
        """
        here = self.positions
        last = int(max(here.max(), ranking.max())) + 1
        places = np.full(last, last)
        places[ranking] = np.arange(len(ranking))
        kept = np.argsort(places[here], kind="stable")[:top_k]
        return Interactions(self.values[:, kept[:, None], kept], here[kept])

    def take(self, output: int) -> Interactions:
        """Return the matrix of one output, shape (1, k, k)."""
        return Interactions(self.values[output : output + 1], self.index)

    def same_as(self, other: AnyInteractions) -> bool:
        """Whether both hold the same values, bit for bit, of the same features in the same order."""
        theirs = other.load()
        return same_bits(self.values, theirs.values) and same_bits(self.index, theirs.index)

    def check_finite(self, features: tuple[str, ...]) -> None:
        """Raise ``InvalidExplanationError`` that names the first pair with NaN or infinity, if there is one."""
        finite = np.isfinite(self.values)
        if not finite.all():
            place = tuple(int(i) for i in np.argwhere(~finite)[0])
            a, b = (features[int(self.positions[i])] for i in place[1:])
            raise InvalidExplanationError(f"interactions hold {self.values[place]} for features {a!r} and {b!r}")


class LazyInteractions:
    """Interactions that are read on first use. Has the interface of :class:`Interactions`; safe in several threads.

    Parameters
    ----------
    read : callable
        Returns the interactions.
    shape : tuple of int
        Outputs, kept features, kept features.
    dtype : dtype
    is_ranked : bool
        Whether these are the features that a cut kept.

    """

    __slots__ = ("_loaded", "_lock", "_read", "dtype", "is_ranked", "shape")

    def __init__(
        self, read: Callable[[], Interactions], *, shape: tuple[int, int, int], dtype: np.dtype[Any], is_ranked: bool
    ) -> None:
        self._read = read
        self._loaded: Interactions | None = None
        self._lock = threading.Lock()
        self.shape = shape
        self.dtype = dtype
        self.is_ranked = is_ranked

    @property
    def is_loaded(self) -> bool:
        """Whether the values have been read."""
        return self._loaded is not None

    @property
    def values(self) -> FloatArray:
        """The values, read now if they were not yet."""
        return self.load().values

    @property
    def index(self) -> IndexArray | None:
        """Position of the feature of each row and column; None: all features, in order."""
        return self.load().index if self.is_ranked else None

    @property
    def positions(self) -> IndexArray:
        """Position of the feature of each row and column, int32 of shape (k,)."""
        return self.load().positions

    def load(self) -> Interactions:
        """Return the values in memory; reads them once."""
        with self._lock:
            if self._loaded is None:
                self._loaded = self._read()
            return self._loaded

    def pairs(self, top_k: int | None = None) -> tuple[IndexArray, FloatArray]:
        """Return the pairs of two features, most important first; see :meth:`Interactions.pairs`."""
        return self.load().pairs(top_k)

    def cut(self, top_k: int, ranking: IndexArray) -> LazyInteractions:
        """Return the pairs among ``top_k`` features, still unread; see :meth:`Interactions.cut`."""
        kept = min(top_k, self.shape[2])
        shape = (self.shape[0], kept, kept)
        return self._then(lambda whole: whole.cut(top_k, ranking), shape, is_ranked=True)

    def take(self, output: int) -> LazyInteractions:
        """Return the matrix of one output, shape (1, k, k), still unread."""
        return self._then(lambda whole: whole.take(output), (1, *self.shape[1:]), is_ranked=self.is_ranked)

    def same_as(self, other: AnyInteractions) -> bool:
        """Whether both hold the same values, bit for bit, of the same features in the same order."""
        return self.load().same_as(other)

    def check_finite(self, features: tuple[str, ...]) -> None:
        """Raise ``InvalidExplanationError`` if there is NaN or infinity; see :meth:`Interactions.check_finite`."""
        self.load().check_finite(features)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the values themselves: the copy no longer needs the store."""
        loaded = self.load()
        return Interactions, (loaded.values, loaded.index)

    def _then(
        self, change: Callable[[Interactions], Interactions], shape: tuple[int, int, int], *, is_ranked: bool
    ) -> LazyInteractions:
        # What has been read is used; what has not been is not kept whole for the sake of a part.
        read = self.load if self.is_loaded else self._read
        return LazyInteractions(lambda: change(read()), shape=shape, dtype=self.dtype, is_ranked=is_ranked)


AnyInteractions = Interactions | LazyInteractions


def interaction_problems(interactions: AnyInteractions | None, n_outputs: int, n_features: int) -> Iterable[str]:
    """Yield how interactions do not fit an explanation of so many outputs and features."""
    if interactions is None:
        return
    kept = interactions.shape[2] if interactions.is_ranked else n_features
    if interactions.shape != (n_outputs, kept, kept):
        yield f"interactions have shape {interactions.shape}, expected {(n_outputs, kept, kept)}"
    if kept > n_features:
        yield f"interactions keep {kept} of {n_features} features"
    if interactions.is_loaded and interactions.is_ranked and interactions.positions.max() >= n_features:
        yield f"interactions name a feature position outside 0 to {n_features - 1}"
