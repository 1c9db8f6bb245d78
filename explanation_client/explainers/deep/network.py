"""A network as explainers see it: from rows to columns of numbers and their gradients, whatever computes them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import is_instance_of
from explanation_client.errors import InvalidArgumentError, UnsupportedModelError

Floats = NDArray[np.float64]
# What a network does last: "softmax" and "sigmoid" make probabilities of scores.
Head = Literal["none", "sigmoid", "softmax"]

# Rows that a network is tried with when it is read.
_TRIED_ROWS = 20


class Network(ABC):
    """A trained network from rows (N, F) to K columns.

    Each call leaves it as it was: training or evaluation mode, its parameters' gradients, random numbers.

    Parameters
    ----------
    name : str
        For messages.
    dtype : dtype
        The type of number that it computes in.
    rows : table of shape (N, F)
        Rows to try it with.

    Attributes
    ----------
    head : "none", "sigmoid" or "softmax"
        What it does last.
    n_columns : int
        K.

    Raises
    ------
    UnsupportedModelError
        It does not take such rows, or what it returns is no table of numbers.

    """

    # Distributions whose versions matter for the values, besides those of its classes.
    packages: tuple[str, ...] = ()

    def __init__(self, name: str, dtype: np.dtype[Any], rows: Any) -> None:
        self.name = name
        self.dtype = dtype
        tried = self.numbers(rows[:_TRIED_ROWS])
        try:
            returned, _, self.head = self._run(tried)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise UnsupportedModelError(
                f"{name} fails on {len(tried)} rows of {tried.shape[1]} columns, as {tried.dtype}: {error}"
            ) from error
        self.n_columns: int = self._columns(returned, len(tried)).shape[1]
        # Rows that it is given at a time.
        self.limit = self._find_limit(tried)

    # --- What a framework writes ---------------------------------------------------------------------------------

    @abstractmethod
    def _run(self, points: NDArray[Any]) -> tuple[Any, Any, Head]:
        """Return what the network returns for some rows, what goes into its head, and the head.

        Both as arrays; where there is no head, what goes into it is what comes out.
        """

    @abstractmethod
    def _slopes(self, points: NDArray[Any]) -> tuple[Any, Any]:
        """Return what goes into the head, (N,) or (N, K), and its gradients, (K, N, F)."""

    @abstractmethod
    def _find_limit(self, points: NDArray[Any]) -> int:
        """Return how many rows it can be given at a time without taking much memory."""

    # --- What explainers use -------------------------------------------------------------------------------------

    @property
    def rounding(self) -> float:
        """Relative rounding error of its numbers."""
        return 8.0 * float(np.finfo(self.dtype).eps)

    def numbers(self, rows: Any) -> NDArray[Any]:
        """Return rows as a dense array of the network's type of number.

        Raises
        ------
        InvalidArgumentError
            There is something else in them than numbers.

        """
        return as_numbers(rows, self.dtype, self.name)

    def outputs(self, rows: Any) -> Floats:
        """Return what the network returns in evaluation mode, (N, K)."""
        return np.concatenate([self._columns(self._run(part)[0], len(part)) for part in self._parts(rows)])

    def scores(self, rows: Any) -> Floats:
        """Return what goes into its head, (N, K): the outputs where it has none."""
        return np.concatenate([self._columns(self._run(part)[1], len(part)) for part in self._parts(rows)])

    def gradients(self, points: NDArray[Any]) -> tuple[Floats, Floats]:
        """Return the scores (N, K) of some rows, and their gradients (K, N, F)."""
        found = [self._slopes(part) for part in self._parts(points)]
        scores = np.concatenate([self._columns(part, len(slopes[0])) for part, slopes in found])
        return scores, np.concatenate([np.asarray(slopes, np.float64) for _, slopes in found], axis=1)

    def _parts(self, rows: Any) -> Iterator[NDArray[Any]]:
        for start in range(0, rows.shape[0], self.limit):
            yield self.numbers(rows[start : start + self.limit])

    def _columns(self, returned: Any, n_rows: int) -> Floats:
        """Return a network's outputs as (N, K).

        Raises
        ------
        UnsupportedModelError
            They are something else.

        """
        is_array = isinstance(returned, np.ndarray)
        if not is_array or returned.dtype.kind != "f" or returned.ndim not in (1, 2) or len(returned) != n_rows:
            what = f"{returned.dtype} of shape {returned.shape}" if is_array else f"a {type(returned).__qualname__}"
            raise UnsupportedModelError(
                f"{self.name} returns {what} for {n_rows} rows, and floating point numbers of shape ({n_rows},) or "
                f"({n_rows}, K) are needed: wrap it in a module that returns them"
            )
        return np.asarray(returned.reshape(n_rows, -1), np.float64)


def as_numbers(rows: Any, dtype: np.dtype[Any], who: str) -> NDArray[Any]:
    """Return rows, an ndarray, DataFrame or CSR matrix, as a dense array of one type.

    Raises
    ------
    InvalidArgumentError
        There is something else in them than numbers.

    """
    try:
        if isinstance(rows, np.ndarray):
            return rows.astype(dtype)
        if is_instance_of(rows, "pandas", "DataFrame"):
            return np.asarray(rows.to_numpy(dtype, na_value=np.nan))
        return np.asarray(rows.toarray().astype(dtype))
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"the rows hold something else than numbers, and {who} takes numbers ({error}): pass rows as the network "
            "gets them, or raw rows and transformations="
        ) from error
