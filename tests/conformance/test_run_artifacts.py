"""RunArtifacts keeps the contract of all stores, whatever store a run has."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from explanation_client.artifacts import RunArtifacts
from explanation_client.artifacts.repository import RepositoryArtifacts
from tests.conformance.contract import ArtifactsContract, OpenStore
from tests.support.servers import TrackingServer


class TestRunWithLocalFolder(ArtifactsContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        root = tmp_path / "mlruns" / "1" / "run" / "artifacts"
        return lambda: RunArtifacts(str(root), tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")


class TestRunWithFileAddress(ArtifactsContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        root = tmp_path / "with a space"
        return lambda: RunArtifacts(root.as_uri(), tracking_uri="http://127.0.0.1:9")


class TestRunThroughMlflowsRepository(ArtifactsContract):
    """The way to all stores that MLflow has a client for, tried with a class derived from its local one."""

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

        class Repository(LocalArtifactRepository):
            """Not the exact class of MLflow's, so that no short cut is taken."""

        return lambda: RepositoryArtifacts(Repository(str(tmp_path / "root")))


@pytest.mark.integration
class TestRunOnServer(ArtifactsContract):
    versions_differ_in_size = False

    @pytest.fixture
    def open_store(self, tracking_server: TrackingServer) -> OpenStore:
        run = tracking_server.create_run()
        return lambda: RunArtifacts(run.artifact_uri, tracking_uri=tracking_server.uri)


@pytest.mark.integration
class TestRunOnServerUnderGunicorn(ArtifactsContract):
    versions_differ_in_size = False

    @pytest.fixture
    def open_store(self, gunicorn_server: TrackingServer) -> OpenStore:
        run = gunicorn_server.create_run()
        return lambda: RunArtifacts(run.artifact_uri, tracking_uri=gunicorn_server.uri)


@pytest.mark.integration
class TestRunWithServersOwnAddress(ArtifactsContract):
    """Some servers hand out http: addresses instead of mlflow-artifacts: ones."""

    versions_differ_in_size = False

    @pytest.fixture
    def open_store(self, tracking_server: TrackingServer) -> OpenStore:
        run = tracking_server.create_run()
        root = run.artifact_uri.removeprefix("mlflow-artifacts:")
        address = f"{tracking_server.uri}/api/2.0/mlflow-artifacts/artifacts{root}"
        return lambda: RunArtifacts(address, tracking_uri=tracking_server.uri)


def test_a_path_of_the_servers_machine_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A server without --serve-artifacts hands out its own paths, which a client elsewhere would write to silently."""
    root = tmp_path / "not" / "here"
    with caplog.at_level(logging.WARNING):
        RunArtifacts(str(tmp_path / "1" / "run" / "artifacts"), tracking_uri="http://tracking.example:5000")
        RunArtifacts(str(root / "1" / "run" / "artifacts"), tracking_uri="http://127.0.0.1:5000")
        RunArtifacts(str(root / "1" / "run" / "artifacts"), tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    assert caplog.text == ""
    with caplog.at_level(logging.WARNING):
        RunArtifacts(str(root / "1" / "run" / "artifacts"), tracking_uri="http://tracking.example:5000")
    assert f"has no {root}" in caplog.text
    assert "--serve-artifacts" in caplog.text


def test_mlflow_is_loaded_when_a_run_is_opened_and_not_before(tmp_path: Path) -> None:
    program = """
import sys
import explanation_client.artifacts as artifacts
heavy = ("mlflow", "requests", "pandas", "pyarrow")
assert not [name for name in heavy if name in sys.modules]
store = artifacts.FolderArtifacts(sys.argv[1])
store.write("a/b", b"x")
assert store.read("a/b") == b"x"
assert not [name for name in heavy if name in sys.modules]
artifacts.RunArtifacts(sys.argv[1], tracking_uri="sqlite:///x.db")
assert "mlflow" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
