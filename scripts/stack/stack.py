"""PostgreSQL, the object store and the tracking server together, in one folder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from scripts.stack.object_store import ObjectStore
from scripts.stack.postgresql import Database
from scripts.stack.service import StackError, free_port
from scripts.stack.tracking import TrackingServer

BUCKET = "explanations"


@dataclass(frozen=True, slots=True)
class Settings:
    """What has to be the same at the next start: the passwords; and what is nice to have the same: the ports.

    They lie in ``settings.json`` of the stack's folder, which only its owner can read.
    """

    database_password: str
    object_store_secret: str
    database_port: int
    object_store_port: int
    tracking_port: int

    @classmethod
    def of(cls, folder: Path, *, tracking_port: int = 0) -> Settings:
        """Return the folder's settings, made where there are none, with other ports for those that are taken."""
        file = folder / "settings.json"
        old = json.loads(file.read_text()) if file.exists() else {}
        ports = {name: free_port(old.get(name, 0)) for name in ("database_port", "object_store_port", "tracking_port")}
        if tracking_port:
            ports["tracking_port"] = free_port(tracking_port)
        if tracking_port and ports["tracking_port"] != tracking_port:
            raise StackError(f"port {tracking_port} of 127.0.0.1 is taken: give another one, or none")
        passwords = ("database_password", "object_store_secret")
        values: dict[str, Any] = {name: old.get(name) or secrets.token_urlsafe(24) for name in passwords} | ports
        file.touch(mode=0o600)
        file.write_text(json.dumps(values, indent=1))
        return cls(**values)


class Stack:
    """The three services, which know each other's addresses.

    Parameters
    ----------
    folder : Path
        Holds all data, logs and settings; made if need be. One stack at a time runs in it.
    tracking_port : int
        Port of the tracking server; the one it had before, or a free one, unless given.
    app_name : str
        See :class:`TrackingServer`.
    environment : mapping, optional
        More variables for the tracking server.
    durable : bool
        See :class:`Database`.

    """

    def __init__(
        self,
        folder: Path,
        *,
        tracking_port: int = 0,
        app_name: str = "explanations",
        environment: Mapping[str, str] | None = None,
        durable: bool = True,
    ) -> None:
        self.folder = folder.absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock: IO[str] = _locked(self.folder / "lock")
        settings = Settings.of(self.folder, tracking_port=tracking_port)
        self.database = Database(
            self.folder / "postgresql", settings.database_port, settings.database_password, durable=durable
        )
        self.object_store = ObjectStore(
            self.folder / "object-store", settings.object_store_port, settings.object_store_secret
        )
        self.tracking = TrackingServer(
            self.folder / "mlflow",
            self.database.uri(),
            f"s3://{BUCKET}/artifacts",
            settings.tracking_port,
            app_name=app_name,
            environment={**self.object_store.environment, **(environment or {})},
        )

    @property
    def bucket(self) -> str:
        """The bucket that the tracking server keeps artifacts in, below ``artifacts/``; other prefixes are free."""
        return BUCKET

    @property
    def tracking_uri(self) -> str:
        """The tracking URI."""
        return self.tracking.uri

    @property
    def client_environment(self) -> dict[str, str]:
        """What a client needs whose runs keep their artifacts in S3 without the server between (``s3:`` addresses)."""
        return {"MLFLOW_TRACKING_URI": self.tracking_uri, **self.object_store.environment}

    def start(self, say: Callable[[str], None] = lambda _: None) -> None:
        """Start all three, and return once they answer; a part that fails stops the others.

        Parameters
        ----------
        say : callable
            Gets a line of text for each step.

        """
        try:
            say("Starting PostgreSQL and the object store ...")
            self.database.start()
            self.object_store.start()
            self.database.wait_until_ready()
            self.database.create("mlflow")
            self.object_store.wait_until_ready()
            self.object_store.create_bucket(BUCKET)
            say("Starting the tracking server ...")
            self.tracking.start()
            self.tracking.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def check(self) -> None:
        """Raise ``StackError`` if one of the processes has ended."""
        for service in (self.tracking.service, *self.object_store.services, self.database.service):
            if not service.is_running:
                raise StackError(f"{service.name} has ended. The end of {service.log}:\n{service.log_tail()}")

    def stop(self) -> None:
        """Stop all three, those that depend on others first. The data stays."""
        with contextlib.ExitStack() as last_first:
            last_first.callback(self._lock.close)
            last_first.callback(self.database.stop)
            last_first.callback(self.object_store.stop)
            last_first.callback(self.tracking.stop)


@contextlib.contextmanager
def running_stack(
    folder: Path,
    *,
    tracking_port: int = 0,
    app_name: str = "explanations",
    environment: Mapping[str, str] | None = None,
    durable: bool = True,
) -> Iterator[Stack]:
    """Yield a running stack; it ends with the block, and its data stays. The parameters are those of ``Stack``."""
    stack = Stack(folder, tracking_port=tracking_port, app_name=app_name, environment=environment, durable=durable)
    stack.start()
    try:
        yield stack
    finally:
        stack.stop()


def _locked(file: Path) -> IO[str]:
    lock = file.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        running = lock.read()
        lock.close()
        raise StackError(
            f"a stack runs in {file.parent} already (process {running}): stop it, or give another folder"
        ) from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
