"""Rows that no process holds at once, by Spark and in plain batches: ``python benchmarks/spark.py [--quick]``.

10,000,000 rows of 50 columns (float32, Parquet; ``--quick``: 100,000) and a LightGBM model of 30 trees are explained
twice, each time in a process of its own: by ``client.upload_stream``, batch after batch, and by ``explain_spark`` on
``local[2]``, where one Python worker is killed in the middle of a partition. Both store all local importances in a
folder. CPU time and memory (PSS, the most at any moment) are those of the process and of all that it started, read from
``/proc``: Linux only. At the end both explanations are compared, and Spark's folder is searched for what the killed
task left.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent.parent))

N_FEATURES = 50
FILE_ROWS = 250_000
FEW_ROWS = 2_000
COLUMNS = [f"c{i}" for i in range(N_FEATURES)]
# The form that is measured in a process of its own, and the form without any work, whose cost is that of the start.
FORMS = ("stream", "spark")


def main() -> None:
    """Print what each form takes, then whether they agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100,000 rows")
    parser.add_argument("--rows", type=int, help="another number of rows")
    parser.add_argument("--form", choices=FORMS, help=argparse.SUPPRESS)
    parser.add_argument("--input", default="rows", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="where rows and explanations go; needs 1 kB for each row")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    n_rows = arguments.rows or (100_000 if arguments.quick else 10_000_000)
    if arguments.form is not None:
        run_form(arguments.form, arguments.folder, arguments.input)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        make_rows(folder, n_rows)
        print(
            f"{n_rows:,} x {N_FEATURES} rows (float32), LightGBM 30 x 31 leaves, two classes, {os.cpu_count()} cores\n"
        )
        print(f"{'':34}{'wall':>10}{'CPU':>11}{'memory':>11}")
        few = {form: measured(f"{form}, {FEW_ROWS:,} rows: the start", form, folder, rows="few") for form in FORMS}
        stream = measured("upload_stream, one process", "stream", folder)
        spark = measured("explain_spark, local[2], one kill", "spark", folder)
        overhead = (spark - few["spark"]) / (stream - few["stream"]) - 1
        print(f"\nSpark takes {overhead:+.0%} CPU beside plain batches, and {few['spark']:.0f} s to start")
        compare(folder, n_rows)


def make_rows(folder: Path, n_rows: int) -> None:
    """Write the rows, and a model that was trained on some of them."""
    import lightgbm

    (folder / "rows").mkdir()
    rng = np.random.default_rng(0)
    for number, first in enumerate(range(0, n_rows, FILE_ROWS)):
        rows = rng.standard_normal((min(FILE_ROWS, n_rows - first), N_FEATURES), dtype=np.float32)
        table = pa.table(dict(zip(COLUMNS, rows.T, strict=True)))
        pq.write_table(table, folder / "rows" / f"{number:05d}.parquet", row_group_size=50_000, compression="none")
    (folder / "few").mkdir()
    pq.write_table(table.slice(0, FEW_ROWS), folder / "few" / "0.parquet")
    train = rows[:50_000]
    signal = train[:, :10] @ rng.standard_normal(10) + train[:, 0] * train[:, 1]
    model = lightgbm.LGBMClassifier(n_estimators=30, num_leaves=31, verbose=-1, n_jobs=1)
    model.fit(train, (signal > 0).astype(np.int64))
    model.booster_.save_model(folder / "model.txt")


# --- The forms, each in a process of its own ----------------------------------------------------------------------


class Killed:
    """An explainer whose first attempt at a partition ends the Python worker in the middle."""

    def __init__(self, explainer: Any, partition: int) -> None:
        self._explainer = explainer
        self._partition = partition

    def explain_batches(self, batches: Iterator[Any], **more: Any) -> Any:
        """Return what explains batches; it does not come back from the third of the first attempt."""
        from pyspark import TaskContext

        context = TaskContext.get()
        if context.partitionId() == self._partition and context.attemptNumber() == 0:
            batches = self._dying(batches)
        return self._explainer.explain_batches(batches, **more)

    def _dying(self, batches: Iterator[Any]) -> Iterator[Any]:
        for number, batch in enumerate(batches):
            if number == 2:
                os._exit(9)
            yield batch


def run_form(form: str, folder: Path, rows: str) -> None:
    """Explain the rows and store the explanation; prints its id."""
    import mlflow

    from explanation_client import ExplanationClient

    os.environ["EXPLANATION_CLIENT_HOME"] = str(folder / "home")
    mlflow.set_tracking_uri(f"sqlite:///{folder / form}-{rows}.db")
    experiment = mlflow.create_experiment("rows", artifact_location=str(folder / f"{form}-{rows}"))
    with mlflow.start_run(experiment_id=experiment) as run:
        client = ExplanationClient.from_run(run)
        info = (by_spark if form == "spark" else by_stream)(client, folder, folder / rows)
        print(json.dumps({"run": run.info.run_id, "id": info.id}))


def make_explainer(folder: Path) -> Any:
    import lightgbm

    from explanation_client.explainers import TreeExplainer

    return TreeExplainer(lightgbm.Booster(model_file=folder / "model.txt"), features=COLUMNS, show_progress=False)


def by_stream(client: Any, folder: Path, rows: Path) -> Any:
    return client.upload_stream(make_explainer(folder), rows, show_progress=False)


def by_spark(client: Any, folder: Path, rows: Path) -> Any:
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    from explanation_client.spark import explain_spark

    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.memory": "1g",
        "spark.local.dir": str(folder / "spark-local"),
        "spark.sql.files.maxPartitionBytes": "64m",
        "spark.log.level": "OFF",
    }
    # Four attempts at each task, as a cluster has; local[2] alone has one.
    builder = SparkSession.builder.master("local[2,4]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    try:
        frame = session.read.parquet(str(rows))
        return explain_spark(Killed(make_explainer(folder), partition=1), frame, run=client)
    finally:
        session.stop()


# --- Measuring ----------------------------------------------------------------------------------------------------


def measured(title: str, form: str, folder: Path, *, rows: str = "rows") -> float:
    """Return the CPU seconds of a form, after printing a line; keeps what it printed in a file."""
    begun = time.perf_counter()
    command = [sys.executable, __file__, "--form", form, "--folder", str(folder), "--input", rows]
    with (folder / f"{form}.json").open("wb") as out, (folder / f"{form}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=out, stderr=log)
        watch = Watch(process.pid)
        watch.start()
        status = process.wait()
        watch.done.set()
        watch.join()
    if status != 0:
        raise SystemExit(f"{title} failed:\n{(folder / f'{form}.log').read_text(errors='replace')[-4000:]}")
    wall = time.perf_counter() - begun
    print(f"{title:34}{wall:8.1f} s{watch.cpu:9.1f} s{watch.memory / 1e6:8,.0f} MB", flush=True)
    return watch.cpu


class Watch(threading.Thread):
    """Adds up CPU time and memory of a process and all that it started, several times a second."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.memory = 0
        self._root = root
        self._members = {root}
        self._cpu: dict[int, float] = {}

    @property
    def cpu(self) -> float:
        """Seconds; of a process that has ended those of the last look."""
        return sum(self._cpu.values())

    def run(self) -> None:
        """Look until the work is done."""
        while not self.done.wait(0.25):
            self._look()

    def _look(self) -> None:
        ticks = os.sysconf("SC_CLK_TCK")
        memory = 0
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                fields = (path / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            found[int(path.name)] = (int(fields[1]), (int(fields[11]) + int(fields[12])) / ticks)
        grown = True
        while grown:
            more = {pid for pid, (parent, _) in found.items() if parent in self._members} - self._members
            self._members |= more
            grown = bool(more)
        for pid in self._members & found.keys():
            self._cpu[pid] = max(self._cpu.get(pid, 0.0), found[pid][1])
            memory += proportional_memory(pid)
        self.memory = max(self.memory, memory)


def proportional_memory(pid: int) -> int:
    """Return the bytes of a process, of shared ones its part."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))


# --- Comparing ----------------------------------------------------------------------------------------------------


def compare(folder: Path, n_rows: int) -> None:
    """Print how far the two explanations are apart, and what is left of the killed task."""
    stored = {form: read_stored(folder, form) for form in FORMS}
    first, second = (one["global"] for one in stored.values())
    gap = float(np.abs(first - second).max() / first.max())
    print(f"global importances differ by {gap:.1e} of the largest at most")
    assert gap < 1e-12
    assert all(one["rows"] == n_rows for one in stored.values())
    for name in (COLUMNS[0], COLUMNS[7], COLUMNS[-1]):
        columns = [np.sort(column_of(one, name)) for one in stored.values()]
        assert np.array_equal(*columns)
    print(f"{n_rows:,} rows each, the same local importances in another order: no row twice, none missing")
    manifest = stored["spark"]["folder"]
    listed = {entry["name"] for entry in stored["spark"]["files"]}
    left = [p.name for p in manifest.iterdir() if p.name not in listed and p.suffix == ".parquet"]
    print(f"files of the killed attempt that are left: {len(left)}")
    size = sum(entry["size"] for entry in stored["spark"]["files"])
    print(f"{size / 1e6:,.0f} MB in {len(listed)} files")


def read_stored(folder: Path, form: str) -> dict[str, Any]:
    said = json.loads((folder / f"{form}.json").read_text().splitlines()[-1])
    place = folder / f"{form}-rows" / said["run"] / "artifacts" / "explanations" / said["id"]
    (manifest,) = place.glob("manifest-*.json")
    document = json.loads(manifest.read_text())
    files = document["files"]
    (features,) = (entry for entry in files if entry["role"] == "features")
    table = pq.read_table(place / features["name"]).to_pandas().sort_values("position")
    return {
        "folder": place, "files": files, "rows": document["info"]["n_rows"], "global": table["importance"].to_numpy(),
    }  # fmt: skip


def column_of(stored: dict[str, Any], name: str) -> np.ndarray:
    shards = [entry for entry in stored["files"] if entry["role"] == "local"]
    parts = [pq.read_table(stored["folder"] / entry["name"], columns=[name])[name].to_numpy() for entry in shards]
    return np.concatenate(parts)


if __name__ == "__main__":
    main()
