"""What a Parquet file says of itself, held against what it must be before a decoder sees it.

A page of a few kilobytes may claim, and deliver, two gigabytes; a footer may point anywhere. Nothing in a file binds a
decoder but the headers of its pages, so that these are read, and added up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from explanation_client.errors import CorruptFileError
from explanation_client.format.entries import Buffer
from explanation_client.format.v1.thrift import BadStructError, Fields, read_struct

# Numbers of the Parquet specification.
UNCOMPRESSED, SNAPPY, ZSTD = 0, 1, 6
_CODECS = (UNCOMPRESSED, SNAPPY, ZSTD)

_MAX_FOOTER = 64 << 20
# Row groups have at least this many rows, except a few.
_LEAST_GROUP = 128
_SPARE_GROUPS = 16
# Texts of one column and row group.
MAX_TEXT = 1 << 30


@dataclass(frozen=True, slots=True)
class Layout:
    """Rows of each row group of a file that has passed."""

    group_rows: tuple[int, ...]


def check_layout(data: Buffer, *, rows: int, texts: list[bool], name: str) -> Layout:
    """Return the layout of a file after holding its footer and pages against what they must be.

    Parameters
    ----------
    data : buffer
        The file.
    rows : int
        Rows that it must have.
    texts : list of bool
        For each column whether it holds texts, whose size is not known beforehand.
    name : str
        Name of the file, for messages.

    Raises
    ------
    CorruptFileError
        It is something else, or would take more memory than its rows and columns can need.

    """
    try:
        footer = _footer(data)
        groups = [_struct(group) for group in _list(footer, 4)]
        sizes = tuple(_number(group, 3) for group in groups)
        if len(groups) > _SPARE_GROUPS + rows // _LEAST_GROUP:
            raise BadStructError(f"has {len(groups)} row groups for {rows} rows")
        if any(size < 1 for size in sizes) or sum(sizes) != rows or _number(footer, 3) != rows:
            raise BadStructError(f"has {_number(footer, 3)} rows, the manifest says {rows}")
        for group, size in zip(groups, sizes, strict=True):
            chunks = _list(group, 1)
            if len(chunks) != len(texts):
                raise BadStructError(f"has {len(chunks)} columns, the manifest says {len(texts)}")
            for position, chunk in enumerate(chunks):
                _check_chunk(data, _struct(chunk), size, texts[position], position)
    except BadStructError as error:
        raise CorruptFileError(f"{name}: is no Parquet file of this format: {error}") from error
    return Layout(sizes)


def uncompressed_bytes(data: Buffer, first: int, end: int) -> int:
    """Return how many bytes the pages between two places of a file say that they decompress to.

    Raises
    ------
    BadStructError
        There is something else than pages.

    """
    view = memoryview(data).cast("B")
    if not 0 <= first <= end <= len(view):
        raise BadStructError(f"has pages from byte {first} to {end} of {len(view)}")
    total, at = 0, first
    while at < end:
        header, at = read_struct(view, at)
        size, packed = _number(header, 2), _number(header, 3)
        if size < 0 or packed < 0 or at + packed > end:
            raise BadStructError(f"has a page at byte {at} of {size} and {packed} bytes")
        total += size
        at += packed
    return total


def _footer(data: Buffer) -> Fields:
    size = len(data)
    length = int.from_bytes(data[size - 8 : size - 4], "little") if size >= 12 else 0
    if size < 12 or bytes(data[size - 4 :]) != b"PAR1" or not 0 < length <= min(size - 12, _MAX_FOOTER):
        raise BadStructError(f"has a footer of {length:,} bytes in a file of {size:,}")
    return read_struct(bytes(data[size - 8 - length : size - 8]), 0)[0]


def _check_chunk(data: Buffer, chunk: Fields, rows: int, is_text: bool, position: int) -> None:
    """Hold one column of a row group against what it must be."""
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
    if codec == UNCOMPRESSED:
        return
    first = _number(meta, 9)
    dictionary = meta.get(11)
    if isinstance(dictionary, int) and 0 < dictionary < first:
        first = dictionary
    found = uncompressed_bytes(data, first, first + _number(meta, 7))
    allowed = MAX_TEXT if is_text else 18 * rows + (1 << 20)
    if found > allowed:
        raise BadStructError(f"column {position} decompresses to {found:,} bytes for {rows:,} rows")


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
