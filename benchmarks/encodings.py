"""Which Parquet encoding suits importances: size and CPU time of each on real SHAP values, beside the peers.

``python benchmarks/encodings.py`` takes some minutes, ``--quick`` under one; it needs the ``explain`` extra. Times are
CPU milliseconds (median), ratios are to the raw bytes. The last tables are of the format as it is: what each job of an
upload costs, and how the size of shards changes the time of an upload that encodes one shard while others travel.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from explanation_client.explanation import Explanation
from explanation_client.format import plan
from explanation_client.importances import Importances, aggregate
from explanation_client.info import ExplanationInfo, new_id, now

ENCODINGS: dict[str, dict[str, Any]] = {
    "pyarrow's defaults (peer)": {},
    "none": {"compression": "none", "use_dictionary": False},
    "none, split": {"compression": "none", "use_dictionary": False, "use_byte_stream_split": True},
    "snappy": {"compression": "snappy", "use_dictionary": False},
    "lz4, split": {"compression": "lz4", "use_dictionary": False, "use_byte_stream_split": True},
    "zstd 1": {"compression": "zstd", "compression_level": 1, "use_dictionary": False},
    "zstd 1, split": {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": False,
        "use_byte_stream_split": True,
    },
}


def breast_cancer() -> np.ndarray:
    """Return float64 SHAP values of a LightGBM model of scikit-learn's breast cancer set, 569 x 30."""
    from lightgbm import LGBMClassifier
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    model = LGBMClassifier(n_estimators=100, verbose=-1, random_state=0, n_jobs=2).fit(x, y)
    return np.asarray(model.predict(x, pred_contrib=True))[:, :-1]


def synthetic(rows: int) -> np.ndarray:
    """Return float32 SHAP values of a LightGBM model of 50 noisy features, (rows, 50)."""
    from lightgbm import LGBMRegressor

    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, 50))
    y = x @ rng.gamma(1.0, size=50) + np.sin(3 * x[:, 0]) * x[:, 1] + rng.standard_normal(len(x))
    model = LGBMRegressor(n_estimators=60, num_leaves=15, verbose=-1, random_state=0, n_jobs=2).fit(x, y)
    return np.asarray(model.predict(x, pred_contrib=True))[:, :-1].astype(np.float32)


def wide(features: int) -> np.ndarray:
    """Return float32 SHAP values of a LightGBM model of many features, (2,000, features), most of them zero."""
    from lightgbm import LGBMRegressor

    rng = np.random.default_rng(1)
    x = rng.standard_normal((2_000, features)).astype(np.float32)
    y = x[:, : features // 5] @ rng.standard_normal(features // 5)
    model = LGBMRegressor(n_estimators=100, colsample_bytree=0.1, verbose=-1, random_state=0, n_jobs=2).fit(x, y)
    return np.asarray(model.predict(x, pred_contrib=True))[:, :-1].astype(np.float32)


def cpu(work: Callable[[], Any], repeat: int = 3) -> tuple[float, Any]:
    """Return the median CPU milliseconds of some work, and its last result."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        result = work()
        times.append(time.process_time() - start)
    return statistics.median(times) * 1000, result


def write(tables: list[pa.Table], options: dict[str, Any]) -> list[pa.Buffer]:
    return [_write(table, options) for table in tables]


def read(files: list[pa.Buffer]) -> list[pa.Table]:
    return [_read(file) for file in files]


def _write(table: pa.Table, options: dict[str, Any]) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=32_768, write_page_checksum=True, **options)
    return sink.getvalue()


def _read(data: pa.Buffer) -> pa.Table:
    file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True, pre_buffer=False)
    return file.read(use_threads=False)


def compare_encodings(name: str, values: np.ndarray) -> None:
    raw = values.nbytes
    blocks = [np.ascontiguousarray(values[:, i : i + 1_000].T) for i in range(0, values.shape[1], 1_000)]
    tables = [pa.table(list(block), names=[f"f{i}" for i in range(len(block))]) for block in blocks]
    zeros = float((values == 0).mean())
    print(f"\n{name}: {values.shape[0]:,} x {values.shape[1]:,} {values.dtype}, {raw / 1e6:.1f} MB, {zeros:.0%} zeros")
    print(f"  {'encoding':<28}{'ratio':>8}{'write ms':>10}{'read ms':>10}")
    print(f"  {'copy in memory (limit)':<28}{1:>8.3f}{cpu(values.copy)[0]:>10.1f}{cpu(values.copy)[0]:>10.1f}")
    for label, options in ENCODINGS.items():
        written, files = cpu(partial(write, tables, options))
        seconds, _ = cpu(partial(read, files))
        print(f"  {label:<28}{sum(file.size for file in files) / raw:>8.3f}{written:>10.1f}{seconds:>10.1f}")
    part = values[: max(1, 200_000 // values.shape[1])]
    scale = len(values) / len(part)
    written, text = cpu(lambda: json.dumps(part.tolist()), 1)
    seconds, _ = cpu(lambda: np.array(json.loads(text), values.dtype), 1)
    ratio = len(text) * scale / raw
    print(f"  {'JSON lists (peer, scaled)':<28}{ratio:>8.3f}{written * scale:>10.0f}{seconds * scale:>10.0f}")


def explain(values: np.ndarray) -> Explanation:
    rows, features = values.shape
    local = Importances(np.ascontiguousarray(values)[None])
    info = ExplanationInfo(
        id=new_id(), created_at=now(), method="shap_tree", task="regression",
        outputs=("target",), n_features=features, n_rows=rows,
    )  # fmt: skip
    return Explanation(
        info=info,
        features=tuple(f"feature {i}" for i in range(features)),
        global_importances=aggregate(local)[0],
        local_importances=local,
    )


def compare_ranked(values: np.ndarray) -> None:
    """Print how positions of ranked values are best stored."""
    ranked = Importances(values[None]).ranked(10)
    assert ranked.index is not None
    columns = [np.ascontiguousarray(column) for column in ranked.index[0].astype(np.uint8).T]
    table = pa.table(columns, names=[f"feature_{i}" for i in range(10)])
    options: dict[str, dict[str, Any]] = {
        "plain (4 bytes each)": {"compression": "none", "use_dictionary": False},
        "plain, zstd 1": {"compression": "zstd", "compression_level": 1, "use_dictionary": False},
        "delta": {"compression": "none", "use_dictionary": False, "column_encoding": "DELTA_BINARY_PACKED"},
        "dictionary": {"compression": "none", "use_dictionary": True},
    }
    print(f"\nPositions of the ten largest of {len(values):,} rows, {len(values) / 1e5:.1f} MB as bytes")
    print(f"  {'encoding':<28}{'MB':>8}{'write ms':>10}{'read ms':>10}")
    for label, chosen in options.items():
        written, files = cpu(partial(write, [table], chosen))
        seconds, _ = cpu(partial(read, files))
        print(f"  {label:<28}{files[0].size / 1e6:>8.2f}{written:>10.1f}{seconds:>10.1f}")


def show_jobs(name: str, explanation: Explanation) -> None:
    print(f"\nJobs of an upload: {name}")
    print(f"  {'role':<14}{'files':>6}{'MB':>9}{'CPU ms':>9}")
    planned, jobs = cpu(lambda: plan(explanation), 1)
    print(f"  {'(planning)':<14}{'':>6}{'':>9}{planned:>9.1f}")
    rows: dict[str, list[tuple[int, float]]] = {}
    for job in jobs:
        spent, file = cpu(job)
        rows.setdefault(file.entry.role, []).append((file.entry.size, spent))
    for role, found in rows.items():
        print(f"  {role:<14}{len(found):>6}{sum(s for s, _ in found) / 1e6:>9.2f}{sum(t for _, t in found):>9.1f}")


def compare_shards(explanation: Explanation) -> None:
    """Print the time of an upload for several sizes of shards, from measured encoding and a model of the network.

    One thread encodes while another sends, two files ahead at most; a request costs 10 ms beside its bytes, as
    measured at a local tracking server.
    """
    print("\nUpload of local values, one thread encoding and one sending: ms, and the share of it that only sends")
    sizes = (1, 2, 4, 8, 16, 32, 64)
    print(f"  {'network':<22}" + "".join(f"{f'{size} MB':>14}" for size in sizes))
    for label, rate in (("local, 156 MB/s", 156e6), ("1 Gbit/s", 118e6), ("100 Mbit/s", 11.8e6)):
        shown = []
        for size in sizes:
            jobs = plan(explanation, shard_bytes=size << 20, include_view=False)
            ready = sent = 0.0
            for job in jobs:
                spent, file = cpu(job, 1)
                if file.entry.role != "local":
                    continue
                ready += spent
                travel = 10 + file.entry.size / rate * 1000
                sent = max(sent, ready) + travel
            raw = 10 + explanation.local_importances.nbytes / rate * 1000  # type: ignore[union-attr]
            shown.append(f"{sent:>7.0f} {raw / sent:>5.0%} ")
        print(f"  {label:<22}" + "".join(shown))


def main() -> None:
    parser = argparse.ArgumentParser(description="Parquet encodings of importances.")
    parser.add_argument("--quick", action="store_true", help="20,000 x 50 and 2,000 x 2,000 instead of five times that")
    quick = parser.parse_args().quick
    sets = {
        "breast cancer": breast_cancer(),
        "synthetic": synthetic(20_000 if quick else 100_000),
        "wide": wide(2_000 if quick else 10_000),
    }
    for name, values in sets.items():
        compare_encodings(name, values)
        sys.stdout.flush()
    compare_encodings("synthetic, float64", sets["synthetic"].astype(np.float64) * (1 + 1e-9))
    compare_ranked(sets["synthetic"])
    for name, values in sets.items():
        show_jobs(name, explain(values))
    compare_shards(explain(sets["synthetic"]))


if __name__ == "__main__":
    main()
