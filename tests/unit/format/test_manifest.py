"""The manifest: parsed, audited, constructed; and what is wrong with one that is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from explanation_client.errors import (
    CorruptFileError,
    FormatVersionError,
    InvalidExplanationError,
    InvalidManifestError,
    LimitExceededError,
)
from explanation_client.format import (
    Limits,
    build_manifest,
    dump_manifest,
    is_manifest_name,
    manifest_digest,
    manifest_name,
    parse_manifest,
)
from tests.golden.bundle import Bundle, store
from tests.strategies import random_explanation

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return store(random_explanation(3, 8, 12), shard_bytes=200, include_view=True)


def changed(bundle: Bundle, change: Change) -> bytes:
    document = json.loads(bundle.files[bundle.name])
    change(document)
    return json.dumps(document).encode()


def test_a_manifest_survives_the_way_to_bytes_and_back(bundle: Bundle) -> None:
    manifest = bundle.manifest
    assert parse_manifest(dump_manifest(manifest)) == manifest
    assert manifest.info.parts == ("global", "per_class", "local")
    assert len(manifest.info.top_features) == 5
    assert manifest.size == sum(len(data) for data in bundle.data_files.values())


def test_a_manifest_is_canonical(bundle: Bundle) -> None:
    data = bundle.files[bundle.name]
    assert data == json.dumps(json.loads(data), sort_keys=True, separators=(",", ":")).encode("ascii")


def test_the_name_of_a_manifest_is_the_digest_of_its_bytes(bundle: Bundle) -> None:
    data = bundle.files[bundle.name]
    name = manifest_name(data, "abc")
    assert is_manifest_name(name)
    assert manifest_digest(name) == name.split("-")[1]
    assert not is_manifest_name(name.upper())
    assert not is_manifest_name(f"x{name}")
    assert not is_manifest_name(f"{name}\n")
    with pytest.raises(InvalidManifestError, match="no name of a manifest"):
        parse_manifest(data, name="manifest.json")
    with pytest.raises(CorruptFileError, match="cut or changed"):
        parse_manifest(data[:-1], name=name)


def test_fields_that_a_later_writer_added_are_ignored(bundle: Bundle) -> None:
    def add(document: dict[str, Any]) -> None:
        document["color"] = {"deep": [1]}
        document["info"]["mood"] = "good"
        document["files"][0]["taste"] = "sweet"
        document["files"].append({"name": "n", "role": "novel", "size": 1, "sha256": "0" * 64, "shape": []})

    manifest = parse_manifest(changed(bundle, add))
    assert manifest.info == bundle.manifest.info
    assert manifest.of_role("novel")[0].size == 1


def test_a_newer_version_is_named(bundle: Bundle) -> None:
    with pytest.raises(FormatVersionError, match=r"version 7 .* up to 1.*newer explanation-client"):
        parse_manifest(changed(bundle, lambda d: d.update(version=7, files="of another kind")))


def test_every_problem_is_reported_at_once(bundle: Bundle) -> None:
    def spoil(document: dict[str, Any]) -> None:
        document["info"]["task"] = "ranking"
        document["info"]["n_rows"] = -1
        document["files"][0]["name"] = 5
        document["files"][1]["sha256"] = "zz"
        document["parts"]["local"]["dtype"] = "float16"

    with pytest.raises(InvalidManifestError) as raised:
        parse_manifest(changed(bundle, spoil))
    text = str(raised.value)
    for place in ("info.task", "info.n_rows", "files[0].name", "files[1].sha256", "parts.local.dtype"):
        assert place in text
    assert "5 problems" in text


def local(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry for entry in document["files"] if entry["role"] == "local"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d.update(format="x"), "format"),
        (lambda d: d.update(version=0), "version"),
        (lambda d: d.update(version=True), "version"),
        (lambda d: d.pop("info"), "info: is missing"),
        (lambda d: d["files"][0].update(name="../../etc/passwd"), "plain name"),
        (lambda d: d["files"][0].update(name=d["files"][1]["name"]), "listed twice"),
        (lambda d: d["files"].remove(local(d)[0]), "leave a gap"),
        (lambda d: d["files"].append({**local(d)[0], "name": "again"}), "cover"),
        (lambda d: local(d)[1].update(rows=local(d)[0]["rows"]), "local"),
        (lambda d: local(d)[0].update(rows=[0, 10**6]), "outside"),
        (lambda d: local(d)[0].update(rows=[3, 1]), "first < end"),
        (lambda d: local(d)[0].update(shape=[1, 1, 1]), "shape"),
        (lambda d: local(d)[0].update(dtype="float32"), "dtype"),
        (lambda d: [e.pop("rows") for e in local(d)], "local"),
        (lambda d: d["info"].update(n_features=13), "features"),
        (lambda d: d["info"].update(n_rows=9), "rows"),
        (lambda d: d["info"].update(n_rows=0), "rows"),
        (lambda d: d["info"].update(outputs=["a", "b"]), "per-class"),
        (lambda d: d["info"].update(outputs=[]), "output"),
        (lambda d: d["parts"].clear(), "neither"),
        (lambda d: d["parts"].pop("per_class"), "per-class"),
        (lambda d: d["parts"]["global"].update(kept=5), "kept"),
        (lambda d: d["parts"]["global"].update(ranked=True), "totals"),
        (lambda d: d["info"].update(top_k=13), "less than info.top_k"),
        (lambda d: d["parts"]["local"].update(mirror=True), "mirror"),
        (lambda d: d["base_values"].update(values=[1.0]), "1 numbers for 3 outputs"),
        (lambda d: d["base_values"].update(dtype="float32", values=[1e300, 0, 0]), "too large"),
        (lambda d: d.update(data={"true": "int64"}), "labels"),
        (lambda d: d.update(data={"true": "complex128"}), "data.true"),
        (lambda d: d.update(data={"columns": [["float64", 0]]}), "data.columns"),
        (lambda d: d["info"].update(made_with=[["a"]]), "made_with"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(bundle: Bundle, change: Change, problem: str) -> None:
    with pytest.raises(InvalidManifestError, match=problem):
        parse_manifest(changed(bundle, change))


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"\xff", b'{"a":NaN}', b'{"a":1e999}', b'{"a":1,"a":2}', b"[" * 100_000, b"1" * 5_000]
)
def test_bytes_that_are_no_document_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidManifestError):
        parse_manifest(data)


def test_limits_hold_before_anything_is_read(bundle: Bundle) -> None:
    data = bundle.files[bundle.name]
    for limits in (Limits(max_features=11), Limits(max_outputs=2), Limits(max_files=3), Limits(max_file_bytes=100)):
        with pytest.raises(LimitExceededError, match="raise the limit with Limits"):
            parse_manifest(data, limits=limits)
    with pytest.raises(LimitExceededError, match="at most 262,144"):
        parse_manifest(b" " * 262_145)


def test_a_manifest_that_would_be_too_long_is_not_written(bundle: Bundle) -> None:
    manifest = bundle.manifest
    with pytest.raises(LimitExceededError, match="at most 262,144"):
        dump_manifest(replace(manifest, info=replace(manifest.info, comment="x" * 300_000)))


def test_files_that_do_not_make_up_the_explanation_are_not_named(bundle: Bundle) -> None:
    explanation = random_explanation(3, 8, 12)
    files = bundle.manifest.files
    with pytest.raises(InvalidExplanationError, match="do not make up"):
        build_manifest(explanation, files[1:], info=explanation.info)
    with pytest.raises(InvalidExplanationError, match="plain name"):
        build_manifest(explanation, [replace(e, name="") for e in files], info=explanation.info)


def test_base_values_that_are_not_finite_are_not_written() -> None:
    explanation = random_explanation(1, 3, 2)
    with pytest.raises(InvalidExplanationError, match="base values must be finite"):
        store(replace(explanation, base_values=np.array([np.nan])))
