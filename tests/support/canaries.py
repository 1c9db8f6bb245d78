"""Canaries: values that must not leave this machine, and a search that finds them however they are packed.

Looked into, one inside the other: Parquet (every column, names and key-value texts), JSON and HTML, base64, gzip, zlib
and zstd. A number is found as text, as bytes of float32 and float64, and as a value of any decoded column.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import re
import struct
import zlib
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

_BASE64 = re.compile(rb"[A-Za-z0-9+/]{24,}={0,2}")
_DEEPEST = 6

Canary = str | float


def found_in(data: bytes, canaries: Sequence[Canary]) -> set[Canary]:
    """Return the canaries that occur in some bytes, or in what is packed in them."""
    return {canary for layer in _layers(data, 0) for canary in canaries if any(p in layer for p in _forms(canary))}


def _forms(canary: Canary) -> tuple[bytes, ...]:
    if isinstance(canary, str):
        return (canary.encode(), canary.encode("utf-16-le"))
    return (str(canary).encode(), struct.pack("<f", canary), struct.pack("<d", canary))


def _layers(data: bytes, depth: int) -> Iterator[bytes]:
    """Yield some bytes, and all that can be unpacked of them."""
    yield data
    if depth == _DEEPEST:
        return
    for inner in _unpacked(data):
        yield from _layers(inner, depth + 1)


def _unpacked(data: bytes) -> Iterator[bytes]:
    if data[:4] == b"PAR1":
        yield from _of_parquet(data)
        return
    for unpack in (gzip.decompress, zlib.decompress, _unpack_zstd):
        try:
            yield unpack(data)
        except (OSError, EOFError, zlib.error, pa.ArrowException):
            continue
    for match in _BASE64.finditer(data):
        text = match[0]
        for cut in (text, text[: len(text) // 4 * 4]):
            try:
                yield base64.b64decode(cut, validate=True)
                break
            except binascii.Error:
                continue


def _of_parquet(data: bytes) -> Iterator[bytes]:
    file = pq.ParquetFile(io.BytesIO(data))
    for key, value in (file.metadata.metadata or {}).items():
        yield key
        yield value
    table = file.read()
    yield " ".join(table.column_names).encode()
    for column in table.columns:
        flat = column.combine_chunks()
        while not pa.types.is_primitive(flat.type) and hasattr(flat, "flatten"):
            flat = flat.flatten()
            if isinstance(flat, list):  # a struct: its fields
                break
        for part in flat if isinstance(flat, list) else [flat]:
            yield "\n".join(map(str, part.to_pylist())).encode()


def _unpack_zstd(data: bytes) -> bytes:
    if data[:4] != b"\x28\xb5\x2f\xfd":
        raise OSError("not zstd")
    return pa.input_stream(io.BytesIO(data), compression="zstd").read()
