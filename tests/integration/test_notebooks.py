"""The notebooks of examples/notebooks run from top to bottom, and show what is stored in them.

``python -m tests.integration.test_notebooks`` runs them and stores what they show: text alone. Dashboards are made when
somebody runs the notebook, since each would be half a megabyte that no viewer of files shows.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

from tests.support.servers import TrackingServer, running_server

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))
VIEW = "application/vnd.jupyter.widget-view+json"
# What the process of the remote run prints comes when it comes, perhaps not in time for the cell.
_PRINTED_ELSEWHERE = re.compile(r"run \w+: explanation [\w-]+ uploaded\n")
# Each run has ids of its own, and another processor other last digits.
_ID, _FRACTION = re.compile(r"[0-9a-f]{8}[0-9a-f-]{24,28}"), re.compile(r"\d+\.\d+")


def executed(path: Path, tracking_uri: str, home: Path) -> Any:
    """Return a notebook after all of its cells have run, in a kernel of this environment."""
    notebook = nbformat.read(path, as_version=4)
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": tracking_uri,
        "EXPLANATION_CLIENT_HOME": str(home),
        "PYTHONPATH": str(ROOT),
        # MLflow tells of each run under a name that it makes up.
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    }
    client = nbclient.NotebookClient(
        notebook, timeout=280, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute(env=environment)
    return notebook


def shown(notebook: Any) -> Iterator[str]:
    """Yield what a notebook shows as text, cell by cell, ids and numbers with a fraction left out."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            texts = [output.get("text") or output["data"]["text/plain"] for output in cell.outputs]
            texts = ["a dashboard" if "Dashboard" in text else text for text in texts]
            text = _PRINTED_ELSEWHERE.sub("", "".join(texts))
            yield _FRACTION.sub("0.0", _ID.sub("id", text))


def dashboards(notebook: Any) -> list[Any]:
    """Return the outputs that are dashboards."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return [out for out in outputs if "data" in out and is_dashboard(out["data"])]


def is_dashboard(data: Any) -> bool:
    return VIEW in data or data.get("text/html", "").startswith("<iframe srcdoc=")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_notebook_does_what_it_shows(path: Path, tracking_server: TrackingServer, tmp_path: Path) -> None:
    notebook = executed(path, tracking_server.uri, tmp_path)
    hint = "if that is right, run: python -m tests.integration.test_notebooks"
    assert list(shown(notebook)) == list(shown(nbformat.read(path, as_version=4))), hint
    assert not [
        output for cell in notebook.cells for output in cell.get("outputs", []) if output.get("name") == "stderr"
    ]
    assert len(dashboards(notebook)) == (path.stem != "deploy")


def test_a_bar_is_there_while_work_goes_on_and_leaves_nothing_behind() -> None:
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_code_cell(
            "import time\nfrom explanation_client.progress import progress_bar\n"
            "with progress_bar('Working', total=3, unit='row') as advance:\n"
            "    for _ in range(3):\n        time.sleep(0.4)\n        advance(1)\n"
        )
    ]
    seen: list[str] = []

    class Client(nbclient.NotebookClient):
        def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
            seen.append(msg["content"].get("data", {}).get("text/plain", ""))
            return super().process_message(msg, cell, cell_index)

    Client(notebook, timeout=120, kernel_name="python3").execute(env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert [text for text in seen if text.startswith("Working: ")]
    (output,) = notebook.cells[0].outputs
    assert output["data"] == {"text/plain": "", "text/html": ""}


def store(path: Path, notebook: Any) -> None:
    """Write an executed notebook without what only a running kernel can show, and without whole pages."""
    for count, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), 1):
        cell.execution_count, cell.metadata = count, {}
        cell.outputs = [output for output in cell.outputs if output.get("text") or output["data"]["text/plain"]]
        for output in cell.outputs:
            data = output.get("data", {})
            if is_dashboard(data):
                kept = {name: text for name, text in data.items() if name != VIEW and not text.startswith("<iframe")}
                output["data"] = kept
            if "execution_count" in output:
                output["execution_count"] = count
    notebook.metadata.pop("widgets", None)
    notebook.metadata.language_info = {"name": "python"}
    nbformat.write(notebook, path)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder) / "server") as server:
        for path in NOTEBOOKS:
            store(path, executed(path, server.uri, Path(folder) / path.stem))


if __name__ == "__main__":
    sys.exit(main())
