"""One small scoring explainer of each kind, made once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from explanation_client.explainers import KernelExplainer, LinearExplainer, TreeExplainer
from explanation_client.scoring import ScoringExplainer

NAMES = ("age", "income", "debt")
RNG = np.random.default_rng(0)
X: NDArray[np.float64] = RNG.normal(size=(60, 3))
CLASSES = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)


@pytest.fixture(autouse=True, scope="package")
def _one_thread() -> Any:
    """Keep native libraries from starting threads for models this small."""
    import sklearn.ensemble  # noqa: F401
    import threadpoolctl

    with threadpoolctl.threadpool_limits(1):
        yield


@pytest.fixture(scope="package")
def forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    labels = np.array(["no", "yes"])[CLASSES]
    return RandomForestClassifier(n_estimators=4, max_depth=3, random_state=0).fit(X, labels)


@pytest.fixture(scope="package")
def of_trees(forest: Any) -> ScoringExplainer:
    return TreeExplainer(forest, features=NAMES, show_progress=False).create_scoring_explainer(X)


@pytest.fixture(scope="package")
def of_a_line() -> ScoringExplainer:
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(X, X @ [1.0, -2.0, 0.5] + 3.0)
    return LinearExplainer(model, X, features=NAMES, show_progress=False).create_scoring_explainer()


@pytest.fixture(scope="package")
def of_any_model() -> ScoringExplainer:
    from sklearn.naive_bayes import GaussianNB

    model = GaussianNB().fit(X, CLASSES)
    return KernelExplainer(model, X[:10], features=NAMES, show_progress=False).create_scoring_explainer()


@pytest.fixture(scope="package")
def of_raw_rows() -> ScoringExplainer:
    """A tree behind a one-hot column, made of DataFrames."""
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OneHotEncoder
    from sklearn.tree import DecisionTreeRegressor

    frame = pd.DataFrame({"city": np.array(["Bonn", "Rome", "Oslo"])[RNG.integers(3, size=60)], "age": X[:, 0]})
    columns = [("city", OneHotEncoder(sparse_output=False), ["city"]), ("age", "passthrough", ["age"])]
    transformations = ColumnTransformer(columns).fit(frame)
    target = X[:, 0] + 2.0 * (frame["city"] == "Rome")
    model = DecisionTreeRegressor(max_depth=3, random_state=0).fit(transformations.transform(frame), target)
    explainer = TreeExplainer(model, frame, transformations=transformations, show_progress=False)
    return explainer.create_scoring_explainer()
