"""Which rows a dashboard shows: all, or a sample in which every kind of prediction has its share.

Rows are put in the order of what the model predicts, first by class, then by how high, and taken at equal distances.
So each class and each range of predictions has the share in the sample that it has among all rows, and the same rows
are chosen each time. Rows that charts would miss are always in it: the extremes of the most important features, and
some of each predicted class, however rare.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import EvaluationData
from explanation_client.importances import FloatArray, Importances

STRATIFIED = "stratified"

# Features whose extreme rows are kept, and pairs of output and feature in all.
_EXTREME_FEATURES, _EXTREME_PAIRS = 20, 40
_ROWS_OF_A_CLASS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSize:
    """How large the sample is that a dashboard reads.

    Parameters
    ----------
    rows : int
        At most so many rows.
    columns : int
        At most so many features, the most important ones.
    values : int
        At most so many importances in all, outputs times rows times features: rows shrink. One row is always there.
    dtype : "float32", optional
        Store importances so. None: in the dtype that they have.

    """

    rows: int = 5_000
    columns: int = 1_000
    # What a browser can hold: 2,500,000 float64 are 20 MB.
    values: int = 2_500_000
    dtype: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """The rows that a dashboard shows.

    Parameters
    ----------
    size : ViewSize
    rows : ndarray of int64
        Positions among all rows, in their order.
    kind : str, optional
        ``"stratified"``, or None where these are all rows.
    predicted : ndarray of intp, shape (N,), optional
        Of every row, in the sample or not, the output that it is predicted as; None where that is not known.

    """

    size: ViewSize
    rows: NDArray[np.int64]
    kind: str | None = None
    predicted: NDArray[np.intp] | None = None


def choose_sample(
    local: Importances | None,
    order: NDArray[np.int32],
    *,
    n_rows: int,
    outputs: tuple[str, ...],
    base_values: FloatArray | None,
    data: EvaluationData | None,
    size: ViewSize,
    pool: NDArray[np.bool_] | None = None,
) -> Sample:
    """Return the rows that are shown.

    Parameters
    ----------
    local : Importances of shape (C, N, F), optional
    order : ndarray of int32, shape (F,)
        The global ranking.
    n_rows : int
    outputs : tuple of str
    base_values : ndarray of shape (C,), optional
    data : EvaluationData, optional
        What is known of all rows. Where it has no predictions, base value and importances say what a row is.
    size : ViewSize
    pool : ndarray of bool, shape (N,), optional
        The rows that stand for all, where these are a sample: shares are taken from them. None: all.

    """
    predicted, height = _predictions(local, outputs, base_values, data)
    most = size.rows
    if local is not None:
        most = min(most, size.values // (local.shape[0] * min(local.shape[2], size.columns)))
    count = min(n_rows, max(1, most))
    if count == n_rows:
        return Sample(size=size, rows=np.arange(n_rows, dtype=np.int64), predicted=predicted)
    first, more = _some_of_each(predicted, height)
    wanted = np.concatenate([first, _extremes(local, order), more])
    # At most a quarter, in this order: the others keep the shares as they are.
    kept = wanted[np.sort(np.unique(wanted, return_index=True)[1])][: count // 4]
    others = _in_order(predicted, height, n_rows)
    others = others[~np.isin(others, kept)]
    if pool is not None:
        others = others[pool[others]]
    left = min(count - len(kept), len(others))
    spread = others[(2 * np.arange(left, dtype=np.int64) + 1) * len(others) // (2 * left)]
    rows = np.sort(np.concatenate([kept, spread])).astype(np.int64)
    return Sample(size=size, rows=rows, kind=STRATIFIED, predicted=predicted)


def _predictions(
    local: Importances | None,
    outputs: tuple[str, ...],
    base_values: FloatArray | None,
    data: EvaluationData | None,
) -> tuple[NDArray[np.intp] | None, NDArray[np.float64] | None]:
    """Return of each row the predicted output and how high the prediction is, as far as they are known."""
    if len(outputs) > 1 and data is not None:
        proba = data.predicted_proba
        if proba is not None and proba.shape[1] == len(outputs):
            return proba.argmax(axis=1), proba.max(axis=1).astype(np.float64)
    if local is not None:
        totals = np.asarray(
            local.values.sum(axis=2, dtype=np.float64) if local.total is None else local.total, np.float64
        )
        if len(outputs) == 1:
            return None, totals[0]
        if base_values is None:
            return None, totals[-1]
        heights = totals + base_values[:, None]
        return heights.argmax(axis=0), heights.max(axis=0)
    if data is not None and data.predicted is not None and data.predicted.dtype.kind in "iuf":
        return None, data.predicted.astype(np.float64)
    return None, None


def _in_order(predicted: NDArray[np.intp] | None, height: NDArray[np.float64] | None, n_rows: int) -> NDArray[np.int64]:
    """Return all rows, ordered by predicted output and by height, as far as they are known."""
    keys = [key for key in (height, predicted) if key is not None]
    return np.lexsort(keys).astype(np.int64) if keys else np.arange(n_rows, dtype=np.int64)


def _extremes(local: Importances | None, order: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the rows with the smallest and the largest importance of the most important features."""
    if local is None or local.is_ranked:
        return np.empty(0, np.int64)
    outputs = range(min(local.shape[0], _EXTREME_PAIRS))
    features = order[: min(_EXTREME_FEATURES, max(1, _EXTREME_PAIRS // len(outputs)))]
    found = []
    for output in outputs:
        # Picked in one pass over the rows: each column by itself would read all of them again.
        columns = np.ascontiguousarray(local.values[output][:, features].T)
        found += [columns.argmin(axis=1), columns.argmax(axis=1)]
    return np.concatenate(found).astype(np.int64)


def _some_of_each(
    predicted: NDArray[np.intp] | None, height: NDArray[np.float64] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return one row of each predicted class, and a few more, from its lowest prediction to its highest."""
    if predicted is None or height is None:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    ordered = np.lexsort((height, predicted))
    starts = np.flatnonzero(np.diff(predicted[ordered], prepend=-1))
    last = np.append(starts[1:], len(ordered)) - starts - 1
    steps = np.arange(_ROWS_OF_A_CLASS)[:, None] * last // (_ROWS_OF_A_CLASS - 1)
    found = ordered[starts + steps]
    return found[0], found[1:].ravel()
