"""What a scoring explainer says of rows: shapes, sums, raw and engineered features, predictions."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from explanation_client.errors import InvalidArgumentError, PartMissingError, UnsupportedModelError
from explanation_client.explainers import (
    KernelExplainer,
    LIMEExplainer,
    LinearExplainer,
    MimicExplainer,
    TabularExplainer,
    TreeExplainer,
)
from explanation_client.scoring import (
    KernelScoringExplainer,
    LinearScoringExplainer,
    ScoringExplainer,
    TreeScoringExplainer,
    create_scoring_explainer,
)
from explanation_client.surrogates import DecisionTreeExplainableModel, LinearExplainableModel
from tests.unit.scoring.conftest import CLASSES, NAMES, X


def test_importances_of_a_classifier_are_one_table_for_each_class(of_trees: ScoringExplainer, forest: Any) -> None:
    values = of_trees.explain(X[:5])
    assert values.shape == (2, 5, 3)
    assert of_trees.classes == ("no", "yes")
    assert of_trees.features == NAMES
    sums = values.sum(axis=2).T + of_trees.expected_values
    np.testing.assert_allclose(sums, forest.predict_proba(X[:5]), atol=1e-12)


def test_importances_of_a_regression_are_one_table(of_a_line: ScoringExplainer) -> None:
    values = of_a_line.explain(X[:5])
    np.testing.assert_allclose(values, (X[:5] - X.mean(axis=0)) * [1.0, -2.0, 0.5], atol=1e-12)
    assert of_a_line.classes is None
    np.testing.assert_allclose(of_a_line.predict(X[:5]), X[:5] @ [1.0, -2.0, 0.5] + 3.0)


def test_one_row_without_a_row_axis_gives_none_either(
    of_trees: ScoringExplainer, of_a_line: ScoringExplainer, of_any_model: ScoringExplainer
) -> None:
    assert of_trees.explain(X[0]).shape == (2, 3)
    assert of_any_model.explain(X[0]).shape == (2, 3)
    assert of_a_line.explain(X[0].tolist()).shape == (3,)
    assert of_trees.predict(X[0]).shape == ()
    assert of_trees.predict_proba(X[0]).shape == (2,)
    np.testing.assert_array_equal(of_trees.explain(X[0]), of_trees.explain(X[:1])[:, 0])


def test_it_says_what_the_explainer_says(forest: Any) -> None:
    for explainer in (
        TreeExplainer(forest, show_progress=False),
        TreeExplainer(forest, X[:20], feature_perturbation="interventional", show_progress=False),
        KernelExplainer(forest, X[:5], nsamples=6, show_progress=False),
    ):
        expected = explainer.explain_local(X[:3])
        found = explainer.create_scoring_explainer(X)
        np.testing.assert_allclose(found.explain(X[:3]), expected.local_importance_values, atol=1e-12)
        np.testing.assert_allclose(found.expected_values, expected.expected_values, atol=1e-12)


def test_margins_carried_over_to_probabilities_stay_so() -> None:
    from sklearn.ensemble import GradientBoostingClassifier

    model = GradientBoostingClassifier(n_estimators=3, random_state=0).fit(X, CLASSES)
    explainer = TreeExplainer(model, shap_values_output="probability", show_progress=False)
    found = explainer.create_scoring_explainer()
    sums = found.explain(X[:4]).sum(axis=2).T + found.expected_values
    np.testing.assert_allclose(sums, model.predict_proba(X[:4]), atol=1e-12)
    np.testing.assert_array_equal(found.predict(X), model.predict(X))


def test_predictions_and_importances_come_together(of_trees: ScoringExplainer, forest: Any) -> None:
    score = of_trees.score(X)
    assert score.predictions is not None
    assert score.probabilities is not None
    assert score.features == NAMES
    assert score.predictions.tolist() == forest.predict(X).tolist()
    np.testing.assert_allclose(score.probabilities, forest.predict_proba(X), atol=1e-12)
    np.testing.assert_array_equal(score.values, of_trees.explain(X))
    one = of_trees.score(X[0])
    assert one.predictions is not None
    assert one.predictions.tolist() == score.predictions[0]
    assert one.values.shape == (2, 3)


def test_without_its_model_it_explains_only(forest: Any) -> None:
    found = TreeScoringExplainer(TreeExplainer(forest, show_progress=False), keep_model=False)
    assert not found.can_predict
    assert found.score(X[:2]).predictions is None
    with pytest.raises(PartMissingError, match="keep_model=False"):
        found.predict(X[:2])


def test_a_model_without_probabilities_says_so(of_a_line: ScoringExplainer) -> None:
    with pytest.raises(PartMissingError, match="no class probabilities"):
        of_a_line.predict_proba(X[:2])


def test_raw_rows_give_raw_importances_and_engineered_ones_on_demand(of_raw_rows: ScoringExplainer) -> None:
    rows = [["Rome", 0.5], ["Oslo", -1.0]]
    raw, engineered = of_raw_rows.explain(rows), of_raw_rows.explain(rows, get_raw=False)
    assert of_raw_rows.features == of_raw_rows.raw_features == ("city", "age")
    assert of_raw_rows.engineered_features == ("city__city_Bonn", "city__city_Oslo", "city__city_Rome", "age__age")
    assert of_raw_rows.features_of(False) == of_raw_rows.engineered_features
    np.testing.assert_allclose(raw[:, 0], engineered[:, :3].sum(axis=1))
    np.testing.assert_array_equal(of_raw_rows.explain(rows, get_raw=True), raw)
    np.testing.assert_allclose(raw.sum(axis=1) + of_raw_rows.expected_values, of_raw_rows.predict(rows))


def test_feature_maps_give_raw_importances_on_demand(forest: Any) -> None:
    found = TreeScoringExplainer(
        TreeExplainer(forest, features=NAMES, show_progress=False),
        feature_maps=[np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 2.0]])],
        raw_features=["who", "money"],
    )
    values, raw = found.explain(X[:4]), found.explain(X[:4], get_raw=True)
    assert found.features == found.engineered_features == NAMES
    assert found.raw_features == found.features_of(True) == ("who", "money")
    np.testing.assert_allclose(raw[..., 1], values[..., 1] + values[..., 2])


def test_what_is_not_known_of_raw_features_is_said(of_trees: ScoringExplainer) -> None:
    with pytest.raises(InvalidArgumentError, match="no map from engineered features"):
        of_trees.explain(X[:2], get_raw=True)
    with pytest.raises(InvalidArgumentError, match="get_raw='yes'"):
        of_trees.explain(X[:2], get_raw="yes")  # type: ignore[arg-type]


def test_names_of_raw_features_need_a_map(forest: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="raw_features="):
        TreeScoringExplainer(TreeExplainer(forest, show_progress=False), raw_features=NAMES)


def test_feature_maps_do_not_go_with_transformations() -> None:
    from sklearn.linear_model import LinearRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(X)
    explainer = LinearExplainer(LinearRegression().fit(X, X[:, 0]), X, transformations=scaler, show_progress=False)
    with pytest.raises(InvalidArgumentError, match="does not go with"):
        LinearScoringExplainer(explainer, feature_maps=[np.eye(3)])


def test_a_subset_of_the_features_is_reported_as_the_explainer_does(forest: Any) -> None:
    explainer = TreeExplainer(forest, features=NAMES, explain_subset=[2, 0], show_progress=False)
    found = explainer.create_scoring_explainer()
    assert found.features == ("debt", "age")
    whole = TreeExplainer(forest, show_progress=False).create_scoring_explainer()
    np.testing.assert_array_equal(found.explain(X[:3]), whole.explain(X[:3])[:, :, [2, 0]])


@pytest.mark.parametrize("surrogate", [DecisionTreeExplainableModel, LinearExplainableModel])
@pytest.mark.parametrize("output", ["default", "probability", "teacher_probability"])
@pytest.mark.filterwarnings("ignore:the surrogate says little:UserWarning")
def test_of_a_mimic_explainer_the_surrogate_is_explained(forest: Any, surrogate: Any, output: str) -> None:
    mimic = MimicExplainer(
        forest, X, surrogate, augment_data=False, shap_values_output=output, categorical_features=[1],
        show_progress=False,
    )  # fmt: skip
    found = mimic.create_scoring_explainer()
    np.testing.assert_allclose(found.explain(X[:4]), mimic.explain_local(X[:4]).local_importance_values, atol=1e-12)
    np.testing.assert_allclose(found.expected_values, mimic.explain_local(X[:4]).expected_values, atol=1e-12)
    assert found.predict(X).tolist() == forest.predict(X).tolist()


def test_a_tabular_explainer_hands_on_why_it_chose(forest: Any) -> None:
    tabular = TabularExplainer(forest, X, show_progress=False)
    found = tabular.create_scoring_explainer(X)
    assert found.method == "scoring.tree"
    assert found.info.reason == tabular.reason
    assert found.fit(X) is found


def test_kernel_shap_takes_any_explainer_of_a_model(forest: Any) -> None:
    found = KernelScoringExplainer(TreeExplainer(forest, show_progress=False), X[:5])
    assert found.method == "scoring.kernel"
    sums = found.explain(X[:2]).sum(axis=2).T + found.expected_values
    np.testing.assert_allclose(sums, forest.predict_proba(X[:2]), atol=1e-9)
    with pytest.raises(InvalidArgumentError, match="no initialization examples"):
        KernelScoringExplainer(TreeExplainer(forest, show_progress=False))


def test_other_background_rows_can_be_given() -> None:
    explainer = LinearExplainer((np.array([1.0, -2.0, 0.5]), 3.0), X, show_progress=False)
    found = LinearScoringExplainer(explainer, X[:1])
    np.testing.assert_allclose(found.explain(X[1]), (X[1] - X[0]) * [1.0, -2.0, 0.5])


def test_the_class_that_fits_is_named_where_another_was_used(forest: Any) -> None:
    with pytest.raises(UnsupportedModelError, match="use TreeScoringExplainer"):
        LinearScoringExplainer(TreeExplainer(forest, show_progress=False))
    with pytest.raises(UnsupportedModelError, match="has no scoring explainer"):
        create_scoring_explainer(LIMEExplainer(forest, X, show_progress=False))
    with pytest.raises(UnsupportedModelError, match="is no explainer of this library"):
        create_scoring_explainer(forest)
    with pytest.raises(InvalidArgumentError, match="transformations="):
        create_scoring_explainer(TreeExplainer(forest, show_progress=False), data_transformer=object())


def test_kernel_shap_keeps_nothing_of_the_rows_that_it_explained(of_any_model: ScoringExplainer) -> None:
    import pickle

    attributor = of_any_model._parts.attributor
    of_any_model.explain(X[:3])
    before = len(pickle.dumps(vars(attributor)["explainer"]))
    of_any_model.explain(X[3:9])
    assert len(pickle.dumps(vars(attributor)["explainer"])) == before


def test_it_can_be_used_from_several_threads(of_trees: ScoringExplainer) -> None:
    expected = of_trees.explain(X)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(of_trees.explain(X))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(np.array_equal(values, expected) for values in found)
