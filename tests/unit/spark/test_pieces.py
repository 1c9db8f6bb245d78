"""Files cut into pieces: all rows, each once, in order, whoever reads them; and what executors say of other files."""

from __future__ import annotations

import pickle
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explanation_client.errors import InvalidArgumentError
from explanation_client.spark.pieces import Piece, cut_files, divide


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60).filter(any), st.integers(1, 20))
def test_parts_have_about_as_much_each_and_follow_one_another(sizes: list[int], n_parts: int) -> None:
    parts = divide(np.array(sizes), n_parts)
    assert 1 <= len(parts) <= n_parts
    assert np.concatenate(parts).tolist() == [place for place, size in enumerate(sizes) if size]
    for part in parts:
        assert len(part)
        assert sum(sizes[place] for place in part) <= sum(sizes) / n_parts + max(sizes)


def write(folder: Path, sizes: list[int]) -> pa.Table:
    """Write files with the numbers from 0 on, in row groups of 10; returns all."""
    ends = np.cumsum([0, *sizes])
    tables = [pa.table({"number": np.arange(*pair)}) for pair in pairwise(ends)]
    for name, table in enumerate(tables):
        pq.write_table(table, folder / f"{name}.parquet", row_group_size=10)
    return pa.concat_tables(tables)


def cut(source: object, n_cores: int = 1, at_most: int = 128) -> tuple[Piece, ...]:
    return cut_files(source, n_cores=n_cores, at_most=at_most, dumps=pickle.dumps)


@pytest.mark.parametrize("at_most", [1, 3, 128])
def test_pieces_are_all_rows_in_the_order_of_the_files(tmp_path: Path, at_most: int) -> None:
    # Sets of numbers around 8 and 16 are not in order.
    whole = write(tmp_path, [25, 0, 395, 3, 40])
    pieces = [pickle.loads(pickle.dumps(piece)) for piece in cut(tmp_path, n_cores=2, at_most=at_most)]
    assert len(pieces) == min(8, at_most)
    tables = [piece.open().to_table() for piece in pieces]
    assert [table.num_rows for table in tables] == [piece.n_rows for piece in pieces]
    assert pa.concat_tables(tables).column("number").to_pylist() == whole.column("number").to_pylist()


def test_large_pieces_are_cut_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, [200])
    monkeypatch.setattr("explanation_client.spark.pieces._PIECE_BYTES", 160)
    assert [piece.n_rows for piece in cut(tmp_path)] == [20] * 10


def test_a_dataset_keeps_its_order_its_columns_and_its_partitions(tmp_path: Path) -> None:
    for day in (1, 2):
        (tmp_path / f"day={day}").mkdir()
        pq.write_table(pa.table({"number": [day, 10 * day]}), tmp_path / f"day={day}" / "a.parquet")
    files = [str(tmp_path / f"day={day}" / "a.parquet") for day in (2, 1)]
    dataset = ds.dataset(files, partitioning=ds.partitioning(flavor="hive"), partition_base_dir=str(tmp_path))
    rows = [row for piece in cut(dataset) for row in piece.open().to_table().to_pylist()]
    assert rows == [
        {"number": 2, "day": 2}, {"number": 20, "day": 2}, {"number": 1, "day": 1}, {"number": 10, "day": 1},
    ]  # fmt: skip


def test_files_that_changed_meanwhile_are_refused(tmp_path: Path) -> None:
    write(tmp_path, [40])
    first, *_, last = cut(tmp_path)
    # Another number of rows in the same group, then fewer groups.
    pq.write_table(pa.table({"number": range(4)}), tmp_path / "0.parquet")
    with pytest.raises(InvalidArgumentError, match=r"0\.parquet changed: row groups that had 10 rows"):
        first.open()
    with pytest.raises(InvalidArgumentError, match=r"0\.parquet changed: row groups that had 10 rows"):
        last.open()
    (tmp_path / "0.parquet").unlink()
    with pytest.raises(InvalidArgumentError, match=r"an executor can't find.*0\.parquet"):
        first.open()


def test_other_formats_and_several_datasets_are_refused(tmp_path: Path) -> None:
    write(tmp_path, [40])
    (tmp_path / "rows.csv").write_text("number\n1\n")
    for other in (ds.dataset(tmp_path / "rows.csv", format="csv"), ds.dataset([ds.dataset(tmp_path / "0.parquet")])):
        with pytest.raises(InvalidArgumentError, match="one Parquet dataset"):
            cut(other)
