"""From engineered features back to raw ones: which columns of a transformation come from which columns before it.

A model that was trained on transformed columns is explained in these. A :class:`FeatureMap` holds, for each engineered
column, the shares of the raw columns in it; the shares of a column add up to 1, so that raw importances add up to what
the engineered ones do.

Shares are found by trying (:mod:`explanation_client.explainers.probing`): raw columns are shuffled, and the engineered
columns that change come from them. That works for whatever is deterministic once it is fitted, nested as it may be, and
needs nothing from the transformers but ``transform``. Columns that change with none (categories that do not occur,
constants) are found by their block of a ColumnTransformer or of a list, by their name, or by their position.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import FeatureMapError, InvalidArgumentError
from explanation_client.explainers.imputers import with_own_columns
from explanation_client.explainers.inputs import Table, read_table
from explanation_client.explainers.list_transformation import ListTransformation
from explanation_client.explainers.placing import Places
from explanation_client.explainers.probing import Trials
from explanation_client.info import name_problems

_ALLOW = "pass allow_all_transformations=True to share such columns equally"
# Matrices of shares with more entries are sparse, and columns that are shared may have so many shares in all.
_DENSE_ENTRIES = 1 << 20
_MOST_SHARES = 1 << 26


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
    weights : ndarray or CSR matrix of float64, shape (R, E)
        Share of each raw column in each engineered one; every column adds up to 1.
    as_frame : bool
        The transformation takes DataFrames.
    names : tuple of str, optional
        Names of the raw columns.
    engineered_names : tuple of str, optional
        Names of the engineered columns, where the transformations name them, each differently.
    notes : tuple of str
        What is recorded of how raw columns were found.

    """

    transformation: Transformation
    weights: Any
    as_frame: bool
    names: tuple[str, ...] | None
    engineered_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    def transform(self, table: Table) -> Table:
        """Return the engineered rows of raw ones."""
        return transformed(self.transformation, table, as_frame=self.as_frame, names=self.names)

    def to_raw(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return raw importances (..., R) from engineered ones (..., E)."""
        if isinstance(self.weights, np.ndarray):
            return np.asarray(values @ self.weights.T)
        flat = values.reshape(-1, values.shape[-1])
        # A sparse matrix stands on the left: scipy's product with an array on that side works on every version.
        return np.ascontiguousarray((self.weights @ flat.T).T).reshape(*values.shape[:-1], -1)


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
        It is no transformation, or not fitted.
    FeatureMapError
        It is not deterministic, or mixes columns without ``allow_all``.

    """
    fitted = as_transformation(transformations)
    names = fitted_names(fitted) or table.names
    as_frame = table.is_frame or hasattr(fitted, "feature_names_in_")
    tried, imputers = with_own_columns(fitted)
    trials = Trials(lambda rows: transformed(tried, rows, as_frame=as_frame, names=names), table)
    engineered = engineered_names(fitted, trials.shape[1])
    weights = _weights(trials, Places.of(fitted, trials, names, engineered), names, allow_all=allow_all)
    notes = tuple(
        f"raw features: what {name} fills in from other columns counts for the column that it fills"
        for name in imputers
    )
    return FeatureMap(fitted, weights, as_frame, names, distinct(engineered), notes)


def _weights(trials: Trials, places: Places, names: tuple[str, ...] | None, *, allow_all: bool) -> Any:
    """Return the shares of raw columns in engineered ones, (R, E)."""
    from scipy.sparse import coo_matrix

    sources, mixed = trials.sources()
    several = np.flatnonzero(mixed)
    if len(several) and not allow_all:
        shown = ", ".join(repr(names[i]) if names else str(i) for i in islice(trials.sources_of(int(several[0])), 5))
        raise FeatureMapError(
            f"{len(several)} engineered columns come from several raw columns (column {several[0]} from {shown}), so "
            f"that no single raw feature has their importance: {_ALLOW}"
        )
    n_raw = trials.shape[0]
    if len(several) * n_raw > _MOST_SHARES:
        raise FeatureMapError(
            f"{len(several):,} engineered columns come from several of {n_raw:,} raw columns, too many to be shared: "
            "pass the whole pipeline as the model, which is explained in its raw columns"
        )
    single = np.flatnonzero(~mixed & (sources >= 0))
    parts = [(sources[single], single, np.ones(len(single)))]
    if len(several):
        shares = trials.sources_of_all(several)
        rows, columns = np.nonzero(shares)
        parts.append((rows, several[columns], 1.0 / shares.sum(axis=0)[columns]))
    for column in np.flatnonzero(~mixed & (sources < 0)):
        rows = places.find(int(column), sources)
        # It is the same for all rows that were tried, and belongs to none of these more than to another.
        parts.append((rows, np.full(len(rows), column), np.full(len(rows), 1.0 / len(rows))))
    rows, columns, shares = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    weights = coo_matrix((shares, (rows, columns)), shape=trials.shape).tocsr()
    return weights.toarray() if weights.shape[0] * weights.shape[1] <= _DENSE_ENTRIES else weights


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

        columns = None if names is None else list(names)
        make: Any = pandas.DataFrame
        rows = (make.sparse.from_spmatrix if table.is_sparse else make)(rows, columns=columns)
    elif as_frame and names is not None:
        rows = rows.set_axis(list(names), axis=1)
    engineered = read_table(fitted.transform(rows), what="transformed rows")
    return Table(engineered.data, engineered.names, single_row=table.single_row, weights=table.weights)


def fitted_names(fitted: Any) -> tuple[str, ...] | None:
    """Return the names of the columns that transformations were fitted on, None where they do not say."""
    names = getattr(fitted, "feature_names_in_", None)
    return None if names is None else tuple(str(name) for name in names)


def engineered_names(fitted: Any, n_engineered: int) -> tuple[str, ...] | None:
    """Return the names of the engineered columns, None where a transformer has none."""
    if not hasattr(fitted, "get_feature_names_out"):
        return None
    try:
        names = fitted.get_feature_names_out()
    except (AttributeError, ValueError):
        # scikit-learn raises them where a nested transformer does not name its columns.
        return None
    return tuple(str(name) for name in names) if len(names) == n_engineered else None


def distinct(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return names that can be those of features, None where they cannot.

    Own names of a transformer can be doubled, and features of an explanation cannot.
    """
    return None if names is None or list(name_problems(names)) else names
