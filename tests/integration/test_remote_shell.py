"""``mlflow run --backend remote-shell``: what is sent, what is told, and what is said when it fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from click.testing import CliRunner
from mlflow import MlflowClient
from mlflow.cli import cli
from mlflow.exceptions import ExecutionException

from tests.support.servers import TrackingServer

pytestmark = pytest.mark.integration

# The other machine is a shell of this one.
SHELL = {"shell": ["sh", "-c"]}


@pytest.fixture
def project(tmp_path: Path, tracking_server: TrackingServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project whose entry point writes down where it is, what it was told and what it was sent."""
    # Whatever an earlier test of this process has set counts for more than the environment.
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(tracking_server.uri)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "other"))
    (tmp_path / "other").mkdir()
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "data" / "rows.csv").write_text("1,2")
    (folder / "MLproject").write_text(
        "name: shell\n"
        "entry_points:\n"
        "  main:\n"
        "    parameters:\n"
        "      word: {type: string, default: none}\n"
        f"    command: 'pwd >{tmp_path}/place; find . >{tmp_path}/files; echo {{word}} $SEASON >{tmp_path}/word;"
        f' echo "$MLFLOW_TRACKING_URI $MLFLOW_RUN_ID" >{tmp_path}/told\'\n'
        "  broken:\n"
        "    command: 'exit 7'\n"
    )
    yield folder
    mlflow.set_tracking_uri(before)


def run(project: Path, *arguments: str, config: object = SHELL) -> str:
    """Return what the command line said: its status first."""
    command = ["run", str(project), "--backend", "remote-shell", "--backend-config", json.dumps(config), *arguments]
    result = CliRunner().invoke(cli, [*command, "--experiment-name", "remote shell"])
    return f"{result.exit_code} {result.output} {result.exception}"


def test_the_project_is_sent_and_told_two_things(
    project: Path, tracking_server: TrackingServer, tmp_path: Path
) -> None:
    said = run(project, "-P", "word=it's $HOME", config={**SHELL, "setup": "SEASON=autumn"})
    assert said.startswith("0 "), said

    uri, run_id = (tmp_path / "told").read_text().split()
    assert uri == tracking_server.uri
    found = MlflowClient(uri).get_run(run_id)
    assert found.info.status == "FINISHED"
    assert found.data.tags["mlflow.project.backend"] == "remote-shell"
    # What a parameter holds is a word there, and not shell.
    assert (tmp_path / "word").read_text() == "it's $HOME autumn\n"
    files = (tmp_path / "files").read_text().split()
    assert "./data/rows.csv" in files
    assert "./.git" not in files
    # Its folder was one of the other machine's, and is gone.
    assert Path((tmp_path / "place").read_text().strip()).parent == tmp_path / "other"
    assert list((tmp_path / "other").iterdir()) == []


def test_what_fails_there_fails_here_and_ends_the_run(project: Path, tracking_server: TrackingServer) -> None:
    said = run(project, "-e", "broken")
    assert said.startswith("1 ")
    run_id = said.partition("=== Run (ID '")[2][:32] or said.partition("run ")[2][:32]
    assert MlflowClient(tracking_server.uri).get_run(run_id).info.status == "FAILED"


def test_a_program_waits_only_if_it_asks_to(project: Path, tracking_server: TrackingServer) -> None:
    submitted = mlflow.projects.run(
        str(project), backend="remote-shell", backend_config=SHELL, synchronous=False, experiment_name="remote shell"
    )
    assert submitted.wait()
    assert submitted.get_status() == "FINISHED"
    assert MlflowClient(tracking_server.uri).get_run(submitted.run_id).info.run_id == submitted.run_id


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({}, "a list of words is needed"),
        ({"shell": "ssh gpu1"}, "a list of words is needed"),
        ({"shell": []}, "a list of words is needed"),
        ({"shell": ["sh", "-c"], "setup": 1}, "a line of shell is needed"),
        ({"shell": ["/no/such/ssh"]}, "is no command of this machine: no run is created"),
    ],
)
def test_settings_that_mean_nothing_are_refused(project: Path, config: dict[str, object], reason: str) -> None:
    with pytest.raises(ExecutionException, match=reason):
        mlflow.projects.run(str(project), backend="remote-shell", backend_config=config, experiment_name="remote shell")


def test_a_tracking_uri_of_this_machine_alone_is_refused(project: Path, tmp_path: Path) -> None:
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    with pytest.raises(ExecutionException, match="means nothing to another machine"):
        mlflow.projects.run(str(project), backend="remote-shell", backend_config=SHELL, experiment_id="0")


def test_a_login_in_the_tracking_uri_is_not_put_on_a_command_line(project: Path) -> None:
    mlflow.set_tracking_uri("https://bob:s3cret@mlflow.example.com")
    with pytest.raises(ExecutionException, match="has a login in it") as raised:
        mlflow.projects.run(str(project), backend="remote-shell", backend_config=SHELL, experiment_id="0")
    assert "s3cret" not in str(raised.value)


def test_a_comment_in_the_setup_says_nothing_of_the_entry_point(project: Path, tmp_path: Path) -> None:
    said = run(project, config={**SHELL, "setup": "SEASON=spring # of this year"})
    assert said.startswith("0 "), said
    assert (tmp_path / "word").read_text() == "none spring\n"
