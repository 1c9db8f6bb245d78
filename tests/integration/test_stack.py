"""The stack that `make stack` runs: PostgreSQL, S3 and MLflow as ordinary processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from explanation_client import ExplanationClient
from scripts.stack import NotInstalledError, Stack, StackError, programs
from tests.strategies import random_explanation
from tests.support.servers import create_run
from tests.support.stack import SharedStack, check_programs

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
EXPLANATION = random_explanation(2, 40, 12)

# A client that can reach the tracking server and nothing else: not the object store behind it.
ELSEWHERE = """
import sys
tracking_uri, run_id, port = sys.argv[1], sys.argv[2], int(sys.argv[3])

def no_way(event, arguments):
    if event == "socket.connect" and arguments[1][1] == port:
        raise ConnectionRefusedError("there is no way to the object store from here")

sys.addaudithook(no_way)
from explanation_client import ExplanationClient
client = ExplanationClient.from_run_id(tracking_uri, run_id=run_id, timeout=60)
(info,) = client.list_model_explanations()
downloaded = client.download_model_explanation().load()
assert all(report.ok for report in client.verify())
print("downloaded", downloaded.get_ranked_global_names()[0], flush=True)

import mlflow
mlflow.set_tracking_uri(tracking_uri)
try:
    mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="explanations")
except Exception as error:
    print("mlflow:", error)
"""


def test_a_client_that_can_not_reach_the_object_store_downloads_all_the_same(
    stack: SharedStack, tmp_path: Path
) -> None:
    """MLflow's own client is handed addresses of the object store, and fails where it can't reach that."""
    run = stack.run_through_server()
    client = ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id, timeout=60)
    client.upload_model_explanation(EXPLANATION)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"EXPLANATION_CLIENT_HOME": str(tmp_path), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
    environment |= {"MLFLOW_TRACKING_URI": run.tracking_uri, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, run.tracking_uri, run.run_id, stack.endpoint.rpartition(":")[2]],
        env=environment, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"downloaded {EXPLANATION.get_ranked_global_names()[0]}" in done.stdout
    assert "mlflow:" in done.stdout  # the trap is real


def test_what_is_missing_is_said_with_what_to_install() -> None:
    with pytest.raises(NotInstalledError, match="apt-get install postgresql"):
        programs.of_postgresql("no-such-program")
    with pytest.raises(NotInstalledError, match=r"no_such_package is not in the environment.*do this"):
        programs.of_environment("python", packages=("no_such_package", "pytest"), install="do this")


def test_a_folder_has_one_stack_at_a_time(tmp_path: Path) -> None:
    try:
        check_programs()
    except NotInstalledError as error:
        pytest.skip(str(error))
    first = Stack(tmp_path / "stack")
    with pytest.raises(StackError, match=f"already .process {os.getpid()}.*another folder"):
        Stack(tmp_path / "stack")
    first.stop()
    second = Stack(tmp_path / "stack")
    assert second.tracking_uri == first.tracking_uri
    assert second.database.uri() == first.database.uri()
    assert second.client_environment == first.client_environment
    assert (tmp_path / "stack" / "settings.json").stat().st_mode & 0o077 == 0
    second.stop()


@pytest.mark.long
def test_a_stack_that_starts_again_has_what_it_had(tmp_path_factory: pytest.TempPathFactory) -> None:
    # Below the folder of temporary files: the user that PostgreSQL runs as can't enter pytest's own.
    import tempfile

    with tempfile.TemporaryDirectory(prefix="explanation-client-") as name:
        folder = Path(name) / "stack"
        Path(name).chmod(0o755)
        stack = Stack(folder)
        stack.start()
        try:
            run = create_run(stack.tracking_uri)
            client = ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id, timeout=60)
            client.upload_model_explanation(EXPLANATION)
        finally:
            stack.stop()
        command = [sys.executable, "-m", "scripts.stack", "--folder", str(folder)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            printed = ""
            while "Running until Ctrl-C" not in printed:
                line = running.stdout.readline()
                assert line, printed
                printed += line
            exports = dict(re.findall(r"export (\w+)=(.*)", printed))
            assert exports["MLFLOW_TRACKING_URI"] == run.tracking_uri
            assert exports["AWS_ACCESS_KEY_ID"]
            again = ExplanationClient.from_run_id(exports["MLFLOW_TRACKING_URI"], run_id=run.run_id, timeout=60)
            assert again.download_model_explanation().load() == EXPLANATION
            assert all(report.ok for report in again.verify())
            running.terminate()
            rest = running.communicate(timeout=120)[0]
        assert "Stopped" in rest
