"""How a service is set up, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from explanation_client.errors import InvalidArgumentError
from explanation_client.serving.assignment import Assignment
from explanation_client.serving.options import Limits, SampleOptions, ServiceOptions


@pytest.mark.parametrize("sample", [None, SampleOptions(run_id="r", tracking_uri="http://u:p@h", fraction=0.5)])
def test_options_reach_a_worker_as_they_are(sample: SampleOptions | None) -> None:
    options = ServiceOptions(directory="a", limits=Limits(max_rows=7), sample=sample, stop_seconds=1.5)
    assignment = Assignment(options=options, metrics_file="m", slot=1, listen_fd=3, ready_fd=4)
    assert "\n" not in assignment.to_json()
    assert Assignment.from_json(assignment.to_json()) == assignment


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (Limits, {"max_bytes": 0}, "max_bytes=0"),
        (Limits, {"max_rows": True}, "max_rows=True"),
        (Limits, {"answer_seconds": float("inf")}, "answer_seconds=inf"),
        (SampleOptions, {"run_id": ""}, "run_id is missing"),
        (SampleOptions, {"run_id": "r", "fraction": 0}, "fraction=0"),
        (SampleOptions, {"run_id": "r", "seconds": -1.0}, "seconds=-1.0"),
        (ServiceOptions, {"directory": "d", "workers": 0}, "workers=0"),
        (ServiceOptions, {"directory": "d", "port": 70_000}, "port=70000"),
        (ServiceOptions, {"directory": "d", "script": "s", "sample": SampleOptions(run_id="r")}, "a script's answers"),
    ],
)
def test_values_out_of_range_are_refused(kind: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        kind(**arguments)
