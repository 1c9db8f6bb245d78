"""Commands about the explanations of a run: ``list``, ``show``, ``download`` and ``delete``."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from explanation_client.cli.options import choice_options, client_of, run_options, said_plainly
from explanation_client.cli.tables import open_console, table_of
from explanation_client.display import shown
from explanation_client.errors import InvalidArgumentError

if TYPE_CHECKING:
    from rich.table import Table

    from explanation_client.explanation import Explanation
    from explanation_client.info import ExplanationInfo


@click.command("list")
@run_options
@click.option("--comment", help="Only those with exactly this comment.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for other programs.")
@said_plainly
def list_command(run_id: str, tracking_uri: str | None, comment: str | None, as_json: bool) -> None:
    """List the explanations of a run, oldest first."""
    console = None if as_json else open_console()
    infos = client_of(run_id, tracking_uri).list_model_explanations(comment=comment)
    if console is None:
        for info in infos:
            click.echo(json.dumps(info.to_dict()))
    elif infos:
        console.print(_listing(infos))
    else:
        click.echo(f"Run {run_id} has no explanations.")


@click.command()
@run_options
@choice_options
@click.option("--top-k", type=int, default=10, show_default=True, help="Number of features.")
@said_plainly
def show(run_id: str, tracking_uri: str | None, explanation_id: str | None, comment: str | None, top_k: int) -> None:
    """Show what an explanation says: the latest, or the one that is asked for."""
    console = open_console()
    explanation = client_of(run_id, tracking_uri).download_model_explanation(explanation_id, comment=comment)
    console.print(_facts(explanation))
    table = _importance_table(explanation, top_k)
    if table is None:
        console.print("It has no global importances: local ones only. `download` saves them.")
    else:
        console.print(table)
        if explanation.num_features > top_k > 0:
            click.echo(f"The first {top_k} of {explanation.num_features} features: --top-k shows more.")


@click.command()
@run_options
@choice_options
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--top-k", type=int, help="Only the most important features of every ranking.")
@said_plainly
def download(
    run_id: str,
    tracking_uri: str | None,
    target: Path,
    explanation_id: str | None,
    comment: str | None,
    top_k: int | None,
) -> None:
    """Save an explanation to TARGET: a .csv file (global importances), a .html page, or a folder (all of it).

    `explanation_client.load_explanation(folder)` reads the folder.
    """
    from explanation_client.spool import save_explanation

    client = client_of(run_id, tracking_uri)
    explanation = client.download_model_explanation(explanation_id, top_k=top_k, comment=comment)
    if target.suffix.lower() == ".csv":
        _write_csv(explanation, target)
    elif target.suffix.lower() == ".html":
        if target.exists():
            raise InvalidArgumentError(f"{target} exists: choose another file")
        explanation.save_html(target)
    elif target.exists() and (target.is_file() or any(target.iterdir())):
        raise InvalidArgumentError(f"{target} exists and is not an empty folder: choose another target")
    else:
        save_explanation(explanation, target)
    click.echo(f"Saved {explanation.id} to {target}")


@click.command()
@run_options
@click.argument("explanation_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@said_plainly
def delete(run_id: str, tracking_uri: str | None, explanation_id: str, yes: bool) -> None:
    """Delete an explanation of a run, for good."""
    client = client_of(run_id, tracking_uri)
    if not yes:
        click.confirm(f"Delete explanation {explanation_id} of run {run_id}?", abort=True)
    client.delete_model_explanation(explanation_id)
    click.echo(f"Deleted {explanation_id}")


def _listing(infos: list[ExplanationInfo]) -> Table:
    from rich.text import Text

    # Ids are copied from here: they are never broken, at 80 columns either.
    table = table_of("explanation")
    table.columns[0].no_wrap = True
    table.add_column("uploaded (UTC), what it is of, comment, top features", overflow="fold")
    for info in infos:
        kept = f", top {info.top_k} kept" if info.top_k else ""
        uploaded = (info.uploaded_at or info.created_at).strftime("%Y-%m-%d %H:%M:%S")
        lines = [
            f"{uploaded}  {shown(info.method)}  {info.n_rows:,} x {info.n_features:,}{kept}",
            shown(info.comment or "", length=160),
            ", ".join(shown(name, length=30) for name in info.top_features[:3]),
        ]
        table.add_row(info.id, Text("\n".join(line for line in lines if line)))
    return table


def _facts(explanation: Explanation) -> Table:
    from rich.table import Table
    from rich.text import Text

    info = explanation.info
    table = Table.grid(padding=(0, 2))
    facts = {
        "id": info.id,
        "comment": info.comment,
        "method": info.method + (f" ({info.reason})" if info.reason else ""),
        "task": info.task,
        "classes": ", ".join(info.outputs) if info.task == "classification" else None,
        "rows": f"{info.n_rows:,}",
        "features": f"{info.n_features:,}" + (f", top {info.top_k} kept" if info.top_k else ""),
        "values in": info.output_space,
        "base values": None
        if explanation.base_values is None
        else ", ".join(f"{v:.6g}" for v in explanation.base_values),
    }
    for name, value in facts.items():
        if value:
            table.add_row(Text(name, style="dim"), Text(shown(value, length=400)))
    return table


def _importance_table(explanation: Explanation, top_k: int) -> Table | None:
    from rich.text import Text

    if explanation.global_importances is None:
        return None
    # A table of ten lines is a default, not a demand: fewer features are no error.
    kept = min(top_k, explanation.global_importances.shape[-1]) if top_k > 0 else top_k
    names, values = explanation.get_ranked_global_names(kept), explanation.get_ranked_global_values(kept)
    table = table_of("rank", "feature", "importance", "")
    largest = max(abs(float(v)) for v in values) or 1.0
    for rank, (name, value) in enumerate(zip(names, values, strict=True), start=1):
        bar = "█" * max(1, round(30 * abs(float(value)) / largest))
        table.add_row(str(rank), Text(shown(name)), f"{value:.6g}", Text(bar, style="blue"))
    return table


def _write_csv(explanation: Explanation, target: Path) -> None:
    """Write global importances; names that a spreadsheet would take for formulas get an apostrophe."""
    if target.exists():
        raise InvalidArgumentError(f"{target} exists: choose another file")
    with target.open("x", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["feature", "importance"])
        for name, value in explanation.get_feature_importance_dict().items():
            writer.writerow([f"'{name}" if name[0] in "=+-@\t\r" else name, repr(value)])
