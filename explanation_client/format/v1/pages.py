"""What a Parquet file says of itself, held against what it must be before a decoder sees it.

A page of a few kilobytes may claim, and deliver, two gigabytes; a footer may point anywhere. Nothing in a file binds a
decoder but the headers of its pages, so that these are read, and added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from explanation_client.errors import CorruptFileError
from explanation_client.format.entries import Buffer
from explanation_client.format.v1.thrift import BadStructError, Fields, read_struct

# Numbers of the Parquet specification.
UNCOMPRESSED, SNAPPY, ZSTD = 0, 1, 6
_CODECS = (UNCOMPRESSED, SNAPPY, ZSTD)

# Row groups have at least this many rows, except a few.
_LEAST_GROUP = 128
_SPARE_GROUPS = 16
# Of a column in a row group a footer has some 50 to 120 bytes and 25 to 45 values, more with long statistics; besides
# come the schema and what a writer notes of itself.
_MAX_FOOTER, _CHUNK_BYTES, _SPARE_BYTES = 64 << 20, 1 << 10, 1 << 16
_MAX_VALUES, _CHUNK_VALUES, _SPARE_VALUES = 4 << 20, 64, 1 << 10
# The header of a page has some 15 values, and texts only in its statistics.
_MAX_HEADER = 1 << 16
_HEADER_VALUES = 64


@dataclass(frozen=True, slots=True)
class ColumnBounds:
    """What one column may take.

    Parameters
    ----------
    name : int
        Bytes of its name, which a footer repeats for each row group.
    text : int, optional
        Bytes of all its texts; None for numbers, whose size follows from the rows.

    """

    name: int
    text: int | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Rows of each row group of a file that has passed."""

    group_rows: tuple[int, ...]


def check_layout(data: Buffer, *, rows: int, columns: Sequence[ColumnBounds], max_text: int, name: str) -> Layout:
    """Return the layout of a file after holding its footer and pages against what they must be.

    Parameters
    ----------
    data : buffer
        The file.
    rows : int
        Rows that it must have.
    columns : sequence of ColumnBounds
        The columns that it must have.
    max_text : int
        Bytes of the texts of all columns together.
    name : str
        Name of the file, for messages.

    Raises
    ------
    CorruptFileError
        It is something else, or would take more memory than its rows and columns can need.

    """
    try:
        footer = _footer(data, rows, columns)
        groups = [_struct(group) for group in _list(footer, 4)]
        sizes = tuple(_number(group, 3) for group in groups)
        if len(groups) > _most_groups(rows):
            raise BadStructError(f"has {len(groups)} row groups for {rows} rows")
        if any(size < 1 for size in sizes) or sum(sizes) != rows or _number(footer, 3) != rows:
            raise BadStructError(f"has {_number(footer, 3)} rows, the manifest says {rows}")
        texts = _Texts(columns, rows, max_text)
        for group, size in zip(groups, sizes, strict=True):
            chunks = _list(group, 1)
            if len(chunks) != len(columns):
                raise BadStructError(f"has {len(chunks)} columns, the manifest says {len(columns)}")
            for position, chunk in enumerate(chunks):
                is_text = columns[position].text is not None
                found = _check_chunk(data, _struct(chunk), size, position, is_text=is_text)
                if is_text:
                    texts.spend(position, found)
    except BadStructError as error:
        raise CorruptFileError(f"{name}: is no Parquet file of this format: {error}") from error
    return Layout(sizes)


def uncompressed_bytes(data: Buffer, first: int, end: int, *, max_pages: int) -> int:
    """Return how many bytes the pages between two places of a file say that they decompress to.

    Raises
    ------
    BadStructError
        There is something else than pages, or more of them than ``max_pages``.

    """
    view = memoryview(data).cast("B")
    if not 0 <= first <= end <= len(view):
        raise BadStructError(f"has pages from byte {first} to {end} of {len(view)}")
    total, at, pages = 0, first, 0
    while at < end:
        pages += 1
        if pages > max_pages:
            raise BadStructError(f"has more than {max_pages:,} pages from byte {first} to {end}")
        header, length = read_struct(view[at : at + _MAX_HEADER], 0, max_values=_HEADER_VALUES)
        at += length
        size, packed = _number(header, 2), _number(header, 3)
        if size < 0 or packed < 0 or at + packed > end:
            raise BadStructError(f"has a page at byte {at} of {size} and {packed} bytes")
        total += size
        at += packed
    return total


def _most_groups(rows: int) -> int:
    return _SPARE_GROUPS + rows // _LEAST_GROUP


def _footer(data: Buffer, rows: int, columns: Sequence[ColumnBounds]) -> Fields:
    """Return the footer, of which neither the bytes nor the values may be more than the columns can need."""
    size = len(data)
    # The schema names each column once, and each row group again.
    times = _most_groups(rows) + 1
    most = min(_MAX_FOOTER, _SPARE_BYTES + times * sum(_CHUNK_BYTES + column.name for column in columns))
    length = int.from_bytes(data[size - 8 : size - 4], "little") if size >= 12 else 0
    if size < 12 or bytes(data[size - 4 :]) != b"PAR1" or not 0 < length <= min(size - 12, most):
        raise BadStructError(
            f"has a footer of {length:,} bytes in a file of {size:,}, at most {most:,} for {rows:,} rows and "
            f"{len(columns):,} columns"
        )
    values = min(_MAX_VALUES, _SPARE_VALUES + times * _CHUNK_VALUES * len(columns))
    return read_struct(bytes(data[size - 8 - length : size - 8]), 0, max_values=values)[0]


def _check_chunk(data: Buffer, chunk: Fields, rows: int, position: int, *, is_text: bool) -> int:
    """Return the bytes of one column of a row group, decompressed, after holding it against what it must be."""
    if chunk.get(1) is not None or 8 in chunk or 9 in chunk:
        raise BadStructError(f"column {position} lies in another file, or is encrypted")
    meta = _struct(chunk.get(3))
    codec = _number(meta, 4)
    if codec not in _CODECS:
        raise BadStructError(
            f"column {position} is compressed with codec {codec}; this format uses none, snappy or zstd"
        )
    if _number(meta, 5) != rows:
        raise BadStructError(f"column {position} has {_number(meta, 5)} values in a group of {rows} rows")
    if codec == UNCOMPRESSED and not is_text:
        return 0
    first = _number(meta, 9)
    dictionary = meta.get(11)
    if isinstance(dictionary, int) and 0 < dictionary < first:
        first = dictionary
    # Each page holds a row at least, but one the dictionary, and an empty one may end them.
    found = uncompressed_bytes(data, first, first + _number(meta, 7), max_pages=rows + 2)
    if not is_text and found > _spare(rows):
        raise BadStructError(f"column {position} decompresses to {found:,} bytes for {rows:,} rows")
    return found


class _Texts:
    """Counts the bytes of texts against what each column may have, and all together."""

    def __init__(self, columns: Sequence[ColumnBounds], rows: int, most: int) -> None:
        spare = _spare(rows)
        texts = [column.text for column in columns if column.text is not None]
        self._rows = rows
        self._columns = [0 if column.text is None else min(column.text, most) + spare for column in columns]
        self._all = most + spare * len(texts)

    def spend(self, position: int, found: int) -> None:
        """Count one column of a row group."""
        self._columns[position] -= found
        self._all -= found
        if self._columns[position] < 0 or self._all < 0:
            raise BadStructError(
                f"column {position} decompresses to {found:,} bytes in one row group, too many for texts of "
                f"{self._rows:,} rows"
            )


def _spare(rows: int) -> int:
    """Return what pages may take besides texts: numbers or places in a dictionary, and which are null."""
    return 18 * rows + (1 << 20)


def _number(fields: Fields, number: int) -> int:
    value = fields.get(number)
    if not isinstance(value, int):
        raise BadStructError(f"field {number} is no number")
    return value


def _list(fields: Fields, number: int) -> list[Any]:
    value = fields.get(number)
    if not isinstance(value, list):
        raise BadStructError(f"field {number} is no list")
    return value


def _struct(value: Any) -> Fields:
    if not isinstance(value, dict):
        raise BadStructError("a struct is something else")
    return value
