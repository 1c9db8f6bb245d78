"""Times the tree kernel against its peers: ``python benchmarks/treeshap.py [--quick]``.

Every figure is CPU time of this process with one thread (waiting for other programs does not count),
per row, in microseconds, after a first call that compiles and warms up. Slow explainers get few
rows, fast ones many; woodelf and shapiq are left out where unpruned trees would keep them busy for minutes.
All explain the same rows of the same model in the same run.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.treeshap import TreeTables

Rows = NDArray[np.float64]
Call = Callable[[Rows], Any]

COLUMNS = ("ours", "shap", "own", "woodelf", "shapiq", "predict")
HINTS = {"woodelf": "pip install woodelf-explainer", "shapiq": "pip install shapiq"}


@dataclass(frozen=True)
class Data:
    """Rows to train on and to explain, and a target of two classes."""

    name: str
    train: Rows
    target: NDArray[np.int64]
    rows: Rows


@dataclass(frozen=True)
class Case:
    """A fitted model, and how it gives predictions and, if it can, contributions of its own."""

    name: str
    data: Data
    model: Any
    predict: Call
    own: Call | None = None
    deep: bool = False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small data, the first cases, a minute in all")
    quick = parser.parse_args().quick
    # Other packages' warnings would break up the table.
    warnings.simplefilter("ignore")
    budget = 0.2 if quick else 1.0
    print(f"Python {platform.python_version()} on {platform.machine()}; CPU microseconds per row, one thread")
    for package, hint in HINTS.items():
        if find(package) is None:
            print(f"{package}: not installed ({hint})")
    cases = list(make_cases(quick))
    print_table(cases, budget)
    plain = cases[0]
    print_background(plain, budget, quick)
    print_threads(plain)
    print_single_rows(cases)


def find(package: str) -> Any:
    """Return an importable peer, or None."""
    try:
        return importlib.import_module(package)
    except ImportError:
        return None


def make_data(quick: bool) -> tuple[Data, Data]:
    """Return synthetic rows of 50 features, and breast cancer."""
    from sklearn.datasets import load_breast_cancer

    count = 10_000 if quick else 100_000
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 50))
    signal = x[:, :10] @ rng.normal(size=10) + x[:, 0] * x[:, 1] + np.sin(2.0 * x[:, 2]) * x[:, 3]
    target = (signal + rng.normal(size=count) > 0).astype(np.int64)
    # Forests of 100,000 rows take minutes to grow and gigabytes to keep: 20,000 say as much.
    train = min(count, 20_000)
    synthetic = Data(f"synthetic {count} x 50", x[:train], target[:train], x)
    x, y = load_breast_cancer(return_X_y=True)
    return synthetic, Data("breast cancer", x, y, np.tile(x, (20, 1)))


def make_cases(quick: bool) -> Iterator[Case]:
    synthetic, cancer = make_data(quick)
    for data in (synthetic, cancer):
        yield lightgbm_case("LightGBM 100 x 31", data, n_estimators=100, num_leaves=31)
        yield xgboost_case("XGBoost 100 x depth 6", data, n_estimators=100, max_depth=6)
        yield sklearn_case("RandomForest 100 x depth 8", data, "RandomForestClassifier", max_depth=8)
        if quick and data is synthetic:
            continue
        yield lightgbm_case("LightGBM 500 x 127", data, n_estimators=500, num_leaves=127)
        yield sklearn_case("RandomForest 100, unpruned", data, "RandomForestClassifier")
        yield sklearn_case("HistGradientBoosting 100", data, "HistGradientBoostingClassifier")
        yield catboost_case("CatBoost 100 x depth 6", data, iterations=100, depth=6)


def lightgbm_case(name: str, data: Data, **options: Any) -> Case:
    import lightgbm

    model = lightgbm.LGBMClassifier(**options, n_jobs=1, verbose=-1, min_child_samples=5).fit(data.train, data.target)
    booster = model.booster_

    def predict(rows: Rows) -> Any:
        return booster.predict(rows, raw_score=True, num_threads=1)

    def own(rows: Rows) -> Any:
        return booster.predict(rows, pred_contrib=True, num_threads=1)

    return Case(name, data, model, predict, own)


def xgboost_case(name: str, data: Data, **options: Any) -> Case:
    import xgboost

    model = xgboost.XGBClassifier(**options, n_jobs=1).fit(data.train, data.target)
    booster = model.get_booster()

    def predict(rows: Rows) -> Any:
        return model.predict(rows, output_margin=True)

    def own(rows: Rows) -> Any:
        return booster.predict(xgboost.DMatrix(rows, nthread=1), pred_contribs=True)

    return Case(name, data, model, predict, own)


def catboost_case(name: str, data: Data, **options: Any) -> Case:
    import catboost

    model = catboost.CatBoostClassifier(**options, thread_count=1, verbose=False, allow_writing_files=False)
    model.fit(data.train, data.target)

    def predict(rows: Rows) -> Any:
        return model.predict(rows, prediction_type="RawFormulaVal", thread_count=1)

    def own(rows: Rows) -> Any:
        return model.get_feature_importance(catboost.Pool(rows), type="ShapValues", thread_count=1)

    return Case(name, data, model, predict, own)


def sklearn_case(name: str, data: Data, kind: str, **options: Any) -> Case:
    from sklearn import ensemble

    if kind == "RandomForestClassifier":
        options = {"n_estimators": 100, "random_state": 0, **options}
    model = getattr(ensemble, kind)(**options).fit(data.train, data.target)
    deep = kind == "RandomForestClassifier" and "max_depth" not in options and len(data.train) > 1000
    return Case(name, data, model, model.predict_proba, deep=deep)


def per_row(call: Call, rows: Rows, budget: float, *, first: int = 16) -> float:
    """Return CPU microseconds per row: as many rows as fit the budget of seconds, the best of three."""
    start = time.process_time()
    call(rows[:first])
    spent = time.process_time() - start
    if spent > 5.0 * budget:
        # Far too slow for compiling or warming up to matter.
        return 1e6 * spent / first
    count, best = first, np.inf
    while True:
        start = time.process_time()
        call(rows[:count])
        spent = time.process_time() - start
        if spent > budget / 8 or count == len(rows):
            break
        count = min(len(rows), count * 4)
    for _ in range(2 if spent < budget else 0):
        start = time.process_time()
        call(rows[:count])
        best = min(best, time.process_time() - start)
    return 1e6 * min(best, spent) / count


def shap_call(model: Any, background: Rows | None = None) -> Call:
    import shap

    # Left to itself, shap keeps a sample of 100 rows of a background.
    data = None if background is None else shap.maskers.Independent(background, max_samples=len(background))
    explainer = shap.TreeExplainer(model, data)
    return lambda rows: explainer.shap_values(rows, check_additivity=False)


def woodelf_call(case: Case) -> Call | None:
    package = find("woodelf")
    if package is None:
        return None
    import pandas

    explainer = package.WoodelfExplainer(case.model)
    names = [f"Column_{i}" for i in range(case.data.rows.shape[1])]
    return lambda rows: explainer.shap_values(pandas.DataFrame(rows, columns=names), verbose=False)


def shapiq_call(case: Case) -> Call | None:
    package = find("shapiq")
    if package is None:
        return None
    explainer = package.TreeExplainer(case.model, max_order=1, index="SV", class_index=1)
    return lambda rows: [explainer.explain(row) for row in rows]


def attempt(make: Callable[[], Call | None], rows: Rows, budget: float, *, first: int = 16) -> float:
    """Return the time of a peer; NaN where it is missing or does not know the model."""
    try:
        call = make()
        return np.nan if call is None else per_row(call, rows, budget, first=first)
    except Exception as error:  # whatever a peer raises is its own affair
        print(f"  ({type(error).__name__}: {str(error).splitlines()[0][:90] if str(error) else ''})")
        return np.nan


def shown(number: float, width: int = 10) -> str:
    if np.isnan(number):
        return "-".rjust(width)
    return (f"{number:.1f}" if number < 1000 else f"{number:.0f}").rjust(width)


def print_table(cases: list[Case], budget: float) -> None:
    head = "".join(name.rjust(10) for name in COLUMNS)
    head += (
        "shap/ours".rjust(11) + "best/ours".rjust(11) + "ours/pred".rjust(11) + "prepare ms".rjust(12) + "MB".rjust(7)
    )
    data = None
    for case in cases:
        if case.data is not data:
            data = case.data
            print(f"\n{data.name}".ljust(29) + head)
        print(case.name.ljust(28) + table_line(case, budget), flush=True)


def table_line(case: Case, budget: float) -> str:
    rows = case.data.rows
    TreeTables(case.model, threads=1, compiled=True).shap_values(rows[:64])  # compiles, once per machine
    start = time.process_time()
    tables = TreeTables(case.model, threads=1, compiled=True)
    prepared = 1e3 * (time.process_time() - start)
    times = {
        "ours": per_row(tables.shap_values, rows, budget, first=64),
        "shap": attempt(lambda: shap_call(case.model), rows, budget, first=2),
        "own": np.nan if case.own is None else per_row(case.own, rows, budget),
        # woodelf needs many rows to pay off, but takes minutes for any number of them where trees are deep.
        "woodelf": np.nan if case.deep else attempt(lambda: woodelf_call(case), rows, budget, first=len(rows) // 5),
        "shapiq": np.nan if case.deep else attempt(lambda: shapiq_call(case), rows, budget, first=1),
        "predict": per_row(case.predict, rows, budget, first=256),
    }
    peers = [times[name] for name in ("shap", "own", "woodelf", "shapiq")]
    best = np.nanmin(peers) if not np.all(np.isnan(peers)) else np.nan
    ratios = (times["shap"] / times["ours"], best / times["ours"], times["ours"] / times["predict"])
    line = "".join(shown(times[name]) for name in COLUMNS)
    line += "".join(f"{ratio:.2f}".rjust(11) for ratio in ratios)
    return line + f"{prepared:.1f}".rjust(12) + f"{tables.table_bytes / 1e6:.1f}".rjust(7)


def print_background(case: Case, budget: float, quick: bool) -> None:
    print(f"\nWith a background: {case.name}, {case.data.name}")
    for size in (100, 1_000 if quick else 10_000):
        background = case.data.rows[:size]
        TreeTables(case.model, background[:10], threads=1, compiled=True).shap_values(case.data.rows[:64])
        start = time.process_time()
        tables = TreeTables(case.model, background, threads=1, compiled=True)
        prepared = 1e3 * (time.process_time() - start)
        ours = per_row(tables.shap_values, case.data.rows, budget, first=64)
        # One row with the largest background takes shap about a second.
        few = case.data.rows[: 64 if size == 100 else 2]
        peer = attempt(lambda rows=background: shap_call(case.model, rows), few, budget, first=2)  # type: ignore[misc]
        print(
            f"  {size:6d} rows: ours {shown(ours)}, shap {shown(peer)} ({peer / ours:.0f} times), "
            f"tables {tables.table_bytes / 1e6:.1f} MB in {prepared:.0f} ms"
        )


def print_threads(case: Case) -> None:
    print(f"\nThreads: {case.name}; wall time, which other programs disturb, and what CPU time says of idle cores")
    tables = TreeTables(case.model, compiled=True)
    rows = np.tile(case.data.rows, (max(1, 100_000 // len(case.data.rows)), 1))
    wall, cpu = {}, {}
    for threads in (1, 2, 4)[: 2 if tables.threads < 4 else 3]:
        runs = [thread_times(tables, rows, threads) for _ in range(3)]
        wall[threads] = min(run[0] for run in runs)
        # What one thread does alone, and its share of what all do: as if every thread had a core to itself.
        cpu[threads] = min(alone + (total - alone) / threads for _, total, alone in runs)
        print(
            f"  {threads}: {1e6 * wall[threads] / len(rows):.2f} us per row, {wall[1] / wall[threads]:.2f} times; "
            f"by CPU time {cpu[1] / cpu[threads]:.2f} times"
        )


def thread_times(tables: TreeTables, rows: Rows, threads: int) -> tuple[float, float, float]:
    """Return wall time, CPU time of all threads, and that of the calling one where there are others."""
    wall, total, alone = time.perf_counter(), time.process_time(), time.thread_time()
    tables.shap_values(rows, threads=threads)
    alone = time.thread_time() - alone if threads > 1 else 0.0
    return time.perf_counter() - wall, time.process_time() - total, alone


def print_single_rows(cases: list[Case]) -> None:
    print("\nOne row at a time, CPU microseconds per call")
    for case in cases:
        tables = TreeTables(case.model, threads=1, compiled=True)
        rows = case.data.rows[:200]
        tables.shap_values_row(rows[0])
        runs = []
        for _ in range(5):
            start = time.process_time()
            for row in rows:
                tables.shap_values_row(row)
            runs.append(1e6 * (time.process_time() - start) / len(rows))
        ours = min(runs)
        start = time.process_time()
        for row in rows[:20]:
            case.predict(row[None])
        predict = 1e6 * (time.process_time() - start) / 20
        print(f"  {case.name.ljust(28)}{case.data.name.ljust(24)}ours {shown(ours)}, predict {shown(predict)}")


if __name__ == "__main__":
    main()
