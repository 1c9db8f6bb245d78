"""PostgreSQL, as one process on a port of this machine."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.stack import programs
from scripts.stack.service import Service, StackError, as_user, free_port

USER = "mlflow"


@dataclass(slots=True)
class Database:
    """One PostgreSQL server with its data in ``folder``; a database is made for each name that is asked for.

    PostgreSQL refuses to run as root. Started by root it runs as the user ``postgres``, or ``nobody`` where there is
    none, and that user has to be able to enter the folder.

    Parameters
    ----------
    folder : Path
    port : int
        A free one unless given.
    password : str
        That of the user ``mlflow``, who owns everything. Set when the folder is new, and needed from then on.
    durable : bool
        False is faster, and may lose data in a power cut.

    """

    folder: Path
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    durable: bool = True
    service: Service = field(init=False)

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",  # their paths may not be long, and nothing here uses them
            "fsync": "on" if self.durable else "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        options = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        self.service = Service(
            "PostgreSQL",
            [programs.of_postgresql("postgres"), "-D", str(self._data), *options],
            self.folder / "postgresql.log",
            self._is_ready,
            environment=_environment(),
            user=_other_user(),
            ends_by=signal.SIGINT,  # its "fast" end: clients are not waited for
        )

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def uri(self, database: str = "mlflow") -> str:
        """Return the address of a database for SQLAlchemy. It has the password: keep it off command lines and pages.

        The driver is named, because SQLAlchemy 2.1 takes another one where it is not.
        """
        return f"postgresql+psycopg2://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start the server, making the folder's data if there is none; ``wait_until_ready`` waits for it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self._data / "PG_VERSION").exists():
            self._initialize()
        self.service.start()

    def wait_until_ready(self) -> None:
        """Return once the server answers."""
        self.service.wait_until_ready()

    def stop(self) -> None:
        """Stop the server; clients that are still connected are cut off."""
        self.service.stop()

    def create(self, database: str = "mlflow") -> str:
        """Make a database, unless there is one of that name, and return its address."""
        with contextlib.closing(self._connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
            if cursor.fetchone() is None:
                cursor.execute(f'CREATE DATABASE "{database}"')
        return self.uri(database)

    def _initialize(self) -> None:
        user = _other_user()
        self._data.mkdir(mode=0o700, exist_ok=True)
        if user is not None:
            os.chown(self._data, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
            if subprocess.run(["test", "-w", str(self._data)], check=False, **as_user(user)).returncode:
                raise StackError(
                    f"PostgreSQL may not run as root, and the user {user} that it runs as can't enter {self._data}: "
                    "give another folder, or allow everybody to pass through (chmod a+x) those above it"
                )
        with tempfile.NamedTemporaryFile() as password:
            password.write(self.password.encode())
            password.flush()
            if user is not None:
                os.chown(password.name, pwd.getpwnam(user).pw_uid, -1)
            done = subprocess.run(
                [
                    *(programs.of_postgresql("initdb"), "-D", str(self._data), "-U", USER, "--auth=scram-sha-256"),
                    *(f"--pwfile={password.name}", "--encoding=UTF8", "--locale=C.UTF-8"),
                    *(() if self.durable else ("--no-sync",)),
                ],
                env=_environment(),
                cwd=self.folder,
                capture_output=True,
                text=True,
                check=False,
                **as_user(user),
            )
        if done.returncode:
            raise StackError(f"initdb failed with code {done.returncode}:\n{done.stdout}{done.stderr}")

    def _connect(self, database: str = "postgres") -> Any:
        import psycopg2

        connection = psycopg2.connect(
            host="127.0.0.1", port=self.port, user=USER, password=self.password, dbname=database, connect_timeout=10
        )
        connection.autocommit = True
        return connection

    def _is_ready(self) -> bool:
        import psycopg2

        with contextlib.suppress(psycopg2.OperationalError):
            self._connect().close()
            return True
        return False


def _other_user() -> str | None:
    """Return whom PostgreSQL runs as where this process may not run it itself."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in names:
            return name
    raise StackError(
        "PostgreSQL may not run as root, and there is no user postgres or nobody: run this as another user"
    )


def _environment() -> dict[str, str]:
    # PG* variables of whoever starts this would change where it connects and what it makes.
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C.UTF-8"}
