"""Rows that lie in files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from explanation_client.errors import InvalidArgumentError

if TYPE_CHECKING:
    from pyarrow.dataset import ParquetFileFragment

    # File, number and rows of a row group.
    RowGroup = tuple[ParquetFileFragment, int, int]

# Footers are read side by side: each takes a round trip or two.
_FOOTERS_AT_A_TIME = 16


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
    import pyarrow.dataset as ds

    if isinstance(dataset, ds.FileSystemDataset) and isinstance(dataset.format, ds.ParquetFileFormat):
        try:
            fragments = list(dataset.get_fragments())
        except ValueError:  # it is filtered
            return int(dataset.count_rows())
        return sum(n_rows for _, _, n_rows in row_groups(fragments))
    return int(dataset.count_rows())
