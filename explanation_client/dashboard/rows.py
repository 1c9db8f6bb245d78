"""The explained rows in the form that the model takes, with some cells changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.dashboard.values import Converter, Value, converter
from explanation_client.dataset import EvaluationData, is_instance_of
from explanation_client.display import shown
from explanation_client.errors import InvalidArgumentError, MissingDependencyError

_SHOWN_NAMES = 8


@dataclass(frozen=True, slots=True)
class Line:
    """One row to ask the model about: an explained row, and the cells that differ from it, by column."""

    row: int
    cells: Mapping[int, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """The explained rows as the caller has them.

    Parameters
    ----------
    data : ndarray, pandas.DataFrame or scipy CSR matrix of shape (N, columns)
    names : tuple of str
        Names of the columns.

    """

    data: Any
    names: tuple[str, ...]
    _converters: dict[int, Converter] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """N."""
        return int(self.data.shape[0])

    def line(self, row: int, edits: Mapping[str, Value]) -> Line:
        """Return a row with new values in some columns, by name.

        Raises
        ------
        InvalidArgumentError
            There is no such row or column, or a value is none that the column can have.

        """
        if not 0 <= row < self.count:
            raise InvalidArgumentError(f"there is no row {row}: there are {self.count}")
        return Line(row, {(place := self.place(name)): self.value(place, value) for name, value in edits.items()})

    def place(self, name: str) -> int:
        """Return the position of a column."""
        if name not in self.names:
            some = ", ".join(shown(known) for known in self.names[:_SHOWN_NAMES])
            raise InvalidArgumentError(f"the rows have no column {shown(name)!r}: they have {some}, ...")
        return self.names.index(name)

    def value(self, place: int, value: Value) -> Any:
        """Return a value as the column at that place has them."""
        found = self._converters.get(place)
        if found is None:
            found = self._converters[place] = converter(self.names[place], *self._column(place))
        return found(value)

    def take(self, lines: Sequence[Line]) -> Any:
        """Return a table of some lines, of the same kind and dtypes as the rows."""
        positions = np.array([line.row for line in lines], np.intp)
        changes: dict[int, tuple[list[int], list[Any]]] = {}
        for at, line in enumerate(lines):
            for place, value in line.cells.items():
                places, values = changes.setdefault(place, ([], []))
                places.append(at)
                values.append(value)
        if is_instance_of(self.data, "pandas", "DataFrame"):
            return _changed_frame(self.data.iloc[positions], changes)
        if isinstance(self.data, np.ndarray):
            return _changed_array(self.data[positions], changes)
        return _changed_sparse(self.data[positions], changes)

    def _column(self, place: int) -> tuple[Any, Any]:
        """Return dtype and cells of a column."""
        if is_instance_of(self.data, "pandas", "DataFrame"):
            series = self.data.iloc[:, place]
            return series.dtype, series
        if isinstance(self.data, np.ndarray):
            return self.data.dtype, self.data[:, place]
        return self.data.dtype, ()


def _changed_frame(frame: Any, changes: Mapping[int, tuple[list[int], list[Any]]]) -> Any:
    import pandas

    frame = frame.copy()
    for place, (at, values) in changes.items():
        series = frame.iloc[:, place]
        if is_instance_of(series.dtype, "pandas.api.extensions", "ExtensionDtype"):
            cells = series.array.copy()
            cells[at] = pandas.array(values, dtype=series.dtype)
        else:
            cells = series.to_numpy(copy=True)
            cells[at] = _array_of(values, cells.dtype)
        frame.isetitem(place, pandas.Series(cells, index=frame.index, dtype=series.dtype))
    return frame


def _changed_array(array: NDArray[Any], changes: Mapping[int, tuple[list[int], list[Any]]]) -> NDArray[Any]:
    if array.dtype.kind == "U" and changes:
        # A longer text than any in the column would be cut without a word.
        longest = max(len(value) for _, values in changes.values() for value in values)
        array = array.astype(np.result_type(array.dtype, f"U{max(1, longest)}"))
    for place, (at, values) in changes.items():
        array[at, place] = _array_of(values, array.dtype)
    return array


def _changed_sparse(matrix: Any, changes: Mapping[int, tuple[list[int], list[Any]]]) -> Any:
    if not changes:
        return matrix
    changed = matrix.tolil()
    for place, (at, values) in changes.items():
        for line, value in zip(at, values, strict=True):
            changed[line, place] = value
    return changed.tocsr()


def _array_of(values: list[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return values as an array of a dtype; objects stay single cells even where they are sequences."""
    made = np.empty(len(values), dtype)
    for at, value in enumerate(values):
        made[at] = value
    return made


def rows_of(data: EvaluationData) -> Rows | None:
    """Return the rows that an explanation holds, as near to what the model takes as they were kept; None without any.

    Categories, times with a zone and nullable numbers were turned into plain ones when they were taken up.
    """
    columns = data.columns
    if not columns:
        return None
    if len({column.dtype for column in columns}) == 1 and columns[0].dtype.kind in "biuf":
        return Rows(data=np.stack(columns, axis=1), names=data.names)
    try:
        import pandas
    except ImportError as error:
        raise MissingDependencyError(
            "pandas", extra="explain", needed_for="asking the model about such rows"
        ) from error
    return Rows(data=pandas.DataFrame(dict(zip(data.names, columns, strict=True))), names=data.names)
