"""A real JupyterLab for tests, with settings and files of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.browser.view import PATIENCE, ROOT, View
from tests.support.servers import free_port

START_SECONDS = 180.0
TOKEN = "of-a-test"


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab, and the folder of its notebooks."""

    folder: Path
    port: int

    def write(self, name: str, *cells: str) -> Path:
        """Return a new notebook of some cells."""
        made = [
            {
                "cell_type": "code",
                "id": str(i),
                "metadata": {},
                "outputs": [],
                "execution_count": None,
                "source": source,
            }
            for i, source in enumerate(cells)
        ]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path = self.folder / name
        path.write_text(
            json.dumps({"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5})
        )
        return path

    def open(self, page: Page, notebook: Path) -> Page:
        """Open a notebook, and return the page once its cells are there."""
        page.goto(f"http://127.0.0.1:{self.port}/doc/tree/{notebook.name}?token={TOKEN}")
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=2 * PATIENCE)
        page.get_by_text("| Idle").wait_for(timeout=2 * PATIENCE)
        return page

    def run(self, page: Page, cell: int) -> View:
        """Run a cell, and return the dashboard that it shows."""
        page.locator(".jp-CodeCell .cm-content").nth(cell).click()
        page.keyboard.press("Shift+Enter")
        output = page.locator(".jp-CodeCell").nth(cell).locator(".jp-OutputArea-output")
        return View(output).wait()


@contextlib.contextmanager
def running_lab(folder: Path) -> Iterator[Lab]:
    """Yield a JupyterLab that ends with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    homes = {
        name: str(folder / "home" / name.lower())
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    # It would ask whether it may fetch news.
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
        *(f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"),
        *(f"--ServerApp.root_dir={notebooks}", "--LabApp.extension_manager=readonly"),
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    environment = {**os.environ, **homes, "PYTHONPATH": str(ROOT), "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings")}
    environment["JUPYTERLAB_WORKSPACES_DIR"] = str(folder / "workspaces")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(process, port, folder / "log")
        yield Lab(notebooks, port)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(process: subprocess.Popen[Any], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token={TOKEN}", timeout=5).close()
            return
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text(errors='replace')[-3000:]}")
