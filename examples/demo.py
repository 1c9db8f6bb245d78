"""The whole job on one machine: a tracking server, a training script, and somebody who fetches the explanations.

Each is a process of its own, as it would be on machines of its own. `make demo` runs this.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import requests

HERE = Path(__file__).resolve().parent
START_SECONDS = 240


def main() -> None:
    """Start the server, run both scripts, keep serving."""
    parser = argparse.ArgumentParser(description="Track explanations end to end: server, training, download.")
    parser.add_argument("--once", action="store_true", help="end by itself, rather than serve until Ctrl-C")
    parser.add_argument("--port", type=int, default=0, help="port of the tracking server; 0 takes a free one")
    parser.add_argument("--folder", type=Path, default=HERE.parent / ".demo", help="where the server keeps its data")
    options = parser.parse_args()

    # Whoever stops this, by a terminal or by `kill`, stops the server too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    port = options.port or free_port()
    uri = f"http://127.0.0.1:{port}"
    server = start_server(options.folder, port)
    try:
        print(
            f"[1/3] Starting an MLflow tracking server at {uri} (sqlite and files in {options.folder}) ...", flush=True
        )
        wait_until_up(server, uri, options.folder / "server.log")
        run_id, experiment_id = create_run(uri)
        print("[2/3] Training in another process, as a remote run: it uploads two explanations ...", flush=True)
        run_script("train_explain.py", uri, run_id=run_id)
        print("[3/3] A third process knows only the tracking server and the run's id:\n", flush=True)
        run_script("download_explanation.py", uri, arguments=[uri, run_id])
        print(f"\nBrowse the run: {uri}/#/experiments/{experiment_id}/runs/{run_id}/artifacts", flush=True)
        if options.once:
            print("(The server stops now: without --once it keeps serving.)", flush=True)
        else:
            print(f"Or ask again:   .venv/bin/explanation-client show {run_id} --tracking-uri {uri}")
            print("\nServing until Ctrl-C.", flush=True)
            server.wait()
    except KeyboardInterrupt:
        print()
    finally:
        stop(server)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_server(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Return a tracking server on sqlite and local files; what it says goes to a log file."""
    folder.mkdir(parents=True, exist_ok=True)
    mlflow = shutil.which("mlflow", path=str(Path(sys.executable).parent)) or "mlflow"
    command = [
        mlflow, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    # Background jobs (evaluation of language models) would double the time to start and the memory.
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    environment.pop("MLFLOW_RUN_ID", None)
    with (folder / "server.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True)


def wait_until_up(server: subprocess.Popen[bytes], uri: str, log: Path) -> None:
    """Return once the server answers; say what it said where it does not."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SystemExit(f"The server stopped with code {server.returncode}:\n{log.read_text()[-2000:]}")
        try:
            if requests.get(f"{uri}/health", timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.3)
    raise SystemExit(f"The server did not answer within {START_SECONDS} s:\n{log.read_text()[-2000:]}")


def create_run(uri: str) -> tuple[str, str]:
    """Return the ids of a new run and its experiment: what submitting a remote run does first."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    found = client.get_experiment_by_name("explanations demo")
    experiment_id = found.experiment_id if found else client.create_experiment("explanations demo")
    run = client.create_run(experiment_id, run_name="train_explain")
    return run.info.run_id, experiment_id


def run_script(name: str, uri: str, *, run_id: str | None = None, arguments: list[str] | None = None) -> None:
    """Run one of the scripts beside this file in a process of its own; stop here if it fails."""
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri}
    if run_id is not None:
        environment["MLFLOW_RUN_ID"] = run_id
    finished = subprocess.run([sys.executable, str(HERE / name), *(arguments or [])], env=environment, check=False)
    if finished.returncode:
        raise SystemExit(f"{name} failed with code {finished.returncode}")


def stop(server: subprocess.Popen[bytes]) -> None:
    """Stop the server and its workers."""
    if server.poll() is not None:
        return
    os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


if __name__ == "__main__":
    main()
