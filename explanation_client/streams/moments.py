"""Exact figures over rows that pass by: sums, means, deviations and extremes, which add up over parts of the rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explanation_client.importances import FloatArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moments:
    """Figures over some rows, each an array (C, F) of float64.

    Parameters
    ----------
    n_rows : int
    absolute : ndarray
        Sums of the absolute values, added up batch by batch, in the order of the batches.
    mean, squares : ndarray
        Means, and sums of the squared distances from them.
    low, high : ndarray
        Extremes.

    """

    n_rows: int
    absolute: Floats
    mean: Floats
    squares: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, values: FloatArray) -> Moments:
        """Return the figures of importances (C, n, F), n at least 1."""
        n_rows = values.shape[1]
        mean = values.sum(axis=1, dtype=np.float64) / n_rows
        distances = values - mean[:, None]
        return cls(
            n_rows=n_rows,
            absolute=np.abs(values).sum(axis=1, dtype=np.float64),
            mean=mean,
            squares=np.einsum("cnf,cnf->cf", distances, distances, dtype=np.float64),
            low=values.min(axis=1).astype(np.float64),
            high=values.max(axis=1).astype(np.float64),
        )

    def mirrored(self) -> Moments:
        """Return the figures of two outputs, of which these are the second's and the first is its negation."""
        return Moments(
            n_rows=self.n_rows,
            absolute=np.repeat(self.absolute, 2, axis=0),
            mean=np.concatenate([-self.mean, self.mean]),
            squares=np.repeat(self.squares, 2, axis=0),
            low=np.concatenate([-self.high, self.low]),
            high=np.concatenate([-self.low, self.high]),
        )

    def plus(self, other: Moments) -> Moments:
        """Return the figures of both together.

        The update of Chan, Golub and LeVeque (1979), which loses nothing where means are large beside deviations.
        """
        n_rows = self.n_rows + other.n_rows
        gap = other.mean - self.mean
        share = other.n_rows / n_rows
        return Moments(
            n_rows=n_rows,
            absolute=self.absolute + other.absolute,
            mean=self.mean + gap * share,
            squares=self.squares + other.squares + gap * gap * (self.n_rows * share),
            low=np.minimum(self.low, other.low),
            high=np.maximum(self.high, other.high),
        )

    def figures(self) -> dict[str, Floats]:
        """Return the figures under the names that the stored format has for them."""
        return {
            "mean_abs": self.absolute / self.n_rows,
            "mean": self.mean,
            "std": np.sqrt(self.squares / self.n_rows),
            "min": self.low,
            "max": self.high,
        }


def added(first: Moments | None, second: Moments | None) -> Moments | None:
    """Return the figures of both, of which either may be missing."""
    if first is None or second is None:
        return first or second
    return first.plus(second)
