"""Explanations in an artifact store: written whole or not at all, read with every byte checked.

``write`` commits an explanation, ``read`` finds and opens one, ``check`` verifies, deletes and collects garbage.
What a file holds is the business of :mod:`explanation_client.format`; where it lies, of
:mod:`explanation_client.artifacts`.
"""

from __future__ import annotations

ROOT = "explanations"
"""Folder of all explanations among the artifacts of a run."""

PAGE = "dashboard.html"
"""A page for people beside an explanation's files: made from them, and no part of what is committed."""


def folder_of(explanation_id: str) -> str:
    """Return the folder in which an explanation lies, relative to the run's artifacts."""
    return f"{ROOT}/{explanation_id}"
