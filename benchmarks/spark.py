"""Rows that no process holds at once, by Spark and in plain batches: ``python benchmarks/spark.py [--quick]``.

10,000,000 rows of 50 columns (float32, Parquet; ``--quick``: 100,000) and a LightGBM model of 30 trees are explained
several times, each time in a process of its own: by ``client.upload_stream``, batch after batch, and by
``explain_spark`` on ``local[2]``, to which the rows are given as the path of the files, or as a DataFrame; and both
once more while one Python worker is killed in the middle of a partition (``--forms`` chooses among them). All store all
local importances in a folder. CPU time and memory (PSS, the most at any moment) are those of the process and of all
that it started, read from ``/proc``: Linux only. What 2,000 rows take is the start of each form, of both its workers
too, and the overhead is that of what comes after it. At the end the explanations are compared, and the folder of each
killed task is searched for what it left.
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
# The killed worker dies when it has been given so many rows of its second piece, or partition.
KILLED_AFTER = 40_000
FORMS = {
    "stream": "upload_stream, one process",
    "paths": "explain_spark(path), local[2]",
    "paths-killed": "  and one worker killed",
    "frame": "explain_spark(DataFrame), local[2]",
    "frame-killed": "  and one worker killed",
}


def main() -> None:
    """Print what each form takes, then whether they agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100,000 rows")
    parser.add_argument("--rows", type=int, help="another number of rows")
    others = [form for form in FORMS if form != "stream"]
    parser.add_argument(
        "--forms", nargs="+", choices=others, default=others, help="what upload_stream is compared with"
    )
    parser.add_argument("--form", choices=FORMS, help=argparse.SUPPRESS)
    parser.add_argument("--input", default="rows", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="where rows and explanations go; needs 1 kB for each row")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    n_rows = arguments.rows or (100_000 if arguments.quick else 10_000_000)
    if arguments.form is not None:
        run_form(arguments.form, arguments.folder, arguments.input)
        return
    forms = ["stream", *(form for form in others if form in arguments.forms)]
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        make_rows(folder, n_rows)
        print(
            f"{n_rows:,} x {N_FEATURES} rows (float32), LightGBM 30 x 31 leaves, two classes, {os.cpu_count()} cores\n"
        )
        print(f"{'':36}{'wall':>10}{'CPU':>11}{'memory':>11}")
        starts = {}
        for form in dict.fromkeys(map(base_of, forms)):
            starts[form] = measured(f"{FORMS[form].split(',')[0]}, {FEW_ROWS:,} rows", form, folder, rows="few")
        cpu = {form: measured(FORMS[form], form, folder) for form in forms}
        print()
        for form in forms[1:]:
            print_overhead(form, cpu, starts)
        compare(folder, n_rows, forms)


def base_of(form: str) -> str:
    """Return the form without its kill."""
    return form.removesuffix("-killed")


def print_overhead(form: str, cpu: dict[str, float], starts: dict[str, float]) -> None:
    """Print what a form takes beside plain batches, or what a kill costs."""
    base = base_of(form)
    if form != base and base in cpu:
        print(f"  the kill cost {cpu[form] - cpu[base]:.1f} s more")
        return
    after = (cpu[form] - starts[base]) / (cpu["stream"] - starts["stream"]) - 1
    name = FORMS[base].split(",")[0] + (" and a kill" if form != base else "")
    print(
        f"{name}: {after:+.0%} CPU beside plain batches; with the starts, {starts[base]:.0f} s and "
        f"{starts['stream']:.0f} s, {cpu[form] / cpu['stream'] - 1:+.0%}"
    )


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
    # Several files, so that both workers start.
    for number, first in enumerate(range(0, FEW_ROWS, FEW_ROWS // 8)):
        pq.write_table(table.slice(first, FEW_ROWS // 8), folder / "few" / f"{number}.parquet")
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

    def explain_batches(self, batches: Any, **more: Any) -> Any:
        """Return what explains rows, whatever Spark brings: batches, or a dataset of row groups."""
        from pyspark import TaskContext

        context = TaskContext.get()
        if context is not None and context.partitionId() == self._partition and context.attemptNumber() == 0:
            batches = self._dying(batches)
        return self._explainer.explain_batches(batches, **more)

    def _dying(self, batches: Any) -> Iterator[Any]:
        n_rows = 0
        for batch in batches.to_batches(batch_size=10_000) if hasattr(batches, "to_batches") else batches:
            n_rows += batch.num_rows
            if n_rows > KILLED_AFTER:
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
        if form == "stream":
            info = client.upload_stream(make_explainer(folder), folder / rows, show_progress=False)
        else:
            info = by_spark(client, folder, folder / rows, form)
        print(json.dumps({"run": run.info.run_id, "id": info.id}))


def make_explainer(folder: Path) -> Any:
    import lightgbm

    from explanation_client.explainers import TreeExplainer

    return TreeExplainer(lightgbm.Booster(model_file=folder / "model.txt"), features=COLUMNS, show_progress=False)


def by_spark(client: Any, folder: Path, rows: Path, form: str) -> Any:
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
        explainer = make_explainer(folder)
        if form.endswith("-killed"):
            explainer = Killed(explainer, partition=1)
        if base_of(form) == "paths":
            return explain_spark(explainer, rows, run=client, session=session)
        return explain_spark(explainer, session.read.parquet(str(rows)), run=client)
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
    print(f"{title:36}{wall:8.1f} s{watch.cpu:9.1f} s{watch.memory / 1e6:8,.0f} MB", flush=True)
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


def compare(folder: Path, n_rows: int, forms: list[str]) -> None:
    """Print how far the explanations are from that of plain batches, and what is left of killed tasks."""
    stored = {form: read_stored(folder, form) for form in forms}
    first = stored["stream"]
    assert all(one["rows"] == n_rows for one in stored.values())
    print()
    for form, one in list(stored.items())[1:]:
        gap = float(np.abs(first["global"] - one["global"]).max() / first["global"].max())
        assert gap < 1e-12
        in_order = True
        for name in (COLUMNS[0], COLUMNS[7], COLUMNS[-1]):
            wanted, found = column_of(first, name), column_of(one, name)
            in_order &= np.allclose(wanted, found, rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(np.sort(wanted), np.sort(found), rtol=1e-12, atol=1e-12)
        assert in_order or base_of(form) == "frame"
        listed = {entry["name"] for entry in one["files"]}
        left = [p.name for p in one["folder"].iterdir() if p.name not in listed and p.suffix == ".parquet"]
        assert not left
        size = sum(entry["size"] for entry in one["files"])
        print(
            f"{form}: the same {n_rows:,} rows in {'the same' if in_order else 'another'} order, none twice, none "
            f"missing; global importances differ by {gap:.1e} of the largest at most; {size / 1e6:,.0f} MB in "
            f"{len(listed)} files, and none of another attempt"
        )


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
