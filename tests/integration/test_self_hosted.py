"""The self-hosted stack in use: what docker-compose.yml runs on one host, training on a second, a notebook on a third.

The hosts are network namespaces with files of their own. Only the stack's host knows the object store, as in a compose
network; trainer and notebook reach the stack's published ports and not each other.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from explanation_client.explainers import TabularExplainer
from tests.support.compose import ROOT, Compose, installed
from tests.support.hosts import Host, Network, stop, why_not

pytestmark = [
    pytest.mark.integration,
    # Everything starts once, with the first test: PostgreSQL, a store, MLflow with all its tables.
    pytest.mark.timeout(900),
    pytest.mark.skipif(why_not() is not None, reason=f"hosts of their own: {why_not()}"),
]

TREES = 20
SETTINGS = {
    "COMPOSE_PROFILES": "open,scoring",
    "POSTGRES_PASSWORD": "of @ny/signs:%20'#",
    "S3_ACCESS_KEY": "mlflow:mlflow",
    "S3_SECRET_KEY": "another/secret+1",
    "MLFLOW_HOSTS": "tracking:5000",
    "MLFLOW_WORKERS": "1",
    "SCORING_MODEL": "models:/breast_cancer@champion",
}


@dataclass
class Site:
    """The hosts, and what runs on the first."""

    stack: Host
    trainer: Host
    notebook: Host
    compose: Compose

    def on_notebook(self, *command: str) -> str:
        """Return what a command printed that knows the tracking server's address."""
        done = self.notebook.run([sys.executable, *command], knows_server())
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{self.compose.log('mlflow')}"
        return done.stdout

    def script(self, name: str, *arguments: str, environment: dict[str, str] | None = None) -> str:
        """Return what one of the repository's scripts said on the stack's host, with the stores' variables."""
        variables = {
            **self.compose.environment("bucket"),
            "PGHOST": "postgres",
            "PGUSER": "mlflow",
            "PGDATABASE": "mlflow",
            "PGPASSWORD": SETTINGS["POSTGRES_PASSWORD"],
            "IN_POSTGRES": "",
            "IN_STORE": f"{sys.executable} -m server_plugin.objects",
            **(environment or {}),
        }
        done = self.stack.run(["sh", str(ROOT / "scripts" / name), *arguments], variables)
        return f"{done.returncode}\n{done.stdout}{done.stderr}"


def knows_server() -> dict[str, str]:
    server = {"MLFLOW_TRACKING_URI": "http://tracking:5000", "MLFLOW_DISABLE_TELEMETRY": "true"}
    return {**installed(), **server, "COLUMNS": "160"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Network() as network:
        stack, trainer, notebook = (network.host(name) for name in ("stack", "trainer", "notebook"))
        network.join(stack, trainer, names=("tracking",))
        network.join(stack, notebook, names=("tracking",))
        compose = Compose(stack, SETTINGS, tmp_path_factory.mktemp("logs"))
        compose.up("mlflow")
        compose.wait_until_healthy("mlflow")
        yield Site(stack, trainer, notebook, compose)


@pytest.fixture(scope="module")
def run_id(site: Site) -> str:
    """The run of a project that the notebook has submitted, and the trainer has run."""
    shell = {"shell": [*site.trainer.prefix, "sh", "-c"], "setup": f"PATH={installed()['PATH']}"}
    trainer = {"PYTHONPATH": str(ROOT), "HOME": str(site.trainer.folder), "TMPDIR": str(site.trainer.folder)}
    shell["setup"] += (
        " ".join(["", *(f"{name}={value}" for name, value in trainer.items())]) + "; env >$HOME/environment"
    )
    done = site.notebook.run(
        [
            *(sys.executable, "-m", "mlflow", "run", str(ROOT / "examples" / "remote"), "--experiment-name", "remote"),
            *("--backend", "remote-shell", "--backend-config", json.dumps(shell), "--env-manager", "local"),
            *("-P", f"trees={TREES}"),
        ],
        knows_server(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.partition("run ")[2].partition(":")[0]


def test_a_run_on_another_host_is_explained_there_and_read_by_its_id(site: Site, run_id: str) -> None:
    output = site.on_notebook(str(ROOT / "examples" / "remote" / "download.py"), run_id)

    data = load_breast_cancer()
    x_train, x_test, y_train, _ = train_test_split(data.data, data.target, test_size=0.2, random_state=0)
    model = RandomForestClassifier(n_estimators=TREES, random_state=0).fit(x_train, y_train)
    expected = TabularExplainer(model, x_train, features=data.feature_names).explain_global(x_test)
    lines = [f"{name:<24} {value:.4f}" for name, value in list(expected.get_feature_importance_dict().items())[:4]]
    assert output.splitlines() == lines


def test_the_trainer_knew_the_tracking_server_and_the_run_and_nothing_else(site: Site, run_id: str) -> None:
    said = site.trainer.run(["cat", str(site.trainer.folder / "environment")]).stdout
    environment = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    ours = {name: value for name, value in environment.items() if name.startswith(("MLFLOW", "AWS", "S3", "PG"))}
    assert ours.pop("MLFLOW_DISABLE_TELEMETRY") == "true"
    assert ours == {"MLFLOW_TRACKING_URI": "http://tracking:5000", "MLFLOW_RUN_ID": run_id}

    # No way to the notebook, no name of a store, no file of another host, none left of the project.
    reached = site.trainer.run(["ip", "route", "get", site.notebook.addresses[0]])
    assert reached.returncode != 0, reached.stdout
    assert site.trainer.run(["getent", "hosts", "s3"]).returncode != 0
    files = site.trainer.run(["find", str(site.trainer.folder), "-name", "MLproject", "-o", "-name", "postgres"]).stdout
    assert files == ""
    assert "postgres" in site.stack.run(["ls", str(site.stack.folder)]).stdout


def test_clients_of_mlflow_itself_read_and_write_without_reaching_the_store(site: Site, run_id: str) -> None:
    """A server on plain ``s3:`` would send them to an address that only its own network knows."""
    code = """
import mlflow, pathlib, sys
from mlflow.utils.rest_utils import http_request
from mlflow.tracking._tracking_service.utils import _get_store
info = http_request(_get_store().get_host_creds(), "/api/3.0/mlflow/server-info", "GET").json()
assert not info["multipart_downloads_enabled"] and not info["multipart_uploads_enabled"], info
client = mlflow.MlflowClient()
client.log_text(sys.argv[1], "text", "folder/file.txt")
folder = mlflow.artifacts.download_artifacts(run_id=sys.argv[1])
assert pathlib.Path(folder, "folder/file.txt").read_text() == "text"
assert len(list(pathlib.Path(folder, "explanations").rglob("*.parquet"))) >= 3
"""
    assert site.notebook.run(["getent", "hosts", "s3"]).returncode != 0
    site.on_notebook("-c", code, run_id)


def test_the_bucket_job_may_run_again(site: Site) -> None:
    again = site.compose.run("bucket", "create-bucket")
    assert again.returncode == 0, again.stderr
    assert "the bucket mlflow is there" in again.stderr


def test_the_scoring_service_answers_with_what_the_registry_has(site: Site) -> None:
    register = """
import mlflow, numpy as np
from lightgbm import LGBMClassifier
from sklearn.datasets import load_breast_cancer
from explanation_client.explainers import TabularExplainer
from explanation_client.scoring import log_scoring_explainer
x, y = load_breast_cancer(return_X_y=True)
model = LGBMClassifier(n_estimators=10, verbose=-1, n_jobs=1).fit(x, y)
scoring_explainer = TabularExplainer(model, x).create_scoring_explainer(x[:50])
with mlflow.start_run():
    logged = log_scoring_explainer(scoring_explainer, register="breast_cancer")
mlflow.MlflowClient().set_registered_model_alias("breast_cancer", "champion", logged.version)
import json
print(json.dumps(scoring_explainer.explain(x[:2]).tolist()))
"""
    ask = """
import sys, urllib.request
headers = {"Content-Type": "application/json"}
request = urllib.request.Request("http://tracking:8080/score", sys.argv[1].encode(), headers)
print(urllib.request.urlopen(request, timeout=60).read().decode())
"""
    expected = json.loads(site.on_notebook("-c", register).splitlines()[-1])
    site.compose.up("scoring")
    site.compose.wait_until_healthy("scoring")
    # One of the two is compiled, and the other not: the last bits differ.
    rows = json.dumps({"data": load_breast_cancer().data[:2].tolist()})
    answer = json.loads(site.on_notebook("-c", ask, rows))
    np.testing.assert_allclose(answer["local_importance_values"], expected, rtol=1e-9, atol=1e-12)
    site.compose.down("scoring")


def test_a_backup_restored_into_empty_stores_has_everything(site: Site, run_id: str, tmp_path: Path) -> None:
    """The drill of docs/operations.md, while somebody goes on uploading."""
    verify = ("-m", "explanation_client.cli", "verify", "--all")
    backup = site.stack.folder / "backup"
    uploading = """
import sys
import numpy as np
from explanation_client import ExplanationClient
from tests.strategies import explanation_of
client = ExplanationClient.from_run_id(run_id=sys.argv[1])
for number in range(1000):
    client.upload_model_explanation(explanation_of(np.ones((2, 5, 3))), comment=str(number))
    print(number, flush=True)
"""
    log = tmp_path / "uploading.log"
    uploads = site.notebook.start([sys.executable, "-c", uploading, run_id], knows_server(), log=log)
    while not log.read_text():
        assert uploads.poll() is None
        time.sleep(0.5)
    assert site.script("backup.sh", str(backup)).startswith("0\n")
    stop(uploads)
    assert "Error" not in log.read_text()

    empty = """
import os
from server_plugin.objects import connect
store, bucket = connect(), os.environ["S3_BUCKET"]
for page in store.get_paginator("list_objects_v2").paginate(Bucket=bucket):
    for found in page.get("Contents", ()):
        store.delete_object(Bucket=bucket, Key=found["Key"])
"""
    stores = site.compose.environment("bucket")
    not_empty = site.script("restore.sh", str(backup))
    assert "already exists" in not_empty, not_empty
    assert site.stack.run([sys.executable, "-c", empty], stores).returncode == 0
    lost = site.notebook.run([sys.executable, *verify], knows_server())
    assert lost.returncode == 1
    assert run_id in lost.stderr
    drop = ["psql", "--quiet", "--command", "DROP SCHEMA public CASCADE; CREATE SCHEMA public"]
    variables = {"PGHOST": "postgres", "PGUSER": "mlflow", "PGDATABASE": "mlflow"}
    dropped = site.stack.run(drop, {**variables, "PGPASSWORD": SETTINGS["POSTGRES_PASSWORD"]})
    assert dropped.returncode == 0, dropped.stderr

    restored = site.script("restore.sh", str(backup))
    assert restored.startswith("0\n"), restored
    # What was uploaded while the backup ran may be in the bucket alone, and is listed again; then all is whole.
    site.notebook.run([sys.executable, *verify, "--repair"], knows_server())
    output = site.on_notebook(*verify)
    # The training's, and at least the first of the uploads.
    assert output.count(run_id) >= 2
    assert "damaged" not in output
    # As a newer MLflow does: a table that the backup does not know, and that refers to one of its tables.
    later = ["psql", "--quiet", "--command", "CREATE TABLE later (run VARCHAR(32) REFERENCES runs (run_uuid))"]
    assert site.stack.run(later, {**variables, "PGPASSWORD": SETTINGS["POSTGRES_PASSWORD"]}).returncode == 0
    overwritten = site.script("restore.sh", "--overwrite", str(backup))
    assert overwritten.startswith("0\n"), overwritten


def test_what_is_no_whole_backup_is_refused_before_anything_changes(site: Site) -> None:
    folder = site.stack.folder / "broken"
    site.stack.run(["sh", "-c", f"mkdir {folder} && echo x >{folder}/database.dump && echo y >{folder}/objects.tar"])
    assert "it has no SHA256SUMS" in site.script("restore.sh", str(folder))
    site.stack.run(["sh", "-c", f"cd {folder} && sha256sum *.* >SHA256SUMS && echo z >>objects.tar"])
    damaged = site.script("restore.sh", "--overwrite", str(folder))
    assert not damaged.startswith("0\n")
    assert "objects.tar" in damaged
    assert "a folder of its own" in site.script("backup.sh", str(folder))


@pytest.mark.long
def test_the_profile_with_logins_runs_on_the_same_stores(site: Site, run_id: str, tmp_path: Path) -> None:
    logins = {"COMPOSE_PROFILES": "basic-auth", "MLFLOW_ADMIN_PASSWORD": "long enough 1", "MLFLOW_SECRET_KEY": "x" * 32}
    name = "mlflow-basic-auth"
    site.compose.down("mlflow")
    guarded = Compose(site.stack, {**SETTINGS, **logins}, tmp_path)
    guarded.running, guarded.done = site.compose.running, site.compose.done
    guarded.up(name)
    guarded.wait_until_healthy(name)
    code = """
import sys, mlflow
from explanation_client import ExplanationClient
print(ExplanationClient.from_run_id(run_id=sys.argv[1]).list_model_explanations()[0].id)
"""
    ask = [sys.executable, "-c", code, run_id]
    admin = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": logins["MLFLOW_ADMIN_PASSWORD"]}
    assert "permission" in site.notebook.run(ask, knows_server()).stderr.lower()
    known = site.notebook.run(ask, knows_server() | admin)
    assert known.returncode == 0, known.stderr
    guarded.down(name)

    # A profile that was chosen without its secrets ends at its start, and says why.
    for missing, reason in (("MLFLOW_SECRET_KEY", "MLFLOW_FLASK_SERVER_SECRET_KEY"),):
        broken = Compose(site.stack, {**SETTINGS, **logins, missing: ""}, tmp_path)
        ended = site.stack.run(broken.command(name), broken.environment(name))
        assert ended.returncode != 0
        assert reason in ended.stderr
    site.compose.up("mlflow")
    site.compose.wait_until_healthy("mlflow")
