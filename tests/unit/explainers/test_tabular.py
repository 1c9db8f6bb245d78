"""How an explainer is chosen, and what is said about it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from explanation_client.errors import ExplanationError, InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers import AdditivityError, TabularExplainer
from explanation_client.explainers.model import type_name
from tests.unit.explainers.data import rows, target

lightgbm = pytest.importorskip("lightgbm")
pytest.importorskip("shap")

X = rows()
Y = target(X, "binary")
FOREST = {"n_estimators": 3, "max_depth": 3, "random_state": 0}


class OwnForest(RandomForestClassifier):
    """A forest of the user's."""


@pytest.mark.parametrize(
    ("model", "method", "reason"),
    [
        (RandomForestClassifier(**FOREST), "shap_tree", "sklearn.RandomForestClassifier is a tree model"),
        (OwnForest(**FOREST), "shap_tree", "OwnForest is a tree model, as a sklearn.RandomForestClassifier"),
        (lightgbm.LGBMClassifier(n_estimators=3, verbose=-1), "shap_tree", "lightgbm.LGBMClassifier is a tree model"),
        (LogisticRegression(), "shap_linear", "sklearn.LogisticRegression is a linear model"),
        (SVC(kernel="linear"), "shap_linear", "sklearn.SVC is a linear model"),
        (SVC(), "shap_kernel", "its kernel is 'rbf'"),
        (
            make_pipeline(StandardScaler(), LogisticRegression()),
            "shap_linear",
            "the last step of the pipeline, sklearn.LogisticRegression is a linear model",
        ),
        (
            VotingClassifier([("a", RandomForestClassifier(**FOREST))], voting="soft"),
            "shap_tree",
            "sklearn.VotingClassifier is a tree model: exact values from the average over 1 members",
        ),
        (make_pipeline(StandardScaler(), SVC()), "shap_kernel", "sklearn.Pipeline is in no table"),
        (make_pipeline(PCA(3), LogisticRegression()), "shap_kernel", "come from several raw columns"),
    ],
)
def test_the_choice_follows_the_table_and_is_recorded(model: Any, method: str, reason: str) -> None:
    model.fit(X, Y)
    explainer = TabularExplainer(model, X[:8])
    explanation = explainer.explain_global(X[:5])
    assert explainer.method == explanation.method == method
    assert reason in explainer.reason
    assert explanation.info.reason == explainer.reason


LOGISTIC = ("a", LogisticRegression())


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (CalibratedClassifierCV(SVC(gamma=0.001, C=100.0), ensemble=False), "maps its model's scores to probabilities"),
        (VotingClassifier([LOGISTIC, ("b", RandomForestClassifier(**FOREST))], voting="soft"), "is no tree model"),
        (VotingClassifier([("b", RandomForestClassifier(**FOREST))]), "it counts votes"),
        (StackingClassifier([LOGISTIC], cv=2), "its last model sees predictions of the others"),
        (OneVsRestClassifier(LogisticRegression()), "it scales the probabilities of its models"),
        (MLPClassifier((3,), solver="lbfgs", max_iter=5, random_state=0), "is in no table of tree or linear models"),
    ],
    ids=lambda value: None if isinstance(value, str) else type(value).__name__,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_other_model_is_explained_by_its_predictions_and_the_reason_is_said(model: Any, reason: str) -> None:
    model.fit(X, target(X, "multiclass"))
    explanation = TabularExplainer(model, X[:4]).explain_local(X[:2])
    assert explanation.method == "shap_kernel"
    assert explanation.local_importance_values.shape == (3, 2, 4)
    assert reason in explanation.info.reason


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression(),
        BaggingClassifier(),
        VotingClassifier([LOGISTIC], voting="soft"),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_model_that_is_not_fitted_is_told_and_not_looked_into(model: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="not fitted"):
        TabularExplainer(model, X)


def test_coefficients_and_an_intercept_are_a_linear_model() -> None:
    explanation = TabularExplainer((np.ones(4), 0.5), X).explain_local(X[:3])
    assert explanation.method == "shap_linear"
    assert explanation.info.reason.startswith("coefficients and an intercept are a linear model")
    sums = explanation.local_importance_values.sum(axis=1) + explanation.expected_values
    np.testing.assert_allclose(sums, X[:3].sum(axis=1) + 0.5)


def test_a_pipeline_is_explained_in_its_raw_columns_exactly() -> None:
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.preprocessing import OneHotEncoder

    frame = pd.DataFrame({"number": X[:, 0], "colour": np.array(["red", "green", "blue"])[np.arange(len(X)) % 3]})
    y = ((frame["colour"] == "red") | (frame["number"] > 1)).to_numpy().astype(int)
    encode = make_column_transformer((OneHotEncoder(), ["colour"]), (StandardScaler(), ["number"]))
    for last in (LogisticRegression(), RandomForestClassifier(**FOREST)):
        pipeline = make_pipeline(encode, last).fit(frame, y)
        explanation = TabularExplainer(pipeline, frame).explain_global(frame)
        assert explanation.features == ("number", "colour")
        assert explanation.is_raw
        assert explanation.model_type == "sklearn.pipeline.Pipeline"
        is_linear = isinstance(last, LogisticRegression)
        answers = pipeline.decision_function(frame) if is_linear else pipeline.predict_proba(frame)[:, 1]
        sums = explanation.local_importance_values[1].sum(axis=1) + explanation.expected_values[1]
        np.testing.assert_allclose(sums, answers, atol=1e-9)
        np.testing.assert_array_equal(explanation.eval_y_predicted, pipeline.predict(frame))
        subset = TabularExplainer(pipeline, frame, [1])
        assert subset.model is pipeline
        np.testing.assert_array_equal(
            subset.explain_local(frame).local_importance_values, explanation.local_importance_values[:, :, 1:]
        )


def test_a_pipeline_of_sparse_rows_is_taken_apart_unless_it_mixes_columns() -> None:
    from scipy.sparse import csr_matrix
    from sklearn.preprocessing import MaxAbsScaler, Normalizer

    sparse = csr_matrix(np.where(X > 0.5, X, 0.0))
    for transformer, method in ((MaxAbsScaler(), "shap_linear"), (Normalizer(), "shap_kernel")):
        model = make_pipeline(transformer, LogisticRegression()).fit(sparse, Y)
        explanation = TabularExplainer(model, sparse).explain_local(sparse[:2])
        assert explanation.method == method
        assert ("is not taken apart" in explanation.info.reason) == (method == "shap_kernel")
        answers = model.decision_function(sparse[:2]) if method == "shap_linear" else model.predict_proba(sparse)[:2, 1]
        sums = explanation.local_importance_values[1].sum(axis=1) + explanation.expected_values[1]
        np.testing.assert_allclose(sums, answers)


def test_a_search_is_explained_by_the_best_of_its_models() -> None:
    search = GridSearchCV(RandomForestClassifier(**FOREST), {"max_depth": [1, 2]}, cv=2).fit(X, Y)
    explanation = TabularExplainer(search, X).explain_local(X[:5])
    assert explanation.method == "shap_tree"
    assert explanation.model_type.endswith("GridSearchCV")
    sums = explanation.local_importance_values.sum(axis=2).T + explanation.expected_values
    np.testing.assert_allclose(sums, search.predict_proba(X[:5]))


def test_wrong_values_are_caught_and_the_next_explainer_is_used_with_a_warning() -> None:
    class Tempered(RandomForestClassifier):
        def predict_proba(self, x: Any) -> Any:
            p = super().predict_proba(x) ** 2
            return p / p.sum(axis=1, keepdims=True)

    model = Tempered(**FOREST).fit(X, Y)
    with pytest.warns(UserWarning, match="miss the model's own output.*the next explainer is used instead"):
        explainer = TabularExplainer(model, X[:10])
    explanation = explainer.explain_local(X[:4])
    assert explanation.method == "shap_kernel"
    assert "miss the model's own output" in explanation.info.reason
    sums = explanation.local_importance_values.sum(axis=2).T + explanation.expected_values
    np.testing.assert_allclose(sums, model.predict_proba(X[:4]))
    with pytest.raises(AdditivityError):
        TabularExplainer(model, X[:10], method="tree").explain_local(X)


def test_native_categories_of_histogram_boosting_add_up() -> None:
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.integers(0, 6, 300), rng.normal(size=300)]).astype(float)
    y = (np.isin(x[:, 0], [1, 4]) ^ (x[:, 1] > 0.5)).astype(int)
    model = HistGradientBoostingClassifier(categorical_features=[0], max_iter=10).fit(x, y)
    explanation = TabularExplainer(model, x[:50]).explain_local(x[:20])
    assert explanation.method == "shap_tree"
    sums = explanation.local_importance_values[1].sum(axis=1) + explanation.expected_values[1]
    np.testing.assert_allclose(sums, model.decision_function(x[:20]), atol=1e-9)


def test_a_tree_model_that_the_kernel_does_not_read_is_handed_on_with_a_warning() -> None:
    model = GradientBoostingClassifier(n_estimators=3, init=LogisticRegression(), random_state=0).fit(X, Y)
    with pytest.warns(UserWarning, match="starts from LogisticRegression.*; the next explainer is used instead"):
        explainer = TabularExplainer(model, X[:8])
    explanation = explainer.explain_local(X[:3])
    assert explanation.method == "shap_kernel"
    assert "starts from LogisticRegression" in explanation.info.reason
    sums = explanation.local_importance_values.sum(axis=2).T + explanation.expected_values
    np.testing.assert_allclose(sums, model.predict_proba(X[:3]))


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(RandomForestClassifier(**FOREST)),
        make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), RandomForestClassifier(**FOREST))),
        make_pipeline(StandardScaler(), GridSearchCV(RandomForestClassifier(**FOREST), {"max_depth": [2]}, cv=2)),
        GridSearchCV(make_pipeline(make_pipeline(RandomForestClassifier(**FOREST))), {}, cv=2),
    ],
    ids=["one step", "a pipeline at its end", "a search at its end", "a search of nested pipelines"],
)
def test_a_pipeline_is_explained_by_what_is_at_its_end_however_it_is_nested(model: Any) -> None:
    model.fit(X, Y)
    explainer = TabularExplainer(model, X[:20])
    explanation = explainer.explain_local(X[:5])
    assert explanation.method == "shap_tree"
    assert explanation.model_type == type_name(model)
    sums = explanation.local_importance_values.sum(axis=2).T + explanation.expected_values
    np.testing.assert_allclose(sums, model.predict_proba(X[:5]), atol=1e-12)
    assert explanation.eval_y_predicted.tolist() == model.predict(X[:5]).tolist()


def several_targets() -> list[Any]:
    import catboost
    import xgboost
    from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor

    two, labels = np.column_stack([X[:, 0], X[:, 1]]), np.column_stack([Y, 1 - Y])
    quantiles = xgboost.XGBRegressor(
        n_estimators=2, n_jobs=1, objective="reg:quantileerror", quantile_alpha=np.array([0.1, 0.9])
    )
    counted = catboost.CatBoostRegressor(
        iterations=2, loss_function="MultiRMSE", verbose=False, allow_writing_files=False, thread_count=1
    )
    return [
        RandomForestClassifier(**FOREST).fit(X, labels),
        LinearRegression().fit(X, two),
        MultiOutputRegressor(LinearRegression()).fit(X, two),
        MultiOutputClassifier(LogisticRegression()).fit(X, labels),
        OneVsRestClassifier(LogisticRegression()).fit(X, labels),
        xgboost.XGBRegressor(n_estimators=2, n_jobs=1).fit(X, two),
        quantiles.fit(X, X[:, 0]),
        counted.fit(X, two),
    ]


def test_models_of_several_targets_are_refused_in_the_same_words() -> None:
    for model in several_targets():
        with pytest.raises(
            UnsupportedModelError, match=f"{type(model).__name__} has 2 targets: train a model for each"
        ):
            TabularExplainer(model, X[:10]).explain_local(X[:3])


def test_a_search_that_kept_no_model_and_a_function_that_answers_in_words_are_refused() -> None:
    search = GridSearchCV(LinearRegression(), {"fit_intercept": [True]}, cv=2, refit=False).fit(X, X[:, 0])
    with pytest.raises(UnsupportedModelError, match="refit=False and holds no model"):
        TabularExplainer(search, X)
    with pytest.raises(UnsupportedModelError, match="answers with 'yes': numbers are needed"):
        TabularExplainer(lambda rows: np.full(len(rows), "yes"), X)


def test_a_method_can_be_chosen_by_hand() -> None:
    model = RandomForestClassifier(**FOREST).fit(X, Y)
    explainer = TabularExplainer(model, X[:4], method="kernel")
    assert explainer.method == "shap_kernel"
    assert explainer.reason.startswith("method='kernel' was asked for")
    with pytest.raises(InvalidArgumentError, match="'tree', 'deep', 'linear', 'kernel'"):
        TabularExplainer(model, X, method="magic")
    with pytest.raises(UnsupportedModelError, match="is no tree model"):
        TabularExplainer(LogisticRegression().fit(X, Y), X, method="tree")


def test_positions_and_keywords_of_the_original_constructor_work() -> None:
    model = LogisticRegression().fit(X, Y)
    names, classes = ["a", "b", "c", "d"], ["no", "yes"]
    explainers = (
        TabularExplainer(model, X, None, names, classes),
        TabularExplainer(model, initialization_examples=X, features=np.array(names), classes=classes),
    )
    for explainer in explainers:
        assert explainer.features == tuple(names)
        assert explainer.classes == tuple(classes)
        assert explainer.model is model
    with pytest.raises(InvalidArgumentError, match="use_gpu"):
        TabularExplainer(model, X, use_gpu=True)


def test_a_function_is_explained_by_kernel() -> None:
    explanation = TabularExplainer(lambda x: x[:, 0], X[:4]).explain_local(X[:2])
    assert explanation.method == "shap_kernel"
    assert explanation.info.reason.startswith("the prediction function is in no table")


# --- Explainers of other packages ---------------------------------------------------------------------------------

PLUGIN = '''
import numpy as np
from explanation_client.explainers.base import Explainer


class ConstantModel:
    """A model that says one number."""

    def __init__(self, number):
        self.number = number
        self.n_features_in_ = 4

    def predict(self, rows):
        return np.full(len(rows), self.number)


class ConstantExplainer(Explainer):
    method = "constant"

    @classmethod
    def explains(cls, model):
        return "its answer is one number" if isinstance(model, ConstantModel) else None

    def _attribute(self, rows):
        return np.zeros((1, len(rows), rows.shape[1])), np.array([self._model.given.number])
'''


def install(folder: Path, module: str, source: str, target_name: str) -> None:
    """Write an installed distribution: a module, and the metadata with its entry point."""
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[explanation_client.explainers]\n{target_name}\n")


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    install(tmp_path, "constant_explainer", PLUGIN, "constant = constant_explainer:ConstantExplainer")
    monkeypatch.syspath_prepend(tmp_path)
    import constant_explainer

    yield constant_explainer
    del sys.modules["constant_explainer"]


def test_an_installed_package_adds_an_explainer(plugin: Any) -> None:
    model = plugin.ConstantModel(3.5)
    explanation = TabularExplainer(model, X).explain_local(X[:2])
    assert explanation.method == "constant"
    assert explanation.info.reason == "constant of constant_explainer: its answer is one number"
    np.testing.assert_array_equal(explanation.expected_values, [3.5])
    assert TabularExplainer(model, X, method="constant").method == "constant"


def test_an_installed_explainer_is_not_asked_for_models_of_the_table(plugin: Any) -> None:
    assert TabularExplainer(LogisticRegression().fit(X, Y), X).method == "shap_linear"
    assert TabularExplainer(SVC().fit(X, Y), X[:4]).method == "shap_kernel"


@pytest.mark.parametrize(
    ("source", "entry", "message"),
    [
        ("", "broken = broken_explainer:Missing", "does not load"),
        ("thing = 5", "broken = broken_explainer:thing", "no subclass"),
    ],
)
def test_a_broken_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, entry: str, message: str
) -> None:
    install(tmp_path, "broken_explainer", source, entry)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ExplanationError, match=f"'broken' of package 'broken_explainer'.*{message}"):
        TabularExplainer(lambda x: x[:, 0], X)
    sys.modules.pop("broken_explainer", None)
    # The models of the table do not need it.
    assert TabularExplainer(LogisticRegression().fit(X, Y), X).method == "shap_linear"
