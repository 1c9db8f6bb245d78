"""Rows that are explained batch by batch: what an explainer hands on to whatever keeps, adds up or stores it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import EvaluationData
from explanation_client.importances import FloatArray
from explanation_client.info import ExplanationInfo


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExplainedBatch:
    """The importances of the next rows.

    Parameters
    ----------
    values : ndarray of shape (C, n, F)
        Local importances.
    base_values : ndarray of shape (C,)
    rows : EvaluationData, optional
        The rows themselves, where they were asked for.
    pairs : ndarray of float64, shape (C, F, F) or (1, F, F), optional
        Absolute interaction values, added up over the rows; of one output where those of all outputs are equal.

    """

    values: FloatArray
    base_values: FloatArray
    rows: EvaluationData | None = None
    pairs: NDArray[np.float64] | None = None


class ExplainedBatches(Protocol):
    """Batches of rows that are explained while they are iterated over, and what they have in common."""

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the F features."""
        ...

    @property
    def dtype(self) -> str:
        """What local importances are kept in, ``"float32"`` or ``"float64"``."""
        ...

    @property
    def n_rows(self) -> int | None:
        """Number of rows that will come, where it is known beforehand."""
        ...

    def __iter__(self) -> Iterator[ExplainedBatch]:
        """Explain the rows, in their order; once."""
        ...

    def info(self) -> ExplanationInfo:
        """Return the record of the rows that were explained so far."""
        ...


class BatchExplainer(Protocol):
    """An explainer that can work batch by batch."""

    def explain_batches(
        self, batches: Any, *, batch_size: int | None = None, engineered: bool = False, include_rows: bool = False
    ) -> ExplainedBatches:
        """Return what explains rows batch by batch."""
        ...
