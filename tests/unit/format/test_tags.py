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
# Texts that JSON writes as they are, and with one escape or five for each character.
_TEXTS = st.text(max_size=400) | st.sampled_from(["x" * 500, '"' * 500, "\\" * 120, "\0" * 500, "\ud800" * 90])


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
    outputs=st.lists(st.text(max_size=30), min_size=2, max_size=200, unique=True),
    top=st.lists(st.text(max_size=200), max_size=5),
    texts=st.tuples(_TEXTS, _TEXTS, _TEXTS),
    parts=st.lists(_TEXTS, max_size=20),
)
def test_a_tag_fits_whatever_it_is_of(
    comment: str, outputs: list[str], top: list[str], texts: tuple[str, str, str], parts: list[str]
) -> None:
    wanted = _MANIFEST
    info = replace(wanted.info, comment=comment, outputs=tuple(outputs), top_features=tuple(top), parts=tuple(parts))
    info = replace(info, model_type=texts[0], model_id=texts[1], method=texts[2])
    text = summary_tag(replace(wanted, info=info), NAME)
    assert len(text) <= MAX_TAG
    text.encode("utf-8")
    read, name = parse_summary_tag(wanted.id, text)
    assert name == NAME
    assert read.outputs in (tuple(outputs), tuple(f"#{i}" for i in range(len(outputs))))
    assert comment_matches(read, comment)
    assert not comment_matches(read, comment + "x")
    assert not comment_matches(read, "x" + comment)


def test_a_tag_that_needs_every_character_fits() -> None:
    """Each text is as long as it is kept, each number as large, the name of the manifest as long as it may be."""
    name = f"manifest-{'0' * 64}-{'z' * 32}.json"
    parts = ("global", "per_class", "local", "interactions", "data")
    last = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    for letter in ('"', "\\", "\n", "\0", "x", "\ud800", "😀"):
        text = letter * 600
        found = manifest(
            created_at=last, uploaded_at=last, method=text, model_type=text, model_id=text, comment=text,
            feature_space="engineered", n_features=2**53 - 1, n_rows=2**53 - 1, top_k=2**53 - 1, parts=parts,
            top_features=(text,) * 5,
        )  # fmt: skip
        tag = summary_tag(found, name)
        assert len(tag) <= MAX_TAG, (letter, len(tag))
        assert parse_summary_tag(found.id, tag)[0].parts == parts


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
        ({"created": "2026-05-01T12:00:00"}, "tag.created: .* with its offset"),
        ({"created": "2026-05-01"}, "tag.created"),
        ({"created": "0001-01-01T00:00:00"}, "tag.created"),
        ({"created": "0001-01-01T00:00:00+00:00"}, "tag.created: .* from 1970 to 9999"),
        ({"created": "0001-01-01T00:00:00+14:00"}, "tag.created"),
        ({"created": "1970-01-01T00:00:00+00:01"}, "tag.created"),
        ({"created": "9999-12-31T23:59:59-00:01"}, "tag.created"),
        ({"uploaded": "2026-05-01T12:00:00"}, "tag.uploaded"),
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
    ("written", "hour"),
    [("2026-05-01T12:00:00+02:00", 10), ("2026-05-01T12:00:00Z", 12), ("20260501T120000-0130", 13)],
)
def test_a_time_is_read_in_utc_whatever_its_offset(written: str, hour: int) -> None:
    document = json.loads(summary_tag(manifest(), NAME)) | {"created": written}
    created = parse_summary_tag("x", json.dumps(document))[0].created_at
    assert (created.tzinfo, created.hour) == (UTC, hour)


@pytest.mark.parametrize("written", ["1970-01-01T00:00:00+00:00", "9999-12-31T23:59:59.999999+00:00"])
def test_any_time_that_is_read_has_a_timestamp(written: str) -> None:
    document = json.loads(summary_tag(manifest(), NAME)) | {"uploaded": written}
    uploaded = parse_summary_tag("x", json.dumps(document))[0].uploaded_at
    assert uploaded is not None
    assert uploaded.timestamp() >= 0


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"a":NaN}', "{}" * 20_000, "\ud800", '{"a":1,"a":2}', "[" * 5_000]
)
def test_a_tag_that_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(InvalidManifestError, match="tag of explanation 'x'"):
        parse_summary_tag("x", text)


_MANIFEST = store(random_explanation(2, 3, 12)).manifest
