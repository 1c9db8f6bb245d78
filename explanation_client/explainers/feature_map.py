"""From engineered features back to raw ones: which columns of a transformation come from which columns before it.

A model that was trained on transformed columns is explained in these. A :class:`FeatureMap` holds, for each engineered
column, the shares of the raw columns in it; the shares of a column add up to 1, so that raw importances add up to what
the engineered ones do.

Shares are found by trying: a raw column is shuffled, and the engineered columns that change come from it. That works
for whatever is deterministic once it is fitted, nested as it may be, and needs nothing from the transformers but
``transform``. Columns that change with none (categories that do not occur, constants) are found by their block of a
ColumnTransformer or of a list, or by their name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.inputs import Table, read_table
from explanation_client.info import name_problems

# Rows that are transformed to find out what depends on what: enough to meet rare categories.
_TRIED_ROWS = 2000
_ALLOW = "pass allow_all_transformations=True to share such columns equally"


class FeatureMapError(InvalidArgumentError):
    """It cannot be told which raw columns engineered ones come from: transformations mix them, or are random."""


class Transformation(Protocol):
    """Fitted: from raw rows to engineered ones."""

    def transform(self, rows: Any) -> Any:
        """Return the engineered rows."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMap:
    """A transformation with the shares of raw columns in its results.

    Parameters
    ----------
    transformation : object with ``transform``
    weights : ndarray of float64, shape (R, E)
        Share of each raw column in each engineered one; every column adds up to 1.
    as_frame : bool
        The transformation takes DataFrames.
    names : tuple of str, optional
        Names of the raw columns.
    engineered_names : tuple of str, optional
        Names of the engineered columns, where the transformations name them, each differently.

    """

    transformation: Transformation
    weights: NDArray[np.float64]
    as_frame: bool
    names: tuple[str, ...] | None
    engineered_names: tuple[str, ...] | None = None

    def transform(self, table: Table) -> Table:
        """Return the engineered rows of raw ones."""
        return transformed(self.transformation, table, as_frame=self.as_frame, names=self.names)

    def to_raw(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return raw importances (C, N, R) from engineered ones (C, N, E)."""
        return np.asarray(values @ self.weights.T)


def make_feature_map(transformations: Any, table: Table, *, allow_all: bool) -> FeatureMap:
    """Return the feature map of fitted transformations.

    Parameters
    ----------
    transformations : object with ``transform``, or list of (columns, transformer)
        A fitted ColumnTransformer, Pipeline, FeatureUnion or DataFrameMapper; or pairs of column names and a fitted
        transformer, a list of them to be applied in turn, or None to pass the columns through.
    table : Table
        Raw rows to try it on.
    allow_all : bool
        Share an engineered column that comes from several raw ones equally among them.

    Raises
    ------
    InvalidArgumentError
        It is no transformation.
    FeatureMapError
        It is not deterministic, mixes columns without ``allow_all``, or takes sparse rows.

    """
    fitted = as_transformation(transformations)
    names = fitted_names(fitted) or table.names
    as_frame = table.is_frame or hasattr(fitted, "feature_names_in_")
    sample = table.take(slice(0, _TRIED_ROWS))

    def engineer(rows: Table) -> Table:
        return transformed(fitted, rows, as_frame=as_frame, names=names)

    moves = _moves(engineer, sample)
    _place_unmoved(moves, fitted, names, sample)
    mixed = np.flatnonzero(moves.sum(axis=0) > 1)
    if len(mixed) and not allow_all:
        sources = np.flatnonzero(moves[:, mixed[0]])
        shown = ", ".join(repr(names[i]) if names else str(i) for i in sources[:5])
        raise FeatureMapError(
            f"{len(mixed)} engineered columns come from several raw columns (column {mixed[0]} from {shown}), so that "
            f"no single raw feature has their importance: {_ALLOW}"
        )
    engineered = _engineered_names(fitted, moves.shape[1])
    if engineered is not None and list(name_problems(engineered)):
        # Own names of a transformer can be doubled, and features of an explanation cannot.
        engineered = None
    return FeatureMap(fitted, moves / moves.sum(axis=0), as_frame, names, engineered)


def as_transformation(transformations: Any) -> Any:
    """Return an object with ``transform``: a list of pairs becomes one.

    Raises
    ------
    InvalidArgumentError
        It is no transformation.

    """
    fitted = ListTransformation.of(transformations) if isinstance(transformations, list) else transformations
    if not hasattr(fitted, "transform"):
        raise InvalidArgumentError(
            f"transformations= is a {type(fitted).__qualname__}: pass a fitted ColumnTransformer, another object with "
            "transform, or a list of (columns, transformer)"
        )
    return fitted


def transformed(fitted: Transformation, table: Table, *, as_frame: bool, names: tuple[str, ...] | None) -> Table:
    """Return the engineered rows of raw ones; the result remembers whether it was a single row."""
    rows = table.data
    if as_frame and not table.is_frame:
        import pandas

        rows = pandas.DataFrame(rows, columns=None if names is None else list(names))
    elif as_frame and names is not None:
        rows = rows.set_axis(list(names), axis=1)
    engineered = read_table(fitted.transform(rows), what="transformed rows")
    return Table(engineered.data, engineered.names, single_row=table.single_row, weights=table.weights)


@dataclass(frozen=True, slots=True, eq=False)
class ListTransformation:
    """Pairs of columns and fitted transformers, whose results lie side by side.

    Parameters
    ----------
    parts : tuple of (columns, steps)
        Columns are a list of names (rows are handed on as a table) or one name (as a single series).

    """

    parts: tuple[tuple[list[str] | str, tuple[Any, ...]], ...]

    @classmethod
    def of(cls, pairs: list[Any]) -> ListTransformation:
        """Return the transformation of a list in the form of sklearn-pandas.

        Raises
        ------
        InvalidArgumentError
            An entry is no pair of columns and transformers.

        """
        parts = []
        for pair in pairs:
            if not isinstance(pair, tuple) or len(pair) < 2:
                raise InvalidArgumentError(
                    f"transformations= holds {pair!r}: pairs of (columns, transformer) are needed"
                )
            columns, transformer = pair[0], pair[1]
            steps = transformer if isinstance(transformer, (list, tuple)) else [transformer]
            kept = tuple(step for step in steps if step is not None)
            if not all(hasattr(step, "transform") for step in kept):
                raise InvalidArgumentError(f"transformations= for {columns!r}: {transformer!r} has no transform method")
            parts.append((columns if isinstance(columns, str) else list(columns), kept))
        return cls(tuple(parts))

    def transform(self, rows: Any) -> Any:
        """Return the results side by side: CSR if any is sparse, else an array.

        Raises
        ------
        InvalidArgumentError
            The rows are no DataFrame.

        """
        if not hasattr(rows, "columns"):
            raise InvalidArgumentError("a list of transformations names columns: pass rows as a pandas DataFrame")
        results = self._results(rows)
        if any(hasattr(result, "tocsr") for result in results):
            from scipy.sparse import csr_matrix, hstack

            return csr_matrix(hstack(results, format="csr"))
        return np.hstack(results)

    def blocks(self, rows: Any) -> list[tuple[list[str], slice]]:
        """Return for each part its raw columns and the engineered ones that come from them."""
        found, start = [], 0
        for (columns, _), result in zip(self.parts, self._results(rows), strict=True):
            found.append(([columns] if isinstance(columns, str) else columns, slice(start, start + result.shape[1])))
            start += result.shape[1]
        return found

    def get_feature_names_out(self) -> NDArray[np.object_]:
        """Return the names of the results, as the last transformers name them, else those of the columns.

        Raises
        ------
        ValueError
            A transformer that makes other columns does not name them.

        """
        names: list[str] = []
        for columns, steps in self.parts:
            current = [columns] if isinstance(columns, str) else columns
            for step in steps:
                current = [str(name) for name in step.get_feature_names_out(current)]
            if isinstance(columns, str) and steps:
                # Made from a series: the words of a text, for example, of which one cannot tell the column.
                current = [f"{columns}_{name}" for name in current]
            names += current
        return np.array(names, dtype=object)

    def _results(self, rows: Any) -> list[Any]:
        results = []
        for columns, steps in self.parts:
            # A single series, as sklearn-pandas hands it on; with no transformer to want one, a table.
            values = rows[columns] if steps or not isinstance(columns, str) else rows[[columns]]
            for step in steps:
                values = step.transform(values)
            results.append(values if hasattr(values, "tocsr") else _two_dimensional(np.asarray(values)))
        return results


def _two_dimensional(values: NDArray[Any]) -> NDArray[Any]:
    return values[:, None] if values.ndim == 1 else values


def _moves(engineer: Any, sample: Table) -> NDArray[np.float64]:
    """Return which engineered columns change with each raw one, 1 or 0, shape (R, E)."""
    before = _first_result(engineer, sample)
    if not _changed(before, engineer(sample)).size == 0:
        raise FeatureMapError("transformations= give another result each time: they must be deterministic")
    generator = np.random.default_rng(0)
    moves = np.zeros((sample.shape[1], before.shape[1]))
    for column in range(sample.shape[1]):
        order = generator.permutation(sample.shape[0])
        moves[column, _changed(before, engineer(_with_column_of(sample, column, order)))] = 1.0
    return moves


def _first_result(engineer: Any, sample: Table) -> Table:
    try:
        return cast(Table, engineer(sample))
    except (AttributeError, ValueError) as error:
        # scikit-learn's error, told by its name: whoever raises it has imported its package.
        if type(error).__name__ != "NotFittedError":
            raise
        raise InvalidArgumentError(
            f"the transformations are not fitted: {error} Pass those that the model was trained with; a "
            "ColumnTransformer fits copies, which are in its transformers_"
        ) from error


def _with_column_of(table: Table, column: int, order: NDArray[np.intp]) -> Table:
    """Return the rows with one column in another order."""
    if table.is_frame:
        frame = table.data.copy()
        frame.isetitem(column, table.data.iloc[:, column].array.take(order))
        return Table(frame, table.names)
    if table.is_sparse:
        raise FeatureMapError("raw rows of transformations= are DataFrames or arrays, not sparse matrices")
    rows = table.data.copy()
    rows[:, column] = table.data[order, column]
    return Table(rows, table.names)


def _changed(before: Table, after: Table) -> NDArray[np.intp]:
    """Return the positions of the columns that differ."""
    if before.is_sparse:
        return np.unique((before.data != after.data).nonzero()[1]).astype(np.intp)
    a, b = (np.asarray(table.data) for table in (before, after))
    if a.dtype.kind in "fc":
        differs = ~((a == b) | (np.isnan(a) & np.isnan(b)))
    else:
        # What is not equal to itself is missing.
        differs = (a != b) & ~((a != a) & (b != b))
    return np.flatnonzero(np.asarray(differs, bool).any(axis=0))


def _place_unmoved(moves: NDArray[np.float64], fitted: Any, names: tuple[str, ...] | None, sample: Table) -> None:
    """Give engineered columns that changed with no raw column their sources: by block, by name, else all columns."""
    unmoved = np.flatnonzero(moves.sum(axis=0) == 0)
    if not len(unmoved):
        return
    candidates = _candidates(fitted, moves.shape, names, sample)
    engineered = _engineered_names(fitted, moves.shape[1])
    for column in unmoved:
        rows = np.flatnonzero(candidates[:, column])
        if len(rows) > 1 and engineered is not None and names is not None:
            rows = _named_in(engineered[column], rows, names)
        if len(rows) == 1:
            moves[rows[0], column] = 1.0
        else:
            # It is the same for all rows that were tried, and belongs to none of them more than to another.
            moves[:, column] = 0.0
            moves[rows if len(rows) else slice(None), column] = 1.0


def _named_in(engineered: str, rows: NDArray[np.intp], names: tuple[str, ...]) -> NDArray[np.intp]:
    """Return the raw columns whose name stands in an engineered one's, the longest names of them."""
    plain = engineered.rpartition("__")[2]
    fitting = [
        i for i in rows if plain == names[i] or plain.startswith(f"{names[i]}_") or plain.endswith(f"_{names[i]}")
    ]
    longest = max((len(names[i]) for i in fitting), default=0)
    return np.array([i for i in fitting if len(names[i]) == longest], np.intp) if fitting else rows


def _candidates(fitted: Any, shape: tuple[int, int], names: tuple[str, ...] | None, sample: Table) -> NDArray[np.bool_]:
    """Return which raw columns an engineered one can come from at all, by the blocks of a ColumnTransformer or list."""
    candidates = np.ones(shape, bool)
    for columns, block in _blocks(fitted, sample):
        rows = _positions(columns, shape[0], names)
        if rows is not None:
            candidates[:, block] = False
            candidates[rows, block] = True
    return candidates


def _blocks(fitted: Any, sample: Table) -> list[tuple[Any, slice]]:
    """Return raw columns and the engineered ones that are made from them, as far as the transformations say."""
    if isinstance(fitted, ListTransformation):
        return list(fitted.blocks(sample.data))
    indices = getattr(fitted, "output_indices_", None)
    if indices is None:
        return []
    blocks = [(columns, indices.get(name)) for name, _, columns in fitted.transformers_]
    return [(columns, block) for columns, block in blocks if block is not None and block.start != block.stop]


def _positions(columns: Any, n_columns: int, names: tuple[str, ...] | None) -> NDArray[np.intp] | None:
    """Return the positions that a fitted ColumnTransformer's selection means, None where it is in names we lack."""
    chosen = np.arange(n_columns)
    if isinstance(columns, str):
        columns = [columns]
    if isinstance(columns, (int, np.integer)):
        return chosen[[int(columns)]]
    if isinstance(columns, slice) and not isinstance(columns.start, str) and not isinstance(columns.stop, str):
        return chosen[columns]
    values = np.asarray(columns, dtype=object)
    if values.ndim == 1 and all(isinstance(value, str) for value in values):
        return None if names is None else np.array([names.index(value) for value in values], np.intp)
    try:
        return np.asarray(chosen[np.asarray(columns)], np.intp)
    except (IndexError, TypeError):
        return None


def fitted_names(fitted: Any) -> tuple[str, ...] | None:
    """Return the names of the columns that transformations were fitted on, None where they do not say."""
    names = getattr(fitted, "feature_names_in_", None)
    return None if names is None else tuple(str(name) for name in names)


def _engineered_names(fitted: Any, n_engineered: int) -> tuple[str, ...] | None:
    """Return the names of the engineered columns, None where a transformer has none."""
    if not hasattr(fitted, "get_feature_names_out"):
        return None
    try:
        names = fitted.get_feature_names_out()
    except (AttributeError, ValueError):
        # scikit-learn raises them where a nested transformer does not name its columns.
        return None
    return tuple(str(name) for name in names) if len(names) == n_engineered else None
