"""Rows that lie in files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from explanation_client.errors import InvalidArgumentError

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.dataset import ParquetFileFragment

    # File, number and rows of a row group.
    RowGroup = tuple[ParquetFileFragment, int, int]

_T = TypeVar("_T")

# Footers are read side by side: each takes a round trip or two.
_FOOTERS_AT_A_TIME = 16
# Row groups that are read together, by their size on disk: fewer requests, and some more memory.
_BYTES_AT_A_TIME = 32 << 20


def parquet_dataset(path: str | os.PathLike[str]) -> Any:
    """Return the Arrow dataset of a Parquet file or folder.

    Where files have other types of number, the dataset has the widest: Arrow's own takes those of the first file.

    Raises
    ------
    InvalidArgumentError
        There is nothing of the kind under the path, or its files have other columns than the first.

    """
    import pyarrow as pa
    import pyarrow.dataset as ds

    shown = os.fspath(path)
    try:
        found = ds.dataset(path, format="parquet")
    except FileNotFoundError as error:
        pattern = "a pattern is not expanded, " if set("*?") & set(shown) else ""
        raise InvalidArgumentError(
            f"there is no file or folder {shown!r} with evaluation examples, seen from {os.getcwd()}: {pattern}pass a "
            "Parquet file, a folder of them, or pyarrow.dataset.dataset([...])"
        ) from error
    except (OSError, pa.ArrowInvalid) as error:
        raise InvalidArgumentError(f"{shown!r} can't be read as Parquet: {error}") from error
    if not found.files:
        raise InvalidArgumentError(f"{shown!r} is a folder without a Parquet file")
    fragments = list(found.get_fragments())
    return ds.FileSystemDataset(fragments, _common_schema(fragments, found.schema), found.format, found.filesystem)


def row_groups(fragments: Sequence[ParquetFileFragment], schema: pyarrow.Schema) -> list[RowGroup]:
    """Return file, number and rows of all row groups of Parquet files, in order.

    Raises
    ------
    InvalidArgumentError
        A file can't be read as Parquet, or not as this schema without loss; names it.

    """

    def groups_of(fragment: ParquetFileFragment) -> list[RowGroup]:
        _check_columns(fragment, schema)
        return [(fragment, group.id, group.num_rows) for group in fragment.row_groups]

    return [group for groups in _side_by_side(groups_of, fragments) for group in groups]


def _side_by_side(read: Callable[[ParquetFileFragment], _T], fragments: Sequence[ParquetFileFragment]) -> list[_T]:
    """Return what is read of the footer of each file."""
    import pyarrow as pa

    def named(fragment: ParquetFileFragment) -> _T:
        try:
            return read(fragment)
        except (OSError, pa.ArrowInvalid) as error:
            raise InvalidArgumentError(f"{fragment.path!r} can't be read as Parquet: {error}") from error

    with ThreadPoolExecutor(_FOOTERS_AT_A_TIME) as pool:
        return list(pool.map(named, fragments))


def _common_schema(fragments: Sequence[ParquetFileFragment], first: pyarrow.Schema) -> pyarrow.Schema:
    """Return the schema of the first file, with types that are wide enough for all files."""
    schemas = _side_by_side(lambda fragment: fragment.physical_schema, fragments)
    names = set(schemas[0].names)
    for fragment, schema in zip(fragments, schemas, strict=True):
        for name in sorted(set(schema.names) ^ names):
            which = "lacks" if name in names else "has"
            raise InvalidArgumentError(
                f"{fragment.path!r} {which} {name!r}, other than {fragments[0].path!r}: "
                "the files of a folder must have the same columns"
            )
    common = first
    for fragment, schema in zip(fragments, schemas, strict=True):
        if schema.equals(first):
            continue
        for name in schema.names:
            place = common.get_field_index(name)
            wider = _wider(common.field(place), schema.field(name), fragment.path)
            if wider != common.field(place).type:
                common = common.set(place, common.field(place).with_type(wider))
    return common


def _check_columns(fragment: ParquetFileFragment, schema: pyarrow.Schema) -> None:
    """Refuse a file that Arrow would read with nulls for a column, or with values that are cut to a narrower type."""
    import pyarrow.dataset as ds

    physical = fragment.physical_schema
    if physical.equals(schema):
        return
    of_folders = ds.get_partition_keys(fragment.partition_expression)
    for field in schema:
        if field.name in of_folders:
            continue
        if field.name not in physical.names:
            raise InvalidArgumentError(f"{fragment.path!r} lacks {field.name!r}, which the dataset has")
        if _wider(field, physical.field(field.name), fragment.path) != field.type:
            raise InvalidArgumentError(
                f"{fragment.path!r} has {field.name!r} as {physical.field(field.name).type}, the dataset as "
                f"{field.type}, which can't hold all of it: give the dataset a schema of the wider types"
            )


def _wider(one: pyarrow.Field, other: pyarrow.Field, path: str) -> Any:
    """Return a type that holds the values of both fields."""
    import pyarrow as pa

    if one.type == other.type:
        return one.type
    fields = [pa.schema([pa.field("", field.type)]) for field in (one, other)]
    try:
        return pa.unify_schemas(fields, promote_options="permissive").field(0).type
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InvalidArgumentError(
            f"{path!r} has {one.name!r} as {other.type}, files before as {one.type}: cast one of them"
        ) from error


def count_rows(dataset: Any) -> int:
    """Return how many rows an Arrow dataset has.

    Its own ``count_rows()`` counts the whole files where it is of some of their row groups.
    """
    fragments = parquet_files(dataset)
    if fragments is None:
        return int(dataset.count_rows())
    return sum(n_rows for _, _, n_rows in row_groups(fragments, dataset.schema))


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
