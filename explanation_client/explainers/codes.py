"""Tables of any types as matrices of numbers and back, for algorithms that mix rows column by column.

A column of numbers stays what it is, NaN standing for what is missing. Any other (text, categories, dates, truth values
with gaps) is replaced by positions in the list of its values. What a model is called with is made back into the form
and the types of the table.
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
            coded = [j for j, dtype in enumerate(template.dtypes) if not _holds_numbers(dtype)]
        else:
            coded = [] if template.dtype.kind in "biuf" else list(range(template.shape[1]))
        return cls(template, {j: _distinct(tables, j) for j in coded})

    def encode(self, table: Table) -> NDArray[np.float64]:
        """Return the table as numbers, (N, F)."""
        if not self.values:
            numbers = table.data.to_numpy(np.float64, na_value=np.nan) if table.is_frame else table.data
            return np.asarray(numbers, np.float64)
        numbers = np.empty(table.shape)
        for j in range(table.shape[1]):
            column = _column(table, j)
            known = self.values.get(j)
            if known is not None:
                numbers[:, j] = _positions(column, known)
            else:
                numbers[:, j] = column.to_numpy(np.float64, na_value=np.nan) if table.is_frame else column
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

        columns = {}
        for j, dtype in enumerate(self.template.dtypes):
            known = self.values.get(j)
            column = _as_numbers(numbers[:, j], dtype) if known is None else known.take(numbers[:, j].astype(np.intp))
            # pandas would make text of objects.
            columns[j] = pandas.Series(column, dtype=dtype)
        frame = pandas.DataFrame(columns)
        frame.columns = self.template.columns
        return frame


def _holds_numbers(dtype: Any) -> bool:
    """Whether a column of a DataFrame holds numbers, of numpy, or of pandas' types that know missing ones."""
    if isinstance(dtype, np.dtype):
        return dtype.kind in "biuf"
    return getattr(dtype, "kind", "O") in "iuf" and hasattr(dtype, "numpy_dtype")


def _as_numbers(numbers: NDArray[np.float64], dtype: Any) -> Any:
    if isinstance(dtype, np.dtype):
        return numbers.astype(dtype)
    import pandas

    # By way of a type that knows missing numbers: whole ones have no NaN.
    return pandas.Series(numbers).astype("Float64").astype(dtype).array


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
    if value is None or type(value).__name__ in ("NAType", "NaTType") or value != value:
        return "missing"
    # 1 and 1.0 are one value, as they are to pandas.
    kind = "number" if isinstance(value, (bool, int, float, np.number, np.bool_)) else type(value).__name__
    return kind, value
