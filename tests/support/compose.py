"""What docker-compose.yml says, run without containers: each service's own command and environment, on one host.

Compose itself reads the file, so that what is run is what it would run: variables filled in, anchors merged, entry
points taken from the images' Dockerfiles. Images that others build have stand-ins: the real PostgreSQL of this machine,
and Swift, an S3-compatible store, for RustFS.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.hosts import Host, stop

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
START_SECONDS = 300.0
# Images of others, by the service that uses them.
STAND_INS = ("postgres", "s3")
# Health checks that are about the image that a stand-in stands for.
_OTHER_HEALTH = ("s3",)


def compose(
    *arguments: str, settings: Mapping[str, str] | None = None, files: tuple[str, ...] = ("docker-compose.yml",)
) -> subprocess.CompletedProcess[str]:
    """Return what Compose says to a command, with variables as from .env and no others."""
    named = [word for file in files for word in ("--file", str(ROOT / file))]
    return subprocess.run(
        [str(BIN / "docker-compose"), "--project-directory", str(ROOT), "--env-file", "/dev/null", *named, *arguments],
        env={"PATH": "/usr/bin:/bin", **(settings or {})},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def resolved(settings: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """Return the file as Compose understands it."""
    said = compose("config", "--format", "json", settings=settings, **more)
    assert said.returncode == 0, said.stderr
    return dict(json.loads(said.stdout))


def image_of(service: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry point, command and variables of an image that is built here, from its Dockerfile."""
    image: dict[str, Any] = {"ENTRYPOINT": [], "CMD": [], "ENV": {}}
    if "build" not in service:
        return image
    text = (ROOT / service["build"]["dockerfile"]).read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        keyword, _, rest = line.partition(" ")
        if keyword in ("ENTRYPOINT", "CMD"):
            image[keyword] = json.loads(rest)
        elif keyword == "ENV":
            image["ENV"].update(pair.split("=", 1) for pair in shlex.split(rest))
    return image


@dataclass(slots=True)
class Compose:
    """The services of the file on one host, whose names for each other all mean that host."""

    host: Host
    settings: Mapping[str, str]
    logs: Path
    services: dict[str, Any] = field(init=False)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict, init=False)
    done: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.services = resolved(self.settings)["services"]
        self.host.knows("127.0.0.1", *self.services)

    def up(self, name: str) -> None:
        """Start a service once those that it depends on are as it wants them."""
        if name in self.running or name in self.done:
            return
        for needed, how in self.services[name].get("depends_on", {}).items():
            if needed not in self.services:
                assert not how["required"], needed
                continue
            self.up(needed)
            self._wait(needed, how["condition"])
        log = self.logs / f"{name}.log"
        self.running[name] = self.host.start(self.command(name), self.environment(name), log=log)

    def wait_until_healthy(self, name: str) -> None:
        """Return once the service's own health check passes."""
        self._wait(name, "service_healthy")

    def down(self, name: str) -> None:
        """Stop a service, within its own period of grace."""
        stop(self.running.pop(name))

    def run(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Return what another command of a service says, as ``docker compose run`` does."""
        entry = self.services[name].get("entrypoint") or image_of(self.services[name])["ENTRYPOINT"]
        return self.host.run([*entry, *command], self.environment(name))

    def command(self, name: str) -> list[str]:
        """Return what the service's container would run."""
        if name in STAND_INS:
            return [sys.executable, "-m", "tests.support.stand_ins", name, str(self.host.folder / name)]
        service, image = self.services[name], image_of(self.services[name])
        return [
            *(service.get("entrypoint") or image["ENTRYPOINT"]),
            *(image["CMD"] if service.get("command") is None else service["command"]),
        ]

    def environment(self, name: str) -> dict[str, str]:
        """Return the variables that the service's container would have, with the places of this machine."""
        service = self.services[name]
        variables = {**image_of(service)["ENV"], **service.get("environment", {})}
        if "TMPDIR" in variables:
            variables["TMPDIR"] = str(self.host.folder)
        if "MLFLOW_AUTH_CONFIG_PATH" in variables:
            variables["MLFLOW_AUTH_CONFIG_PATH"] = str(ROOT / "docker/server/basic_auth.ini")
        return {**installed(), **variables}

    def log(self, name: str) -> str:
        """Return the end of what a service has printed."""
        file = self.logs / f"{name}.log"
        return file.read_text(errors="replace")[-3000:] if file.exists() else ""

    def _wait(self, name: str, condition: str) -> None:
        process = self.running.get(name)
        if process is None:
            return
        if condition == "service_completed_successfully":
            assert process.wait(START_SECONDS) == 0, self.log(name)
            self.done.add(name)
            del self.running[name]
            return
        deadline = time.monotonic() + START_SECONDS
        while not self._is_healthy(name):
            assert process.poll() is None, f"{name} ended while starting:\n{self.log(name)}"
            assert time.monotonic() < deadline, f"{name} is not healthy:\n{self.log(name)}"
            time.sleep(1)

    def _is_healthy(self, name: str) -> bool:
        if name in _OTHER_HEALTH:
            return self.host.run(["test", "-e", str(self.host.folder / name / "ready")]).returncode == 0
        kind, *check = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        return self.host.run(check, self.environment(name)).returncode == 0


def installed() -> dict[str, str]:
    """Return the variables with which this project's environment is the one that commands find."""
    return {"PATH": os.pathsep.join((str(BIN), os.environ["PATH"])), "PYTHONPATH": str(ROOT)}
