"""The calls of the original documentation, with what scikit-learn has removed since exchanged."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("shap")


def test_explain_locally() -> None:
    from sklearn import svm
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    from explanation_client.explainers import TabularExplainer

    breast_cancer_data = load_breast_cancer()
    classes = breast_cancer_data.target_names.tolist()
    # The first eight features: of all thirty, Kernel SHAP takes half a second for each row.
    feature_names = breast_cancer_data.feature_names[:8]
    x_train, x_test, y_train, _ = train_test_split(
        breast_cancer_data.data[:, :8], breast_cancer_data.target, test_size=0.2, random_state=0
    )
    model = svm.SVC(gamma=0.001, C=100.0).fit(x_train, y_train)

    explainer = TabularExplainer(model, x_train, features=feature_names, classes=classes)
    global_explanation = explainer.explain_global(x_test)
    values = global_explanation.get_ranked_global_values()
    names = global_explanation.get_ranked_global_names()
    importance = global_explanation.get_feature_importance_dict()
    assert dict(zip(names, values, strict=True)) == importance
    assert set(names) == set(feature_names)
    assert (np.diff(values) <= 0).all()

    local_explanation = explainer.explain_local(x_test[0:5])
    assert local_explanation.get_ranked_local_names().shape == (2, 5, 8)
    assert local_explanation.get_ranked_local_values().shape == (2, 5, 8)

    # One row, and the class that is predicted for it, as the original guide reads it.
    local_explanation = explainer.explain_local(x_test[0])
    prediction = model.predict(x_test[0].reshape(1, -1))[0]
    assert local_explanation.get_ranked_local_values()[prediction].shape == (8,)
    sums = local_explanation.local_importance_values.sum(axis=1) + local_explanation.expected_values
    assert sums[1] == pytest.approx(model.decision_function(x_test[:1])[0])
