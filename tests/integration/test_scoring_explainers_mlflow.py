"""Scoring explainers with MLflow: the steps of the original documentation, on a real tracking server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from explanation_client import ExplanationClient
from explanation_client.artifacts import RunArtifacts
from explanation_client.errors import (
    ArtifactMissingError,
    CorruptFileError,
    InvalidArgumentError,
    RunNotFoundError,
    StorageError,
)
from explanation_client.explainers import TabularExplainer
from explanation_client.scoring import (
    KernelScoringExplainer,
    ScoringExplainer,
    TreeScoringExplainer,
    download_scoring_explainer,
    load,
    load_scoring_explainer,
    log_scoring_explainer,
    save,
)
from tests.integration.test_docs import run_blocks
from tests.support.servers import Run, TrackingServer, free_port

pytestmark = pytest.mark.integration

RNG = np.random.default_rng(5)
X = RNG.normal(size=(80, 4))
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)


@pytest.fixture(scope="module")
def explainer() -> TabularExplainer:
    from sklearn.svm import SVC

    return TabularExplainer(SVC().fit(X, Y), X[:5], features=["a", "b", "c", "d"], show_progress=False)


@pytest.fixture(scope="module")
def of_trees() -> ScoringExplainer:
    from sklearn.ensemble import RandomForestRegressor

    model = RandomForestRegressor(n_estimators=3, max_depth=3, random_state=0).fit(X, X[:, 0])
    return TabularExplainer(model, X, show_progress=False).create_scoring_explainer(X)


@pytest.fixture
def tracked(tracking_server: TrackingServer) -> Iterator[str]:
    """MLflow set to the tracking server."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(tracking_server.uri)
    yield tracking_server.uri
    mlflow.set_tracking_uri(before)


def test_the_steps_of_the_original_documentation(
    explainer: TabularExplainer, tracked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    monkeypatch.chdir(tmp_path)
    # Create a scoring explainer, and save it.
    scoring_explainer = KernelScoringExplainer(explainer)
    save(scoring_explainer, directory="my_directory", exist_ok=True)
    # Log it with the run, and register it.
    with mlflow.start_run() as run:
        logged = log_scoring_explainer(load("my_directory"), run=run, register="my_scoring_explainer")
    assert (logged.name, logged.version) == ("my_scoring_explainer", "1")
    # Retrieve it by name, on another machine.
    path = download_scoring_explainer("models:/my_scoring_explainer", os.path.join(os.getcwd(), "downloaded"))
    retrieved = load(path)
    # Test it.
    values = retrieved.explain(X[:4])
    np.testing.assert_array_equal(values, scoring_explainer.explain(X[:4]))
    expected = explainer.explain_local(X[:4])
    np.testing.assert_allclose(values, expected.local_importance_values, atol=1e-12)
    assert retrieved.features == ("a", "b", "c", "d")


def test_the_steps_of_the_first_documentation(explainer: TabularExplainer, tmp_path: Path) -> None:
    scoring_explainer = explainer.create_scoring_explainer(X)
    path = scoring_explainer.save("scoring_explainer_deploy", tmp_path)
    np.testing.assert_array_equal(ScoringExplainer.load(path).explain(X[:4]), scoring_explainer.explain(X[:4]))


def test_a_run_has_its_scoring_explainer(of_trees: ScoringExplainer, run: Run) -> None:
    logged = log_scoring_explainer(of_trees, run=run.run_id, tracking_uri=run.tracking_uri)
    assert logged.uri == f"runs:/{run.run_id}/scoring_explainer"
    assert logged.version is None
    client = ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id)
    for found in (
        client.download_scoring_explainer(),
        client.download_scoring_explainer(artifact_path="scoring_explainer"),
        load_scoring_explainer(run.run_id, tracking_uri=run.tracking_uri),
        load_scoring_explainer(logged.uri, tracking_uri=run.tracking_uri),
    ):
        assert isinstance(found, TreeScoringExplainer)
        np.testing.assert_allclose(found.explain(X[:3]), of_trees.explain(X[:3]), atol=1e-12)


def test_the_latest_one_of_a_run_is_found(of_trees: ScoringExplainer, explainer: TabularExplainer, run: Run) -> None:
    log_scoring_explainer(explainer.create_scoring_explainer(X), run=run.run_id, tracking_uri=run.tracking_uri)
    log_scoring_explainer(of_trees, "deployed/by-night", run=run.run_id, tracking_uri=run.tracking_uri)
    found = load_scoring_explainer(run.run_id, tracking_uri=run.tracking_uri)
    assert found.method == "scoring.tree"
    replaced = log_scoring_explainer(of_trees, run=run.run_id, tracking_uri=run.tracking_uri)
    assert load_scoring_explainer(replaced.uri, tracking_uri=run.tracking_uri).method == "scoring.tree"
    store = RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri)
    names = {entry.name.partition("-")[0] for entry in store.list("scoring_explainer")}
    assert names == {"examples", "expected", "trees", "scoring_explainer.json"}


def test_registered_versions_are_found_by_number_and_alias(
    of_trees: ScoringExplainer, explainer: TabularExplainer, run: Run
) -> None:
    uri, name = run.tracking_uri, "credit scoring"
    first = log_scoring_explainer(of_trees, "first", run=run.run_id, register=name, tracking_uri=uri)
    second = log_scoring_explainer(
        explainer.create_scoring_explainer(X), "second", run=run.run_id, register=name, tracking_uri=uri
    )
    assert (first.version, second.version) == ("1", "2")
    MlflowClient(uri).set_registered_model_alias(name, "champion", "1")
    client = ExplanationClient.from_run_id(uri, run_id=run.run_id)
    assert client.download_scoring_explainer(name).method == "scoring.kernel"
    assert client.download_scoring_explainer(name, 1).method == "scoring.tree"
    assert client.download_scoring_explainer(name, "@champion").method == "scoring.tree"
    assert load_scoring_explainer(second.uri, tracking_uri=uri).method == "scoring.kernel"
    version = MlflowClient(uri).get_model_version(name, "1")
    assert (version.run_id, version.status) == (run.run_id, "READY")


def test_what_is_not_there_is_said_to_be_missing(of_trees: ScoringExplainer, run: Run, tmp_path: Path) -> None:
    uri = run.tracking_uri
    with pytest.raises(ArtifactMissingError, match="holds no scoring explainer"):
        load_scoring_explainer(run.run_id, tracking_uri=uri)
    with pytest.raises(RunNotFoundError):
        load_scoring_explainer("f" * 32, tracking_uri=uri)
    for model in ("models:/nobody", "models:/nobody/3", "models:/nobody@champion", "models:/m-0123456789abcdef"):
        with pytest.raises((RunNotFoundError, StorageError), match=r"nobody|m-0123"):
            load_scoring_explainer(model, tracking_uri=uri)
    with pytest.raises(RunNotFoundError):
        log_scoring_explainer(of_trees, run="f" * 32, tracking_uri=uri)
    with pytest.raises(InvalidArgumentError, match="is refused"):
        log_scoring_explainer(of_trees, "../evil", run=run.run_id, tracking_uri=uri)
    with pytest.raises(StorageError):
        load_scoring_explainer(run.run_id, tracking_uri=f"http://127.0.0.1:{free_port()}", timeout=1)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(InvalidArgumentError, match="exists"):
        download_scoring_explainer(run.run_id, tmp_path / "full", tracking_uri=uri)


def test_without_a_run_the_active_one_is_meant(of_trees: ScoringExplainer, tracked: str) -> None:
    with pytest.raises(RunNotFoundError, match="no run is active"):
        log_scoring_explainer(of_trees)
    with mlflow.start_run() as run:
        logged = log_scoring_explainer(of_trees)
        assert logged.run_id == run.info.run_id
        assert load_scoring_explainer().method == "scoring.tree"


def test_files_that_were_changed_on_the_server_are_refused(
    of_trees: ScoringExplainer, run: Run, tracking_server: TrackingServer
) -> None:
    log_scoring_explainer(of_trees, run=run.run_id, tracking_uri=run.tracking_uri)
    (trees,) = tracking_server.artifacts_folder.rglob(f"*{run.run_id}*/**/trees-*.npz")
    changed = bytearray(trees.read_bytes())
    changed[len(changed) // 2] ^= 1
    trees.write_bytes(changed)
    with pytest.raises(CorruptFileError, match="digest differs"):
        load_scoring_explainer(run.run_id, tracking_uri=run.tracking_uri)


# MLflow's own way through tables.
@pytest.mark.filterwarnings("ignore:Operation with range is deprecated")
def test_a_model_that_mlflow_serves_has_it_too(of_trees: ScoringExplainer, tracked: str) -> None:
    pyfunc: Any = pytest.importorskip("explanation_client.scoring.pyfunc")
    with mlflow.start_run():
        info = pyfunc.log_pyfunc(of_trees, registered_model_name="served")
    for source in (f"models:/{info.model_id}", "models:/served/1", "models:/served"):
        np.testing.assert_allclose(load_scoring_explainer(source).explain(X[:2]), of_trees.explain(X[:2]), atol=1e-12)


def test_the_page_on_scoring_explainers_runs(tracking_server: TrackingServer, tmp_path: Path) -> None:
    output = run_blocks("docs/scoring.md", tracking_server, tmp_path)
    assert "(2, 4, 30)" in output
    # Another test may have registered one under this name already.
    assert re.search(r"breast_cancer_scoring_explainer \d", output)


def test_the_example_runs(tracking_server: TrackingServer, tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "examples" / "save_scoring_explainer.py"
    environment = {**os.environ, "MLFLOW_TRACKING_URI": tracking_server.uri}
    done = subprocess.run(
        [sys.executable, str(script)],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "needs numpy, pyarrow, numba" in done.stdout
    assert done.stdout.count("benign") + done.stdout.count("malignant") == 4
