"""Run the stack until Ctrl-C: ``python -m scripts.stack [--folder FOLDER] [--port PORT] [--once]``."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import time
from pathlib import Path

from scripts.stack.service import StackError
from scripts.stack.stack import Stack

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Return 0 once the stack was stopped, 1 after saying why it could not be started."""
    parser = argparse.ArgumentParser(
        description="PostgreSQL, an S3-compatible object store and mlflow server, as processes of this machine."
    )
    parser.add_argument("--folder", type=Path, default=ROOT / ".stack", help="where all data is kept (.stack)")
    parser.add_argument("--port", type=int, default=0, help="port of the tracking server; a free one unless given")
    parser.add_argument("--once", action="store_true", help="stop as soon as everything answers")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run(options.folder, port=options.port, once=options.once)
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print()
    return 0


def run(folder: Path, *, port: int, once: bool) -> None:
    """Start, say where, wait, stop."""
    stack = Stack(folder, tracking_port=port)
    try:
        stack.start(lambda line: print(line, flush=True))
        print(described(stack), flush=True)
        if once:
            return
        print("\nRunning until Ctrl-C.", flush=True)
        while True:
            time.sleep(1)
            stack.check()
    finally:
        stack.stop()
        print(f"Stopped. The data is in {folder}: the next start has it.", flush=True)


def described(stack: Stack) -> str:
    """Return the addresses, and the lines that a shell needs."""
    exports = [f"  export {name}={shlex.quote(value)}" for name, value in stack.client_environment.items()]
    database = stack.database
    return "\n".join(
        [
            "",
            f"Tracking server  {stack.tracking_uri}",
            f"PostgreSQL       127.0.0.1:{database.port}, database mlflow, user mlflow (password: settings.json there)",
            f"Object store     {stack.object_store.endpoint}, bucket {stack.bucket}",
            f"Data and logs    {stack.folder}, with settings.json",
            "",
            "All that a client needs, because artifacts go through the tracking server:",
            exports[0],
            f"For runs whose artifacts are at s3://{stack.bucket}/..., without the server between, these too:",
            *exports[1:],
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
