"""Properties that hold for every linear and tree model, whatever its rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

pytest.importorskip("sklearn")
pytest.importorskip("numba")

from explanation_client.explainers import LinearExplainer, TreeExplainer

N_FEATURES = 3
finite = st.floats(-1e6, 1e6, allow_subnormal=False)
tables = st.integers(1, 12).flatmap(lambda n: arrays(np.float64, (n, N_FEATURES), elements=finite))


def linear_model(coefficients: Any, intercept: float) -> Any:
    from sklearn.linear_model import LinearRegression

    model = LinearRegression()
    model.coef_, model.intercept_, model.n_features_in_ = np.asarray(coefficients), intercept, N_FEATURES
    return model


def forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    x = np.random.default_rng(0).normal(size=(60, N_FEATURES)) * 1e3
    return RandomForestClassifier(4, max_depth=4, random_state=0).fit(x, np.digitize(x[:, 0] + x[:, 1], [-500, 500]))


FOREST = forest()


@settings(deadline=None, max_examples=60)
@given(arrays(np.float64, N_FEATURES, elements=st.floats(-100, 100, allow_subnormal=False)), finite, tables, tables)
def test_linear_values_add_up_and_a_background_row_of_the_mean_has_none(
    coefficients: Any, intercept: float, background: Any, rows: Any
) -> None:
    model = linear_model(coefficients, intercept)
    explainer = LinearExplainer(model, background)
    explanation = explainer.explain_local(rows)
    sums = explanation.local_importance_values.sum(axis=1) + explanation.expected_values[0]
    np.testing.assert_allclose(sums, model.predict(rows), rtol=1e-9, atol=1e-4)
    # The mean, computed once more, may differ in the last bit.
    mean = explainer.explain_local(background.mean(axis=0)).local_importance_values
    np.testing.assert_allclose(mean, 0.0, atol=1e-4)


@settings(deadline=None, max_examples=60)
@given(tables, st.integers(1, 5))
def test_tree_values_add_up_and_do_not_depend_on_the_rows_explained_together(rows: Any, batch_size: int) -> None:
    explainer = TreeExplainer(FOREST)
    explanation = explainer.explain_global(rows, batch_size=batch_size)
    sums = explanation.local_importance_values.sum(axis=2).T + explanation.expected_values
    np.testing.assert_allclose(sums, FOREST.predict_proba(rows), atol=1e-12)
    alone = explainer.explain_local(rows[-1]).local_importance_values
    np.testing.assert_allclose(alone, explanation.local_importance_values[:, -1], atol=1e-12)


@settings(deadline=None, max_examples=30)
@given(tables, st.permutations(list("abc")))
def test_the_order_of_named_columns_does_not_matter(rows: Any, order: list[str]) -> None:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list("abc"))
    explainer = LinearExplainer(linear_model([1.0, -2.0, 3.0], 0.5), frame)
    assert explainer.explain_global(frame[order]) == explainer.explain_global(frame)
