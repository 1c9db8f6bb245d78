"""Tables of any types as matrices of numbers and back, for algorithms that mix rows column by column.

A column of numbers stays what it is. Any other (text, categories, dates, truth values with gaps) is replaced by
positions in the list of its values. What a model is called with is made back into the form and the types of the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.explainers.inputs import Table


@dataclass(frozen=True, slots=True, eq=False)
class Codes:
    """How the columns of some tables are coded.

    Parameters
    ----------
    template : DataFrame or ndarray
        A table of the types that :meth:`decode` gives back.
    values : dict of int to ndarray or pandas array
        For each coded column, the values that the codes are positions in.

    """

    template: Any
    values: dict[int, Any]

    @classmethod
    def of(cls, *tables: Table) -> Codes:
        """Return the coding of all values that occur in tables with the same columns."""
        template = tables[0].data
        if tables[0].is_frame:
            kinds = [dtype.kind if isinstance(dtype, np.dtype) else "O" for dtype in template.dtypes]
        else:
            kinds = [template.dtype.kind] * template.shape[1]
        coded = [j for j, kind in enumerate(kinds) if kind not in "biuf"]
        return cls(template, {j: _distinct(tables, j) for j in coded})

    def encode(self, table: Table) -> NDArray[np.float64]:
        """Return the table as numbers, (N, F)."""
        if not self.values:
            return np.asarray(table.data, np.float64)
        numbers = np.empty(table.shape)
        for j in range(table.shape[1]):
            column = _column(table, j)
            known = self.values.get(j)
            numbers[:, j] = column if known is None else _positions(column, known)
        return numbers

    def decode(self, numbers: NDArray[np.float64]) -> Any:
        """Return numbers as rows in the form of the template."""
        if isinstance(self.template, np.ndarray):
            if not self.values:
                return numbers.astype(self.template.dtype)
            rows = np.empty(numbers.shape, self.template.dtype)
            for j, known in self.values.items():
                rows[:, j] = known[numbers[:, j].astype(np.intp)]
            return rows
        import pandas

        columns = {
            j: self.values[j].take(numbers[:, j].astype(np.intp))
            if j in self.values
            else numbers[:, j].astype(self.template.dtypes.iloc[j])
            for j in range(numbers.shape[1])
        }
        frame = pandas.DataFrame(columns)
        frame.columns = self.template.columns
        return frame


def _column(table: Table, j: int) -> Any:
    return table.data.iloc[:, j].array if table.is_frame else table.data[:, j]


def _distinct(tables: tuple[Table, ...], j: int) -> Any:
    """Return the distinct values of a column, each missing value once."""
    if tables[0].is_frame:
        import pandas

        parts = [table.data.iloc[:, j].reset_index(drop=True).drop_duplicates() for table in tables]
        parts = [part.astype(parts[0].dtype) for part in parts]
        return pandas.concat(parts, ignore_index=True).drop_duplicates().array
    first: dict[Any, Any] = {}
    for table in tables:
        for value in table.data[:, j]:
            first.setdefault(_key(value), value)
    distinct = np.empty(len(first), tables[0].data.dtype)
    distinct[:] = list(first.values())
    return distinct


def _positions(column: Any, known: Any) -> NDArray[np.float64]:
    positions = {_key(value): i for i, value in enumerate(known)}
    return np.array([positions[_key(value)] for value in column], np.float64)


def _key(value: Any) -> Any:
    """Return what tells values apart; all missing values are one."""
    missing = value is None or type(value).__name__ in ("NAType", "NaTType") or value != value
    return "missing" if missing else (type(value).__name__, value)
