"""Shapley values of rows: what is prepared once per model, and the calls that use it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from explanation_client.treeshap.background import Background, make_background
from explanation_client.treeshap.ensemble import TreeEnsemble
from explanation_client.treeshap.layout import Layout, Leaves, gauss_rule, make_layout
from explanation_client.treeshap.plain import PlainTrees

__all__ = ["MEMORY_LIMIT", "Progress", "TreeTables", "shap_values"]

MEMORY_LIMIT = 512 * 1024 * 1024
"""Bytes that the tables of a background may take unless the caller says otherwise."""

_BLOCK = 1024
_FEW_ROWS = 6
_SLAB = 16
# Loading numba and a kernel takes a second of CPU, and compiling it two to four more, once per machine.
_WORTH_LOADING = 0.8
Progress = Callable[[int, int], None]
"""Told of work done and work in all: trees while tables are built, rows while they are explained."""
Write = Callable[[NDArray[np.float64], NDArray[np.float64], int], None]


class TreeTables:
    """An ensemble prepared for repeated calls.

    Parameters
    ----------
    model : TreeEnsemble or fitted model
    background : array-like, shape (B, F), optional
        With it, values are interventional: what a feature not in a coalition is, is taken from
        these rows, one after the other. Without it they are path-dependent: such a feature's
        splits are left to the shares of the training rows that went each way.
    memory_limit : int
        Bytes that tables may take; trees beyond it are walked once per background row instead.
    threads : int, optional
        Threads to use by default; None for as many as the process may run on.
    progress : callable, optional
        Told of the trees done and all trees while the tables of a background are built: here if
        compiled loops are loaded, else with the first call that needs them.
    compiled : bool, optional
        True: compiled loops from the first row on, as a service wants that warms up before it
        serves. False: numpy alone. None: numpy until the work of this object, some thousands of
        rows of a hundred small trees, is worth the seconds that loading the loops takes.

    Notes
    -----
    Both kinds are exact Shapley values of their game. One object can serve several threads.
    """

    def __init__(
        self,
        model: object,
        background: ArrayLike | None = None,
        *,
        memory_limit: int = MEMORY_LIMIT,
        threads: int | None = None,
        progress: Progress | None = None,
        compiled: bool | None = None,
    ) -> None:
        self.ensemble = TreeEnsemble.from_model(model)
        self.threads = _threads(threads)
        self._layout = make_layout(self.ensemble)
        self._rule = gauss_rule(self._layout.tree_distinct)
        self._leaves, self._derived = _leaves(self.ensemble, self._layout)
        self._rows = None if background is None else _background_rows(self.ensemble, background)
        self.base_values = self.ensemble.base_values(self._rows)
        self._plain = PlainTrees(
            ensemble=self.ensemble, layout=self._layout, leaves=self._leaves, rule=self._rule, background=self._rows
        )
        self._memory_limit, self._progress = memory_limit, progress
        self._compiled, self._spent = compiled, 0.0
        if self.interventional and self._is_compiled("tables", 0.0):
            self._background  # noqa: B018  # built now rather than with the first rows

    @property
    def interventional(self) -> bool:
        """Whether a background was given."""
        return self._rows is not None

    @property
    def table_bytes(self) -> int:
        """Memory that the prepared arrays take, in bytes; of a background's tables once they are built."""
        arrays = (*self._layout.splits, *self._leaves, *self._rule)
        size = sum(array.nbytes for array in arrays) + (0 if self._rows is None else self._rows.nbytes)
        return size + (self._background.nbytes if "_background" in vars(self) else 0)

    def shap_values(
        self,
        rows: ArrayLike,
        *,
        threads: int | None = None,
        dtype: DTypeLike = np.float64,
        progress: Progress | None = None,
    ) -> NDArray[Any]:
        """Return the values of some rows, shape (C, N, F).

        ``values.sum(axis=2).T + base_values`` equals the ensemble's ``predict``.

        Parameters
        ----------
        rows : array-like, shape (N, F)
        threads : int, optional
            Default: what the constructor was given.
        dtype : float64 or float32
            Type of the result; the work is done in float64 in any case.
        progress : callable, optional
            Told of the rows done and all rows.

        Raises
        ------
        ValueError
            If rows have another shape than the model's, or hold no numbers.
        """
        checked, kind, count = self._checked(rows, dtype, threads)
        shape = (self.ensemble.n_outputs, len(checked), self.ensemble.n_features)
        out = np.zeros(shape, dtype=kind)
        write, count = self._writer(len(checked), count)
        _in_blocks(write, checked, out, self._derived, count, progress)
        return out

    def shap_values_row(self, row: ArrayLike) -> NDArray[np.float64]:
        """Return the values of one row of shape (F,), shape (C, F)."""
        block = np.ascontiguousarray(row, dtype=np.float64).reshape(1, -1)
        checked = self.ensemble.check_rows(block)
        out = np.zeros((self.ensemble.n_outputs, 1, self.ensemble.n_features))
        _fill(self._writer(1, 1)[0], checked, out, self._derived, 0, 1)
        return out[:, 0]

    @property
    def exact_predictions(self) -> bool:
        """Whether :meth:`prediction_values` are Shapley values of the predictions themselves."""
        return self.ensemble.link == "identity"

    def prediction_values(
        self, rows: ArrayLike, *, threads: int | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return values, shape (C, N, F), and base values, shape (C,), of the predictions.

        These are probabilities for classifiers, and means for regression with a logarithmic link.
        Forests add up probabilities: theirs are exact. Values of margins are carried over along
        the link, which adds up exactly but is an approximation of the game of the predictions;
        see ``probability.py``.

        Raises
        ------
        UnsupportedModelError
            For a margin whose link isn't known.
        """
        from explanation_client.treeshap.probability import to_predictions

        values = self.shap_values(rows, threads=threads)
        ensemble = self.ensemble
        return to_predictions(values, self.base_values, link=ensemble.link, scale=ensemble.link_scale)

    def interaction_values(
        self, rows: ArrayLike, *, threads: int | None = None, dtype: DTypeLike = np.float64
    ) -> NDArray[Any]:
        """Return the interaction values of pairs of features, shape (C, N, F, F).

        The matrices are symmetric; off the diagonal is half of what two features add together
        beyond what each adds alone, on it what is left of the feature's Shapley value, so that
        ``values.sum(axis=3)`` equals :meth:`shap_values`. The result takes F times the memory of
        that. With a background the work grows with its size.
        """
        checked, kind, count = self._checked(rows, dtype, threads)
        shape = (self.ensemble.n_outputs, len(checked), *2 * (self.ensemble.n_features,))
        out = np.zeros(shape, dtype=kind)
        write, count = self._interaction_writer(len(checked), count)
        _in_blocks(write, checked, out, self._derived, count)
        return out

    def _checked(
        self, rows: ArrayLike, dtype: DTypeLike, threads: int | None
    ) -> tuple[NDArray[Any], np.dtype[Any], int]:
        kind = np.dtype(dtype)
        if kind not in (np.dtype(np.float64), np.dtype(np.float32)):
            raise ValueError(f"dtype must be float64 or float32, not {kind}")
        count = self.threads if threads is None else _threads(threads)
        return self.ensemble.check_rows(rows), kind, count

    def _is_compiled(self, kernel: str, seconds: float) -> bool:
        """Return whether some work, of so many seconds in numpy, is left to compiled loops."""
        if self._compiled is not None:
            return self._compiled
        if f"{__package__}.kernels.{kernel}" in sys.modules:
            return True
        # Many small calls come to as much as a large one. What threads do not count here is lost on nobody.
        self._spent += seconds
        return self._spent > _WORTH_LOADING

    @cached_property
    def _background(self) -> Background:
        assert self._rows is not None
        return make_background(
            self._layout, self._leaves, self._rows,
            memory_limit=self._memory_limit, threads=self.threads, progress=self._progress,
        )  # fmt: skip

    def _interaction_writer(self, n_rows: int, threads: int) -> tuple[Write, int]:
        """Return what adds interaction values, and the threads to do it in."""
        if not self._is_compiled("interactions", self._plain.seconds(n_rows, pairs=True)):
            return self._plain.add_interactions, 1
        from explanation_client.treeshap.kernels import interactions

        layout, leaves, rule = self._layout, self._leaves, self._rule
        background = self._background if self.interventional else None
        columns, splits, depth = layout.columns, layout.splits, layout.max_depth

        def write(block: NDArray[np.float64], out: NDArray[np.float64], offset: int) -> None:
            if background is None:
                interactions.path_interactions(block, columns, splits, leaves, rule, depth, out, offset)
            else:
                interactions.walk_interactions(
                    block, background.rows, columns, splits, leaves, background.gain,
                    background.loss, depth, out, offset,
                )  # fmt: skip
            interactions.spread(out, offset, offset + len(block))

        return write, threads

    def _writer(self, n_rows: int, threads: int) -> tuple[Write, int]:
        """Return what adds values, and the threads to do it in."""
        kernel = "tables" if self.interventional else "row" if n_rows <= _FEW_ROWS else "path"
        if not self._is_compiled(kernel, self._plain.seconds(n_rows)):
            return self._plain.add_values, 1
        if self.interventional:
            return self._background.writer(), threads
        from explanation_client.treeshap.kernels.path import path_block
        from explanation_client.treeshap.kernels.row import path_rows

        work = path_rows if kernel == "row" else path_block
        layout, rule, slabs = self._layout, self._rule, _slabs(self._leaves)

        def write(block: NDArray[np.float64], out: NDArray[np.float64], offset: int) -> None:
            first = 0
            for leaves in slabs:
                part = out[first : first + leaves.value.shape[1]] if len(slabs) > 1 else out
                work(block, layout.columns, layout.splits, leaves, rule, layout.max_depth, part, offset)
                first += leaves.value.shape[1]

        return write, threads


def shap_values(
    model: object,
    rows: ArrayLike,
    background: ArrayLike | None = None,
    *,
    threads: int | None = None,
    dtype: DTypeLike = np.float64,
    memory_limit: int = MEMORY_LIMIT,
) -> NDArray[Any]:
    """Return exact Shapley values, shape (C, N, F), of a model or :class:`TreeEnsemble`.

    For repeated calls prepare a :class:`TreeTables` once; the parameters are explained there.
    """
    tables = TreeTables(model, background, memory_limit=memory_limit, threads=threads)
    return tables.shap_values(rows, dtype=dtype)


def _background_rows(ensemble: TreeEnsemble, background: ArrayLike) -> NDArray[np.float64]:
    rows = ensemble.check_rows(background)
    if not len(rows):
        raise ValueError("the background has no rows")
    return np.array(rows, dtype=np.float64, order="C")


def _threads(asked: int | None) -> int:
    if asked is not None:
        if asked < 1:
            raise ValueError(f"threads must be at least 1, not {asked}")
        return asked
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _leaves(ensemble: TreeEnsemble, layout: Layout) -> tuple[Leaves, bool]:
    """Return the leaf values that must be worked on, and whether the last output was dropped.

    Class probabilities add up to one in every leaf: the last class's values are minus the sum of
    the others', and the work for it can be spared. That needs shares of the cover that add up to
    one as well, or the sum of the outputs would change with what is known of the row.
    """
    value = ensemble.value
    leaf = ensemble.feature < 0
    derived = False
    if value.shape[1] > 1 and layout.splits.balanced.all():
        total = value[leaf].sum(axis=1)
        roots = np.repeat(np.arange(ensemble.n_trees), np.diff(ensemble.tree_start))[leaf]
        first = total[np.searchsorted(roots, np.arange(ensemble.n_trees))]
        derived = bool(np.allclose(total, first[roots], rtol=4e-15, atol=0.0))
    kept = value[:, :-1] if derived else value
    # Copies: arrays that may be written to are one type to the compiler, frozen ones another.
    leaves = Leaves(value=np.array(kept, dtype=np.float64, order="C"), tree_output=ensemble.tree_output.copy())
    return leaves, derived


def _slabs(leaves: Leaves) -> list[Leaves]:
    """Return leaves of at most 16 values each: the kernel's scratch memory grows with them."""
    width = leaves.value.shape[1]
    if width <= _SLAB:
        return [leaves]
    starts = range(0, width, _SLAB)
    return [leaves._replace(value=leaves.value[:, start : start + _SLAB].copy()) for start in starts]


def _in_blocks(
    write: Write,
    rows: NDArray[Any],
    out: NDArray[Any],
    derived: bool,
    threads: int,
    progress: Progress | None = None,
) -> None:
    n_rows = len(rows)
    # Small enough that every thread has some, large enough that starting one is worth it.
    block = min(_BLOCK, max(64, -(-n_rows // (4 * threads))))
    starts = range(0, n_rows, block)

    def work(start: int) -> int:
        stop = min(start + block, n_rows)
        _fill(write, rows, out, derived, start, stop)
        return stop

    def watch(stops: Iterable[int]) -> None:
        for stop in stops:
            if progress is not None:
                progress(stop, n_rows)

    if threads == 1 or len(starts) <= 1:
        watch(map(work, starts))
        return
    # The kernels leave the interpreter lock alone, so that plain threads do. numba's own would
    # not survive a fork, and on some systems not a second caller either.
    with ThreadPoolExecutor(min(threads, len(starts))) as pool:
        watch(pool.map(work, starts))


def _fill(write: Write, rows: NDArray[Any], out: NDArray[Any], derived: bool, start: int, stop: int) -> None:
    kept = len(out) - 1 if derived else len(out)
    block = np.ascontiguousarray(rows[start:stop], dtype=np.float64)
    if out.dtype == np.float64:
        write(block, out[:kept], start)
    else:
        part = np.zeros((kept, stop - start, *out.shape[2:]))
        write(block, part, 0)
        out[:kept, start:stop] = part
    if derived:
        np.negative(out[:kept, start:stop].sum(axis=0), out=out[kept, start:stop])
