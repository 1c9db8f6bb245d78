"""The tables of docs/deep.md: how near values of networks are to Shapley values, and what their sums miss.

The page is made by this file, ``python -m tests.integration.test_deep_table``, and the test fails where it no longer
says what happens. Shapley values are sums over all 256 coalitions, computed in ``tests/support/networks.py`` from what
the networks answer; nothing there knows of the library. Frameworks that cannot be imported keep their lines.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.networks import BACKGROUND, ROWS, Case, keras_cases, shapley, torch_cases

pytestmark = pytest.mark.integration

PAGE = Path(__file__).parents[2] / "docs" / "deep.md"
COMMAND = "python -m tests.integration.test_deep_table"
# Told by the first that they stay under, so that the page does not depend on the last bit, nor on one training.
DISTANCES = (0.02, 0.05, 0.1, 0.2, 0.4)
MISSES = (1e-6, 1e-5, 1e-4, 1e-3)
FRAMEWORKS = {
    "PyTorch": ("torch", None),
    "Keras on PyTorch": ("torch", "torch"),
    "Keras on TensorFlow": ("tensorflow", "tensorflow"),
}

Floats = NDArray[np.float64]


class Line(NamedTuple):
    """One line of a table."""

    network: str
    space: str
    distance: str
    miss: str
    deeplift_distance: str
    deeplift_miss: str
    shap: str


def available() -> list[str]:
    """Return the frameworks that can be imported here."""
    return [
        name
        for name, (package, backend) in FRAMEWORKS.items()
        if find_spec(package) and (backend is None or find_spec("keras"))
    ]


def measured(case: Case, *, with_shap: bool) -> Line:
    """Return what comes of explaining a network."""
    from explanation_client.explainers import DeepExplainer

    model = case.make()
    explanation = DeepExplainer(model, BACKGROUND).explain_local(ROWS)
    space = str(explanation.info.output_space)

    def answers(rows: Floats) -> Floats:
        found = case.predict(model, rows)
        if found.shape[1] > 1 or not case.is_classifier:
            return found
        return np.column_stack([1.0 - found, found] if space == "probability" else [-found, found])

    wanted = shapley(answers, ROWS, BACKGROUND)
    by_gradients = told(explanation, wanted, answers)
    try:
        by_rules = told(DeepExplainer(model, BACKGROUND, method="deeplift").explain_local(ROWS), wanted, answers)
    except TypeError as error:
        assert "has rules for operations of PyTorch" in str(error)
        by_rules = ("-", "-")
    shap = by_shap(model, space, wanted, answers) if with_shap else "-"
    return Line(case.name, space, *by_gradients, *by_rules, shap)


def told(explanation: Any, wanted: Floats, answers: Callable[[Floats], Floats]) -> tuple[str, str]:
    """Return how far values are from Shapley values, and what they miss of the answers, in words."""
    values = explanation.local_importances.values
    missed = values.sum(axis=2).T + explanation.expected_values - answers(ROWS)
    largest = np.abs(answers(ROWS) - explanation.expected_values).max()
    return distance(values, wanted), under(float(np.abs(missed).max() / largest), MISSES, "{:.0e}")


def distance(values: Floats, wanted: Floats) -> str:
    return under(float(np.linalg.norm(values - wanted) / np.linalg.norm(wanted)), DISTANCES, "{:.0%}")


def under(value: float, bounds: tuple[float, ...], form: str) -> str:
    bound = next((bound for bound in bounds if value < bound), None)
    return f"over {form.format(bounds[-1])}" if bound is None else f"under {form.format(bound)}"


def by_shap(model: Any, space: str, wanted: Floats, answers: Callable[[Floats], Floats]) -> str:
    """Return what shap.DeepExplainer says of a module, in words."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap

        try:
            explainer = shap.DeepExplainer(model.eval(), torch.tensor(BACKGROUND))
            found = explainer.shap_values(torch.tensor(ROWS), check_additivity=False)
        except (IndexError, AssertionError, RuntimeError) as error:
            return f"fails: {type(error).__name__}"
    values = np.moveaxis(np.asarray(found).reshape(*ROWS.shape, -1), -1, 0)
    if len(values) < len(wanted):
        values = np.concatenate([-values, values])
    base = answers(BACKGROUND).mean(axis=0)
    missed = float(np.abs(values.sum(axis=2).T + base - answers(ROWS)).max() / np.abs(answers(ROWS) - base).max())
    return f"misses {missed:.0%}" if missed > 0.01 else distance(values, wanted)


def lines_of(framework: str) -> list[Line]:
    """Return the lines of a framework: of Keras from a process of its own, which has one backend."""
    backend = FRAMEWORKS[framework][1]
    if backend is None:
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return [measured(case, with_shap=find_spec("shap") is not None) for case in torch_cases()]
        finally:
            torch.set_num_threads(before)
    finished = subprocess.run(
        [sys.executable, "-m", "tests.integration.test_deep_table", "keras"],
        env={**os.environ, "KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"},
        cwd=PAGE.parents[1], capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    return [Line(*line) for line in json.loads(finished.stdout.splitlines()[-1])]


INTRODUCTION = f"""# Networks: how near, and how well they add up

Made by `{COMMAND}` from networks that are trained and explained there; a test fails
where this page no longer says what happens. [Choosing an explainer](choosing.md) says when to use `DeepExplainer`,
[design/deep.md](design/deep.md) how it works.

Each network has eight features and is explained for 12 rows, with ten background rows. *Distance* is that from the
Shapley values, which are computed from all 256 coalitions of features: length of the difference beside the length of
the values. *Miss* is by how much values and base value miss what the network itself answers, as a share of the largest
effect. The first two columns of figures are those of `DeepExplainer` as it is, the next two of `method="deeplift"`. The
last is the distance of `shap.DeepExplainer`, where its values add up; by how much they miss, where they do not.

A network with an `Embedding` or another layer that looks whole numbers up is refused: whole numbers have no gradient.
`TabularExplainer` explains it with `KernelExplainer`.

Every change is tested on PyTorch and on Keras with PyTorch. The third table is tested where TensorFlow is installed,
which takes an environment of its own: last with TensorFlow 2.21.0 and Keras 3.15.1.
"""


def page(tables: dict[str, list[Line]]) -> str:
    """Return the page."""
    parts = [INTRODUCTION]
    for framework, lines in tables.items():
        parts += [
            f"## {framework}",
            "",
            "| network | values add up to | distance | miss | DeepLIFT: distance | miss | shap |",
            "|---|---|---|---|---|---|---|",
            *("| " + " | ".join(line) + " |" for line in lines),
            "",
        ]
    return "\n".join(parts)


def committed() -> dict[str, list[Line]]:
    """Return the tables of the page, empty where there is none yet."""
    tables: dict[str, list[Line]] = {name: [] for name in FRAMEWORKS}
    current: list[Line] = []
    for text in PAGE.read_text(encoding="utf-8").splitlines() if PAGE.exists() else []:
        if text.startswith("## "):
            current = tables[text.removeprefix("## ")]
        elif text.startswith("| ") and not text.startswith("| network"):
            current.append(Line(*text.strip("| ").split(" | ")))
    return tables


@pytest.mark.parametrize("framework", available() or [pytest.param("PyTorch", marks=pytest.mark.skip("no PyTorch"))])
def test_the_page_says_what_happens(framework: str) -> None:
    found, said = lines_of(framework), committed()[framework]
    hint = f"if that is right, run: {COMMAND}"
    assert [line[:2] for line in found] == [line[:2] for line in said], hint
    for mine, there in zip(found, said, strict=True):
        for value, stated, bounds, form in (
            (mine.distance, there.distance, DISTANCES, "{:.0%}"),
            (mine.deeplift_distance, there.deeplift_distance, DISTANCES, "{:.0%}"),
            (mine.miss, there.miss, MISSES, "{:.0e}"),
            (mine.deeplift_miss, there.deeplift_miss, MISSES, "{:.0e}"),
        ):
            # Another processor, or version, trains another network: one step further is not another page.
            assert place(value, bounds, form) <= place(stated, bounds, form) + 1, (mine, there, hint)
        assert not mine.miss.startswith("over")


def place(words: str, bounds: tuple[float, ...], form: str) -> int:
    known = ["-", *(f"under {form.format(bound)}" for bound in bounds), f"over {form.format(bounds[-1])}"]
    return known.index(words)


if __name__ == "__main__":
    if sys.argv[1:] == ["keras"]:
        print(json.dumps([measured(case, with_shap=False) for case in keras_cases()]))
    else:
        made = committed()
        made.update({framework: lines_of(framework) for framework in available()})
        PAGE.write_text(page(made), encoding="utf-8")
