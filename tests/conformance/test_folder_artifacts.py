"""FolderArtifacts keeps the contract of all stores, and what only a folder can get wrong."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from explanation_client.artifacts import FolderArtifacts, is_retryable
from explanation_client.errors import (
    ArtifactMissingError,
    InvalidArgumentError,
    StorageError,
    StorageFullError,
    StoragePermissionError,
)
from tests.conformance.contract import ArtifactsContract, OpenStore, pattern
from tests.support.disks import small_disk, unreadable_file, unwritable_folder


class TestFolderArtifacts(ArtifactsContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        return lambda: FolderArtifacts(tmp_path / "root")


class TestFolderArtifactsBelowALink(ArtifactsContract):
    """The root itself may be reached through a link: only what is below it is not ours."""

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        (tmp_path / "target").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "target")
        return lambda: FolderArtifacts(str(tmp_path / "link"))


@pytest.fixture
def store(tmp_path: Path) -> FolderArtifacts:
    return FolderArtifacts(tmp_path / "root")


def leftovers(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith(".")]


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as folder:
        store = FolderArtifacts(folder)
        store.write("a/small", pattern(1000))
        with pytest.raises(StorageFullError, match="a/large") as caught:
            store.write("a/large", pattern(3 << 20))
        assert not is_retryable(caught.value)
        assert [entry.path for entry in store.list("a")] == ["a/small"]
        assert leftovers(folder / "a") == []
        with pytest.raises(ArtifactMissingError):
            store.read("a/large")
        store.write("a/other", pattern(2000))
        assert store.read("a/other") == pattern(2000)


def test_a_full_disk_keeps_the_version_that_was_there(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1 << 20) as folder:
        store = FolderArtifacts(folder)
        store.write("file", pattern(1000))
        with pytest.raises(StorageFullError):
            store.write("file", pattern(3 << 20))
        assert store.read("file") == pattern(1000)


def test_a_folder_that_can_not_be_written_is_reported(store: FolderArtifacts) -> None:
    with pytest.raises(StoragePermissionError, match="may not") as caught:
        FolderArtifacts(unwritable_folder()).write("a/file", b"x")
    assert not is_retryable(caught.value)
    assert isinstance(caught.value, PermissionError)


def test_a_file_that_can_not_be_read_is_not_missing() -> None:
    file = unreadable_file()
    with pytest.raises(StoragePermissionError):
        FolderArtifacts(file.parent).read(file.name)


@pytest.mark.parametrize("operation", ["write", "read", "delete"])
@pytest.mark.parametrize("path", ["linked-folder/secret", "linked-file", "folder/linked-folder/secret"])
def test_symbolic_links_lead_nowhere(store: FolderArtifacts, tmp_path: Path, path: str, operation: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    store.write("folder/file", b"x")
    for name in ("linked-folder", "folder/linked-folder"):
        (tmp_path / "root" / name).symlink_to(outside)
    (tmp_path / "root" / "linked-file").symlink_to(outside / "secret")

    arguments = (path, b"changed") if operation == "write" else (path,)
    with pytest.raises(StorageError, match="symbolic link"):
        getattr(store, operation)(*arguments)
    assert (outside / "secret").read_bytes() == b"secret"
    assert os.listdir(outside) == ["secret"]


def test_symbolic_links_are_not_listed(store: FolderArtifacts, tmp_path: Path) -> None:
    store.write("folder/file", b"x")
    (tmp_path / "root" / "folder" / "link").symlink_to(tmp_path)
    (tmp_path / "root" / "folder" / "dangling").symlink_to(tmp_path / "nowhere")
    assert [entry.path for entry in store.list("folder")] == ["folder/file"]
    with pytest.raises(StorageError, match="symbolic link"):
        store.list("folder/link")


def test_entries_of_others_are_not_listed(store: FolderArtifacts, tmp_path: Path) -> None:
    store.write("folder/file", b"x")
    for name in ("Confusion Matrix.png", ".artifact.uploading.x1", "caf\u00e9", "a\nb"):
        (tmp_path / "root" / "folder" / name).write_bytes(b"?")
    os.mkfifo(tmp_path / "root" / "folder" / "pipe")
    assert [entry.path for entry in store.list("folder")] == ["folder/file"]


def test_a_pipe_does_not_hang_a_reader(store: FolderArtifacts, tmp_path: Path) -> None:
    store.write("file", b"x")
    os.mkfifo(tmp_path / "root" / "pipe")
    with pytest.raises(StorageError, match="not a file"):
        store.read("pipe")


def test_files_get_the_permissions_of_any_new_file(store: FolderArtifacts, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        store.write("folder/file", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "root" / "folder" / "file").stat().st_mode) == 0o640


def test_empty_folders_go_with_their_last_file(store: FolderArtifacts, tmp_path: Path) -> None:
    store.write("a/b/c/file", b"x")
    store.write("a/other", b"x")
    store.delete("a/b/c/file")
    assert [entry.path for entry in store.list("a")] == ["a/other"]
    store.delete("a/other")
    assert (tmp_path / "root").is_dir()
    assert os.listdir(tmp_path / "root") == []


def test_what_a_killed_writer_left_goes_after_a_day(store: FolderArtifacts, tmp_path: Path) -> None:
    store.write("a/file", b"x")
    fresh, old = (tmp_path / "root" / "a" / f".explanation-client.{age}" for age in ("fresh", "old"))
    for leftover in (fresh, old):
        leftover.write_bytes(b"half")
    day_ago = time.time() - 25 * 3600
    os.utime(old, (day_ago, day_ago))
    os.utime(fresh, (time.time(), time.time()))
    assert [entry.path for entry in store.list("a")] == ["a/file"]
    store.delete("a/file")
    assert fresh.exists()
    fresh.unlink()
    os.utime(tmp_path / "root" / "a", (day_ago, day_ago))
    old.write_bytes(b"half")
    os.utime(old, (day_ago, day_ago))
    store.delete("a/file")
    assert not (tmp_path / "root" / "a").exists()


def test_what_a_killed_writer_left_is_found_and_deleted(store: FolderArtifacts, tmp_path: Path) -> None:
    store.write("a/b/file", b"x")
    left = f"a/b/.explanation-client.{16 * '0'}"
    (tmp_path / "root" / left).write_bytes(b"half")
    (tmp_path / "root" / "a/b/.other").write_bytes(b"not ours")
    (found,) = store.leftovers("a/b")
    assert (found.path, found.size, found.is_folder) == (left, 4, False)
    assert found.modified is not None
    assert [entry.path for entry in store.list("a/b")] == ["a/b/file"]
    with pytest.raises(InvalidArgumentError):
        store.read(left)
    with pytest.raises(InvalidArgumentError):
        store.delete(f"a/../{left}")
    store.delete(left)
    assert store.leftovers("a/b") == store.leftovers("") == store.leftovers("nowhere") == ()
    assert store.read("a/b/file") == b"x"


def test_a_writer_and_a_deleter_of_empty_folders_do_not_disturb_each_other(store: FolderArtifacts) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def come_and_go(number: int) -> None:
        for _ in range(50):
            store.write(f"a/b/{number}", b"x")
            assert store.read(f"a/b/{number}") == b"x"
            store.delete(f"a/b/{number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(come_and_go, range(4)))
    assert store.list("") == ()


WRITE_FOR_EVER = """
import sys
from explanation_client.artifacts import FolderArtifacts
store = FolderArtifacts(sys.argv[1])
versions = [bytes([value]) * 4_000_000 for value in (1, 2)]
while True:
    for version in versions:
        store.write("a/file", version)
        print("written", flush=True)
"""


def test_a_writer_that_is_killed_leaves_a_whole_file(store: FolderArtifacts, tmp_path: Path) -> None:
    for attempt in range(6):
        command = [sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path / "root")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(0.004 * attempt)
            writer.kill()
        data = store.read("a/file")
        assert len(data) == 4_000_000
        assert data in (bytes([1]) * len(data), bytes([2]) * len(data))
        assert [entry.path for entry in store.list("a")] == ["a/file"]
