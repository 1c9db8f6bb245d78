"""Prediction with and without explanation over HTTP: ``python benchmarks/serving.py [--quick]``.

A LightGBM classifier of breast cancer (100 trees, 30 features), served by ``explanation-client serve`` and, in the same
run, by ``mlflow models serve`` as MLflow's LightGBM model (predictions alone). One worker each, loopback, one client on
a connection that it keeps, whose own work is no part of the figures. CPU is that of all processes of a service, for
each request: on a machine that does other things too it says more than the times do.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import mlflow.lightgbm
from lightgbm import LGBMClassifier
from sklearn.datasets import load_breast_cancer

from explanation_client.explainers import TabularExplainer
from explanation_client.scoring import save
from explanation_client.scoring.pyfunc import save_pyfunc
from tests.support.services import ScoringService, cpu_seconds, resident_bytes, running_service

DATA = load_breast_cancer(as_frame=True)
BATCH = 1000


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one kind of request: milliseconds of CPU for each, times in milliseconds, and requests a second."""

    cpu: float
    p50: float
    p99: float
    rate: float

    def line(self, rows: int) -> str:
        """Return the figures as they are printed."""
        rate = f"{self.rate * rows:10,.0f} rows/s"
        return f"CPU {self.cpu:8.3f} ms   p50 {self.p50:8.3f} ms   p99 {self.p99:8.3f} ms   {rate}"


class Client:
    """Asks one service over one connection, with as little work of its own as can be."""

    def __init__(self, service: ScoringService, path: str) -> None:
        self._service = service
        self._path = path
        self._connection = socket.create_connection(("127.0.0.1", service.port))
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def measure(self, body: dict[str, Any], *, seconds: float) -> Figures:
        """Return the figures of a request that is repeated for some seconds, after a fifth of that."""
        request = self._request(body)
        self._repeat(request, seconds / 5)
        pids = self._service.descendants()
        before = cpu_seconds(pids)
        times = self._repeat(request, seconds)
        cpu = (cpu_seconds(pids) - before) / len(times)
        ranked = sorted(times)
        return Figures(
            1e3 * cpu,
            1e3 * statistics.median(times),
            1e3 * ranked[min(len(ranked) - 1, int(0.99 * len(ranked)))],
            len(times) / sum(times),
        )

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _request(self, body: dict[str, Any]) -> bytes:
        data = json.dumps(body).encode()
        head = f"POST {self._path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(data)}"
        return f"{head}\r\n\r\n".encode() + data

    def _repeat(self, request: bytes, seconds: float) -> list[float]:
        times: list[float] = []
        until = time.perf_counter() + seconds
        while not times or time.perf_counter() < until:
            start = time.perf_counter()
            self._connection.sendall(request)
            self._read()
            times.append(time.perf_counter() - start)
        return times

    def _read(self) -> None:
        found = b""
        while b"\r\n\r\n" not in found:
            found += self._some()
        head, _, rest = found.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"the service said {head.decode()}\n{rest.decode()[:1000]}")
        left = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0]) - len(rest)
        while left > 0:
            left -= len(self._some())

    def _some(self) -> bytes:
        piece = self._connection.recv(1 << 20)
        if not piece:
            raise SystemExit(f"the service closed the connection:\n{self._service.log[-2000:]}")
        return piece


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two seconds for each figure")
    seconds = 2.0 if parser.parse_args().quick else 6.0
    model = LGBMClassifier(n_estimators=100, verbose=-1, random_state=0).fit(DATA.data, DATA.target)
    explainer = TabularExplainer(model, DATA.data, classes=["malignant", "benign"]).create_scoring_explainer(DATA.data)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save(explainer, folder / "scoring_explainer")
        save_pyfunc(explainer, folder / "explained")
        mlflow.lightgbm.save_model(model.booster_, str(folder / "bare"), pip_requirements=["lightgbm"])
        ours = measure_ours(folder, seconds)
        bare = measure_mlflow(folder, "bare", "mlflow models serve, LightGBM, predictions", seconds)
        measure_mlflow(folder, "explained", "mlflow models serve, our pyfunc, with explanation", seconds)
    added = ours["explained", 1].cpu - ours["predicted", 1].cpu
    print(f"  explanation adds {added:.3f} ms CPU to the prediction of a row")
    for rows in (1, BATCH):
        ratios = [bare[rows].cpu / ours[kind, rows].cpu for kind in ("predicted", "explained")]
        print(
            f"  {rows} rows: {ratios[0]:.1f} times less CPU than mlflow models serve; {ratios[1]:.1f} with explanations"
        )


def measure_ours(folder: Path, seconds: float) -> dict[tuple[str, int], Figures]:
    found = {}
    with running_service(folder, folder / "scoring_explainer") as service:
        client = Client(service, "/score")
        print("explanation-client serve")
        for kind, options in (("predicted", {"explain": False}), ("explained", {}), ("top 4", {"top_k": 4})):
            for rows in (1, BATCH):
                found[kind, rows] = client.measure({"data": values(rows), **options}, seconds=seconds)
                print(f"  {kind:10} {rows:5} rows   {found[kind, rows].line(rows)}", flush=True)
        print(f"  memory: {resident_bytes([service.process.pid, *service.descendants()]) / 1e6:.0f} MB in all")
        client.close()
    return found


def measure_mlflow(folder: Path, model: str, what: str, seconds: float) -> dict[int, Figures]:
    command = (sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local", "--workers", "1")
    service = ScoringService(folder, ("--model-uri", str(folder / model), "--port", "{port}"), {}, command)
    found = {}
    try:
        service.start()
        client = Client(service, "/invocations")
        print(what)
        for rows in (1, BATCH):
            split = {"columns": list(DATA.data.columns), "data": values(rows)}
            found[rows] = client.measure({"dataframe_split": split}, seconds=seconds)
            print(f"  {'':10} {rows:5} rows   {found[rows].line(rows)}", flush=True)
        print(f"  memory: {resident_bytes(service.descendants()) / 1e6:.0f} MB, without the parent")
        client.close()
    finally:
        service.kill()
    return found


def values(rows: int) -> list[list[float]]:
    every: list[list[float]] = DATA.data.to_numpy().tolist()
    return (every * (rows // len(every) + 1))[:rows]


if __name__ == "__main__":
    main()
