"""Canaries: values that must not leave this machine, and a search that finds them however they are packed.

Looked into, one inside the other: Parquet (every column, names and key-value texts), JSON and HTML, base64, gzip, zlib
and zstd. A number is found as text, as bytes of float32 and float64, and as a value of any decoded column.

Here too are the rows in which they are planted, their labels and names, and models' training rows without any.
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
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from mlflow import MlflowClient

from tests.support.servers import Run, TrackingServer

Canary = str | float
# Exact in float32 too, so that no rounding hides them.
IN_ROW, IN_LABEL = 7717.71875, 4242.40625
ROW_NAME, CATEGORY = "canary-row", "canary-category"
TEXT = "the quick canary told nobody that it sings"
_RNG = np.random.default_rng(0)
COLUMNS = ["age", "income", "height", "weight"]
TRAIN = pd.DataFrame(_RNG.normal(size=(80, 4)), columns=COLUMNS)
SIGNAL = TRAIN["age"] * 2 + TRAIN["income"]
CLASSES = (SIGNAL > 0).astype(int)
ROWS = pd.DataFrame(_RNG.normal(size=(12, 4)), columns=COLUMNS, index=[f"{ROW_NAME}-{i}" for i in range(12)])
ROWS.iloc[3, 1] = IN_ROW
LABELS = np.where(np.arange(12) == 5, IN_LABEL, 0.0)
MIXED_TRAIN = TRAIN.assign(town=["north", "south"] * 40)
MIXED = ROWS.assign(town=["north", CATEGORY] + ["south"] * 10)
CANARIES: tuple[Canary, ...] = (IN_ROW, IN_LABEL, ROW_NAME, CATEGORY, TEXT)

_BASE64 = re.compile(rb"[A-Za-z0-9+/]{24,}={0,2}")
_DEEPEST = 6


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


@dataclass(frozen=True, slots=True)
class Left:
    """All that a run has on the server, by name."""

    parts: dict[str, bytes]

    def canaries(self) -> dict[Canary, list[str]]:
        """Return where canaries were found."""
        found: dict[Canary, list[str]] = {}
        for name, data in self.parts.items():
            for canary in found_in(data, CANARIES):
                found.setdefault(canary, []).append(name)
        return found


def left_by(run: Run, server: TrackingServer) -> Left:
    folder = server.artifacts_folder / run.experiment_id / run.run_id
    parts = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    data = MlflowClient(run.tracking_uri).get_run(run.run_id).data
    said = [f"{name}={value}" for kind in (data.tags, data.metrics, data.params) for name, value in kind.items()]
    return Left(parts | {"tags, metrics, parameters": "\n".join(said).encode()})
