"""Structs in Thrift's compact protocol, as far as Parquet uses it: what a file says of itself, read without trust.

The decoder's own metadata objects end the process for some damaged files (an exception that nobody catches), so that
what has to be known before a file is handed to it is read here.
"""

from __future__ import annotations

from typing import Any

Fields = dict[int, Any]
"""Values of a struct by the number of their field: int, bytes, list, Fields, or None for what nobody needs."""

_BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 3, 7, 8, 9, 10, 12
_INTEGERS = (4, 5, 6)
_MAX_DEPTH = 12


class BadStructError(ValueError):
    """The bytes are no struct."""


def read_struct(data: bytes | memoryview, at: int, *, max_values: int) -> tuple[Fields, int]:
    """Return the fields of the struct at a place, and the place after it.

    Parameters
    ----------
    data : bytes or memoryview
    at : int
    max_values : int
        Fields and members of lists that there may be at all depths together: a byte can become a struct, which takes
        some hundred bytes of memory.

    Raises
    ------
    BadStructError
        There is none, it is nested too deeply, or has too many values.

    """
    return _Reader(data, max_values).struct(at, 0)


class _Reader:
    __slots__ = ("_data", "_left")

    def __init__(self, data: bytes | memoryview, max_values: int) -> None:
        self._data = data
        self._left = max_values

    def struct(self, at: int, depth: int) -> tuple[Fields, int]:
        data = self._data
        fields: Fields = {}
        number = 0
        try:
            while True:
                byte = data[at]
                at += 1
                if byte == 0:
                    return fields, at
                self._spend(1)
                if byte >> 4:
                    number += byte >> 4
                else:
                    number, at = _zigzag(data, at)
                kind = byte & 0x0F
                if kind <= 2:
                    fields[number] = 2 - kind
                # Most fields are integers of one byte: without a call, as there are many.
                elif kind in _INTEGERS and data[at] < 0x80:
                    fields[number] = (data[at] >> 1) ^ -(data[at] & 1)
                    at += 1
                else:
                    fields[number], at = self._value(kind, at, depth)
        except IndexError as error:
            raise BadStructError("a struct runs past the end of its place") from error

    def _value(self, kind: int, at: int, depth: int) -> tuple[Any, int]:
        if kind in _INTEGERS:
            return _zigzag(self._data, at)
        if kind == _BINARY:
            return self._binary(at)
        if kind in (_LIST, _SET, _STRUCT):
            if depth >= _MAX_DEPTH:
                raise BadStructError("a struct is nested too deeply")
            return self.struct(at, depth + 1) if kind == _STRUCT else self._list(at, depth + 1)
        if kind == _BYTE:
            return self._data[at], at + 1
        if kind == _DOUBLE:
            return None, at + 8
        raise BadStructError(f"a struct has a field of kind {kind}")

    def _list(self, at: int, depth: int) -> tuple[list[Any], int]:
        byte = self._data[at]
        count, at = (byte >> 4, at + 1) if byte >> 4 < 15 else _varint(self._data, at + 1)
        if count > len(self._data) - at:
            raise BadStructError(f"a list of {count} runs past the end of its place")
        self._spend(count)
        # Booleans take a byte each in a list, none in a struct.
        kind = max(byte & 0x0F, _BYTE)
        values = []
        for _ in range(count):
            value, at = self._value(kind, at, depth)
            values.append(value)
        return values, at

    def _binary(self, at: int) -> tuple[bytes, int]:
        length, at = _varint(self._data, at)
        if length > len(self._data) - at:
            raise BadStructError(f"{length} bytes run past the end of their place")
        return bytes(self._data[at : at + length]), at + length

    def _spend(self, values: int) -> None:
        self._left -= values
        if self._left < 0:
            raise BadStructError("a struct has more values than what it describes can need")


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
