"""Interactions of trees: the definition by enumeration, shap, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.preprocessing import OneHotEncoder

from explanation_client.errors import InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers import TreeExplainer
from explanation_client.treeshap import TreeEnsemble, TreeTables
from tests.golden.bundle import store
from tests.unit.explainers.data import N_FEATURES, rows, target
from tests.unit.treeshap import oracle

lightgbm = pytest.importorskip("lightgbm")
shap = pytest.importorskip("shap")

X = rows()
SMALL = {"n_estimators": 4, "max_depth": 3, "random_state": 0}
LIGHT = {"n_estimators": 4, "min_child_samples": 5, "verbose": -1, "n_jobs": 1}


@pytest.mark.parametrize("background", [None, X[:6]], ids=["path-dependent", "interventional"])
@pytest.mark.parametrize("task", ["regression", "multiclass"])
def test_they_are_the_means_of_the_magnitudes_of_the_definition(task: str, background: Any) -> None:
    maker = GradientBoostingRegressor if task == "regression" else RandomForestClassifier
    model = maker(**SMALL).fit(X, target(X, task))
    kind = "tree_path_dependent" if background is None else "interventional"
    explainer = TreeExplainer(model, background, feature_perturbation=kind, interactions=True)
    found = explainer.explain_global(X[:5])
    ensemble = TreeEnsemble.from_model(model)
    games = [
        oracle.path_dependent_game(ensemble, row)
        if background is None
        else oracle.interventional_game(ensemble, row, background)
        for row in X[:5]
    ]
    wanted = np.abs([oracle.interaction_values(game, N_FEATURES) for game in games]).mean(axis=0)
    assert found.interactions is not None
    np.testing.assert_allclose(found.interactions.values, wanted, rtol=0, atol=1e-10)
    assert np.array_equal(found.interactions.values, found.interactions.values.swapaxes(1, 2))


@pytest.fixture(scope="module")
def binary() -> Any:
    return lightgbm.LGBMClassifier(**LIGHT).fit(X, target(X, "binary"))


def test_both_classes_have_those_of_shap(binary: Any) -> None:
    found = TreeExplainer(binary, interactions=True).explain_global(X)
    wanted = np.abs(shap.TreeExplainer(binary).shap_interaction_values(X)).mean(axis=0)
    np.testing.assert_allclose(found.interaction_values[1], wanted, rtol=0, atol=1e-12)
    assert np.array_equal(found.interaction_values[0], found.interaction_values[1])


def test_those_of_each_row_add_up_to_its_values(binary: Any) -> None:
    values = TreeExplainer(binary).explain_local(X).local_importance_values[1]
    pairs = TreeTables(binary).interaction_values(X)[0]
    np.testing.assert_allclose(pairs.sum(axis=2), values, rtol=0, atol=1e-12)
    # A sum of magnitudes is no less than the magnitude of the sum.
    found = TreeExplainer(binary, interactions=True).explain_global(X)
    assert (found.interaction_values[1].sum(axis=1) >= found.per_class_values[1] - 1e-12).all()


def test_batches_change_nothing_and_rows_need_not_be_kept(binary: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = TreeExplainer(binary, interactions=True).explain_global(X)
    from explanation_client.explainers import engines

    monkeypatch.setattr(engines, "_PAIR_VALUES", 3 * N_FEATURES**2)
    parts = TreeExplainer(binary, interactions=True).explain_global(X, include_local=False, batch_size=7)
    np.testing.assert_allclose(parts.interaction_values, whole.interaction_values, rtol=1e-13)
    assert parts.local_importances is None
    assert store(parts).open() == parts


def test_without_the_option_and_for_rows_there_are_none(binary: Any) -> None:
    assert TreeExplainer(binary).explain_global(X).interactions is None
    explainer = TreeExplainer(binary, interactions=True)
    assert explainer.explain_local(X[:3]).interactions is None
    same = replace(explainer.explain_global(X), interactions=None)
    assert same == TreeExplainer(binary).explain_global(X)


def test_a_subset_has_the_pairs_of_the_whole(binary: Any) -> None:
    whole = TreeExplainer(binary, interactions=True).explain_global(X)
    some = TreeExplainer(binary, interactions=True, explain_subset=[2, 0]).explain_global(X)
    wanted = whole.interaction_values[:, [[2], [0]], [2, 0]]
    np.testing.assert_allclose(some.interaction_values, wanted, rtol=1e-14)
    assert some.get_ranked_interactions()[0].tolist() == [[whole.features[2], whole.features[0]]]


def test_raw_features_have_the_interactions_of_all_their_columns() -> None:
    codes = np.column_stack([np.digitize(X[:, 0], [-1.0, 0.0, 1.0]), X[:, 1], X[:, 2]])
    transformation = ColumnTransformer([("code", OneHotEncoder(sparse_output=False), [0])], remainder="passthrough")
    engineered = transformation.fit_transform(codes)
    model = lightgbm.LGBMRegressor(**LIGHT).fit(engineered, target(X, "regression"))
    explainer = TreeExplainer(model, codes, transformations=transformation, interactions=True)
    pairs = TreeTables(model).interaction_values(engineered)[0]
    groups = np.array([0, 0, 0, 0, 1, 2])
    wanted = np.zeros((len(X), 3, 3))
    for i, j in np.ndindex(6, 6):
        wanted[:, groups[i], groups[j]] += pairs[:, i, j]
    found = explainer.explain_global(codes)
    np.testing.assert_allclose(found.interaction_values, np.abs(wanted).mean(axis=0), rtol=0, atol=1e-12)


def test_what_has_no_exact_interactions_is_refused(binary: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidArgumentError, match="leave out shap_values_output"):
        TreeExplainer(binary, interactions=True, shap_values_output="probability")
    linear = pytest.importorskip("xgboost").XGBRegressor(booster="gblinear", n_estimators=2, n_jobs=1)
    with pytest.raises(UnsupportedModelError, match="needs the tree kernel"):
        TreeExplainer(linear.fit(X, target(X, "regression")), interactions=True)
    from explanation_client.explainers import tree

    monkeypatch.setattr(tree, "_MAX_PAIR_BYTES", 2 * 8 * N_FEATURES**2 - 1)
    with pytest.raises(InvalidArgumentError, match="matrices of 4 features take 256 bytes"):
        TreeExplainer(binary, interactions=True)
