"""Commands about what is stored: ``verify``, ``gc`` and ``resume``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from explanation_client.cli.options import client_of, run_options, said_plainly
from explanation_client.cli.tables import open_console, size_of, table_of
from explanation_client.display import shown


@click.command()
@run_options
@click.option("--id", "explanation_id", help="Only this explanation.")
@click.option("--repair", is_flag=True, help="Write lost or wrong tags again.")
@said_plainly
def verify(run_id: str, tracking_uri: str | None, explanation_id: str | None, repair: bool) -> None:
    """Read every stored byte of a run's explanations and compare it with what was uploaded.

    Exits 1 if anything is damaged or missing.
    """
    console = open_console()
    reports = client_of(run_id, tracking_uri).verify(explanation_id, repair=repair)
    table = table_of(
        "explanation",
        "state",
        "files",
        "size",
        title="1 explanation" if len(reports) == 1 else f"{len(reports)} explanations",
    )
    for report in reports:
        unfinished = not report.committed and not report.listed
        state = "[green]whole[/]" if report.ok else "[yellow]unfinished[/]" if unfinished else "[red]damaged[/]"
        table.add_row(report.id, state, str(report.files), size_of(report.size))
    console.print(table)
    for report in reports:
        for problem in report.problems:
            click.echo(f"{report.id}: {problem}", err=True)
    # What an interrupted upload left behind, and nobody lists, is garbage, not damage.
    if any(report.problems and (report.committed or report.listed) for report in reports):
        sys.exit(1)


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
