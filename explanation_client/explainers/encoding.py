"""Tables of any kind as numbers that a surrogate is fitted to: categories as codes, dates as seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.inputs import Table

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """How the F columns of a table become numbers.

    Parameters
    ----------
    levels : dict of int to pandas.Index
        For each categorical column the levels that occur in the rows it was made from; a code is a position in it.

    """

    levels: dict[int, Any]

    @classmethod
    def of(cls, table: Table, categorical: Iterable[int] = ()) -> Encoding:
        """Return the encoding of a table: columns of text and categories, and those that are named, get codes.

        Raises
        ------
        InvalidArgumentError
            A column of a sparse matrix is said to be categorical.

        """
        wanted = set(categorical)
        if table.is_sparse:
            if wanted:
                raise InvalidArgumentError(
                    "categorical_features= of sparse rows: they hold numbers only; leave it out, or pass dense rows"
                )
            return cls({})
        found = {j for j in range(table.shape[1]) if j in wanted or not _is_numeric(_column(table, j))}
        return cls({j: _levels(_column(table, j)) for j in sorted(found)})

    @property
    def categorical(self) -> tuple[int, ...]:
        """Positions of the categorical columns."""
        return tuple(self.levels)

    def encode(self, table: Table) -> Any:
        """Return rows as float64 (N, F), or a CSR matrix as it is; NaN for what is missing or a level not known.

        Raises
        ------
        InvalidArgumentError
            A column held numbers in the rows that the encoding was made from, and does not in these.

        """
        if table.is_sparse:
            return table.data
        if isinstance(table.data, np.ndarray) and table.data.dtype.kind in "biuf" and not self.levels:
            return table.data.astype(np.float64)
        numbers = np.empty(table.shape)
        for j in range(table.shape[1]):
            column = _column(table, j)
            if j in self.levels:
                codes = self.levels[j].get_indexer(_objects(column))
                numbers[:, j] = np.where(codes < 0, np.nan, codes)
            else:
                numbers[:, j] = _numbers(column, table.names[j] if table.names else j)
        return numbers


def read_positions(categorical_features: Sequence[Any] | None, names: Sequence[str]) -> tuple[int, ...]:
    """Return the positions of columns that are given by name or position.

    Raises
    ------
    InvalidArgumentError
        There is no such column.

    """
    positions = []
    for chosen in () if categorical_features is None else categorical_features:
        if isinstance(chosen, str):
            if chosen not in names:
                raise InvalidArgumentError(f"categorical_features= names {chosen!r}, and there is no such column")
            positions.append(names.index(chosen))
        elif isinstance(chosen, (int, np.integer)) and not isinstance(chosen, bool) and 0 <= chosen < len(names):
            positions.append(int(chosen))
        else:
            raise InvalidArgumentError(
                f"categorical_features= holds {chosen!r}: names of columns, or positions between 0 and {len(names) - 1}"
            )
    return tuple(sorted(set(positions)))


def _column(table: Table, j: int) -> Any:
    return table.data.iloc[:, j] if table.is_frame else table.data[:, j]


def _is_numeric(column: Any) -> bool:
    kind = getattr(column.dtype, "kind", "O")
    if kind != "O" or not isinstance(column, np.ndarray):
        return kind in "biufmM"
    return all(isinstance(value, (int, float, np.number, np.bool_)) for value in column[~_missing(column)])


def _objects(column: Any) -> NDArray[np.object_]:
    """Return values as objects, so that levels are found whatever kind of column they come in."""
    return np.asarray(column.astype(object), dtype=object)


def _missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    import pandas

    return np.asarray(pandas.isna(values), bool)


def _levels(column: Any) -> Any:
    import pandas

    values = _objects(column)
    return pandas.Index(pandas.unique(values[~_missing(values)]), dtype=object)


def _numbers(column: Any, name: str | int) -> Floats:
    """Return a column as float64: NaN for what is missing, seconds for dates and durations."""
    import pandas

    series = column if hasattr(column, "to_numpy") else pandas.Series(column)
    kind = getattr(series.dtype, "kind", "O")
    if kind == "M":
        stamps = pandas.to_datetime(series, utc=True)
        series = stamps - pandas.Timestamp(0, tz="UTC")
        kind = "m"
    if kind == "m":
        return np.asarray(series.dt.total_seconds(), np.float64)
    try:
        return np.asarray(series.to_numpy(np.float64, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"column {name!r} held numbers in the initialization examples, and holds other values now: {error}"
        ) from error
