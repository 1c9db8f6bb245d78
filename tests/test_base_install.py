"""What a machine can do on which nothing is installed but the package itself, without any extra.

``make test-base`` runs these where that is so: a package of an extra that is imported on the way is then missing. The
tracking server is another machine's business: its Python is that of ``SERVER_PYTHON``, if it is set.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import explanation_client
from explanation_client import Explanation, ExplanationClient, load_explanation, save_explanation
from tests.strategies import explanation_of
from tests.support.servers import TrackingServer

pytestmark = pytest.mark.base


class ServerElsewhere(TrackingServer):
    """A tracking server that runs on another environment's Python."""

    def _command(self) -> list[str]:
        return [os.environ["SERVER_PYTHON"], *super()._command()[1:]]


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    if "SERVER_PYTHON" not in os.environ:
        yield request.getfixturevalue("tracking_server")
        return
    tracking = ServerElsewhere(tmp_path_factory.mktemp("server"))
    tracking.start()
    yield tracking
    tracking.stop()


@pytest.fixture
def explanation() -> Explanation:
    values = np.random.default_rng(0).normal(size=(2, 6, 5))
    return explanation_of(values, outputs=("benign", "malignant"), base_values=np.array([0.25, -0.25]))


@pytest.mark.parametrize("name", explanation_client.__all__)
def test_every_public_name_loads(name: str) -> None:
    subprocess.run([sys.executable, "-c", f"from explanation_client import {name}"], check=True)


def test_an_explanation_comes_back_from_a_folder(tmp_path: Path, explanation: Explanation) -> None:
    folder = save_explanation(explanation, tmp_path / "saved")
    assert np.array_equal(load_explanation(folder).local_importance_values, explanation.local_importance_values)


@pytest.mark.integration
def test_an_explanation_comes_back_from_a_run(
    server: TrackingServer, explanation: Explanation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path))
    run = server.create_run()
    info = ExplanationClient.from_run_id(server.uri, None, run.run_id).upload_model_explanation(explanation)
    assert info is not None

    client = ExplanationClient.from_run_id(server.uri, "tests", run.run_id)
    assert [listed.id for listed in client.list_model_explanations()] == [info.id]
    whole = client.download_model_explanation()
    assert np.array_equal(whole.local_importance_values, explanation.local_importance_values)
    assert np.array_equal(whole.expected_values, explanation.expected_values)
    first_two = client.download_model_explanation(top_k=2).get_ranked_global_names()
    assert list(first_two) == list(explanation.get_ranked_global_names()[:2])


@pytest.mark.parametrize("command", ["list", "show", "verify", "gc"])
def test_a_command_that_draws_tables_says_which_extra_it_needs(command: str) -> None:
    """The package is made unavailable, so that this is the same where it is installed; no server is asked first."""
    finished = run_without_rich(command, "0" * 32, "--tracking-uri", "http://127.0.0.1:9")
    assert finished.returncode == 1
    assert "explanation-client[cli]" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_the_command_line_explains_itself_without_any_extra() -> None:
    finished = run_without_rich("--help")
    assert finished.returncode == 0
    assert "download" in finished.stdout


def run_without_rich(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys; sys.modules.update(rich=None, tqdm=None)\n"
        "from importlib.metadata import entry_points\n"
        "(command,) = entry_points(group='console_scripts', name='explanation-client')\n"
        "sys.exit(command.load()())"
    )
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
