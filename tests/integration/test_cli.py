"""The command line, as a user types it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from mlflow import MlflowClient

from explanation_client import ExplanationClient, load_explanation
from explanation_client.artifacts import RunArtifacts
from explanation_client.cli import main, options
from explanation_client.info import new_id
from explanation_client.store import folder_of
from tests.strategies import explanation_of, random_explanation
from tests.support.servers import Run, free_port

pytestmark = pytest.mark.integration

EXPLANATION = explanation_of(np.array([[[1.0, -3.0, 2.0]]]), features=("age", "[red]bmi", "=cmd()"))


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", run.tracking_uri)
    monkeypatch.setenv("COLUMNS", "160")


@pytest.fixture
def client(run: Run) -> ExplanationClient:
    client = ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id)
    client.upload_model_explanation(EXPLANATION, comment="of [bold]one\u202e row")
    return client


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_list_shows_each_explanation(client: ExplanationClient, run: Run) -> None:
    result = call("list", run.run_id)
    assert result.exit_code == 0
    assert EXPLANATION.id in result.output
    assert "of [bold]one\\u202e row" in result.output
    assert "[red]bmi" in result.output
    assert "1 x 3" in result.output


def test_list_speaks_json(client: ExplanationClient, run: Run) -> None:
    lines = call("list", run.run_id, "--json").output.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [EXPLANATION.id]


def test_a_run_without_explanations_is_no_error(run: Run) -> None:
    result = call("list", run.run_id)
    assert result.exit_code == 0
    assert "has no explanations" in result.output


def test_show_ranks_the_features(client: ExplanationClient, run: Run) -> None:
    result = call("show", run.run_id)
    assert result.exit_code == 0
    assert result.output.index("[red]bmi") < result.output.index("=cmd()") < result.output.index("age")
    assert "age" not in call("show", run.run_id, "--top-k", 2).output


def test_verify_checks_one_run_or_all(client: ExplanationClient, run: Run) -> None:
    assert "whole" in call("verify", run.run_id).output
    result = call("verify", "--all")
    assert any(run.run_id in line and "whole" in line for line in result.output.splitlines())

    lost = client.list_model_explanations()[0]
    store = RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri)
    store.delete(next(stat.path for stat in store.list(folder_of(lost.id)) if stat.path.endswith(".parquet")))
    result = call("verify", "--all")
    assert result.exit_code == 1
    assert f"{run.run_id} {lost.id}: " in result.output


def test_repairing_all_finds_runs_that_have_lost_every_tag(
    client: ExplanationClient, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = client.list_model_explanations()
    tracking = MlflowClient(run.tracking_uri)
    for key in tracking.get_run(run.run_id).data.tags:
        if key.startswith("explanation"):
            tracking.delete_tag(run.run_id, key)
    assert client.list_model_explanations() == []
    assert run.run_id not in call("verify", "--all").output
    # A newer run, for whose store nobody here has credentials, keeps none of the others from being repaired.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    experiment = tracking.create_experiment(f"elsewhere {run.run_id}", artifact_location="s3://a-bucket/of-others")
    foreign = tracking.create_run(experiment)
    result = call("verify", "--all", "--repair")
    assert run.run_id in result.output
    assert result.exit_code == 1
    assert f"{foreign.info.run_id}: not verified: " in result.output
    tracking.delete_run(foreign.info.run_id)
    assert client.list_model_explanations() == before
    assert [found.info for found in client.search(run.tracking_uri) if found.run_id == run.run_id] == before


def test_verify_wants_one_run_or_all(run: Run) -> None:
    for arguments in ((), (run.run_id, "--all"), ("--all", "--id", "x")):
        result = call("verify", *arguments)
        assert result.exit_code == 2
        assert "Name one run" in result.output


def test_serve_says_what_it_could_be_given() -> None:
    for nothing in ("", "no such folder"):
        result = call("serve", nothing)
        assert result.exit_code == 2
        assert "is no folder of this machine" in result.output
    result = call("serve", "models:/no such model/1")
    assert result.exit_code == 1
    assert "no such model" in result.output


def test_download_saves_all_or_a_table(client: ExplanationClient, run: Run, tmp_path: Path) -> None:
    assert call("download", run.run_id, tmp_path / "folder").exit_code == 0
    assert load_explanation(tmp_path / "folder") == EXPLANATION
    assert call("download", run.run_id, tmp_path / "table.csv", "--top-k", 2).exit_code == 0
    assert (tmp_path / "table.csv").read_text().splitlines() == ["feature,importance", "[red]bmi,3.0", "'=cmd(),2.0"]
    again = call("download", run.run_id, tmp_path / "folder")
    assert again.exit_code == 1
    assert "not an empty folder" in again.output
    assert "exists" in call("download", run.run_id, tmp_path / "table.csv").output


def test_verify_finds_damage_and_repairs_tags(client: ExplanationClient, run: Run) -> None:
    whole = call("verify", run.run_id)
    assert whole.exit_code == 0
    assert "whole" in whole.output
    store = RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri)
    data = next(stat.path for stat in store.list(folder_of(EXPLANATION.id)) if stat.name.startswith("local"))
    store.write(data, b"PAR1 not")
    damaged = call("verify", run.run_id)
    assert damaged.exit_code == 1
    assert "damaged" in damaged.output


@pytest.mark.parametrize("lost", ["manifest", ""])
def test_verify_fails_where_a_listed_explanation_is_gone(client: ExplanationClient, run: Run, lost: str) -> None:
    store = RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri)
    for stat in store.list(folder_of(EXPLANATION.id)):
        if stat.name.startswith(lost):
            store.delete(stat.path)
    result = call("verify", run.run_id)
    assert result.exit_code == 1
    assert "gone" in result.output
    assert len(client.list_model_explanations()) == 1


def test_verify_repairs_a_lost_tag(client: ExplanationClient, run: Run) -> None:
    MlflowClient(run.tracking_uri).delete_tag(run.run_id, f"explanation.{EXPLANATION.id}")
    assert call("verify", run.run_id).exit_code == 1
    assert call("verify", run.run_id, "--repair").exit_code == 0
    assert EXPLANATION.id in call("list", run.run_id).output


def test_no_server_is_said_soon(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "PATIENCE", 0.5)
    result = call("list", run.run_id, "--tracking-uri", f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 1
    assert "refused" in result.output.lower()
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.setattr("mlflow.is_tracking_uri_set", lambda: False)
    assert "--tracking-uri" in call("list", run.run_id).output


def test_a_hostile_method_is_only_text(client: ExplanationClient, run: Run) -> None:
    hostile = replace(EXPLANATION, info=replace(EXPLANATION.info, id=new_id(), method="[/x]\x1b[2J[link=http://x]y"))
    client.upload_model_explanation(hostile)
    for command in ("list", "show"):
        result = call(command, run.run_id)
        assert result.exit_code == 0
        assert "\x1b[2J" not in result.output
        assert "[/x]\\u001b[2J" in result.output


def test_gc_only_looks_unless_told_otherwise(client: ExplanationClient, run: Run) -> None:
    store = RunArtifacts(run.artifact_uri, tracking_uri=run.tracking_uri)
    stray = "explanations/019000000000/local-0-0123456789abcdef-0000000000000000.parquet"
    store.write(stray, b"half")
    assert "Found 1 file, 4 B." in call("gc", run.run_id).output
    assert store.read(stray) == b"half"
    assert "Deleted 1 file," in call("gc", run.run_id, "--delete").output
    assert "Found 0 files" in call("gc", run.run_id).output


def test_delete_asks_first(client: ExplanationClient, run: Run) -> None:
    assert call("delete", run.run_id, EXPLANATION.id).exit_code == 1
    assert len(client.list_model_explanations()) == 1
    assert call("delete", run.run_id, EXPLANATION.id, "--yes").exit_code == 0
    assert client.list_model_explanations() == []


def test_errors_are_one_message(run: Run) -> None:
    for arguments in (("show", run.run_id), ("list", "0" * 32), ("delete", run.run_id, "nothing", "--yes")):
        result = call(*arguments)
        assert result.exit_code == 1
        assert result.output.startswith("Error: ")
        assert "Traceback" not in result.output


def test_resume_finishes_an_upload(run: Run) -> None:
    away = ExplanationClient.from_run_id(f"http://127.0.0.1:{free_port()}", run_id=run.run_id, timeout=0.2)
    with pytest.warns(UserWarning, match="resume") as warned:
        away.upload_model_explanation(random_explanation(1, 2, 3), comment="late", on_error="warn")
    spool = str(warned[0].message).split("resume ")[1].split("`")[0]
    note = Path(spool) / "upload.json"
    note.write_text(note.read_text().replace(away.tracking_uri, run.tracking_uri))
    assert "Uploaded" in call("resume", spool).output
    assert "late" in call("list", run.run_id).output
    assert call("resume", spool).exit_code != 0
