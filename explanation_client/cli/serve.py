"""``explanation-client serve``: a scoring explainer as a web service."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from explanation_client.cli.options import check_server, said_plainly

# Where the registry or a run has it, and not a folder of this machine.
_STORED = ("models:/", "runs:/")
_SCRIPT = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("directory")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; 0.0.0.0 is all of them.")
@click.option("--port", type=int, default=8080, show_default=True, help="0 takes a free one.")
@click.option("--workers", type=int, default=1, show_default=True, help="Processes, each with a copy of the model.")
@click.option("--threads", type=int, default=1, show_default=True, help="Requests that a worker computes at a time.")
@click.option("--max-bytes", type=int, default=8 * 2**20, show_default=True, help="Of the body of a request.")
@click.option("--max-rows", type=int, default=10_000, show_default=True, help="Of a request.")
@click.option("--max-waiting", type=int, default=256, show_default=True, help="Requests that a worker holds at a time.")
@click.option("--timeout", type=float, default=60.0, show_default=True, help="Seconds for an answer.")
@click.option(
    "--stop-seconds", type=float, default=30.0, show_default=True, help="For the last answers, once told to stop."
)
@click.option("--script", type=_SCRIPT, help="A Python file whose init() and run(raw_data) answer instead.")
@click.option("--log-run", metavar="RUN_ID", help="Store a sample of the explanations with this run.")
@click.option(
    "--log-fraction", type=float, default=1.0, show_default=True, help="Part of the requests that is sampled."
)
@click.option("--log-rows", type=int, default=1000, show_default=True, help="Rows in one stored explanation, at most.")
@click.option(
    "--log-seconds", type=float, default=3600.0, show_default=True, help="From one stored explanation to the next."
)
@click.option("--log-data", is_flag=True, help="Store the rows and predictions too. They are often personal data.")
@click.option("--access-log", is_flag=True, help="A line for each request; never what it holds.")
@click.option("--tracking-uri", envvar="MLFLOW_TRACKING_URI", help="Address of the tracking server.")
@said_plainly
def serve(
    directory: str,
    host: str,
    port: int,
    workers: int,
    threads: int,
    max_bytes: int,
    max_rows: int,
    max_waiting: int,
    timeout: float,
    stop_seconds: float,
    script: Path | None,
    log_run: str | None,
    log_fraction: float,
    log_rows: int,
    log_seconds: float,
    log_data: bool,
    access_log: bool,
    tracking_uri: str | None,
) -> None:
    """Answer requests with the predictions and local importances of the scoring explainer in DIRECTORY.

    DIRECTORY may also be models:/NAME/VERSION, models:/NAME@ALIAS or runs:/RUN_ID: it is then downloaded once, at the
    start.

    POST rows to /score; the page at / describes the rest. SIGTERM stops once what has arrived is answered, SIGHUP
    loads DIRECTORY again without losing a request.
    """
    from explanation_client.serving.logs import configure_logging
    from explanation_client.serving.options import Limits, SampleOptions, ServiceOptions
    from explanation_client.serving.supervisor import serve as serve_options

    sample = None
    if log_run is not None:
        sample = SampleOptions(
            run_id=log_run,
            tracking_uri=tracking_uri,
            fraction=log_fraction,
            rows=log_rows,
            seconds=log_seconds,
            with_rows=log_data,
        )
    limits = Limits(max_bytes=max_bytes, max_rows=max_rows, max_waiting=max_waiting, answer_seconds=timeout)
    configure_logging(access_log=False)
    with _folder_of(directory, tracking_uri) as folder:
        serve_options(
            ServiceOptions(
                directory=folder,
                script=None if script is None else str(script),
                host=host,
                port=port,
                workers=workers,
                threads=threads,
                limits=limits,
                sample=sample,
                stop_seconds=stop_seconds,
                access_log=access_log,
            )
        )


@contextmanager
def _folder_of(directory: str, tracking_uri: str | None) -> Iterator[str]:
    """Yield the folder with the scoring explainer; what was downloaded for it goes with the service."""
    if not directory.startswith(_STORED):
        if not directory or not Path(directory).exists():
            raise click.UsageError(
                f"{directory!r} is no folder of this machine. Name the folder of a saved scoring explainer, or where "
                "it is stored: models:/NAME/VERSION, models:/NAME@ALIAS or runs:/RUN_ID."
            )
        yield directory
        return
    from explanation_client.scoring import download_scoring_explainer

    check_server(tracking_uri)
    with tempfile.TemporaryDirectory(prefix="scoring-explainer-") as folder:
        yield download_scoring_explainer(directory, f"{folder}/model", tracking_uri=tracking_uri)
