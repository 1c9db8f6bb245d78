"""The rows that were explained: feature values, row names, predictions and true values, column by column.

Tables are recognised by what they are called, without importing their package: whoever passes a DataFrame has
imported pandas already.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidExplanationError
from explanation_client.importances import same_bits

Column = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvaluationData:
    """What is known of the N explained rows; every part is optional.

    Columns are 1-D arrays of bool, integers, floats, datetime64, or objects (str, None for missing).

    Parameters
    ----------
    names : tuple of str
        Names of the columns.
    columns : tuple of ndarray of shape (N,), optional
        Feature values, one array for each name.
    row_names : ndarray of object (str), shape (N,), optional
        Names of the rows, a DataFrame's index for example.
    predicted : ndarray of shape (N,), optional
        The model's predictions: numbers, or class names.
    predicted_proba : ndarray of float, shape (N, C), optional
        The model's class probabilities.
    true : ndarray of shape (N,), optional
        True values: numbers, or class names.

    """

    names: tuple[str, ...] = ()
    columns: tuple[Column, ...] | None = None
    row_names: NDArray[np.object_] | None = None
    predicted: Column | None = None
    predicted_proba: NDArray[np.floating[Any]] | None = None
    true: Column | None = None

    def __post_init__(self) -> None:
        if self.columns is not None and len(self.columns) != len(self.names):
            raise InvalidExplanationError(
                f"evaluation data has {len(self.columns)} columns and {len(self.names)} names"
            )
        lengths = {name: len(array) for name, array in self._arrays()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{name}: {n}" for name, n in lengths.items())
            raise InvalidExplanationError(f"evaluation data has parts of different length: {shown}")

    @classmethod
    def from_rows(cls, rows: Any, *, names: Sequence[str] | None = None, keep_index: bool = True) -> EvaluationData:
        """Return the columns of a DataFrame, an array (N, F), a sparse matrix or an Arrow table.

        Parameters
        ----------
        rows : table or array of shape (N, F) or (F,)
            The rows. A 1-D array is one row.
        names : sequence of str, optional
            Names of the columns. None: the table's own, or the positions.
        keep_index : bool
            Keep a DataFrame's index as row names, unless it only counts the rows.

        Raises
        ------
        InvalidExplanationError
            The rows are not a table, or the names do not fit.

        """
        own_names, columns = table_columns(rows)
        chosen = tuple(names) if names is not None else own_names or tuple(str(i) for i in range(len(columns)))
        row_names = _index_names(rows) if keep_index else None
        return cls(names=chosen, columns=tuple(normalise_column(c) for c in columns), row_names=row_names)

    @property
    def n_rows(self) -> int:
        """Number of rows; 0 where nothing is known of them."""
        return next((len(array) for _, array in self._arrays()), 0)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known of the rows."""
        return next(self._arrays(), None) is None

    def matrix(self) -> NDArray[Any]:
        """Return the feature values as one array (N, F): numeric if all columns are, else of objects.

        Raises
        ------
        InvalidExplanationError
            There are no feature values.

        """
        if self.columns is None:
            raise InvalidExplanationError("the evaluation data has no feature values")
        dtypes = {column.dtype for column in self.columns}
        numeric = all(dtype.kind in "biuf" for dtype in dtypes)
        target = np.result_type(*dtypes) if numeric and dtypes else np.dtype(object)
        matrix = np.empty((self.n_rows, len(self.columns)), target)
        for position, column in enumerate(self.columns):
            matrix[:, position] = column
        return matrix

    def take(self, rows: Any) -> EvaluationData:
        """Return the rows that a numpy selection picks."""
        return EvaluationData(
            names=self.names,
            columns=None if self.columns is None else tuple(column[rows] for column in self.columns),
            row_names=None if self.row_names is None else self.row_names[rows],
            predicted=None if self.predicted is None else self.predicted[rows],
            predicted_proba=None if self.predicted_proba is None else self.predicted_proba[rows],
            true=None if self.true is None else self.true[rows],
        )

    def same_as(self, other: EvaluationData) -> bool:
        """Whether both hold the same columns and values, bit for bit."""
        if self.names != other.names:
            return False
        mine, theirs = dict(self._arrays()), dict(other._arrays())
        return mine.keys() == theirs.keys() and all(same_bits(mine[name], theirs[name]) for name in mine)

    def _arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        for position, column in enumerate(self.columns or ()):
            yield f"column {position}", column
        for field in fields(self)[2:]:
            array = getattr(self, field.name)
            if array is not None:
                yield field.name, array


def table_columns(rows: Any) -> tuple[tuple[str, ...] | None, list[Any]]:
    """Return the column names, if the table has any, and its columns as arrays or pandas Series.

    Raises
    ------
    InvalidExplanationError
        ``rows`` is no table that is known here.

    """
    if is_instance_of(rows, "pandas", "DataFrame"):
        return tuple(str(name) for name in rows.columns), [rows.iloc[:, i] for i in range(rows.shape[1])]
    if is_instance_of(rows, "pandas", "Series"):
        return tuple(str(name) for name in rows.index), [np.asarray([value]) for value in rows]
    if is_instance_of(rows, "pyarrow", "Table", "RecordBatch"):
        return tuple(rows.schema.names), [
            rows.column(i).to_numpy(zero_copy_only=False) for i in range(rows.num_columns)
        ]
    if is_instance_of(rows, "scipy.sparse", "spmatrix", "sparray"):
        columns = rows.tocsc().toarray(order="F")
        return None, [columns[:, i] for i in range(rows.shape[1])]
    if isinstance(rows, np.ndarray) and rows.ndim in (1, 2):
        matrix = np.atleast_2d(rows)
        return None, [matrix[:, i] for i in range(matrix.shape[1])]
    raise InvalidExplanationError(
        f"rows are a {type(rows).__module__}.{type(rows).__qualname__}: pass a numpy array of shape (N, F), a pandas "
        "DataFrame, a scipy sparse matrix or an Arrow table"
    )


def normalise_column(column: Any) -> Column:
    """Return one column as a 1-D array of bool, integers, floats, datetime64 or objects (str, None for missing)."""
    if is_instance_of(column, "pandas", "Series"):
        column = _series_values(column)
    array = np.asarray(column)
    if array.ndim != 1:
        raise InvalidExplanationError(f"a column has shape {array.shape}: one value for each row is needed")
    if array.dtype.kind in "biufM":
        return array.astype(np.float32) if array.dtype == np.float16 else array
    if array.dtype.kind == "m":
        return cast(Column, array / np.timedelta64(1, "s"))
    if array.dtype.kind == "O":
        numbers = _numbers(array)
        if numbers is not None:
            return numbers
    return np.array([None if _is_missing(value) else str(value) for value in array], dtype=object)


def is_instance_of(value: Any, module: str, *names: str) -> bool:
    """Whether ``value`` is an instance of one of these classes, without importing their module."""
    loaded = sys.modules.get(module)
    if loaded is None:
        return False
    return any(isinstance(value, getattr(loaded, name)) for name in names if hasattr(loaded, name))


def _series_values(series: Any) -> Any:
    """Return a pandas Series as a numpy array, nullable numbers as floats with NaN."""
    if is_instance_of(series.dtype, "pandas", "SparseDtype"):
        series = series.sparse.to_dense()
    kind = getattr(series.dtype, "kind", "O")
    if kind in "iu" and series.isna().any():
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    if kind == "f":
        return series.to_numpy(dtype=np.dtype(f"f{series.dtype.itemsize}"), na_value=np.nan)
    if kind in "iub" and not series.isna().any():
        return series.to_numpy(dtype=np.dtype(getattr(series.dtype, "numpy_dtype", series.dtype)))
    if kind == "M":
        stamps = series.dt.tz_convert("UTC").dt.tz_localize(None) if series.dt.tz is not None else series
        return stamps.to_numpy()
    return series.astype(object).to_numpy()


def _index_names(rows: Any) -> NDArray[np.object_] | None:
    """Return a DataFrame's index as strings, or None if there is none, or it only counts the rows."""
    if not is_instance_of(rows, "pandas", "DataFrame") or is_instance_of(rows.index, "pandas", "RangeIndex"):
        return None
    return np.array([str(name) for name in rows.index], dtype=object)


def _numbers(array: NDArray[Any]) -> Column | None:
    """Return an object array of numbers as bools, integers or floats, missing ones as NaN; None where it has others."""
    kinds = {type(value) for value in array.flat if not _is_missing(value)}
    if not kinds or not all(issubclass(kind, (float, int, Decimal, np.number, np.bool_)) for kind in kinds):
        return None
    whole = len(kinds) == len({type(value) for value in array.flat})
    if whole and all(issubclass(kind, (bool, np.bool_)) for kind in kinds):
        return array.astype(np.bool_)
    if any(issubclass(kind, (bool, np.bool_)) for kind in kinds):
        return None
    if whole and all(issubclass(kind, (int, np.integer)) for kind in kinds):
        limits = np.iinfo(np.int64)
        if all(limits.min <= int(value) <= limits.max for value in array.flat):
            return array.astype(np.int64)
    return np.array([np.nan if _is_missing(value) else float(value) for value in array.flat])


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and value != value
