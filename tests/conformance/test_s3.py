"""The contract of all stores on the stack: in S3, through the tracking server and without it, and on PostgreSQL.

S3 runs with the suite, the servers that only these tests need with ``make test-long``.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from explanation_client.artifacts import RunArtifacts
from tests.conformance.contract import ArtifactsContract, OpenStore
from tests.support.servers import Run
from tests.support.stack import SharedStack, server_on

pytestmark = pytest.mark.integration


def place_in(run: Run) -> OpenStore:
    """Return what opens one empty place of a run, again and again: making a run takes longer than most tests."""
    place = f"{run.artifact_uri}/{secrets.token_hex(8)}"
    return lambda: RunArtifacts(place, tracking_uri=run.tracking_uri)


@pytest.fixture(scope="module")
def run_through_server(stack: SharedStack) -> Run:
    return stack.run_through_server()


@pytest.fixture(scope="module")
def run_in_s3(stack: SharedStack) -> Run:
    return stack.run_in_s3()


@pytest.fixture(scope="module")
def run_under_uvicorn(stack: SharedStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with server_on(stack, tmp_path_factory.mktemp("uvicorn"), "uvicorn", in_s3=False) as server:
        yield server.create_run()


@pytest.fixture(scope="module")
def run_under_gunicorn(stack: SharedStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with server_on(stack, tmp_path_factory.mktemp("gunicorn"), "gunicorn", in_s3=False) as server:
        yield server.create_run()


@pytest.fixture(scope="module")
def run_in_s3_under_gunicorn(stack: SharedStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with server_on(stack, tmp_path_factory.mktemp("gunicorn"), "gunicorn", in_s3=True) as server:
        yield server.create_run()


class TestRunInS3ThroughServer(ArtifactsContract):
    versions_differ_in_size = False

    @pytest.fixture
    def open_store(self, run_through_server: Run) -> OpenStore:
        return place_in(run_through_server)


class TestRunInS3(ArtifactsContract):
    @pytest.fixture
    def open_store(self, run_in_s3: Run, s3_environment: None) -> OpenStore:
        return place_in(run_in_s3)


@pytest.mark.long
class TestRunInS3ThroughServerUnderGunicorn(ArtifactsContract):
    versions_differ_in_size = False

    @pytest.fixture
    def open_store(self, run_in_s3_under_gunicorn: Run) -> OpenStore:
        return place_in(run_in_s3_under_gunicorn)


@pytest.mark.long
class TestRunOnServerOnPostgreSQL(ArtifactsContract):
    versions_differ_in_size = False

    @pytest.fixture
    def open_store(self, run_under_uvicorn: Run) -> OpenStore:
        return place_in(run_under_uvicorn)


@pytest.mark.long
class TestRunOnServerUnderGunicornOnPostgreSQL(ArtifactsContract):
    versions_differ_in_size = False

    @pytest.fixture
    def open_store(self, run_under_gunicorn: Run) -> OpenStore:
        return place_in(run_under_gunicorn)


@pytest.mark.long
class TestRunInFolderOnPostgreSQL(ArtifactsContract):
    @pytest.fixture
    def open_store(self, stack: SharedStack, tmp_path: Path) -> OpenStore:
        return place_in(stack.run_in_folder(tmp_path / "artifacts"))
