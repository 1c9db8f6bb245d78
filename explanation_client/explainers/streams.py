"""Rows that come in batches: files, Arrow readers, generators; and how they are explained one batch after the other.

Whatever sizes the batches come in, they are explained in those that one table with all the rows would be: the results
are then the same to the last bit.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.batches import ExplainedBatch
from explanation_client.dataset import EvaluationData, is_instance_of
from explanation_client.errors import InvalidArgumentError, InvalidExplanationError
from explanation_client.explainers.aggregate import Aggregate
from explanation_client.explainers.features import Features
from explanation_client.explainers.inputs import Schema, Table, read_table
from explanation_client.explanation import Explanation
from explanation_client.info import ExplanationInfo
from explanation_client.progress import progress_bar
from explanation_client.streams.files import count_rows, parquet_dataset, scan

if TYPE_CHECKING:
    from explanation_client.explainers.base import Explainer


@dataclass(frozen=True, slots=True, kw_only=True)
class RowStream:
    """Rows in batches.

    Parameters
    ----------
    open : callable
        Takes the number of rows that batches may have, and returns the batches: anything that is a table.
    n_rows : int, optional
        Rows in all, where that is known without reading them.

    """

    open: Callable[[int], Iterable[Any]]
    n_rows: int | None = None


def is_stream(rows: Any) -> bool:
    """Whether rows are a stream: a path, an Arrow dataset or reader, or an iterator of batches."""
    return (
        isinstance(rows, (str, os.PathLike, Iterator))
        or is_instance_of(rows, "pyarrow.dataset", "Dataset")
        or is_instance_of(rows, "pyarrow", "RecordBatchReader")
    )


def read_stream(rows: Any) -> RowStream:
    """Return rows as a stream: a path to Parquet, an Arrow dataset or reader, an iterable of batches, or one table.

    Raises
    ------
    InvalidArgumentError
        It is none of these, or there is nothing to read under the path.

    """
    if isinstance(rows, (str, os.PathLike)):
        rows = parquet_dataset(rows)
    if is_instance_of(rows, "pyarrow.dataset", "Dataset"):
        return RowStream(open=lambda size: scan(rows, size), n_rows=count_rows(rows))
    if is_instance_of(rows, "pyarrow", "RecordBatchReader") or isinstance(rows, Iterator):
        return RowStream(open=lambda _: rows)
    if isinstance(rows, (list, tuple)) and rows and not np.isscalar(rows[0]) and getattr(rows[0], "ndim", 2) == 2:
        return RowStream(open=lambda _: rows)
    if isinstance(rows, Iterable) and not hasattr(rows, "shape") and not hasattr(rows, "__arrow_c_stream__"):
        return RowStream(open=lambda _: rows)
    table = read_table(rows, what="batches")
    return RowStream(open=lambda size: _slices(table, size), n_rows=table.shape[0])


class ExplainedStream:
    """Explains a stream of rows while it is iterated over; see :class:`~explanation_client.batches.ExplainedBatches`.

    Parameters
    ----------
    explainer : Explainer
    stream : RowStream
    reported : Features
    batch_size : int
    include_rows : bool
        Hand on the rows too.
    amend : callable, optional
        Changes the record of the explanation.

    """

    def __init__(
        self,
        explainer: Explainer,
        stream: RowStream,
        reported: Features,
        *,
        batch_size: int,
        include_rows: bool,
        amend: Callable[[ExplanationInfo], ExplanationInfo] | None = None,
    ) -> None:
        self._explainer = explainer
        self._stream = stream
        self._reported = reported
        self._size = batch_size
        self._include_rows = include_rows
        self._amend = amend
        self._findings = explainer._findings(None)
        self._seen = 0
        self.features = reported.names
        self.dtype = explainer._dtype
        self.n_rows = stream.n_rows

    def __iter__(self) -> Iterator[ExplainedBatch]:
        """Yield the importances of the rows, in their order."""
        explainer = self._explainer
        for table in resized(_tables(self._stream.open(self._size), explainer._schema), self._size):
            rows, values, base_values = explainer._explained(table, self._findings)
            self._seen += table.shape[0]
            yield ExplainedBatch(
                values=self._reported.values(values),
                base_values=np.asarray(base_values, np.float64),
                rows=self._described(table, rows) if self._include_rows else None,
                pairs=_summed(map(self._reported.pairs, explainer._interactions(rows))),
            )
        # What was found of single rows is not kept of a stream, and that of earlier rows must not pass for it.
        explainer._found = None

    def info(self) -> ExplanationInfo:
        """Return the record of the rows that were explained so far."""
        findings = () if self._findings is None else self._findings.notes()
        made = self._explainer._record(self._seen, self._reported, notes=findings)
        return made if self._amend is None else self._amend(made)

    def amended(self, amend: Callable[[ExplanationInfo], ExplanationInfo]) -> ExplainedStream:
        """Return the same stream with a record that was changed."""
        return ExplainedStream(
            self._explainer, self._stream, self._reported,
            batch_size=self._size, include_rows=self._include_rows, amend=amend,
        )  # fmt: skip

    def _described(self, table: Table, rows: Any) -> EvaluationData:
        shown = table if self._reported.space != "engineered" else Table(rows)
        return EvaluationData.from_rows(self._reported.rows(shown).data, names=self._reported.names, keep_index=False)


def explain_stream(
    explainer: Explainer, stream: ExplainedStream, *, keep_global: bool = True, keep_local: bool = True
) -> Explanation:
    """Return the explanation of a stream; memory holds one batch, and the local importances where they are kept.

    Raises
    ------
    InvalidExplanationError
        The stream has no rows.

    """
    aggregate = Aggregate(keep_global=keep_global, n_rows=None)
    pieces: list[NDArray[Any]] = []
    base_values = None
    description, show = f"Explaining ({explainer.method})", explainer._show_progress
    with progress_bar(description, total=stream.n_rows, unit="row", show=show) as advance:
        for batch in stream:
            aggregate.add(batch.values, 0)
            if batch.pairs is not None and keep_global:
                aggregate.add_pair_sums(batch.pairs)
            if keep_local:
                pieces.append(batch.values.astype(stream.dtype, copy=False))
            base_values = batch.base_values
            advance(batch.values.shape[1])
    if base_values is None:
        raise InvalidExplanationError("the stream has no rows: at least one is needed")
    aggregate.local = _joined(pieces) if keep_local else None
    return explainer._explanation(stream.info(), stream.features, aggregate, None, base_values)


def _joined(pieces: list[NDArray[Any]]) -> NDArray[Any]:
    """Return pieces (C, n, F) as one array (C, N, F), and empty the list: each is freed once it is copied."""
    if len(pieces) == 1:
        return pieces.pop()
    outputs, _, n_features = pieces[0].shape
    whole = np.empty((outputs, sum(piece.shape[1] for piece in pieces), n_features), pieces[0].dtype)
    at = whole.shape[1]
    while pieces:
        piece = pieces.pop()
        at -= piece.shape[1]
        whole[:, at : at + piece.shape[1]] = piece
    return whole


def _slices(table: Table, size: int) -> Iterator[Table]:
    for start in range(0, table.shape[0], size):
        yield table.take(slice(start, start + size))


def _tables(batches: Iterable[Any], schema: Schema) -> Iterator[Table]:
    """Yield batches as tables with the columns in the model's order; batches without rows are passed over.

    Raises
    ------
    InvalidArgumentError
        One of them is no table, or has other columns; names the batch.

    """
    for number, batch in enumerate(batches, start=1):
        if is_empty(batch):
            continue
        try:
            yield replace(schema.align(read_table(batch, what="rows")), single_row=False)
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"batch {number}: {error}") from error


def is_empty(batch: Any) -> bool:
    """Whether a batch is a table without rows."""
    shape = getattr(batch, "shape", None)
    return shape is not None and len(shape) == 2 and shape[0] == 0


def resized(tables: Iterable[Table], size: int) -> Iterator[Table]:
    """Yield the same rows in tables of so many each, the last one with what is left.

    Tables of different kinds are not put into one: where the kind changes, a smaller one ends.
    """
    waiting: list[Table] = []
    for table in tables:
        if waiting and _kind(table) != _kind(waiting[0]):
            yield _stacked(waiting)
            waiting = []
        waiting.append(table)
        if sum(one.shape[0] for one in waiting) < size:
            continue
        whole = _stacked(waiting)
        full = whole.shape[0] // size * size
        yield from _slices(whole.take(slice(0, full)), size)
        waiting = [whole.take(slice(full, None))] if full < whole.shape[0] else []
    if waiting:
        yield _stacked(waiting)


def _kind(table: Table) -> tuple[Any, ...]:
    if table.is_frame:
        return ("frame", *table.data.dtypes)
    return ("sparse" if table.is_sparse else "array", table.data.dtype)


def _stacked(tables: list[Table]) -> Table:
    if len(tables) == 1:
        return tables[0]
    parts = [table.data for table in tables]
    if tables[0].is_frame:
        import pandas

        return replace(tables[0], data=pandas.concat(parts, ignore_index=True))
    if tables[0].is_sparse:
        from scipy.sparse import vstack

        return replace(tables[0], data=vstack(parts, format="csr"))
    return replace(tables[0], data=np.concatenate(parts))


def _summed(blocks: Iterable[NDArray[Any]]) -> NDArray[np.float64] | None:
    """Return the absolute interaction values of some rows, added up over them; None where there are none."""
    total: NDArray[np.float64] | None = None
    for block in blocks:
        sums = np.abs(block).sum(axis=1, dtype=np.float64)
        total = sums if total is None else total + sums
    return total
