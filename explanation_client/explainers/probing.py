"""Which raw columns engineered ones come from, found by trying: shuffle raw columns, see what changes.

One raw column after the other would take as many transformations as there are columns. So columns are shuffled in
groups: the k-th group has the columns whose number has the k-th binary digit, another one the rest. An engineered
column that comes from one raw column changes with exactly one group of each pair, and the pairs spell that column's
number. One that comes from several changes with both groups of some pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import FeatureMapError, InvalidArgumentError
from explanation_client.explainers.inputs import Table

Bools = NDArray[np.bool_]
Positions = NDArray[np.intp]

# Rows that are transformed to find out what depends on what: enough to meet rare categories.
TRIED_ROWS = 2000


class Trials:
    """A sample of raw rows, and what becomes of them.

    Parameters
    ----------
    engineer : callable
        From raw rows (N, R) to engineered ones (N, E).
    rows : Table
        Up to 2000 of them are used, spread evenly.

    Raises
    ------
    InvalidArgumentError
        The transformations are not fitted.
    FeatureMapError
        They give another result each time.

    """

    def __init__(self, engineer: Callable[[Table], Table], rows: Table) -> None:
        n_rows = rows.shape[0]
        picked = np.unique(np.linspace(0, n_rows - 1, min(n_rows, TRIED_ROWS)).astype(np.intp))
        self.sample = _without_constants(rows.take(picked)) if rows.is_sparse else rows.take(picked)
        self._engineer = engineer
        self._before = _first_result(engineer, self.sample)
        if _changed(self._before, engineer(self.sample)).any():
            raise FeatureMapError("transformations= give another result each time: they must be deterministic")
        # One cycle through all rows: whatever is not the same in all of them changes somewhere.
        order = np.random.default_rng(0).permutation(len(picked))
        self._order = np.empty_like(order)
        self._order[order] = np.roll(order, 1)

    @property
    def shape(self) -> tuple[int, int]:
        """R and E."""
        return self.sample.shape[1], self._before.shape[1]

    def moved_by(self, columns: Bools) -> Bools:
        """Return which engineered columns change where some raw ones, (R,), are shuffled, (E,)."""
        if not columns.any():
            return np.zeros(self.shape[1], np.bool_)
        return _changed(self._before, self._engineer(_shuffled(self.sample, columns, self._order)))

    def sources(self) -> tuple[Positions, Bools]:
        """Return the raw column of each engineered one, -1 where it never changes, and which come from several."""
        n_raw, n_engineered = self.shape
        found = np.zeros(n_engineered, np.intp)
        moved, mixed = np.zeros(n_engineered, np.bool_), np.zeros(n_engineered, np.bool_)
        numbers = np.arange(n_raw)
        for digit in range(max(1, (n_raw - 1).bit_length())):
            group = (numbers >> digit) % 2 == 1
            with_group, with_rest = self.moved_by(group), self.moved_by(~group)
            mixed |= with_group & with_rest
            moved |= with_group | with_rest
            found += with_group.astype(np.intp) << digit
        return np.where(moved, found, -1), mixed

    def sources_of(self, column: int) -> Iterator[int]:
        """Yield the raw columns that an engineered one changes with, in order, by halving."""
        waiting = [np.arange(self.shape[0])]
        while waiting:
            part = waiting.pop()
            if not self.moved_by(_among(part, self.shape[0]))[column]:
                continue
            if len(part) == 1:
                yield int(part[0])
            else:
                waiting += [part[len(part) // 2 :], part[: len(part) // 2]]

    def sources_of_all(self, columns: Positions) -> Bools:
        """Return which raw columns some engineered ones change with, (R, n), one raw column after the other."""
        n_raw = self.shape[0]
        return np.array([self.moved_by(_among(np.array([j]), n_raw))[columns] for j in range(n_raw)])


def _among(positions: Positions, n: int) -> Bools:
    chosen = np.zeros(n, np.bool_)
    chosen[positions] = True
    return chosen


def _first_result(engineer: Callable[[Table], Table], sample: Table) -> Table:
    try:
        return engineer(sample)
    except (AttributeError, ValueError) as error:
        # scikit-learn's error, told by its name: whoever raises it has imported its package.
        if type(error).__name__ != "NotFittedError":
            raise
        raise InvalidArgumentError(
            f"the transformations are not fitted: {error} Pass those that the model was trained with; a "
            "ColumnTransformer fits copies, which are in its transformers_"
        ) from error


def _shuffled(table: Table, columns: Bools, order: Positions) -> Table:
    """Return the rows with some columns in another order, the same for all of them."""
    if table.is_frame:
        frame = table.data.copy()
        for j in np.flatnonzero(columns):
            frame.isetitem(j, table.data.iloc[:, j].iloc[order].set_axis(frame.index))
        return Table(frame, table.names)
    if table.is_sparse:
        return Table(_stored(table.data, ~columns) + _stored(table.data[order], columns), table.names)
    rows = table.data.copy()
    rows[:, columns] = table.data[order][:, columns]
    return Table(rows, table.names)


def _stored(rows: Any, columns: Bools) -> Any:
    """Return a CSR matrix without what it stores in other columns."""
    from scipy.sparse import coo_matrix

    entries = rows.tocoo()
    kept = columns[entries.col]
    return coo_matrix((entries.data[kept], (entries.row[kept], entries.col[kept])), shape=rows.shape).tocsr()


def _without_constants(table: Table) -> Table:
    """Return sparse rows in which no column is all zero: a 1 is put into those that are, each in some row.

    Columns of a sparse table hold numbers only, and most are zero in any sample of its rows. Other columns that are the
    same in all rows are left.
    """
    from scipy.sparse import csr_matrix

    n_rows, n_columns = table.shape
    stored = np.unique(table.data.indices[table.data.data != 0])
    zero = np.setdiff1d(np.arange(n_columns), stored)
    ones = csr_matrix((np.ones(len(zero), table.data.dtype), (zero % n_rows, zero)), shape=table.shape)
    return Table(table.data + ones, table.names)


def _changed(before: Table, after: Table) -> Bools:
    """Return which columns differ."""
    if before.is_sparse:
        changed = np.zeros(before.shape[1], np.bool_)
        changed[(before.data != after.data).nonzero()[1]] = True
        return changed
    a, b = (np.asarray(table.data) for table in (before, after))
    if a.dtype.kind in "fc":
        differs = ~((a == b) | (np.isnan(a) & np.isnan(b)))
    else:
        # What is not equal to itself is missing.
        differs = (a != b) & ~((a != a) & (b != b))
    return cast(Bools, np.asarray(differs, bool).any(axis=0))
