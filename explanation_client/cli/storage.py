"""Commands about what is stored: ``verify``, ``gc`` and ``resume``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from explanation_client.cli.options import check_server, client_of, run_options, said_plainly, server_option
from explanation_client.cli.tables import open_console, size_of, table_of
from explanation_client.display import shown
from explanation_client.errors import RunNotFoundError, StorageError
from explanation_client.progress import progress_bar

if TYPE_CHECKING:
    from rich.console import Console

    from explanation_client.store.check import Report

# For the list of all runs: one request for each thousand.
_SEARCH_SECONDS = 300.0


@click.command()
@click.argument("run_id", required=False)
@server_option
@click.option("--all", "every", is_flag=True, help="All runs of the server that have explanations.")
@click.option("--id", "explanation_id", help="Only this explanation.")
@click.option("--repair", is_flag=True, help="Write lost or wrong tags again.")
@said_plainly
def verify(run_id: str | None, tracking_uri: str | None, every: bool, explanation_id: str | None, repair: bool) -> None:
    """Read every stored byte of a run's explanations and compare it with what was uploaded.

    Exits 1 if anything is damaged or missing, or could not be read. With --all and --repair every run of the server is
    looked through: the tags that tell which have explanations may be what is lost.
    """
    if every == (run_id is not None) or (every and explanation_id is not None):
        raise click.UsageError("Name one run (and with --id one explanation), or pass --all.")
    console = open_console()
    runs = [run_id] if run_id is not None else _all_runs(tracking_uri, unlisted=repair)
    found: list[tuple[str, Report]] = []
    failed: dict[str, str] = {}
    with progress_bar("verifying", total=len(runs), unit="run") as advance:
        for each in runs:
            try:
                reports = client_of(each, tracking_uri).verify(explanation_id, repair=repair)
            except (StorageError, RunNotFoundError) as error:
                # Of many runs one may have a store that this machine does not reach, or be deleted meanwhile.
                if not every:
                    raise
                failed[each] = str(error)
            else:
                found += [(each, report) for report in reports]
            advance(1)
    _show_reports(console, found, with_runs=every)
    for each, why in failed.items():
        click.echo(f"{each}: not verified: {shown(why, length=500)}", err=True)
    # What an interrupted upload left behind, and nobody lists, is garbage, not damage.
    if failed or any(report.problems and (report.committed or report.listed) for _, report in found):
        sys.exit(1)


def _all_runs(tracking_uri: str | None, *, unlisted: bool) -> list[str]:
    import mlflow

    from explanation_client.search import run_ids
    from explanation_client.tracking import connect

    check_server(tracking_uri)
    tracking = connect(tracking_uri or mlflow.get_tracking_uri(), timeout=_SEARCH_SECONDS)
    return run_ids(tracking, unlisted=unlisted, seconds=_SEARCH_SECONDS)


def _show_reports(console: Console, found: list[tuple[str, Report]], *, with_runs: bool) -> None:
    title = "1 explanation" if len(found) == 1 else f"{len(found)} explanations"
    table = table_of(*(["run"] if with_runs else []), "explanation", "state", "files", "size", title=title)
    for run_id, report in found:
        unfinished = not report.committed and not report.listed
        state = "[green]whole[/]" if report.ok else "[yellow]unfinished[/]" if unfinished else "[red]damaged[/]"
        row = (report.id, state, str(report.files), size_of(report.size))
        table.add_row(*((shown(run_id),) if with_runs else ()), *row)
    console.print(table)
    for run_id, report in found:
        place = f"{run_id} {report.id}" if with_runs else report.id
        for problem in report.problems:
            click.echo(f"{place}: {problem}", err=True)


@click.command()
@run_options
@click.option("--older-than-hours", type=float, default=48.0, show_default=True, help="Younger files stay.")
@click.option("--delete", "really", is_flag=True, help="Delete them; otherwise they are only listed.")
@said_plainly
def gc(run_id: str, tracking_uri: str | None, older_than_hours: float, really: bool) -> None:
    """List the files that unfinished uploads left behind, and delete them on request."""
    console = open_console()
    garbage = client_of(run_id, tracking_uri).gc(older_than_hours=older_than_hours, dry_run=not really)
    if garbage:
        table = table_of("file", "size", "age (h)", "why")
        for item in garbage:
            table.add_row(shown(item.path, length=120), size_of(item.size), f"{item.age_hours:.0f}", item.reason)
        console.print(table)
    total = size_of(sum(item.size or 0 for item in garbage))
    count = "1 file" if len(garbage) == 1 else f"{len(garbage)} files"
    click.echo(f"{'Deleted' if really else 'Found'} {count}, {total}.")
    if garbage and not really:
        click.echo("Nothing was deleted: pass --delete for that.")


@click.command()
@click.argument("spool", type=click.Path(exists=True, file_okay=False, path_type=Path))
@said_plainly
def resume(spool: Path) -> None:
    """Finish an upload that gave up. SPOOL is the folder that its message names."""
    from explanation_client.client import ExplanationClient

    info = ExplanationClient.resume(spool)
    click.echo(f"Uploaded {info.id}")
