"""Every way that a run's files can go, for tests that have to hold on each of them.

========================  ==========================================================  =====================
cell                      artifacts                                                   database
========================  ==========================================================  =====================
folder                    a folder of this machine, written by the client             PostgreSQL
uvicorn, gunicorn         a folder, through ``mlflow server`` run by either           sqlite
s3                        S3, through ``mlflow server`` (uvicorn)                     PostgreSQL
direct                    S3, written by the client                                   PostgreSQL
uvicorn-postgresql, ...   as above, on servers of their own                           PostgreSQL
========================  ==========================================================  =====================

The first five use servers that the whole suite shares.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.support.servers import Run, StartedBy, TrackingServer
from tests.support.stack import SharedStack, server_on

CreateRun = Callable[[], Run]

SHARED = ("folder", "uvicorn", "gunicorn", "s3", "direct")
ON_POSTGRESQL = ("folder", "uvicorn-postgresql", "gunicorn-postgresql", "s3", "gunicorn-s3", "direct")


@contextlib.contextmanager
def open_cell(name: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[CreateRun]:
    """Yield what makes runs in a cell. ``folder`` is for what is not shared; ``request`` finds what is."""
    if name in ("uvicorn", "gunicorn"):
        shared: TrackingServer = request.getfixturevalue("tracking_server" if name == "uvicorn" else "gunicorn_server")
        yield shared.create_run
        return
    stack: SharedStack = request.getfixturevalue("stack")
    if name == "folder":
        yield lambda: stack.run_in_folder(folder / "artifacts")
    elif name == "s3":
        yield stack.run_through_server
    elif name == "direct":
        request.getfixturevalue("s3_environment")
        yield stack.run_in_s3
    else:
        started_by, _, place = name.partition("-")
        with server_on(stack, folder / "server", cast(StartedBy, started_by), in_s3=place == "s3") as own:
            yield own.create_run
