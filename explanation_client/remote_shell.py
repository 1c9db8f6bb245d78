"""``mlflow run --backend remote-shell``: an MLflow project on another machine that takes commands, by SSH for example.

MLflow finds it by its entry point. The project's files go to the other machine through the command's standard input;
what it learns of this one is the address of the tracking server and the id of the run, nothing else. There is no folder
that both see, and nothing to install there beside what the project needs.
"""

from __future__ import annotations

import io
import os
import shlex
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import click
from mlflow import MlflowClient
from mlflow.exceptions import ExecutionException
from mlflow.projects.backend.abstract_backend import AbstractBackend
from mlflow.projects.submitted_run import LocalSubmittedRun
from mlflow.projects.utils import (
    fetch_and_validate_project,
    get_entry_point_command,
    get_or_create_run,
    load_project,
)

# What a project's folder may hold that the other machine has no use for, or that is nobody else's business.
_LEFT_OUT = {".env", ".git", ".venv", "__pycache__", "mlruns", "mlartifacts", "node_modules"}
_SETTINGS = ("shell", "setup")


class RemoteShellBackend(AbstractBackend):
    """Runs a project's entry point on another machine.

    ``backend_config`` has

    ``shell``
        The command that runs a line of shell on the other machine, as a list: ``["ssh", "trainer@gpu1"]``,
        ``["kubectl", "exec", "--stdin", "trainer", "--", "sh", "-c"]``. The line is added as its last argument.
    ``setup``
        What that line begins with, such as ``. /opt/training/bin/activate``. Optional.
    """

    def run(
        self,
        project_uri: str,
        entry_point: str,
        params: Mapping[str, Any],
        version: str | None,
        backend_config: Mapping[str, Any],
        tracking_uri: str,
        experiment_id: str,
    ) -> LocalSubmittedRun:
        """Create the run, send the project, start its entry point, and return the submitted run.

        From the command line this waits until the entry point has ended, as ``mlflow run`` does with local runs.

        Raises
        ------
        ExecutionException
            The settings are not those above, the tracking URI is no address of a server or has a login in it, or (from
            the command line) the entry point failed.

        """
        shell, setup = _settings(backend_config)
        if shutil.which(shell[0]) is None:
            raise ExecutionException(f"{shell[0]!r} is no command of this machine: no run is created")
        _check_address(tracking_uri)
        folder = fetch_and_validate_project(project_uri, version, entry_point, params)
        run = get_or_create_run(None, project_uri, experiment_id, folder, version, entry_point, params)
        command = get_entry_point_command(load_project(folder), entry_point, params, None)
        script = _script(command, setup, {"MLFLOW_TRACKING_URI": tracking_uri, "MLFLOW_RUN_ID": run.info.run_id})
        try:
            submitted = LocalSubmittedRun(run.info.run_id, _start([*shell, script], _packed(folder)))
        except BaseException:
            # Whoever waits for the run waits for nothing.
            MlflowClient(tracking_uri).set_terminated(run.info.run_id, "FAILED")
            raise
        if click.get_current_context(silent=True) is not None:
            _wait(submitted, MlflowClient(tracking_uri))
        return submitted


def _settings(config: Mapping[str, Any]) -> tuple[Sequence[str], str]:
    # MLflow's own settings are in capitals, or are those of other backends.
    shell, setup = (config.get(name) for name in _SETTINGS)
    if not isinstance(shell, list) or not shell or not all(isinstance(word, str) for word in shell):
        raise ExecutionException(
            f'backend_config["shell"] is {shell!r}: a list of words is needed, as in '
            '--backend-config \'{"shell": ["ssh", "trainer@gpu1"]}\''
        )
    if not isinstance(setup, str | None):
        raise ExecutionException(f'backend_config["setup"] is {setup!r}: a line of shell is needed')
    return shell, setup or ":"


def _check_address(tracking_uri: str) -> None:
    if "@" in urlsplit(tracking_uri).netloc:
        raise ExecutionException(
            "the tracking URI has a login in it, which would stand on command lines of both machines, where "
            "every user sees it: leave it out, and set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD on each"
        )
    if not tracking_uri.startswith(("http://", "https://")):
        raise ExecutionException(
            f"the tracking URI {tracking_uri!r} means nothing to another machine: set MLFLOW_TRACKING_URI to the "
            "address of a tracking server that both can reach"
        )


def _wait(submitted: LocalSubmittedRun, client: MlflowClient) -> None:
    """Wait for the entry point, and end the run where that has not done so itself."""
    try:
        is_well = submitted.wait()
    except KeyboardInterrupt:
        submitted.cancel()
        client.set_terminated(submitted.run_id, "KILLED")
        raise
    if client.get_run(submitted.run_id).info.status == "RUNNING":
        client.set_terminated(submitted.run_id, "FINISHED" if is_well else "FAILED")
    if not is_well:
        raise ExecutionException(f"run {submitted.run_id} failed on the other machine: see what it printed above")


def _script(commands: Sequence[str], setup: str, environment: Mapping[str, str]) -> str:
    """Return the text for a shell: unpack standard input into a new folder, run there, remove it."""
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    return " && ".join(
        (
            "folder=$(mktemp -d) && trap 'rm -rf \"$folder\"' EXIT",
            'tar -xzf - -C "$folder"',
            'cd "$folder"',
            f"export {settings}",
            # Groups of their own lines: a comment, or a `;`, in one of them says nothing of the next.
            *(f"{{ {line}\n}}" for line in (setup, *commands)),
        )
    )


def _packed(folder: str) -> bytes:
    """Return a project's files as a gzipped tar file."""

    def wanted(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if os.path.basename(entry.name) in _LEFT_OUT:
            return None
        # The other machine has other users, and the folder that it is unpacked into is one user's.
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        if entry.name == ".":
            entry.mode = 0o700
        return entry

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(folder, arcname=".", filter=wanted)
    return packed.getvalue()


def _start(command: Sequence[str], project: bytes) -> subprocess.Popen[bytes]:
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    except OSError as error:
        raise ExecutionException(f"{command[0]} can't be started: {error}") from error
    assert process.stdin is not None
    try:
        process.stdin.write(project)
        process.stdin.close()
    except BrokenPipeError:
        # It ended before it had read everything: waiting for it tells.
        pass
    return process
