"""Notebooks that run without a browser keep what a page of them needs, and no more."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"

SET_UP = f"""\
import sys
sys.path.insert(0, {str(ROOT)!r})
import numpy as np
from explanation_client import Explanation
from explanation_client.dashboard import ExplanationDashboard
rows = np.arange(40.0).reshape(20, 2)
explanation = Explanation.from_arrays(local=rows - 19.5, features=["a", "b"], base_values=0.0, data=rows)
model = lambda x: x.sum(axis=1)"""


def executed(*cells: str) -> Any:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (SET_UP, *cells)])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", store_widget_state=True).execute()
    return notebook


def size(state: dict[str, Any], buffers: list[dict[str, Any]]) -> int:
    return len(json.dumps(state)) + sum(len(base64.b64decode(buffer["data"])) for buffer in buffers)


def test_a_notebook_keeps_a_page_only_where_it_is_asked_to() -> None:
    notebook = executed(
        "ExplanationDashboard(explanation, model, rows)",
        "ExplanationDashboard(explanation, model, rows, embed=True)",
        "ExplanationDashboard(explanation, mode='html')",
    )
    small, embedded, framed = (cell.outputs[0] for cell in notebook.cells[1:])
    states = notebook.metadata.widgets[STATE]["state"]
    kept = {
        name: size(
            states[output.data[VIEW]["model_id"]]["state"], states[output.data[VIEW]["model_id"]].get("buffers", [])
        )
        for name, output in (("small", small), ("embedded", embedded))
    }
    assert kept["small"] < 10_000
    assert 100_000 < kept["embedded"] < 1_000_000
    assert framed.data["text/html"].startswith("<iframe srcdoc=")
    assert VIEW not in framed.data


def test_questions_are_answered_on_the_kernels_loop() -> None:
    notebook = executed(
        "dashboard = ExplanationDashboard(explanation, model, rows)\n"
        "sent = []\n"
        "dashboard.widget.send = lambda content, buffers=None: sent.append(content)\n"
        "for i in range(3):\n"
        "    dashboard.widget._handle_custom_msg({'id': str(i), 'do': 'predict', 'questions': [{'row': i}]}, [])\n"
        "dashboard.widget._handle_custom_msg({'id': '1', 'do': 'cancel'}, [])\n"
        "print(len(sent))",
        "import asyncio\nawait asyncio.sleep(0.2)\nprint(sent)",
    )
    # Nothing is answered while the cell runs that asks; then all that still stand, at once.
    assert notebook.cells[1].outputs[0].text == "0\n"
    (output,) = notebook.cells[2].outputs
    assert output.text == (
        "[{'id': '0', 'result': [{'predictions': [[1.0]]}]}, {'id': '2', 'result': [{'predictions': [[9.0]]}]}]\n"
    )
