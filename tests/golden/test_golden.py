"""Stored explanations of every version are read, bit for bit, for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from explanation_client.format import is_manifest_name
from tests.golden.bundle import Bundle, store
from tests.golden.explanations import GOLDEN

V1 = Path(__file__).parent / "v1"


def golden(name: str) -> Bundle:
    files = {path.name: path.read_bytes() for path in (V1 / name).iterdir()}
    (manifest,) = filter(is_manifest_name, files)
    return Bundle(manifest, files)


@pytest.mark.parametrize("name", GOLDEN)
def test_version_1_is_read_bit_for_bit(name: str) -> None:
    bundle, wanted = golden(name), GOLDEN[name]()
    read = bundle.open()
    assert read == wanted
    assert read.info.id == wanted.info.id
    assert read.info.comment == wanted.info.comment == "größe ✓"
    assert read.info.created_at == wanted.info.created_at
    assert bundle.open(top_k=2) == wanted.cut(2)


@pytest.mark.parametrize("name", GOLDEN)
def test_every_file_of_a_golden_folder_is_in_its_manifest(name: str) -> None:
    bundle = golden(name)
    assert set(bundle.data_files) == {entry.name for entry in bundle.manifest.files}
    for entry in bundle.manifest.files:
        bundle.fetch(entry)


def test_the_golden_files_hold_every_kind_of_file() -> None:
    roles = {entry.role for name in GOLDEN for entry in golden(name).manifest.files}
    assert roles == {
        *("features", "per-class", "local", "top", "interactions", "data", "labels"),
        *("view", "aggregates", "view-data", "view-labels"),
        *("documents", "tokens", "sentences", "view-documents", "view-tokens", "view-sentences"),
    }
    assert golden("binary").manifest.of_role("local")[0].outputs == (1, 2)
    assert len(golden("wide").manifest.of_role("local")) == 6
    assert len(store(GOLDEN["multiclass-cut"]()).manifest.of_role("local")) == 1


def test_the_golden_files_stay_small() -> None:
    assert sum(path.stat().st_size for path in V1.rglob("*") if path.is_file()) < 120_000
