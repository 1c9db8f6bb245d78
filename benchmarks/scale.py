"""How listing, searching and top-k downloads grow: ``python benchmarks/scale.py [--quick]``.

- with the number of explanations in an experiment: 10, 100 and 1,000, each in a run of its own
- with the number of explained rows: 1,000, 30,000 and 1,000,000 of 20 features

``--quick`` stops a step earlier. Each line says how many requests were made, how many bytes came, and the wall and CPU
time of this process; the server is a real ``mlflow server``, and nothing is cached. Beside it stands what MLflow alone
has for the same question: the artifacts of every run, listed one by one; and the values as one file of the run, which
is downloaded whole.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import requests

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from _line import Line

from explanation_client import ExplanationClient
from explanation_client.explanation import Explanation
from tests.strategies import explanation_of, random_explanation
from tests.support.servers import Run, TrackingServer, running_server

N_FEATURES = 20
TOP_K = 4
T = TypeVar("T")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="at most 100 explanations, and 30,000 rows")
    quick = parser.parse_args().quick
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EXPLANATION_CLIENT_HOME"] = f"{folder}/home"
        os.environ["EXPLANATION_CLIENT_CACHE_BYTES"] = "0"  # what is measured is the way, not the cache
        with running_server(Path(folder) / "server") as server, Line(server.port) as line, Counter(line) as counter:
            many_explanations(server, counter, (10, 100) if quick else (10, 100, 1_000))
            many_rows(server, counter, (1_000, 30_000) if quick else (1_000, 30_000, 1_000_000), Path(folder))


# --- Explanations of an experiment --------------------------------------------------------------------------------


def many_explanations(server: TrackingServer, counter: Counter, numbers: tuple[int, ...]) -> None:
    """Print what is asked of experiments with so many explanations."""
    warm_up(server, counter)
    heading("explanations in an experiment")
    for number in numbers:
        name = f"{number} explanations"
        runs = fill(server, name, number)
        client = ExplanationClient.from_run_id(counter.uri, run_id=runs[-1].run_id)
        counter.measure(number, "list those of a run", client.list_model_explanations, calls=1)
        found = counter.measure(
            number,
            "search the experiment by top feature",
            lambda name=name: ExplanationClient.search(counter.uri, experiment_names=name, top_feature="feature 7"),  # type: ignore[misc]
        )
        assert 0 < len(found) < number
        counter.measure(number, f"download(top_k={TOP_K}) of one", lambda c=client: ranking(c))  # type: ignore[misc]
        listed = counter.measure(
            number,
            "MLflow: list the artifacts of each run",
            lambda runs=runs: list_artifacts(counter.uri, runs),  # type: ignore[misc]
        )
        assert len(listed) == number
    print()


def warm_up(server: TrackingServer, counter: Counter) -> None:
    """Let everything be imported and connected that is measured afterwards."""
    runs = fill(server, "warm-up", 2)
    client = ExplanationClient.from_run_id(counter.uri, run_id=runs[0].run_id)
    client.list_model_explanations()
    client.download_model_explanation()[0:1].load()
    ExplanationClient.search(counter.uri, experiment_names="warm-up")
    list_artifacts(counter.uri, runs)


def fill(server: TrackingServer, experiment: str, number: int) -> list[Run]:
    """Return new runs of an experiment, each with one explanation."""
    rng = np.random.default_rng(0)

    def one(values: np.ndarray) -> Run:
        run = server.create_run(experiment=experiment)
        client = ExplanationClient.from_run_id(server.uri, run_id=run.run_id)
        client.upload_model_explanation(explanation_of(values), visualize=False)
        return run

    first = one(rng.standard_normal((1, 10, N_FEATURES)))
    with ThreadPoolExecutor(4) as pool:
        return [first, *pool.map(one, rng.standard_normal((number - 1, 1, 10, N_FEATURES)))]


def list_artifacts(uri: str, runs: list[Run]) -> list[str]:
    """Return the folder of explanations of each run, as MLflow's client finds it."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    runs_of_experiment = client.search_runs([runs[0].experiment_id], max_results=1_000)
    return [info.path for run in runs_of_experiment for info in client.list_artifacts(run.info.run_id, "explanations")]


# --- Rows of an explanation ---------------------------------------------------------------------------------------


def many_rows(server: TrackingServer, counter: Counter, numbers: tuple[int, ...], folder: Path) -> None:
    """Print what is asked of explanations with so many rows."""
    heading("rows in an explanation")
    for number in numbers:
        explanation = random_explanation(1, number, N_FEATURES, dtype=np.float32)
        run = server.create_run(experiment="rows")
        direct = ExplanationClient.from_run_id(server.uri, run_id=run.run_id)
        direct.upload_model_explanation(explanation, show_progress=False)
        log_values(server.uri, run, explanation, folder)
        client = ExplanationClient.from_run_id(counter.uri, run_id=run.run_id)
        counter.measure(number, "list", client.list_model_explanations, calls=1)
        top = counter.measure(number, f"download(top_k={TOP_K}), global ranking", lambda c=client: ranking(c))  # type: ignore[misc]
        middle = slice(number // 2, number // 2 + 10)
        counter.measure(
            number, "download of 10 rows from the middle",
            lambda c=client, rows=middle: c.download_model_explanation()[rows].load(),  # type: ignore[misc]
        )  # fmt: skip
        theirs = counter.measure(
            number,
            "MLflow: download the file, rank",
            lambda run=run: rank_values(counter.uri, run),  # type: ignore[misc]
        )
        assert top == theirs
    print()


def ranking(client: ExplanationClient) -> list[str]:
    """Return the names of the globally most important features."""
    names: list[str] = client.download_model_explanation(top_k=TOP_K).get_ranked_global_names().tolist()
    return names


def log_values(uri: str, run: Run, explanation: Explanation, folder: Path) -> None:
    """Log the local values as one Parquet file, as one does without us."""
    from mlflow import MlflowClient

    local = explanation.local_importances
    assert local is not None
    columns = dict(zip(explanation.features, local.values[0].T, strict=True))
    pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), folder / "values.parquet")
    MlflowClient(uri).log_artifact(run.run_id, str(folder / "values.parquet"))


def rank_values(uri: str, run: Run) -> list[str]:
    """Return the same names from that file."""
    from mlflow.artifacts import download_artifacts

    with tempfile.TemporaryDirectory() as folder:
        path = download_artifacts(run_id=run.run_id, artifact_path="values.parquet", dst_path=folder, tracking_uri=uri)
        table = pq.read_table(path)
    means = np.array([np.abs(column.to_numpy()).mean(dtype=np.float64) for column in table.columns])
    return [table.column_names[i] for i in np.argsort(-means, kind="stable")[:TOP_K]]


# --- Measuring ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Counter:
    """Counts requests, and the bytes that the line carries; a context manager."""

    line: Line
    calls: int = 0
    _send: Any = None

    @property
    def uri(self) -> str:
        """The server's address at the near end of the line."""
        return self.line.uri

    def __enter__(self) -> Counter:
        self._send = requests.adapters.HTTPAdapter.send

        def send(adapter: Any, *arguments: Any, **options: Any) -> Any:
            self.calls += 1
            return self._send(adapter, *arguments, **options)

        requests.adapters.HTTPAdapter.send = send  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        requests.adapters.HTTPAdapter.send = self._send  # type: ignore[method-assign]

    def measure(self, number: int, what: str, work: Callable[[], T], *, calls: int | None = None) -> T:
        """Return what the work returns, after printing what it took."""
        before, (_, came) = self.calls, self.line.carried()
        begun, cpu = time.perf_counter(), time.process_time()
        result = work()
        wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
        made, received = self.calls - before, self.line.carried()[1] - came
        assert calls in (None, made)
        print(f"{number:>11,}  {what:42}{made:7,}{received:15,}{wall * 1e3:11,.1f} ms{cpu * 1e3:11,.1f} ms", flush=True)
        return result


def heading(what: str) -> None:
    print(f"{what}\n{'':55}{'calls':>7}{'bytes':>15}{'wall':>14}{'CPU':>14}", flush=True)


if __name__ == "__main__":
    main()
