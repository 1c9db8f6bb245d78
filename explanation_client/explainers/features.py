"""Which features an explanation is of: the model's own columns, the raw ones they were made from, or some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.feature_map import FeatureMap, fitted_names, make_feature_map
from explanation_client.explainers.inputs import Schema, Table, make_schema
from explanation_client.explainers.model import Model
from explanation_client.explainers.reading import column_count
from explanation_client.info import FeatureSpace

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The F features that are reported, and how values of the model's E columns become theirs.

    Parameters
    ----------
    names : tuple of str
    feature_map : FeatureMap, optional
        From engineered columns to raw ones. None: the model's own columns are reported.
    subset : ndarray of int, optional
        Positions of the columns that are reported. None: all.
    space : "raw", "engineered" or None
        None where there are no transformations.

    """

    names: tuple[str, ...]
    feature_map: FeatureMap | None = None
    subset: NDArray[np.intp] | None = None
    space: FeatureSpace | None = None

    @classmethod
    def of(cls, names: tuple[str, ...], feature_map: FeatureMap | None, subset: NDArray[np.intp] | None) -> Features:
        """Return what is reported of columns with these names, raw ones where there is a map."""
        chosen = names if subset is None else tuple(names[i] for i in subset)
        return cls(chosen, feature_map, subset, None if feature_map is None else "raw")

    def values(self, values: Floats) -> Floats:
        """Return importances (C, N, F) of what is reported, from those of the model's columns (C, N, E)."""
        if self.feature_map is not None:
            values = self.feature_map.to_raw(values)
        return values if self.subset is None else values[:, :, self.subset]

    def pairs(self, values: Floats) -> Floats:
        """Return interactions (C, N, F, F) of what is reported, from those of the model's columns (C, N, E, E)."""
        if self.feature_map is not None:
            values = self.feature_map.to_raw(self.feature_map.to_raw(values).swapaxes(2, 3))
        return values if self.subset is None else values[:, :, self.subset[:, None], self.subset]

    def rows(self, table: Table) -> Table:
        """Return the reported columns of rows."""
        return table if self.subset is None else table.columns(self.subset)


class Gathered:
    """Collects batches of rows of the same columns: what transformations made of them, batch by batch.

    Parameters
    ----------
    n_rows : int
        Rows in all.
    single_row : bool
        The caller gave one row without a row axis.

    """

    def __init__(self, n_rows: int, *, single_row: bool) -> None:
        self._n_rows = n_rows
        self._single_row = single_row
        self._array: NDArray[Any] | None = None
        self._parts: list[Any] = []

    def add(self, rows: Any, start: int) -> None:
        """Take the rows from ``start`` on, in the form that the model takes."""
        if not isinstance(rows, np.ndarray):
            self._parts.append(rows)
            return
        if self._array is None:
            self._array = np.empty((self._n_rows, rows.shape[1]), rows.dtype)
        elif not np.can_cast(rows.dtype, self._array.dtype):
            self._array = self._array.astype(np.result_type(self._array, rows))
        self._array[start : start + len(rows)] = rows

    def table(self) -> Table:
        """Return all rows."""
        return Table(self._whole(), single_row=self._single_row)

    def _whole(self) -> Any:
        if self._array is not None:
            return self._array
        if hasattr(self._parts[0], "iloc"):
            import pandas

            return pandas.concat(self._parts)
        from scipy.sparse import vstack

        return vstack(self._parts, format="csr")


def read_subset(explain_subset: Sequence[int] | None, n_features: int) -> NDArray[np.intp] | None:
    """Return the positions of the columns to explain, None for all.

    Raises
    ------
    InvalidArgumentError
        They are no list of different positions in range.

    """
    if explain_subset is None:
        return None
    positions = np.asarray(explain_subset)
    if positions.ndim != 1 or positions.dtype.kind not in "iu" or not positions.size:
        raise InvalidArgumentError(f"explain_subset={explain_subset!r}: a list of column positions")
    if positions.min() < 0 or positions.max() >= n_features or len(set(positions.tolist())) != len(positions):
        raise InvalidArgumentError(
            f"explain_subset={positions.tolist()}: different positions between 0 and {n_features - 1}"
        )
    return positions.astype(np.intp)


def read_raw_features(
    transformations: Any,
    allow_all: bool,
    background: Table | None,
    features: Sequence[str] | None,
) -> tuple[FeatureMap | None, Schema | None, Table | None]:
    """Return the feature map, the columns of raw rows, and the background as the model takes it.

    Raises
    ------
    InvalidArgumentError
        Transformations need initialization examples, or cannot be mapped back.

    """
    if transformations is None:
        return None, None, background
    if background is None:
        raise InvalidArgumentError(
            "transformations= needs initialization_examples: raw rows to see what comes from what"
        )
    schema = make_schema(
        n_features=background.shape[1],
        model_names=fitted_names(transformations),
        examples=background,
        features=features,
    )
    background = schema.align(background)
    feature_map = make_feature_map(transformations, background, allow_all=allow_all)
    return feature_map, schema, feature_map.transform(background)


def read_schema(model: Model, background: Table | None, features: Sequence[str] | None) -> Schema:
    """Return the columns that rows must have, from what model, background and caller say.

    Raises
    ------
    InvalidArgumentError
        None of them says how many there are, or ``features`` does not fit.

    """
    n_features = column_count(model.estimator)
    if n_features is None:
        if background is None:
            raise InvalidArgumentError(
                f"{model.short_name} does not say how many columns it takes: pass initialization_examples"
            )
        n_features = background.shape[1]
    return make_schema(
        n_features=n_features,
        model_names=model.names,
        examples=background,
        features=features,
    )
