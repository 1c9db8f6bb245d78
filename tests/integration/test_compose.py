"""docker-compose.yml, and what it is made of: read by Compose itself, linted, and with no secret in it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.compose import BIN, ROOT, compose, image_of, resolved

SECRETS = {"POSTGRES_PASSWORD": "secret-1", "S3_ACCESS_KEY": "key-1", "S3_SECRET_KEY": "secret-2"}
EVERYTHING = {**SECRETS, "COMPOSE_PROFILES": "open,basic-auth,scoring"}
FILES = [("docker-compose.yml",), ("docker-compose.yml", "docker/versitygw.yml")]
DOCKERFILES = sorted(
    path.relative_to(ROOT) for path in ROOT.glob("*/**/Dockerfile") if "node_modules" not in path.parts
)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(resolved(EVERYTHING)["services"])


@pytest.mark.parametrize("files", FILES)
@pytest.mark.parametrize("profiles", ["open", "basic-auth", "open,scoring", "basic-auth,scoring", "scoring"])
def test_compose_takes_the_files(files: tuple[str, ...], profiles: str) -> None:
    said = compose("config", "--quiet", settings={**SECRETS, "COMPOSE_PROFILES": profiles}, files=files)
    assert said.returncode == 0, said.stderr
    assert said.stderr == ""


@pytest.mark.parametrize("missing", sorted(SECRETS))
def test_a_missing_secret_is_an_error_that_says_what_to_do(missing: str) -> None:
    for value in (None, ""):
        settings = {name: kept for name, kept in SECRETS.items() if name != missing}
        said = compose("config", "--quiet", settings=settings if value is None else {**settings, missing: value})
        assert said.returncode != 0
        assert f"required variable {missing} is missing a value: choose a" in said.stderr
        assert ".env.example" in said.stderr


def test_the_example_names_every_variable_and_has_no_secret() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = dict(re.findall(r"^(?:# )?([A-Z0-9_]+)=(.*)$", example, re.MULTILINE))
    used = set()
    for file in ("docker-compose.yml", "docker/versitygw.yml"):
        used |= set(re.findall(r"\$\{([A-Z0-9_]+)", (ROOT / file).read_text(encoding="utf-8")))
    # Those that only say where images and buckets are called otherwise.
    optional = {"MLFLOW_IMAGE", "SCORING_IMAGE", "S3_BUCKET", "S3_REGION"}
    assert used - optional == set(named) - {"COMPOSE_PROFILES"}
    assert [name for name in named if re.search("PASSWORD|SECRET", name) and named[name]] == []


def test_no_service_has_more_rights_than_it_needs(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        if "build" in service:
            users = re.findall(r"^USER (\S+)$", (ROOT / service["build"]["dockerfile"]).read_text(), re.MULTILINE)
            assert users, name
            assert int(users[-1]) > 0, name


def test_images_are_pinned_by_version(services: dict[str, Any]) -> None:
    images = [service["image"] for service in services.values()]
    for path in DOCKERFILES:
        images += re.findall(r"^ARG PYTHON_IMAGE=(\S+)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    for image in images:
        assert re.search(r":v?\d+\.\d+", image), image


def test_only_this_machine_reaches_what_is_published_and_nobody_the_stores(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(published) == {"mlflow", "mlflow-basic-auth", "scoring"}
    assert {port["host_ip"] for ports in published.values() for port in ports} == {"127.0.0.1"}
    stores = resolved(EVERYTHING)["networks"]["stores"]
    assert stores["internal"] is True
    for name in ("postgres", "s3", "bucket"):
        assert set(services[name]["networks"]) == {"stores"}


def test_every_service_says_whether_it_works_and_stops_in_its_own_time(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if name == "bucket":  # a job: it ends
            continue
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["stop_grace_period"] == "1m0s", name
        assert service["restart"] == "unless-stopped", name


def test_what_the_images_are_made_of_is_sent_to_the_builder(services: dict[str, Any]) -> None:
    """`.dockerignore` lets through what the Dockerfiles copy, and a Dockerfile copies nothing that is not there."""
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for path in DOCKERFILES:
        for line in re.findall(r"^COPY (.+)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE):
            for source in line.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert any(source == kept or source.startswith(f"{kept}/") for kept in allowed), source
    assert image_of(services["mlflow"])["ENTRYPOINT"][:2] == ["mlflow", "server"]


@pytest.mark.parametrize("path", DOCKERFILES, ids=str)
def test_dockerfiles_pass_the_linter(path: Path) -> None:
    said = subprocess.run([str(BIN / "hadolint"), str(ROOT / path)], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout


def test_scripts_are_shell_that_every_sh_takes() -> None:
    for script in sorted((ROOT / "scripts").glob("*.sh")):
        said = subprocess.run(["sh", "-n", str(script)], capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr
