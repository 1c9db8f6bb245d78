"""The cache of downloaded files."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from explanation_client.store.cache import FileCache, default_cache, user_folder

DIGEST = "ab" * 32


def digest(number: int) -> str:
    return f"{number:064x}"


def test_what_was_put_is_there(tmp_path: Path) -> None:
    cache = FileCache(tmp_path)
    assert cache.get(DIGEST) is None
    cache.put(DIGEST, b"data")
    assert cache.get(DIGEST) == b"data"
    cache.drop(DIGEST)
    cache.drop(DIGEST)
    assert cache.get(DIGEST) is None


def test_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "cache")
    cache.put(DIGEST, b"data")
    modes = {path.stat().st_mode & 0o077 for path in (tmp_path / "cache").rglob("*")}
    assert modes == {0}


def test_the_files_used_longest_ago_go_first(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, max_bytes=1000)
    for number in range(10):
        cache.put(digest(number), bytes(100))
        stamp = time.time() - 100 + number
        os.utime(tmp_path / digest(number)[:2] / digest(number), (stamp, stamp))
    assert cache.get(digest(0)) is not None
    cache.put(digest(99), bytes(100))
    assert cache.get(digest(0)) is not None
    assert cache.get(digest(99)) is not None
    assert cache.get(digest(1)) is None
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= 1000


def test_a_file_that_would_fill_half_the_cache_is_not_kept(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, max_bytes=100)
    cache.put(DIGEST, bytes(51))
    assert cache.get(DIGEST) is None


def test_a_cache_of_no_bytes_is_off(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, max_bytes=0)
    cache.put(DIGEST, b"")
    assert cache.get(DIGEST) is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    cache = FileCache(blocked)
    with caplog.at_level(logging.WARNING):
        cache.put(DIGEST, b"data")
    assert cache.get(DIGEST) is None
    assert "nothing is cached" in caplog.text
    assert blocked.read_text() == "in the way"


def test_no_temporary_files_stay(tmp_path: Path) -> None:
    cache = FileCache(tmp_path)
    for _ in range(3):
        cache.put(DIGEST, b"data")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [DIGEST]


def test_the_environment_chooses_folder_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path))
    monkeypatch.setenv("EXPLANATION_CLIENT_CACHE_BYTES", "12345")
    assert user_folder() == tmp_path
    assert default_cache() == FileCache(tmp_path / "files", 12345)
    monkeypatch.setenv("EXPLANATION_CLIENT_CACHE_BYTES", "many")
    assert default_cache().max_bytes == 2 << 30
