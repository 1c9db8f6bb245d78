"""Whatever fails, a reader sees an explanation whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explanation_client.artifacts import Artifacts, MemoryArtifacts, Stat
from explanation_client.errors import StorageError, StoredDataError
from explanation_client.explanation import Explanation
from explanation_client.format import Limits
from explanation_client.info import now
from explanation_client.store import folder_of, read, retry, write
from explanation_client.store.cache import FileCache
from explanation_client.store.check import verify_stored
from explanation_client.store.read import Source, find_manifest, list_manifests, open_stored, stored_ids
from explanation_client.store.retry import Deadline
from explanation_client.store.write import write_explanation
from tests.strategies import explanation_of, random_explanation
from tests.support.faults import Crash, Fault, FaultyArtifacts

EXPLANATION = random_explanation(2, 6, 12)
WRITE_FAULTS: list[Fault] = ["ok", "ok", "refused", "torn", "torn silently", "lost answer", "zombie", "crash"]
READ_FAULTS: list[Fault] = ["ok", "refused", "cut", "flip"]


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries follow at once, and files are written in order, so that a plan of faults means the same every time."""
    monkeypatch.setattr(retry, "_FIRST_DELAY", 0.0)
    monkeypatch.setattr(retry, "_LONGEST_DELAY", 0.0)
    monkeypatch.setattr(write, "_THREADS", 1)


def source_of(artifacts: Artifacts) -> Source:
    from pathlib import Path

    return Source(artifacts=artifacts, cache=FileCache(Path(), max_bytes=0), timeout=5.0, limits=Limits())


def upload(artifacts: Artifacts, explanation: Explanation = EXPLANATION) -> str:
    committed = write_explanation(
        artifacts,
        explanation,
        info=replace(explanation.info, uploaded_at=now()),
        include_view=True,
        deadline=Deadline.after(5.0),
    )
    return committed.manifest.info.id


@cache
def stored_files() -> dict[str, bytes]:
    """Return what an upload leaves: one serves all examples that only read."""
    store = MemoryArtifacts()
    upload(store)
    return {stat.path: store.read(stat.path) for stat in store.list(folder_of(EXPLANATION.id))}


def stored() -> MemoryArtifacts:
    """Return a store of its own with the explanation in it."""
    store = MemoryArtifacts()
    for path, content in stored_files().items():
        store.write(path, content)
    return store


def is_listed(store: Artifacts) -> bool:
    return bool(list_manifests(source_of(store), EXPLANATION.id)[0])


@settings(max_examples=150)
@given(st.lists(st.sampled_from(WRITE_FAULTS), max_size=40))
def test_an_upload_is_visible_whole_or_not_at_all(plan: list[Fault]) -> None:
    store = MemoryArtifacts()
    faulty = FaultyArtifacts(store, plan)
    succeeded = False
    try:
        upload(faulty)
        succeeded = True
    except (StorageError, Crash):
        pass
    for _ in range(2):
        if is_listed(store):
            report = verify_stored(source_of(store), EXPLANATION.id)
            assert report is not None
            assert report.ok, report.problems
            assert (
                open_stored(source_of(store), find_manifest(source_of(store), EXPLANATION.id).manifest) == EXPLANATION
            )
        assert is_listed(store) or not succeeded
        # The second time with everything that was still under way when the upload ended.
        faulty.wake_zombies()


@settings(max_examples=60)
@given(st.lists(st.sampled_from(WRITE_FAULTS), max_size=25))
def test_repeating_an_interrupted_upload_succeeds(plan: list[Fault]) -> None:
    store = MemoryArtifacts()
    faulty = FaultyArtifacts(store, plan)
    while True:
        try:
            stored_id = upload(faulty)
            break
        except (StorageError, Crash):
            continue
    faulty.wake_zombies()
    report = verify_stored(source_of(store), stored_id)
    assert report is not None
    assert report.ok


@settings(max_examples=150)
@given(st.lists(st.sampled_from(READ_FAULTS), max_size=20))
def test_a_download_is_right_or_an_error(plan: list[Fault]) -> None:
    source = source_of(FaultyArtifacts(stored(), plan))
    try:
        downloaded = open_stored(source, find_manifest(source, EXPLANATION.id).manifest).load()
    except (StorageError, StoredDataError):
        return
    assert downloaded == EXPLANATION


@settings(max_examples=100)
@given(st.data())
def test_a_changed_stored_byte_is_always_found(data: st.DataObject) -> None:
    store = stored()
    stats = store.list(folder_of(EXPLANATION.id))
    path = data.draw(st.sampled_from([stat.path for stat in stats]))
    content = bytearray(store.read(path))
    position = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[position] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[position:]
    store.write(path, bytes(content))
    report = verify_stored(source_of(store), EXPLANATION.id)
    assert report is not None
    assert not report.ok


def test_two_uploads_under_one_id_end_in_two_explanations() -> None:
    """Both find no files of that id when they begin, and write into its folder side by side."""
    store = MemoryArtifacts()
    other = explanation_of(np.ones((1, 3, 4)))
    other = replace(other, info=replace(other.info, id=EXPLANATION.id))

    second: list[str] = []

    class WritesBesideIt(FaultyArtifacts):
        def list(self, prefix: str) -> tuple[Stat, ...]:
            if not second:
                second.append(upload(store, other))
            return super().list(prefix)

    first = upload(WritesBesideIt(store, []))
    source = source_of(store)
    found = {each: open_stored(source, find_manifest(source, each).manifest) for each in stored_ids(source)}
    assert found == {first: EXPLANATION, second[0]: other}
    assert len(found) == 2


def test_an_explanation_that_can_not_be_stored_leaves_nothing() -> None:
    store = MemoryArtifacts()
    names = replace(EXPLANATION, info=replace(EXPLANATION.info, outputs=("x" * 200_000, "y" * 200_000)))
    with pytest.raises(StoredDataError):
        upload(store, names)
    assert store.list(folder_of(EXPLANATION.id)) == ()


def test_every_retry_of_a_read_counts_towards_one_limit() -> None:
    store = MemoryArtifacts()
    upload(store)
    always_cut = FaultyArtifacts(store, ["cut"] * 100)
    with pytest.raises(StoredDataError):
        find_manifest(
            source_of(always_cut), EXPLANATION.id, name=list_manifests(source_of(store), EXPLANATION.id)[0][0].name
        )
    assert always_cut.operations <= 3 * read._FETCHES
