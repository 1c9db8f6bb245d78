"""Feature importances at any granularity: one value type for global, per-class and local parts.

The feature axis is always last. An :class:`Importances` either holds all features in their order (``index`` is
None), or the most important ones ranked, each with its position. :class:`LazyImportances` answers the same questions
for values that still lie in a store, and reads only what an answer needs.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError, InvalidExplanationError

FloatArray = NDArray[np.floating[Any]]
IndexArray = NDArray[np.int32]
Ranking = Literal["magnitude", "signed"]

# Rows worked on at a time hold about this many values: what fits a processor's cache is ranked and added up in half the
# time, and a large array is never copied as a whole.
_BLOCK_VALUES = 1 << 18


@dataclass(frozen=True, slots=True, eq=False)
class Importances:
    """Feature importances, of all features in order or of the ranked ones that a cut kept.

    Parameters
    ----------
    values : ndarray of float32 or float64, shape (..., k)
        Importances, feature axis last.
    index : ndarray of int32, shape (..., k), optional
        Position of each value's feature. None: all features, in order.
    total : ndarray of float64, shape (...), optional
        Sum over all features, kept or not. Stored rather than the sum of what was left out, because every later cut
        can then be derived from it to the last bit, whatever was cut before. None with ``index`` None.

    """

    values: FloatArray
    index: IndexArray | None = None
    total: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.values, np.ndarray) or self.values.dtype not in (np.float32, np.float64):
            kind = getattr(self.values, "dtype", type(self.values).__name__)
            raise InvalidExplanationError(f"importances are arrays of float32 or float64, not {kind}")
        if self.values.ndim < 1:
            raise InvalidExplanationError("importances need a feature axis: got a single number")
        if self.index is None:
            return
        if self.index.dtype != np.int32:
            raise InvalidExplanationError(f"index has dtype {self.index.dtype}: int32 is needed")
        if self.index.shape != self.values.shape:
            raise InvalidExplanationError(
                f"index has shape {self.index.shape}, values have {self.values.shape}: they must be equal"
            )
        if self.total is None or self.total.shape != self.values.shape[:-1]:
            found = None if self.total is None else self.total.shape
            raise InvalidExplanationError(
                f"ranked importances need their total of shape {self.values.shape[:-1]}, got {found}"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values; the last axis has the kept features."""
        return self.values.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self.values.dtype

    @property
    def nbytes(self) -> int:
        """Size of the arrays in memory."""
        return sum(a.nbytes for a in (self.values, self.index, self.total) if a is not None)

    @property
    def is_ranked(self) -> bool:
        """Whether the values are in order of importance rather than of the features."""
        return self.index is not None

    @property
    def totals(self) -> NDArray[np.float64]:
        """Sum over all features, kept or not, float64 of shape (...)."""
        return sum_features(self.values) if self.total is None else self.total

    @property
    def rest(self) -> NDArray[np.float64]:
        """Sum of the features that a cut left out, float64 of shape (...): kept values and rest add up to the total.

        Up to rounding zero where all features were kept.
        """
        return np.asarray(self.totals - sum_features(self.values))

    def ranked(self, top_k: int | None = None, *, by: Ranking = "magnitude") -> Importances:
        """Return the ``top_k`` (None: all kept) most important features, in order of importance.

        Ties keep the order of the features. ``by="signed"`` ranks by the value itself, largest first, as Azure's
        SDK ranked local importances; the default ranks by absolute value.

        Raises
        ------
        InvalidArgumentError
            ``top_k`` is not between 1 and the number of kept features, or ``by`` is unknown.

        """
        kept = self.values.shape[-1]
        k = kept if top_k is None else check_top_k(top_k, kept, was_cut=self.is_ranked)
        if by not in ("magnitude", "signed"):
            raise InvalidArgumentError(f"by={by!r}: rank by 'magnitude' or 'signed'")
        values = np.empty((*self.values.shape[:-1], k), self.values.dtype)
        index = np.empty(values.shape, np.int32)
        _rank_into(self.values, self.index, values, index, by)
        return Importances(values, index, self.totals)

    def names(self, features: tuple[str, ...]) -> NDArray[np.object_]:
        """Return the feature of each value, an object array of str with the shape of ``values``."""
        names = np.array(features, dtype=object)
        return np.broadcast_to(names, self.values.shape).copy() if self.index is None else names[self.index]

    def take(self, selection: Any) -> Importances:
        """Return the part that a numpy selection on the leading axes picks."""
        return Importances(
            self.values[selection],
            None if self.index is None else self.index[selection],
            None if self.total is None else np.asarray(self.total[selection]),
        )

    def load(self) -> Importances:
        """Return self: these values are in memory."""
        return self

    def same_as(self, other: AnyImportances) -> bool:
        """Whether both hold the same values, bit for bit, of the same features in the same order."""
        theirs = other.load()
        return (
            same_bits(self.values, theirs.values)
            and same_bits(self.index, theirs.index)
            and same_bits(self.total, theirs.total)
        )


class ImportancesReader(Protocol):
    """Where a :class:`LazyImportances` gets its values: local importances (C, N, k) in some store."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Outputs, rows, stored features."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        ...

    @property
    def is_ranked(self) -> bool:
        """Whether the stored values were cut and ranked."""
        ...

    def read(self, outputs: slice, rows: slice) -> Importances:
        """Return all stored values of these outputs and rows (slices with bounds, step 1)."""
        ...

    def read_ranked(self, top_k: int, outputs: slice, rows: slice) -> Importances:
        """Return what ``read(outputs, rows).ranked(top_k)`` would, from less data where the store has it."""
        ...


class LazyImportances:
    """Local importances (C, N, k) that are read on first use, and only as far as they are used.

    Has the interface of :class:`Importances`. Safe to use from several threads.
    """

    __slots__ = ("_loaded", "_lock", "_outputs", "_ranked", "_reader", "_rows", "_top_k")

    def __init__(
        self,
        reader: ImportancesReader,
        *,
        outputs: slice | None = None,
        rows: slice | None = None,
        top_k: int | None = None,
    ) -> None:
        self._reader = reader
        self._outputs = outputs or slice(0, reader.shape[0])
        self._rows = rows or slice(0, reader.shape[1])
        if top_k is not None:
            check_top_k(top_k, reader.shape[2], was_cut=reader.is_ranked)
        self._top_k = top_k
        self._loaded: Importances | None = None
        self._ranked: Importances | None = None
        # Of this process: a forked child must not wait for a thread that it does not have.
        self._lock = (os.getpid(), threading.Lock())

    @property
    def reader(self) -> ImportancesReader:
        """What reads the values."""
        return self._reader

    @property
    def part(self) -> tuple[slice, slice, int | None]:
        """Which outputs and rows of the reader's these are, and how many features a cut kept of each row."""
        return self._outputs, self._rows, self._top_k

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values, known without reading them."""
        n_outputs = self._outputs.stop - self._outputs.start
        n_rows = self._rows.stop - self._rows.start
        return n_outputs, n_rows, self._top_k or self._reader.shape[2]

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64, known without reading the values."""
        return self._reader.dtype

    @property
    def is_ranked(self) -> bool:
        """Whether the values are in order of importance, known without reading them."""
        return self._top_k is not None or self._reader.is_ranked

    @property
    def is_loaded(self) -> bool:
        """Whether the values have been read."""
        return self._loaded is not None

    @property
    def values(self) -> FloatArray:
        """The values, read now if they were not yet."""
        return self.load().values

    @property
    def index(self) -> IndexArray | None:
        """Position of each value's feature; None: all features, in order."""
        return self.load().index if self.is_ranked else None

    @property
    def total(self) -> NDArray[np.float64] | None:
        """Sum over all features, where a cut left some out."""
        return self.load().total if self.is_ranked else None

    @property
    def totals(self) -> NDArray[np.float64]:
        """Sum over all features, kept or not, float64 of shape (C, N)."""
        return self.load().totals

    @property
    def rest(self) -> NDArray[np.float64]:
        """Sum of the features that a cut left out, float64 of shape (C, N)."""
        return self.load().rest

    @property
    def nbytes(self) -> int:
        """Size of the arrays once they are in memory, without the totals."""
        return int(np.prod(self.shape)) * (self.dtype.itemsize + (4 if self.is_ranked else 0))

    def load(self) -> Importances:
        """Return the values in memory; reads them once."""
        with self._own_lock():
            if self._loaded is None:
                if self._top_k is None:
                    self._loaded = self._reader.read(self._outputs, self._rows)
                else:
                    self._loaded = self._reader.read_ranked(self._top_k, self._outputs, self._rows)
            return self._loaded

    def ranked(self, top_k: int | None = None, *, by: Ranking = "magnitude") -> Importances:
        """Return the ``top_k`` most important features of each row; see :meth:`Importances.ranked`."""
        if by == "magnitude" and top_k is not None and not self.is_loaded:
            check_top_k(top_k, self.shape[-1], was_cut=self.is_ranked)
            with self._own_lock():
                # Names and values of one ranking are asked for one after the other.
                if self._ranked is None or self._ranked.shape[-1] != top_k:
                    self._ranked = self._reader.read_ranked(top_k, self._outputs, self._rows)
                return self._ranked
        return self.load().ranked(top_k, by=by)

    def _own_lock(self) -> threading.Lock:
        process, lock = self._lock
        if process != os.getpid():
            self._lock = (os.getpid(), threading.Lock())
            return self._lock[1]
        return lock

    def names(self, features: tuple[str, ...]) -> NDArray[np.object_]:
        """Return the feature of each value; see :meth:`Importances.names`."""
        return self.load().names(features)

    def cut(self, top_k: int) -> LazyImportances:
        """Return the ``top_k`` most important features of each row, still unread."""
        check_top_k(top_k, self.shape[-1], was_cut=self.is_ranked)
        return LazyImportances(self._reader, outputs=self._outputs, rows=self._rows, top_k=top_k)

    def take(self, selection: Any) -> AnyImportances:
        """Return the part that a selection on the leading axes picks, unread where it is a pair of plain slices."""
        if self._loaded is None and _is_slice_pair(selection):
            outputs = _within(self._outputs, selection[0])
            rows = _within(self._rows, selection[1])
            return LazyImportances(self._reader, outputs=outputs, rows=rows, top_k=self._top_k)
        return self.load().take(selection)

    def same_as(self, other: AnyImportances) -> bool:
        """Whether both hold the same values, bit for bit, of the same features in the same order."""
        return self.load().same_as(other)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the values themselves: the copy no longer needs the store."""
        loaded = self.load()
        return Importances, (loaded.values, loaded.index, loaded.total)


AnyImportances = Importances | LazyImportances


def check_top_k(top_k: int, kept: int, *, was_cut: bool = False) -> int:
    """Return ``top_k`` as an int, or raise ``InvalidArgumentError`` unless it is between 1 and ``kept``."""
    if isinstance(top_k, bool) or not isinstance(top_k, (int, np.integer)) or top_k < 1:
        raise InvalidArgumentError(
            f"top_k={top_k!r}: a whole number from 1 to {kept} (the number of features), or None for all"
        )
    if top_k > kept:
        reason = f"the explanation was cut to its top {kept}" if was_cut else f"the explanation has {kept} features"
        raise InvalidArgumentError(f"top_k={top_k}: {reason}; ask for at most {kept}, or leave top_k out")
    return int(top_k)


def check_finite(values: FloatArray, features: tuple[str, ...], part: str) -> None:
    """Raise ``InvalidExplanationError`` that names the first NaN or infinity, if there is one."""
    flat = values.reshape(-1, values.shape[-1])
    step = max(1, _BLOCK_VALUES // flat.shape[-1])
    for start in range(0, len(flat), step):
        finite = np.isfinite(flat[start : start + step])
        if finite.all():
            continue
        row, column = (int(i) for i in np.argwhere(~finite)[0])
        where = np.unravel_index(start + row, values.shape[:-1]) if values.ndim > 1 else ()
        name = features[column] if len(features) == values.shape[-1] else f"position {column}"
        raise InvalidExplanationError(
            f"{part} importances hold {flat[start + row, column]} at {tuple(int(i) for i in where)} for feature "
            f"{name!r}: importances must be finite. Look at that row and the model's output for it; drop the row, or "
            "explain with another method"
        )


def aggregate(local: Importances) -> tuple[Importances, Importances]:
    """Return global (F,) and per-class (C, F) importances: means over rows of absolute local values.

    Sums are taken in float64; the result has the dtype of the local values.
    """
    outputs, rows, n_features = local.shape
    sums = np.zeros((outputs, n_features), np.float64)
    step = max(1, _BLOCK_VALUES // n_features)
    for start in range(0, rows, step):
        sums += np.abs(local.values[:, start : start + step]).sum(axis=1, dtype=np.float64)
    per_class = sums / rows
    return Importances(per_class.mean(axis=0).astype(local.dtype)), Importances(per_class.astype(local.dtype))


def sum_features(values: FloatArray) -> NDArray[np.float64]:
    """Return the float64 sum over the last axis, added in feature order.

    The order of addition is fixed, so that the sum does not depend on how the array lies in memory.
    """
    if values.ndim > 2:
        return np.array([sum_features(part) for part in values]).reshape(values.shape[:-1])
    rows = np.atleast_2d(values)
    total = np.zeros(len(rows), np.float64)
    for block in _row_blocks(rows):
        sums = total[block]
        for position in range(rows.shape[-1]):
            sums += rows[block, position]
    return total.reshape(values.shape[:-1])


def same_bits(a: NDArray[Any] | None, b: NDArray[Any] | None) -> bool:
    """Whether two arrays have the same dtype, shape and bits; object arrays compare their elements."""
    if a is None or b is None:
        return a is b
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype == object:
        return bool(np.all([x == y or (x != x and y != y) for x, y in zip(a.flat, b.flat, strict=True)]))
    if a.dtype.kind in "fM":
        unsigned = np.dtype(f"u{a.dtype.itemsize}")
        return bool(np.array_equal(np.ascontiguousarray(a).view(unsigned), np.ascontiguousarray(b).view(unsigned)))
    return bool(np.array_equal(a, b))


def _rank_into(
    values: FloatArray, kept: IndexArray | None, out: FloatArray, out_index: IndexArray, by: Ranking
) -> None:
    """Fill ``out`` and ``out_index`` with the largest of each row, in order; leading axes are never copied together."""
    if values.ndim > 2:
        for i in range(len(values)):
            _rank_into(values[i], None if kept is None else kept[i], out[i], out_index[i], by)
        return
    rows, ranked, positions = np.atleast_2d(values), np.atleast_2d(out), np.atleast_2d(out_index)
    for block in _row_blocks(rows):
        order = _order(rows[block], ranked.shape[-1], by)
        ranked[block] = np.take_along_axis(rows[block], order, axis=-1)
        positions[block] = order if kept is None else np.take_along_axis(np.atleast_2d(kept)[block], order, axis=-1)


def _row_blocks(rows: FloatArray) -> Iterator[slice]:
    step = max(1, _BLOCK_VALUES // rows.shape[-1])
    return (slice(start, start + step) for start in range(0, len(rows), step))


def _order(block: FloatArray, k: int, by: Ranking) -> NDArray[np.intp] | IndexArray:
    """Return the positions (n, k) of the largest keys of each row, largest first, ties by position."""
    if by == "magnitude" and block.dtype == np.float32:
        return _order_packed(block, k)
    keys = np.abs(block, order="C") if by == "magnitude" else np.array(block, order="C")
    # What is not finite is refused where it is stored; until then it ranks last, and nothing breaks over it.
    keys[np.isnan(keys)] = -np.inf
    width = keys.shape[-1]
    if 3 * k > width:
        return np.argsort(-keys, axis=-1, kind="stable")[:, :k]
    smallest_kept = np.partition(keys, width - k, axis=-1)[:, width - k, None]
    kept = keys >= smallest_kept
    surplus = np.flatnonzero(np.count_nonzero(kept, axis=-1) > k)
    if surplus.size:
        # More ties at the threshold than places: the first ones in feature order stay.
        tied = keys[surplus] == smallest_kept[surplus]
        above = kept[surplus] & ~tied
        places = k - np.count_nonzero(above, axis=-1, keepdims=True)
        kept[surplus] = above | (tied & (np.cumsum(tied, axis=-1) <= places))
    columns = np.nonzero(kept)[1].reshape(-1, k)
    inner = np.argsort(-np.take_along_axis(keys, columns, axis=-1), axis=-1, kind="stable")
    return np.take_along_axis(columns, inner, axis=-1)


def _order_packed(block: NDArray[np.float32], k: int) -> IndexArray:
    """Return what :func:`_order` does by magnitude, from one sort of 64-bit keys: magnitude above, position below.

    The bits of a float32 without its sign order as the number does, and positions count down so that the first of
    equal values has the largest key.
    """
    width = block.shape[-1]
    low = np.uint64(0xFFFFFFFF)
    magnitudes = np.abs(block, order="C")
    magnitudes[np.isnan(magnitudes)] = 0.0
    keys = magnitudes.view(np.uint32).astype(np.uint64)
    keys <<= np.uint64(32)
    keys |= low - np.arange(width, dtype=np.uint64)
    if k < width:
        keys.partition(width - k, axis=-1)
        keys = keys[:, width - k :]
    descending = np.sort(keys, axis=-1)[:, ::-1]
    return (low - (descending & low)).astype(np.int32)


def _is_slice_pair(selection: Any) -> bool:
    return (
        isinstance(selection, tuple)
        and len(selection) == 2
        and all(isinstance(s, slice) and s.step in (None, 1) for s in selection)
    )


def _within(outer: slice, inner: slice) -> slice:
    """Return the absolute bounds of a slice taken inside another one."""
    start, stop, _ = inner.indices(outer.stop - outer.start)
    return slice(outer.start + start, outer.start + max(start, stop))
