"""A stream is stored as the explanation that all its rows at once would be."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explanation_client.artifacts import Buffer, MemoryArtifacts
from explanation_client.batches import ExplainedBatch
from explanation_client.dataset import EvaluationData
from explanation_client.errors import (
    InvalidArgumentError,
    InvalidExplanationError,
    LimitExceededError,
    StorageFullError,
    StorageUnreachableError,
    UploadError,
)
from explanation_client.explanation import Explanation
from explanation_client.format import FileEntry, plan
from explanation_client.store.check import verify_stored
from explanation_client.store.stream import StreamWriter
from explanation_client.streams import sample as samples
from explanation_client.streams import sizes
from explanation_client.streams.partition import PartitionPlan, explain_partition
from explanation_client.streams.upload import StoredStream, store_stream
from tests.strategies import explanation_of, explanations, random_explanation
from tests.support.streams import KnownBatches, open_manifest, request, source_of, store_parts


def stored(
    artifacts: MemoryArtifacts, explanation: Explanation, ends: tuple[int, ...] = (), **more: object
) -> StoredStream:
    return store_stream(artifacts, KnownBatches(explanation, ends), request(**more), timeout=5, show_progress=False)


def assert_same(found: Explanation, wanted: Explanation) -> None:
    """Assert that local values are equal to the last bit, and aggregates up to the order of their sums."""
    local, other = found.local_importances, wanted.local_importances
    assert local is not None
    assert other is not None
    assert local.same_as(other)
    assert found.features == wanted.features
    assert found.info.outputs == wanted.info.outputs
    assert found.info.n_rows == wanted.info.n_rows
    assert np.array_equal(found.base_values, wanted.base_values)  # type: ignore[arg-type]
    # A stream adds up in float64, whatever the values are.
    exact = local.dtype == np.float64
    tolerance = {"rtol": 1e-12, "atol": 1e-300} if exact else {"rtol": 1e-5, "atol": 1e-30}
    np.testing.assert_allclose(found.global_importance_values, wanted.global_importance_values, **tolerance)
    if wanted.per_class_importances is not None:
        np.testing.assert_allclose(found.per_class_values, wanted.per_class_values, **tolerance)


def file_of(artifacts: MemoryArtifacts, entry: FileEntry, folder: str) -> dict[str, np.ndarray]:
    table = pq.read_table(__import__("io").BytesIO(artifacts.read(f"{folder}/{entry.name}")))
    return {name: column.to_numpy() for name, column in zip(table.column_names, table.columns, strict=True)}


MIRRORED = np.stack([-np.arange(-7.0, 8), np.arange(-7.0, 8)]).reshape(2, 5, 3)
KINDS = {
    "regression": random_explanation(1, 60, 12, dtype=np.float32),
    "binary": explanation_of(MIRRORED),
    "two outputs that do not mirror": random_explanation(2, 60, 12),
    "three outputs": random_explanation(3, 40, 4),
    "hostile names": explanation_of(np.ones((1, 2, 3)), features=("</script>", "row", "x" * 10_000)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("top_k", [None, 2])
def test_what_is_stored_is_what_all_rows_at_once_give(
    kind: str, top_k: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "SHARD_BYTES", 500)
    explanation, artifacts = KINDS[kind], MemoryArtifacts()
    n_rows = explanation.info.n_rows
    done = stored(artifacts, explanation, tuple(range(1, n_rows, 2)), top_k=top_k, comment="a stream")
    manifest = done.committed.manifest
    report = verify_stored(source_of(artifacts), manifest.id)
    assert report is not None
    assert report.ok
    wanted = explanation if top_k is None else explanation.cut(top_k)
    found = open_manifest(artifacts, manifest)
    assert_same(found, wanted)
    assert found.info.comment == "a stream"
    for k in range(1, min(explanation.num_features, top_k or 11) + 1):
        assert_same(open_manifest(artifacts, manifest, k), explanation.cut(k))
    assert done.page is not None
    assert b"<!doctype html>" in done.page()


@settings(max_examples=40)
@given(data=st.data(), explanation=explanations(max_rows=9))
def test_any_rows_in_any_batches_and_parts(data: st.DataObject, explanation: Explanation) -> None:
    n_rows = explanation.info.n_rows
    whole = explanation_of(
        explanation.local_importances.load().values,  # type: ignore[union-attr]
        features=explanation.features, outputs=explanation.info.outputs, base_values=explanation.base_values,
    )  # fmt: skip
    cuts = (
        sorted(data.draw(st.lists(st.integers(1, max(1, n_rows - 1)), max_size=3, unique=True))) if n_rows > 1 else []
    )
    pieces = [
        replace(whole[first:end], global_importances=None)
        for first, end in zip((0, *cuts), (*cuts, n_rows), strict=True)
    ]
    ends = sorted(data.draw(st.lists(st.integers(0, n_rows), max_size=3)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sizes, "SHARD_BYTES", data.draw(st.sampled_from([1, 40, 1 << 20])))
        artifacts = MemoryArtifacts()
        manifest = store_parts(artifacts, pieces, request(), ends).committed.manifest
    report = verify_stored(source_of(artifacts), manifest.id)
    assert report is not None
    assert report.ok
    assert_same(open_manifest(artifacts, manifest), whole)


def test_outputs_that_mirror_in_some_batches_only_are_stored_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "SHARD_BYTES", 1)
    second = np.random.default_rng(0).standard_normal((1, 40, 12))
    values = np.concatenate([-second, second])
    values[0, 20:30] += 1
    explanation, artifacts = explanation_of(values), MemoryArtifacts()
    manifest = stored(artifacts, explanation, (10, 20, 30)).committed.manifest
    assert manifest.parts.local is not None
    assert not manifest.parts.local.mirror
    assert_same(open_manifest(artifacts, manifest), explanation)
    assert_same(open_manifest(artifacts, manifest, 3), explanation.cut(3))
    cut = stored(artifacts, explanation, (10, 20, 30), top_k=2).committed.manifest
    assert_same(open_manifest(artifacts, cut), explanation.cut(2))


def test_mirrored_outputs_are_stored_once() -> None:
    artifacts = MemoryArtifacts()
    manifest = stored(artifacts, KINDS["binary"], (2,)).committed.manifest
    assert manifest.parts.local is not None
    assert manifest.parts.local.mirror
    assert {entry.outputs for entry in manifest.of_role("local")} == {(1, 2)}


def test_more_columns_than_a_file_has(monkeypatch: pytest.MonkeyPatch) -> None:
    explanation, artifacts = random_explanation(1, 30, 1_205), MemoryArtifacts()
    monkeypatch.setattr(sizes, "SHARD_BYTES", 10 * 1_205 * 8)
    done = stored(artifacts, explanation, (10, 20))
    manifest = done.committed.manifest
    assert len(manifest.of_role("local")) == 6
    assert_same(open_manifest(artifacts, manifest), explanation)
    (view,) = manifest.of_role("view")
    columns = file_of(artifacts, view, f"explanations/{manifest.id}")
    shown = explanation.global_importance_rank[:1_000]
    assert [name for name in columns if name.startswith("f")] == [f"f{i}" for i in sorted(shown)]
    np.testing.assert_allclose(columns["total"], explanation.local_importance_values.sum(axis=1))
    assert done.page is not None
    assert len(done.page()) < 10_000_000


def test_figures_over_few_rows_are_those_of_an_upload_at_once() -> None:
    explanation, artifacts = random_explanation(3, 200, 5), MemoryArtifacts()
    manifest = stored(artifacts, explanation, (50,)).committed.manifest
    whole = {job().entry.role: job() for job in plan(explanation)}["aggregates"]
    wanted = pq.read_table(__import__("io").BytesIO(bytes(whole.data))).to_pandas()
    found = file_of(artifacts, manifest.of_role("aggregates")[0], f"explanations/{manifest.id}")
    assert manifest.of_role("aggregates")[0].sample is None
    for name, column in found.items():
        np.testing.assert_allclose(column, wanted[name], rtol=1e-12, atol=1e-15)


def test_of_many_rows_only_quantiles_are_estimates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MAX_ROWS", 400)
    explanation, artifacts = random_explanation(3, 4_000, 5), MemoryArtifacts()
    manifest = stored(artifacts, explanation, tuple(range(0, 4_000, 333))).committed.manifest
    entry = manifest.of_role("aggregates")[0]
    assert entry.sample == "uniform"
    found = file_of(artifacts, entry, f"explanations/{manifest.id}")
    values = explanation.local_importance_values
    predicted = values.sum(axis=2).argmax(axis=0)
    own = values[predicted, np.arange(4_000)]
    for line in range(len(found["output"])):
        output, feature = found["output"][line], found["feature"][line]
        column = own[:, feature] if output == -1 else values[output, :, feature]
        assert found["min"][line] == column.min()
        assert found["max"][line] == column.max()
        np.testing.assert_allclose(found["mean_abs"][line], np.abs(column).mean(), rtol=1e-12)
        np.testing.assert_allclose(found["std"][line], column.std(), rtol=1e-9)
        for name, share in (("q05", 0.05), ("q25", 0.25), ("q50", 0.5), ("q95", 0.95)):
            # Five standard deviations of the rank in a sample of 400 rows.
            assert abs((column < found[name][line]).mean() - share) < 5 * np.sqrt(share * (1 - share) / 400)
    assert manifest.of_role("view")[0].sample == "stratified"
    rows = file_of(artifacts, manifest.of_role("view")[0], f"explanations/{manifest.id}")
    shape = manifest.of_role("view")[0].shape
    for output in range(3):
        lines = slice(output * shape[1], (output + 1) * shape[1])
        for feature in range(5):
            assert np.array_equal(rows[f"f{feature}"][lines], values[output, rows["row"][lines], feature])


def test_the_rows_are_stored_only_where_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "SHARD_BYTES", 300)
    data = EvaluationData(
        names=("age", "name"), columns=(np.arange(50), np.array([f"n{i}" for i in range(50)], object))
    )
    explanation, artifacts = replace(random_explanation(1, 50, 2), data=data), MemoryArtifacts()
    without = stored(artifacts, explanation, (20, 30)).committed.manifest
    assert without.data is None
    assert not any(b"n42" in data for data, _ in artifacts._files.values())
    manifest = stored(artifacts, explanation, (20, 30), evaluation_data=True).committed.manifest
    found = open_manifest(artifacts, manifest)
    assert found.data is not None
    assert found.data.names == ("age", "name")
    assert np.array_equal(found.data.matrix(), data.matrix())
    assert "data" in found.info.parts
    assert len(manifest.of_role("data")) > 1
    assert len(manifest.of_role("view-data")) == 1


def test_without_local_importances_only_what_is_over_all_rows_is_stored() -> None:
    explanation, artifacts = random_explanation(2, 50, 4), MemoryArtifacts()
    done = stored(artifacts, explanation, (7,), include_local=False)
    assert {entry.role for entry in done.committed.manifest.files} == {"features", "per-class"}
    found = open_manifest(artifacts, done.committed.manifest)
    np.testing.assert_allclose(found.per_class_values, explanation.per_class_values, rtol=1e-12)
    assert found.info.n_rows == 50
    assert done.page is not None
    assert done.page()


class Broken(KnownBatches):
    """Batches that end in an error after the first."""

    def __init__(self, explanation: Explanation, error: BaseException) -> None:
        super().__init__(explanation, (10, 20))
        self._error = error

    def __iter__(self) -> Iterator[ExplainedBatch]:
        batches = super().__iter__()
        yield next(batches)
        yield next(batches)
        raise self._error


@pytest.mark.parametrize("error", [ValueError("row 21 is broken"), KeyboardInterrupt(), GeneratorExit()])
def test_batches_that_fail_leave_nothing_behind(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "SHARD_BYTES", 1)
    artifacts = MemoryArtifacts()
    with pytest.raises(type(error)):
        store_stream(artifacts, Broken(random_explanation(1, 30, 12), error), request(), timeout=5)
    assert artifacts.list("explanations") == ()
    for thread in threading.enumerate():
        if thread.name.startswith("explanation-stream"):
            thread.join(5)
            assert not thread.is_alive()


class Truncating(MemoryArtifacts):
    """A store that keeps half of each file of a role, and answers that all is well, for a number of times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._left = times

    def write(self, path: str, data: Buffer) -> None:
        if "/local-" in path and self._left:
            self._left -= 1
            data = bytes(data)[: len(bytes(data)) // 2]
        super().write(path, data)


def test_a_file_that_was_cut_is_written_again() -> None:
    artifacts, explanation = Truncating(2), random_explanation(1, 30, 12)
    manifest = stored(artifacts, explanation, (10,)).committed.manifest
    assert_same(open_manifest(artifacts, manifest), explanation)


class Full(MemoryArtifacts):
    """A store that takes a few files."""

    def write(self, path: str, data: Buffer) -> None:
        if len(self._files) >= 3:
            raise StorageFullError("the disk is full")
        super().write(path, data)


class Away(MemoryArtifacts):
    """A store that goes away after a few files."""

    def write(self, path: str, data: Buffer) -> None:
        if len(self._files) >= 3:
            raise StorageUnreachableError("nobody answers")
        super().write(path, data)


@pytest.mark.parametrize("store", [Full, Away])
def test_a_store_that_fails_is_told_and_nothing_is_listed(
    store: type[MemoryArtifacts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "SHARD_BYTES", 1)
    artifacts = store()
    batches = KnownBatches(random_explanation(1, 60, 12), tuple(range(10, 60, 10)))
    with pytest.raises(UploadError, match="is not listed"):
        store_stream(artifacts, batches, request(), timeout=0.3)
    assert not any("manifest" in path for path in artifacts._files)


def test_a_stream_without_rows_is_refused() -> None:
    empty = KnownBatches(random_explanation(1, 3, 2), (0, 0))
    empty.explanation = replace(empty.explanation)
    with pytest.raises(InvalidExplanationError, match="no rows"):
        store_stream(MemoryArtifacts(), _Nothing(random_explanation(1, 3, 2)), request(), timeout=5)


class _Nothing(KnownBatches):
    def __iter__(self) -> Iterator[ExplainedBatch]:
        return iter(())


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"top_k": 0}, "top_k=0"),
        ({"top_k": 13}, "has 12 features"),
        ({"comment": 7}, "comment"),
        ({"seed": -1}, "seed=-1"),
        ({"evaluation_data": "rows"}, "True or False"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_computed(arguments: dict[str, object], reason: str) -> None:
    batches = KnownBatches(random_explanation(1, 3, 12))
    with pytest.raises(InvalidArgumentError, match=reason):
        store_stream(MemoryArtifacts(), batches, request(**arguments), timeout=5)
    assert batches.seen == 0


def test_columns_that_change_their_types_are_refused_by_name() -> None:
    class Changing(KnownBatches):
        def __iter__(self) -> Iterator[ExplainedBatch]:
            for number, batch in enumerate(super().__iter__()):
                column = np.zeros(batch.values.shape[1], float if number else int)
                yield replace(batch, rows=EvaluationData(names=("a",), columns=(column,)))

    with pytest.raises(InvalidExplanationError, match="from row 10 on the columns have other types"):
        store_stream(
            MemoryArtifacts(), Changing(random_explanation(1, 30, 2), (10,)), request(evaluation_data=True), timeout=5
        )


def test_too_many_files_are_told_before_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "SHARD_BYTES", 1)
    monkeypatch.setattr(sizes, "MAX_FILES", 5)
    monkeypatch.setattr(sizes, "_LARGEST", 1)
    artifacts = MemoryArtifacts()
    with pytest.raises(LimitExceededError, match=r"6 rows are more than 5 files.*n_rows="):
        stored(artifacts, random_explanation(1, 60, 3), tuple(range(5, 60, 5)))
    assert artifacts.list("explanations") == ()


def test_rows_that_will_be_too_many_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "_LARGEST", 100)
    artifacts = MemoryArtifacts()
    batches = KnownBatches(random_explanation(1, 60, 12), (5,), n_rows=10**6)
    with pytest.raises(LimitExceededError, match="1,000,000 rows"):
        store_stream(artifacts, batches, request(), timeout=5)
    assert batches.seen == 5


def test_outputs_that_cease_to_mirror_are_counted_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "SHARD_BYTES", 1)
    monkeypatch.setattr(sizes, "MAX_FILES", 50)
    second = np.random.default_rng(0).standard_normal((1, 40, 3))
    values = np.concatenate([-second, second])
    values[0, 39] += 1
    artifacts = MemoryArtifacts()
    with pytest.raises(LimitExceededError, match="40 rows are more than 50 files"):
        stored(artifacts, explanation_of(values), tuple(range(1, 40)))
    assert artifacts.list("explanations") == ()


def test_a_number_of_rows_that_somebody_told_does_not_choose_the_sample() -> None:
    explanation = random_explanation(1, 60, 12)
    for is_counted in (False, True):
        plan = PartitionPlan(n_rows=10**9, is_counted=is_counted, include_local=False)
        batches = KnownBatches(explanation, (5,))
        done = explain_partition(batches, StreamWriter(MemoryArtifacts(), "folder", timeout=5), plan)
        assert done is not None
        assert done[1] is not None
        assert (len(done[1].draws.rows) == 60) is not is_counted


def test_shards_are_full_whatever_batches_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "SHARD_BYTES", 7 * 12 * 8)
    for ends in ((), (1, 2, 30), tuple(range(1, 60))):
        artifacts, explanation = MemoryArtifacts(), random_explanation(1, 60, 12)
        manifest = stored(artifacts, explanation, ends).committed.manifest
        assert [entry.rows for entry in manifest.of_role("local")] == [
            (first, min(60, first + 7)) for first in range(0, 60, 7)
        ]
        assert_same(open_manifest(artifacts, manifest), explanation)


def test_shards_of_texts_are_cut_by_the_length_of_the_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "SHARD_BYTES", 20_000)
    lengths = np.random.default_rng(0).choice([3, 10, 9_000], 50, p=[0.6, 0.2, 0.2])
    texts = np.array([chr(65 + i) * length for i, length in enumerate(lengths)], object)
    texts[7] = "å" * 9_900
    data = EvaluationData(names=("text", "number"), columns=(texts, np.arange(50)))
    explanation, artifacts = replace(random_explanation(1, 50, 2), data=data), MemoryArtifacts()
    manifest = stored(artifacts, explanation, (20, 30), evaluation_data=True).committed.manifest
    assert len(manifest.of_role("data")) > 2
    for entry in manifest.of_role("data"):
        assert entry.rows is not None
        size = sum(len(text.encode()) for text in texts[slice(*entry.rows)])
        assert size <= 20_000
    found = open_manifest(artifacts, manifest).data
    assert found is not None
    assert np.array_equal(found.matrix(), data.matrix())


class Discarding(MemoryArtifacts):
    """A store that keeps the sizes of files only: what a disk would hold is not memory."""

    def write(self, path: str, data: Buffer) -> None:
        super().write(path, b"" if "/local-" in path or "/top-" in path else data)

    def list(self, prefix: str) -> tuple:  # type: ignore[type-arg]
        return tuple(replace(stat, size=None) for stat in super().list(prefix))


class Drawn(KnownBatches):
    """Batches that are made when they are asked for."""

    def __init__(self, n_batches: int) -> None:
        super().__init__(random_explanation(1, 2, 20))
        self._n_batches = n_batches

    def __iter__(self) -> Iterator[ExplainedBatch]:
        rng = np.random.default_rng(0)
        for _ in range(self._n_batches):
            self.seen += 2_000
            yield ExplainedBatch(values=rng.standard_normal((1, 2_000, 20)), base_values=np.zeros(1))


def peak_of(n_batches: int, top_k: int | None = None) -> int:
    tracemalloc.start()
    try:
        store_stream(Discarding(), Drawn(n_batches), request(visualize=True, top_k=top_k), timeout=5)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_of_a_cut_is_that_of_the_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "SHARD_BYTES", 4 << 20)
    few, many = (peak_of(n_batches, top_k=1) for n_batches in (5, 60))
    # 60 batches are 19 MB before the cut, and 1.3 MB after it.
    assert many - few < 6 << 20


def test_memory_does_not_grow_with_the_number_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "SHARD_BYTES", 1 << 20)
    monkeypatch.setattr(samples, "MAX_ROWS", 1_000)
    few, many = peak_of(40), peak_of(160)
    assert many < 1.3 * few
    assert many < 160 * 2_000 * 20 * 8 / 3
