"""Rows as they come to a scoring explainer: read, put in order and checked before anything native sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.inputs import Schema, Table, read_table
from explanation_client.scoring.encoding import REAL

_NUMBER = "number"
_SHOWN = 40


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """The columns that rows have, and the form that they are handed on in.

    Parameters
    ----------
    schema : Schema
    types : tuple of str, optional
        Type of each column: ``"number"``, or the pandas dtype that the column of a DataFrame has. None: all numbers.
    levels : mapping of int to list
        For columns of dtype ``category``, their categories.
    as_frame : bool
        Rows are handed on as a DataFrame.

    """

    schema: Schema
    types: tuple[str, ...] | None
    levels: Mapping[int, Sequence[Any]]
    as_frame: bool

    def read(self, rows: Any) -> Table:
        """Return rows as a table of the columns in order, each with values of its type.

        Raises
        ------
        InvalidArgumentError
            They are no table, have other columns, or a value of another type.

        """
        table = self.schema.align(_tabular(rows, self.schema))
        if self.as_frame:
            return self._framed(table)
        if self.types is not None or table.is_sparse:
            return table
        return self._numbers(table)

    def _numbers(self, table: Table) -> Table:
        """Return a table that holds an array of numbers."""
        data = table.data
        if table.is_frame:
            data = _frame_numbers(data, self.schema.features)
        if data.dtype.kind not in "biuf":
            data = _object_numbers(data, self.schema.features)
        return table if data is table.data else replace(table, data=data)

    def _framed(self, table: Table) -> Table:
        """Return a table that holds a DataFrame with the types of the columns."""
        import pandas

        if table.is_sparse:
            raise InvalidArgumentError("the rows are sparse, and the model takes a DataFrame: pass one")
        names = self.schema.names or self.schema.features
        if not table.is_frame:
            frame = pandas.DataFrame({i: table.data[:, i] for i in range(table.shape[1])})
        else:
            frame = table.data.set_axis(range(table.shape[1]), axis=1)
        types = self.types or (_NUMBER,) * len(names)
        columns = {
            i: _typed(frame[i], kind, self.levels.get(i), self.schema.features[i]) for i, kind in enumerate(types)
        }
        made = pandas.DataFrame(columns, index=frame.index).set_axis(list(names), axis=1)
        return Table(made, names, single_row=table.single_row)


def _tabular(rows: Any, schema: Schema) -> Table:
    """Return rows of any kind as a table."""
    if isinstance(rows, Mapping):
        return replace(_records([rows], schema), single_row=True)
    if isinstance(rows, (list, tuple)):
        if rows and isinstance(rows[0], Mapping):
            return _records(rows, schema)
        rows = _listed(rows, schema)
    return read_table(rows, what="rows")


def _records(records: Sequence[Any], schema: Schema) -> Table:
    """Return rows that map names of columns to values."""
    names = schema.names or schema.features
    wanted = set(names)
    for position, record in enumerate(records):
        if not isinstance(record, Mapping) or set(record) != wanted:
            found = set(record) if isinstance(record, Mapping) else set()
            lacks = [name for name in names if name not in found][:3]
            extra = [str(name)[:_SHOWN] for name in found - wanted][:3]
            raise InvalidArgumentError(
                f"row {position} does not have exactly the {len(names)} columns by name: "
                f"it lacks {lacks}, and has {extra} in addition"
            )
    cells = np.empty((len(records), len(names)), object)
    for position, record in enumerate(records):
        cells[position] = [record[name] for name in names]
    return Table(_plain(cells))


def _listed(rows: Sequence[Any], schema: Schema) -> NDArray[Any]:
    """Return a list of rows, or of the values of one row, as an array."""
    nested = [isinstance(row, (list, tuple, np.ndarray)) for row in rows]
    if any(nested):
        lengths = {len(row) if is_row else -1 for row, is_row in zip(rows, nested, strict=True)}
        if lengths != {schema.n_features}:
            wrong = next(i for i, row in enumerate(rows) if not nested[i] or len(row) != schema.n_features)
            found = f"{len(rows[wrong])} values" if nested[wrong] else f"a {type(rows[wrong]).__qualname__}"
            raise InvalidArgumentError(f"row {wrong} is {found}, {schema.origin} {schema.n_features} columns")
    try:
        array = np.array(rows)
    except ValueError:
        array = np.array(rows, dtype=object)
    if array.dtype.kind in "biuf":
        return array
    return _plain(np.array(rows, dtype=object))


def _plain(cells: NDArray[Any]) -> NDArray[Any]:
    """Return an array of objects as float64 where all are numbers or missing."""
    if all(value is None or isinstance(value, REAL) for value in cells.flat):
        try:
            return cells.astype(np.float64)
        except OverflowError as error:
            raise InvalidArgumentError("a number in the rows is too large for a float64") from error
    return cells


def _frame_numbers(frame: Any, features: tuple[str, ...]) -> NDArray[Any]:
    for position, dtype in enumerate(frame.dtypes):
        if getattr(dtype, "kind", "O") not in "biuf":
            column = frame.iloc[:, position]
            if str(dtype) != "object" or not all(v is None or isinstance(v, REAL) for v in column):
                raise _no_number(features[position], str(dtype))
    return np.asarray(frame.to_numpy(np.float64, na_value=np.nan))


def _object_numbers(cells: NDArray[Any], features: tuple[str, ...]) -> NDArray[np.float64]:
    for position in range(cells.shape[1]):
        for value in cells[:, position]:
            if value is not None and not isinstance(value, REAL):
                raise _no_number(features[position], repr(value)[:_SHOWN])
    return cells.astype(np.float64)


def _no_number(feature: str, found: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"column {feature!r} holds {found}, and the model takes numbers there")


def _typed(column: Any, kind: str, levels: Sequence[Any] | None, feature: str) -> Any:
    """Return a pandas Series with the type that a column has."""
    import pandas

    if str(column.dtype) == kind and levels is None:
        return column
    try:
        if levels is not None:
            return pandas.Series(pandas.Categorical(column.astype(object), categories=list(levels)), index=column.index)
        if kind.startswith("datetime64"):
            return pandas.to_datetime(column).astype(kind)
        if kind in ("object", "str", "string"):
            return column.astype(kind)
        if not all(value is None or isinstance(value, REAL) for value in column.astype(object)):
            raise _no_number(feature, "other values")
        numbers = column.astype(np.float64)
        if kind == _NUMBER or numbers.isna().any():
            return numbers
        return numbers.astype(kind)
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, InvalidArgumentError):
            raise
        raise InvalidArgumentError(f"column {feature!r} holds values that are no {kind}: {error}") from error
