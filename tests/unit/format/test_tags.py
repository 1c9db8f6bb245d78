"""The run tag: what a listing shows."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explanation_client.errors import InvalidManifestError
from explanation_client.format import Manifest, comment_matches, parse_summary_tag, shorten_comment, summary_tag
from explanation_client.format.tags import MAX_TAG
from tests.golden.bundle import store
from tests.strategies import random_explanation

NAME = f"manifest-{'0' * 64}-abc.json"


def manifest(**info: Any) -> Manifest:
    made = store(random_explanation(2, 3, 12)).manifest
    return replace(made, info=replace(made.info, **info))


def test_a_tag_says_what_a_listing_shows() -> None:
    uploaded = datetime(2026, 5, 1, 12, tzinfo=UTC)
    wanted = manifest(comment="für Anna ✓", model_id="m-1", feature_space="raw", uploaded_at=uploaded, top_k=4)
    info, name = parse_summary_tag(wanted.id, summary_tag(wanted, NAME))
    assert name == NAME
    assert info == replace(wanted.info, made_with=())
    assert len(info.top_features) == 5


@given(
    comment=st.text(st.characters(), max_size=3_000)
    | st.sampled_from(["\0" * 4_000, "😀" * 900, "\ud800" * 600, '"' * 999]),
    outputs=st.lists(st.text(max_size=30), min_size=2, max_size=200),
    top=st.lists(st.text(max_size=200), max_size=5),
    model_type=st.text(max_size=400),
)
def test_a_tag_fits_whatever_it_is_of(comment: str, outputs: list[str], top: list[str], model_type: str) -> None:
    wanted = _MANIFEST
    info = replace(wanted.info, comment=comment, outputs=tuple(outputs), top_features=tuple(top))
    info = replace(info, model_type=model_type, model_id="\0" * 500)
    text = summary_tag(replace(wanted, info=info), NAME)
    assert len(text) <= MAX_TAG
    text.encode("utf-8")
    read, name = parse_summary_tag(wanted.id, text)
    assert name == NAME
    assert len(read.outputs) == len(outputs)
    assert comment_matches(read, comment)
    assert not comment_matches(read, comment + "x")
    assert not comment_matches(read, "x" + comment)


def test_comments_that_begin_alike_are_told_apart_though_both_are_cut() -> None:
    first, second = "a" * 600 + "1", "a" * 600 + "2"
    assert len(shorten_comment(first)) < 530
    info, _ = parse_summary_tag("x", summary_tag(manifest(comment=first), NAME))
    assert info.comment != first
    assert comment_matches(info, first)
    assert not comment_matches(info, second)
    assert not comment_matches(replace(info, comment=None), first)


def test_fields_that_are_not_known_are_ignored() -> None:
    wanted = manifest()
    document = json.loads(summary_tag(wanted, NAME)) | {"color": "red", "v": 7}
    assert parse_summary_tag(wanted.id, json.dumps(document))[0].n_features == 12


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"manifest": "../x"}, "tag.manifest"),
        ({"task": "ranking"}, "tag.task"),
        ({"rows": -1}, "tag.rows"),
        ({"rows": True}, "tag.rows"),
        ({"created": "yesterday"}, "tag.created"),
        ({"n_outputs": 10**9}, "tag.n_outputs"),
        ({"outputs": ["a"]}, "tag.outputs"),
        ({"top": [1]}, r"tag.top\[0\]"),
        ({"task": "regression"}, "one output"),
    ],
)
def test_a_damaged_tag_is_refused_with_the_place(change: dict[str, Any], problem: str) -> None:
    document = json.loads(summary_tag(manifest(), NAME)) | change
    with pytest.raises(InvalidManifestError, match=problem):
        parse_summary_tag("x", json.dumps(document))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"a":NaN}', "{}" * 20_000, "\ud800", '{"a":1,"a":2}', "[" * 5_000]
)
def test_a_tag_that_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(InvalidManifestError, match="tag of explanation 'x'"):
        parse_summary_tag("x", text)


_MANIFEST = store(random_explanation(2, 3, 12)).manifest
