"""What every artifact store must do: one suite, subclassed for each of them.

A subclass defines the fixture ``open_store``, a function that opens the same empty place as often as it is called::

    class TestMyArtifacts(ArtifactsContract):
        @pytest.fixture
        def open_store(self, tmp_path):
            return lambda: MyArtifacts(tmp_path)
"""

from __future__ import annotations

import array
import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from explanation_client.artifacts import Artifacts, Stat, is_retryable
from explanation_client.errors import (
    ArtifactMissingError,
    InvalidArgumentError,
    LimitExceededError,
    StorageError,
)

OpenStore = Callable[[], Artifacts]

HOSTILE_PATHS = (
    "",
    "/",
    ".",
    "..",
    "../outside",
    "a/../../outside",
    "a/..",
    "a/./b",
    "/etc/passwd",
    "a//b",
    "a/",
    "/a",
    ".hidden",
    "a/.explanation-client.0123",
    "a\\..\\b",
    "c:/windows",
    "a b",
    "a%2e%2e/b",
    "%2e%2e/b",
    "a#b",
    "a?b",
    "a\nb",
    "a\x00b",
    "a\n",
    "Upper",
    "\u00e9",
    "\u0661",  # a digit to Unicode, not to us
    "~root",
    "x" * 201,
    "/".join(["ab"] * 68),  # 203 characters
)

KINDS_OF_BUFFER: dict[str, Callable[[bytes], Any]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "part of a memoryview": lambda data: memoryview(b"before" + data + b"after")[6:-5],
    "memoryview of doubles": lambda data: memoryview(data).cast("d"),
    "array": lambda data: array.array("d", data),
    "numpy matrix": lambda data: np.frombuffer(data).reshape(2, -1),
    "read-only numpy": np.frombuffer,
    "arrow buffer": pa.py_buffer,
    "part of an arrow buffer": lambda data: pa.py_buffer(b"12345678" + data).slice(8),
}


def pattern(size: int, seed: int = 0) -> bytes:
    """Return bytes that no truncation, shift or mixture with another seed leaves unchanged."""
    return random.Random(seed).randbytes(size)


class ArtifactsContract:
    """The cases. ``store`` is empty at the start of each.

    Attributes
    ----------
    versions_differ_in_size
        Whether a file may be replaced by one of another size under the eyes of a reader. MLflow's server looks up the
        size before it opens the file, so it announces a wrong length now and then.

    """

    versions_differ_in_size = True

    @pytest.fixture
    def open_store(self) -> OpenStore:
        raise NotImplementedError("subclasses say which store is meant")

    @pytest.fixture
    def store(self, open_store: OpenStore) -> Artifacts:
        return open_store()

    # Round trips

    @pytest.mark.parametrize("size", [0, 1, 16_384, 1 << 20, (1 << 20) + 1, 5_000_000])
    def test_what_was_written_is_read(self, store: Artifacts, size: int) -> None:
        store.write("folder/file.bin", pattern(size))
        found = store.read("folder/file.bin")
        assert type(found) is bytes
        assert found == pattern(size)

    @pytest.mark.parametrize("kind", KINDS_OF_BUFFER)
    def test_any_contiguous_buffer_is_written(self, store: Artifacts, kind: str) -> None:
        store.write("file.bin", KINDS_OF_BUFFER[kind](pattern(4096)))
        assert store.read("file.bin") == pattern(4096)

    @pytest.mark.parametrize(
        "empty", [b"", np.empty(0), np.empty((0, 3)), memoryview(b"")], ids=["bytes", "array", "rows", "memory"]
    )
    def test_an_empty_buffer_is_an_empty_file(self, store: Artifacts, empty: Any) -> None:
        store.write("empty.bin", empty)
        assert store.read("empty.bin") == b""
        assert [(stat.path, stat.size) for stat in store.list("")] == [("empty.bin", 0)]

    @pytest.mark.parametrize("strided", [np.arange(10.0)[::2], np.eye(4).T[:2], memoryview(b"abcdef")[::-1]])
    def test_a_buffer_with_gaps_is_refused(self, store: Artifacts, strided: Any) -> None:
        with pytest.raises(InvalidArgumentError, match="contiguous"):
            store.write("file.bin", strided)
        assert store.list("") == ()

    @pytest.mark.parametrize(
        ("name", "data"),
        [
            ("text.txt", b"a\r\nb\nc\r\x00\xff\xfe"),
            ("page.html", b"<html><script>alert(1)</script></html>"),
            ("broken.json", b'{"error_code": "RESOURCE_DOES_NOT_EXIST"'),
            ("file.gz", b"\x1f\x8b\x08\x00nothing of the kind"),
            ("all.bin", bytes(range(256)) * 3),
        ],
    )
    def test_the_kind_of_content_does_not_matter(self, store: Artifacts, name: str, data: bytes) -> None:
        store.write(name, data)
        assert store.read(name) == data

    def test_the_buffer_is_the_callers_again_after_the_write(self, store: Artifacts) -> None:
        data = bytearray(pattern(1000))
        store.write("file.bin", data)
        data[:] = bytes(1000)
        data.append(0)  # not possible while anything still holds the buffer
        assert store.read("file.bin") == pattern(1000)

    def test_another_client_sees_what_was_written(self, open_store: OpenStore) -> None:
        first, second = open_store(), open_store()
        first.write("folder/file.bin", b"written by one")
        assert second.read("folder/file.bin") == b"written by one"
        assert [stat.path for stat in second.list("folder")] == ["folder/file.bin"]
        second.delete("folder/file.bin")
        with pytest.raises(ArtifactMissingError):
            first.read("folder/file.bin")

    # Overwriting

    @pytest.mark.parametrize(("before", "after"), [(300_000, 10), (10, 300_000), (10, 10), (10, 0)])
    def test_a_second_write_replaces_the_first(self, store: Artifacts, before: int, after: int) -> None:
        store.write("a/file.bin", pattern(before, 1))
        store.write("a/file.bin", pattern(after, 2))
        assert store.read("a/file.bin") == pattern(after, 2)
        assert [(stat.path, stat.size) for stat in store.list("a")] == [("a/file.bin", after)]

    # Missing files

    @pytest.mark.parametrize("path", ["missing", "there/missing", "missing/missing", "there/file.bin2", "there/file"])
    def test_a_missing_file_is_reported_as_missing(self, store: Artifacts, path: str) -> None:
        store.write("there/file.bin", b"x")
        with pytest.raises(ArtifactMissingError, match=r"missing|file") as caught:
            store.read(path)
        assert isinstance(caught.value, FileNotFoundError)
        assert not is_retryable(caught.value)

    def test_a_folder_is_no_file(self, store: Artifacts) -> None:
        store.write("folder/file.bin", b"x")
        with pytest.raises(StorageError) as caught:
            store.read("folder")
        assert not is_retryable(caught.value)

    # Limits

    @pytest.mark.parametrize("size", [0, 10, 100_000])
    def test_a_file_of_just_the_accepted_size_is_read(self, store: Artifacts, size: int) -> None:
        store.write("file.bin", pattern(size))
        assert store.read("file.bin", max_bytes=size) == pattern(size)
        assert store.read("file.bin", max_bytes=size + 1) == pattern(size)

    @pytest.mark.parametrize(("size", "max_bytes"), [(1, 0), (10, 9), (3_000_000, 2_999_999), (3_000_000, 0)])
    def test_a_larger_file_is_refused(self, store: Artifacts, size: int, max_bytes: int) -> None:
        store.write("file.bin", pattern(size))
        with pytest.raises(LimitExceededError, match=rf"{max_bytes:,} bytes"):
            store.read("file.bin", max_bytes=max_bytes)
        assert store.read("file.bin") == pattern(size)

    # Listing

    def test_nothing_is_listed_at_first(self, store: Artifacts) -> None:
        assert store.list("") == ()

    def test_a_missing_folder_holds_nothing(self, store: Artifacts) -> None:
        store.write("there/file.bin", b"x")
        assert store.list("missing") == ()
        assert store.list("there/missing") == ()
        assert store.list("the") == ()

    def test_a_listing_shows_files_with_sizes_and_folders(self, store: Artifacts) -> None:
        for path, size in {"b.bin": 3, "a/x": 1, "a/y.z": 70_000, "a/deep/er/file": 2, "ab/c": 4, "a-b": 5}.items():
            store.write(path, pattern(size))
        assert [(stat.path, stat.size, stat.is_folder) for stat in store.list("")] == [
            ("a", None, True),
            ("a-b", 5, False),
            ("ab", None, True),
            ("b.bin", 3, False),
        ]
        assert [(stat.path, stat.size, stat.is_folder) for stat in store.list("a")] == [
            ("a/deep", None, True),
            ("a/x", 1, False),
            ("a/y.z", 70_000, False),
        ]
        assert [stat.path for stat in store.list("a/deep")] == ["a/deep/er"]
        assert [stat.name for stat in store.list("a/deep/er")] == ["file"]

    def test_a_folder_and_its_only_file_may_share_a_name(self, store: Artifacts) -> None:
        store.write("same/same", b"abc")
        assert [(stat.path, stat.size) for stat in store.list("same")] == [("same/same", 3)]

    def test_a_files_own_listing_is_empty(self, store: Artifacts) -> None:
        store.write("folder/file.bin", b"x")
        assert store.list("folder/file.bin") == ()

    def test_a_listing_of_many_files_is_complete(self, store: Artifacts) -> None:
        names = [f"many/{number:03d}.bin" for number in range(60)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda name: store.write(name, name.encode()), names))
        assert [stat.path for stat in store.list("many")] == names

    def test_times_have_a_zone_where_the_store_tells_them(self, store: Artifacts) -> None:
        store.write("folder/file.bin", b"x")
        (stat,) = store.list("folder")
        (folder,) = store.list("")
        assert folder.modified is None
        assert stat.modified is None or abs(stat.modified - datetime.now(UTC)) < timedelta(minutes=5)

    # Paths

    def test_hostile_paths_are_refused_by_every_operation(self, store: Artifacts) -> None:
        store.write("a/b", b"kept")
        for path in HOSTILE_PATHS:
            operations: list[Callable[[str], object]] = [
                lambda path: store.write(path, b"x"),
                store.read,
                store.delete,
            ]
            if path != "":  # the root may be listed
                operations.append(store.list)
            for operation in operations:
                try:
                    operation(path)
                except InvalidArgumentError:
                    continue
                pytest.fail(f"{path!r} was not refused")
        assert [stat.path for stat in store.list("")] == ["a"]
        assert [stat.path for stat in store.list("a")] == ["a/b"]
        assert store.read("a/b") == b"kept"

    @pytest.mark.parametrize(
        "path",
        ["a", "0", "-", "_", "a..b", "a.", "con", "a-b_c.d/0.parquet", "a/b/c/d/e/f", "x" * 200, "/".join(["a"] * 100)],
        ids=lambda path: path[:20],
    )
    def test_an_accepted_path_is_stored_under_just_that_path(self, store: Artifacts, path: str) -> None:
        store.write(path, b"data")
        assert store.read(path) == b"data"
        folder = path.rpartition("/")[0]
        assert [stat.path for stat in store.list(folder)] == [path]
        store.delete(path)
        assert store.list(folder) == ()

    # Deleting

    def test_a_deleted_file_is_gone_and_its_neighbours_stay(self, store: Artifacts) -> None:
        for name in ("a/one", "a/one.bin", "a/two", "b/one"):
            store.write(name, name.encode())
        store.delete("a/one")
        with pytest.raises(ArtifactMissingError):
            store.read("a/one")
        assert [stat.path for stat in store.list("a")] == ["a/one.bin", "a/two"]
        assert store.read("b/one") == b"b/one"

    def test_deleting_twice_is_no_error(self, store: Artifacts) -> None:
        store.write("a/file", b"x")
        store.delete("a/file")
        store.delete("a/file")
        store.delete("missing/file")
        assert store.list("a") == ()

    def test_a_deleted_file_can_be_written_again(self, store: Artifacts) -> None:
        store.write("a/file", b"first")
        store.delete("a/file")
        store.write("a/file", b"second")
        assert store.read("a/file") == b"second"

    # Several at once

    def test_files_written_at_the_same_time_are_all_there(self, store: Artifacts) -> None:
        data = {f"folder-{number % 3}/file-{number}": pattern(200_000 + number, number) for number in range(12)}
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda path: store.write(path, data[path]), data))
            read = dict(zip(data, pool.map(store.read, data), strict=True))
        assert read == data

    def test_a_reader_sees_one_whole_version_while_writers_replace_it(self, open_store: OpenStore) -> None:
        step = 1000 if self.versions_differ_in_size else 0
        versions = {pattern(400_000 + step * seed, seed) for seed in range(4)}
        store = open_store()
        store.write("contested", next(iter(versions)))
        done = threading.Event()

        def write(data: bytes) -> None:
            own = open_store()
            for _ in range(5):
                own.write("contested", data)

        def read() -> int:
            own, reads = open_store(), 0
            while not done.is_set() or not reads:
                assert own.read("contested") in versions
                (stat,) = own.list("")
                assert stat.size in {len(data) for data in versions}
                reads += 1
            return reads

        with ThreadPoolExecutor(6) as pool:
            readers = [pool.submit(read) for _ in range(2)]
            writers = [pool.submit(write, data) for data in versions]
            try:
                for writer in writers:
                    writer.result()
            finally:
                done.set()
            assert all(reader.result() > 0 for reader in readers)
        assert store.read("contested") in versions

    def test_a_file_that_comes_and_goes_is_whole_or_missing(self, open_store: OpenStore) -> None:
        data = pattern(300_000)
        done = threading.Event()
        seen: set[str] = set()

        def read() -> None:
            own = open_store()
            while not done.is_set():
                try:
                    assert own.read("folder/file") == data
                    seen.add("whole")
                except ArtifactMissingError:
                    seen.add("missing")
                except StorageError as error:
                    if not is_retryable(error):  # a file deleted between two looks of a server is
                        raise

        store = open_store()
        with ThreadPoolExecutor(2) as pool:
            readers = [pool.submit(read) for _ in range(2)]
            try:
                for _ in range(15):
                    store.write("folder/file", data)
                    store.delete("folder/file")
            finally:
                done.set()
            for reader in readers:
                reader.result()
        assert seen <= {"whole", "missing"}
        assert store.list("folder") == ()

    def test_nothing_temporary_is_listed_during_a_write(self, open_store: OpenStore) -> None:
        data = pattern(2_000_000)
        done = threading.Event()
        listed: set[Stat] = set()

        def watch() -> None:
            own = open_store()
            while not done.is_set():
                listed.update(own.list("folder"))

        store = open_store()
        with ThreadPoolExecutor(1) as pool:
            watching = pool.submit(watch)
            try:
                for number in range(6):
                    store.write(f"folder/{number}", data)
            finally:
                done.set()
            watching.result()
        assert {stat.path for stat in listed} <= {f"folder/{number}" for number in range(6)}
        assert {stat.size for stat in listed} <= {len(data)}

    # Manners

    def test_its_repr_is_one_short_line(self, store: Artifacts) -> None:
        store.write("a", os.urandom(10))
        assert "\n" not in repr(store)
        assert len(repr(store)) < 300
