"""Explanations as pages: what is shown of each, and as much of it as fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from explanation_client.dashboard.data import ShownData
from explanation_client.dashboard.files import LABEL_LENGTH, Shown, encode, labels_of
from explanation_client.dashboard.page import PageOptions, Theme, fitting_page
from explanation_client.display import shown
from explanation_client.errors import InvalidArgumentError
from explanation_client.explanation import Explanation
from explanation_client.format import ViewSize

Comparison = Explanation | Sequence[Explanation] | Mapping[str, Explanation]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """An explanation to show, and what is known of its rows."""

    explanation: Explanation
    data: ShownData
    label: str = ""


def subject_of(explanation: Explanation, data: ShownData, others: Sequence[Subject]) -> Subject:
    """Return the explanation that a dashboard is of: beside others it goes by its comment."""
    label = shown(explanation.info.comment or "", length=LABEL_LENGTH) if others else ""
    return Subject(explanation=explanation, data=data, label=label)


def explanation_page(
    explanation: Explanation,
    *,
    title: str | None,
    max_megabytes: float,
    language: str | None,
    theme: Theme,
    comparison: Comparison | None,
    include_data: bool,
) -> bytes:
    """Return the page of an explanation; see :meth:`explanation_client.Explanation.save_html`."""
    others = compared(comparison, include_data)
    chosen = explanation if include_data else _without_rows(explanation)
    subjects = [subject_of(chosen, ShownData(held=chosen.data), others), *others]
    return page_of(subjects, PageOptions(title=title, theme=theme, language=language), max_megabytes)


def page_of(subjects: Sequence[Subject], options: PageOptions, max_megabytes: float) -> bytes:
    """Return the page that shows some explanations, as much of them as fits."""
    return fitting_page(lambda size: [encoded(one, size) for one in subjects], options, max_megabytes)


def encoded(subject: Subject, size: ViewSize) -> Shown:
    """Return the files that show an explanation."""
    return encode(subject.explanation, subject.data, size=size, label=subject.label)


def compared(comparison: Comparison | None, include_data: bool = True) -> list[Subject]:
    """Return the explanations that another is compared with, each with what tells it from the others."""
    if comparison is None:
        return []
    others = [comparison] if isinstance(comparison, Explanation) else comparison
    values = list(others.values()) if isinstance(others, Mapping) else list(others)
    for one in values:
        if not isinstance(one, Explanation):
            raise InvalidArgumentError(f"comparison has a {type(one).__qualname__}: pass explanations")
    labels = labels_of(others if isinstance(others, Mapping) else values)
    chosen = values if include_data else [_without_rows(one) for one in values]
    return [
        Subject(explanation=one, data=ShownData(held=one.data), label=label)
        for one, label in zip(chosen, labels, strict=True)
    ]


def _without_rows(explanation: Explanation) -> Explanation:
    """Return the explanation without anything of what was explained."""
    return replace(explanation, data=None, documents=None)
