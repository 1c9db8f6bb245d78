"""More rows to ask a teacher about: mixtures of random pairs of the rows there are."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.explainers.codes import Codes
from explanation_client.explainers.inputs import Table

Floats = NDArray[np.float64]


def augmented(table: Table, copies: int, *, taken: Collection[int], seed: int) -> Table:
    """Return mixtures of random pairs of rows, ``copies * N`` of them, with the types of the table.

    A number lies at a random point between those of its pair, whole where its column is. Everything else comes from
    one row of the pair, the same for all such columns: text, categories, dates, truth values, columns of at most two
    different numbers, and those that are named. So does a number whose partner is missing.

    Parameters
    ----------
    table : Table of shape (N, F)
    copies : int
    taken : collection of int
        Positions of columns whose values are not to be mixed.
    seed : int

    """
    n_rows = table.shape[0]
    generator = np.random.default_rng(seed)
    first = np.concatenate([generator.permutation(n_rows) for _ in range(copies)])
    second = np.concatenate([generator.permutation(n_rows) for _ in range(copies)])
    share = generator.uniform(size=len(first))
    parent = np.where(generator.uniform(size=len(first)) < share, first, second)
    if table.is_sparse:
        return Table(_mixed_sparse(table.data, first, second, share, parent), table.names)
    codes = Codes.of(table)
    numbers = codes.encode(table)
    rows = numbers[parent]
    for j in range(numbers.shape[1]):
        if j not in codes.values and j not in taken and not _is_bool(table, j) and not _has_two(numbers[:, j]):
            rows[:, j] = _mixed(numbers[:, j], first, second, share, rows[:, j])
    return Table(codes.decode(rows), table.names)


def _mixed(
    column: Floats, first: NDArray[np.intp], second: NDArray[np.intp], share: Floats, otherwise: Floats
) -> Floats:
    with np.errstate(invalid="ignore"):
        found = share * column[first] + (1.0 - share) * column[second]
    present = column[np.isfinite(column)]
    if (present == np.round(present)).all():
        found = np.round(found)
    return np.where(np.isfinite(found), found, otherwise)


def _has_two(column: Floats) -> bool:
    """Whether a column has at most two different numbers: a flag, or one column of a one-hot code."""
    present = column[~np.isnan(column)]
    return not len(present) or bool(((present == present.min()) | (present == present.max())).all())


def _is_bool(table: Table, j: int) -> bool:
    dtype = table.data.dtypes.iloc[j] if table.is_frame else table.data.dtype
    return getattr(dtype, "kind", "O") == "b"


def _mixed_sparse(
    rows: Any, first: NDArray[np.intp], second: NDArray[np.intp], share: Floats, parent: NDArray[np.intp]
) -> Any:
    """Return mixtures of CSR rows: columns with at most one stored value besides 0 are taken from one of the pair."""
    from scipy.sparse import csr_matrix, diags, hstack

    flags = _have_one_value(rows.tocsc())
    plain, flagged = np.flatnonzero(~flags), np.flatnonzero(flags)
    numbers = rows[:, plain]
    mixed = diags(share) @ numbers[first] + diags(1.0 - share) @ numbers[second]
    order = np.argsort(np.concatenate([plain, flagged]), kind="stable")
    both = hstack([mixed, rows[:, flagged][parent]], format="csc")[:, order]
    return csr_matrix(both, dtype=rows.dtype)


def _have_one_value(columns: Any) -> NDArray[np.bool_]:
    """Return of each column of a CSC matrix whether all that it stores is the same number."""
    owner = np.repeat(np.arange(columns.shape[1]), np.diff(columns.indptr))
    lowest, highest = np.full(columns.shape[1], np.inf), np.full(columns.shape[1], -np.inf)
    np.minimum.at(lowest, owner, columns.data)
    np.maximum.at(highest, owner, columns.data)
    return lowest >= highest
