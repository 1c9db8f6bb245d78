"""The page for those who come from Azure's SDK: what it shows runs, and what it names exists."""

from __future__ import annotations

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from tests.integration.test_docs import ROOT, run_blocks
from tests.support.servers import TrackingServer

PAGE = "docs/from-azure-ml.md"
NAMES = re.compile(r"`(explanation_client\.[\w.]*)(?:\{([^}]+)\})?`")


@pytest.mark.integration
def test_its_blocks_run(tracking_server: TrackingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Threads that wait for each other cost more than these small models.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    output = run_blocks(PAGE, tracking_server, tmp_path)
    assert "('num__age', 'cat__port_C', 'cat__port_Q', 'cat__port_S') ('age', 'port')" in output
    assert output.splitlines()[-2:] == [
        "('num__age', 'cat__port_C', 'cat__port_Q', 'cat__port_S')",
        "('age', 'port')",
    ]


def test_every_name_of_this_library_that_it_gives_exists() -> None:
    found = 0
    for path, several in NAMES.findall((ROOT / PAGE).read_text(encoding="utf-8")):
        for name in several.split(", ") if several else [""]:
            value: object = import_module("explanation_client")
            for part in f"{path}{name}".split(".")[1:]:
                home = f"{value.__name__}.{part}" if isinstance(value, ModuleType) else ""
                value = import_module(home) if home and find_spec(home) is not None else getattr(value, part)
            found += 1
    assert found > 10


def test_it_says_what_this_release_does_not_have() -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    absent = page.partition("Not in this release:")[2].partition("Not planned:")[0]
    explainers = import_module("explanation_client.explainers")
    for name in ("DeepExplainer", "TextExplainer", "HANTextExplainer"):
        assert (f"`{name}`" in absent) != hasattr(explainers, name)
    assert ("`azureml.interpret.scoring`" in absent) != (find_spec("explanation_client.scoring") is not None)
    assert ("`ExplanationDashboard`" in absent) != (find_spec("explanation_client.dashboard") is not None)
