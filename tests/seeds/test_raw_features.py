"""Raw feature transformations: the calls of the original guides, on a table of passengers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from explanation_client.explainers import TabularExplainer
from tests.seeds.dataframe_mapper import DataFrameMapper

pytestmark = pytest.mark.integration

numeric_features = numerical = ["age", "fare"]
categorical_features = categorical = ["embarked", "sex", "pclass"]
dataset_feature_names = numeric_features + categorical_features
dataset_classes = ["died", "survived"]


def passengers(n: int = 300) -> tuple[pd.DataFrame, Any]:
    """Return passengers with missing values, and whether they survived."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.normal(30, 12, n),
            "fare": rng.gamma(2.0, 15.0, n),
            "embarked": rng.choice(["C", "Q", "S"], n),
            "sex": rng.choice(["female", "male"], n),
            "pclass": rng.choice(["1", "2", "3"], n),
        }
    )
    survived = ((frame["sex"] == "female") ^ (frame["fare"] > 60)).to_numpy().astype(int)
    frame.loc[::7, "age"] = np.nan
    return frame, survived


FRAME, SURVIVED = passengers()
x_train, x_test = FRAME[:240], FRAME[240:]
y_train = SURVIVED[:240]


def check(explainer: TabularExplainer, clf: Pipeline) -> None:
    """Hold the explanation to the raw columns, to the whole pipeline's answers, and to what there is to find."""
    explanation = explainer.explain_global(x_test)
    assert explanation.is_raw
    assert explanation.features == tuple(dataset_feature_names)
    assert explanation.classes == tuple(dataset_classes)
    assert explanation.get_ranked_global_names()[0] == "sex"
    sums = explanation.local_importance_values[1].sum(axis=1) + explanation.expected_values[1]
    np.testing.assert_allclose(sums, clf.decision_function(x_test), atol=1e-9)
    np.testing.assert_array_equal(explanation.eval_y_predicted, clf.predict(x_test))
    assert explainer.explain_local(x_test.iloc[0]).get_ranked_local_names().shape == (2, 5)


def test_column_transformer() -> None:
    numeric_transformer = Pipeline(steps=[("imputer", SimpleImputer(strategy="median")), ("scaler", StandardScaler())])
    categorical_transformer = Pipeline(
        steps=[
            ("imputer", SimpleImputer(strategy="constant", fill_value="missing")),
            ("onehot", OneHotEncoder(handle_unknown="ignore")),
        ]
    )
    preprocessor = ColumnTransformer(
        transformers=[
            ("num", numeric_transformer, numeric_features),
            ("cat", categorical_transformer, categorical_features),
        ]
    )
    # append classifier to preprocessing pipeline: now it is a full prediction pipeline
    clf = Pipeline(steps=[("preprocessor", preprocessor), ("classifier", LogisticRegression(solver="lbfgs"))])
    clf.fit(x_train, y_train)

    # clf.steps[-1][1] returns the trained classification model
    tabular_explainer = TabularExplainer(
        clf.steps[-1][1],
        initialization_examples=x_train,
        features=dataset_feature_names,
        classes=dataset_classes,
        transformations=preprocessor,
    )
    check(tabular_explainer, clf)


def list_of_transformations() -> list[tuple[list[str], Any]]:
    numeric_transformations = [
        (
            [f],
            Pipeline(steps=[("imputer", SimpleImputer(strategy="median")), ("scaler", StandardScaler())]),
        )
        for f in numerical
    ]
    categorical_transformations = [
        ([f], OneHotEncoder(handle_unknown="ignore", sparse_output=False)) for f in categorical
    ]
    return numeric_transformations + categorical_transformations


@pytest.mark.parametrize("given", ["list", "mapper"])
def test_list_of_fitted_transformers(given: str) -> None:
    transformations = list_of_transformations()
    mapper = DataFrameMapper(transformations)
    # append classifier to preprocessing pipeline: now it is a full prediction pipeline
    clf = Pipeline(steps=[("preprocessor", mapper), ("classifier", LogisticRegression(solver="lbfgs"))])
    clf.fit(x_train, y_train)

    tabular_explainer = TabularExplainer(
        clf.steps[-1][1],
        initialization_examples=x_train,
        features=dataset_feature_names,
        classes=dataset_classes,
        transformations=transformations if given == "list" else mapper,
    )
    check(tabular_explainer, clf)


def test_the_whole_pipeline_needs_no_transformations() -> None:
    encode = ColumnTransformer([(f"{i}", made, columns) for i, (columns, made) in enumerate(list_of_transformations())])
    clf = Pipeline([("preprocessor", encode), ("classifier", LogisticRegression())]).fit(x_train, y_train)
    check(TabularExplainer(clf, x_train, features=dataset_feature_names, classes=dataset_classes), clf)
