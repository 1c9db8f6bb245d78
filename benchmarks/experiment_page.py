"""The page of an experiment with many runs: CPU in the browser until its first rows are shown, and what it asked for.

``python benchmarks/experiment_page.py [--quick] [--runs 1000] [--explanations 5]``

MLflow's own list of the same runs is measured in the same browser, up to its first rows.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from mlflow import MlflowClient
from playwright.sync_api import Browser, Page, sync_playwright

from explanation_client import Importances
from explanation_client.explanation import Explanation
from explanation_client.format import build_manifest, dump_manifest, file_name, manifest_name, plan, summary_tag
from explanation_client.highlights import highlight_tags
from explanation_client.index import tag_key
from explanation_client.info import ExplanationInfo, new_id
from tests.support.servers import TrackingServer, running_server

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer runs")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--explanations", type=int, default=5)
    options = parser.parse_args()
    runs = options.runs or (200 if options.quick else 1000)
    with tempfile.TemporaryDirectory() as folder:
        arguments = ("--app-name", "explanations")
        with running_server(Path(folder), arguments=arguments, workers=2) as server:
            experiment = fill(server, runs, options.explanations)
            measure(server, experiment, runs, options.explanations)


def fill(server: TrackingServer, runs: int, explanations: int) -> str:
    """Create the runs with the tags that uploads would leave; the files themselves are not looked at here."""
    client = MlflowClient(tracking_uri=server.uri)
    experiment = client.create_experiment("many")
    rng = np.random.default_rng(0)
    features = tuple(f"feature number {i}" for i in range(30))
    start = time.perf_counter()
    for run in range(runs):
        made = [tagged(rng, features, f"explanation {i} of run {run}") for i in range(explanations)]
        tags = {key: value for each in made for key, value in each.items()}
        client.create_run(experiment, run_name=f"run-{run}", tags=tags)
    print(f"{runs} runs with {explanations} explanations each, made in {time.perf_counter() - start:.0f} s")
    return experiment


def tagged(rng: np.random.Generator, features: tuple[str, ...], comment: str) -> dict[str, str]:
    """Return the tags of one upload, as the client writes them."""
    now = datetime.now(UTC)
    info = ExplanationInfo(
        id=new_id(), created_at=now, uploaded_at=now, method="shap_tree", task="regression", outputs=("target",),
        feature_space="raw", n_features=len(features), n_rows=1000, comment=comment,
    )  # fmt: skip
    explanation = Explanation(info=info, features=features, global_importances=Importances(rng.exponential(size=30)))
    entries = [replace(file.entry, name=file_name(file.entry, "0")) for file in (job() for job in plan(explanation))]
    manifest = build_manifest(explanation, entries, info=info)
    name = manifest_name(dump_manifest(manifest), "0")
    listed = {tag_key(info.id): summary_tag(manifest, name)}
    return {**listed, **highlight_tags(manifest.info)}


def measure(server: TrackingServer, experiment: str, runs: int, explanations: int) -> None:
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        ours = f"{server.uri}/static-files/explanations/index.html#kind=experiment&experiment={experiment}"
        theirs = f"{server.uri}/#/experiments/{experiment}/runs"
        print(f"{'page':<34}{'CPU, main thread':>18}{'wall':>9}{'requests':>10}{'of MLflow':>11}")
        for name, address, rows in (
            ("explanations of all runs", ours, ".xp-table tbody tr"),
            ("MLflow's list of the same runs", theirs, "[role=row] a[href*='/runs/']"),
        ):
            best = min((visit(browser, address, rows) for _ in range(3)), key=lambda found: found[0])
            cpu, wall, asked, api = best
            print(f"{name:<34}{cpu:>16.2f} s{wall:>7.1f} s{asked:>10}{api:>11}")
        print(f"(first rows of {runs} runs x {explanations} explanations; best of 3; aim: under 2 s of CPU)")
        browser.close()


def visit(browser: Browser, address: str, rows: str) -> tuple[float, float, int, int]:
    """Return CPU and wall seconds until the first rows, and how many requests there were, of these to MLflow's API."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page: Page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    session = context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    start = time.perf_counter()
    page.goto(address)
    page.wait_for_selector(rows, timeout=60_000)
    wall = time.perf_counter() - start
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    context.close()
    return metrics["TaskDuration"], wall, len(asked), sum("ajax-api" in url for url in asked)


if __name__ == "__main__":
    main()
