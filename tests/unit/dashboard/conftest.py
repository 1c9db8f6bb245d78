"""What the tests of the dashboard share: a model, its explanation, and a front end of three lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from explanation_client.dashboard.bundle import Bundle
from explanation_client.explainers import TabularExplainer
from explanation_client.explanation import Explanation


@dataclass(frozen=True)
class Case:
    """A trained model, the rows that were explained, and the explanation."""

    model: Any
    rows: pd.DataFrame
    explanation: Explanation
    labels: np.ndarray


@pytest.fixture(scope="session")
def mixed() -> Case:
    """A pipeline over numbers, categories and integers, with classes of text."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {
            "age": rng.integers(20, 80, 60),
            "colour": pd.Categorical(rng.choice(["red", "green", "blue"], 60), categories=["red", "green", "blue"]),
            "size": rng.normal(size=60),
        },
        index=[f"row {i}" for i in range(60)],
    )
    labels = np.where(rows["size"] + (rows["colour"] == "red") > 0.3, "yes", "no")
    columns = make_column_transformer((StandardScaler(), ["age", "size"]), (OneHotEncoder(), ["colour"]))
    model = make_pipeline(columns, LogisticRegression()).fit(rows, labels)
    return Case(model, rows, TabularExplainer(model, rows).explain_global(rows), labels)


@pytest.fixture(scope="session")
def front_end() -> Bundle:
    return Bundle(script="function a(e,h){}\nfunction b(){}\nexport{a as mount,b};\n", style="p{margin:0}")
