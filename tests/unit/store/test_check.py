"""Garbage is what no explanation needs and no upload is still writing."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from explanation_client.artifacts import FolderArtifacts, MemoryArtifacts
from explanation_client.errors import CorruptFileError
from explanation_client.format import Limits, dump_manifest
from explanation_client.store import folder_of
from explanation_client.store.cache import FileCache
from explanation_client.store.check import delete_stored, find_garbage, verify_stored
from explanation_client.store.read import Source, find_manifest, open_stored, stored_ids
from explanation_client.store.retry import Deadline
from explanation_client.store.write import new_nonce, write_explanation, write_manifest
from tests.strategies import random_explanation
from tests.support.faults import Crash, FaultyArtifacts

NONCE_OF_YESTERDAY = f"{int(time.time() - 30 * 3600):08x}00000000"


def stored() -> tuple[MemoryArtifacts, Source, str]:
    store = MemoryArtifacts()
    explanation = random_explanation(1, 4, 3)
    write_explanation(
        store, explanation, info=explanation.info, include_view=False,
        deadline=Deadline.after(5),
    )  # fmt: skip
    source = Source(artifacts=store, cache=FileCache(Path(), max_bytes=0), timeout=5, limits=Limits())
    return store, source, explanation.id


class Timeless:
    """A store that does not say when its files were written, as MLflow's does not."""

    def __init__(self, inner: MemoryArtifacts) -> None:
        self.write, self.read, self.delete = inner.write, inner.read, inner.delete
        self._inner = inner

    def list(self, prefix: str) -> tuple:  # type: ignore[type-arg]
        return tuple(replace(stat, modified=None) for stat in self._inner.list(prefix))


def timeless(source: Source) -> Source:
    return replace(source, artifacts=Timeless(source.artifacts))  # type: ignore[arg-type]


def test_a_whole_explanation_is_no_garbage() -> None:
    _, source, _ = stored()
    assert find_garbage(timeless(source), older_than_hours=1, listed=()) == ()


def test_old_files_without_a_manifest_are_garbage() -> None:
    store, source, _ = stored()
    store.write(f"explanations/unfinished/local-0-0123456789abcdef-{NONCE_OF_YESTERDAY}.parquet", b"half")
    garbage = find_garbage(timeless(source), older_than_hours=24, listed=())
    assert [item.path.split("/")[1] for item in garbage] == ["unfinished"]
    assert garbage[0].size == 4
    assert 29 < garbage[0].age_hours < 31


def test_files_of_a_repeated_attempt_are_garbage_beside_a_whole_explanation() -> None:
    store, source, explanation_id = stored()
    stray = f"{folder_of(explanation_id)}/local-0-0123456789abcdef-{NONCE_OF_YESTERDAY}.parquet"
    store.write(stray, b"half")
    assert [item.path for item in find_garbage(timeless(source), older_than_hours=24, listed=())] == [stray]


def test_one_young_file_protects_the_whole_upload() -> None:
    store, source, _ = stored()
    for nonce in (NONCE_OF_YESTERDAY, new_nonce()):
        store.write(f"explanations/under-way/local-0-0123456789abcdef-{nonce}.parquet", b"half")
    assert find_garbage(timeless(source), older_than_hours=24, listed=()) == ()


def test_what_killed_writers_left_in_a_folder_is_garbage(tmp_path: Path) -> None:
    memory, source, explanation_id = stored()
    store = FolderArtifacts(tmp_path)
    for stat in memory.list(f"explanations/{explanation_id}"):
        store.write(stat.path, memory.read(stat.path))
    source = replace(source, artifacts=store)
    # One was killed over its first file, the other over its last, the page.
    (tmp_path / "explanations" / "first").mkdir()
    left = [f"explanations/{folder}/.explanation-client.{16 * '0'}" for folder in sorted((explanation_id, "first"))]
    for path, age in zip(left, (2 * 3600, 25 * 3600), strict=True):
        (tmp_path / path).write_bytes(b"half")
        os.utime(tmp_path / path, (time.time() - age, time.time() - age))
    assert [item.path for item in find_garbage(source, older_than_hours=24, listed=())] == left[1:]
    garbage = find_garbage(source, older_than_hours=1, listed=())
    assert [(item.path, item.size) for item in garbage] == [(path, 4) for path in left]
    for item in garbage:
        store.delete(item.path)
    assert stored_ids(source) == (explanation_id,)
    assert find_garbage(source, older_than_hours=0, listed=()) == ()
    report = verify_stored(source, explanation_id)
    assert report is not None
    assert report.ok


def test_files_of_unknown_age_stay() -> None:
    store, source, _ = stored()
    store.write("explanations/odd/notes.txt", b"?")
    assert find_garbage(timeless(source), older_than_hours=1, listed=()) == ()


def test_a_listed_explanation_without_its_manifest_is_damaged_not_garbage() -> None:
    store, source, _ = stored()
    store.write(f"explanations/damaged/local-0-0123456789abcdef-{NONCE_OF_YESTERDAY}.parquet", b"data")
    assert find_garbage(timeless(source), older_than_hours=24, listed={"damaged"}) == ()


def test_a_store_that_tells_times_is_believed_where_they_are_later() -> None:
    store, source, _ = stored()
    store.write(f"explanations/unfinished/local-0-0123456789abcdef-{NONCE_OF_YESTERDAY}.parquet", b"half")
    assert find_garbage(source, older_than_hours=24, listed=()) == ()


def test_deleting_begins_with_the_manifest() -> None:
    """Whoever reads meanwhile, or after a crash half-way, finds no explanation rather than half of one."""
    store, _, explanation_id = stored()
    faulty = FaultyArtifacts(store, ["ok", "ok", "crash"])
    with pytest.raises(Crash):
        delete_stored(faulty, explanation_id, deadline=Deadline.after(5))
    left = [stat.name for stat in store.list(folder_of(explanation_id))]
    assert left
    assert not any(name.startswith("manifest") for name in left)


def test_the_latest_of_two_manifests_counts() -> None:
    store, source, explanation_id = stored()
    first = find_manifest(source, explanation_id).manifest
    for comment, hours in (("later", 2), ("earlier", 1)):
        info = replace(first.info, comment=comment, uploaded_at=first.info.created_at + timedelta(hours=hours))
        data = dump_manifest(replace(first, info=info))
        write_manifest(store, folder_of(explanation_id), data, deadline=Deadline.after(5))
    assert find_manifest(source, explanation_id).manifest.info.comment == "later"


def test_a_manifest_of_another_explanation_is_none_of_this_one() -> None:
    store, source, explanation_id = stored()
    (manifest,) = (s for s in store.list(folder_of(explanation_id)) if s.name.startswith("manifest"))
    store.write(f"explanations/other/{manifest.name}", store.read(manifest.path))
    with pytest.raises(CorruptFileError, match="another explanation"):
        find_manifest(source, "other")


def test_a_damaged_file_in_the_cache_is_fetched_again(tmp_path: Path) -> None:
    _, source, explanation_id = stored()
    cached = replace(source, cache=FileCache(tmp_path))
    manifest = find_manifest(cached, explanation_id).manifest
    whole = open_stored(cached, manifest).load()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    for path in files:
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert open_stored(cached, manifest).load() == whole


def test_deleting_leaves_nothing_to_list() -> None:
    store, source, explanation_id = stored()
    assert delete_stored(store, explanation_id, deadline=Deadline.after(5)) >= 2
    assert store.list(folder_of(explanation_id)) == ()
    assert verify_stored(source, explanation_id) is None
    assert explanation_id not in stored_ids(source)
