"""Small files that ask for much memory or time: refused at the cost of reading them once."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explanation_client.dataset import EvaluationData
from explanation_client.errors import CorruptFileError, InvalidManifestError
from explanation_client.format import Limits, parse_manifest
from explanation_client.format.v1.pages import uncompressed_bytes
from explanation_client.format.v1.parquet import ParquetReader, strings
from explanation_client.format.v1.schema import Schema
from explanation_client.format.v1.thrift import BadStructError, read_struct
from explanation_client.info import MAX_NAME_BYTES
from tests.golden.bundle import Bundle, forged, store
from tests.strategies import explanation_of

TEXTS: Schema = [("a", pa.string()), ("b", pa.string())]
LONG_TEXTS = pa.table({"a": ["x" * 10**6] * 2, "b": ["y" * 10**6] * 2})


# Counts what Arrow takes inside of memory_below. Buffers outlive a test in its error, and must not outlive their pool.
_POOL = pa.proxy_memory_pool(pa.default_memory_pool())


@contextmanager
def memory_below(most: int) -> Iterator[None]:
    """Fail if Python or Arrow have had more than so many bytes more at any moment."""
    before, known = pa.default_memory_pool(), _POOL.max_memory() or 0
    pa.set_memory_pool(_POOL)
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] + (_POOL.max_memory() or 0) - known < most
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(before)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return store(explanation_of(np.arange(1.0, 13.0).reshape(1, 4, 3), features=("a", "b", "c")))


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        number, out = number >> 7, out + bytes([number & 0x7F | 0x80])
    return out + bytes([number])


def empty_structs(count: int) -> bytes:
    """Return a struct whose first field is a list of that many structs, a byte each."""
    return b"\x19\xfc" + varint(count) + bytes(count) + b"\0"


def with_footer(footer: bytes) -> bytes:
    return b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"


# --- Metadata ----------------------------------------------------------------------------------------------------

FOOTERS: dict[str, tuple[Callable[[], bytes], str]] = {
    "lists in lists": (lambda: b"\x19" * 20_000 + b"\0", "nested too deeply"),
    "lists in lists in lists of one member": (lambda: b"\x19" + b"\x19" * 50 + b"\x18\0" + b"\0", "nested too deeply"),
    "structs in structs": (lambda: b"\x1c" * 20_000 + b"\0", "nested too deeply"),
    "many empty structs": (lambda: empty_structs(100_000), "more values"),
    "many fields": (lambda: b"\x11" * 100_000 + b"\0", "more values"),
    "megabytes of empty structs": (lambda: empty_structs(8 << 20), "a footer of 8,388,615 bytes .* at most 1"),
    "megabytes of text": (lambda: b"\x18" + varint(8 << 20) + bytes(8 << 20) + b"\0", "a footer of .* at most 1"),
}


@pytest.mark.parametrize("case", FOOTERS)
def test_a_hostile_footer_is_refused_and_takes_little_memory(case: str, bundle: Bundle) -> None:
    make, problem = FOOTERS[case]
    attacked = forged(bundle, "features", lambda _: with_footer(make()))
    with memory_below(4 << 20), pytest.raises(CorruptFileError, match=problem):
        attacked.open()


def test_a_struct_may_have_as_many_values_as_were_allowed_and_no_more() -> None:
    # Two fields, of which one is a list of three numbers.
    data = b"\x15\x02\x19\x35\x02\x04\x06\0"
    assert read_struct(data, 0, max_values=5) == ({1: 1, 2: [1, 2, 3]}, len(data))
    with pytest.raises(BadStructError, match="more values"):
        read_struct(data, 0, max_values=4)


@pytest.mark.parametrize(
    "data",
    [empty_structs(1 << 20), b"\x19" * 20_000, b"\x18" + varint(1 << 20) + bytes(1 << 20) + b"\0"],
    ids=["empty structs", "lists in lists", "a text"],
)
def test_a_hostile_page_header_is_refused_and_takes_little_memory(data: bytes) -> None:
    with memory_below(1 << 20), pytest.raises(BadStructError):
        uncompressed_bytes(data, 0, len(data), max_pages=10)


def test_pages_without_end_are_not_all_read() -> None:
    empty = b"\x15\0\x15\0\x15\0\0"
    assert uncompressed_bytes(empty * 100, 0, 700, max_pages=100) == 0
    with pytest.raises(BadStructError, match="more than 99 pages"):
        uncompressed_bytes(empty * 100, 0, 700, max_pages=99)


def test_names_and_columns_of_honest_files_may_be_as_long_as_names_may_be() -> None:
    """A footer repeats the names of the columns in each row group."""
    names = tuple(f"{i:0{MAX_NAME_BYTES}}" for i in range(4))
    data = EvaluationData(names=names, columns=(np.arange(4_000.0),) * 4)
    wanted = replace(explanation_of(np.ones((1, 4_000, 4)), features=names), data=data)
    stored = store(wanted, include_data=True)
    assert stored.open().load() == wanted

    def in_groups(data: bytes) -> bytes:
        sink = pa.BufferOutputStream()
        pq.write_table(pq.read_table(pa.BufferReader(data)), sink, row_group_size=100, store_schema=False)
        return bytes(sink.getvalue())

    for role in ("local", "data"):
        assert forged(stored, role, in_groups).open().load() == wanted


# --- Texts -------------------------------------------------------------------------------------------------------


def text_file(table: pa.Table, **options: object) -> bytes:
    sink = pa.BufferOutputStream()
    made = {"compression": "zstd", "use_dictionary": False, "write_statistics": False, "store_schema": False, **options}
    pq.write_table(table, sink, **made)
    return bytes(sink.getvalue())


def features_bomb(length: int) -> bytes:
    names = pa.array([f"{i:0{length}}" for i in (2, 1, 0)])
    table = {"feature": names, "position": pa.array([2, 1, 0], pa.int32()), "importance": [7.5, 6.5, 5.5]}
    return text_file(pa.table(table), row_group_size=1)


def test_names_that_unpack_to_megabytes_are_refused_before_they_are_unpacked(bundle: Bundle) -> None:
    """The whole file has a budget: no row group of this one is too large by itself."""
    for length, problem in ((10**7, "too many for texts of 3 rows"), (600_000, "too many for texts of 3 rows")):
        data = features_bomb(length)
        assert len(data) < 10_000
        with memory_below(1 << 20), pytest.raises(CorruptFileError, match=problem):
            forged(bundle, "features", lambda _, data=data: data).open()
    assert forged(bundle, "features", lambda _: features_bomb(MAX_NAME_BYTES)).open().features[2].endswith("0002")


def test_texts_that_unpack_to_more_than_the_limit_are_refused_before_they_are_unpacked() -> None:
    """Each column and each row group stays below the limit; the file does not."""
    for rows_per_group in (1, 2):
        data = text_file(LONG_TEXTS, row_group_size=rows_per_group)
        assert len(data) < 10_000
        with memory_below(1 << 20), pytest.raises(CorruptFileError, match="too many for texts of 2 rows"):
            ParquetReader(data, TEXTS, 2, name="x", limits=Limits(max_bytes=6 << 20))
        read = ParquetReader(data, TEXTS, 2, name="x", limits=Limits(max_bytes=16 << 20)).columns()
        assert [strings(column, name="x").tolist() for column in read] == [*LONG_TEXTS.to_pydict().values()]


def test_texts_that_repeat_the_beginning_of_the_text_before_are_refused() -> None:
    """Delta lengths of prefixes make gigabytes of a megabyte, without any compression that says so."""
    table = pa.table({"a": ["x" * 10**6 + str(i) for i in range(30)]})
    data = text_file(table, compression="none", column_encoding={"a": "DELTA_BYTE_ARRAY"})
    assert len(data) < 1_100_000
    with memory_below(8 << 20), pytest.raises(CorruptFileError, match="no Parquet file of this format"):
        ParquetReader(data, [("a", pa.string())], 30, name="x").columns()


# --- Manifest ----------------------------------------------------------------------------------------------------


def test_a_key_that_occurs_twice_among_many_is_found_in_linear_time() -> None:
    keys = ",".join(f'"{i:x}":0' for i in range(24_500))
    before = time.process_time()
    with pytest.raises(InvalidManifestError, match="key 'z' occurs twice"):
        parse_manifest(f'{{{keys},"z":0,"z":0}}'.encode())
    assert time.process_time() - before < 2
