"""Where engineered columns come from that are the same in all rows that were tried: by block, by name, by position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.explainers.inputs import Table
from explanation_client.explainers.list_transformation import ListTransformation
from explanation_client.explainers.probing import Trials

Positions = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """What is known of engineered columns without looking at their values.

    Parameters
    ----------
    n_raw, n_engineered : int
    blocks : tuple of (ndarray of int, slice)
        Raw columns, and the engineered ones that can only come from them.
    names : tuple of str
        Of the raw columns, as scikit-learn calls them where they have none.
    engineered : tuple of str, optional
        Names of the engineered columns.

    """

    n_raw: int
    n_engineered: int
    blocks: tuple[tuple[Positions, slice], ...]
    names: tuple[str, ...]
    engineered: tuple[str, ...] | None

    @classmethod
    def of(
        cls, fitted: Any, trials: Trials, names: tuple[str, ...] | None, engineered: tuple[str, ...] | None
    ) -> Places:
        """Return what transformations and their trials say."""
        n_raw, n_engineered = trials.shape
        found = [(_positions(columns, n_raw, names), block) for columns, block in _blocks(fitted, trials.sample)]
        blocks = tuple((rows, block) for rows, block in found if rows is not None)
        return cls(n_raw, n_engineered, blocks, names or tuple(f"x{j}" for j in range(n_raw)), engineered)

    def find(self, column: int, sources: Positions) -> Positions:
        """Return the raw columns that an engineered one may come from, as few as can be told.

        Parameters
        ----------
        column : int
        sources : ndarray of int, shape (E,)
            Raw columns of the others, as far as they are known, else -1.

        """
        positions, block = np.arange(self.n_raw), slice(0, self.n_engineered)
        for of_block, own in self.blocks:
            if own.start <= column < own.stop:
                positions, block = of_block, own
        rows = positions
        if len(rows) > 1 and self.engineered is not None:
            rows = self._named_in(self.engineered[column], rows)
        if len(rows) > 1 and _in_their_places(positions, sources[block]):
            return positions[[column - block.start]]
        return rows if len(rows) else np.arange(self.n_raw)

    def _named_in(self, engineered: str, rows: Positions) -> Positions:
        """Return the raw columns whose name stands in an engineered one's, the longest names of them."""
        plain = engineered.rpartition("__")[2]
        fitting = [
            i
            for i in rows
            if plain == self.names[i] or plain.startswith(f"{self.names[i]}_") or plain.endswith(f"_{self.names[i]}")
        ]
        longest = max((len(self.names[i]) for i in fitting), default=0)
        return np.array([i for i in fitting if len(self.names[i]) == longest], np.intp) if fitting else rows


def _in_their_places(positions: Positions, sources: Positions) -> bool:
    """Whether there are as many columns as before, and all that are known to come from one are where it was."""
    known = sources >= 0
    return len(positions) == len(sources) and bool(known.any()) and bool((sources == positions)[known].all())


def _blocks(fitted: Any, sample: Table) -> list[tuple[Any, slice]]:
    """Return raw columns and the engineered ones that are made from them, as far as the transformations say."""
    if isinstance(fitted, ListTransformation):
        return list(fitted.blocks(sample.data))
    indices = getattr(fitted, "output_indices_", None)
    if indices is None:
        return []
    blocks = [(columns, indices.get(name)) for name, _, columns in fitted.transformers_]
    return [(columns, block) for columns, block in blocks if block is not None and block.start != block.stop]


def _positions(columns: Any, n_columns: int, names: tuple[str, ...] | None) -> Positions | None:
    """Return the positions that a fitted ColumnTransformer's selection means, None where it is in names we lack."""
    chosen = np.arange(n_columns)
    if isinstance(columns, str):
        columns = [columns]
    if isinstance(columns, (int, np.integer)):
        return chosen[[int(columns)]]
    if isinstance(columns, slice) and not isinstance(columns.start, str) and not isinstance(columns.stop, str):
        return chosen[columns]
    values = np.asarray(columns, dtype=object)
    if values.ndim == 1 and all(isinstance(value, str) for value in values):
        return None if names is None else np.array([names.index(value) for value in values], np.intp)
    try:
        return np.asarray(chosen[np.asarray(columns)], np.intp)
    except (IndexError, TypeError):
        return None
