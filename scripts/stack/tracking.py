"""``mlflow server`` with this project's plug-in."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts.stack import programs
from scripts.stack.service import Service, answers, free_port

_INSTALL = "pip install '.[server,postgresql,s3]'"


@dataclass(slots=True)
class TrackingServer:
    """One MLflow tracking server that passes artifacts on to their store.

    Parameters
    ----------
    folder : Path
        For its log and its temporary files: an upload to S3 passes through one.
    backend_store_uri : str
        The database.
    artifacts_destination : str
        Where it keeps artifacts.
    port : int
        A free one unless given.
    app_name : str
        The app of this project: ``explanations``, or ``explanations-basic-auth`` with users and passwords.
    environment : mapping
        Variables for it, over those of this process: the object store's keys.
    arguments : tuple of str
        More arguments of ``mlflow server``.

    """

    folder: Path
    backend_store_uri: str
    artifacts_destination: str
    port: int = field(default_factory=free_port)
    app_name: str = "explanations"
    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    service: Service = field(init=False)

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()
        self.service = Service(
            "mlflow server", self._command(), self.folder / "mlflow.log", self._is_ready, self._environment()
        )

    @property
    def uri(self) -> str:
        """The tracking URI."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server; ``wait_until_ready`` waits for it. A new database gets its tables first."""
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        self.service.start()

    def wait_until_ready(self) -> None:
        """Return once the server answers."""
        self.service.wait_until_ready()

    def stop(self) -> None:
        """Stop the server."""
        self.service.stop()

    def _is_ready(self) -> bool:
        return answers(f"{self.uri}/health")

    def _command(self) -> list[str]:
        programs.of_environment("mlflow", packages=("sqlalchemy", "psycopg2", "boto3"), install=_INSTALL)
        return [
            *(sys.executable, "-m", "mlflow", "server", "--app-name", self.app_name),
            *("--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"),
            *self.arguments,
        ]

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "AWS_"))}
        return inherited | {
            # Not on the command line, which every user of the machine can read: it has the password.
            "MLFLOW_BACKEND_STORE_URI": self.backend_store_uri,
            "MLFLOW_ARTIFACTS_DESTINATION": self.artifacts_destination,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # else seven more processes and twice the start-up
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "TMPDIR": str(self.folder / "tmp"),
            **self.environment,
        }
