"""Streams against a real tracking server: stored whole, or nothing of them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from mlflow import MlflowClient

from explanation_client import ExplanationClient
from explanation_client.artifacts import RunArtifacts
from explanation_client.errors import InvalidArgumentError, RunNotFoundError, UnsupportedModelError
from explanation_client.explainers import PFIExplainer, TabularExplainer, TreeExplainer
from explanation_client.treeshap import TreeTables
from tests.support.servers import Run

pytestmark = pytest.mark.integration

ROWS = np.random.default_rng(0).standard_normal((2_000, 12))
TARGET = (ROWS[:, 0] + ROWS[:, 1] * ROWS[:, 2] > 0).astype(int)
MODEL = lightgbm.LGBMClassifier(n_estimators=10, num_leaves=7, verbose=-1, n_jobs=1).fit(ROWS, TARGET)
# Small work is done in numpy until compiled loops are loaded, and these round differently: here they always are.
TreeTables(MODEL, compiled=True).shap_values(ROWS[:2])


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path / "home"))


@pytest.fixture
def client(run: Run) -> ExplanationClient:
    return ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id, timeout=30)


def stored_paths(run: Run) -> tuple[str, ...]:
    store = RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri)
    return tuple(stat.path for folder in store.list("explanations") for stat in store.list(folder.path))


def batches() -> Iterator[np.ndarray]:
    for first in range(0, len(ROWS), 170):
        yield ROWS[first : first + 170]


def test_a_stream_and_an_upload_of_all_rows_are_downloaded_alike(client: ExplanationClient, run: Run) -> None:
    explainer = TabularExplainer(MODEL, ROWS[:50], show_progress=False)
    whole = replace(explainer.explain_global(ROWS), data=None)
    one = client.upload_model_explanation(whole, comment="at once")
    other = client.upload_stream(explainer, batches(), None, "as a stream", describe_run=True)
    assert one is not None
    assert [info.comment for info in client.list_model_explanations()] == ["at once", "as a stream"]
    assert other.top_features == one.top_features
    assert other.parts == ("global", "per_class", "local")
    assert client.download_model_explanation(other.id) == client.download_model_explanation(one.id)
    for top_k in (1, 4, 10, 11):
        cut = client.download_model_explanation(other.id, top_k=top_k)
        assert cut == client.download_model_explanation(one.id, top_k=top_k) == whole.cut(top_k)
    assert all(report.ok for report in client.verify())
    assert client.gc(older_than_hours=1) == ()
    assert f"explanations/{other.id}/dashboard.html" in stored_paths(run)
    logged = MlflowClient(run.tracking_uri).get_run(run.run_id).data
    assert logged.metrics["importance/feature_0"] == whole.global_importance_values[0]
    assert "as a stream" in logged.tags["mlflow.note.content"]
    again = client.download_model_explanation(other.id)[-3:]
    assert np.array_equal(again.local_importance_values, whole.local_importance_values[:, -3:])


def test_what_cannot_be_stored_leaves_nothing(client: ExplanationClient, run: Run) -> None:
    explainer = TreeExplainer(MODEL, show_progress=False)

    def broken() -> Iterator[np.ndarray]:
        yield from batches()
        yield np.zeros((3, 5))

    with pytest.raises(InvalidArgumentError, match="batch 13: the rows have 5 columns"):
        client.upload_stream(explainer, broken(), batch_size=100)
    with pytest.raises(InvalidArgumentError, match="top_k=13"):
        client.upload_stream(explainer, batches(), top_k=13)
    with pytest.raises(UnsupportedModelError, match="PFIExplainer does not explain rows batch by batch"):
        client.upload_stream(PFIExplainer(MODEL), batches())  # type: ignore[arg-type]
    with pytest.raises(RunNotFoundError, match="m-unknown"):
        client.upload_stream(explainer, batches(), model_id="m-unknown")
    assert client.list_model_explanations() == []
    assert stored_paths(run) == ()


STREAM = """
import sys, time
import numpy as np
from explanation_client import ExplanationClient
from explanation_client.streams import sizes
from tests.strategies import random_explanation
from tests.support.streams import KnownBatches

sizes.SHARD_BYTES = 10_000

class Endless(KnownBatches):
    def __iter__(self):
        for number in range(100_000):
            yield from super().__iter__()
            if number == 5:
                print("ready", flush=True)

class Explainer:
    def explain_batches(self, batches, **more):
        return Endless(random_explanation(1, 200, 20))

client = ExplanationClient.from_run_id(sys.argv[1], run_id=sys.argv[2], timeout=60)
client.upload_stream(Explainer(), None)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_process_that_ends_in_the_middle_lists_nothing(
    client: ExplanationClient, run: Run, how: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STREAM, run.tracking_uri, run.run_id],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
        assert stored_paths(run) != ()
        process.send_signal(how)
        _, errors = process.communicate(timeout=60)
    assert client.list_model_explanations() == []
    if how == signal.SIGINT:
        assert "KeyboardInterrupt" in errors
        assert stored_paths(run) == ()
    else:
        # Nobody was there to delete anything: it is garbage once it is old enough.
        (report,) = client.verify()
        assert not report.committed
        assert all("the upload did not finish" in problem for problem in report.problems)
