"""Statistics of parts to what the whole needs: the global parts, the sample, and how everything is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidExplanationError
from explanation_client.explanation import Explanation
from explanation_client.format import FileEntry, Manifest, ViewSize, build_stream_manifest, rank_order
from explanation_client.format.layout import DataLayout, PartLayout
from explanation_client.format.v1.stream import Job, Rows, view_jobs, whole_jobs
from explanation_client.importances import Importances
from explanation_client.info import ExplanationInfo
from explanation_client.interactions import Interactions
from explanation_client.streams.moments import Moments, added
from explanation_client.streams.partition import PartitionResult
from explanation_client.streams.sample import Draws, Sampled, sample_size, stacked, together

# Notes of parts may differ: so many are kept.
_MOST_NOTES = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Merged:
    """An explanation of all parts, whose local importances lie in their files.

    Parameters
    ----------
    explanation : Explanation
        The global parts, cut where rows are.
    files : tuple of FileEntry
        Those that the parts have written; rows count among all.
    local : PartLayout, optional
        How local importances are stored; ``mirror`` says that output 0 is missing in all files.
    data : DataLayout, optional
        How the explained rows are stored.
    figures : mapping of str to ndarray of float64, shape (outputs, F)
        Figures over all rows.
    top_k : int, optional

    """

    explanation: Explanation
    files: tuple[FileEntry, ...]
    local: PartLayout | None
    data: DataLayout | None
    figures: Mapping[str, NDArray[np.float64]]
    top_k: int | None

    def unfinished(self) -> tuple[FileEntry, ...]:
        """Return the files of output 1 for which one of output 0 must still be made.

        Some parts have found that the outputs mirror each other, and left output 0 out; others have not.
        """
        if self.local is None or self.local.mirror or len(self.explanation.info.outputs) != 2:
            return ()
        there = {(entry.role, entry.rows) for entry in self.files if entry.outputs == (0, 1)}
        return tuple(entry for entry in self.files if entry.outputs == (1, 2) and (entry.role, entry.rows) not in there)

    def whole_jobs(self) -> list[Job]:
        """Return the jobs that encode the global parts."""
        if self.top_k is None:
            order = np.arange(self.explanation.num_features, dtype=np.int32)
        else:
            order = rank_order(self.explanation)
        return whole_jobs(self.explanation, order)

    def view_jobs(self, sampled: Sampled, size: ViewSize) -> list[Job]:
        """Return the jobs that encode what dashboards read."""
        order = np.argsort(sampled.draws.rows)
        sampled = sampled.take(order)
        rows = sampled.draws.rows
        are_all = len(rows) == self.explanation.info.n_rows
        uniform = sampled.draws.wanted(sample_size(*sampled.values.shape[::2]))[1]
        if are_all:
            uniform = np.ones(len(rows), dtype=bool)
        dtype = sampled.values.dtype if self.local is None else np.dtype(self.local.dtype)
        sample = Rows(
            local=Importances(sampled.values.astype(dtype, copy=False)),
            rows=rows,
            uniform=uniform,
            data=sampled.data,
            are_all=are_all,
        )
        mirrored = self.local is not None and self.local.mirror
        return view_jobs(self.explanation, sample, size=size, mirrored=mirrored, top_k=self.top_k, exact=self.figures)

    def manifest(self, more: Sequence[FileEntry], info: ExplanationInfo, *, only_view: bool = False) -> Manifest:
        """Return the manifest of the files of the parts and those made of all of them."""
        files = more if only_view else (*self.files, *more)
        return build_stream_manifest(
            self.explanation, files, info=info, local=self.local, data=self.data, only_view=only_view
        )


def merge(parts: Sequence[PartitionResult], *, top_k: int | None, include_local: bool) -> Merged:
    """Return the explanation of all parts, in the order of their numbers.

    Sums are added up in that order: they differ from those of one pass over all rows in the last digits, by less than
    1e-12 of a global importance; not at all where there is one part.

    Raises
    ------
    InvalidExplanationError
        The parts are of other features, base values or types of rows.

    """
    parts = sorted(parts, key=lambda part: part.part)
    _check_alike(parts)
    first = parts[0]
    moments = reduce(Moments.plus, (part.moments for part in parts))
    predicted = reduce(added, (part.predicted for part in parts))
    per_class = moments.absolute / moments.n_rows
    info = replace(first.info, n_rows=moments.n_rows, notes=_notes(parts))
    files = tuple(
        replace(entry, rows=None if entry.rows is None else (entry.rows[0] + start, entry.rows[1] + start))
        for part, start in zip(parts, starts(parts), strict=True)
        for entry in part.files
    )
    explanation = Explanation(
        info=info,
        features=first.features,
        global_importances=Importances(per_class.mean(axis=0)),
        per_class_importances=Importances(per_class) if info.task == "classification" else None,
        base_values=first.base_values,
        interactions=_interactions(parts, moments.n_rows),
    )
    figures = moments.figures()
    if predicted is not None:
        figures = {name: np.concatenate([figures[name], own]) for name, own in predicted.figures().items()}
    return Merged(
        explanation=explanation if top_k is None else explanation.cut(top_k),
        files=files,
        local=_local_layout(first, files, top_k) if include_local else None,
        data=first.data,
        figures=figures,
        top_k=top_k,
    )


def starts(parts: Sequence[PartitionResult]) -> list[int]:
    """Return where the rows of each part begin among all."""
    return [0, *accumulate(part.n_rows for part in parts)][:-1]


def wanted_rows(parts: Sequence[PartitionResult]) -> dict[int, NDArray[np.int64]]:
    """Return the rows of each part that belong to the sample of all rows, counted from the first of the part."""
    parts = sorted(parts, key=lambda part: part.part)
    draws = _all_draws(parts)
    n_outputs, n_features = parts[0].moments.mean.shape
    stays, _ = draws.wanted(sample_size(n_outputs, n_features))
    ends = np.cumsum([0, *(len(part.draws.rows) for part in parts if part.draws is not None)])
    return {
        part.part: draws.rows[first:end][stays[first:end]] - start
        for part, start, first, end in zip(parts, starts(parts), ends[:-1], ends[1:], strict=True)
    }


def sample_of_all(parts: Sequence[PartitionResult], samples: Mapping[int, Sampled]) -> Sampled:
    """Return the sample of all rows, from those of the parts, which have at least the rows that are wanted."""
    parts = sorted(parts, key=lambda part: part.part)
    draws = _all_draws(parts)
    moved = [
        replace(samples[part.part], draws=samples[part.part].draws.shifted(start))
        for part, start in zip(parts, starts(parts), strict=True)
        if part.part in samples
    ]
    whole = stacked(moved)
    ends = replace(whole.draws, **{side: getattr(draws, side) for side in ("lowest", "highest", "low", "high")})
    n_outputs, n_features = parts[0].moments.mean.shape
    stays, _ = ends.wanted(sample_size(n_outputs, n_features))
    return replace(whole, draws=ends).take(stays)


def _all_draws(parts: Sequence[PartitionResult]) -> Draws:
    shifted = [
        part.draws.shifted(start) for part, start in zip(parts, starts(parts), strict=True) if part.draws is not None
    ]
    return together(shifted)


def _check_alike(parts: Sequence[PartitionResult]) -> None:
    first = parts[0]
    for part in parts[1:]:
        for name in ("features", "dtype", "data"):
            if getattr(part, name) != getattr(first, name):
                raise InvalidExplanationError(
                    f"parts {first.part} and {part.part} of the rows have other {name}: {getattr(first, name)!s:.200} "
                    f"and {getattr(part, name)!s:.200}"
                )
        if not np.allclose(part.base_values, first.base_values):
            raise InvalidExplanationError(
                f"parts {first.part} and {part.part} of the rows have other base values, {first.base_values} and "
                f"{part.base_values}: the explainer must be the same everywhere"
            )


def _local_layout(first: PartitionResult, files: Sequence[FileEntry], top_k: int | None) -> PartLayout:
    local = [entry for entry in files if entry.role == "local"]
    n_features = len(first.features)
    return PartLayout(
        dtype=first.dtype,
        kept=n_features if top_k is None else top_k,
        ranked=top_k is not None,
        mirror=len(first.info.outputs) == 2 and all(entry.outputs == (1, 2) for entry in local),
    )


def _interactions(parts: Sequence[PartitionResult], n_rows: int) -> Interactions | None:
    sums: Any = None
    for part in parts:
        if part.pairs is not None:
            sums = part.pairs if sums is None else sums + part.pairs
    if sums is None:
        return None
    # Symmetric to the last bit, also where features were mapped after the kernel.
    means = (sums + sums.swapaxes(1, 2)) / (2 * n_rows)
    n_outputs = len(parts[0].info.outputs)
    return Interactions(means if len(means) == n_outputs else np.repeat(means, n_outputs, axis=0))


def _notes(parts: Sequence[PartitionResult]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for part in parts for note in part.info.notes))[:_MOST_NOTES]
