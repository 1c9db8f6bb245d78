"""Tree values: the definition by enumeration, shap, and the model's own answers."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from explanation_client.errors import InvalidArgumentError, MissingDependencyError, UnsupportedModelError
from explanation_client.explainers import AdditivityError, TabularExplainer, TreeExplainer
from tests.unit.explainers.data import rows, target
from tests.unit.explainers.truth import (
    Tree,
    histogram_tree,
    interventional,
    lightgbm_trees,
    path_dependent,
    shapley,
    sklearn_tree,
    xgboost_trees,
)

lightgbm = pytest.importorskip("lightgbm")
xgboost = pytest.importorskip("xgboost")
pytest.importorskip("shap")

X = rows()
SMALL = {"n_estimators": 4, "max_depth": 3, "random_state": 0}
LIGHT = {"n_estimators": 4, "min_child_samples": 5, "verbose": -1, "n_jobs": 1}
XGB = {"n_estimators": 4, "max_depth": 3, "n_jobs": 1}
HIST = {"max_iter": 4, "max_depth": 3, "min_samples_leaf": 5}

FORESTS = [
    (DecisionTreeClassifier(max_depth=3, random_state=0), "binary"),
    (DecisionTreeClassifier(max_depth=3, random_state=0), "multiclass"),
    (DecisionTreeRegressor(max_depth=3, random_state=0), "regression"),
    (RandomForestClassifier(**SMALL), "binary"),
    (RandomForestClassifier(**SMALL), "multiclass"),
    (RandomForestRegressor(**SMALL), "regression"),
    (ExtraTreesClassifier(**SMALL), "multiclass"),
]
BOOSTED = [
    (GradientBoostingClassifier(**SMALL), "binary"),
    (GradientBoostingClassifier(**SMALL, loss="exponential"), "binary"),
    (GradientBoostingClassifier(**SMALL), "multiclass"),
    (GradientBoostingRegressor(**SMALL), "regression"),
]
OTHERS = [
    (HistGradientBoostingClassifier(**HIST), "binary"),
    (HistGradientBoostingClassifier(**HIST), "multiclass"),
    (HistGradientBoostingRegressor(**HIST), "regression"),
    (lightgbm.LGBMClassifier(**LIGHT), "binary"),
    (lightgbm.LGBMClassifier(**LIGHT), "multiclass"),
    (lightgbm.LGBMRegressor(**LIGHT), "regression"),
    (lightgbm.LGBMRegressor(**LIGHT, boosting_type="dart"), "regression"),
    (lightgbm.LGBMClassifier(**LIGHT, boosting_type="rf", bagging_freq=1, bagging_fraction=0.5), "binary"),
    (xgboost.XGBClassifier(**XGB), "binary"),
    (xgboost.XGBClassifier(**XGB), "multiclass"),
    (xgboost.XGBRegressor(**XGB), "regression"),
    (xgboost.XGBRegressor(**XGB, booster="dart"), "regression"),
    (xgboost.XGBRFClassifier(n_estimators=4, max_depth=3, n_jobs=1), "binary"),
]


def case_name(value: Any) -> str:
    return value if isinstance(value, str) else type(value).__name__


def own_answers(model: Any, x: Any) -> np.ndarray:
    """Return the model's raw output (N, C) by its public methods, written down once more for the tests."""
    package = type(model).__module__.partition(".")[0]
    if package == "lightgbm":
        # Of two classes the logit of the probability: in random forest mode raw scores are something else.
        p = model.predict_proba(x)[:, 1] if getattr(model, "n_classes_", 0) == 2 else None
        raw = model.predict(x, raw_score=True) if p is None else np.log(p / (1 - p))
    elif package == "xgboost":
        raw = model.predict(x, output_margin=True)
    elif hasattr(model, "decision_function"):
        raw = model.decision_function(x)
    else:
        raw = model.predict_proba(x) if hasattr(model, "predict_proba") else model.predict(x)
    raw = np.asarray(raw, np.float64)
    if raw.ndim == 2:
        return raw
    return np.column_stack([-raw, raw]) if hasattr(model, "classes_") else raw[:, None]


def trees_of(model: Any, output: int) -> list[Tree]:
    """Return the trees of one raw score of a model, or of a forest's mean."""
    package = type(model).__module__.partition(".")[0]
    if package in ("lightgbm", "xgboost"):
        of_package = lightgbm_trees(model.booster_) if package == "lightgbm" else xgboost_trees(model.get_booster())
        scores = 1 if getattr(model, "n_classes_", 0) < 3 else model.n_classes_
        return of_package[output::scores]
    if hasattr(model, "_predictors"):
        return [histogram_tree(stage[output].nodes) for stage in model._predictors]
    if hasattr(model, "learning_rate"):
        stages = [tree.tree_ for tree in model.estimators_[:, output]]
        return [sklearn_tree(tree, tree.value[:, 0, 0] * model.learning_rate) for tree in stages]
    members = [model] if hasattr(model, "tree_") else model.estimators_
    column = [m.tree_.value[:, 0, :] for m in members]
    if hasattr(model, "classes_"):
        column = [value / value.sum(axis=1, keepdims=True) for value in column]
    return [sklearn_tree(m.tree_, v[:, output] / len(members)) for m, v in zip(members, column, strict=True)]


def weights_its_trees(case: Any) -> bool:
    """Whether a model's trees are not simply added up, as the enumeration below does."""
    model = case.values[0] if hasattr(case, "values") else case[0]
    return getattr(model, "booster", "") == "dart" or getattr(model, "boosting_type", "") == "rf"


@pytest.mark.parametrize(
    ("model", "task"), [c for c in (*FORESTS, *BOOSTED, *OTHERS) if not weights_its_trees(c)], ids=case_name
)
def test_values_are_the_sums_over_all_coalitions(model: Any, task: str) -> None:
    model.fit(X, target(X, task))
    explanation = TreeExplainer(model).explain_local(X[:3])
    local = explanation.local_importances.values
    one_score = len(local) == 2 and explanation.info.output_space != "probability"
    assert len(local) == {"regression": 1, "binary": 2, "multiclass": 3}[task]
    for i in range(3):
        for output in range(1 if one_score else len(local)):
            values, _ = shapley(path_dependent(trees_of(model, output), X[i]), 4)
            np.testing.assert_allclose(local[1 if one_score else output, i], values[0], atol=1e-6)


@pytest.mark.parametrize(("model", "task"), [*FORESTS, *BOOSTED, *OTHERS], ids=case_name)
def test_values_and_base_value_add_up_to_the_models_own_output(model: Any, task: str) -> None:
    model.fit(X, target(X, task))
    explanation = TreeExplainer(model).explain_global(X)
    local = explanation.local_importances.values
    answers = own_answers(model, X)
    assert local.shape == (answers.shape[1], len(X), 4)
    assert local.dtype == np.float64
    tolerance = 1e-5 if "XGB" in type(model).__name__ else 1e-10
    np.testing.assert_allclose(local.sum(axis=2).T + explanation.expected_values, answers, atol=tolerance)


@pytest.mark.parametrize(
    "model",
    [GradientBoostingClassifier(**SMALL), lightgbm.LGBMClassifier(**LIGHT), xgboost.XGBClassifier(**XGB)],
    ids=case_name,
)
def test_two_classes_with_one_margin_are_exact_mirror_images(model: Any) -> None:
    model.fit(X, target(X, "binary"))
    explanation = TreeExplainer(model).explain_global(X)
    first, second = explanation.local_importance_values
    assert (first == -second).all()
    assert explanation.expected_values[0] == -explanation.expected_values[1]
    assert explanation.info.output_space == "log-odds"


def test_rows_are_compared_with_thresholds_in_the_precision_of_the_model() -> None:
    x = np.array([[0.1], [0.3], [0.1], [0.3]])
    model = DecisionTreeRegressor().fit(x, [0.0, 1.0, 0.0, 1.0])
    threshold = model.tree_.threshold[0]
    # Right of the threshold, and on it once it is rounded to float32 as the model does.
    just_above = np.nextafter(threshold, 1.0)
    assert np.float32(just_above) <= threshold
    explanation = TreeExplainer(model).explain_local(np.array([[just_above]]))
    assert explanation.local_importance_values.sum() + explanation.expected_values[0] == pytest.approx(
        model.predict([[just_above]])[0]
    )


def with_categories() -> tuple[Any, np.ndarray]:
    """Return a DataFrame of a number, a text category and a category of numbers, with gaps in all, and two classes."""
    import pandas as pd

    colours, sizes = np.array(["red", "green", "blue"])[np.arange(80) % 3], np.array([40, 7])[np.arange(80) // 2 % 2]
    frame = pd.DataFrame({"number": X[:, 0], "colour": pd.Categorical(colours), "size": pd.Categorical(sizes)})
    frame.loc[::7, "number"] = np.nan
    frame.loc[::11, "colour"] = None
    frame.loc[::13, "size"] = None
    return frame, ((frame["colour"] == "red") | ((frame["number"] > 1) & (frame["size"] == 7))).to_numpy().astype(int)


CATEGORICAL = [
    lightgbm.LGBMClassifier(**LIGHT, cat_smooth=1, min_data_per_group=5),
    xgboost.XGBClassifier(**XGB, enable_categorical=True),
    HistGradientBoostingClassifier(**HIST, categorical_features="from_dtype"),
]


@pytest.mark.parametrize("estimator", CATEGORICAL, ids=case_name)
def test_categories_and_missing_values_are_the_models_own(estimator: Any) -> None:
    frame, y = with_categories()
    estimator.fit(frame, y)
    explanation = TreeExplainer(estimator, frame).explain_global(frame)
    assert explanation.info.reason == "exact values from the tree kernel of this library"
    assert explanation.features == ("number", "colour", "size")
    assert explanation.get_ranked_global_names()[0] == "colour"
    sums = explanation.local_importance_values.sum(axis=2).T + explanation.expected_values
    np.testing.assert_allclose(sums, own_answers(estimator, frame), atol=1e-5)
    assert explanation.eval_data[1, 1] == "green"
    if not hasattr(estimator, "_predictors"):
        matrix = {"lightgbm": {"pred_contrib": True}, "xgboost": {}}[type(estimator).__module__.partition(".")[0]]
        own = (
            estimator.predict(frame, **matrix)
            if matrix
            else estimator.get_booster().predict(xgboost.DMatrix(frame, enable_categorical=True), pred_contribs=True)
        )
        np.testing.assert_allclose(explanation.local_importance_values[1], own[:, :-1], atol=1e-5)


@pytest.mark.parametrize("estimator", CATEGORICAL, ids=case_name)
def test_interventional_values_of_categories_are_the_sums_over_all_coalitions(estimator: Any) -> None:
    frame, y = with_categories()
    estimator.fit(frame, y)
    background = frame[20:29].reset_index(drop=True)
    explainer = TreeExplainer(estimator, background, feature_perturbation="interventional")
    found = explainer.explain_local(frame[31:32]).local_importances.values[:, 0]

    def game(chosen: frozenset[int]) -> np.ndarray:
        mixed = background.copy()
        for j in chosen:
            mixed.isetitem(j, frame.iloc[[31] * len(mixed), j].reset_index(drop=True))
        return own_answers(estimator, mixed).mean(axis=0)

    values, base = shapley(game, 3)
    np.testing.assert_allclose(found, values, atol=1e-5)
    np.testing.assert_allclose(explainer.explain_local(frame[:1]).expected_values, base, atol=1e-5)


def test_interactions_of_categories_add_up_to_the_values() -> None:
    frame, y = with_categories()
    model = CATEGORICAL[0].fit(frame, y)
    explainer = TreeExplainer(model, frame, interactions=True)
    pairs = np.concatenate(list(explainer._interactions(frame)), axis=1)[0]
    values = explainer.explain_local(frame).local_importance_values[1]
    np.testing.assert_allclose(pairs.sum(axis=2), values, atol=1e-12)


@pytest.mark.parametrize("estimator", [CATEGORICAL[0], CATEGORICAL[2]], ids=case_name)
def test_a_category_that_the_model_has_not_seen_is_what_it_is_to_the_model(estimator: Any) -> None:
    import pandas as pd

    frame, y = with_categories()
    estimator.fit(frame, y)
    new = frame.assign(colour=pd.Categorical(np.where(np.arange(80) % 4, frame["colour"].astype(object), "pink")))
    explanation = TreeExplainer(estimator, frame).explain_global(new)
    sums = explanation.local_importance_values.sum(axis=2).T + explanation.expected_values
    np.testing.assert_allclose(sums, own_answers(estimator, new), atol=1e-10)


def test_a_category_that_xgboost_has_not_seen_is_refused_by_name() -> None:
    import pandas as pd

    frame, y = with_categories()
    explainer = TreeExplainer(CATEGORICAL[1].fit(frame, y), frame)
    for column, value in (("colour", "pink"), ("size", 41)):
        new = frame.assign(**{column: pd.Categorical([value] * 80)})
        with pytest.raises(
            InvalidArgumentError, match=f"column '{column}' holds '?{value}'?, a category that the model"
        ):
            explainer.explain_local(new)


def test_columns_of_other_types_than_in_training_are_refused_with_the_way_out() -> None:
    frame, y = with_categories()
    light = TreeExplainer(CATEGORICAL[0].fit(frame, y), frame)
    with pytest.raises(InvalidArgumentError, match="1 columns of categories, and the model was trained with 2"):
        light.explain_local(frame.assign(colour=frame["colour"].astype(object)))


@pytest.mark.parametrize("by_name", [True, False])
def test_dates_and_text_where_a_model_takes_numbers_are_refused_with_the_column(by_name: bool) -> None:
    import pandas as pd

    frame = pd.DataFrame(X, columns=list("abcd"))
    model = RandomForestRegressor(**SMALL).fit(frame if by_name else X, X[:, 0])
    for values, said in (
        (pd.date_range("2024-01-01", periods=80), "dates"),
        (pd.to_timedelta(np.arange(80), unit="s"), "durations"),
        (["Rome"] * 80, r"text \('Rome'\)"),
    ):
        with pytest.raises(
            InvalidArgumentError, match=rf"column ('b'|1) holds {said}, .*pipeline or by transformations="
        ):
            TreeExplainer(model).explain_local(frame.assign(b=values))


def test_early_stopping_is_followed() -> None:
    y = target(X, "binary")
    stopped = lightgbm.train(
        {"objective": "binary", "verbose": -1, "min_data_in_leaf": 5, "num_threads": 1},
        lightgbm.Dataset(X, y),
        50,
        valid_sets=[lightgbm.Dataset(X[::2], 1 - y[::2])],
        callbacks=[lightgbm.early_stopping(1, verbose=False)],
        keep_training_booster=True,
    )
    assert stopped.best_iteration < stopped.current_iteration()
    xgb = xgboost.XGBClassifier(**{**XGB, "n_estimators": 50}, early_stopping_rounds=1)
    xgb.fit(X, y, eval_set=[(X[::2], 1 - y[::2])], verbose=False)
    assert xgb.best_iteration < xgb.get_booster().num_boosted_rounds() - 1
    for model, answers in (
        (stopped, stopped.predict(X, raw_score=True)),
        (xgb, xgb.predict(X, output_margin=True)),
    ):
        explanation = TreeExplainer(model).explain_local(X)
        sums = explanation.local_importance_values[1].sum(axis=1) + explanation.expected_values[1]
        np.testing.assert_allclose(sums, answers, atol=1e-5)


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_native_boosters_are_explained_like_their_estimators(task: str) -> None:
    y = target(X, task)
    kind = "Regressor" if task == "regression" else "Classifier"
    light = getattr(lightgbm, f"LGBM{kind}")(**LIGHT).fit(X, y)
    xgb = getattr(xgboost, f"XGB{kind}")(**XGB).fit(X, y)
    for model, booster in ((light, light.booster_), (xgb, xgb.get_booster())):
        of_model = TreeExplainer(model).explain_global(X[:7])
        of_booster = TreeExplainer(booster).explain_global(X[:7])
        np.testing.assert_array_equal(of_model.local_importance_values, of_booster.local_importance_values)
        assert of_booster.model_task == of_model.model_task
        assert of_booster.classes == of_model.classes
        assert of_booster.info.output_space == of_model.info.output_space
        np.testing.assert_allclose(of_booster.eval_y_predicted, of_model.eval_y_predicted, rtol=1e-6)
        if task != "regression":
            np.testing.assert_allclose(
                of_booster.eval_y_predicted_proba, model.predict_proba(X[:7]), rtol=1e-5, atol=1e-6
            )


@pytest.mark.parametrize("max_features", [1.0, 0.5])
def test_isolation_forest_values_add_up_to_the_mean_path_length(max_features: float) -> None:
    model = IsolationForest(n_estimators=5, max_samples=32, max_features=max_features, random_state=0).fit(X)
    explanation = TreeExplainer(model).explain_local(X[:5])
    assert explanation.info.output_space == "path length"
    # A score is 2 to the power of minus the length over c(32), by its definition (Liu, Ting and Zhou 2008).
    c = 2 * (np.log(31) + np.euler_gamma) - 2 * 31 / 32
    lengths = explanation.local_importance_values.sum(axis=1) + explanation.expected_values[0]
    np.testing.assert_allclose(2 ** (-lengths / c), -model.score_samples(X[:5]), rtol=1e-6)


def test_sparse_rows_give_the_values_of_dense_ones() -> None:
    from scipy.sparse import csr_array, csr_matrix

    x = np.where(X > 0.5, X, 0.0)
    for model in (
        lightgbm.LGBMClassifier(**LIGHT).fit(csr_matrix(x), target(x, "multiclass")),
        xgboost.XGBClassifier(**XGB).fit(csr_matrix(x), target(x, "binary")),
        RandomForestClassifier(**SMALL).fit(csr_matrix(x), target(x, "binary")),
    ):
        sparse = TreeExplainer(model).explain_local(csr_matrix(x[:5]))
        if isinstance(model, xgboost.XGBClassifier):
            # What a CSR matrix does not store is missing for XGBoost.
            np.testing.assert_allclose(
                sparse.local_importance_values.sum(axis=2).T + sparse.expected_values,
                own_answers(model, csr_matrix(x[:5])),
                atol=1e-5,
            )
            continue
        dense = TreeExplainer(model).explain_local(x[:5])
        np.testing.assert_allclose(sparse.local_importance_values, dense.local_importance_values, atol=1e-12)
        again = TreeExplainer(model).explain_local(csr_array(x[:5]))
        np.testing.assert_array_equal(again.local_importance_values, sparse.local_importance_values)


def test_a_log_link_is_named() -> None:
    y = np.exp(target(X, "regression") / 4)
    for model in (
        lightgbm.LGBMRegressor(**LIGHT, objective="poisson").fit(X, y),
        xgboost.XGBRegressor(**XGB, objective="count:poisson").fit(X, y),
        HistGradientBoostingRegressor(**HIST, loss="poisson").fit(X, y),
    ):
        explanation = TreeExplainer(model).explain_local(X)
        assert explanation.info.output_space == "log of the value"
        logs = explanation.local_importance_values.sum(axis=1) + explanation.expected_values[0]
        np.testing.assert_allclose(np.exp(logs), model.predict(X), rtol=1e-5)


def test_a_row_that_is_too_short_is_refused_before_compiled_code_sees_it() -> None:
    for model in (
        RandomForestClassifier(**SMALL),
        GradientBoostingClassifier(**SMALL),
        lightgbm.LGBMClassifier(**LIGHT),
    ):
        explainer = TreeExplainer(model.fit(X, target(X, "binary")))
        for wrong in (X[:, :2], X[0, :3], np.hstack([X, X])):
            with pytest.raises(InvalidArgumentError, match="columns"):
                explainer.explain_local(wrong)


def test_a_model_that_answers_differently_from_its_trees_is_refused() -> None:
    class Tempered(RandomForestClassifier):
        def predict_proba(self, x: Any) -> Any:
            p = super().predict_proba(x) ** 2
            return p / p.sum(axis=1, keepdims=True)

    model = Tempered(**SMALL).fit(X, target(X, "binary"))
    with pytest.raises(AdditivityError, match="miss the model's own output"):
        TreeExplainer(model).explain_local(X)


def test_models_that_are_no_trees_and_several_targets_are_refused() -> None:
    from sklearn.svm import SVC

    with pytest.raises(UnsupportedModelError, match=r"sklearn\.SVC is no tree model"):
        TreeExplainer(SVC().fit(X, target(X, "binary")))
    with pytest.raises(UnsupportedModelError, match="2 targets"):
        TreeExplainer(RandomForestRegressor(**SMALL).fit(X, X[:, :2]))


@pytest.mark.parametrize(
    ("model", "task"), [FORESTS[3], FORESTS[5], BOOSTED[2], OTHERS[2], OTHERS[3], OTHERS[8]], ids=case_name
)
def test_interventional_values_are_the_sums_over_all_coalitions_and_the_background(model: Any, task: str) -> None:
    model.fit(X, target(X, task))
    background = X[:9]
    explainer = TreeExplainer(model, background, feature_perturbation="interventional")
    explanation = explainer.explain_local(X[20:22])
    for i in range(2):
        values, base = shapley(interventional(lambda x: own_answers(model, x), X[20 + i], background), 4)
        np.testing.assert_allclose(explanation.local_importances.values[:, i], values, atol=1e-5)
        np.testing.assert_allclose(explanation.expected_values, base, atol=1e-5)


def test_what_a_missing_feature_is_replaced_by_is_one_of_two() -> None:
    model = RandomForestRegressor(**SMALL).fit(X, X[:, 0])
    with pytest.raises(InvalidArgumentError, match="feature_perturbation='observational'"):
        TreeExplainer(model, X, feature_perturbation="observational")
    with pytest.raises(InvalidArgumentError, match="needs initialization_examples"):
        TreeExplainer(model, feature_perturbation="interventional")


def test_linear_boosters_are_asked_for_their_own_values() -> None:
    model = xgboost.XGBClassifier(booster="gblinear", n_estimators=5, n_jobs=1).fit(X, target(X, "binary"))
    explainer = TreeExplainer(model)
    explanation = explainer.explain_local(X[:5])
    assert explanation.info.reason is not None
    assert "the model's own contributions" in explanation.info.reason
    sums = explanation.local_importance_values.sum(axis=2).T + explanation.expected_values
    np.testing.assert_allclose(sums, own_answers(model, X[:5]), atol=1e-5)


def test_without_numba_models_give_their_own_values_or_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    light = lightgbm.LGBMClassifier(**LIGHT).fit(X, target(X, "binary"))
    forest = RandomForestClassifier(**SMALL).fit(X, target(X, "binary"))
    with_numba = TreeExplainer(light).explain_local(X).local_importance_values
    monkeypatch.setitem(sys.modules, "numba", None)
    explanation = TreeExplainer(light).explain_local(X)
    np.testing.assert_allclose(explanation.local_importance_values, with_numba, atol=1e-12)
    assert "numba, which is not installed" in explanation.info.reason
    with pytest.raises(MissingDependencyError, match=r"explaining sklearn.RandomForestClassifier needs .*'numba'"):
        TreeExplainer(forest)


def test_trees_with_linear_leaves_are_refused_with_the_reason() -> None:
    model = lightgbm.LGBMRegressor(**LIGHT, linear_tree=True).fit(X, X[:, 0] * X[:, 1])
    with pytest.raises(UnsupportedModelError, match="linear"):
        TreeExplainer(model)
    with pytest.warns(UserWarning, match="the next explainer is used instead"):
        explainer = TabularExplainer(model, X[:5])
    assert explainer.method == "shap_kernel"


def test_boosting_from_another_model_is_refused_with_the_reason() -> None:
    model = GradientBoostingRegressor(**SMALL, init=RandomForestRegressor(**SMALL)).fit(X, X[:, 0])
    with pytest.raises(UnsupportedModelError, match="starts from RandomForestRegressor"):
        TreeExplainer(model)


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tree kernel know no histogram gradient boosting, as it will not know what is yet to come."""
    from explanation_client.treeshap.parsers import sklearn as reader

    for kind in (HistGradientBoostingRegressor, HistGradientBoostingClassifier):
        monkeypatch.delitem(reader._READERS, kind.__name__)


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_trees_of_scikit_learn_that_the_kernel_does_not_read_are_explained_by_shap_which_is_said(task: str) -> None:
    kind = HistGradientBoostingRegressor if task == "regression" else HistGradientBoostingClassifier
    model = kind(**HIST).fit(X, target(X, task))
    explanation = TreeExplainer(model).explain_local(X[:5])
    assert explanation.method == "shap_tree"
    assert explanation.info.reason.startswith("exact values from shap.TreeExplainer (")
    assert f"no reader knows scikit-learn's {kind.__name__}" in explanation.info.reason
    local = explanation.local_importances.values
    sums = local.sum(axis=2).T + explanation.expected_values
    np.testing.assert_allclose(sums, own_answers(model, X[:5]), atol=1e-10)
    for output in range(1 if task == "binary" else len(local)):
        values, _ = shapley(path_dependent(trees_of(model, output), X[0]), 4)
        np.testing.assert_allclose(local[1 if task == "binary" else output, 0], values[0], atol=1e-6)


@pytest.mark.usefixtures("unread")
def test_shap_too_is_held_to_the_models_own_output() -> None:
    # shap takes codes of categories for numbers.
    x = np.column_stack([np.arange(80) % 3, X[:, 1:]])
    model = HistGradientBoostingRegressor(**HIST, categorical_features=[0]).fit(x, 3 * (x[:, 0] == 1) + x[:, 1])
    with pytest.raises(AdditivityError, match=r"miss the model's own output.*values are from shap\.TreeExplainer"):
        TreeExplainer(model).explain_local(x)
    with pytest.warns(UserWarning, match="no reader knows.*the next explainer is used instead"):
        explainer = TabularExplainer(model, x[:5])
    assert explainer.method == "shap_kernel"
    assert "no reader knows" in explainer.reason


@pytest.mark.usefixtures("unread")
def test_what_only_shap_may_explain_says_so_without_it_and_with_a_background(monkeypatch: pytest.MonkeyPatch) -> None:
    model = HistGradientBoostingRegressor(**HIST).fit(X, target(X, "regression"))
    with pytest.raises(UnsupportedModelError, match="interventional values need the tree kernel"):
        TreeExplainer(model, X, feature_perturbation="interventional")
    monkeypatch.setitem(sys.modules, "shap", None)
    with pytest.raises(UnsupportedModelError, match=r"shap, which may explain it, is not installed, and .*no reader"):
        TreeExplainer(model)


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_catboost_is_read_and_gives_what_it_says_itself(task: str) -> None:
    catboost = pytest.importorskip("catboost")
    kind = catboost.CatBoostRegressor if task == "regression" else catboost.CatBoostClassifier
    model = kind(iterations=4, verbose=False, allow_writing_files=False, thread_count=1).fit(X, target(X, task))
    explanation = TreeExplainer(model).explain_global(X)
    assert explanation.info.reason == "exact values from the tree kernel of this library"
    raw = np.asarray(model.predict(X, prediction_type="RawFormulaVal"))
    answers = np.column_stack([-raw, raw]) if task == "binary" else raw.reshape(len(X), -1)
    local = explanation.local_importances.values
    np.testing.assert_allclose(local.sum(axis=2).T + explanation.expected_values, answers, atol=1e-12)
    own = np.asarray(model.get_feature_importance(catboost.Pool(X), type="ShapValues"))
    own = own[:, None] if own.ndim == 2 else own
    np.testing.assert_allclose(local[1:] if task == "binary" else local, np.moveaxis(own, 1, 0)[:, :, :-1], atol=1e-9)
    with pytest.raises(InvalidArgumentError, match="2 columns"):
        TreeExplainer(model).explain_local(X[:, :2])
    # Its own contributions know no background.
    explainer = TreeExplainer(model, X[:9], feature_perturbation="interventional")
    sums = explainer.explain_local(X[:3]).local_importances.values.sum(axis=2).T + explainer._engine.contributions(X)[1]
    np.testing.assert_allclose(sums, answers[:3], atol=1e-12)


def test_catboost_is_asked_for_its_own_values_where_it_counts_categories() -> None:
    catboost = pytest.importorskip("catboost")
    import pandas as pd

    frame = pd.DataFrame({"number": X[:, 0], "colour": np.array(["red", "green", "blue"])[np.arange(80) % 3]})
    options = {"iterations": 4, "verbose": False, "allow_writing_files": False, "thread_count": 1}
    model = catboost.CatBoostRegressor(**options, cat_features=["colour"]).fit(frame, frame["colour"] == "red")
    explanation = TreeExplainer(model).explain_global(frame)
    assert "the model's own contributions" in explanation.info.reason
    assert "statistics of categories" in explanation.info.reason
    sums = explanation.local_importance_values.sum(axis=1) + explanation.expected_values[0]
    np.testing.assert_allclose(sums, model.predict(frame), atol=1e-9)


def test_importances_of_rows_are_kept_in_half_the_memory_where_asked() -> None:
    x = np.tile(X, (8, 1))
    model = lightgbm.LGBMClassifier(**LIGHT).fit(X, target(X, "binary"))
    full = TreeExplainer(model).explain_global(x, batch_size=50)
    for batch_size in (50, len(x)):
        half = TreeExplainer(model, dtype="float32").explain_global(x, batch_size=batch_size)
        assert half.local_importances.values.dtype == np.float32
        assert half.local_importances.values.nbytes * 2 == full.local_importances.values.nbytes
        np.testing.assert_array_equal(half.local_importances.values, full.local_importances.values.astype(np.float32))
        # Rounded after they were added up.
        np.testing.assert_allclose(half.global_importance_values, full.global_importance_values, rtol=1e-14)
        sums = half.local_importances.values.sum(axis=2, dtype=np.float64).T + half.expected_values
        np.testing.assert_allclose(sums, own_answers(model, x), atol=1e-6)
        assert "dtype: importances of rows are rounded to float32" in half.info.notes
    with pytest.raises(InvalidArgumentError, match="dtype='float16': one of 'float64', 'float32'"):
        TreeExplainer(model, dtype="float16")


def test_rounded_importances_of_raw_features_are_float32_too() -> None:
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(X)
    model = RandomForestRegressor(**SMALL).fit(scaler.transform(X), target(X, "regression"))
    explanation = TreeExplainer(model, X, transformations=scaler, dtype="float32").explain_local(X)
    assert explanation.local_importances.values.dtype == np.float32
    sums = explanation.local_importance_values.sum(axis=1, dtype=np.float64) + explanation.expected_values[0]
    np.testing.assert_allclose(sums, model.predict(scaler.transform(X)), atol=1e-5)
