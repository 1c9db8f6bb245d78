"""Rows that lie in files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from explanation_client.errors import InvalidArgumentError

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.dataset import ParquetFileFragment

    # File, number and rows of a row group.
    RowGroup = tuple[ParquetFileFragment, int, int]

# Footers are read side by side: each takes a round trip or two.
_FOOTERS_AT_A_TIME = 16
# Row groups that are read together, by their size on disk: fewer requests, and some more memory.
_BYTES_AT_A_TIME = 32 << 20


def parquet_dataset(path: str | os.PathLike[str]) -> Any:
    """Return the Arrow dataset of a Parquet file or folder.

    Raises
    ------
    InvalidArgumentError
        There is nothing of the kind under the path.

    """
    import pyarrow as pa
    import pyarrow.dataset as ds

    try:
        found = ds.dataset(path, format="parquet")
    except (OSError, pa.ArrowInvalid) as error:
        raise InvalidArgumentError(
            f"the evaluation examples are the path {os.fspath(path)!r}, which can't be read as Parquet: {error}"
        ) from error
    if not found.files:
        raise InvalidArgumentError(
            f"the evaluation examples are the folder {os.fspath(path)!r}, without a Parquet file"
        )
    return found


def row_groups(fragments: Sequence[ParquetFileFragment]) -> list[RowGroup]:
    """Return file, number and rows of all row groups of Parquet files, in order.

    Raises
    ------
    InvalidArgumentError
        A file can't be read as Parquet; names it.

    """
    import pyarrow as pa

    def groups_of(fragment: ParquetFileFragment) -> list[RowGroup]:
        try:
            return [(fragment, group.id, group.num_rows) for group in fragment.row_groups]
        except (OSError, pa.ArrowInvalid) as error:
            raise InvalidArgumentError(f"{fragment.path!r} can't be read as Parquet: {error}") from error

    with ThreadPoolExecutor(_FOOTERS_AT_A_TIME) as pool:
        return [group for groups in pool.map(groups_of, fragments) for group in groups]


def count_rows(dataset: Any) -> int:
    """Return how many rows an Arrow dataset has.

    Its own ``count_rows()`` counts the whole files where it is of some of their row groups.
    """
    fragments = parquet_files(dataset)
    if fragments is None:
        return int(dataset.count_rows())
    return sum(n_rows for _, _, n_rows in row_groups(fragments))


def parquet_files(dataset: Any) -> list[ParquetFileFragment] | None:
    """Return the files of an Arrow dataset; None where they are not of Parquet, or where it is filtered."""
    import pyarrow.dataset as ds

    if not isinstance(dataset, ds.FileSystemDataset) or not isinstance(dataset.format, ds.ParquetFileFormat):
        return None
    try:
        return list(dataset.get_fragments())
    except ValueError:
        return None


def scan(dataset: Any, batch_rows: int) -> Iterator[pyarrow.RecordBatch]:
    """Yield the rows of an Arrow dataset in batches of so many rows at most, in their order.

    Memory holds a few row groups. Arrow keeps what it has read of a file until the file is closed, and reads several
    files ahead on several threads: here each file is opened again for every 32 MiB, and read on one.
    """
    fragments = parquet_files(dataset)
    for part in [dataset] if fragments is None else _parts(fragments):
        more = {} if fragments is None else {"schema": dataset.schema}
        yield from part.to_batches(batch_size=batch_rows, batch_readahead=2, use_threads=False, **more)


def _parts(fragments: Sequence[ParquetFileFragment]) -> Iterator[ParquetFileFragment]:
    """Yield files in parts of some row groups."""
    for fragment in fragments:
        chosen: list[int] = []
        n_bytes = 0
        for group in fragment.row_groups:
            if chosen and n_bytes + group.total_byte_size > _BYTES_AT_A_TIME:
                yield fragment.subset(row_group_ids=chosen)
                chosen, n_bytes = [], 0
            chosen.append(group.id)
            n_bytes += group.total_byte_size
        if chosen:
            yield fragment.subset(row_group_ids=chosen)
