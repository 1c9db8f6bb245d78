"""Rows of any types as the numbers that trees or coefficients are of: levels as codes, dates as seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.inputs import Table
from explanation_client.surrogates.design import Design

Floats = NDArray[np.float64]
Level = str | int | float | bool
# Types of what counts as a number in rows.
REAL = (int, float, np.integer, np.floating, np.bool_)


@dataclass(frozen=True, eq=False)
class Levels:
    """How the E columns of a table become the numbers that a model of numbers takes.

    Parameters
    ----------
    codes : mapping of int to tuple
        For each categorical column its levels; a code is a position among them, and NaN stands for any other value.
    design : Design, optional
        Which categorical columns become a column for each level.
    fill : ndarray of float64, optional
        What stands for a missing number in each of the resulting columns.

    """

    codes: Mapping[int, tuple[Level, ...]] = field(default_factory=dict)
    design: Design | None = None
    fill: Floats | None = None

    def encode(self, table: Table, features: tuple[str, ...]) -> Floats:
        """Return rows as float64 (N, E): codes of levels, seconds of dates, NaN for what is missing.

        Raises
        ------
        InvalidArgumentError
            A column of numbers holds something else.

        """
        if not self.codes and isinstance(table.data, np.ndarray) and table.data.dtype.kind in "biuf":
            return np.ascontiguousarray(table.data, np.float64)
        numbers = np.empty(table.shape)
        for j in range(table.shape[1]):
            column = table.data.iloc[:, j] if table.is_frame else table.data[:, j]
            known = self._positions.get(j)
            if known is None:
                numbers[:, j] = _numbers(column, features[j])
            else:
                numbers[:, j] = [known.get(value, np.nan) if _is_hashable(value) else np.nan for value in column]
        return numbers

    def expand(self, rows: Floats) -> Floats:
        """Return the columns that the model takes."""
        if self.design is not None:
            rows = self.design.expand(rows)
        if self.fill is None:
            return rows
        missing = np.isnan(rows)
        return np.where(missing, self.fill, rows) if missing.any() else rows

    def fold(self, values: Floats) -> Floats:
        """Return importances (K, N, E) from those of the columns that the model takes."""
        return values if self.design is None else self.design.fold(values)

    @cached_property
    def _positions(self) -> dict[int, dict[Level, int]]:
        return {j: {level: i for i, level in enumerate(levels)} for j, levels in self.codes.items()}


def _is_hashable(value: Any) -> bool:
    return getattr(type(value), "__hash__", None) is not None


def _numbers(column: Any, feature: str) -> Floats:
    """Return a column as float64: NaN for what is missing, seconds for dates and durations."""
    kind = getattr(column.dtype, "kind", "O")
    if isinstance(column, np.ndarray) and kind in "biuf":
        return column.astype(np.float64)
    try:
        if kind in "biuf":
            return np.asarray(column.to_numpy(np.float64, na_value=np.nan))
        return np.array([_number(value, feature) for value in column], np.float64)
    except OverflowError as error:
        raise InvalidArgumentError(f"column {feature!r} holds a number that is too large for a float64") from error


def _number(value: Any, feature: str) -> float:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return float("nan")
    if isinstance(value, np.datetime64):
        return float(value.astype("datetime64[us]").astype(np.int64)) / 1e6
    if isinstance(value, (datetime, date)):
        moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, REAL):
        return float(value)
    if hasattr(value, "total_seconds"):
        return float(value.total_seconds())
    raise InvalidArgumentError(f"column {feature!r} holds {repr(value)[:40]}, and the model takes numbers there")
