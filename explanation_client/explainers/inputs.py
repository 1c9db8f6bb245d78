"""Rows as explainers take them: every kind of table made into one of three, and its columns put in order.

A :class:`Table` holds a numpy array (N, F), a pandas DataFrame or a scipy CSR matrix. A :class:`Schema` knows which
columns a model was trained on, and puts rows right by name before anything native sees them: a row that is too short
can crash the process in compiled code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import is_instance_of
from explanation_client.errors import InvalidArgumentError, MissingDependencyError
from explanation_client.info import name_problems

_SHOWN_NAMES = 5


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """N rows of F columns.

    Parameters
    ----------
    data : ndarray, pandas.DataFrame or scipy CSR matrix of shape (N, F)
        An array of objects holds at least one value that is no number.
    names : tuple of str, optional
        Names of the columns, where the rows came with names.
    single_row : bool
        The caller gave one row without a row axis.
    weights : ndarray of float64, shape (N,), optional
        Weights of background rows, adding up to 1. None: all weigh the same.
    untyped : bool
        The columns' types are lost: one type holds values of several columns, as in a Series that is one row.

    """

    data: Any
    names: tuple[str, ...] | None = None
    single_row: bool = False
    weights: NDArray[np.float64] | None = None
    untyped: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """N and F."""
        return int(self.data.shape[0]), int(self.data.shape[1])

    @property
    def is_frame(self) -> bool:
        """Whether the rows are a pandas DataFrame."""
        return is_instance_of(self.data, "pandas", "DataFrame")

    @property
    def is_sparse(self) -> bool:
        """Whether the rows are a scipy CSR matrix."""
        return not isinstance(self.data, np.ndarray) and not self.is_frame

    def take(self, rows: slice | NDArray[Any]) -> Table:
        """Return some of the rows."""
        weights = None
        if self.weights is not None:
            weights = self.weights[rows] / self.weights[rows].sum()
        return replace(self, data=self.data.iloc[rows] if self.is_frame else self.data[rows], weights=weights)

    def columns(self, positions: NDArray[np.intp]) -> Table:
        """Return some of the columns."""
        names = None if self.names is None else tuple(self.names[i] for i in positions)
        data = self.data.iloc[:, positions] if self.is_frame else self.data[:, positions]
        return replace(self, data=data, names=names)


def read_table(rows: Any, *, what: str = "evaluation examples") -> Table:
    """Return rows as a table: array, list of rows, tensor, DataFrame, Series, scipy sparse, Arrow, shap's DenseData.

    One row without a row axis is accepted and remembered. Arrays of objects become float64 where every value is a
    number. pandas' sparse columns become dense ones.

    Raises
    ------
    InvalidArgumentError
        ``rows`` is no table, or has no rows or no columns.

    """
    table = _recognise(rows, what)
    n_rows, n_features = table.shape
    if n_rows == 0 or n_features == 0:
        raise InvalidArgumentError(
            f"the {what} have shape {(n_rows, n_features)}: at least one row and column is needed"
        )
    return table


def _recognise(rows: Any, what: str) -> Table:
    if isinstance(rows, Table):
        return rows
    if is_instance_of(rows, "torch", "Tensor"):
        # On whatever device, and as part of whatever computation: its numbers are what counts.
        rows = rows.detach().cpu().numpy()
    elif is_instance_of(rows, "tensorflow", "Tensor"):
        rows = rows.numpy()
    if is_instance_of(rows, "pandas", "DataFrame"):
        return Table(_dense(rows), _frame_names(rows.columns))
    if is_instance_of(rows, "pandas", "Series"):
        frame = _row_frame(rows)
        return Table(frame, _frame_names(frame.columns), single_row=True, untyped=True)
    if is_instance_of(rows, "scipy.sparse", "spmatrix", "sparray") and rows.ndim == 2:
        from scipy.sparse import csr_matrix

        # LightGBM and shap know matrices only, not the newer sparse arrays.
        return Table(csr_matrix(rows))
    if is_instance_of(rows, "shap.utils._legacy", "DenseData", "SparseData"):
        table = _recognise(rows.data, what)
        weights = np.asarray(rows.weights, np.float64)
        return replace(table, weights=weights / weights.sum())
    if hasattr(rows, "__arrow_c_stream__") or is_instance_of(rows, "pyarrow", "RecordBatch"):
        return _recognise(_arrow_frame(rows), what)
    if isinstance(rows, (list, tuple)):
        rows = np.array(rows, dtype=object)
    if not isinstance(rows, np.ndarray) or rows.ndim not in (1, 2):
        found = f"an array of shape {rows.shape}" if isinstance(rows, np.ndarray) else f"a {type(rows).__qualname__}"
        raise InvalidArgumentError(
            f"the {what} are {found}: pass a numpy array of shape (N, F) or (F,), a pandas DataFrame, a scipy sparse "
            "matrix or an Arrow table"
        )
    return Table(_plain(np.atleast_2d(rows)), single_row=rows.ndim == 1, untyped=True)


def _arrow_frame(rows: Any) -> Any:
    """Return an Arrow table, or anything that speaks Arrow's stream interface (polars, DuckDB), as a DataFrame."""
    try:
        import pandas  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError("pandas", extra="explain", needed_for="explaining Arrow tables") from error
    import pyarrow as pa

    return (rows if isinstance(rows, (pa.Table, pa.RecordBatch)) else pa.table(rows)).to_pandas()


def _plain(rows: NDArray[Any]) -> NDArray[Any]:
    """Return a plain array: no subclass such as a matrix, and floats where all objects are numbers."""
    rows = np.asarray(rows)
    if rows.dtype == np.float16:
        # scipy's matrices and most models know no numbers as short as these.
        return rows.astype(np.float32)
    return rows.astype(np.float64) if rows.dtype.kind == "O" and _are_numbers(rows.flat) else rows


def _dense(frame: Any) -> Any:
    """Return a DataFrame without pandas' own kind of sparse columns, which few models take."""
    sparse = [j for j, dtype in enumerate(frame.dtypes) if is_instance_of(dtype, "pandas", "SparseDtype")]
    if sparse:
        frame = frame.copy(deep=False)
    for j in sparse:
        frame.isetitem(j, frame.iloc[:, j].sparse.to_dense())
    return frame


def _row_frame(row: Any) -> Any:
    """Return a Series that is one row as a DataFrame, numbers in columns of numbers."""
    frame = row.to_frame().T
    for j, value in enumerate(row):
        if _are_numbers([value]):
            frame.isetitem(j, frame.iloc[:, j].infer_objects())
    return frame


def _are_numbers(values: Iterable[Any]) -> bool:
    return all(isinstance(value, (int, float, np.number, np.bool_)) for value in values)


def _frame_names(columns: Any) -> tuple[str, ...] | None:
    """Return the columns' names; None where they only count the columns."""
    if getattr(columns.dtype, "kind", "O") in "iu":
        return None
    return tuple(str(name) for name in columns)


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns that rows must have.

    Parameters
    ----------
    n_features : int
    names : tuple of str, optional
        Names that the model or the initialization examples give the columns.
    features : tuple of str
        Names that the explanation gives them.
    origin : str
        Where the columns are known from, for messages.
    dtypes : tuple of dtype, optional
        Of the columns, where the initialization examples are a DataFrame.

    """

    n_features: int
    names: tuple[str, ...] | None
    features: tuple[str, ...]
    origin: str
    dtypes: tuple[Any, ...] | None = None

    def align(self, table: Table) -> Table:
        """Return the table with its columns in the model's order.

        Columns that come with names are found by name. Columns without names, or whose names have nothing to do with
        those that are expected, are taken by position. Rows that came without types get those of the initialization
        examples, as far as that changes no value.

        Raises
        ------
        InvalidArgumentError
            There are too few or too many columns, or some are missing by name.

        """
        ordered = self._ordered(table)
        if not ordered.untyped or self.dtypes is None or all(_is_number(dtype) for dtype in self.dtypes):
            return ordered
        return _typed(ordered, self.dtypes)

    def _ordered(self, table: Table) -> Table:
        expected = self.names or self.features
        table = replace(table, names=_respelled(table.names, expected))
        if table.names is not None and set(table.names) & set(expected):
            self._check_names(table.names, expected)
            if table.names != expected:
                positions = {name: i for i, name in enumerate(table.names)}
                table = table.columns(np.array([positions[name] for name in expected], np.intp))
            return table
        if table.names is not None and self.names is not None:
            self._check_names(table.names, expected)
        if table.shape[1] != self.n_features:
            raise InvalidArgumentError(
                f"the rows have {table.shape[1]} columns, {self.origin} {self.n_features}: pass the same ones, in "
                "the same order"
            )
        return table if table.names is not None else replace(table, names=self.names)

    def _check_names(self, found: tuple[str, ...], expected: tuple[str, ...]) -> None:
        if len(set(found)) != len(found):
            doubled = sorted({name for name in found if found.count(name) > 1})
            raise InvalidArgumentError(f"columns are named twice: {_some(doubled)}")
        missing = [name for name in expected if name not in set(found)]
        extra = [name for name in found if name not in set(expected)]
        if missing or extra:
            problems = [f"lack {_some(missing)}"] if missing else []
            problems += [f"have {_some(extra)} in addition"] if extra else []
            raise InvalidArgumentError(
                f"the columns are not those that {self.origin}: the rows {' and '.join(problems)}; "
                f"pass exactly these {len(expected)} columns, in any order"
            )


def _respelled(names: tuple[str, ...] | None, wanted: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return names as ``wanted`` spells them, where only spaces and underscores differ; else as they are.

    LightGBM keeps the columns of a DataFrame under names with underscores for spaces.
    """
    if names is None or set(names) == set(wanted):
        return names
    spelled = {name.replace(" ", "_"): name for name in wanted}
    keys = [name.replace(" ", "_") for name in names]
    if len(set(keys)) != len(names) or len(spelled) != len(wanted) or set(keys) != set(spelled):
        return names
    return tuple(spelled[key] for key in keys)


def make_schema(
    *,
    n_features: int,
    model_names: tuple[str, ...] | None,
    examples: Table | None,
    features: Sequence[str] | None,
) -> Schema:
    """Return the schema from what the model, the initialization examples and the caller say of the columns.

    Names in the explanation are ``features`` where given, else those the model was trained on, else those of the
    initialization examples' columns, else ``feature_0``, ``feature_1`` and so on. Their order is the model's.

    Raises
    ------
    InvalidArgumentError
        ``features`` has another length, or names that are empty or doubled.

    """
    table_names = None if examples is None else examples.names
    origin = "the model has" if table_names is None else "the initialization examples have"
    names = model_names or table_names
    if names is not None and table_names is not None:
        # The spelling of the data is the one that users know.
        names = _respelled(names, table_names)
    if features is None:
        chosen = names or tuple(f"feature_{i}" for i in range(n_features))
    else:
        chosen = tuple(str(name) for name in np.asarray(features, dtype=object).tolist())
    if len(chosen) != n_features:
        raise InvalidArgumentError(f"features= names {len(chosen)} features, {origin} {n_features}")
    problems = list(name_problems(chosen))
    if problems:
        raise InvalidArgumentError("; ".join(problems))
    dtypes = None
    if examples is not None and examples.is_frame and examples.shape[1] == n_features:
        dtypes = tuple(Schema(n_features, names, chosen, origin).align(examples).data.dtypes)
    return Schema(n_features, names, chosen, origin, dtypes)


def _is_number(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind in "iuf"


def _typed(table: Table, dtypes: tuple[Any, ...]) -> Table:
    """Return rows without types as a DataFrame with those of the initialization examples."""
    import pandas

    names = None if table.names is None else list(table.names)
    # As objects: pandas would make text of them, and of None what is missing in text.
    given = table.data if table.is_frame else pandas.DataFrame(table.data, columns=names, dtype=object)
    columns = {j: _as_type(given.iloc[:, j], dtype) for j, dtype in enumerate(dtypes)}
    frame = pandas.DataFrame(columns, index=given.index).set_axis(given.columns, axis=1)
    return replace(table, data=frame, untyped=False)


def _as_type(column: Any, dtype: Any) -> Any:
    """Return a column with another type, or as it is where that would change its values."""
    import pandas

    if is_instance_of(dtype, "pandas", "CategoricalDtype"):
        # What to make of a category that is new is for the model to say, not for a conversion that makes it missing.
        new = [value for value in column.dropna().unique() if value not in dtype.categories]
        dtype = pandas.CategoricalDtype([*dtype.categories, *new], dtype.ordered) if new else dtype
    try:
        typed = column.astype(dtype)
    except (TypeError, ValueError):
        return column
    same = (typed.astype(object) == column.astype(object)) | (typed.isna() & column.isna())
    return typed if bool(same.all()) else column


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_SHOWN_NAMES])
    return shown if len(names) <= _SHOWN_NAMES else f"{shown} and {len(names) - _SHOWN_NAMES} more"
