"""A million rows of 50 columns, explained and uploaded: ``python benchmarks/million_rows.py [--quick]``.

The whole way of one large explanation of LightGBM (100 trees of 31 leaves, two classes), step by step: the tree kernel
prepared, all rows explained globally and locally, the result uploaded to an ``mlflow server`` on this machine, listed,
and read again in small parts. Then, in a process of its own, as many rows that come as a stream, and that nobody has in
memory: explained and uploaded batch by batch. Training is not counted. ``--quick`` takes 100,000 rows.

CPU time is this process's; the server has its own. Memory is the most that this process has had up to then. What the
model's own contributions and shap would take for the same rows is measured on some and multiplied.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent))

from explanation_client import ExplanationClient
from explanation_client.explainers import TreeExplainer
from explanation_client.explanation import Explanation
from explanation_client.treeshap import TreeTables
from tests.support.servers import running_server

N_FEATURES = 50
TRAIN_ROWS = 50_000
PAIR_ROWS = 2_000
READ_ROWS = 100
STREAM_ROWS = 20_000
T = TypeVar("T")
Rows = NDArray[np.float64]


def main() -> None:
    """Print the timeline, then the other tools."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100,000 rows in place of 1,000,000")
    parser.add_argument("--stream", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    quick = arguments.quick
    warnings.simplefilter("ignore")
    n_rows = 100_000 if quick else 1_000_000
    if arguments.stream:
        stream(n_rows)
        return
    rows, model = make_model(n_rows)
    print(f"{n_rows:,} x {N_FEATURES} rows (float64, {megabytes(rows.nbytes)}), LightGBM 100 x 31 leaves, two classes, "
          f"{os.cpu_count()} cores\n")  # fmt: skip
    print(f"{'':46}{'wall':>9}{'CPU':>10}{'memory':>11}")
    explanation = explain(model, rows)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EXPLANATION_CLIENT_HOME"] = f"{folder}/home"
        os.environ["EXPLANATION_CLIENT_CACHE_BYTES"] = "0"  # what is measured is the way, not the cache
        store(explanation, Path(folder))
    del explanation
    # Its peak of memory would be that of what came before.
    subprocess.run([sys.executable, __file__, "--stream", *(["--quick"] if quick else [])], check=True)
    alternatives(model, rows, 200 if quick else 2_000)


def make_model(n_rows: int) -> tuple[Rows, Any]:
    """Return rows to explain, and a model of two classes that was trained on some of them."""
    import lightgbm

    rng = np.random.default_rng(0)
    rows = rng.standard_normal((n_rows, N_FEATURES))
    train = rows[:TRAIN_ROWS]
    signal = train[:, :10] @ rng.standard_normal(10) + train[:, 0] * train[:, 1] + np.sin(2 * train[:, 2]) * train[:, 3]
    target = (signal + rng.standard_normal(len(train)) > 0).astype(np.int64)
    model = lightgbm.LGBMClassifier(n_estimators=100, num_leaves=31, verbose=-1, n_jobs=os.cpu_count())
    return rows, model.fit(train, target)


# --- The timeline -------------------------------------------------------------------------------------------------


def explain(model: Any, rows: Rows) -> Explanation:
    """Return the explanation of all rows, after printing what each step took."""
    explainer = step("read the model, prepare the kernel", lambda: TreeExplainer(model, show_progress=False))
    step("first rows (loads or makes the compiled code)", lambda: explainer.explain_global(rows[:1_000]))
    before = peak()
    whole = step("explain all rows, global only", lambda: explainer.explain_global(rows, include_local=False))
    note(f"memory grew by {megabytes(peak() - before)}, whatever the number of rows")
    before = peak()
    explanation = step("explain all rows, global and local", lambda: explainer.explain_global(rows))
    np.testing.assert_allclose(explanation.global_importance_values, whole.global_importance_values)
    local = explanation.local_importances
    assert local is not None
    assert local.shape == (2, len(rows), N_FEATURES)
    result = local.nbytes
    note(f"result {megabytes(result)} (both classes, float64), and a copy of the rows, {megabytes(rows.nbytes)}")
    note(f"memory grew by {(peak() - before) / result:.2f} times the result")
    note("with the model's own prediction of each row, and a check of each batch against it")
    return explanation


def store(explanation: Explanation, folder: Path) -> None:
    """Print what upload, listing and small downloads take."""
    with running_server(folder / "server") as server:
        run = server.create_run()

        def client() -> ExplanationClient:
            return ExplanationClient.from_run_id(server.uri, run_id=run.run_id)

        _, seconds, _ = measured("upload", lambda: client().upload_model_explanation(explanation, show_progress=False))
        files = [path for path in server.artifacts_folder.rglob("explanations/*/*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        note(
            f"{megabytes(size)} in {len(files)} files, {size / 1e6 / seconds:,.0f} MB/s; of one class, which the other "
            "mirrors"
        )
        step("list", lambda: client().list_model_explanations())
        top = step("download(top_k=4), global ranking", lambda: ranking(client()))
        assert top == explanation.get_ranked_global_names(4).tolist()
        middle = len(explanation) // 2
        wanted = slice(middle, middle + READ_ROWS)
        found = step(
            f"download of {READ_ROWS} rows from the middle",
            lambda: load(client(), wanted),
        )
        assert np.array_equal(found.local_importance_values, explanation[wanted].local_importance_values)


def stream(n_rows: int) -> None:
    """Print what the same number of rows takes that come in batches, in a process that never has all of them."""
    rows, model = make_model(TRAIN_ROWS)
    explainer = TreeExplainer(model, show_progress=False)
    explainer.explain_global(rows[:1_000])
    del rows
    rng = np.random.default_rng(1)
    batches = (rng.standard_normal((STREAM_ROWS, N_FEATURES)) for _ in range(n_rows // STREAM_ROWS))
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder) / "server") as server:
        os.environ["EXPLANATION_CLIENT_HOME"] = f"{folder}/home"
        run = server.create_run()
        client = ExplanationClient.from_run_id(server.uri, run_id=run.run_id)
        before, result = peak(), 2 * 8 * n_rows * N_FEATURES
        info = step("as a stream: explain and upload", lambda: client.upload_stream(explainer, batches))
        assert info.n_rows == n_rows
        note(f"memory grew by {megabytes(peak() - before)}, {(peak() - before) / result:.2f} times the result")
        note(f"the process had {megabytes(peak())} at most, {peak() / result:.2f} times the result")


def ranking(client: ExplanationClient) -> list[str]:
    """Return the names of the four globally most important features."""
    return client.download_model_explanation(top_k=4).get_ranked_global_names().tolist()


def load(client: ExplanationClient, rows: slice) -> Explanation:
    """Return some rows of the explanation, in memory."""
    return client.download_model_explanation()[rows].load()


# --- Beside it ----------------------------------------------------------------------------------------------------


def alternatives(model: Any, rows: Rows, sample: int) -> None:
    """Print what the kernel alone takes, and what other tools take for some rows, multiplied."""
    print(f"\n{'the same rows, values only':46}{'wall':>9}{'CPU':>10}")
    tables = TreeTables(model, compiled=True)
    step("the kernel by itself, float32 result", lambda: tables.shap_values(rows, dtype=np.float32), memory=False)
    measured("the model's predict_proba", lambda: model.predict_proba(rows), memory=False)
    few = rows[:sample]
    times = len(rows) / sample
    explainers = {"the model's own contributions (pred_contrib)": lambda: model.predict(few, pred_contrib=True)}
    try:
        import shap
    except ImportError:
        note("shap is not installed")
    else:
        theirs = shap.TreeExplainer(model)
        explainers["shap.TreeExplainer"] = lambda: theirs.shap_values(few)
    for name, work in explainers.items():
        measured(name, work, times=times, memory=False)
    note(f"extrapolated: measured on {sample:,} rows, times {times:,.0f}")
    pairs = TreeExplainer(model, interactions=True, show_progress=False)
    measured(
        "interactions of all pairs, means", lambda: pairs.explain_global(rows[:PAIR_ROWS], include_local=False),
        times=len(rows) / PAIR_ROWS, memory=False,
    )  # fmt: skip
    note(f"extrapolated: measured on {PAIR_ROWS:,} rows, times {len(rows) / PAIR_ROWS:,.0f}")


# --- Measuring ----------------------------------------------------------------------------------------------------


def step(name: str, work: Callable[[], T], *, memory: bool = True) -> T:
    """Return what the work returns, after printing a line."""
    return measured(name, work, memory=memory)[0]


def measured(name: str, work: Callable[[], T], *, times: float = 1.0, memory: bool = True) -> tuple[T, float, float]:
    """Return what the work returns, wall and CPU seconds times a factor, after printing them."""
    begun, cpu = time.perf_counter(), time.process_time()
    result = work()
    wall, cpu = (time.perf_counter() - begun) * times, (time.process_time() - cpu) * times
    most = f"{megabytes(peak()):>11}" if memory else ""
    print(f"{name:46}{wall:7.2f} s{cpu:8.2f} s{most}", flush=True)
    return result, wall, cpu


def note(text: str) -> None:
    print(f"    {text}", flush=True)


def peak() -> int:
    """Return the most memory that this process has had, in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


if __name__ == "__main__":
    main()
