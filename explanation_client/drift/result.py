"""What a comparison of two explanations found, and how it prints."""

from __future__ import annotations

import html as _html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.display import shown
from explanation_client.errors import MissingDependencyError
from explanation_client.info import ExplanationInfo

if TYPE_CHECKING:
    import pandas

Floats = NDArray[np.float64]

_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class AttributionDrift:
    """What :func:`attribution_drift` found: arrays over the F features of either explanation, most changed first.

    Parameters
    ----------
    baseline, current : ExplanationInfo
        What was compared.
    features : tuple of str
    baseline_share, current_share : ndarray of float64, shape (F,)
        Part of all global importance that a feature has, 0 to 1; 0 where the explanation does not have the feature.
    baseline_rank, current_rank : ndarray of int64, shape (F,)
        1 for the most important feature; 0 where the explanation does not have the feature.
    distance : ndarray of float64, shape (F,)
        Wasserstein distance of the local importances, as a part of the mean sum of absolute importances of a
        baseline row; of several outputs the largest. NaN where either explanation has no local importances of the
        feature.
    ks : ndarray of float64, shape (F,)
        Kolmogorov-Smirnov statistic of the local importances, 0 to 1, of several outputs the largest; NaN as above.
    p_value : ndarray of float64, shape (F,)
        How probable a statistic that large is where nothing changed, corrected for the number of comparisons.
    ndcg : float
        How well the current ranking keeps the baseline's most important features in front: 1 for the same order.
    moved : tuple of str
        Names of the features that changed by more than chance and more than ``min_change``, most changed first.
    min_ndcg, min_change : float
        The limits that were set.
    notes : tuple of str
        What could not be compared, and why.

    """

    baseline: ExplanationInfo
    current: ExplanationInfo
    features: tuple[str, ...]
    baseline_share: Floats
    current_share: Floats
    baseline_rank: NDArray[np.int64]
    current_rank: NDArray[np.int64]
    distance: Floats
    ks: Floats
    p_value: Floats
    ndcg: float
    moved: tuple[str, ...]
    min_ndcg: float
    min_change: float
    notes: tuple[str, ...] = ()

    @property
    def change(self) -> Floats:
        """How much each feature changed, shape (F,): the change of its share, or the distance where that is more."""
        return np.fmax(np.abs(self.current_share - self.baseline_share), self.distance)

    @property
    def drifted(self) -> bool:
        """Whether any feature moved, or the ranking fell below ``min_ndcg``."""
        return bool(self.moved) or self.ndcg < self.min_ndcg

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values for JSON; None for what is not known."""
        return {
            "drifted": self.drifted,
            "ndcg": self.ndcg,
            "min_ndcg": self.min_ndcg,
            "min_change": self.min_change,
            "moved": list(self.moved),
            "baseline": self.baseline.id,
            "current": self.current.id,
            "notes": list(self.notes),
            "features": [
                {name: None if value != value else value for name, value in zip(_COLUMNS, line, strict=True)}
                for line in self._lines()
            ],
        }

    def to_frame(self) -> pandas.DataFrame:
        """Return a line for each feature as a pandas DataFrame, most changed first.

        Raises
        ------
        MissingDependencyError
            pandas is not installed.

        """
        try:
            import pandas
        except ImportError as error:
            raise MissingDependencyError("pandas", extra="explain", needed_for="to_frame()") from error
        return pandas.DataFrame(list(self._lines()), columns=list(_COLUMNS))

    def __repr__(self) -> str:
        lines = [f"AttributionDrift({self._verdict()})"]
        for name, *_, before, after, was, now, distance, _, _ in list(self._lines())[: len(self.moved)][:_SHOWN]:
            told = "" if distance != distance else f", distance {distance:.3g}"
            ranks = f"rank {was or 'none'} -> {now or 'none'}"
            lines.append(f"  {shown(name, length=40)}: {before:.1%} -> {after:.1%}, {ranks}{told}")
        return "\n".join([*lines, *(f"  note: {shown(note, length=300)}" for note in self.notes)])

    def _repr_html_(self) -> str:
        rows = "".join(_html_row(line) for line in list(self._lines())[:_SHOWN])
        notes = "".join(f'<div style="opacity:.65">{_escape(note, 300)}</div>' for note in self.notes)
        heads = "".join(
            f'<th style="text-align:{side};font-weight:400;opacity:.65;padding:.1em .7em">{name}</th>'
            for name, side in (
                ("feature", "left"), ("share", "left"), ("rank", "left"), ("distance", "right"), ("KS", "right"),
            )
        )  # fmt: skip
        return (
            '<div style="max-width:52em;font:13px/1.5 system-ui,sans-serif;color:inherit">'
            '<div style="font-weight:600;margin:.2em 0">Attribution drift</div>'
            f"<div>{_escape(self._verdict(), 200)}</div>"
            '<table style="border-collapse:collapse;font:inherit;margin:.5em 0">'
            f"<tr>{heads}</tr>{rows}</table>{notes}</div>"
        )

    def _verdict(self) -> str:
        count = len(self.features)
        moved = f"{len(self.moved)} of {count} features moved" if self.moved else f"none of {count} features moved"
        order = f"NDCG {self.ndcg:.3f}" + (f", below {self.min_ndcg:g}" if self.ndcg < self.min_ndcg else "")
        return f"{'drifted' if self.drifted else 'no drift'}: {moved}; ranking {order}"

    def _lines(self) -> list[tuple[Any, ...]]:
        marked = set(self.moved)
        arrays = (
            self.change, self.baseline_share, self.current_share, self.baseline_rank, self.current_rank,
            self.distance, self.ks, self.p_value,
        )  # fmt: skip
        columns = [array.tolist() for array in arrays]
        return [(name, name in marked, *values) for name, *values in zip(self.features, *columns, strict=True)]


_COLUMNS = (
    "feature", "moved", "change", "baseline_share", "current_share", "baseline_rank", "current_rank",
    "distance", "ks", "p_value",
)  # fmt: skip


def _html_row(line: tuple[Any, ...]) -> str:
    name, moved, _, before, after, was, now, distance, ks, _ = line
    bars = "".join(
        f'<div style="width:{max(0.5, 100 * share):.1f}%;height:.45em;margin:.1em 0;background:{colour};'
        'border-radius:2px"></div>'
        for share, colour in ((before, "#9aa5b1"), (after, "#2f7fd1"))
    )
    cell = '<td style="padding:.15em .7em;text-align:{};font-variant-numeric:tabular-nums">{}</td>'
    shift = f"{was or '–'} → {now or '–'}"  # noqa: RUF001 - a dash for a rank that there is none of
    figures = [("right", "" if value != value else f"{value:.3f}") for value in (distance, ks)]
    label = f'<span style="overflow-wrap:anywhere;font-weight:{600 if moved else 400}">{_escape(name, 60)}</span>'
    shares = f'<div style="width:12em">{bars}</div>{before:.1%} → {after:.1%}'
    cells = (("left", label), ("left", shares), ("left", shift), *figures)
    return "<tr>" + "".join(cell.format(side, content) for side, content in cells) + "</tr>"


def _escape(value: str, length: int) -> str:
    return _html.escape(shown(value, length=length), quote=True)
