"""What the manifest says of the parts: frozen objects, and how they follow from an explanation."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import Column, EvaluationData
from explanation_client.documents import AnyDocuments
from explanation_client.errors import InvalidExplanationError
from explanation_client.explanation import Explanation
from explanation_client.importances import AnyImportances

IMPORTANCE_DTYPES = ("float32", "float64")

# Ranks that a ``top`` file holds of each row, and the number of features above which there is one.
TOP_RANKS = 10

_TIME_UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns")
_COLUMN_DTYPES = frozenset(
    [
        *("bool", "object", "float32", "float64"),
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
        *(f"datetime64[{unit}]" for unit in _TIME_UNITS),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLayout:
    """How one granularity of the importances is stored.

    Parameters
    ----------
    dtype : str
        ``"float32"`` or ``"float64"``.
    kept : int
        Number of features kept; F unless cut.
    ranked : bool
        Whether values are ranked, each with its position.
    totals : tuple of float, optional
        Sums over all features, of a ranked global (one) or per-class part (C). Local totals lie in the files.
    mirror : bool
        Whether output 0 is the negation of output 1, and not stored.

    """

    dtype: str
    kept: int
    ranked: bool
    totals: tuple[float, ...] | None = None
    mirror: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """How each granularity, and the interactions of pairs, are stored; None where the explanation has none."""

    global_: PartLayout | None = None
    per_class: PartLayout | None = None
    local: PartLayout | None = None
    interactions: PartLayout | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseValues:
    """Base values of all outputs, with the dtype of the array that they make up."""

    dtype: str
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataLayout:
    """What is stored of the explained rows: dtypes, ``columns`` and ``predicted_proba`` with numbers of columns."""

    columns: tuple[tuple[str, int], ...] | None = None
    row_names: bool = False
    predicted: str | None = None
    predicted_proba: tuple[str, int] | None = None
    true: str | None = None

    @property
    def n_columns(self) -> int:
        """Number of feature columns."""
        return sum(count for _, count in self.columns or ())

    @property
    def has_labels(self) -> bool:
        """Whether there is anything but feature columns."""
        return self.row_names or bool(self.predicted or self.predicted_proba or self.true)

    @property
    def n_labels(self) -> int:
        """Number of columns of the ``labels`` file."""
        single = sum((self.row_names, self.predicted is not None, self.true is not None))
        return single + (self.predicted_proba[1] if self.predicted_proba is not None else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentsLayout:
    """What is stored of the explained documents: numbers of tokens and sentences, which of them have weights."""

    dtype: str
    tokens: int
    weights: bool = False
    sentences: int | None = None
    sentence_weights: bool = False


def part_layouts(explanation: Explanation, *, mirrored: bool) -> Parts:
    """Return how the parts of an explanation are stored."""
    return Parts(
        global_=_part(explanation.global_importances),
        per_class=_part(explanation.per_class_importances),
        local=_part(explanation.local_importances, local=True, mirror=mirrored),
        interactions=None
        if explanation.interactions is None
        else PartLayout(
            dtype=str(explanation.interactions.dtype),
            kept=explanation.interactions.shape[2],
            ranked=explanation.interactions.is_ranked,
        ),
    )


def columns_layout(data: EvaluationData) -> DataLayout:
    """Return how the feature columns of evaluation data are stored, and nothing else of it."""
    return DataLayout(columns=_runs(data.columns or ()))


def data_layout(data: EvaluationData | None, parts: Collection[str]) -> DataLayout | None:
    """Return what is stored of evaluation data of which these parts are stored."""
    if data is None or not parts:
        return None

    def dtype_of(part: str) -> str | None:
        column = getattr(data, part) if part in parts else None
        return None if column is None else column_dtype(column)

    proba = dtype_of("predicted_proba")
    return DataLayout(
        columns=_runs(data.columns) if "columns" in parts and data.columns is not None else None,
        row_names=dtype_of("row_names") is not None,
        predicted=dtype_of("predicted"),
        predicted_proba=None if proba is None else (proba, _width(data.predicted_proba)),
        true=dtype_of("true"),
    )


def documents_layout(documents: AnyDocuments | None) -> DocumentsLayout | None:
    """Return how documents are stored, None where there are none."""
    if documents is None:
        return None
    loaded = documents.load()
    sentences = loaded.sentences
    return DocumentsLayout(
        dtype=str(loaded.values.dtype),
        tokens=loaded.n_tokens,
        weights=loaded.weights is not None,
        sentences=None if sentences is None else len(sentences.starts),
        sentence_weights=sentences is not None and sentences.weights is not None,
    )


def column_dtype(column: Column) -> str:
    """Return the dtype under which a column is stored: texts as objects, numbers in this machine's byte order."""
    kind = "object" if column.dtype.kind in "UO" else str(column.dtype.newbyteorder("="))
    if column.dtype == np.float16:
        kind = "float32"
    if kind not in _COLUMN_DTYPES:
        raise InvalidExplanationError(
            f"evaluation data has a column of dtype {column.dtype}: bool, integers, floats, datetime64 and texts "
            "are stored"
        )
    return kind


def is_column_dtype(name: str) -> bool:
    """Whether a column of evaluation data can have this dtype."""
    return name in _COLUMN_DTYPES


def _part(importances: AnyImportances | None, *, local: bool = False, mirror: bool = False) -> PartLayout | None:
    if importances is None:
        return None
    totals: tuple[float, ...] | None = None
    if importances.is_ranked and not local:
        found = np.atleast_1d(importances.totals)
        if not np.isfinite(found).all():
            raise InvalidExplanationError(f"the importances add up to {found}: too large for a float64")
        totals = tuple(float(value) for value in found)
    return PartLayout(
        dtype=str(importances.dtype),
        kept=importances.shape[-1],
        ranked=importances.is_ranked,
        totals=totals,
        mirror=mirror,
    )


def _width(matrix: NDArray[Any] | None) -> int:
    return 0 if matrix is None else matrix.shape[1]


def _runs(columns: tuple[Column, ...]) -> tuple[tuple[str, int], ...]:
    return tuple((dtype, len(list(group))) for dtype, group in groupby(column_dtype(column) for column in columns))
