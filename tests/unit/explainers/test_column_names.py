"""Columns whose names LightGBM respells are those of the data."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers import TabularExplainer, TreeExplainer

NAMES = ["mean radius", "mean_area", "worst  area"]


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(0).standard_normal((80, 3)), columns=NAMES)


@pytest.fixture(scope="module")
def model(rows: pd.DataFrame) -> lgb.LGBMRegressor:
    target = rows["mean_area"] + 2 * rows["worst  area"]
    return lgb.LGBMRegressor(n_estimators=5, num_leaves=4, verbose=-1, n_jobs=1).fit(rows, target)


@pytest.mark.parametrize("explainer", [TreeExplainer, TabularExplainer])
def test_features_are_named_as_the_data_names_them(
    explainer: type, model: lgb.LGBMRegressor, rows: pd.DataFrame
) -> None:
    explanation = explainer(model, rows).explain_global(rows)

    assert list(explanation.features) == NAMES
    np.testing.assert_allclose(
        explanation.local_importance_values, model.predict(rows, pred_contrib=True)[:, :-1], atol=1e-12
    )


def test_rows_in_another_order_are_found_by_name(model: lgb.LGBMRegressor, rows: pd.DataFrame) -> None:
    expected = TreeExplainer(model).explain_local(rows[:5])

    shuffled = TreeExplainer(model).explain_local(rows[:5][NAMES[::-1]])

    np.testing.assert_array_equal(shuffled.local_importance_values, expected.local_importance_values)


def test_names_that_differ_by_more_are_refused(model: lgb.LGBMRegressor, rows: pd.DataFrame) -> None:
    with pytest.raises(InvalidArgumentError, match="lack 'mean_radius', 'worst__area'"):
        TreeExplainer(model).explain_local(rows.rename(columns={"worst  area": "worst area"}))
