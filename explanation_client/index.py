"""The index of a run's explanations: one run tag for each, so that a listing costs one call.

The tag is a convenience; the manifest in the store is the truth.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from explanation_client.display import shown
from explanation_client.errors import StoredDataError
from explanation_client.format import comment_matches, parse_summary_tag
from explanation_client.info import ExplanationInfo
from explanation_client.tracking import TAG_PREFIX

_log = logging.getLogger(__name__)
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Listed:
    """An explanation of a listing: what the tag says of it, and the name of its manifest."""

    info: ExplanationInfo
    manifest_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which explanations are asked for; None matches all."""

    explanation_id: str | None = None
    comment: str | None = None
    raw: bool | None = None
    engineered: bool | None = None

    def matches(self, info: ExplanationInfo) -> bool:
        """Whether an explanation is one of those."""
        return (
            self.explanation_id in (None, info.id)
            and (self.comment is None or comment_matches(info, self.comment))
            and self.raw in (None, info.is_raw)
            and self.engineered in (None, info.is_engineered)
        )

    def __str__(self) -> str:
        asked = [
            None if self.explanation_id is None else f"the id {self.explanation_id}",
            None if self.comment is None else f"comment {self.comment!r}",
            None if self.raw is None else f"raw={self.raw}",
            None if self.engineered is None else f"engineered={self.engineered}",
        ]
        return " and ".join(part for part in asked if part)


def tag_key(explanation_id: str) -> str:
    """Return the key of the run tag of an explanation."""
    return f"{TAG_PREFIX}{explanation_id}"


def index_entries(tags: Mapping[str, str]) -> list[Listed]:
    """Return what a run's tags say of its explanations, in the order of their upload; damaged tags are left out."""
    entries = []
    for explanation_id in tagged_ids(tags):
        key = tag_key(explanation_id)
        try:
            entries.append(Listed(*parse_summary_tag(explanation_id, tags[key])))
        except StoredDataError as error:
            _log.warning("run tag %s is damaged, verify() repairs it: %s", key, error)
    return sorted(entries, key=lambda entry: upload_order(entry.info))


def tagged_ids(tags: Mapping[str, str]) -> tuple[str, ...]:
    """Return the ids of a run's tags that are ours: the prefix and a UUID. Others' tags may begin alike."""
    ids = (key.removeprefix(TAG_PREFIX) for key in tags if key.startswith(TAG_PREFIX))
    return tuple(each for each in ids if _UUID.fullmatch(each))


def upload_order(info: ExplanationInfo) -> tuple[float, str]:
    """Return the sort key by which explanations are listed: time of upload, then id."""
    return (info.uploaded_at or info.created_at).timestamp(), info.id


def not_found(run_id: str, query: Query, existing: Iterable[ExplanationInfo]) -> str:
    """Return the message that says what a run does not have, and what it has."""
    infos = list(existing)
    asked = f" with {query}" if str(query) else ""
    if not infos:
        return f"run {run_id} has no explanation{asked}; it has none at all: upload one with upload_model_explanation()"
    lines = [_line(info) for info in infos[-5:]]
    more = f" and {len(infos) - 5} older" if len(infos) > 5 else ""
    return f"run {run_id} has no explanation{asked}; it has {'; '.join(lines)}{more}"


def _line(info: ExplanationInfo) -> str:
    comment = "no comment" if info.comment is None else f"comment {shown(info.comment, length=80)!r}"
    space = "" if info.feature_space is None else f", {info.feature_space}"
    return f"{info.id} ({shown(info.method)}{space}, {comment})"
