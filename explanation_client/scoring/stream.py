"""A stream of rows, explained by a scoring explainer: what uploads of streams, and Spark, ask of an explainer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from explanation_client.batches import ExplainedBatch
from explanation_client.dataset import EvaluationData
from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.inputs import Table
from explanation_client.explainers.streams import RowStream, is_empty, resized
from explanation_client.info import ExplanationInfo, FeatureSpace, new_id, now

if TYPE_CHECKING:
    from explanation_client.scoring.base import ScoringExplainer


class ScoredStream:
    """Explains a stream of rows while it is iterated over; see :class:`~explanation_client.batches.ExplainedBatches`.

    Parameters
    ----------
    explainer : ScoringExplainer
    stream : RowStream
    get_raw : bool, optional
        As of :meth:`ScoringExplainer.explain`.
    batch_size : int
    include_rows : bool
        Hand on the rows too.

    """

    def __init__(
        self,
        explainer: ScoringExplainer,
        stream: RowStream,
        *,
        get_raw: bool | None,
        batch_size: int,
        include_rows: bool,
    ) -> None:
        self._explainer = explainer
        self._parts = explainer._parts
        self._stream = stream
        self._get_raw = get_raw
        self._size = batch_size
        self._include_rows = include_rows
        self._seen = 0
        self.features = self._parts.reported(get_raw)
        self.dtype = "float64"
        self.n_rows = stream.n_rows

    def __iter__(self) -> Iterator[ExplainedBatch]:
        """Yield the importances of the rows, in their order."""
        base_values = self._explainer.expected_values
        for table in resized(self._tables(), self._size):
            engineered = self._parts.engineer(table)
            self._seen += table.shape[0]
            yield ExplainedBatch(
                values=self._explainer._explained(engineered, self._get_raw),
                base_values=base_values,
                rows=self._described(table if self._space != "engineered" else engineered)
                if self._include_rows
                else None,
            )

    def info(self) -> ExplanationInfo:
        """Return the record of the rows that were explained so far."""
        of = self._parts.info
        return ExplanationInfo(
            id=new_id(),
            created_at=now(),
            method=of.explained_by,
            task=self._parts.task,
            outputs=self._parts.outputs,
            n_features=len(self.features),
            n_rows=self._seen,
            feature_space=self._space,
            output_space=of.output_space,
            model_type=of.model_type,
            reason=of.reason,
            notes=(*of.notes, f"explained by a scoring explainer, {self._explainer.method}"),
            made_with=of.made_with,
        )

    @property
    def _space(self) -> FeatureSpace | None:
        if self._parts.transformation is None:
            return None
        return "engineered" if self._get_raw is False else "raw"

    def _tables(self) -> Iterator[Table]:
        for number, batch in enumerate(self._stream.open(self._size), start=1):
            if is_empty(batch):
                continue
            try:
                yield self._parts.inputs.read(batch)
            except InvalidArgumentError as error:
                raise InvalidArgumentError(f"batch {number}: {error}") from error

    def _described(self, table: Table) -> EvaluationData:
        subset = self._parts.subset
        shown = table if subset is None else table.columns(subset)
        return EvaluationData.from_rows(shown.data, names=self.features, keep_index=False)
