"""What importances are computed from when a model is known by its numbers alone: sums of trees, or of coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from explanation_client.treeshap import TreeEnsemble, TreeTables

Floats = NDArray[np.float64]


class Sums(Protocol):
    """A model of K raw outputs that is a sum, so that its importances are exact."""

    @property
    def base_values(self) -> Floats:
        """Base values (K,)."""
        ...

    def values(self, rows: Floats) -> Floats:
        """Return importances (K, N, E) of rows (N, E)."""
        ...

    def outputs(self, rows: Floats) -> Floats:
        """Return what the model says of rows (N, E), (N, K)."""
        ...


def prepared(ensemble: TreeEnsemble, background: Floats | None = None, *, compiled: bool | None = None) -> TreeTables:
    """Return trees that are ready to be explained.

    Parameters
    ----------
    ensemble : TreeEnsemble
    background : ndarray of float64, shape (B, F), optional
        Of interventional values.
    compiled : bool, optional
        True: by compiled loops from the first row on, where numba is installed. False: by numpy alone. None: by numpy
        until there is work that is worth loading the loops.

    """
    from explanation_client.treeshap import TreeTables

    compiled = compiled and find_spec("numba") is not None
    if compiled:
        # Predictions are compiled once this is loaded.
        import_module("explanation_client.treeshap.kernels.predict")
    return TreeTables(ensemble, background, compiled=compiled)


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """Trees that are part of a sum.

    Parameters
    ----------
    tables : TreeTables
    outputs : ndarray of int, shape (k,)
        The raw outputs that its own are added to.
    weight : float
    columns : ndarray of int, shape (e,), optional
        The columns that it sees. None: all.

    """

    tables: TreeTables
    outputs: NDArray[np.intp]
    weight: float = 1.0
    columns: NDArray[np.intp] | None = None

    def seen(self, rows: Floats) -> Floats:
        """Return its columns of rows."""
        return rows if self.columns is None else np.ascontiguousarray(rows[:, self.columns])


@dataclass(frozen=True, slots=True, eq=False)
class TreeSum:
    """A weighted sum of trees.

    Parameters
    ----------
    members : sequence of Member
    n_outputs : int
        K.
    n_columns : int
        E.

    """

    members: Sequence[Member]
    n_outputs: int
    n_columns: int

    @property
    def is_plain(self) -> bool:
        """Whether there is one member that sees all columns and has all outputs."""
        only = self.members[0]
        return len(self.members) == 1 and only.weight == 1.0 and only.columns is None

    @property
    def base_values(self) -> Floats:
        """Base values (K,)."""
        total = np.zeros(self.n_outputs)
        for member in self.members:
            total[member.outputs] += member.weight * np.asarray(member.tables.base_values, np.float64)
        return total

    def values(self, rows: Floats) -> Floats:
        """Return importances (K, N, E)."""
        if self.is_plain:
            return self.members[0].tables.shap_values(rows)
        total = np.zeros((self.n_outputs, len(rows), self.n_columns))
        for member in self.members:
            found = member.weight * member.tables.shap_values(member.seen(rows))
            if member.columns is None:
                total[member.outputs] += found
                continue
            # One column after the other: a member can have drawn the same column twice.
            for position, column in enumerate(member.columns):
                total[member.outputs, :, column] += found[:, :, position]
        return total

    def outputs(self, rows: Floats) -> Floats:
        """Return the sums of the leaves that rows fall into, (N, K)."""
        if self.is_plain:
            return self.members[0].tables.ensemble.predict(rows)
        total = np.zeros((len(rows), self.n_outputs))
        for member in self.members:
            total[:, member.outputs] += member.weight * member.tables.ensemble.predict(member.seen(rows))
        return total


@dataclass(frozen=True, slots=True, eq=False)
class LinearSum:
    """Coefficients times values.

    Parameters
    ----------
    coefficients : ndarray of float64, shape (K, E)
    intercepts : ndarray of float64, shape (K,)
    mean : ndarray of float64, shape (E,)
        Of the background, which importances are distances from.

    """

    coefficients: Floats
    intercepts: Floats
    mean: Floats

    @property
    def base_values(self) -> Floats:
        """Base values (K,)."""
        return np.asarray(self.coefficients @ self.mean + self.intercepts)

    def values(self, rows: Floats) -> Floats:
        """Return importances (K, N, E)."""
        return np.asarray(self.coefficients[:, None, :] * (rows - self.mean)[None, :, :])

    def outputs(self, rows: Floats) -> Floats:
        """Return what the model says of rows, (N, K)."""
        return np.asarray(rows @ self.coefficients.T + self.intercepts)
