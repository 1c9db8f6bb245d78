"""How exact estimated values are, gathered batch by batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class Precision:
    """Collects the standard errors of values.

    Parameters
    ----------
    n_rows : int, optional
        Keep those of so many rows. None: only what is said of them.

    Attributes
    ----------
    errors : ndarray of float64, shape (C, N, F), or None

    """

    def __init__(self, n_rows: int | None) -> None:
        self.errors: NDArray[np.float64] | None = None
        self._n_rows = n_rows
        self._relative: list[float] = []
        self._samples: list[int] = []
        self._all_exact = True

    def add(
        self, errors: NDArray[np.float64], relative: Sequence[float], samples: Sequence[int], *, all_exact: bool
    ) -> None:
        """Take the standard errors (C, n, F) of the next rows, their lengths beside the values', and coalitions."""
        self._all_exact = self._all_exact and all_exact
        start = len(self._relative)
        if self._n_rows is not None:
            if self.errors is None:
                self.errors = np.zeros((len(errors), self._n_rows, errors.shape[2]))
            self.errors[:, start : start + len(relative)] = errors
        self._relative.extend(relative)
        self._samples.extend(samples)

    def notes(self) -> tuple[str, ...]:
        """Return what an explanation says of it."""
        if not self._relative:
            return ()
        fewest, most = min(self._samples), max(self._samples)
        asked = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
        if self._all_exact:
            return (f"estimator: exact, all coalitions of features ({asked} for each row)",)
        middle, largest = float(np.median(self._relative)), max(self._relative)
        return (
            f"estimator: regression-adjusted, {asked} coalitions of features for each row; standard error of a row's "
            f"values, beside their length: median {middle:.1%}, largest {largest:.1%}",
        )
