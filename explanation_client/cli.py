"""The command line: ``explanation-client list | show | download | verify | gc | delete | resume``."""

from __future__ import annotations

import csv
import json
import sys
import warnings
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from explanation_client.display import shown
from explanation_client.errors import ExplanationError, InvalidArgumentError, MissingDependencyError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from explanation_client.client import ExplanationClient
    from explanation_client.explanation import Explanation
    from explanation_client.info import ExplanationInfo

F = TypeVar("F", bound=Callable[..., Any])
# Seconds that somebody at a terminal waits for a server that is away.
_PATIENCE = 15.0


def _said_plainly(command: F) -> F:
    """Show errors of this library as one message and exit 1, warnings as lines; everything else is a bug."""

    @wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("default")
                result = command(*args, **kwargs)
        except ExplanationError as error:
            raise click.ClickException(shown(str(error), length=2000)) from error
        finally:
            for warning in caught:
                click.echo(f"Warning: {shown(str(warning.message), length=2000)}", err=True)
        return result

    return wrapper  # type: ignore[return-value]  # the same signature, which click reads from the wrapped function


def _run_options(command: F) -> F:
    command = click.argument("run_id")(command)
    return click.option(
        "--tracking-uri",
        envvar="MLFLOW_TRACKING_URI",
        help="Address of the tracking server; by default the one that MLflow is set to.",
    )(command)


def _choice_options(command: F) -> F:
    command = click.option("--comment", help="The latest explanation with exactly this comment.")(command)
    return click.option("--id", "explanation_id", help="The explanation with this id.")(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="explanation-client")
def main() -> None:
    """Model explanations that are tracked in MLflow."""


@main.command("list")
@_run_options
@click.option("--comment", help="Only those with exactly this comment.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for other programs.")
@_said_plainly
def list_command(run_id: str, tracking_uri: str | None, comment: str | None, as_json: bool) -> None:
    """List the explanations of a run, oldest first."""
    console = None if as_json else _console()
    infos = _client(run_id, tracking_uri).list_model_explanations(comment=comment)
    if console is None:
        for info in infos:
            click.echo(json.dumps(info.to_dict()))
    elif infos:
        console.print(_listing(infos))
    else:
        click.echo(f"Run {run_id} has no explanations.")


@main.command()
@_run_options
@_choice_options
@click.option("--top-k", type=int, default=10, show_default=True, help="Number of features.")
@_said_plainly
def show(run_id: str, tracking_uri: str | None, explanation_id: str | None, comment: str | None, top_k: int) -> None:
    """Show what an explanation says: the latest, or the one that is asked for."""
    console = _console()
    explanation = _client(run_id, tracking_uri).download_model_explanation(explanation_id, comment=comment)
    console.print(_facts(explanation))
    table = _importance_table(explanation, top_k)
    if table is None:
        console.print("It has no global importances: local ones only. `download` saves them.")
    else:
        console.print(table)
        if explanation.num_features > top_k > 0:
            click.echo(f"The first {top_k} of {explanation.num_features} features: --top-k shows more.")


@main.command()
@_run_options
@_choice_options
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--top-k", type=int, help="Only the most important features of every ranking.")
@_said_plainly
def download(
    run_id: str,
    tracking_uri: str | None,
    target: Path,
    explanation_id: str | None,
    comment: str | None,
    top_k: int | None,
) -> None:
    """Save an explanation to TARGET: a .csv file (global importances), or a folder (all of it).

    `explanation_client.load_explanation(folder)` reads the folder.
    """
    from explanation_client.spool import save_explanation

    client = _client(run_id, tracking_uri)
    explanation = client.download_model_explanation(explanation_id, top_k=top_k, comment=comment)
    if target.suffix.lower() == ".csv":
        _write_csv(explanation, target)
    elif target.exists() and (target.is_file() or any(target.iterdir())):
        raise InvalidArgumentError(f"{target} exists and is not an empty folder: choose another target")
    else:
        save_explanation(explanation, target)
    click.echo(f"Saved {explanation.id} to {target}")


@main.command()
@_run_options
@click.option("--id", "explanation_id", help="Only this explanation.")
@click.option("--repair", is_flag=True, help="Write lost or wrong tags again.")
@_said_plainly
def verify(run_id: str, tracking_uri: str | None, explanation_id: str | None, repair: bool) -> None:
    """Read every stored byte of a run's explanations and compare it with what was uploaded.

    Exits 1 if anything is damaged or missing.
    """
    console = _console()
    reports = _client(run_id, tracking_uri).verify(explanation_id, repair=repair)
    table = _table(
        "explanation",
        "state",
        "files",
        "size",
        title="1 explanation" if len(reports) == 1 else f"{len(reports)} explanations",
    )
    for report in reports:
        unfinished = not report.committed and not report.listed
        state = "[green]whole[/]" if report.ok else "[yellow]unfinished[/]" if unfinished else "[red]damaged[/]"
        table.add_row(report.id, state, str(report.files), _size(report.size))
    console.print(table)
    for report in reports:
        for problem in report.problems:
            click.echo(f"{report.id}: {problem}", err=True)
    # What an interrupted upload left behind, and nobody lists, is garbage, not damage.
    if any(report.problems and (report.committed or report.listed) for report in reports):
        sys.exit(1)


@main.command()
@_run_options
@click.option("--older-than-hours", type=float, default=24.0, show_default=True, help="Younger files stay.")
@click.option("--delete", "really", is_flag=True, help="Delete them; otherwise they are only listed.")
@_said_plainly
def gc(run_id: str, tracking_uri: str | None, older_than_hours: float, really: bool) -> None:
    """List the files that unfinished uploads left behind, and delete them on request."""
    console = _console()
    garbage = _client(run_id, tracking_uri).gc(older_than_hours=older_than_hours, dry_run=not really)
    if garbage:
        table = _table("file", "size", "age (h)", "why")
        for item in garbage:
            table.add_row(shown(item.path, length=120), _size(item.size), f"{item.age_hours:.0f}", item.reason)
        console.print(table)
    total = _size(sum(item.size or 0 for item in garbage))
    count = "1 file" if len(garbage) == 1 else f"{len(garbage)} files"
    click.echo(f"{'Deleted' if really else 'Found'} {count}, {total}.")
    if garbage and not really:
        click.echo("Nothing was deleted: pass --delete for that.")


@main.command()
@_run_options
@click.argument("explanation_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_said_plainly
def delete(run_id: str, tracking_uri: str | None, explanation_id: str, yes: bool) -> None:
    """Delete an explanation of a run, for good."""
    client = _client(run_id, tracking_uri)
    if not yes:
        click.confirm(f"Delete explanation {explanation_id} of run {run_id}?", abort=True)
    client.delete_model_explanation(explanation_id)
    click.echo(f"Deleted {explanation_id}")


@main.command()
@click.argument("spool", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_said_plainly
def resume(spool: Path) -> None:
    """Finish an upload that gave up. SPOOL is the folder that its message names."""
    from explanation_client.client import ExplanationClient

    info = ExplanationClient.resume(spool)
    click.echo(f"Uploaded {info.id}")


def _client(run_id: str, tracking_uri: str | None) -> ExplanationClient:
    import mlflow

    from explanation_client.client import ExplanationClient

    if tracking_uri is None and not mlflow.is_tracking_uri_set():
        raise InvalidArgumentError(
            "there is no tracking server: pass --tracking-uri http://HOST:PORT, or set MLFLOW_TRACKING_URI"
        )
    return ExplanationClient.from_run_id(tracking_uri, run_id=run_id, timeout=_PATIENCE)


def _console() -> Console:
    try:
        from rich.console import Console
    except ImportError as error:
        raise MissingDependencyError("rich", extra="cli", needed_for="this command") from error
    return Console(highlight=False)


def _table(*columns: str, title: str | None = None) -> Table:
    try:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
    except ImportError as error:
        raise MissingDependencyError("rich", extra="cli", needed_for="this command") from error
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _listing(infos: list[ExplanationInfo]) -> Table:
    from rich.text import Text

    # Ids are copied from here: they are never broken, at 80 columns either.
    table = _table("explanation")
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
    table = _table("rank", "feature", "importance", "")
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


def _size(size: int | None) -> str:
    if size is None:
        return "?"
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


if __name__ == "__main__":
    main()
