"""The command ``dashboard``: an explanation of a run, to look at in a browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from explanation_client.cli.options import client_of, run_options, said_plainly


@click.command()
@run_options
@click.option("--explanation-id", "--id", "explanation_id", help="The explanation with this id; by default the latest.")
@click.option("--comment", help="The latest explanation with exactly this comment.")
@click.option("--compare", multiple=True, metavar="RUN_ID", help="Another run, to compare with; may be repeated.")
@click.option(
    "--model", "model_name", metavar="MODEL", help="models:/NAME/VERSION, runs:/ID/NAME or a path: live what-if."
)
@click.option(
    "--data",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The explained rows: .parquet, .csv, .npy.",
)
@click.option(
    "--allow-pickle", is_flag=True, help="Load models that run code when they are loaded. Only those you trust."
)
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="By default one that is free.")
@click.option("--no-browser", is_flag=True, help="Print the address, and open nothing.")
@said_plainly
def dashboard(
    run_id: str,
    tracking_uri: str | None,
    explanation_id: str | None,
    comment: str | None,
    compare: tuple[str, ...],
    model_name: str | None,
    data: Path | None,
    allow_pickle: bool,
    port: int,
    no_browser: bool,
) -> None:
    """Show an explanation in the browser, from a small server on this machine that only you can reach.

    With --model it answers what-if questions too. Ctrl-C ends it.
    """
    from explanation_client.dashboard import ExplanationDashboard
    from explanation_client.dashboard.loading import load_model, load_rows

    client = client_of(run_id, tracking_uri)
    explanation = client.download_model_explanation(explanation_id, comment=comment)
    others = {other: client_of(other, tracking_uri).download_model_explanation() for other in compare}
    shown = ExplanationDashboard(
        explanation,
        None if model_name is None else load_model(model_name, allow_pickle=allow_pickle, tracking_uri=tracking_uri),
        dataset=None if data is None else load_rows(data),
        comparison=others or None,
        mode="html",
    )
    server = shown.serve(port=port)
    click.echo(f"The dashboard of explanation {explanation.id}: {server.url}\nCtrl-C ends it.")
    if not no_browser:
        webbrowser.open(server.url)
    try:
        server.run()
    except KeyboardInterrupt:
        click.echo("Ended.")
    finally:
        server.close()
