"""Training and explaining on one machine: the calls of the original guides, with their names and arguments.

Only imports differ, and what scikit-learn has removed since. Kernel SHAP explains fewer rows than in the guides.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from explanation_client import Explanation
from explanation_client.errors import PartMissingError
from explanation_client.explainers import MimicExplainer, PFIExplainer, TabularExplainer
from explanation_client.surrogates import (
    DecisionTreeExplainableModel,
    LGBMExplainableModel,
    LinearExplainableModel,
    SGDExplainableModel,
)
from tests.seeds.conftest import Split

pytestmark = pytest.mark.integration

ROWS = 6


def check_global(global_explanation: Explanation, feature_names: Any) -> None:
    """Run the guides' lines on a global explanation, and hold what they give together."""
    # sorted feature importance values and feature names
    sorted_global_importance_values = global_explanation.get_ranked_global_values()
    sorted_global_importance_names = global_explanation.get_ranked_global_names()
    pairs = dict(zip(sorted_global_importance_names, sorted_global_importance_values, strict=True))

    # alternatively, a dictionary that holds the top K feature names and values
    assert global_explanation.get_feature_importance_dict() == pairs
    assert set(sorted_global_importance_names) == set(feature_names)
    assert (np.diff(np.abs(sorted_global_importance_values)) <= 0).all()
    assert sorted_global_importance_values[0] > 0


def check_local(local_explanation: Explanation, n_rows: int | None) -> None:
    """Run the guides' lines on a local explanation; ``n_rows`` is None for a row without a row axis."""
    sorted_local_importance_names = local_explanation.get_ranked_local_names()
    sorted_local_importance_values = local_explanation.get_ranked_local_values()
    shape = (2, 30) if n_rows is None else (2, n_rows, 30)
    assert sorted_local_importance_names.shape == sorted_local_importance_values.shape == shape
    assert (np.diff(np.abs(sorted_local_importance_values), axis=-1) <= 0).all()


def answers(split: Split, rows: Any) -> Any:
    """Return what the model itself says of the rows for both classes, (2, N)."""
    if hasattr(split.model, "predict_proba"):
        return split.model.predict_proba(rows).T
    margin = split.model.decision_function(rows)
    return np.stack([-margin, margin])


def test_tabular_explainer(trained: Split) -> None:
    model, x_train, x_test, *_ = trained
    # "features" and "classes" fields are optional
    explainer = TabularExplainer(model, x_train, features=trained.feature_names, classes=trained.classes)

    # the training data or the test data can be used here
    global_explanation = explainer.explain_global(x_test[:ROWS])
    check_global(global_explanation, trained.feature_names)

    # explain the first data point in the test set
    local_explanation = explainer.explain_local(x_test[0])
    check_local(local_explanation, None)
    prediction_value = model.predict(x_test[0].reshape(1, -1))[0]
    assert local_explanation.get_ranked_local_values()[prediction_value].shape == (30,)

    # explain the first data points in the test set
    local_explanation = explainer.explain_local(x_test[0:4])
    check_local(local_explanation, 4)
    sums = local_explanation.local_importance_values.sum(axis=2) + local_explanation.expected_values[:, None]
    np.testing.assert_allclose(sums, answers(trained, x_test[0:4]), atol=1e-6)


def test_tabular_explainer_without_the_optional_fields(trained: Split) -> None:
    explanation = TabularExplainer(trained.model, trained.x_test).explain_local(trained.x_test[0:2])
    assert explanation.features == tuple(f"feature_{i}" for i in range(30))
    assert explanation.classes == ("0", "1")


@pytest.mark.parametrize(
    "explainable_model",
    [LGBMExplainableModel, LinearExplainableModel, SGDExplainableModel, DecisionTreeExplainableModel],
)
def test_mimic_explainer(trained: Split, explainable_model: Any) -> None:
    model, x_train, x_test, *_ = trained
    explainer = MimicExplainer(
        model,
        x_train,
        explainable_model,
        augment_data=True,
        max_num_of_augmentations=10,
        features=trained.feature_names,
        classes=trained.classes,
    )
    global_explanation = explainer.explain_global(x_test)
    check_global(global_explanation, trained.feature_names)
    assert global_explanation.local_importance_values.shape == (2, len(x_test), 30)
    check_local(explainer.explain_local(x_test[0:5]), 5)
    check_local(explainer.explain_local(x_test[0]), None)


def test_mimic_explainer_by_the_positions_of_the_first_guides(trained: Split) -> None:
    explainer = MimicExplainer(
        trained.model,
        trained.x_train,
        LGBMExplainableModel,
        features=trained.feature_names,
        classes=trained.classes,
    )
    check_global(explainer.explain_global(trained.x_train), trained.feature_names)


def test_pfi_explainer(trained: Split) -> None:
    explainer = PFIExplainer(trained.model, features=trained.feature_names, classes=trained.classes)
    global_explanation = explainer.explain_global(trained.x_train, true_labels=trained.y_train)
    check_global(global_explanation, trained.feature_names)
    # PFIExplainer does not support local explanations
    with pytest.raises(PartMissingError, match="global importances only"):
        global_explanation.get_ranked_local_names()
