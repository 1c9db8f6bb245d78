"""Scoring explainers of small models, for tests of the service."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import OneHotEncoder

from explanation_client.explainers import LinearExplainer
from explanation_client.scoring import ScoringExplainer

COLUMNS = ("age", "bmi", "income")


@pytest.fixture(scope="session")
def rows() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((30, 3))


@pytest.fixture(scope="session")
def classifier(rows: np.ndarray) -> ScoringExplainer:
    model = LogisticRegression().fit(rows, np.where(rows @ [2.0, -1.0, 0.1] > 0, "yes", "no"))
    return LinearExplainer(model, rows, features=COLUMNS).create_scoring_explainer(rows)


@pytest.fixture(scope="session")
def regression(rows: np.ndarray) -> ScoringExplainer:
    model = LinearRegression().fit(rows, rows @ [2.0, -1.0, 0.1])
    return LinearExplainer(model, rows, features=COLUMNS).create_scoring_explainer(rows)


@pytest.fixture(scope="session")
def of_text(rows: np.ndarray) -> ScoringExplainer:
    """Takes raw rows: a number, and a text that may be missing."""
    raw = pd.DataFrame({"age": rows[:, 0], "city": np.where(rows[:, 1] > 0, "Paris", "Rome")})
    transformer = ColumnTransformer([("age", "passthrough", ["age"]), ("city", OneHotEncoder(), ["city"])]).fit(raw)
    model = LogisticRegression().fit(transformer.transform(raw), rows[:, 1] > 0)
    explainer = LinearExplainer(model, raw, transformations=transformer)
    return explainer.create_scoring_explainer(raw)
