"""Scoring explainers of every kind of model: saved, loaded, and the same to the last bit."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from explanation_client.errors import InvalidArgumentError, MissingDependencyError
from explanation_client.explainers import (
    DeepExplainer,
    KernelExplainer,
    LinearExplainer,
    MimicExplainer,
    TabularExplainer,
    TreeExplainer,
)
from explanation_client.scoring import (
    DeepScoringExplainer,
    KernelScoringExplainer,
    ScoringExplainer,
    create_scoring_explainer,
    load,
    save,
)
from explanation_client.surrogates import (
    DecisionTreeExplainableModel,
    LGBMExplainableModel,
    LinearExplainableModel,
    SGDExplainableModel,
)
from tests.integration import test_models_table as models
from tests.support import alone

pytestmark = [
    pytest.mark.integration,
    # Small models on few rows do not all converge, and surrogates of them are not all faithful.
    pytest.mark.filterwarnings("ignore:the surrogate says little:UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # Keras' own way to arrays.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

RNG = np.random.default_rng(3)
X = RNG.normal(size=(80, 4))
SCORE = 2.0 * X[:, 0] - X[:, 1] + X[:, 0] * X[:, 2]
FRAME = pd.DataFrame(
    {
        "age": RNG.integers(18, 80, size=80),
        "income": np.where(RNG.random(80) < 0.1, np.nan, RNG.normal(size=80)),
        "city": np.array(["Bonn", "Rome", "Oslo"])[RNG.integers(3, size=80)],
        "member": RNG.random(80) < 0.5,
    }
)
BOUGHT = np.where(FRAME["age"] / 40 + FRAME["income"].fillna(0) + (FRAME["city"] == "Rome") > 1.5, "yes", "no")


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    import threadpoolctl
    import torch  # loaded first, so that its thread pool is known

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpoolctl.threadpool_limits(1):
        os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
        yield
        del os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"]
    torch.set_num_threads(before)


def round_trip(made: ScoringExplainer, rows: Any, folder: Path, *, rounding: float = 0.0) -> ScoringExplainer:
    """Return what comes back from a folder, after holding it to what went in."""
    save(made, folder, exist_ok=True)
    back = load(folder, trusted=True, compiled=None)
    np.testing.assert_allclose(back.explain(rows), made.explain(rows), rtol=0.0, atol=rounding)
    np.testing.assert_allclose(back.expected_values, made.expected_values, rtol=0.0, atol=rounding)
    if made.can_predict:
        assert np.asarray(back.predict(rows)).tolist() == np.asarray(made.predict(rows)).tolist()
    assert (type(back), back.features, back.classes) == (type(made), made.features, made.classes)
    return back


def hold_to_explainer(made: ScoringExplainer, explainer: Any, rows: Any) -> None:
    expected = explainer.explain_local(rows)
    scale = np.abs(expected.local_importance_values).max()
    np.testing.assert_allclose(made.explain(rows), expected.local_importance_values, atol=1e-9 * scale)
    np.testing.assert_allclose(made.expected_values, expected.expected_values, atol=1e-9)


# --- Every model of the table ------------------------------------------------------------------------------------

FAMILIES = (
    models.trees, models.averages, models.linear, models.others, models.wrappers, models.boosters, models.networks,
)  # fmt: skip
# These compute in float32 themselves; importances and predictions here are sums in float64 of the same trees.
SINGLE = ("xgboost", "XGB")
# What a deployment has with the extra ``scoring``; a model that is kept brings its own library.
EXTRA = {"numpy", "pyarrow", "numba", "scipy", "scikit-learn", "skops"}
LIBRARIES = {"catboost", "torch"}


@pytest.mark.parametrize("family", FAMILIES, ids=[family.__name__ for family in FAMILIES])
def test_every_model_of_the_table_comes_back_where_only_the_extra_is_installed(family: Any, tmp_path: Path) -> None:
    rows = models.ROWS[:3]
    cases: list[tuple[str, Any, ScoringExplainer]] = []
    for case in family():
        for task in case.tasks:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = case.fit(task)
            explainer = TabularExplainer(model, models.BACKGROUND, show_progress=False)
            made = explainer.create_scoring_explainer(models.ROWS)
            hold_to_explainer(made, explainer, rows)
            save(made, tmp_path / str(len(cases)))
            cases.append((case.name, model, made))
            assert set(made.packages) <= EXTRA | LIBRARIES, case.name
            if made.method in ("scoring.tree", "scoring.linear"):
                assert made.packages in (("numpy", "pyarrow", "numba"), ("numpy", "pyarrow")) or case.name.startswith(
                    ("IsolationForest", "CatBoost", "Pipeline")
                ), (case.name, made.packages)
    saved = [(tmp_path / str(i), made.packages) for i, (_, _, made) in enumerate(cases)]
    for i, back in enumerate(alone.answers_of(saved, models.ROWS)):
        name, model, made = cases[i]
        score = made.score(models.ROWS)
        # Trees are walked by numpy or by compiled loops, which depends on what a process has done before, and PyTorch
        # adds in another order in another process.
        rounding = 1e-12 if {"numba", "torch"} & set(made.packages) else 0.0
        hold_equal(back["values"], score.values, rounding, name)
        hold_equal(back["base"], made.expected_values, rounding, name)
        hold_equal(back["predictions"], score.predictions, rounding if made.classes is None else 0.0, name)
        hold_equal(back["probabilities"], score.probabilities, rounding, name)
        if "Booster" not in name and hasattr(model, "predict"):
            hold_to_model(made, model, name)


def hold_equal(found: Any, wanted: Any, rounding: float, name: str) -> None:
    if rounding and wanted is not None:
        np.testing.assert_allclose(found, wanted, rtol=0.0, atol=rounding, err_msg=name)
    else:
        assert found == (None if wanted is None else wanted.tolist()), name


def hold_to_model(back: ScoringExplainer, model: Any, name: str) -> None:
    """Hold predictions to the model's own."""
    tolerance = 1e-6 if name.startswith(SINGLE) else 1e-12
    own = np.asarray(model.predict(models.ROWS)).reshape(-1)
    if back.classes is not None:
        assert back.predict(models.ROWS).tolist() == own.tolist(), name
    else:
        np.testing.assert_allclose(back.predict(models.ROWS), own, atol=tolerance * max(1.0, np.abs(own).max()))
    if back.classes is not None and hasattr(model, "predict_proba"):
        np.testing.assert_allclose(
            back.predict_proba(models.ROWS), model.predict_proba(models.ROWS), atol=tolerance, err_msg=name
        )


# --- Every explainer ---------------------------------------------------------------------------------------------


def teachers() -> list[Any]:
    import lightgbm
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.svm import SVC

    small = {"n_estimators": 4, "max_depth": 3, "random_state": 0}
    labels = np.digitize(SCORE, [-1.0, 1.0])
    return [
        RandomForestClassifier(**small).fit(X, np.array(["a", "b", "c"])[labels]),
        RandomForestRegressor(**small).fit(X, SCORE),
        SVC().fit(X, SCORE > 0),
        lightgbm.LGBMClassifier(n_estimators=4, verbose=-1, n_jobs=1).fit(X, labels * 10),
    ]


@pytest.mark.parametrize(
    "surrogate", [LGBMExplainableModel, LinearExplainableModel, SGDExplainableModel, DecisionTreeExplainableModel]
)
def test_every_surrogate_comes_back(surrogate: Any, tmp_path: Path) -> None:
    for teacher in teachers():
        for output in ("default", "probability", "teacher_probability"):
            if output != "default" and not hasattr(teacher, "predict_proba"):
                continue
            mimic = MimicExplainer(teacher, X, surrogate, shap_values_output=output, show_progress=False)
            made = mimic.create_scoring_explainer()
            hold_to_explainer(made, mimic, X[:3])
            back = round_trip(made, X[:3], tmp_path)
            assert back.predict(X).tolist() == teacher.predict(X).tolist()
            if output != "teacher_probability":
                light = create_scoring_explainer(mimic, keep_model=False)
                assert set(round_trip(light, X[:3], tmp_path).packages) <= {"numpy", "pyarrow", "numba"}


@pytest.mark.parametrize("surrogate", [LGBMExplainableModel, LinearExplainableModel, DecisionTreeExplainableModel])
def test_surrogates_of_texts_categories_and_dates_come_back(surrogate: Any, tmp_path: Path) -> None:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = FRAME.assign(city=FRAME["city"].astype("category"), since=pd.to_datetime("2020-01-01"))
    columns = [("city", OneHotEncoder(), ["city"]), ("rest", SimpleImputer(), ["age", "income", "member"])]
    teacher = make_pipeline(ColumnTransformer(columns), LogisticRegression()).fit(frame, BOUGHT)
    mimic = MimicExplainer(teacher, frame, surrogate, show_progress=False)
    made = mimic.create_scoring_explainer()
    hold_to_explainer(made, mimic, frame[:4])
    back = round_trip(made, frame[:4], tmp_path)
    records = json.loads(frame[:4].to_json(orient="records", date_format="iso"))
    np.testing.assert_allclose(back.explain(records), made.explain(frame[:4]))
    assert back.predict(records).tolist() == teacher.predict(frame[:4]).tolist()


def test_kernel_shap_of_every_package_comes_back(tmp_path: Path) -> None:
    import catboost
    import lightgbm
    import xgboost

    labels = np.array(["no", "yes"])[(SCORE > 0).astype(int)]
    quiet = {"n_estimators": 4, "n_jobs": 1}
    for model, y in (
        (lightgbm.LGBMClassifier(**quiet, verbose=-1), labels),
        (lightgbm.LGBMRegressor(**quiet, verbose=-1), SCORE),
        (xgboost.XGBClassifier(**quiet), SCORE > 0),
        (xgboost.XGBRegressor(**quiet, missing=-99.0), SCORE),
        (catboost.CatBoostClassifier(n_estimators=4, verbose=0, allow_writing_files=False), labels),
    ):
        fitted = model.fit(X, y)
        explainer = KernelExplainer(fitted, X[:5], seed=4, show_progress=False)
        made = explainer.create_scoring_explainer(X)
        hold_to_explainer(made, explainer, X[:2])
        # In the place of LightGBM's estimator its booster comes back, whose answers lie otherwise in memory.
        back = round_trip(made, X[:2], tmp_path, rounding=1e-15)
        assert np.asarray(back.predict(X)).tolist() == np.asarray(fitted.predict(X)).tolist()


def test_kernel_shap_keeps_its_settings_and_the_weights_of_its_background(tmp_path: Path) -> None:
    from sklearn.naive_bayes import GaussianNB

    wide = RNG.normal(size=(200, 14))
    model = GaussianNB().fit(wide, wide[:, 0] > 0)
    explainer = KernelExplainer(model, wide, nsamples=100, nclusters=4, seed=7, show_progress=False)
    made = explainer.create_scoring_explainer(wide)
    hold_to_explainer(made, explainer, wide[:2])
    back = round_trip(made, wide[:2], tmp_path)
    assert isinstance(back, KernelScoringExplainer)
    background = next(tmp_path.glob("background-*.parquet"))
    assert background.stat().st_size < 8_000


def test_shap_s_estimator_comes_back(tmp_path: Path) -> None:
    from sklearn.naive_bayes import GaussianNB

    model = GaussianNB().fit(X, SCORE > 0)
    explainer = KernelExplainer(
        model, X[:5], estimator="shap", nsamples=20, l1_reg="num_features(2)", show_progress=False
    )
    assert "shap" in round_trip(explainer.create_scoring_explainer(X), X[:2], tmp_path).packages


@pytest.mark.parametrize("kind", ["tree", "linear", "kernel", "mimic"])
@pytest.mark.parametrize("form", ["ColumnTransformer", "list"])
def test_transformations_come_back(kind: str, form: str, tmp_path: Path) -> None:
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    onehot = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    if form == "list":
        scaler, imputer = StandardScaler().fit(FRAME[["age"]]), SimpleImputer().fit(FRAME[["income"]])
        onehot.fit(FRAME[["city"]])
        transformations: Any = [
            (["age"], scaler),
            (["income"], [imputer, None]),
            (["city"], onehot),
            (["member"], None),
        ]
        parts = [
            scaler.transform(FRAME[["age"]]),
            imputer.transform(FRAME[["income"]]),
            onehot.transform(FRAME[["city"]]),
        ]
        engineered = np.column_stack([*parts, FRAME["member"]]).astype(float)
    else:
        transformations = ColumnTransformer(
            [("numbers", numbers, ["age", "income"]), ("city", onehot, ["city"]), ("rest", "passthrough", ["member"])]
        ).fit(FRAME)
        engineered = transformations.transform(FRAME)
    makers: dict[str, Any] = {
        "tree": lambda model: TreeExplainer(model, FRAME, transformations=transformations, show_progress=False),
        "linear": lambda model: LinearExplainer(model, FRAME, transformations=transformations, show_progress=False),
        "kernel": lambda model: KernelExplainer(model, FRAME, transformations=transformations, show_progress=False),
        "mimic": lambda model: MimicExplainer(
            model, FRAME, LGBMExplainableModel, transformations=transformations, show_progress=False
        ),
    }
    model: Any = LogisticRegression() if kind == "linear" else RandomForestClassifier(4, max_depth=3, random_state=0)
    model.fit(engineered, BOUGHT)
    explainer = makers[kind](model)
    made = explainer.create_scoring_explainer()
    hold_to_explainer(made, explainer, FRAME[:3])
    back = round_trip(made, FRAME[:3], tmp_path)
    assert back.features == ("age", "income", "city", "member")
    np.testing.assert_array_equal(back.explain(FRAME[:3], get_raw=False), made.explain(FRAME[:3], get_raw=False))
    assert back.engineered_features == made.engineered_features
    records = json.loads(FRAME[:3].to_json(orient="records"))
    np.testing.assert_allclose(back.explain(records), made.explain(FRAME[:3]))
    assert back.predict(records).tolist() == model.predict(engineered[:3]).tolist()


def test_a_transformation_of_the_caller_s_own_is_said_to_be_code(tmp_path: Path) -> None:
    from sklearn.linear_model import LinearRegression
    from sklearn.preprocessing import FunctionTransformer

    def twice(rows: Any) -> Any:
        return rows * 2

    transformations = FunctionTransformer(twice).fit(X)
    model = LinearRegression().fit(twice(X), SCORE)
    made = LinearExplainer(model, X, transformations=transformations, show_progress=False).create_scoring_explainer()
    with pytest.raises(InvalidArgumentError, match="transformations= is not saved"):
        save(made, tmp_path)
    plain = FunctionTransformer(np.expm1).fit(X)
    known = LinearRegression().fit(np.expm1(X), SCORE)
    made = LinearExplainer(known, X, transformations=plain, show_progress=False).create_scoring_explainer()
    round_trip(made, X[:3], tmp_path)


def test_interventional_trees_and_carried_probabilities_come_back(tmp_path: Path) -> None:
    import lightgbm

    model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1).fit(X, np.digitize(SCORE, [-1.0, 1.0]))
    for options in (
        {"feature_perturbation": "interventional"},
        {"shap_values_output": "probability"},
        {"explain_subset": [3, 0]},
    ):
        explainer = TreeExplainer(model, X[:20], show_progress=False, **options)
        made = explainer.create_scoring_explainer(X)
        hold_to_explainer(made, explainer, X[:3])
        assert round_trip(made, X[:3], tmp_path).packages == ("numpy", "pyarrow", "numba")


def test_missing_values_and_categories_of_boosters_come_back(tmp_path: Path) -> None:
    import lightgbm
    import xgboost
    from sklearn.ensemble import HistGradientBoostingClassifier

    frame = FRAME.assign(city=FRAME["city"].astype("category"), member=FRAME["member"].astype(int))
    for model in (
        lightgbm.LGBMClassifier(n_estimators=5, min_child_samples=3, verbose=-1, n_jobs=1),
        xgboost.XGBClassifier(n_estimators=5, n_jobs=1, enable_categorical=True),
        HistGradientBoostingClassifier(max_iter=5, categorical_features="from_dtype"),
    ):
        fitted = model.fit(frame, BOUGHT == "yes")
        explainer = TreeExplainer(fitted, frame, show_progress=False)
        made = explainer.create_scoring_explainer()
        expected = explainer.explain_local(frame[:6])
        np.testing.assert_allclose(made.explain(frame[:6]), expected.local_importance_values, atol=1e-6)
        back = round_trip(made, frame[:6], tmp_path)
        records = json.loads(frame[:6].to_json(orient="records"))
        np.testing.assert_allclose(back.explain(records), made.explain(frame[:6]))
        assert back.predict(records).tolist() == fitted.predict(frame[:6]).tolist()


def test_sparse_rows_come_back(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import MultinomialNB
    from xgboost import XGBRegressor

    sparse = csr_matrix(np.where(RNG.random((80, 6)) < 0.7, 0.0, np.abs(RNG.normal(size=(80, 6)))))
    labels = np.asarray(sparse.sum(axis=1)).ravel() > 1.0
    for explainer in (
        LinearExplainer(LogisticRegression().fit(sparse, labels), sparse, show_progress=False),
        KernelExplainer(MultinomialNB().fit(sparse, labels), sparse, show_progress=False),
        TreeExplainer(XGBRegressor(n_estimators=3, n_jobs=1).fit(sparse, labels), sparse, show_progress=False),
    ):
        made = explainer.create_scoring_explainer(sparse)
        hold_to_explainer(made, explainer, sparse[:3])
        round_trip(made, sparse[:3], tmp_path)


# --- Networks ----------------------------------------------------------------------------------------------------


def networks() -> list[Any]:
    import torch
    from torch import nn

    torch.manual_seed(0)

    class Branches(nn.Module):
        """Convolutions, norms and a residual: what a list of layers cannot say."""

        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(inplace=True), nn.Dropout(0.2))
            self.second = nn.Conv1d(1, 2, 3, padding=1)
            self.last = nn.Linear(8, 3)

        def forward(self, rows: Any) -> Any:
            hidden = self.first(rows) * 2 - 1
            seen = self.second(rows.unsqueeze(1)).flatten(1)
            return torch.softmax(self.last(hidden + torch.tanh(seen)), dim=-1)

    return [
        nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.LayerNorm(6), nn.Linear(6, 1)),
        nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)),
        Branches(),
    ]


def test_networks_of_pytorch_come_back_without_their_code(tmp_path: Path) -> None:
    rows = X.astype(np.float32)
    for network in networks():
        for method in ("gradients", "auto"):
            explainer = DeepExplainer(network, rows, method=method, show_progress=False)
            made = explainer.create_scoring_explainer(rows)
            hold_to_explainer(made, explainer, rows[:2])
            assert isinstance(round_trip(made, rows[:2], tmp_path), DeepScoringExplainer)
    kernel = KernelExplainer(networks()[1], rows[:5], show_progress=False)
    round_trip(kernel.create_scoring_explainer(rows), rows[:2], tmp_path)


def test_networks_of_keras_and_skorch_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    import keras
    from skorch import NeuralNetClassifier
    from torch import nn

    rows = X.astype(np.float32)
    given = keras.Input((4,))
    hidden = keras.layers.Dense(3, activation="tanh")(given)
    branched = keras.Model(given, keras.layers.Dense(1)(keras.layers.concatenate([hidden, given])))
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, activation="relu"), keras.layers.Dense(3)])
    net = NeuralNetClassifier(
        nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)),
        criterion=nn.CrossEntropyLoss,
        max_epochs=2,
        verbose=0,
    ).fit(rows, (SCORE > 0).astype(np.int64))
    for network in (plain, branched, net):
        explainer = DeepExplainer(network, rows, show_progress=False)
        made = explainer.create_scoring_explainer(rows)
        hold_to_explainer(made, explainer, rows[:2])
        round_trip(made, rows[:2], tmp_path)


def test_a_layer_of_the_caller_s_own_is_said_to_be_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    import keras

    network = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * 2.0), keras.layers.Dense(1)])
    made = DeepExplainer(network, X.astype(np.float32), show_progress=False).create_scoring_explainer()
    with pytest.raises(InvalidArgumentError, match="Lambda"):
        save(made, tmp_path)


class Weights:
    """A serializer: the architecture is known to the caller, the weights are kept."""

    def save(self, model: Any) -> dict[str, Any]:
        return {**{name: value.numpy() for name, value in model.state_dict().items()}, "note": "two layers"}

    def load(self, state: dict[str, Any]) -> Any:
        import torch

        assert state.pop("note") == "two layers"
        model = networks()[1]
        model.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
        return model


def test_a_serializer_keeps_a_network_in_a_way_of_the_caller_s(tmp_path: Path) -> None:
    rows = X.astype(np.float32)
    network = networks()[1]
    made = DeepScoringExplainer(DeepExplainer(network, rows, show_progress=False), serializer=Weights())
    save(made, tmp_path)
    with pytest.raises(InvalidArgumentError, match="serializer="):
        load(tmp_path, trusted=True)
    np.testing.assert_array_equal(load(tmp_path, serializer=Weights()).explain(rows[:2]), made.explain(rows[:2]))


# --- What is missing ---------------------------------------------------------------------------------------------


def test_a_package_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.svm import SVC

    made = TabularExplainer(SVC().fit(X, SCORE > 0), X[:5], show_progress=False).create_scoring_explainer()
    save(made, tmp_path)
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(MissingDependencyError, match="skops"):
        load(tmp_path, trusted=True)
