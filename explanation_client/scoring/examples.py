"""Rows that a copy of a scoring explainer is tested with: made up, or mixed so that none is a row of the caller's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.explainers.inputs import Table
from explanation_client.scoring.sums import LinearSum, Sums, TreeSum

N_EXAMPLES = 8
# Of text and categories only common values are used, so that a rare one, which may be a name, stays where it is.
_COMMON = 5
_SEED = 20_240


def mixed(table: Table, n_rows: int = N_EXAMPLES) -> Table:
    """Return rows whose columns are drawn from a table each on its own.

    Numbers with a fraction are the middle of two that occur; whole numbers, which may be codes, and dates are values
    that occur; of texts and categories it is common ones that are used. No row of the table is taken whole.
    """
    rng = np.random.default_rng(_SEED)
    if table.is_sparse:
        dense = Table(table.take(slice(0, 200)).data.toarray(), table.names)
        made = mixed(dense, n_rows).data
        return Table(type(table.data)(made), table.names)
    if table.is_frame:
        import pandas

        columns = {j: _drawn(table.data.iloc[:, j].array, n_rows, rng) for j in range(table.shape[1])}
        return Table(pandas.DataFrame(columns).set_axis(list(table.data.columns), axis=1), table.names)
    made = np.empty((n_rows, table.shape[1]), table.data.dtype)
    for j in range(table.shape[1]):
        made[:, j] = _drawn(table.data[:, j], n_rows, rng)
    return Table(made, table.names)


def made_up(sums: Sums, n_columns: int, n_rows: int = N_EXAMPLES) -> Table:
    """Return rows of numbers on both sides of what trees split at, or around the mean of a linear model."""
    rng = np.random.default_rng(_SEED)
    noise = rng.normal(size=(n_rows, n_columns))
    if isinstance(sums, LinearSum):
        return Table(sums.mean + noise * np.maximum(1.0, np.abs(sums.mean)))
    assert isinstance(sums, TreeSum)
    rows = noise
    for column, values in _thresholds(sums):
        picked = values[rng.integers(len(values), size=n_rows)]
        spread = float(np.std(values)) or max(1e-3, 0.1 * abs(float(values[0])))
        rows[:, column] = picked + 0.5 * spread * noise[:, column]
    return Table(rows)


def _thresholds(sums: TreeSum) -> Iterable[tuple[int, NDArray[np.float64]]]:
    """Yield the columns that trees split on, and where."""
    for member in sums.members:
        ensemble = member.tables.ensemble
        split = (ensemble.feature >= 0) & (np.abs(ensemble.threshold) < 1e30)
        # Sets of categories have no threshold: small whole numbers are codes.
        numbers = np.where(ensemble.category_words > 0, np.arange(len(split)) % 7, ensemble.threshold)
        for feature in np.unique(ensemble.feature[split]).tolist():
            column = feature if member.columns is None else int(member.columns[feature])
            yield column, np.asarray(numbers[split & (ensemble.feature == feature)], np.float64)


def _drawn(column: Any, n_rows: int, rng: np.random.Generator) -> Any:
    """Return values of a column, or in the middle of two of them."""
    first = rng.integers(len(column), size=n_rows)
    if getattr(column.dtype, "kind", "O") == "f":
        numbers = np.asarray(column.to_numpy(np.float64, na_value=np.nan) if hasattr(column, "to_numpy") else column)
        second = rng.integers(len(column), size=n_rows)
        known = numbers[np.isfinite(numbers)]
        if (known != np.floor(known)).any():
            made = (numbers[first] + numbers[second]) / 2
            return made.astype(column.dtype) if isinstance(column, np.ndarray) else _like(column, made)
    if getattr(column.dtype, "kind", "O") in "biufmM":
        return column[first] if isinstance(column, np.ndarray) else column.take(first)
    return _common(column, n_rows, rng)


def _like(column: Any, values: NDArray[np.float64]) -> Any:
    import pandas

    return pandas.array(values, dtype=column.dtype)


def _common(column: Any, n_rows: int, rng: np.random.Generator) -> Any:
    """Return common values of a column of text or categories."""
    positions: dict[Any, list[int]] = {}
    for position, value in enumerate(column):
        missing = value is None or type(value).__name__ in ("NAType", "NaTType") or value != value
        positions.setdefault("missing" if missing else (type(value).__name__, value), []).append(position)
    ranked = sorted(positions.values(), key=len, reverse=True)[:_COMMON]
    picked = np.array([ranked[i][0] for i in rng.integers(len(ranked), size=n_rows)])
    return column[picked] if isinstance(column, np.ndarray) else column.take(picked)
