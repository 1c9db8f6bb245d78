"""``explanation-client drift``: what changed between the explanations of two runs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from explanation_client.cli.options import client_of, said_plainly
from explanation_client.cli.tables import open_console, table_of
from explanation_client.display import shown

if TYPE_CHECKING:
    from rich.table import Table


@click.command()
@click.argument("baseline_run")
@click.argument("current_run")
@click.option("--baseline-id", help="The explanation with this id; by default the latest of the run.")
@click.option("--current-id", help="The same, of the other run.")
@click.option("--baseline-comment", help="The latest explanation with exactly this comment.")
@click.option("--current-comment", help="The same, of the other run.")
@click.option("--min-ndcg", type=float, default=0.9, show_default=True, help="A ranking below this is drift.")
@click.option("--min-change", type=float, default=0.05, show_default=True, help="The least change that counts.")
@click.option("--global-only", is_flag=True, help="Read and compare no local importances.")
@click.option("--top-k", type=int, default=10, show_default=True, help="Number of features to show.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for other programs.")
@click.option("--fail", is_flag=True, help="Exit with 2 where there is drift.")
@click.option("--tracking-uri", envvar="MLFLOW_TRACKING_URI", help="Address of the tracking server.")
@said_plainly
def drift(
    baseline_run: str,
    current_run: str,
    baseline_id: str | None,
    current_id: str | None,
    baseline_comment: str | None,
    current_comment: str | None,
    min_ndcg: float,
    min_change: float,
    global_only: bool,
    top_k: int,
    as_json: bool,
    fail: bool,
    tracking_uri: str | None,
) -> None:
    """Compare the latest explanations of two runs: how their rankings and importances moved."""
    from explanation_client.drift import attribution_drift

    console = None if as_json else open_console()
    baseline, current = (
        client_of(run, tracking_uri).download_model_explanation(explanation_id, comment=comment)
        for run, explanation_id, comment in (
            (baseline_run, baseline_id, baseline_comment),
            (current_run, current_id, current_comment),
        )
    )
    found = attribution_drift(
        baseline, current, min_ndcg=min_ndcg, min_change=min_change, local=not global_only
    ).to_dict()
    if console is None:
        click.echo(json.dumps(found))
    else:
        console.print(_table(found, top_k))
        for note in found["notes"]:
            click.echo(f"Note: {shown(note, length=400)}")
        hidden = len(found["features"]) - top_k
        if hidden > 0:
            click.echo(f"The {top_k} that changed most, of {len(found['features'])} features: --top-k shows more.")
    if fail and found["drifted"]:
        sys.exit(2)


def _table(found: dict[str, Any], top_k: int) -> Table:
    from rich.text import Text

    count = len(found["features"])
    moved = f"{len(found['moved'])} of {count} features moved"
    below = f", below {found['min_ndcg']:g}" if found["ndcg"] < found["min_ndcg"] else ""
    verdict = "[red]drift[/]" if found["drifted"] else "[green]no drift[/]"
    table = table_of("", "feature", title=f"{verdict}: {moved}; ranking NDCG {found['ndcg']:.3f}{below}")
    for name in ("baseline", "current", "rank", "distance", "KS", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in found["features"][: max(0, top_k)]:
        ranks = [str(line[name] or "-") for name in ("baseline_rank", "current_rank")]
        table.add_row(
            Text("●" if line["moved"] else "", style="red"),
            Text(shown(line["feature"])),
            f"{line['baseline_share']:.1%}",
            f"{line['current_share']:.1%}",
            ranks[0] if ranks[0] == ranks[1] else " → ".join(ranks),
            *("" if line[name] is None else f"{line[name]:.3g}" for name in ("distance", "ks", "p_value")),
        )
    return table
