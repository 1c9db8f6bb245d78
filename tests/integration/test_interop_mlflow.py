"""Explanations that other packages left in MLflow, read from a real tracking server, and the page that shows how."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression

from explanation_client.errors import (
    ArtifactMissingError,
    InvalidArgumentError,
    InvalidExplanationError,
    RunNotFoundError,
    StorageError,
    StoredDataError,
)
from explanation_client.interop import interpret_community, mlflow_shap
from tests.support.servers import Run, TrackingServer, free_port

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
CAPTURED = ROOT / "tests/unit/interop/captured/interpret_community/multiclass"
RNG = np.random.default_rng(11)


def log_arrays(run: Run, folder: Path, values: np.ndarray, bases: np.ndarray, path: str = "Shap Values") -> None:
    """Log two arrays as MLflow does."""
    folder.mkdir(exist_ok=True)
    np.save(folder / "shap_values.npy", values)
    np.save(folder / "base_values.npy", bases)
    MlflowClient(run.tracking_uri).log_artifacts(run.run_id, str(folder), path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::PendingDeprecationWarning")
def test_what_mlflow_logs_adds_up_to_the_prediction(
    tracking_server: TrackingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import matplotlib

    matplotlib.use("Agg")
    x, y = load_diabetes(return_X_y=True, as_frame=True)
    x = x.iloc[:, :4]
    model = LinearRegression().fit(x.to_numpy(), y)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_server.uri)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(tracking_server.uri)
    try:
        with mlflow.start_run() as run:
            mlflow.shap.log_explanation(model.predict, x[:8].to_numpy())
        explanation = mlflow_shap.from_run(run.info.run_id, data=x[:8])
    finally:
        mlflow.set_tracking_uri(before)
    assert explanation.features == tuple(x.columns)
    assert explanation.method == "shap_kernel"
    sums = explanation.local_importance_values.sum(axis=1) + explanation.expected_values
    np.testing.assert_allclose(sums, model.predict(x[:8].to_numpy()))


class TestAxes:
    """Three axes are told apart by the base values and the features, or asked for."""

    VALUES = RNG.standard_normal((3, 7, 5))

    @pytest.mark.parametrize("features", [None, list("abcde")])
    @pytest.mark.parametrize("layout", ["outputs first", "outputs last"])
    def test_are_found_out(self, run: Run, tmp_path: Path, layout: str, features: list[str] | None) -> None:
        values = self.VALUES if layout == "outputs first" else np.moveaxis(self.VALUES, 0, -1)
        log_arrays(run, tmp_path / "arrays", values, np.arange(3.0))
        explanation = mlflow_shap.from_run(run.run_id, "Shap Values", tracking_uri=run.tracking_uri, features=features)
        np.testing.assert_array_equal(explanation.local_importance_values, self.VALUES)
        assert explanation.expected_values.tolist() == [0, 1, 2]

    def test_that_fit_both_ways_are_asked_for(self, run: Run, tmp_path: Path) -> None:
        values = RNG.standard_normal((3, 7, 3))
        log_arrays(run, tmp_path / "arrays", values, np.arange(3.0))

        def read(**arguments: object) -> np.ndarray:
            explanation = mlflow_shap.from_run(
                run.run_id,
                "Shap Values",
                tracking_uri=run.tracking_uri,
                **arguments,  # type: ignore[arg-type]
            )
            return explanation.local_importance_values

        with pytest.raises(InvalidExplanationError, match=r"both orders of the axes fit.*features="):
            read()
        np.testing.assert_array_equal(read(features=["a", "b", "c"]), values)
        np.testing.assert_array_equal(read(axes="outputs last"), np.moveaxis(values, -1, 0))

    def test_that_fit_no_way_are_refused(self, run: Run, tmp_path: Path) -> None:
        log_arrays(run, tmp_path / "arrays", self.VALUES, np.arange(4.0))
        with pytest.raises(InvalidExplanationError, match="no order of the axes fits"):
            mlflow_shap.from_run(run.run_id, "Shap Values", tracking_uri=run.tracking_uri)

    def test_of_another_name_are_refused(self) -> None:
        with pytest.raises(InvalidArgumentError, match="axes='NFC'"):
            mlflow_shap.from_run("any", axes="NFC")  # type: ignore[arg-type]


class TestFailures:
    def test_an_unknown_run(self, tracking_server: TrackingServer) -> None:
        with pytest.raises(RunNotFoundError, match="no run"):
            mlflow_shap.from_run("0" * 32, tracking_uri=tracking_server.uri)

    def test_a_run_without_one(self, run: Run) -> None:
        with pytest.raises(ArtifactMissingError, match="model_explanations_shap"):
            mlflow_shap.from_run(run.run_id, tracking_uri=run.tracking_uri)

    def test_a_folder_with_something_else(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "notes.txt").write_text("nothing", encoding="utf-8")
        MlflowClient(run.tracking_uri).log_artifacts(run.run_id, str(tmp_path / "other"), "elsewhere")
        with pytest.raises(ArtifactMissingError, match=r"shap_values\.npy"):
            mlflow_shap.from_run(run.run_id, "elsewhere", tracking_uri=run.tracking_uri)

    def test_python_objects_are_never_unpickled(self, run: Run, tmp_path: Path) -> None:
        log_arrays(run, tmp_path / "arrays", np.array([Path("gone")], dtype=object), np.zeros(1))
        with pytest.raises(StoredDataError, match=r"shap_values\.npy"):
            mlflow_shap.from_run(run.run_id, "Shap Values", tracking_uri=run.tracking_uri)

    def test_a_file_that_ends_early(self, run: Run, tmp_path: Path) -> None:
        folder = tmp_path / "arrays"
        folder.mkdir()
        np.save(folder / "shap_values.npy", np.ones((100, 10)))
        np.save(folder / "base_values.npy", np.ones(1))
        whole = (folder / "shap_values.npy").read_bytes()
        (folder / "shap_values.npy").write_bytes(whole[:-1])
        MlflowClient(run.tracking_uri).log_artifacts(run.run_id, str(folder), "cut")
        with pytest.raises(StoredDataError, match=r"shap_values\.npy"):
            mlflow_shap.from_run(run.run_id, "cut", tracking_uri=run.tracking_uri)

    def test_a_server_that_is_not_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        with pytest.raises(StorageError, match="could not be read"):
            mlflow_shap.from_run("0" * 32, tracking_uri=f"http://127.0.0.1:{free_port()}")


class TestInterpretCommunity:
    def test_what_it_logged_is_what_it_saved(self, run: Run) -> None:
        client = MlflowClient(run.tracking_uri)
        client.log_artifacts(run.run_id, str(CAPTURED), "my explanation/data/explanation")
        explanation = interpret_community.from_run(run.run_id, "my explanation", tracking_uri=run.tracking_uri)
        assert explanation == interpret_community.load_folder(CAPTURED)

    @pytest.mark.filterwarnings("ignore")
    def test_a_logged_model_is_read_wherever_the_server_keeps_it(
        self, tracking_server: TrackingServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The package logs a model, of a flavour of its own, and newer servers keep those outside the run."""

        class Flavour:
            @staticmethod
            def save_model(path: str, data_path: str, mlflow_model: Any, **_: Any) -> None:
                shutil.copytree(data_path, Path(path) / "data" / "explanation")
                mlflow.pyfunc.add_to_model(mlflow_model, loader_module="json", data="data/explanation")
                mlflow_model.save(Path(path) / "MLmodel")

        monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_server.uri)
        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(tracking_server.uri)
        try:
            with mlflow.start_run() as run:
                mlflow.models.Model.log("logged", flavor=Flavour, data_path=str(CAPTURED))
            explanation = interpret_community.from_run(run.info.run_id, "logged")
        finally:
            mlflow.set_tracking_uri(before)
        assert explanation == interpret_community.load_folder(CAPTURED)

    def test_an_unknown_name(self, run: Run) -> None:
        with pytest.raises(ArtifactMissingError, match="unknown/data/explanation"):
            interpret_community.from_run(run.run_id, "unknown", tracking_uri=run.tracking_uri)


def test_the_page_runs(tracking_server: TrackingServer, tmp_path: Path) -> None:
    page = (ROOT / "docs/interop.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 6
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": tracking_server.uri,
        "EXPLANATION_CLIENT_HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(ROOT),
        "MPLBACKEND": "Agg",
    }
    finished = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    names, shape, same = (line for line in finished.stdout.splitlines() if line.startswith(("[", "(", "True", "False")))
    assert names.count("'") == 6
    assert shape == "(2, 4)"
    assert same == "True"
