"""The files that the front end reads, made from an explanation in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from explanation_client.dashboard.data import ShownData
from explanation_client.dataset import EvaluationData
from explanation_client.display import shown
from explanation_client.explanation import Explanation
from explanation_client.format import (
    ViewSize,
    build_view_manifest,
    dump_manifest,
    file_name,
    plan_sample,
    rank_order,
    sample_of,
)
from explanation_client.format.entries import Buffer
from explanation_client.interactions import AnyInteractions

# Interactions take the square of so many features.
MOST_INTERACTING = 200
# Names of files tell attempts to write them apart; these are never written.
_NONCE = "shown"
LABEL_LENGTH = 80


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shown:
    """The files of one explanation: what a ``Source`` of the front end reads.

    Parameters
    ----------
    label : str
        What tells it from others beside it.
    manifest : bytes
        In the stored format; lists these files only.
    files : mapping of name to bytes
    rows, columns : int
        Rows of the sample, and features of which it has importances.

    """

    label: str
    manifest: bytes
    files: Mapping[str, Buffer]
    rows: int
    columns: int


def encode(explanation: Explanation, data: ShownData, *, size: ViewSize, label: str = "") -> Shown:
    """Return the files that show an explanation: all of its global parts, and the rows that fit.

    Parameters
    ----------
    explanation : Explanation
        Local importances that lie in a store are read now.
    data : ShownData
    size : ViewSize
    label : str

    Raises
    ------
    InvalidExplanationError
        Importances hold NaN or infinity, or a column is of a type that is not stored.

    """
    sample = sample_of(explanation, size, data=data.held)
    taken = data.take(sample.rows)
    chosen = None if taken is None else _columns_that_fit(taken, explanation, size.columns)
    narrow = replace(explanation, data=None, interactions=_pairs(explanation, size.columns))
    files = [job() for job in plan_sample(narrow, sample, chosen)]
    entries = [replace(file.entry, name=file_name(file.entry, _NONCE)) for file in files]
    manifest = build_view_manifest(narrow, entries, data=chosen)
    return Shown(
        label=label,
        manifest=dump_manifest(manifest),
        files={entry.name: file.data for entry, file in zip(entries, files, strict=True)},
        rows=len(sample.rows),
        columns=max((entry.shape[2] for entry in entries if entry.role == "view"), default=0),
    )


def labels_of(explanations: Mapping[str, Explanation] | list[Explanation]) -> list[str]:
    """Return what tells explanations apart: their names where they have some, else their comments, else their ids."""
    if isinstance(explanations, Mapping):
        return list(explanations)
    comments = [explanation.info.comment or "" for explanation in explanations]
    distinct = all(comments) and len(set(comments)) == len(comments)
    return [
        shown(comment, length=LABEL_LENGTH) if distinct else f"{explanation.method} {explanation.id[-12:]}"
        for comment, explanation in zip(comments, explanations, strict=True)
    ]


def _pairs(explanation: Explanation, width: int) -> AnyInteractions | None:
    """Return the interactions of as many features as a page can show."""
    pairs = explanation.interactions
    width = min(width, MOST_INTERACTING)
    if pairs is None or pairs.shape[-1] <= width:
        return pairs
    return pairs.cut(width, rank_order(explanation))


def _columns_that_fit(data: EvaluationData, explanation: Explanation, width: int) -> EvaluationData:
    """Return the data with the columns of the most important features, where all are more than fit."""
    columns = data.columns
    if columns is None or len(columns) <= width:
        return data
    wanted = {explanation.features[position] for position in rank_order(explanation)[:width]}
    kept = [i for i, name in enumerate(data.names) if name in wanted] or list(range(width))
    return replace(data, names=tuple(data.names[i] for i in kept), columns=tuple(columns[i] for i in kept))
