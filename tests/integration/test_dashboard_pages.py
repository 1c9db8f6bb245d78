"""Pages of large explanations fit, whatever has to be left out."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explanation_client.dashboard.page import PageOptions, render
from explanation_client.dataset import EvaluationData
from tests.strategies import random_explanation
from tests.unit.dashboard.test_page import opened, shown, sizes_tried

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


def test_a_page_that_is_too_large_loses_precision_then_rows_then_features() -> None:
    explanation = random_explanation(1, 560, 260)
    stages: list[tuple[dict[str, Any], int]] = [
        ({}, 560),
        ({"dtype": "float32"}, 560),
        ({"dtype": "float32", "rows": 530}, 500),
        ({"dtype": "float32", "rows": 300, "columns": 200}, 25),
    ]
    for size, fewest in stages:
        limit = len(render([shown(explanation, **size)], PageOptions())) + 1_000
        tried, page = sizes_tried(explanation, limit / 1e6)
        assert (tried[-1].dtype, tried[-1].columns) == (size.get("dtype"), size.get("columns", 1_000))
        assert len(page) <= limit
        manifest, _ = opened(page)
        view = next(entry for entry in manifest["files"] if entry["role"] == "view")
        assert fewest <= view["shape"][1] <= size.get("rows", 560)


@pytest.mark.parametrize(
    ("outputs", "rows", "features"), [(1, 5_000, 30), (2, 5_000, 30), (1, 5_000, 200), (40, 900, 300)]
)
def test_pages_keep_to_their_sizes(outputs: int, rows: int, features: int) -> None:
    rng = np.random.default_rng(0)
    explanation = random_explanation(outputs, rows, features)
    if outputs == 2:
        local = explanation.local_importances
        assert local is not None
        local.values[0] = -local.values[1]
    data = EvaluationData(names=explanation.features, columns=tuple(rng.normal(size=rows) for _ in range(features)))
    page = replace(explanation, data=data).to_html()
    assert len(page) < (3_000_000 if features == 30 else 10_000_000)
    manifest, _ = opened(page.encode())
    view = next(entry for entry in manifest["files"] if entry["role"] == "view")
    assert view["shape"][1] >= 500 or outputs == 40


def test_long_texts_make_rows_fewer() -> None:
    texts = np.array([f"{i}" * 2_000 + str(np.random.default_rng(i).bytes(6_000)) for i in range(1_500)], object)
    explanation = replace(random_explanation(1, 1_500, 1), data=EvaluationData(names=("text",), columns=(texts,)))
    page = explanation.to_html(max_megabytes=4)
    assert len(page) <= 4_000_000


BARE = """
import sys
EXTRAS = {"pandas", "sklearn", "anywidget", "ipywidgets", "traitlets", "shap", "lightgbm", "numba", "mlflow"}
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in EXTRAS:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import numpy as np
from explanation_client import Explanation
from explanation_client.dashboard import ExplanationDashboard
from explanation_client.errors import MissingDependencyError
rows = np.arange(40.0).reshape(20, 2)
explanation = Explanation.from_arrays(local=rows - 19.5, features=["a", "b"], base_values=0.0, data=rows)
print(len(explanation.to_html()) > 100_000)
dashboard = ExplanationDashboard(explanation, lambda x: x.sum(axis=1), rows, mode="html")
print(dashboard._answerer.answer([[{"row": 1}]]))
try:
    ExplanationDashboard(explanation)
except MissingDependencyError as error:
    print(error)
"""


def test_pages_need_no_other_package_and_the_widget_says_what_it_needs() -> None:
    finished = subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True, check=False, cwd=ROOT)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines() == [
        "True",
        "[{'answers': [{'predictions': [[5.0]]}]}]",
        "the dashboard in a notebook needs the package 'anywidget', which is not installed: "
        "pip install 'explanation-client[notebook]'",
    ]
