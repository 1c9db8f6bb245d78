"""Structs in Thrift's compact protocol, as far as Parquet uses it: what a file says of itself, read without trust.

The decoder's own metadata objects end the process for some damaged files (an exception that nobody catches), so that
what has to be known before a file is handed to it is read here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Fields = dict[int, Any]
"""Values of a struct by the number of their field: int, bytes, list, Fields, or None for what nobody needs."""

_INTEGERS = (4, 5, 6)
_MAX_DEPTH = 12


class BadStructError(ValueError):
    """The bytes are no struct."""


def read_struct(data: bytes | memoryview, at: int, depth: int = 0) -> tuple[Fields, int]:
    """Return the fields of the struct at a place, and the place after it.

    Raises
    ------
    BadStructError
        There is none, or it is nested too deeply.

    """
    if depth > _MAX_DEPTH:
        raise BadStructError("a struct is nested too deeply")
    fields: Fields = {}
    number = 0
    try:
        while True:
            byte = data[at]
            at += 1
            if byte == 0:
                return fields, at
            if byte >> 4:
                number += byte >> 4
            else:
                number, at = _zigzag(data, at)
            kind = byte & 0x0F
            if kind <= 2:
                fields[number] = 2 - kind
                continue
            # Most fields are integers of one byte: without a call, as there are many.
            if kind in _INTEGERS and data[at] < 0x80:
                fields[number] = (data[at] >> 1) ^ -(data[at] & 1)
                at += 1
                continue
            fields[number], at = _reader(kind)(data, at, depth)
    except IndexError as error:
        raise BadStructError("a struct runs past the end of the file") from error


def _reader(kind: int) -> Callable[[bytes | memoryview, int, int], tuple[Any, int]]:
    try:
        return _READERS[kind]
    except KeyError as error:
        raise BadStructError(f"a struct has a field of kind {kind}") from error


def _read_list(data: bytes | memoryview, at: int, depth: int) -> tuple[list[Any], int]:
    byte = data[at]
    count, at = (byte >> 4, at + 1) if byte >> 4 < 15 else _varint(data, at + 1)
    if count > len(data) - at:
        raise BadStructError(f"a list of {count} runs past the end of the file")
    # Booleans take a byte each in a list, none in a struct.
    read = _read_byte if byte & 0x0F <= 2 else _reader(byte & 0x0F)
    values = []
    for _ in range(count):
        value, at = read(data, at, depth + 1)
        values.append(value)
    return values, at


def _read_binary(data: bytes | memoryview, at: int, _: int) -> tuple[bytes, int]:
    length, at = _varint(data, at)
    if length > len(data) - at:
        raise BadStructError(f"{length} bytes run past the end of the file")
    return bytes(data[at : at + length]), at + length


def _read_integer(data: bytes | memoryview, at: int, _: int) -> tuple[int, int]:
    return _zigzag(data, at)


def _read_byte(data: bytes | memoryview, at: int, _: int) -> tuple[int, int]:
    return data[at], at + 1


def _read_double(_data: bytes | memoryview, at: int, _: int) -> tuple[None, int]:
    return None, at + 8


def _zigzag(data: bytes | memoryview, at: int) -> tuple[int, int]:
    number, at = _varint(data, at)
    return (number >> 1) ^ -(number & 1), at


def _varint(data: bytes | memoryview, at: int) -> tuple[int, int]:
    number = data[at]
    if number < 0x80:
        return number, at + 1
    number, shift, at = number & 0x7F, 7, at + 1
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
        if shift > 63:
            raise BadStructError("a number has more than 64 bits")


_READERS: dict[int, Callable[[bytes | memoryview, int, int], tuple[Any, int]]] = {
    3: _read_byte,
    4: _read_integer,
    5: _read_integer,
    6: _read_integer,
    7: _read_double,
    8: _read_binary,
    9: _read_list,
    10: _read_list,
    12: read_struct,
}
