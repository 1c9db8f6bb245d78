"""Shards of streams of any length fit one manifest, and the memory of a worker."""

from __future__ import annotations

import pytest

from explanation_client.errors import LimitExceededError
from explanation_client.streams.sizes import MAX_FILES, ShardSizes, check_files, files_at_end, local_files, most_parts


def files_of(sizes: ShardSizes, n_rows: int, kinds: list[tuple[int, int]]) -> tuple[int, int]:
    """Return how many files a part writes, and the bytes of its largest shard; kinds are bytes of a row and files."""
    n_written = largest = 0
    left = [float(n_rows)] * len(kinds)
    while any(left):
        kind = max(range(len(kinds)), key=lambda k: left[k])
        row_bytes, n_files = kinds[kind]
        size = sizes.shard_bytes(row_bytes, n_written=n_written)
        largest = max(largest, min(size, int(left[kind] * row_bytes)))
        left[kind] = max(0.0, left[kind] - max(1, size // row_bytes))
        n_written += n_files
    return n_written, largest


# Bytes of a row, and files of a shard, of each kind: local, top and the rows themselves, in float64.
KINDS = {
    "few features": ((8, 1, False), [(64, 1)]),
    "one output": ((50, 1, False), [(400, 1), (108, 1)]),
    "two outputs and the rows": ((50, 2, True), [(800, 2), (216, 2), (400, 1)]),
    "ten outputs": ((50, 10, False), [(4_000, 1), (1_080, 1)]),
    "wide": ((2_500, 2, True), [(40_000, 6), (216, 2), (20_000, 3)]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_parts", [1, 16, 128])
def test_a_manifest_has_room_where_the_rows_are_known(kind: str, n_parts: int) -> None:
    (n_features, n_outputs, include_rows), kinds = KINDS[kind]
    at_end = files_at_end(n_features, n_outputs=n_outputs, top_k=None, include_local=True, include_rows=include_rows)
    assert at_end == sum(n_files for _, n_files in kinds)
    n_parts = min(n_parts, most_parts(at_end))
    row_bytes = sum(size for size, _ in kinds)
    for total in (10**6, 10**9, 5 * 10**10, 2 * 10**11)[: 3 if kind == "wide" else 4]:
        n_rows = total // row_bytes
        sizes = ShardSizes(n_parts=n_parts, n_rows=n_rows, files_at_end=at_end)
        n_files, largest = files_of(sizes, -(-n_rows // n_parts), kinds)
        assert n_parts * n_files <= MAX_FILES, total
        assert largest < 1 << 30


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n_parts", "largest_shard"), [(1, 896 << 20), (128, 256 << 20)])
def test_a_manifest_has_room_for_much_where_they_are_not(kind: str, n_parts: int, largest_shard: int) -> None:
    (n_features, n_outputs, include_rows), kinds = KINDS[kind]
    at_end = files_at_end(n_features, n_outputs=n_outputs, top_k=None, include_local=True, include_rows=include_rows)
    n_parts = min(n_parts, most_parts(at_end))
    row_bytes = sum(size for size, _ in kinds)
    n_rows = 2 * 10**10 // row_bytes
    sizes = ShardSizes(n_parts=n_parts, n_rows=None, files_at_end=at_end)
    n_files, largest = files_of(sizes, -(-n_rows // n_parts), kinds)
    assert n_parts * n_files <= MAX_FILES
    assert largest <= largest_shard


def test_few_rows_have_small_shards() -> None:
    for n_rows in (None, 1_000_000):
        sizes = ShardSizes(n_parts=1, n_rows=n_rows, files_at_end=2)
        assert sizes.shard_bytes(400, n_written=0) == 16 << 20
        assert sizes.shard_bytes(400, n_written=100) == 16 << 20


def test_a_cut_has_no_top_files() -> None:
    assert files_at_end(50, n_outputs=2, top_k=5, include_local=True, include_rows=False) == 2
    assert files_at_end(2_000, n_outputs=1, top_k=600, include_local=True, include_rows=False) == 2
    assert files_at_end(50, n_outputs=2, top_k=None, include_local=False, include_rows=False) == 1


def test_too_many_files_say_what_to_do() -> None:
    check_files(MAX_FILES, n_rows=5, is_known=False)
    with pytest.raises(LimitExceededError, match=r"1,000 rows are more than 800 files.*n_rows=.*include_local=False"):
        check_files(MAX_FILES + 1, n_rows=1_000, is_known=False)
    with pytest.raises(LimitExceededError) as caught:
        check_files(MAX_FILES + 1, n_rows=1_000, is_known=True)
    assert "n_rows" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_parts", [1, 36])
def test_what_can_not_fit_is_known_before_it_is_written(kind: str, n_parts: int) -> None:
    (n_features, n_outputs, include_rows), kinds = KINDS[kind]
    at_end = files_at_end(n_features, n_outputs=n_outputs, top_k=None, include_local=True, include_rows=include_rows)
    row_bytes, n_files = kinds[0]
    assert n_files == local_files(n_features, n_outputs=n_outputs, top_k=None)
    for total in (10**6, 10**10, 10**11, 10**12, 10**13):
        sizes = ShardSizes(n_parts=n_parts, n_rows=total // row_bytes, files_at_end=at_end)
        written = n_parts * files_of(sizes, -(-total // row_bytes // n_parts), kinds[:1])[0]
        least = sizes.least_files(row_bytes, n_files)
        assert least <= written <= least + n_parts * n_files
    assert least > MAX_FILES
