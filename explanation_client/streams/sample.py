"""A sample of rows that pass by: each has the same chance, whatever their number, and extremes and rare classes stay.

Every row draws a number; the rows with the smallest numbers are the sample (bottom-k sampling). Samples of parts are
put together by the same rule, without knowing how many rows each part had, and the result is one of all the rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import EvaluationData
from explanation_client.importances import FloatArray
from explanation_client.streams.moments import Moments

# Quantiles of so many rows miss their rank by half a percent (one standard deviation, at the median).
MAX_ROWS = 10_000
# Importances that a sample holds at most: 20 MB of float64.
_MAX_VALUES = 2_500_000
# Rows that are kept of each predicted class, whatever they drew.
_ROWS_OF_A_CLASS = 10
# Extremes are kept of so many pairs of output and feature at most: two rows for each.
_EXTREME_PAIRS = 400


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draws:
    """What tells which rows are in a sample, without their importances; m rows.

    Parameters
    ----------
    rows : ndarray of int64, shape (m,)
        Positions among all rows of the part, or of all parts.
    drawn : ndarray of float64, shape (m,)
        The number that each row drew, from 0 to 1.
    predicted : ndarray of int32, shape (m,)
        The output that each row is predicted as; -1 where that is not known.
    lowest, highest : ndarray of int64, shape (pairs,)
        The rows with the extremes of each pair of output and feature; empty where there are too many pairs.
    low, high : ndarray of float64, shape (pairs,)
        These extremes.

    """

    rows: NDArray[np.int64]
    drawn: NDArray[np.float64]
    predicted: NDArray[np.int32]
    lowest: NDArray[np.int64]
    highest: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def shifted(self, rows: int) -> Draws:
        """Return the same rows, counted from another one."""
        return replace(self, rows=self.rows + rows, lowest=self.lowest + rows, highest=self.highest + rows)

    def wanted(self, n_uniform: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which of the rows stay, and which of them are the uniform sample of so many rows at most."""
        uniform = np.ones(len(self.rows), bool)
        if len(self.rows) > n_uniform:
            uniform[np.argpartition(self.drawn, n_uniform)[n_uniform:]] = False
        stays = uniform | _first_of_classes(self.predicted, self.drawn)
        stays |= np.isin(self.rows, np.concatenate([self.lowest, self.highest]))
        return stays, uniform


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sampled:
    """Rows of a sample: who they are, and their importances.

    Parameters
    ----------
    draws : Draws
    values : ndarray of shape (C, m, F)
    data : EvaluationData, optional
        The rows themselves.

    """

    draws: Draws
    values: FloatArray
    data: EvaluationData | None = None

    def take(self, chosen: NDArray[Any]) -> Sampled:
        """Return some of the rows, by a mask or by their places; the extremes stay known."""
        draws = replace(
            self.draws,
            rows=self.draws.rows[chosen],
            drawn=self.draws.drawn[chosen],
            predicted=self.draws.predicted[chosen],
        )
        data = None if self.data is None else self.data.take(chosen)
        return Sampled(draws=draws, values=np.ascontiguousarray(self.values[:, chosen]), data=data)


def sample_size(n_outputs: int, n_features: int) -> int:
    """Return how many rows a uniform sample has: fewer where a row has many importances."""
    return max(1, min(MAX_ROWS, _MAX_VALUES // (n_outputs * n_features)))


class Reservoir:
    """Collects a sample of the rows of one part.

    Parameters
    ----------
    n_outputs, n_features : int
    seed, part : int
        The same two give the same rows, in whatever batches they come.
    n_rows : int, optional
        Rows of all parts together, where they are known: what draws a number that is surely too large for the sample
        of all of them is left out at once.

    """

    def __init__(self, n_outputs: int, n_features: int, *, seed: int, part: int, n_rows: int | None = None) -> None:
        self._size = sample_size(n_outputs, n_features)
        pairs = n_outputs * n_features
        self._pairs = pairs if pairs <= _EXTREME_PAIRS else 0
        self._by_class = n_outputs > 1 and n_outputs * _ROWS_OF_A_CLASS <= self._size
        self._rng = np.random.default_rng([seed, part])
        self._low = np.full(self._pairs, np.inf)
        self._high = np.full(self._pairs, -np.inf)
        self._lowest = np.zeros(self._pairs, np.int64)
        self._highest = np.zeros(self._pairs, np.int64)
        self._kept: list[Sampled] = []
        self._n_kept = 0
        self._limit = 1.0 if n_rows is None else _surely_above(self._size, n_rows)
        self._seen = 0

    def add(
        self,
        values: FloatArray,
        moments: Moments,
        predicted: NDArray[np.int32] | None,
        data: EvaluationData | None = None,
    ) -> None:
        """Take the importances (C, n, F) of the next rows, with the figures over them."""
        n_rows = values.shape[1]
        drawn = np.asarray(self._rng.random(n_rows), np.float64)
        stays = drawn <= self._limit
        if predicted is not None and self._by_class:
            stays |= _first_of_classes(predicted, drawn)
        if self._pairs:
            stays[self._extremes(values, moments)] = True
        if stays.any() or not self._kept:
            draws = self._draws(np.arange(self._seen, self._seen + n_rows), drawn, predicted)
            self._kept.append(Sampled(draws=draws, values=values, data=data).take(stays))
            self._n_kept += int(stays.sum())
        self._seen += n_rows
        if self._n_kept > 2 * self._size + 2 * self._pairs:
            self._trim()

    def sampled(self) -> Sampled:
        """Return the sample of the rows that were taken."""
        self._trim()
        return self._kept[0]

    def _draws(self, rows: NDArray[np.int64], drawn: NDArray[np.float64], predicted: NDArray[np.int32] | None) -> Draws:
        unknown = np.full(len(rows), -1, np.int32)
        return Draws(
            rows=rows, drawn=drawn, predicted=unknown if predicted is None or not self._by_class else predicted,
            lowest=self._lowest, highest=self._highest, low=self._low, high=self._high,
        )  # fmt: skip

    def _extremes(self, values: FloatArray, moments: Moments) -> NDArray[np.intp]:
        """Return the rows that hold a new extreme, after noting them."""
        found = []
        sides = ((moments.low.ravel(), self._low, self._lowest), (moments.high.ravel(), self._high, self._highest))
        for (extreme, best, where), is_new in zip(sides, (np.less, np.greater), strict=True):
            pairs = np.flatnonzero(is_new(extreme, best))
            if not len(pairs):
                continue
            outputs, features = np.divmod(pairs, values.shape[2])
            rows = np.argmax(values[outputs, :, features] == extreme[pairs, None], axis=1)
            best[pairs], where[pairs] = extreme[pairs], self._seen + rows
            found.append(rows)
        return np.concatenate(found) if found else np.empty(0, np.intp)

    def _trim(self) -> None:
        whole = stacked(self._kept)
        draws = self._draws(whole.draws.rows, whole.draws.drawn, whole.draws.predicted)
        stays, uniform = draws.wanted(self._size)
        if len(stays) > self._size:
            self._limit = float(draws.drawn[uniform].max())
        self._kept = [replace(whole, draws=draws).take(stays)]
        self._n_kept = int(stays.sum())


def _surely_above(n_smallest: int, n_rows: int) -> float:
    """Return a number that the smallest draws of the rows are below: in one sample of 10^14 they are not."""
    return (n_smallest + 8 * math.sqrt(n_smallest) + 64) / n_rows


def stacked(samples: Sequence[Sampled]) -> Sampled:
    """Return the rows of several samples as one; their extremes are those of the last."""
    if len(samples) == 1:
        return samples[0]
    draws = [sample.draws for sample in samples]
    whole = replace(
        draws[-1],
        rows=np.concatenate([one.rows for one in draws]),
        drawn=np.concatenate([one.drawn for one in draws]),
        predicted=np.concatenate([one.predicted for one in draws]),
    )
    data = [sample.data for sample in samples if sample.data is not None]
    return Sampled(
        draws=whole,
        values=np.concatenate([sample.values for sample in samples], axis=1),
        data=_stacked_data(data) if data else None,
    )


def together(draws: Sequence[Draws]) -> Draws:
    """Return the draws of several parts, whose rows count from the same one, with the extremes of all."""
    sides = {}
    for low, where, best in (("low", "lowest", np.argmin), ("high", "highest", np.argmax)):
        values = np.stack([getattr(one, low) for one in draws])
        rows = np.stack([getattr(one, where) for one in draws])
        winner = best(values, axis=0)[None]
        sides[low] = np.take_along_axis(values, winner, axis=0)[0]
        sides[where] = np.take_along_axis(rows, winner, axis=0)[0]
    return Draws(
        rows=np.concatenate([one.rows for one in draws]),
        drawn=np.concatenate([one.drawn for one in draws]),
        predicted=np.concatenate([one.predicted for one in draws]),
        **sides,
    )


def _first_of_classes(predicted: NDArray[np.int32], drawn: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which rows drew the smallest numbers of their predicted class; none where it is not known."""
    order = np.lexsort((drawn, predicted))
    ordered = predicted[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=np.int32(-2)))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    first = np.zeros(len(order), bool)
    first[order] = (rank < _ROWS_OF_A_CLASS) & (ordered >= 0)
    return first


def _stacked_data(parts: Sequence[EvaluationData]) -> EvaluationData:
    columns = zip(*(part.columns or () for part in parts), strict=True)
    return EvaluationData(names=parts[0].names, columns=tuple(np.concatenate(column) for column in columns))
