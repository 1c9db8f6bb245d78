"""Files that an attacker made, with digests that fit: refused with a typed error before they take memory."""

from __future__ import annotations

import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explanation_client.errors import CorruptFileError
from explanation_client.format.v1.pages import uncompressed_bytes
from explanation_client.format.v1.thrift import BadStructError
from explanation_client.interactions import Interactions
from tests.golden.bundle import Bundle, forged, store
from tests.strategies import explanation_of

FEATURES = ("a", "b", "c")


def parquet(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **{"store_schema": False, **options})
    return bytes(sink.getvalue().to_pybytes())


def bundle() -> Bundle:
    values = np.arange(1.0, 13.0).reshape(1, 4, 3)
    return store(explanation_of(values, features=FEATURES))


def local_table(**columns: Any) -> pa.Table:
    """Return the table that the bundle's ``local`` file holds, with some columns changed."""
    made = {"c": [3.0, 6.0, 9.0, 12.0], "b": [2.0, 5.0, 8.0, 11.0], "a": [1.0, 4.0, 7.0, 10.0], **columns}
    return pa.table(made)


def features_table(**columns: Any) -> pa.Table:
    made = {"feature": ["c", "b", "a"], "position": pa.array([2, 1, 0], pa.int32()), "importance": [7.5, 6.5, 5.5]}
    return pa.table({**made, **columns})


def test_the_tables_below_are_accepted_unless_they_are_changed() -> None:
    wanted = bundle().open().load()
    assert forged(bundle(), "local", lambda _: parquet(local_table())).open().load() == wanted
    assert forged(bundle(), "features", lambda _: parquet(features_table())).open().load() == wanted


LOCAL: dict[str, tuple[Callable[[], bytes], str]] = {
    "no Parquet": (lambda: b"x" * 100, "no Parquet file"),
    "nothing": (lambda: b"", "no Parquet file"),
    "a footer that is longer than the file": (
        lambda: parquet(local_table())[:-8] + struct.pack("<I", 2**31) + b"PAR1",
        "footer",
    ),
    "too few rows": (lambda: parquet(local_table().slice(1)), "has 3 rows, the manifest says 4"),
    "too many rows": (lambda: parquet(pa.concat_tables([local_table()] * 2)), "has 8 rows"),
    "no rows": (lambda: parquet(local_table().slice(0, 0)), "has 0 rows"),
    "a column too many": (lambda: parquet(local_table(d=[0.0] * 4)), "has 4 columns"),
    "a column too few": (lambda: parquet(local_table().drop_columns(["a"])), "has 2 columns"),
    "columns in another order": (lambda: parquet(local_table().select(["a", "b", "c"])), "column 0 is named 'a'"),
    "another type": (lambda: parquet(local_table(a=pa.array([1, 2, 3, 4], pa.float32()))), "of type float"),
    "integers": (lambda: parquet(local_table(a=[1, 2, 3, 4])), "of type int64"),
    "texts": (lambda: parquet(local_table(a=["1", "2", "3", "4"])), "of type string"),
    "lists": (lambda: parquet(local_table(a=[[1.0]] * 4)), "of type list"),
    "a struct of one": (lambda: parquet(local_table(a=[{"x": 1.0}] * 4)), "of type struct"),
    "missing values": (lambda: parquet(local_table(a=[1.0, None, 2.0, 3.0])), "1 missing values"),
    "NaN": (lambda: parquet(local_table(a=[1.0, np.nan, 2.0, 3.0])), "not finite"),
    "infinity": (lambda: parquet(local_table(a=[1.0, -np.inf, 2.0, 3.0])), "not finite"),
    "a codec that is not used": (lambda: parquet(local_table(), compression="gzip"), "compressed with codec 2"),
    "an Arrow schema that says otherwise": (
        lambda: parquet(local_table(a=pa.array(["1"] * 4).dictionary_encode()), store_schema=True),
        "of type dictionary",
    ),
}

FEATURE_FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "a position twice": (lambda: parquet(features_table(position=pa.array([2, 1, 1], pa.int32()))), "positions"),
    "a position outside": (lambda: parquet(features_table(position=pa.array([2, 1, 3], pa.int32()))), "positions"),
    "a negative position": (lambda: parquet(features_table(position=pa.array([2, 1, -1], pa.int32()))), "positions"),
    "a missing position": (lambda: parquet(features_table(position=pa.array([2, 1, None], pa.int32()))), "missing"),
    "a name twice": (lambda: parquet(features_table(feature=["c", "c", "a"])), "both named 'c'"),
    "an empty name": (lambda: parquet(features_table(feature=["c", "", "a"])), "at least one character"),
    "a missing name": (lambda: parquet(features_table(feature=["c", None, "a"])), "at least one character"),
    "a name of a megabyte": (lambda: parquet(features_table(feature=["c", "x" * 10**6, "a"])), "at most 16384"),
    "a name that is no text": (
        lambda: parquet(features_table(feature=pa.array(["c", "QQQQ", "a"]))).replace(b"QQQQ", b"\xff\xfe\xff\xfe"),
        "(?i)utf",
    ),
    "a missing importance": (lambda: parquet(features_table(importance=[7.5, None, 5.5])), "first 3 features"),
    "NaN": (lambda: parquet(features_table(importance=[7.5, np.nan, 5.5])), "not finite"),
}


@pytest.mark.parametrize("case", LOCAL)
def test_a_hostile_local_file_is_refused(case: str) -> None:
    make, problem = LOCAL[case]
    with pytest.raises(CorruptFileError, match=problem):
        forged(bundle(), "local", lambda _: make()).open().load()


@pytest.mark.parametrize("case", FEATURE_FILES)
def test_a_hostile_features_file_is_refused(case: str) -> None:
    make, problem = FEATURE_FILES[case]
    with pytest.raises(CorruptFileError, match=problem):
        forged(bundle(), "features", lambda _: make()).open()


def test_a_ranked_position_outside_the_features_is_refused() -> None:
    cut = store(explanation_of(np.ones((2, 2, 3))).cut(1))

    def local(_: bytes) -> bytes:
        return parquet(
            pa.table({"value_1": [1.0] * 4, "feature_1": pa.array([0, 3, 0, 0], pa.uint8()), "total": [3.0] * 4})
        )

    def per_class(_: bytes) -> bytes:
        position = pa.array([-1], pa.int32())
        return parquet(
            pa.table({"importance_0": [1.0], "position_0": position, "importance_1": [1.0], "position_1": position})
        )

    with pytest.raises(CorruptFileError, match="outside 0 to 2"):
        forged(cut, "local", local).open().load()
    with pytest.raises(CorruptFileError, match="outside 0 to 2"):
        forged(cut, "per-class", per_class).open()


PAIRS: dict[str, tuple[Callable[[], bytes], str]] = {
    "no Parquet": (lambda: b"x" * 100, "no Parquet file"),
    "too few rows": (lambda: parquet(pairs_table().slice(1)), "has 2 rows"),
    "a column too many": (lambda: parquet(pairs_table(x=[0.0] * 3)), "has 5 columns"),
    "another type": (lambda: parquet(pairs_table(f1=pa.array([1, 2, 3], pa.float32()))), "of type float"),
    "missing values": (lambda: parquet(pairs_table(f1=[2.0, None, 5.0])), "1 missing values"),
    "NaN": (lambda: parquet(pairs_table(f1=[2.0, np.nan, 5.0])), "not finite"),
    "a matrix that is not symmetric": (lambda: parquet(pairs_table(f1=[9.0, 4.0, 5.0])), "not symmetric"),
    "a negative mean of magnitudes": (lambda: parquet(pairs_table(f1=[2.0, -4.0, 5.0])), "absolute values, got -4.0"),
    "a position outside": (lambda: parquet(pairs_table(position=positions(2, 1, 3))), "outside 0 to 2"),
    "a negative position": (lambda: parquet(pairs_table(position=positions(2, 1, -1))), "outside 0 to 2"),
    "a position twice": (
        lambda: parquet(pairs_table(position=positions(2, 1, 1)).rename_columns(["position", "f2", "f1", "f1"])),
        "twice",
    ),
    "rows in another order than columns": (lambda: parquet(pairs_table(position=positions(1, 2, 0))), "same features"),
    "columns of no feature": (
        lambda: parquet(pairs_table().rename_columns(["position", "f2", "f\u0661", "f" + "9" * 5_000])),
        "same features",
    ),
}


def positions(*numbers: int) -> pa.Array:
    return pa.array(numbers, pa.int32())


def pairs_table(**columns: Any) -> pa.Table:
    """Return the table of the ``interactions`` file of three features in the ranking c, b, a, with some changed."""
    made = {"position": positions(2, 1, 0), "f2": [1.0, 2.0, 3.0], "f1": [2.0, 4.0, 5.0], "f0": [3.0, 5.0, 6.0]}
    return pa.table({**made, **columns})


@pytest.fixture(scope="module")
def with_pairs() -> Bundle:
    pairs = Interactions(np.array([[[6.0, 5.0, 3.0], [5.0, 4.0, 2.0], [3.0, 2.0, 1.0]]]))
    return store(explanation_of(np.arange(1.0, 13.0).reshape(1, 4, 3), features=FEATURES, interactions=pairs))


@pytest.mark.parametrize("case", PAIRS)
def test_a_hostile_interactions_file_is_refused(case: str, with_pairs: Bundle) -> None:
    make, problem = PAIRS[case]
    assert forged(with_pairs, "interactions", lambda _: parquet(pairs_table())).open() == with_pairs.open()
    opened = forged(with_pairs, "interactions", lambda _: make()).open()
    with pytest.raises(CorruptFileError, match=problem):
        opened.load()


# --- Bombs -------------------------------------------------------------------------------------------------------


def with_page_size(data: bytes, claimed: int) -> bytes:
    """Return a file of one column and one page whose header claims another uncompressed size."""
    chunk = pq.read_metadata(pa.BufferReader(data)).row_group(0).column(0)
    assert data[4:7] == b"\x15\x00\x15", "a page header begins with its type and uncompressed size"
    end = next(i for i in range(7, 20) if data[i] < 0x80) + 1
    header = data[:7] + zigzag(claimed) + data[end:]
    length = struct.unpack("<I", header[-8:-4])[0]
    start = len(header) - 8 - length
    packed = chunk.total_compressed_size
    footer = header[start:-8].replace(zigzag(packed), zigzag(packed + len(header) - len(data)))
    return header[:start] + footer + struct.pack("<I", len(footer)) + b"PAR1"


def zigzag(number: int) -> bytes:
    number, out = number << 1, b""
    while number > 0x7F:
        number, out = number >> 7, out + bytes([number & 0x7F | 0x80])
    return out + bytes([number])


@pytest.mark.parametrize("codec", ["zstd", "snappy"])
def test_a_page_that_claims_two_gigabytes_is_refused_before_it_is_decompressed(codec: str) -> None:
    one = store(explanation_of(np.zeros((1, 4_000, 1)), features=("a",)))
    honest = parquet(pa.table({"a": np.zeros(4_000)}), compression=codec, use_dictionary=False, write_statistics=False)
    assert forged(one, "local", lambda _: honest).open().load() == one.open().load()
    before = pa.total_allocated_bytes()
    with pytest.raises(CorruptFileError, match=r"decompresses to 2,147,483,647 bytes for 4,000 rows"):
        forged(one, "local", lambda _: with_page_size(honest, 2**31 - 1)).open().load()
    assert pa.total_allocated_bytes() - before < 10**7


def test_the_pages_of_honest_files_are_counted_exactly() -> None:
    data = parquet(pa.table({"a": np.arange(50_000.0)}), compression="zstd", data_page_size=1000, use_dictionary=False)
    chunk = pq.read_metadata(pa.BufferReader(data)).row_group(0).column(0)
    start = chunk.data_page_offset
    pages = uncompressed_bytes(data, start, start + chunk.total_compressed_size, max_pages=1_000)
    # What the file says of the chunk counts the headers too, some 30 bytes for each page.
    assert 400_000 <= pages < chunk.total_uncompressed_size <= pages * 1.1


@pytest.mark.parametrize(
    "data", [b"", b"\x15", b"\xff" * 40, b"\x15\x00\x15\x01\x15\x02\x00", b"\x1c" * 60, b"\x19\xfc" + b"\xff" * 30]
)
def test_what_is_no_page_header_is_refused(data: bytes) -> None:
    with pytest.raises(BadStructError):
        uncompressed_bytes(data, 0, max(1, len(data)), max_pages=100)


def test_a_small_file_cannot_become_a_large_answer() -> None:
    """Ten million rows of one value take a few kilobytes in a file, and as many as they claim in memory."""
    script = """
    import numpy as np, pyarrow as pa, pyarrow.parquet as pq, resource
    from explanation_client.errors import StoredDataError
    from explanation_client.format import Limits
    from tests.golden.bundle import forged, store
    from tests.strategies import explanation_of

    one = store(explanation_of(np.zeros((1, 4, 1)), features=("a",)))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": np.zeros(10_000_000)}), sink, compression="zstd", store_schema=False)
    data = sink.getvalue().to_pybytes()
    assert len(data) < 200_000, len(data)
    texts = pa.BufferOutputStream()
    long = pa.DictionaryArray.from_arrays(pa.array(np.zeros(200_000, np.int32)), ["x" * 16_000])
    table = pa.table({"row_name": long})
    pq.write_table(table, texts, store_schema=False)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        forged(one, "local", lambda _: data).open(limits=Limits(max_bytes=1 << 20)).load()
    except StoredDataError as error:
        assert "rows" in str(error)
    else:
        raise SystemExit("accepted")

    from dataclasses import replace
    from explanation_client.dataset import EvaluationData
    names = np.array(["x"] * 200_000, object)
    wanted = replace(explanation_of(np.zeros((1, 200_000, 1)), features=("a",)), data=EvaluationData(row_names=names))
    wide = store(wanted, include_data=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read = forged(wide, "labels", lambda _: texts.getvalue().to_pybytes()).open().data.row_names
    assert len(read) == 200_000 and len(read[-1]) == 16_000
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 200_000, f"{grown} kB for 3.2 GB of texts that are all the same"
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_no_damage_crashes_hangs_or_takes_gigabytes() -> None:
    """Thousands of damaged files, read in a process that may not have more than 4 GiB nor take long."""
    script = """
    import random, resource, sys
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    import tests.properties.test_format_damage as damage
    from explanation_client.errors import StoredDataError
    from tests.golden.bundle import with_file

    chance = random.Random(int(sys.argv[1]))
    refused = 0
    for _ in range(1_500):
        bundle = chance.choice(damage._BUNDLES)
        entry = chance.choice([e for e in bundle.manifest.files])
        data = bytearray(bundle.files[entry.name])
        for _ in range(chance.choice([1, 2, 8, 64])):
            # Headers and footer are where the decoder is led astray.
            at = chance.choice([chance.randrange(len(data)), -1 - chance.randrange(min(len(data), 900))])
            data[at] = chance.choice([0, 0x7F, 0x80, 0xFF, chance.randrange(256)])
        try:
            damage.read_all(with_file(bundle, entry.name, bytes(data)))
        except StoredDataError:
            refused += 1
    assert refused > 500, refused
    """
    for seed in range(4):
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(script), str(seed)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            cwd=Path(__file__).parents[2],
        )
        assert done.returncode == 0, f"seed {seed}: {done.stderr[-3000:]}"


@pytest.mark.parametrize(("rows", "problem"), [(1, "a footer of [0-9,]+ bytes .*, at most"), (90, "112 row groups")])
def test_a_file_of_far_too_many_row_groups_is_refused(rows: int, problem: str) -> None:
    one = store(explanation_of(np.zeros((1, 10_000, 1)), features=("a",)))
    data = parquet(pa.table({"a": np.zeros(10_000)}), row_group_size=rows)
    with pytest.raises(CorruptFileError, match=problem):
        forged(one, "local", lambda _: data).open().load()
