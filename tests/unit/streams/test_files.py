"""Files are read in the order of their rows, a few row groups at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from explanation_client.errors import InvalidArgumentError
from explanation_client.streams import files
from explanation_client.streams.files import count_rows, parquet_dataset, scan

TABLE = pa.table({"a": np.arange(3_000), "b": np.arange(3_000) / 7, "c": [f"t{i % 3}" for i in range(3_000)]})


def written(folder: Path) -> Path:
    for number, (first, n_rows, group) in enumerate(((0, 1_000, 90), (1_000, 0, 10), (1_000, 2_000, 700))):
        pq.write_table(TABLE.slice(first, n_rows), folder / f"{number}.parquet", row_group_size=group)
    return folder


@pytest.mark.parametrize("at_a_time", [1, 5_000, 32 << 20])
def test_rows_come_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_a_time: int) -> None:
    monkeypatch.setattr(files, "_BYTES_AT_A_TIME", at_a_time)
    dataset = ds.dataset(written(tmp_path), format="parquet")
    batches = list(scan(dataset, 256))
    assert pa.Table.from_batches(batches).equals(TABLE)
    assert max(batch.num_rows for batch in batches) <= 256
    assert count_rows(dataset) == 3_000


def test_columns_of_folders_and_filters_are_kept(tmp_path: Path) -> None:
    ds.write_dataset(TABLE, tmp_path, format="parquet", partitioning=["c"], partitioning_flavor="hive")
    dataset = ds.dataset(tmp_path, format="parquet", partitioning="hive")
    found = pa.Table.from_batches(scan(dataset, 100)).sort_by("a")
    assert found.column_names == dataset.schema.names
    assert found["c"].to_pylist() == TABLE["c"].to_pylist()
    filtered = dataset.filter(ds.field("a") < 50)
    assert sorted(pa.Table.from_batches(scan(filtered, 7))["a"].to_pylist()) == list(range(50))
    assert count_rows(filtered) == 50


def test_a_dataset_in_memory_is_read_too() -> None:
    dataset = ds.dataset(TABLE)
    assert pa.Table.from_batches(scan(dataset, 100)).equals(TABLE)
    assert count_rows(dataset) == 3_000


def test_memory_does_not_grow_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_BYTES_AT_A_TIME", 1 << 20)
    rows = np.random.default_rng(0).random((20_000, 5))

    def peak(n_groups: int) -> int:
        path = tmp_path / f"{n_groups}.parquet"
        table = pa.table({f"c{i}": column for i, column in enumerate(rows.T)})
        with pq.ParquetWriter(path, table.schema, compression="none", use_dictionary=False) as writer:
            for _ in range(n_groups):
                writer.write_table(table)
        del table
        before = pa.total_allocated_bytes()
        most = 0
        for batch in scan(ds.dataset(path), 2_000):
            assert batch.num_rows
            most = max(most, pa.total_allocated_bytes() - before)
        return most

    # A row group has 0.8 MB, the files 4 and 32 MB.
    assert peak(40) < 2 * peak(5)


def folder_of(folder: Path, *tables: pa.Table) -> Path:
    for number, table in enumerate(tables):
        pq.write_table(table, folder / f"{number}.parquet")
    return folder


def test_files_with_other_columns_are_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, TABLE, TABLE.drop(["b"]))
    with pytest.raises(InvalidArgumentError, match=r"1\.parquet' lacks 'b'"):
        parquet_dataset(folder)
    # Arrow's own dataset would have nulls in their place.
    with pytest.raises(InvalidArgumentError, match=r"1\.parquet' lacks 'b'"):
        count_rows(ds.dataset(folder, format="parquet"))
    with pytest.raises(InvalidArgumentError, match=r"1\.parquet' has 'd'"):
        parquet_dataset(folder_of(tmp_path, TABLE, TABLE.append_column("d", TABLE["a"])))


def test_numbers_of_several_types_keep_their_values(tmp_path: Path) -> None:
    narrow = pa.table({"a": pa.array([1, 2], pa.int32()), "b": pa.array([0.5, 1.5], pa.float32())})
    wide = pa.table({"a": pa.array([0.25, 2.0**40], pa.float64()), "b": pa.array([1e300, 0.1], pa.float64())})
    folder = folder_of(tmp_path, narrow, wide)
    found = pa.Table.from_batches(scan(parquet_dataset(folder), 10))
    assert found["a"].to_pylist() == [1, 2, 0.25, 2.0**40]
    assert found["b"].to_pylist() == [0.5, 1.5, 1e300, 0.1]
    with pytest.raises(InvalidArgumentError, match=r"1\.parquet' has 'a' as double, the dataset as int32"):
        count_rows(ds.dataset(folder, format="parquet"))
    with pytest.raises(InvalidArgumentError, match=r"1\.parquet' has 'a' as string, files before as int32"):
        parquet_dataset(folder_of(tmp_path, narrow, pa.table({"a": ["x"], "b": [1.0]})))


def test_a_path_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"there is no file or folder '.*none\.parquet'"):
        parquet_dataset(tmp_path / "none.parquet")
    with pytest.raises(InvalidArgumentError, match="a pattern is not expanded"):
        parquet_dataset(f"{tmp_path}/*.parquet")
