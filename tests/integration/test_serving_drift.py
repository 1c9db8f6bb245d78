"""``explanation-client drift``, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from explanation_client import Explanation, ExplanationClient
from explanation_client.cli import main
from explanation_client.drift import attribution_drift
from tests.strategies import explanation_of
from tests.support.servers import Run, TrackingServer

pytestmark = pytest.mark.integration

FEATURES = ("age", "[red]bmi", "zip\u202e")


def of_scales(*scales: float, seed: int) -> Explanation:
    values = np.random.default_rng(seed).standard_normal((2, 300, 3)) * scales
    return explanation_of(values, features=FEATURES)


BEFORE, AFTER = of_scales(3, 2, 1, seed=0), of_scales(1, 2, 3, seed=1)


@pytest.fixture
def runs(tracking_server: TrackingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Run, Run]:
    """Two runs, one with an explanation of before, one with that and one of after."""
    monkeypatch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_server.uri)
    monkeypatch.setenv("COLUMNS", "120")
    first, second = tracking_server.create_run(), tracking_server.create_run()
    for run, explanation, comment in ((first, BEFORE, "a"), (second, BEFORE, "same"), (second, AFTER, "other")):
        client = ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id)
        client.upload_model_explanation(explanation, comment=comment)
    return first, second


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["drift", *(str(argument) for argument in arguments)])


def test_it_shows_what_moved(runs: tuple[Run, Run]) -> None:
    first, second = runs
    result = call(first.run_id, second.run_id)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].startswith("drift: 2 of 3 features moved; ranking NDCG 0.796")
    moved = [line for line in lines if "●" in line]
    assert ["3 → 1" in line for line in moved] == ["zip\\u202e" in line for line in moved]
    assert len(moved) == 2
    assert "[red]bmi" in result.output
    assert "\u202e" not in result.output


def test_it_speaks_json(runs: tuple[Run, Run]) -> None:
    first, second = runs
    told = json.loads(call(first.run_id, second.run_id, "--json").output)
    wanted = attribution_drift(BEFORE, AFTER).to_dict()
    for name in ("baseline", "current"):
        wanted.pop(name)
        told.pop(name)
    assert told == wanted


def test_other_explanations_than_the_latest_are_chosen(runs: tuple[Run, Run]) -> None:
    first, second = runs
    result = call(first.run_id, second.run_id, "--current-comment", "same")
    assert result.output.startswith("no drift")
    infos = ExplanationClient.from_run_id(second.tracking_uri, run_id=second.run_id).list_model_explanations()
    within = call(second.run_id, second.run_id, "--baseline-id", infos[0].id, "--current-id", infos[1].id)
    assert within.output.startswith("drift")


def test_drift_fails_on_request(runs: tuple[Run, Run]) -> None:
    first, second = runs
    assert call(first.run_id, second.run_id, "--fail").exit_code == 2
    assert call(first.run_id, second.run_id, "--fail", "--current-comment", "same").exit_code == 0
    assert call(first.run_id, second.run_id, "--fail", "--min-change", 1, "--min-ndcg", 0.5).exit_code == 0


def test_without_local_importances_there_are_shares_alone(runs: tuple[Run, Run]) -> None:
    first, second = runs
    result = call(first.run_id, second.run_id, "--global-only", "--top-k", 1)
    assert "of 3 features: --top-k shows more" in result.output
    told = json.loads(call(first.run_id, second.run_id, "--global-only", "--json").output)
    assert {line["ks"] for line in told["features"]} == {None}


def test_errors_are_one_message(runs: tuple[Run, Run]) -> None:
    for arguments in ((runs[0].run_id, "0" * 32), (runs[0].run_id, runs[1].run_id, "--current-comment", "none")):
        result = call(*arguments)
        assert result.exit_code == 1
        assert result.output.startswith("Error: ")
