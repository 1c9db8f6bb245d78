"""Rows of every kind and type, through every explainer that calls the model or copies it."""

from __future__ import annotations

from functools import partial
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.sparse import csr_array, csr_matrix
from shap.utils._legacy import DenseData
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers import (
    KernelExplainer,
    LIMEExplainer,
    MimicExplainer,
    PFIExplainer,
    TabularExplainer,
    TreeExplainer,
)
from explanation_client.surrogates import DecisionTreeExplainableModel, LGBMExplainableModel, LinearExplainableModel

N = 40
RNG = np.random.default_rng(0)
mimic = partial(MimicExplainer, max_num_of_augmentations=1)
EXPLAINERS: dict[str, Any] = {
    "kernel": partial(KernelExplainer, nsamples=40, nclusters=3),
    "kernel by shap": partial(KernelExplainer, nsamples=40, nclusters=3, estimator="shap"),
    "lime": partial(LIMEExplainer, nsamples=20, nclusters=3),
    "mimic, LightGBM": partial(mimic, explainable_model=LGBMExplainableModel),
    "mimic, linear": partial(mimic, explainable_model=LinearExplainableModel),
    "mimic, tree": partial(mimic, explainable_model=DecisionTreeExplainableModel),
}

# --- Numbers ----------------------------------------------------------------------------------------------------

# Whole numbers, which every type holds.
X = np.where(RNG.random((N, 4)) < 0.4, 0.0, RNG.integers(-4, 5, (N, 4)))
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
FOREST = RandomForestClassifier(4, max_depth=3, random_state=0).fit(X, Y)
FRAME = pd.DataFrame(X, columns=list("abcd"))
KINDS = {
    "float32": X.astype(np.float32),
    "float16": X.astype(np.float16),
    "int8": X.astype(np.int8),
    "objects": X.astype(object),
    "lists": X.tolist(),
    "frame of whole numbers": FRAME.astype(int),
    "frame of nullable numbers": FRAME.astype("Int64"),
    "frame of Arrow's numbers": FRAME.astype("float64[pyarrow]"),
    "frame of sparse columns": pd.DataFrame.sparse.from_spmatrix(csr_matrix(X)),
    "Arrow": pa.table(dict(zip("abcd", X.T, strict=True))),
    "CSR": csr_matrix(X),
    "CSR of whole numbers": csr_matrix(X.astype(int)),
    "sparse array": csr_array(X),
    "DenseData": DenseData(X, list("abcd")),
}


@pytest.mark.parametrize("who", ["kernel", "mimic, tree", "tree"])
@pytest.mark.filterwarnings("ignore:the surrogate says little")
def test_rows_of_other_types_have_the_same_values(who: str) -> None:
    made = {**EXPLAINERS, "tree": TreeExplainer}[who](FOREST, X)
    wanted = made.explain_global(X[:4]).local_importance_values
    for kind, given in KINDS.items():
        explained = made.explain_global(given.data[:4] if kind == "DenseData" else given[:4])
        np.testing.assert_allclose(explained.local_importance_values, wanted, err_msg=kind)
        np.testing.assert_array_equal(explained.eval_y_predicted, FOREST.predict(X[:4]))


@pytest.mark.parametrize("who", [*EXPLAINERS, "tree"])
@pytest.mark.filterwarnings("ignore:the surrogate says little")
def test_examples_of_other_types_have_the_same_values(who: str) -> None:
    make = {**EXPLAINERS, "tree": TreeExplainer}[who]
    wanted = make(FOREST, X).explain_local(X[2]).local_importance_values
    # A surrogate needs the rows themselves.
    only = [] if who.startswith("mimic") else ["DenseData"]
    for kind in ("objects", "frame of nullable numbers", "frame of Arrow's numbers", "frame of sparse columns", *only):
        found = make(FOREST, KINDS[kind]).explain_local(X[2]).local_importance_values
        np.testing.assert_allclose(found, wanted, err_msg=kind, atol=1e-12)
    # Of sparse rows the background is the median one, and mixtures are made another way.
    assert make(FOREST, KINDS["CSR"]).explain_local(X[2]).local_importance_values.shape == wanted.shape


def test_the_weights_of_a_background_count_for_sparse_rows_too() -> None:
    for estimator in ("regression-adjusted", "shap"):
        made = KernelExplainer(FOREST, X, nclusters=3, estimator=estimator)
        dense, sparse = (made.explain_local(rows).local_importance_values for rows in (X[:3], csr_matrix(X[:3])))
        np.testing.assert_allclose(sparse, dense, atol=1e-9)


def test_permutation_importance_is_the_same_for_other_types() -> None:
    made = PFIExplainer(FOREST, n_repeats=2)
    wanted = made.explain_global(X, Y).global_importance_values
    for kind, given in KINDS.items():
        np.testing.assert_allclose(made.explain_global(given, Y).global_importance_values, wanted, err_msg=kind)


# --- Columns of all types ---------------------------------------------------------------------------------------


def people() -> pd.DataFrame:
    """Return rows with a column of each type, missing values in those that have them."""
    frame = pd.DataFrame(
        {
            "number": RNG.normal(size=N),
            "float32": RNG.normal(size=N).astype(np.float32),
            "whole": RNG.integers(0, 5, N),
            "flag": RNG.random(N) > 0.5,
            "group": pd.Categorical(RNG.choice(["a", "b", "c"], N)),
            "level": pd.Categorical(RNG.integers(1, 4, N), ordered=True),
            "text": RNG.choice(["x", "y"], N),
            "object": pd.Series(RNG.choice(["u", "v", None], N), dtype=object),
            "string": pd.Series(RNG.choice(["p", "q"], N), dtype="string"),
            "Int64": pd.Series(RNG.integers(0, 9, N), dtype="Int64"),
            "boolean": pd.Series(RNG.random(N) > 0.5, dtype="boolean"),
            "day": pd.date_range("2026-01-01", periods=N, freq="h"),
            "there": pd.date_range("2026-01-01", periods=N, freq="h", tz="Asia/Tokyo"),
            "span": pd.to_timedelta(RNG.integers(0, 50, N), unit="h"),
        }
    )
    for name in ("number", "group", "text", "string", "Int64", "boolean", "day"):
        frame.loc[RNG.random(N) < 0.15, name] = None
    return frame.set_axis([f"person {i}" for i in range(N)])


PEOPLE = people()


def chance(rows: pd.DataFrame) -> Any:
    """Return the probabilities of a model that insists on the columns and types that it was made for."""
    assert list(rows.columns) == list(PEOPLE.columns)
    assert (rows.dtypes == PEOPLE.dtypes).all(), rows.dtypes[rows.dtypes != PEOPLE.dtypes]
    assert all(value is None or isinstance(value, str) for value in rows["object"])
    score = (
        rows["number"].fillna(0.5) + rows["whole"] / 5 + (rows["group"] == "a") + rows["Int64"].fillna(2).astype(int)
    )
    score = (
        score
        + rows["object"].isna()
        + rows["day"].dt.hour.fillna(0) / 24
        + (rows["string"] == "p").fillna(False).astype(bool)
    )
    p = 1 / (1 + np.exp(4 - score.to_numpy(float)))
    return np.column_stack([1 - p, p])


ONE = PEOPLE.iloc[3]


@pytest.mark.parametrize("who", [*EXPLAINERS, "tabular"])
@pytest.mark.filterwarnings("ignore:the surrogate says little")
def test_columns_reach_the_model_with_their_types(who: str) -> None:
    made = {**EXPLAINERS, "tabular": TabularExplainer}[who](chance, PEOPLE)
    explanation = made.explain_global(PEOPLE[:5])
    assert explanation.data.row_names.tolist() == [f"person {i}" for i in range(5)]
    np.testing.assert_allclose(explanation.eval_y_predicted_proba, chance(PEOPLE[:5]))
    wanted = explanation.local_importance_values[:, 3]
    for row in (ONE, list(ONE), ONE.to_numpy(object), ONE[::-1]):
        np.testing.assert_allclose(made.explain_local(row).local_importance_values, wanted, atol=1e-9)


def test_shuffled_columns_keep_their_types() -> None:
    labels = chance(PEOPLE)[:, 1].round().astype(int)
    explanation = PFIExplainer(chance, n_repeats=1, classes=["0", "1"]).explain_global(PEOPLE, labels.astype(str))
    assert explanation.global_importance_values.shape == (14,)


def test_a_row_of_a_model_with_categories_has_them() -> None:
    frame = PEOPLE[["number", "group", "level", "whole"]]
    model = lightgbm.LGBMClassifier(n_estimators=3, min_child_samples=2, verbose=-1, n_jobs=1).fit(
        frame, np.arange(N) % 3 > 0
    )
    made = TreeExplainer(model, frame)
    wanted = made.explain_local(frame[3:4]).local_importance_values[:, 0]
    np.testing.assert_array_equal(made.explain_local(frame.iloc[3]).local_importance_values, wanted)
    np.testing.assert_array_equal(made.explain_local(list(frame.iloc[3])).local_importance_values, wanted)
    # A category that is new is for the model to judge: LightGBM takes it as missing.
    new, missing = frame.iloc[3].copy(), frame.iloc[3].copy()
    new["group"], missing["group"] = "zzz", None
    np.testing.assert_array_equal(
        made.explain_local(new).local_importance_values, made.explain_local(missing).local_importance_values
    )


def test_values_that_a_type_cannot_hold_are_left_as_they_are() -> None:
    frame = pd.DataFrame({"whole": [1, 2, 3], "yes": [True, False, True], "text": ["a", "b", "a"]})
    seen = []

    def asks(rows: pd.DataFrame) -> Any:
        seen.append(rows)
        return rows["whole"].to_numpy(float)

    made = KernelExplainer(asks, frame)
    made.explain_local(pd.Series({"whole": 2, "yes": True, "text": "b"}))
    assert (seen[-1].dtypes == frame.dtypes).all()
    seen.clear()
    made.explain_local(pd.Series({"whole": 2.5, "yes": True, "text": "b"}))
    assert any(2.5 in rows["whole"].tolist() for rows in seen)


def test_a_new_row_of_other_columns_is_refused() -> None:
    made = KernelExplainer(chance, PEOPLE, nsamples=40, nclusters=3)
    with pytest.raises(InvalidArgumentError, match="lack 'span'"):
        made.explain_local(ONE.drop("span"))
    with pytest.raises(InvalidArgumentError, match="13 columns"):
        made.explain_local(list(ONE)[:13])


@pytest.mark.filterwarnings("ignore:the surrogate says little")
def test_missing_numbers_are_explained() -> None:
    holes = np.where(RNG.random((N, 4)) < 0.2, np.nan, X)
    model = lightgbm.LGBMClassifier(n_estimators=3, min_child_samples=2, verbose=-1, n_jobs=1).fit(holes, Y)
    for make in (TreeExplainer, *EXPLAINERS.values()):
        assert np.isfinite(make(model, holes).explain_local(holes[:5]).local_importance_values).all()


def test_a_linear_model_says_that_it_takes_no_missing_numbers() -> None:
    model = LogisticRegression().fit(X, Y)
    with pytest.raises(ValueError, match="NaN"):
        TabularExplainer(model, X).explain_local(np.where(X == 4, np.nan, X))
