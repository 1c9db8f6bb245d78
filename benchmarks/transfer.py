"""Uploads and downloads through a real ``mlflow server``, against the bare requests and against what peers do.

- upload and download of an explanation against PUT and GET of the same bytes with requests, on loopback and over a
  line of 1 Gbit/s
- encoding and decoding against JSON as Azure's SDK stored explanations, and against ``mlflow.log_table``
- what ``download_model_explanation(top_k=4)`` moves

Times are the best of several rounds, taken in turns; ours and the peer's in the same round. Ratios are what to look at.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import TypeVar

import numpy as np
import requests

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from _line import Line

from explanation_client import ExplanationClient
from explanation_client.explanation import Explanation
from explanation_client.format import build_manifest, dump_manifest, file_name, open_explanation, plan
from tests.strategies import random_explanation
from tests.support.proxy import FaultProxy
from tests.support.servers import Run, TrackingServer, running_server

GIGABIT = 1e9 / 8
T = TypeVar("T")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, a tenth of the rows for JSON and log_table")
    options = parser.parse_args()
    rounds = 3 if options.quick else 7
    rows = 100_000
    explanation = random_explanation(1, rows, 50, dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EXPLANATION_CLIENT_HOME"] = f"{folder}/home"
        os.environ["EXPLANATION_CLIENT_CACHE_BYTES"] = "0"  # what is measured is the way, not the cache
        with running_server(Path(folder) / "server") as server:
            print(f"{rows:,} x 50 float32, one mlflow server with one worker, {os.cpu_count()} cores\n")
            throughput(server, explanation, rounds)
            small_download(server, explanation)
            codecs(explanation, server, rows // 10 if options.quick else rows)


# --- Throughput ---------------------------------------------------------------------------------------------------


def throughput(server: TrackingServer, explanation: Explanation, rounds: int) -> None:
    """Print upload and download against PUT and GET of as many bytes in as many files."""
    run = server.create_run()
    client = ExplanationClient.from_run_id(server.uri, run_id=run.run_id)
    client.upload_model_explanation(explanation)
    files = list(server.artifacts_folder.rglob("explanations/*/*"))
    sizes = sorted((p.stat().st_size for p in files), reverse=True)
    n_local = sum(p.name.startswith("local-") for p in files)
    total = sum(sizes)
    print(f"{'':34}{'ours':>9}{'bare':>9}   of the bare speed ({total / 1e6:.1f} MB in {len(sizes)} files)")
    with Line(server.port, GIGABIT) as line:
        for where, uri in (("loopback", server.uri), ("line of 1 Gbit/s", line.uri)):
            ours, bare = compare(
                lambda uri=uri: upload(uri, run, explanation), lambda uri=uri: put(uri, run, sizes), rounds
            )
            report(f"upload, {where}", ours, bare)
            ours, bare = compare(lambda uri=uri: download(uri, run), lambda uri=uri: get(uri, run, n_local), rounds)
            report(f"download all rows, {where}", ours, bare)
    print()


def upload(uri: str, run: Run, explanation: Explanation) -> float:
    """Return the seconds of one upload."""
    client = ExplanationClient.from_run_id(uri, run_id=run.run_id)
    return seconds(lambda: client.upload_model_explanation(explanation, show_progress=False))


def put(uri: str, run: Run, sizes: list[int]) -> float:
    """Return the seconds of bare PUTs of files of these sizes, one after the other."""
    body = os.urandom(max(sizes))
    session = requests.Session()
    session.get(f"{uri}/health")

    def all_files() -> None:
        for number, size in enumerate(sizes):
            session.put(artifact(uri, run, f"bare/{number}"), data=memoryview(body)[:size]).raise_for_status()

    return seconds(all_files)


def download(uri: str, run: Run) -> float:
    """Return the seconds of one download with all local importances."""
    client = ExplanationClient.from_run_id(uri, run_id=run.run_id)
    return seconds(lambda: client.download_model_explanation().load())


def get(uri: str, run: Run, files: int) -> float:
    """Return the seconds of bare GETs of as many bytes as the local importances have, one file after the other."""
    session = requests.Session()
    session.get(f"{uri}/health")

    def all_files() -> None:
        for number in range(files):
            session.get(artifact(uri, run, f"bare/{number}")).raise_for_status()

    return seconds(all_files)


def artifact(uri: str, run: Run, path: str) -> str:
    """Return the address of an artifact of a run."""
    root = run.artifact_uri.removeprefix("mlflow-artifacts:/")
    return f"{uri}/api/2.0/mlflow-artifacts/artifacts/{root}/{path}"


# --- What a small question moves ----------------------------------------------------------------------------------


def small_download(server: TrackingServer, explanation: Explanation) -> None:
    """Print bytes and calls of download_model_explanation(top_k=4) and its global getters."""
    run = server.create_run()
    ExplanationClient.from_run_id(server.uri, run_id=run.run_id).upload_model_explanation(explanation)
    with Line(server.port) as line:
        client = ExplanationClient.from_run_id(line.uri, run_id=run.run_id)
        taken = seconds(lambda: client.download_model_explanation(top_k=4).get_ranked_global_names())
        up, down = line.carried()
    with FaultProxy(server.uri) as proxy:
        client = ExplanationClient.from_run_id(proxy.uri, run_id=run.run_id)
        client.download_model_explanation(top_k=4).get_ranked_global_names()
        calls = len(proxy.requests)
        proxy.forget()
        client.list_model_explanations()
        list_calls = len(proxy.requests)
    print(f"download(top_k=4), global: {(up + down) / 1e3:.1f} kB both ways, headers included (aim: under 64), "
          f"{calls} calls (aim: at most 5), {taken * 1e3:.0f} ms")  # fmt: skip
    print(f"list: {list_calls} call\n")


# --- Codecs -------------------------------------------------------------------------------------------------------


def codecs(explanation: Explanation, server: TrackingServer, rows: int) -> None:
    """Print CPU time and size of encoding and decoding against JSON and MLflow's tables."""
    part = explanation[:rows]
    ours_encode, files = cpu(lambda: [job() for job in plan(part, include_view=False)])
    local_only = sum(file.entry.size for file in files)
    entries = [with_name(file.entry, number) for number, file in enumerate(files)]
    manifest = build_manifest(part, entries, info=part.info)
    stored = {entry.name: file.data for entry, file in zip(entries, files, strict=True)}
    ours_decode, _ = cpu(lambda: open_explanation(manifest, lambda entry: stored[entry.name]).load())
    values = part.local_importance_values
    json_encode, text = cpu(lambda: "[" + ", ".join(json.dumps(row.tolist()) for row in values) + "]")
    json_decode, _ = cpu(lambda: np.array(json.loads(text), dtype=np.float32))
    table_encode, table_decode, table_size = log_table(part, server)
    print(f"{rows:,} x 50{'':16}{'encode ms CPU':>16}{'decode ms CPU':>16}{'MB':>9}   (ratio to ours)")
    size = local_only + len(dump_manifest(manifest))
    print(f"{'ours (all files)':28}{ours_encode * 1e3:14.0f}  {ours_decode * 1e3:14.0f}  {size / 1e6:9.1f}")
    for name, encode, decode, amount in (
        ("JSON, as Azure stored it", json_encode, json_decode, len(text)),
        ("mlflow.log_table, load_table", table_encode, table_decode, table_size),
    ):
        ratio = f"({encode / ours_encode:.0f}x, {decode / ours_decode:.0f}x, {amount / size:.1f}x)"
        print(f"{name:28}{encode * 1e3:14.0f}  {decode * 1e3:14.0f}  {amount / 1e6:9.1f}   {ratio}")


def log_table(explanation: Explanation, server: TrackingServer) -> tuple[float, float, int]:
    """Return CPU seconds of mlflow's log_table and load_table (client only), and the bytes stored."""
    import mlflow

    mlflow.set_tracking_uri(server.uri)
    frame = explanation.to_frame("local")
    frame.columns = [str(name) for name in frame.columns]
    with redirect_stdout(io.StringIO()), mlflow.start_run() as run:
        encode, _ = cpu(lambda: mlflow.log_table(frame.astype(float), "table.json"))
        try:
            decode, _ = cpu(lambda: mlflow.load_table("table.json", run_ids=[run.info.run_id]))
        except mlflow.exceptions.MlflowException as error:
            print(f"mlflow.load_table failed: {str(error)[:100]}")
            decode = float("nan")
    size = sum(p.stat().st_size for p in server.artifacts_folder.rglob(f"{run.info.run_id}/**/table.json"))
    return encode, decode, size


def with_name(entry, number):  # type: ignore[no-untyped-def]
    """Return a file's entry under a name."""
    from dataclasses import replace

    return replace(entry, name=file_name(entry, f"{number:016x}"))


# --- Measuring ----------------------------------------------------------------------------------------------------


def compare(ours: Callable[[], float], peer: Callable[[], float], rounds: int) -> tuple[float, float]:
    """Return the best of several rounds of each, taken in turns."""
    times = [(ours(), peer()) for _ in range(rounds + 1)][1:]
    return min(t[0] for t in times), min(t[1] for t in times)


def report(what: str, ours: float, bare: float) -> None:
    print(f"{what:34}{ours * 1e3:6.0f} ms{bare * 1e3:6.0f} ms   {bare / ours:.2f}")


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def cpu(work: Callable[[], T]) -> tuple[float, T]:
    begun = time.process_time()
    result = work()
    return time.process_time() - begun, result


if __name__ == "__main__":
    main()
