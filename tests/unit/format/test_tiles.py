"""How local importances are divided into files."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from explanation_client.format.v1.tiles import MAX_BLOCK, tiles


@given(
    st.integers(1, 12),
    st.integers(1, 60),
    st.integers(1, 40),
    st.sampled_from([4, 8]),
    st.integers(1, 5_000),
    st.integers(1, 50),
)
def test_tiles_cover_every_value_once(
    outputs: int, rows: int, columns: int, itemsize: int, shard_bytes: int, block: int
) -> None:
    covered = np.zeros((outputs, rows, columns), int)
    made = tiles((0, outputs), rows, columns, itemsize=itemsize, shard_bytes=shard_bytes, block=block)
    for tile in made:
        covered[slice(*tile.outputs), slice(*tile.rows), slice(*tile.columns)] += 1
        assert tile.shape[2] <= block
    assert (covered == 1).all()


def test_shards_have_about_the_size_that_was_asked_for() -> None:
    made = tiles((0, 1), 100_000, 50, itemsize=4, shard_bytes=6_000_000, block=MAX_BLOCK)
    assert [tile.rows for tile in made] == [(0, 25_000), (25_000, 50_000), (50_000, 75_000), (75_000, 100_000)]


def test_many_small_outputs_share_files_and_large_ones_do_not() -> None:
    small = tiles((0, 10), 150, 4, itemsize=4, shard_bytes=16 << 20, block=MAX_BLOCK)
    assert [tile.outputs for tile in small] == [(0, 10)]
    large = tiles((0, 3), 100_000, 50, itemsize=4, shard_bytes=64 << 20, block=MAX_BLOCK)
    assert [tile.outputs for tile in large] == [(0, 1), (1, 2), (2, 3)]


def test_wide_values_are_divided_into_even_blocks_of_columns() -> None:
    made = tiles((0, 1), 100, 2_500, itemsize=4, shard_bytes=16 << 20, block=MAX_BLOCK)
    assert [tile.columns for tile in made] == [(0, 833), (833, 1666), (1666, 2500)]


def test_shards_grow_where_a_manifest_could_not_name_them_all() -> None:
    made = tiles((0, 1_000), 20_000, 100, itemsize=8, shard_bytes=1 << 20, block=MAX_BLOCK)
    assert len(made) <= 1_000
    assert sum(tile.lines for tile in made) == 1_000 * 20_000
