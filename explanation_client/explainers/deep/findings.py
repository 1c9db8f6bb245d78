"""How well values add up, and what that took, gathered batch by batch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Sums:
    """Collects what sums of values miss.

    Attributes
    ----------
    gap : float
        The largest miss.
    effect : float
        The largest difference between what the network says of a row and of the background.

    """

    def __init__(self) -> None:
        self.gap = 0.0
        self.effect = 0.0
        self._fewest = 0
        self._most = 0

    def add(self, effects: Floats, sums: Floats, taken: NDArray[np.intp]) -> None:
        """Take the effects (K, n) and sums (K, n) of more rows, and how many gradients their paths took (n, B)."""
        self.gap = max(self.gap, float(np.abs(sums - effects).max()))
        self.effect = max(self.effect, float(np.abs(effects).max()))
        self._fewest = int(taken.min()) if self._most == 0 else min(self._fewest, int(taken.min()))
        self._most = max(self._most, int(taken.max()))

    def notes(self) -> tuple[str, ...]:
        """Return what an explanation says of it."""
        if self._most == 0:
            return ()
        share = self.gap / self.effect if self.effect > 0.0 else 0.0
        spent = f"{self._most}" if self._fewest == self._most else f"{self._fewest} to {self._most}"
        passes = "pass" if self._most == 1 else "passes"
        return (
            f"sums: values miss the network's output by at most {share:.0e} of the largest effect, with {spent} "
            f"{passes} through the network for each row and background row",
        )
