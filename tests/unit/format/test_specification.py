"""The reader in the specification reads what the library writes, and what it wrote when version 1 was fixed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explanation_client.explanation import Explanation
from explanation_client.importances import AnyImportances, same_bits
from tests.golden.bundle import store
from tests.golden.explanations import GOLDEN

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def read_explanation() -> Callable[[Path], dict[str, Any]]:
    text = (ROOT / "docs" / "format-v1.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(compile(code, "docs/format-v1.md", "exec"), namespace)
    reader: Callable[[Path], dict[str, Any]] = namespace["read_explanation"]
    return reader


def check(found: dict[str, Any], wanted: Explanation) -> None:
    assert tuple(found["features"]) == wanted.features
    base = found["base_values"]
    assert (base is None) == (wanted.base_values is None)
    if base is not None:
        assert same_bits(np.array(base["values"], base["dtype"]), wanted.base_values)
    parts: dict[str, AnyImportances | None] = {
        "global": wanted.global_importances,
        "per_class": wanted.per_class_importances,
        "local": wanted.local_importances,
    }
    for name, importances in parts.items():
        assert (name in found) == (importances is not None)
        if importances is not None:
            assert same_bits(found[name], importances.values), name
            assert same_bits(found[f"{name}_index"], importances.index), name
    assert ("interactions" in found) == (wanted.interactions is not None)
    if wanted.interactions is not None:
        assert same_bits(found["interactions"], wanted.interactions.values)
        assert same_bits(found["interactions_index"], wanted.interactions.index)


@pytest.mark.parametrize("name", GOLDEN)
def test_the_specified_reader_reads_golden_files(read_explanation: Callable[..., Any], name: str) -> None:
    check(read_explanation(ROOT / "tests" / "golden" / "v1" / name), GOLDEN[name]())


@pytest.mark.parametrize("name", GOLDEN)
def test_the_specified_reader_reads_what_is_written_today(
    read_explanation: Callable[..., Any], name: str, tmp_path: Path
) -> None:
    for file, data in store(GOLDEN[name](), shard_bytes=50).files.items():
        (tmp_path / file).write_bytes(data)
    check(read_explanation(tmp_path), GOLDEN[name]())


def test_the_specified_reader_sees_damage(read_explanation: Callable[..., Any], tmp_path: Path) -> None:
    bundle = store(GOLDEN["regression"]())
    for file, data in bundle.files.items():
        (tmp_path / file).write_bytes(data[:-1] if file.startswith("local") else data)
    with pytest.raises(ValueError, match="damaged"):
        read_explanation(tmp_path)


def test_every_role_and_field_of_a_manifest_is_specified() -> None:
    text = (ROOT / "docs" / "format-v1.md").read_text(encoding="utf-8")
    import json

    for make in GOLDEN.values():
        bundle = store(make(), include_data=True, include_view=True)
        document = json.loads(bundle.files[bundle.name])
        words = {*document, *document["info"], *document["parts"]}
        words |= {key for part in document["parts"].values() for key in part}
        words |= {key for entry in document["files"] for key in entry} | {entry["role"] for entry in document["files"]}
        assert {word for word in words if f"`{word}`" not in text} == set()
