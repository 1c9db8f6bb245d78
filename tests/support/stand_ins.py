"""What stands for the images of others in tests of docker-compose.yml: the same ports, users and passwords.

``python -m tests.support.stand_ins postgres|s3 FOLDER``, with the variables of the service; runs until it is stopped.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from scripts.stack import Database, ObjectStore


def main(name: str, folder: Path) -> None:
    """Start it, say so by a file, wait, stop it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    folder.mkdir(exist_ok=True)
    server = postgres(folder) if name == "postgres" else s3(folder)
    try:
        server.start()
        server.wait_until_ready()
        if isinstance(server, Database):
            server.create(os.environ["POSTGRES_DB"])
        (folder / "ready").touch()
        while True:
            time.sleep(3600)
    finally:
        if isinstance(server, Database):
            server.service.stop()
        else:
            server.stop()


def postgres(folder: Path) -> Database:
    """Return the database of the service ``postgres``, not yet started."""
    assert os.environ["POSTGRES_USER"] == "mlflow"
    return Database(folder, 5432, os.environ["POSTGRES_PASSWORD"], durable=False)


def s3(folder: Path) -> ObjectStore:
    """Return the object store of the service ``s3``, not yet started."""
    return ObjectStore(folder, 9000, os.environ["RUSTFS_SECRET_KEY"])


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
