"""Rows mixed with background rows column by column, and the model's answers to them, in large calls.

The players of a row's game are the columns in which it differs from some background row; what the others are makes no
difference. Mixtures of several rows are answered together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.explainers.codes import Codes
from explanation_client.explainers.inputs import Table

Floats = NDArray[np.float64]
Masks = NDArray[np.bool_]

# A call of the model holds so many values, 8 MB of floats, or one coalition where the background is larger.
_CALL_VALUES = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """Coalitions of one row to be answered.

    Parameters
    ----------
    row : int
    masks : ndarray of bool, shape (n, P)
        The players, columns of :meth:`Mixtures.players`, that keep the row's own values.
    background : ndarray of int, shape (n,), optional
        The background row that each coalition takes the others' values from. None: the mean over all of them.

    """

    row: int
    masks: Masks
    background: NDArray[np.intp] | None = None


class Mixtures:
    """Some rows and the background that they are mixed with.

    Parameters
    ----------
    rows : Table of shape (N, F)
    background : Table of shape (B, F)
    answer : callable
        From rows in the form of the background to answers (n, C).

    """

    def __init__(self, rows: Table, background: Table, answer: Callable[[Any], Floats]) -> None:
        self.is_sparse = rows.is_sparse or background.is_sparse
        self._answer = answer
        self._decode: Callable[[Floats], Any] | None = None
        self._rows: Any
        self._background: Any
        if self.is_sparse:
            from scipy.sparse import csr_matrix

            self._rows, self._background = csr_matrix(rows.data), csr_matrix(background.data)
        else:
            codes = Codes.of(background, rows)
            self._rows, self._background = codes.encode(rows), codes.encode(background)
            self._decode = codes.decode
        n_background = background.shape[0]
        weights = np.full(n_background, 1 / n_background) if background.weights is None else background.weights
        self._weights: Floats = np.asarray(weights / weights.sum(), np.float64)

    @property
    def n_background(self) -> int:
        """B."""
        return int(self._background.shape[0])

    @property
    def background_weights(self) -> Floats:
        """Weights of the background rows, adding up to 1."""
        return self._weights

    def players(self, row: int) -> NDArray[np.intp]:
        """Return the columns in which a row differs from some background row."""
        if self.is_sparse:
            columns = self._active(row)
            values, background = self._block(row, columns)
            return columns[_differ(values, background).any(axis=0)]
        return np.flatnonzero(_differ(self._rows[row], self._background).any(axis=0))

    def worths(self, requests: Sequence[Request]) -> list[Floats]:
        """Return the model's answers to each request, (n, C)."""
        found: list[list[Floats]] = [[] for _ in requests]
        waiting: list[tuple[int, Request]] = []
        n_waiting = 0
        for position, part in self._parts(requests):
            size = self._size(part)
            if waiting and n_waiting + size > self._call_rows:
                self._call(waiting, found)
                waiting, n_waiting = [], 0
            waiting.append((position, part))
            n_waiting += size
        if waiting:
            self._call(waiting, found)
        return [np.concatenate(parts) for parts in found]

    @property
    def _call_rows(self) -> int:
        width = self._background.shape[1]
        if self.is_sparse:
            width = min(width, max(1, 2 * (self._rows.nnz // self._rows.shape[0] + self._background.nnz)))
        return max(1, _CALL_VALUES // int(width))

    def _size(self, request: Request) -> int:
        return len(request.masks) * (self.n_background if request.background is None else 1)

    def _parts(self, requests: Sequence[Request]) -> Iterator[tuple[int, Request]]:
        """Yield requests cut to what one call takes."""
        for position, request in enumerate(requests):
            each = 1 if request.background is not None else self.n_background
            step = max(1, self._call_rows // each)
            for start in range(0, len(request.masks), step):
                part = slice(start, start + step)
                chosen = None if request.background is None else request.background[part]
                yield position, Request(request.row, request.masks[part], chosen)

    def _call(self, waiting: list[tuple[int, Request]], found: list[list[Floats]]) -> None:
        mixed = [self._mixed(part) for _, part in waiting]
        if self._decode is not None:
            answers = self._answer(self._decode(np.concatenate(mixed)))
        else:
            from scipy.sparse import vstack

            answers = self._answer(vstack(mixed, format="csr"))
        start = 0
        for position, part in waiting:
            stop = start + self._size(part)
            here = answers[start:stop]
            if part.background is None:
                here = np.einsum("nbc,b->nc", here.reshape(len(part.masks), self.n_background, -1), self._weights)
            found[position].append(here)
            start = stop

    def _mixed(self, request: Request) -> Any:
        players = self.players(request.row)
        if not self.is_sparse:
            return self._mix(self._rows[request.row], self._background, players, request)
        from scipy.sparse import csr_matrix

        columns = self._active(request.row)
        values, background = self._block(request.row, columns)
        block = csr_matrix(self._mix(values, background, np.searchsorted(columns, players), request))
        shape = (block.shape[0], self._rows.shape[1])
        kind = np.result_type(self._rows.dtype, self._background.dtype)
        return csr_matrix((block.data.astype(kind), columns[block.indices], block.indptr), shape=shape)

    def _mix(self, values: Floats, background: Floats, players: NDArray[np.intp], request: Request) -> Floats:
        kept = np.ones((len(request.masks), len(values)), np.bool_)
        kept[:, players] = request.masks
        if request.background is not None:
            return np.where(kept, values, background[request.background])
        return np.where(kept[:, None, :], values, background).reshape(-1, len(values))

    def _active(self, row: int) -> NDArray[np.intp]:
        """Return the columns that are not zero in a sparse row or in the background."""
        return np.union1d(self._rows[row].indices, self._background.indices).astype(np.intp)

    def _block(self, row: int, columns: NDArray[np.intp]) -> tuple[Floats, Floats]:
        return self._rows[row][:, columns].toarray()[0], self._background[:, columns].toarray()


def _differ(values: Floats, background: Floats) -> NDArray[np.bool_]:
    """Return where values differ; two missing ones are the same."""
    return np.asarray((values != background) & ~((values != values) & (background != background)))
