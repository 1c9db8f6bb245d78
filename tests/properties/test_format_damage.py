"""Damage of any kind is found: flipped bits, cut files, and manifests that an attacker made, with digests that fit."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explanation_client.dataset import EvaluationData
from explanation_client.errors import CorruptFileError, StoredDataError
from explanation_client.explanation import Explanation
from explanation_client.format import Limits, check_file, manifest_name, open_explanation, parse_manifest
from tests.golden.bundle import Bundle, store, with_file
from tests.strategies import explanation_of, symmetric

LONG = bool(os.environ.get("EXPLANATION_CLIENT_LONG"))
LIMITS = Limits(max_bytes=64 << 20)


def explained() -> Explanation:
    """Return a small explanation with every part, in several files."""
    rng = np.random.default_rng(5)
    values = rng.standard_normal((3, 6, 12)).astype("f4")
    rows = EvaluationData(
        names=("a", "b", "c"),
        columns=(rng.standard_normal(6), np.array(["x", None, "y", "x", "é", "x"], object), np.arange(6) > 2),
        row_names=np.array(list("uvwxyz"), object),
        predicted=np.arange(6),
        predicted_proba=rng.random((6, 3)),
        true=np.array(list("nnyyny"), object),
    )
    pairs = symmetric(rng.standard_normal((3, 12, 12)).astype("f4"))
    return replace(explanation_of(values, interactions=pairs), data=rows)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return store(explained(), shard_bytes=400, include_data=True, include_view=True)


@pytest.fixture(scope="module")
def cut_bundle() -> Bundle:
    return store(explained().cut(3), include_data=True)


def read_all(bundle: Bundle) -> Explanation:
    """Return everything that the library reads of a bundle: every part, in every way."""
    read = bundle.open(limits=LIMITS)
    if read.local_importances is not None:
        read.local_importances.ranked(min(2, read.local_importances.shape[-1]))
        read = read.load()
    if read.data is not None:
        repr((read.data.names, read.data.columns, read.data.row_names, read.data.predicted_proba, read.data.true))
    return read


def test_every_flipped_bit_is_found_by_the_digest(bundle: Bundle) -> None:
    chance = random.Random(0)
    for entry in bundle.manifest.files:
        data = bundle.files[entry.name]
        bits = range(8 * len(data)) if LONG else chance.sample(range(8 * len(data)), 40)
        for bit in bits:
            damaged = bytearray(data)
            damaged[bit // 8] ^= 1 << bit % 8
            with pytest.raises(CorruptFileError, match="SHA-256"):
                check_file(entry, damaged)


def test_every_cut_and_every_longer_file_is_found(bundle: Bundle) -> None:
    for entry in bundle.manifest.files:
        data = bundle.files[entry.name]
        for length in range(0, len(data), 1 if LONG else 97):
            with pytest.raises(CorruptFileError, match="bytes"):
                check_file(entry, data[:length])
        with pytest.raises(CorruptFileError, match="bytes"):
            check_file(entry, data + b"\0")


def test_every_flipped_bit_and_every_cut_of_the_manifest_is_found(bundle: Bundle) -> None:
    data = bundle.files[bundle.name]
    chance = random.Random(1)
    for bit in range(8 * len(data)) if LONG else chance.sample(range(8 * len(data)), 100):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CorruptFileError):
            parse_manifest(bytes(damaged), name=bundle.name)
    for length in range(0, len(data), 1 if LONG else 211):
        with pytest.raises(CorruptFileError):
            parse_manifest(data[:length], name=bundle.name)


@pytest.mark.parametrize("which", ["bundle", "cut_bundle"])
def test_damage_that_the_digests_vouch_for_is_a_typed_error_or_changes_nothing_but_numbers(
    which: str, request: pytest.FixtureRequest
) -> None:
    bundle: Bundle = request.getfixturevalue(which)
    chance = random.Random(2)
    found = 0
    for entry in bundle.manifest.files:
        data = bundle.files[entry.name]
        for _ in range(2_000 if LONG else 12):
            damaged = bytearray(data)
            for _ in range(chance.choice([1, 1, 1, 2, 5, 40])):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            if chance.random() < 0.2:
                del damaged[chance.randrange(len(damaged)) :]
            try:
                read_all(with_file(bundle, entry.name, bytes(damaged)))
            except StoredDataError:
                found += 1
    assert found > 0


def test_page_checksums_find_what_the_digests_vouch_for(bundle: Bundle) -> None:
    """A flipped bit in the values of an uncompressed file, with digests made to fit, is still no silent number."""
    wide = store(explanation_of(np.random.default_rng(1).standard_normal((1, 2_000, 3))))
    entry = wide.manifest.of_role("local")[0]
    data = wide.files[entry.name]
    chance = random.Random(3)
    for _ in range(60):
        damaged = bytearray(data)
        # Well inside the pages: 48,000 bytes of values, and a few hundred of headers and footer.
        damaged[chance.randrange(100, 47_000)] ^= 1 << chance.randrange(8)
        try:
            read = with_file(wide, entry.name, bytes(damaged)).open(limits=LIMITS).load()
        except StoredDataError:
            continue
        assert read == wide.open().load()


# --- Manifests ---------------------------------------------------------------------------------------------------

junk = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "..", "../x", "a/b", "float16", "\0", "local", "2026-01-01", "x" * 300])
    | st.lists(st.integers(-1, 20), max_size=4)
    | st.dictionaries(st.sampled_from(["dtype", "kept", "x"]), st.integers(-1, 20), max_size=2)
)


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value of a document."""
    found = [path] if path else []
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        found += places(value, (*path, key))
    return found


def mutate(document: Any, path: tuple[Any, ...], how: str, value: Any) -> None:
    """Change the value at a path: replace it, take it away, double it, or move a number a little."""
    parent = document
    for key in path[:-1]:
        parent = parent[key]
    key = path[-1]
    if how == "remove":
        del parent[key]
    elif how == "double" and isinstance(parent, list):
        parent.append(copy.deepcopy(parent[key]))
    elif how == "nudge" and isinstance(parent[key], int):
        parent[key] = int(parent[key]) + (1 if value is None else -1)
    else:
        parent[key] = value


@settings(max_examples=3_000 if LONG else 120)
@given(st.data())
def test_a_forged_manifest_is_a_typed_error_or_gives_an_explanation_of_the_right_shape(data: st.DataObject) -> None:
    bundle = _BUNDLES[data.draw(st.integers(0, len(_BUNDLES) - 1))]
    document = json.loads(bundle.files[bundle.name])
    for _ in range(data.draw(st.integers(1, 3))):
        paths = places(document)
        path = data.draw(st.sampled_from(paths))
        mutate(document, path, data.draw(st.sampled_from(["replace", "remove", "double", "nudge"])), data.draw(junk))
    forged = json.dumps(document).encode()
    name = manifest_name(forged, "0")
    try:
        manifest = parse_manifest(forged, name=name, limits=LIMITS)
        assert all("/" not in entry.name and ".." not in entry.name for entry in manifest.files)
        files = {**bundle.data_files, name: forged}
        read = open_explanation(manifest, lambda entry: _checked(files, entry), limits=LIMITS).load()
        assert read.num_features == len(read.features) == 12
    except StoredDataError:
        return


@settings(max_examples=300 if LONG else 60)
@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_bytes_that_are_no_manifest_are_a_typed_error(data: bytes) -> None:
    with pytest.raises(StoredDataError):
        parse_manifest(data, name=f"manifest-{hashlib.sha256(data).hexdigest()}-0.json")


def _checked(files: dict[str, bytes], entry: Any) -> bytes:
    if entry.name not in files:
        raise CorruptFileError(f"{entry.name} is not there")
    check_file(entry, files[entry.name])
    return files[entry.name]


_BUNDLES = (
    store(explained(), shard_bytes=400, include_data=True),
    store(explained().cut(3)),
    store(explanation_of(np.random.default_rng(0).standard_normal((1, 4, 12)))),
)
