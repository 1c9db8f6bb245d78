"""Arrow tables to and from Parquet bytes, as version 1 of the format writes and accepts them.

What is read comes from a store that others write to: metadata is held against what the manifest promised before
anything is decoded, and whatever the decoder stumbles over becomes a ``CorruptFileError``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from explanation_client.errors import CorruptFileError, StoredDataError
from explanation_client.format.entries import Buffer, Limits
from explanation_client.format.v1.pages import ColumnBounds, check_layout
from explanation_client.format.v1.schema import Schema
from explanation_client.info import MAX_NAME_BYTES

ROWS_PER_GROUP = 32_768

# Compression must save this much of the sample to be worth the time: dense importances save 5 %, sparse ones 80 %.
_WORTHWHILE = 0.8
# A dictionary pays where most values of a column repeat: zeros of a tree model of many features.
_FEW_DISTINCT = 0.3
_SAMPLE_ROWS = 1024
_SAMPLE_COLUMNS = 16

# The column of the ``features`` file whose texts are names; before each stands its length.
_NAMES = "feature"
_LONGEST_NAME = MAX_NAME_BYTES + 4


def write(
    table: pa.Table,
    *,
    compression: str = "none",
    dictionary: bool | Sequence[str] = False,
    rows_per_group: int = ROWS_PER_GROUP,
) -> memoryview:
    """Return a table as the bytes of a Parquet file.

    Page checksums on, no statistics, no Arrow schema: what a reader needs is in the Parquet schema and the manifest.
    """
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression=compression,
        use_dictionary=dictionary if isinstance(dictionary, bool) else list(dictionary),
        row_group_size=max(1, rows_per_group),
        write_statistics=False,
        store_schema=False,
        write_page_checksum=True,
    )
    return memoryview(sink.getvalue()).cast("B")


def choose_compression(columns: Sequence[NDArray[Any]] | NDArray[Any]) -> str:
    """Return ``"snappy"`` if it pays on a sample of these columns of numbers, else ``"none"``."""
    sample = b"".join(column.tobytes() for column in _sample(columns))
    return "snappy" if pa.Codec("snappy").compress(sample).size < _WORTHWHILE * len(sample) else "none"


def mostly_repeats(columns: Sequence[NDArray[Any]] | NDArray[Any]) -> bool:
    """Whether a sample of these columns has few distinct values, so that a dictionary pays."""
    sample = _sample(columns)
    return sum(len(np.unique(column)) for column in sample) < _FEW_DISTINCT * sum(map(len, sample))


def _sample(columns: Sequence[NDArray[Any]] | NDArray[Any]) -> list[NDArray[Any]]:
    picked = columns[:: max(1, len(columns) // _SAMPLE_COLUMNS)]
    first = max(0, (len(picked[0]) - _SAMPLE_ROWS) // 2) if len(picked) else 0
    return [column[first : first + _SAMPLE_ROWS] for column in picked]


class ParquetReader:
    """Reads one Parquet file whose schema and number of rows are known beforehand.

    Parameters
    ----------
    data : buffer
        Bytes of the file.
    schema : sequence of (name, Arrow type)
        What the columns must be, in order. A name of None: any; ``names`` says which.
    rows : int
        Number of rows there must be.
    name : str
        Name of the file, for messages.
    limits : Limits, optional
        Texts, which may take four times the bytes in memory that they take in a file, are kept below ``max_bytes``.

    Raises
    ------
    CorruptFileError
        The bytes are not such a file, or hold more text than that.

    """

    __slots__ = ("_file", "_kinds", "_name", "_starts", "names")

    def __init__(self, data: Buffer, schema: Schema, rows: int, *, name: str, limits: Limits | None = None) -> None:
        self._name = name
        texts = [i for i, (_, kind) in enumerate(schema) if pa.types.is_string(kind)]
        with decoding(name):
            most = (limits or Limits()).max_bytes // 4
            bounds = [_bounds(column, kind, rows, most) for column, kind in schema]
            layout = check_layout(data, rows=rows, columns=bounds, max_text=most, name=name)
            source = pa.BufferReader(pa.py_buffer(data))
            metadata = pq.read_metadata(source)
            found = metadata.schema.to_arrow_schema()
            self._check(found, schema)
            # Strings are read as dictionaries, so that one long value repeated a million times stays one value.
            leaves = [metadata.schema.column(i).path for i in texts]
            self._file = pq.ParquetFile(
                source, metadata=metadata, page_checksum_verification=True, pre_buffer=False, read_dictionary=leaves
            )
        self._kinds = [kind for _, kind in schema]
        self.names: list[str] = found.names
        self._starts = np.concatenate([[0], np.cumsum(layout.group_rows, dtype=np.int64)]).astype(np.int64)

    def batches(self, first: int = 0, end: int | None = None) -> Iterator[tuple[int, int, list[pa.Array]]]:
        """Yield (first row, end, columns) of the parts of the file that lie between two rows."""
        starts = self._starts
        end = int(starts[-1]) if end is None else end
        for group in range(len(starts) - 1):
            low, high = int(starts[group]), int(starts[group + 1])
            if high <= first or low >= end or low == high:
                continue
            with decoding(self._name):
                table = self._file.read_row_group(group, use_threads=False)
                if table.num_rows != high - low:
                    raise CorruptFileError(f"{self._name}: a row group has {table.num_rows} rows, not {high - low}")
                a, b = max(first, low), min(end, high)
                columns = [_one_chunk(column).slice(a - low, b - a) for column in table.columns]
            yield a, b, columns

    def columns(self) -> list[pa.Array]:
        """Return all columns, each as one array."""
        parts = [columns for _, _, columns in self.batches()]
        if len(parts) == 1:
            return parts[0]
        with decoding(self._name):
            if not parts:
                return [pa.array([], kind) for kind in self._kinds]
            return [_one_chunk(pa.chunked_array(list(pieces))) for pieces in zip(*parts, strict=True)]

    def _check(self, found: pa.Schema, schema: Schema) -> None:
        def bad(what: str) -> CorruptFileError:
            return CorruptFileError(f"{self._name}: {what}")

        if len(found) != len(schema):
            raise bad(f"has {len(found)} columns, the manifest says {len(schema)}")
        for position, (name, kind) in enumerate(schema):
            field = found.field(position)
            if name is not None and field.name != name:
                raise bad(f"column {position} is named {field.name[:80]!r}, expected {name[:80]!r}")
            if field.type != kind:
                raise bad(f"column {position} ({field.name[:80]!r}) is of type {field.type}, expected {kind}")


def _bounds(column: str | None, kind: pa.DataType, rows: int, max_text: int) -> ColumnBounds:
    name = MAX_NAME_BYTES if column is None else len(column.encode())
    if not pa.types.is_string(kind):
        return ColumnBounds(name)
    return ColumnBounds(name, rows * _LONGEST_NAME if column == _NAMES else max_text)


def numbers(column: pa.Array, *, name: str) -> NDArray[Any]:
    """Return a column without nulls as a numpy array, without a copy where possible."""
    if column.null_count:
        raise CorruptFileError(f"{name}: has {column.null_count} missing values where there must be none")
    with decoding(name):
        array: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return array


def strings(column: pa.Array, *, name: str) -> NDArray[np.object_]:
    """Return a string column as an object array of str, None where it has nulls."""
    with decoding(name):
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        column.validate(full=True)
        words = np.array([*column.dictionary.to_pylist(), None], dtype=object)
        codes = column.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False)
        found: NDArray[np.object_] = words[codes]
        return found


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Turn whatever pyarrow raises for damaged bytes into a ``CorruptFileError`` with the cause kept."""
    try:
        yield
    except StoredDataError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError, IndexError, KeyError, TypeError) as error:
        first = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise CorruptFileError(f"{name}: is no Parquet file of this format: {first}") from error
    except MemoryError as error:
        raise CorruptFileError(f"{name}: asks for more memory than there is") from error


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    if isinstance(combined, pa.ChunkedArray):
        combined = combined.chunk(0) if combined.num_chunks else pa.array([], column.type)
    return combined
