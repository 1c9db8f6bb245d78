"""What is recorded of an explanation once its rows have been explained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from explanation_client.explanation import Explanation


def with_notes(explanation: Explanation, notes: Iterable[str]) -> Explanation:
    """Return the explanation with further notes, after those that it has."""
    return replace(explanation, info=replace(explanation.info, notes=(*explanation.info.notes, *notes)))
