"""Explanations found across runs, and in MLflow's own searches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from explanation_client import ExplanationClient
from explanation_client.errors import InvalidArgumentError, RunNotFoundError
from explanation_client.explanation import Explanation
from explanation_client.highlights import metric_names
from tests.strategies import explanation_of, random_explanation
from tests.support.servers import Run, TrackingServer

pytestmark = pytest.mark.integration

FEATURES = ("age", "body mass", "<b>income</b> (€/year)", "smoker?")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path / "home"))


@pytest.fixture
def mlflow_client(tracking_server: TrackingServer) -> MlflowClient:
    return MlflowClient(tracking_uri=tracking_server.uri)


def importances(*sizes: float) -> Explanation:
    """An explanation whose global importances are these, of ``FEATURES``."""
    return explanation_of(np.array([[sizes, [-size for size in sizes]]], np.float64), features=FEATURES)


def of(run: Run) -> ExplanationClient:
    return ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id, timeout=30)


def test_mlflow_searches_find_runs_by_top_feature_and_by_importance(run: Run, mlflow_client: MlflowClient) -> None:
    of(run).upload_model_explanation(importances(1, 4, 3, 2))

    for wanted in (
        "tags.`explanations.top_feature` = 'body mass'",
        "tags.`explanations.top_features` LIKE '%<b>income%'",
        "metrics.`importance/body mass` = 4 and metrics.`importance/_b_income__b_ ___year_` = 3",
    ):
        found = mlflow_client.search_runs([run.experiment_id], wanted)
        assert [each.info.run_id for each in found] == [run.run_id], wanted


def test_metrics_can_be_left_out(run: Run, mlflow_client: MlflowClient) -> None:
    of(run).upload_model_explanation(importances(1, 4, 3, 2), log_metrics=False)

    assert mlflow_client.get_run(run.run_id).data.metrics == {}


def test_ten_metrics_are_logged_of_many_features_and_none_without_global_importances(
    run: Run, mlflow_client: MlflowClient
) -> None:
    wide = random_explanation(2, 20, 30)
    of(run).upload_model_explanation(replace(wide, global_importances=None, per_class_importances=None))
    assert mlflow_client.get_run(run.run_id).data.metrics == {}

    of(run).upload_model_explanation(wide)

    logged = mlflow_client.get_run(run.run_id).data.metrics
    expected = dict(zip(wide.get_ranked_global_names(10), wide.get_ranked_global_values(10), strict=True))
    assert logged == {f"importance/{name}": pytest.approx(value, rel=1e-15) for name, value in expected.items()}


def test_the_description_gets_a_line_only_on_request(run: Run, mlflow_client: MlflowClient) -> None:
    mlflow_client.set_tag(run.run_id, "mlflow.note.content", "Trained on *all* rows.")
    of(run).upload_model_explanation(importances(1, 4, 3, 2))
    assert mlflow_client.get_run(run.run_id).data.tags["mlflow.note.content"] == "Trained on *all* rows."

    info = of(run).upload_model_explanation(importances(1, 4, 3, 2), comment="of [today]", describe_run=True)

    note = mlflow_client.get_run(run.run_id).data.tags["mlflow.note.content"]
    before, line = note.split("\n\n")
    assert before == "Trained on *all* rows."
    assert info.id in line
    assert "body mass, \\<b\\>income" in line
    assert "\\[today\\]" in line


def test_highlights_follow_the_latest_explanation_that_is_left(run: Run, mlflow_client: MlflowClient) -> None:
    client = of(run)
    first = client.upload_model_explanation(importances(9, 4, 3, 2))
    second = client.upload_model_explanation(importances(1, 4, 3, 2))

    def top_feature() -> str | None:
        return mlflow_client.get_run(run.run_id).data.tags.get("explanations.top_feature")

    assert top_feature() == "body mass"
    client.delete_model_explanation(second.id)
    assert top_feature() == "age"
    client.delete_model_explanation(first.id)
    assert not [key for key in mlflow_client.get_run(run.run_id).data.tags if key.startswith("explanation")]


@pytest.fixture(scope="module")
def three_runs(tracking_server: TrackingServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Run]]:
    """Three runs of an experiment: one with two explanations, one with one, one with none; the newest comes last."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path_factory.mktemp("home")))
        runs = [tracking_server.create_run(experiment="to be searched") for _ in range(3)]
        of(runs[0]).upload_model_explanation(importances(9, 4, 3, 2), comment="first")
        of(runs[0]).upload_model_explanation(importances(1, 4, 3, 2), comment="second")
        of(runs[1]).upload_model_explanation(importances(1, 4, 3, 9), comment="first")
        yield runs


@pytest.mark.parametrize("direct", [False, True], ids=["over http", "of the database"])
def test_search_finds_explanations_of_many_runs(
    three_runs: list[Run], tracking_server: TrackingServer, direct: bool
) -> None:
    uri = f"sqlite:///{tracking_server.folder / 'mlflow.db'}" if direct else tracking_server.uri
    first, second, _ = (each.run_id for each in three_runs)

    def found(**wanted: object) -> list[tuple[str, str | None]]:
        results = ExplanationClient.search(uri, experiment_names=["to be searched"], **wanted)  # type: ignore[arg-type]
        return [(each.run_id, each.info.comment) for each in results]

    assert found() == [(second, "first"), (first, "second"), (first, "first")]
    assert found(comment="first") == [(second, "first"), (first, "first")]
    assert found(top_feature="age") == [(first, "first")]
    assert found(top_feature="body mass", among=2) == [(second, "first"), (first, "second"), (first, "first")]
    assert found(top_feature="body") == []
    assert found(method="other") == []
    assert found(max_results=1) == [(second, "first")]


def test_search_without_names_covers_all_experiments(three_runs: list[Run], tracking_server: TrackingServer) -> None:
    found = ExplanationClient.search(tracking_server.uri, comment="first")

    assert {three_runs[0].run_id, three_runs[1].run_id} <= {each.run_id for each in found}


def test_search_says_what_is_wrong(tracking_server: TrackingServer) -> None:
    with pytest.raises(RunNotFoundError, match="knows no experiment 'not there'"):
        ExplanationClient.search(tracking_server.uri, experiment_names="not there")
    with pytest.raises(InvalidArgumentError, match="among=6: between 1 and 5"):
        ExplanationClient.search(tracking_server.uri, top_feature="age", among=6)
    with pytest.raises(InvalidArgumentError, match="max_results=0"):
        ExplanationClient.search(tracking_server.uri, max_results=0)


def test_metric_names_are_such_as_mlflow_accepts_and_no_two_are_alike() -> None:
    names = ["a(b)", "a[b]", "a_b_", "…", "../x", "å ä", "x" * 300, "x" * 301, ". ", "a:b/c"]

    clean = metric_names(names)

    assert clean == ["a_b_", "a_b__2", "a_b__3", "_", "_x", "å ä", "x" * 200, "x" * 200 + "_2", "__2", "a_b_c"]


def test_hostile_feature_names_are_logged_and_uploaded(run: Run, mlflow_client: MlflowClient) -> None:
    names = ("", "\0", "a" * 10_000, "../../etc", "importance/", "\u202egnirts")[1:]
    of(run).upload_model_explanation(explanation_of(np.ones((1, 2, 5)), features=names))

    assert len(mlflow_client.get_run(run.run_id).data.metrics) == 5
