"""What the tests in a browser look at: a model with all kinds of columns, and names that attack."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from explanation_client.dataset import EvaluationData
from explanation_client.explainers import TabularExplainer
from explanation_client.explanation import Explanation
from tests.strategies import explanation_of

# Each would call `window.attacked` if a page took it for more than text.
HOSTILE = (
    "</script><script>attacked('script')</script>",
    "<img src=x onerror=\"attacked('img')\">",
    "${attacked('template')}`+attacked('quote')+`",
    "\u202egnirts \u2066desrever\u2069",
    "javascript:attacked('link')",
    "<!--<svg/onload=attacked('svg')>",
    "x" * 10_000,
    "=cmd|' /C calc'!A0",
)


@dataclass(frozen=True)
class Case:
    """A trained model, the rows that were explained, true labels, and the explanation."""

    model: Any
    rows: pd.DataFrame
    labels: np.ndarray
    explanation: Explanation


def make_case(n_rows: int = 120) -> Case:
    """Return a binary classifier over numbers, integers and a category."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "age": rng.integers(18, 90, n_rows),
            "income": np.round(rng.gamma(4, 9_000, n_rows), 2),
            "colour": pd.Categorical(rng.choice(["red", "green", "blue"], n_rows), categories=["red", "green", "blue"]),
            "score": rng.normal(size=n_rows),
            "visits": rng.poisson(3, n_rows),
        }
    )
    odds = rows["score"] + (rows["colour"] == "red") * 1.5 + (rows["age"] - 50) / 30
    labels = np.where(odds + rng.normal(0, 0.3, n_rows) > 0.4, "good", "bad")
    encoded = make_column_transformer((OrdinalEncoder(), ["colour"]), remainder="passthrough")
    encoded.set_output(transform="pandas")
    model = make_pipeline(encoded, RandomForestClassifier(n_estimators=12, max_depth=5, random_state=0))
    model.fit(rows, labels)
    explanation = TabularExplainer(model, rows, show_progress=False).explain_global(rows)
    return Case(model, rows, labels, explanation)


def hostile_explanation() -> Explanation:
    """Return an explanation whose every text attacks."""
    rng = np.random.default_rng(0)
    n_rows = 12
    explanation = explanation_of(rng.normal(size=(3, n_rows, len(HOSTILE))), features=HOSTILE, outputs=HOSTILE[:3])
    texts = [np.array([HOSTILE[(i + j) % len(HOSTILE)] for i in range(n_rows)], object) for j in range(len(HOSTILE))]
    labels = np.array([HOSTILE[i % 3] for i in range(n_rows)], object)
    data = EvaluationData(
        names=HOSTILE,
        columns=(rng.normal(size=n_rows), *texts[1:]),
        row_names=np.array([f"{HOSTILE[i % len(HOSTILE)]}{i}" for i in range(n_rows)], object),
        predicted=labels,
        true=labels[::-1].copy(),
    )
    info = replace(
        explanation.info,
        comment=HOSTILE[0],
        method=HOSTILE[1],
        model_type=HOSTILE[2],
        reason=HOSTILE[3],
        model_id=HOSTILE[5],
        output_space=HOSTILE[4],
        notes=HOSTILE,
    )
    return replace(explanation, info=info, data=data)
