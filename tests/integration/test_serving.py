"""A scoring explainer served by real processes: asked, restarted, stopped, broken."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from lightgbm import LGBMClassifier
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from explanation_client import ExplanationClient
from explanation_client.drift import attribution_drift
from explanation_client.explainers import TabularExplainer
from explanation_client.scoring import ScoringExplainer, load, save
from tests.support.servers import Run, free_port
from tests.support.services import ScoringService, resident_bytes, running_service

pytestmark = pytest.mark.integration

EXAMPLES = Path(__file__).parents[2] / "examples"
HEADERS = {"Content-Type": "application/json"}
DATA = load_breast_cancer()
X_TRAIN, X_TEST, Y_TRAIN, Y_TEST = train_test_split(DATA.data, DATA.target, test_size=0.2, random_state=0)


def scoring_explainer_of(seed: int) -> ScoringExplainer:
    model = LGBMClassifier(n_estimators=20, verbose=-1, subsample=0.5, subsample_freq=1, random_state=seed)
    explainer = TabularExplainer(
        model.fit(X_TRAIN, Y_TRAIN),
        X_TRAIN,
        features=DATA.feature_names,
        classes=DATA.target_names.tolist(),
    )
    return explainer.create_scoring_explainer(X_TEST)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a saved scoring explainer; not to be changed."""
    return Path(save(scoring_explainer_of(0), tmp_path_factory.mktemp("saved") / "scoring_explainer"))


@pytest.fixture(scope="module")
def service(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A running service with two workers; not to be stopped."""
    with running_service(tmp_path_factory.mktemp("service"), saved, "--workers", 2, "--max-bytes", 200_000) as running:
        yield running


def rows_of(count: int) -> str:
    return json.dumps({"data": X_TEST[:count].tolist()})


def test_the_steps_of_the_seeds(service: ScoringService, saved: Path) -> None:
    scoring_explainer = load(saved)
    x_test = X_TEST

    # Create data to test service with
    x_list = x_test.tolist()
    examples = x_list[:4]
    input_data = '{"data": ' + str(examples) + "}"

    headers = {"Content-Type": "application/json"}

    # send request to service
    resp = requests.post(service.scoring_uri, input_data, headers=headers, timeout=60)

    answer = resp.json()
    assert answer["predictions"] == scoring_explainer.predict(x_test[:4]).tolist()
    assert answer["local_importance_values"] == scoring_explainer.explain(x_test[:4]).tolist()


def test_the_example_registers_serves_and_asks(run: Run, tmp_path: Path) -> None:
    environment = {**os.environ, "MLFLOW_TRACKING_URI": run.tracking_uri, "PYTHONPATH": str(EXAMPLES.parent)}
    finished = subprocess.run(
        [sys.executable, str(EXAMPLES / "deploy.py"), str(free_port())],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    assert "breast_cancer_scoring_explainer\t1\n" in finished.stdout
    assert re.search(r"prediction: \[[01], [01], [01], [01]\]\n", finished.stdout)


def test_the_script_of_the_seeds(saved: Path, tmp_path: Path) -> None:
    with running_service(tmp_path, saved, "--script", EXAMPLES / "score.py") as service:
        answer = requests.post(service.scoring_uri, rows_of(4), headers=HEADERS, timeout=60).json()
        assert answer == {
            "predictions": load(saved).predict(X_TEST[:4]).tolist(),
            "local_importance_values": load(saved).explain(X_TEST[:4]).tolist(),
        }
        fault = requests.post(service.scoring_uri, "{", headers=HEADERS, timeout=60)
        assert fault.status_code == 500
        assert requests.get(f"{service.uri}/openapi.json", timeout=60).json()["paths"]["/score"]


def test_it_stops_when_it_is_told_to_and_says_nothing_of_rows(saved: Path, tmp_path: Path) -> None:
    with running_service(tmp_path, saved, "--access-log") as service:
        requests.post(service.scoring_uri, rows_of(1), headers=HEADERS, timeout=60)
        workers = service.descendants()
        assert len(workers) == 1
        assert service.stop() == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
        assert '"POST /score HTTP/1.1" 200' in service.log
        assert str(X_TEST[0, 0]) not in service.log
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{service.uri}/ping", timeout=5)


def test_what_has_arrived_is_answered_before_it_stops(tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text("import time\ndef init(): pass\ndef run(raw_data):\n    time.sleep(1.5)\n    return raw_data\n")
    answers: list[requests.Response] = []
    with running_service(tmp_path, tmp_path, "--script", script) as service:

        def ask() -> None:
            answers.append(requests.post(service.scoring_uri, "{}", headers=HEADERS, timeout=60))

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.4)
        service.send(signal.SIGTERM)
        asking.join()
        assert service.stop() == 0
    assert [answer.status_code for answer in answers] == [200]


def test_no_request_is_lost_while_it_loads_a_new_model(tmp_path: Path) -> None:
    old, new = scoring_explainer_of(0), scoring_explainer_of(1)
    before, after = (explainer.explain(X_TEST[:1]).tolist() for explainer in (old, new))
    assert before != after
    folder = tmp_path / "scoring_explainer"
    save(old, folder)
    with running_service(tmp_path, folder, "--workers", 2) as service:
        asked = Asking(service, clients=8)
        with asked:
            time.sleep(0.5)
            save(new, folder, exist_ok=True)
            service.send(signal.SIGHUP)
            wait_for(lambda: asked.count(after) > 100 and service.log.count("serving") == 2)
    assert asked.failures == []
    assert asked.count(before) > 0
    assert asked.answers.index(after) > 0
    assert asked.count(before) + asked.count(after) == len(asked.answers)


def test_a_damaged_model_leaves_the_old_one_in_service(saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scoring_explainer"
    save(load(saved), folder)
    with running_service(tmp_path, folder) as service:
        for file in folder.iterdir():
            file.write_bytes(file.read_bytes()[:-1])
        service.send(signal.SIGHUP)
        wait_for(lambda: "the old ones go on" in service.log)
        answer = requests.post(service.scoring_uri, rows_of(1), headers=HEADERS, timeout=60)
        assert answer.json()["local_importance_values"] == load(saved).explain(X_TEST[:1]).tolist()


def test_a_worker_that_dies_is_replaced(saved: Path, tmp_path: Path) -> None:
    with running_service(tmp_path, saved) as service:
        requests.post(service.scoring_uri, rows_of(3), headers=HEADERS, timeout=60)
        (worker,) = service.descendants()
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: service.descendants() not in ([], [worker]))
        # The connection waits until the new worker takes it.
        assert requests.post(service.scoring_uri, rows_of(1), headers=HEADERS, timeout=60).status_code == 200
        metrics = requests.get(f"{service.uri}/metrics", timeout=60).text
        assert "explanation_service_rows_total 4" in metrics


def test_workers_end_where_the_supervisor_is_killed(saved: Path, tmp_path: Path) -> None:
    with running_service(tmp_path, saved) as service:
        (worker,) = service.descendants()
        service.send(signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{worker}").exists())


@pytest.mark.parametrize("damage", ["nothing", "flipped", "pickle"])
def test_what_cannot_be_trusted_is_not_served(saved: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "scoring_explainer"
    save(load(saved), folder)
    if damage == "nothing":
        for file in folder.iterdir():
            file.unlink()
    elif damage == "flipped":
        file = next(folder.glob("*.json"))
        file.write_bytes(file.read_bytes().replace(b"0", b"1", 1))
    else:
        (folder / "model.pkl").write_bytes(b"cos\nsystem\n(S'touch executed'\ntR.")
    finished = subprocess.run(
        [sys.executable, "-m", "explanation_client.cli", "serve", str(folder), "--port", "0"],
        cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert finished.returncode == 1
    assert "the service can't start" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (tmp_path / "executed").exists()


def test_an_address_that_is_taken_is_said(saved: Path, service: ScoringService) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "explanation_client.cli", "serve", str(saved), "--port", str(service.port)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert finished.returncode == 1
    assert f"port {service.port}" in finished.stderr


def test_a_large_body_is_refused_before_it_has_arrived(service: ScoringService) -> None:
    body = b'{"data": [' + b" " * 10_000_000
    answer = requests.post(service.scoring_uri, body[:600_000], headers=HEADERS, timeout=60)
    assert answer.status_code == 413
    head = "POST /score HTTP/1.1\r\nHost: service\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(f"{head}Content-Length: {10**12}\r\nExpect: 100-continue\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")


def test_workers_answer_for_one_another(service: ScoringService) -> None:
    def rows() -> set[str]:
        texts = [requests.get(f"{service.uri}/metrics", timeout=60).text for _ in range(8)]
        return {line for text in texts for line in text.splitlines() if line.startswith("explanation_service_rows")}

    for _ in range(8):
        requests.post(service.scoring_uri, rows_of(5), headers=HEADERS, timeout=60)
    assert len(rows()) == 1


def test_a_sample_of_the_explanations_is_stored_with_a_run(saved: Path, tmp_path: Path, run: Run) -> None:
    arguments = ("--log-run", run.run_id, "--tracking-uri", run.tracking_uri, "--log-rows", 40)
    with running_service(tmp_path, saved, *arguments) as service:
        for start in range(0, 100, 10):
            rows = json.dumps({"data": X_TEST[start : start + 10].tolist()})
            assert requests.post(service.scoring_uri, rows, headers=HEADERS, timeout=60).status_code == 200
        service.stop()
    client = ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id)
    served = client.download_model_explanation()
    assert len(served) == 40
    assert "served explanations since" in str(served.info.comment)
    assert served.info.notes[-1] == "40 of 100 rows that a service explained"
    assert served.data is None
    whole = load(saved).explain(X_TEST[:100])
    known = {tuple(row) for row in whole[1]}
    assert {tuple(row) for row in served.local_importance_values[1]} < known
    model = LGBMClassifier(n_estimators=20, verbose=-1, subsample=0.5, subsample_freq=1, random_state=0)
    explained = TabularExplainer(
        model.fit(X_TRAIN, Y_TRAIN), X_TRAIN, features=DATA.feature_names, classes=DATA.target_names.tolist()
    ).explain_global(X_TEST)
    drift = attribution_drift(explained, served)
    assert drift.notes == ()
    assert drift.ndcg > 0.95
    assert not np.isnan(drift.ks).any()


def test_rows_are_stored_only_on_request(saved: Path, tmp_path: Path, run: Run) -> None:
    arguments = ("--log-run", run.run_id, "--tracking-uri", run.tracking_uri, "--log-data", "--log-seconds", 1)
    with running_service(tmp_path, saved, *arguments) as service:
        requests.post(service.scoring_uri, rows_of(5), headers=HEADERS, timeout=60)
        client = ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id)
        wait_for(client.list_model_explanations)
        served = client.download_model_explanation()
    assert np.array_equal(served.eval_data, X_TEST[:5])
    assert np.array_equal(served.eval_y_predicted, load(saved).predict(X_TEST[:5]))


def test_requests_are_answered_while_the_tracking_server_is_away(saved: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    arguments = ("--log-run", "0" * 32, "--tracking-uri", "http://127.0.0.1:9", "--log-seconds", 0.2)
    environment = {"EXPLANATION_CLIENT_HOME": str(home)}
    with running_service(tmp_path, saved, *arguments, environment=environment) as service:
        requests.post(service.scoring_uri, rows_of(5), headers=HEADERS, timeout=60)
        wait_for(lambda: 'outcome="failed"} 5' in requests.get(f"{service.uri}/metrics", timeout=60).text)
        assert requests.post(service.scoring_uri, rows_of(5), headers=HEADERS, timeout=60).status_code == 200
        service.kill()
    assert "explained rows were not stored" in service.log
    assert not [path for path in home.rglob("*") if path.suffix == ".parquet"]


def test_memory_stays_flat(saved: Path, tmp_path: Path) -> None:
    check_memory(saved, tmp_path, n_requests=4_000)


@pytest.mark.long
def test_memory_stays_flat_over_a_hundred_thousand_requests(saved: Path, tmp_path: Path) -> None:
    check_memory(saved, tmp_path, n_requests=100_000)


def check_memory(saved: Path, folder: Path, *, n_requests: int) -> None:
    body = json.dumps({"data": X_TEST[:2].tolist(), "top_k": 4})
    with running_service(folder, saved) as service, requests.Session() as session:
        sizes = []
        for number in range(n_requests):
            assert session.post(service.scoring_uri, body, headers=HEADERS, timeout=60).status_code == 200
            if number % (n_requests // 4) == n_requests // 4 - 1:
                sizes.append(resident_bytes(service.descendants()))
    # After the first quarter everything has been loaded that is loaded on use.
    assert max(sizes[1:]) - sizes[0] < 4 * 2**20, sizes


class Asking:
    """Clients that ask again and again, each on a connection that it keeps, and note every answer.

    They end a connection where the service says so, and try nothing twice: a request on a connection that the service
    has closed without a word is lost.
    """

    def __init__(self, service: ScoringService, clients: int) -> None:
        self.answers: list[Any] = []
        self.failures: list[str] = []
        self._port = service.port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(clients)]

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def count(self, values: Any) -> int:
        return self.answers.count(values)

    def _ask(self, number: int) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        while not self._stop.wait(0.01 * number):
            try:
                connection.request("POST", "/score", rows_of(1), HEADERS)
                answer = connection.getresponse()
                body = answer.read()
            except (HTTPException, OSError) as error:
                self.failures.append(repr(error))
                connection.close()
                continue
            if answer.status == 200:
                self.answers.append(json.loads(body)["local_importance_values"])
            else:
                self.failures.append(body.decode())
        connection.close()


def wait_for(condition: Any, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
