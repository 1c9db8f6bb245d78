"""The page that an upload stores beside an explanation, and the command that opens one of a run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import mlflow
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.linear_model import LogisticRegression

from explanation_client import ExplanationClient
from explanation_client.artifacts import RunArtifacts
from explanation_client.cli import main
from explanation_client.dashboard.loading import load_model, load_rows
from explanation_client.dataset import EvaluationData
from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers import TabularExplainer
from explanation_client.explanation import Explanation
from explanation_client.store import PAGE, folder_of
from tests.strategies import random_explanation
from tests.support.servers import Run
from tests.unit.dashboard.test_page import opened

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", run.tracking_uri)


@pytest.fixture
def client(run: Run) -> ExplanationClient:
    return ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id)


@pytest.fixture
def store(run: Run) -> RunArtifacts:
    return RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri)


def with_rows() -> Explanation:
    rows = EvaluationData(names=("secret",), columns=(np.arange(6.0),), predicted=np.arange(6.0))
    return replace(random_explanation(1, 6, 3), data=rows)


def stored_page(store: RunArtifacts, explanation_id: str) -> tuple[Any, dict[str, bytes]]:
    return opened(store.read(f"{folder_of(explanation_id)}/{PAGE}"))


def test_an_upload_stores_a_page_of_what_it_stores(client: ExplanationClient, store: RunArtifacts) -> None:
    plain = client.upload_model_explanation(with_rows(), comment="first", top_k=2)
    manifest, _ = stored_page(store, plain.id)
    assert manifest["info"]["comment"] == "first"
    assert manifest["info"]["top_k"] == 2
    assert "data" not in manifest
    assert {entry["role"] for entry in manifest["files"]} == {"features", "view"}
    whole = client.upload_model_explanation(with_rows(), evaluation_data=True)
    manifest, _ = stored_page(store, whole.id)
    assert manifest["data"] == {"columns": [["float64", 1]], "predicted": "float64"}
    labels = client.upload_model_explanation(with_rows(), true_ys=np.arange(6.0))
    manifest, _ = stored_page(store, labels.id)
    assert manifest["data"] == {"predicted": "float64", "true": "float64"}


def test_without_visualize_there_is_no_page(client: ExplanationClient, store: RunArtifacts) -> None:
    info = client.upload_model_explanation(with_rows(), visualize=False)
    assert PAGE not in {stat.name for stat in store.list(folder_of(info.id))}


def test_the_page_is_no_part_of_what_is_checked_and_goes_with_the_explanation(
    client: ExplanationClient, store: RunArtifacts
) -> None:
    info = client.upload_model_explanation(with_rows())
    assert client.verify()[0].ok
    store.write(f"{folder_of(info.id)}/{PAGE}", b"changed by somebody")
    assert client.verify()[0].ok
    assert client.gc(older_than_hours=1) == ()
    assert client.download_model_explanation().num_features == 3
    client.delete_model_explanation(info.id)
    assert store.list(folder_of(info.id)) == ()


def test_a_page_that_cannot_be_made_does_not_stop_an_upload(
    client: ExplanationClient, store: RunArtifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    from explanation_client.dashboard import bundle

    bundle.read_bundle.cache_clear()
    monkeypatch.setattr(bundle, "_STATIC", Path("/nonexistent"))
    try:
        with pytest.warns(UserWarning, match=r"is stored, but its page dashboard.html is not: FileNotFoundError"):
            info = client.upload_model_explanation(with_rows())
    finally:
        bundle.read_bundle.cache_clear()
    assert [each.id for each in client.list_model_explanations()] == [info.id]
    assert client.verify()[0].ok


def test_download_writes_a_page(client: ExplanationClient, run: Run, tmp_path: Path) -> None:
    client.upload_model_explanation(with_rows())
    target = tmp_path / "page.html"
    assert CliRunner().invoke(main, ["download", run.run_id, str(target)]).exit_code == 0
    manifest, _ = opened(target.read_bytes())
    assert manifest["info"]["n_features"] == 3
    assert "exists" in CliRunner().invoke(main, ["download", run.run_id, str(target)]).output


# --- The command -------------------------------------------------------------------------------------------------

ROWS = pd.DataFrame({"a": np.arange(40.0), "b": pd.Categorical(["x", "y"] * 20)})


@contextmanager
def dashboard(*arguments: str) -> Iterator[str]:
    """Run the command, and give the address that it prints."""
    command = [sys.executable, "-m", "explanation_client.cli", "dashboard", *arguments, "--no-browser"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            match = re.search(r"http://\S+", line)
            assert match is not None, line + process.stdout.read()
            yield match.group()
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
            assert "Ended." in process.stdout.read()
        finally:
            process.kill()


def ask(url: str, path: str, body: Any = None) -> Any:
    base, token = url.split("/#token=")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(base + path, data, headers), timeout=60) as response:
        return json.loads(response.read())


def test_the_command_shows_a_runs_explanation_with_a_live_model(
    client: ExplanationClient, run: Run, tmp_path: Path
) -> None:
    labels = (ROWS["a"] > 15).to_numpy()
    model = lightgbm.train(
        {"objective": "binary", "verbose": -1, "min_data_in_leaf": 2, "num_threads": 1},
        lightgbm.Dataset(ROWS[["a"]], labels), 5,
    )  # fmt: skip
    explanation = TabularExplainer(model, ROWS[["a"]], classes=["no", "yes"]).explain_global(ROWS[["a"]])
    client.upload_model_explanation(explanation, comment="one")
    client.upload_model_explanation(explanation, comment="two")
    ROWS[["a"]].to_parquet(tmp_path / "rows.parquet")
    model.save_model(tmp_path / "model.txt")
    arguments = ["--comment", "one", "--model", str(tmp_path / "model.txt"), "--data", str(tmp_path / "rows.parquet")]
    with dashboard(run.run_id, *arguments, "--compare", run.run_id) as url:
        config = ask(url, "/config")
        assert config["model"] is True
        assert [source["label"] for source in config["sources"]] == ["one", run.run_id]
        assert ask(url, "/files/0")["info"]["comment"] == "one"
        (answer,) = ask(url, "/predict", [{"row": 3, "edits": {"a": 30}, "explain": True}])
        wanted = model.predict(pd.DataFrame({"a": [30.0]}))[0]
        assert answer["predictions"][0][1] == pytest.approx(wanted)
        assert np.shape(answer["local"]["values"]) == (2, 1)


def test_the_command_says_what_is_wrong(client: ExplanationClient, run: Run, tmp_path: Path) -> None:
    client.upload_model_explanation(with_rows())
    (tmp_path / "model.pkl").write_bytes(b"anything")
    (tmp_path / "rows.txt").write_text("1")

    def said(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["dashboard", run.run_id, "--no-browser", *arguments])
        assert result.exit_code == 1
        return result.output

    assert "--allow-pickle" in said("--model", str(tmp_path / "model.pkl"))
    assert "there is no model" in said("--model", str(tmp_path / "nothing"))
    assert "no .parquet, .csv or .npy" in said("--data", str(tmp_path / "rows.txt"))
    assert "no explanation" in said("--comment", "unknown")


# --- Models that somebody names ----------------------------------------------------------------------------------


class Bomb:
    """Tells of its unpickling."""

    def __reduce__(self) -> Any:
        return exec, ("import pathlib; pathlib.Path('unpickled').touch()",)


def test_nothing_is_unpickled_unless_it_was_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle

    monkeypatch.chdir(tmp_path)
    Path("bomb.pkl").write_bytes(pickle.dumps(Bomb()))
    folder = Path("folder")
    folder.mkdir()
    (folder / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: evil\n    code: code\n  lightgbm:\n    data: model.pkl\n"
    )
    (folder / "model.pkl").write_bytes(pickle.dumps(Bomb()))
    for name in ("bomb.pkl", "folder"):
        with pytest.raises(InvalidArgumentError, match="--allow-pickle"):
            load_model(name)
    assert not Path("unpickled").exists()
    load_model("bomb.pkl", allow_pickle=True)
    assert Path("unpickled").exists()


def test_a_logged_model_is_loaded_by_its_uri(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ROWS[["a"]].to_numpy()
    labels = rows[:, 0] > 15
    trained = LogisticRegression().fit(rows, labels)
    booster = lightgbm.train(
        {"objective": "binary", "verbose": -1, "min_data_in_leaf": 2, "num_threads": 1},
        lightgbm.Dataset(rows, labels),
        3,
    )
    mlflow.set_tracking_uri(run.tracking_uri)
    try:
        with mlflow.start_run(run_id=run.run_id):
            pickled = mlflow.sklearn.log_model(trained, name="pickled", serialization_format="cloudpickle").model_uri
            plain = mlflow.lightgbm.log_model(booster, name="plain").model_uri
        with pytest.raises(InvalidArgumentError, match="--allow-pickle"):
            load_model(pickled)
        np.testing.assert_array_equal(
            load_model(pickled, allow_pickle=True).predict_proba(rows), trained.predict_proba(rows)
        )
        np.testing.assert_array_equal(load_model(plain).predict(rows), booster.predict(rows))
        with pytest.raises(InvalidArgumentError, match="can't be fetched"):
            load_model(f"runs:/{run.run_id}/missing")
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # back to what the environment says


def test_rows_are_read_by_the_name_of_their_file(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.eye(3))
    ROWS.to_csv(tmp_path / "rows.csv", index=False)
    assert load_rows(tmp_path / "rows.npy").shape == (3, 3)
    assert list(load_rows(tmp_path / "rows.csv").columns) == ["a", "b"]
    np.save(tmp_path / "objects.npy", np.array([object()]), allow_pickle=True)
    (tmp_path / "broken.parquet").write_bytes(b"x")
    for broken in ("objects.npy", "broken.parquet"):
        with pytest.raises(InvalidArgumentError, match="can't be read"):
            load_rows(tmp_path / broken)


def test_the_command_ends_while_a_browser_is_connected(client: ExplanationClient, run: Run) -> None:
    client.upload_model_explanation(with_rows())
    started = time.monotonic()
    with dashboard(run.run_id) as url:
        assert ask(url, "/config")["model"] is False
        idle = urllib.request.urlopen(url.split("#")[0])
    idle.close()
    assert time.monotonic() - started < 60
