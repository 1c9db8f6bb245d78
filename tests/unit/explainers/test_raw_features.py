"""Raw features: what comes from what, and importances that keep their sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse import random as random_sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_iterative_imputer  # noqa: F401  # makes IterativeImputer importable
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import IterativeImputer, KNNImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers import (
    KernelExplainer,
    LIMEExplainer,
    LinearExplainer,
    MimicExplainer,
    PFIExplainer,
    SamplingPolicy,
    TabularExplainer,
    TreeExplainer,
)
from explanation_client.explainers.feature_map import make_feature_map
from explanation_client.explainers.inputs import read_table
from explanation_client.surrogates import DecisionTreeExplainableModel

RNG = np.random.default_rng(0)
N = 120
FRAME = pd.DataFrame(
    {
        "age": RNG.normal(40, 10, N),
        "fare": RNG.gamma(2.0, 10.0, N),
        "sex": RNG.choice(["male", "female"], N),
        "port": RNG.choice(["C", "Q", "S"], N),
    }
)
FRAME.loc[::9, "age"] = np.nan
FRAME.loc[::11, "port"] = np.nan
Y = ((FRAME["sex"] == "female") | (FRAME["fare"] > 30)).to_numpy().astype(int)
NUMBERS, TEXTS = ["age", "fare"], ["sex", "port"]
FILLED = make_pipeline(SimpleImputer(strategy="constant", fill_value="missing"), OneHotEncoder(handle_unknown="ignore"))


def owners(transformations: Any, frame: pd.DataFrame = FRAME, **how: Any) -> list[str]:
    """Return the raw column of each engineered one."""
    how.setdefault("allow_all", False)
    weights = make_feature_map(transformations, read_table(frame), **how).weights
    np.testing.assert_allclose(weights.sum(axis=0), 1.0)
    assert set(np.unique(weights)) <= {0.0, 1.0}
    return [frame.columns[i] for i in weights.argmax(axis=0)]


FILL = SimpleImputer(strategy="median")
HOT = OneHotEncoder(sparse_output=False)
BINS = KBinsDiscretizer(3, strategy="uniform")
LOG = FunctionTransformer(np.log1p)
BOTH = FeatureUnion([("a", StandardScaler()), ("b", MinMaxScaler())])
INNER = ColumnTransformer([("n", FILL, ["fare"])])


def numeric(frame: pd.DataFrame) -> Any:
    return frame.select_dtypes("number").columns


CASES: list[tuple[Any, list[str]]] = [
    (ColumnTransformer([("n", FILL, NUMBERS), ("t", OneHotEncoder(), ["sex"])]), ["age", "fare", "sex", "sex"]),
    (ColumnTransformer([("t", OneHotEncoder(drop="first"), TEXTS)]), ["sex", *["port"] * 3]),
    (ColumnTransformer([("n", FILL, ["age"])], remainder="drop"), ["age"]),
    (ColumnTransformer([("t", OrdinalEncoder(), TEXTS)], remainder="passthrough"), ["sex", "port", "age", "fare"]),
    (ColumnTransformer([("n", StandardScaler(), [0, 1]), ("t", "drop", [2])], remainder="drop"), ["age", "fare"]),
    (ColumnTransformer([("n", MinMaxScaler(), slice(0, 2))]), ["age", "fare"]),
    (ColumnTransformer([("n", MinMaxScaler(), numeric)]), ["age", "fare"]),
    (ColumnTransformer([("n", MinMaxScaler(), [True, True, False, False])]), ["age", "fare"]),
    (ColumnTransformer([("b", BINS, ["fare"])]), ["fare"] * 3),
    (ColumnTransformer([("s", SplineTransformer(3, degree=2), ["fare"])]), ["fare"] * 4),
    (ColumnTransformer([("p", make_pipeline(FILL, PowerTransformer()), NUMBERS)]), ["age", "fare"]),
    (ColumnTransformer([("i", SimpleImputer(add_indicator=True), NUMBERS)]), ["age", "fare", "age"]),
    (ColumnTransformer([("i", MissingIndicator(features="all"), NUMBERS)]), ["age", "fare"]),
    (ColumnTransformer([("k", make_pipeline(KNNImputer(), MinMaxScaler()), NUMBERS)]), ["age", "fare"]),
    (ColumnTransformer([("k", KNNImputer(add_indicator=True), NUMBERS)]), ["age", "fare", "age"]),
    (ColumnTransformer([("k", IterativeImputer(max_iter=1, add_indicator=True), NUMBERS)]), ["age", "fare", "age"]),
    (ColumnTransformer([("w", HashingVectorizer(n_features=2), "sex"), ("n", FILL, ["age"])]), ["sex", "sex", "age"]),
    (ColumnTransformer([("n", FILL, NUMBERS), ("t", "drop", ["sex"])], remainder=HOT), ["age", "fare", *["port"] * 4]),
    (ColumnTransformer([("f", LOG, ["fare"]), ("same", "passthrough", ["fare"])]), ["fare", "fare"]),
    (ColumnTransformer([("w", TfidfVectorizer(), "sex")]), ["sex", "sex"]),
    (ColumnTransformer([("u", BOTH, NUMBERS)]), NUMBERS * 2),
    (ColumnTransformer([("t", FILLED, TEXTS), ("n", FILL, ["fare"])]), ["sex", "sex", *["port"] * 4, "fare"]),
    (ColumnTransformer([("inner", INNER, NUMBERS)]), ["fare"]),
    (ColumnTransformer([("t", TargetEncoder(), TEXTS)]), ["sex", "port"]),
    (
        make_pipeline(ColumnTransformer([("n", FILL, NUMBERS), ("t", HOT, ["sex"])]), MinMaxScaler()),
        [*NUMBERS, "sex", "sex"],
    ),
]


@pytest.mark.parametrize(("transformer", "wanted"), CASES)
@pytest.mark.filterwarnings("ignore:.*Early stopping criterion not reached")
def test_every_engineered_column_finds_its_raw_one(transformer: Any, wanted: list[str]) -> None:
    assert owners(transformer.fit(FRAME, Y)) == wanted


def test_frames_as_output_and_arrays_as_input_work() -> None:
    pandas_out = ColumnTransformer([("n", FILL, NUMBERS)]).set_output(transform="pandas").fit(FRAME)
    assert owners(pandas_out) == NUMBERS
    numbers = np.nan_to_num(FRAME[NUMBERS].to_numpy())
    of_array = ColumnTransformer([("a", StandardScaler(), [1]), ("b", MinMaxScaler(), [0])]).fit(numbers)
    weights = make_feature_map(of_array, read_table(numbers), allow_all=False).weights
    np.testing.assert_array_equal(weights, [[0.0, 1.0], [1.0, 0.0]])


def test_categories_that_do_not_occur_among_the_rows_are_found_by_name() -> None:
    transformer = ColumnTransformer([("t", OneHotEncoder(), TEXTS)]).fit(FRAME)
    few = FRAME[(FRAME["port"] == "S") & (FRAME["sex"] == "male")].reset_index(drop=True)
    assert owners(transformer, few) == ["sex", "sex", "port", "port", "port", "port"]


def test_imputers_that_look_at_other_columns_fill_their_own() -> None:
    transformer = ColumnTransformer([("k", KNNImputer(), NUMBERS)]).set_output(transform="pandas").fit(FRAME)
    model = LogisticRegression().fit(transformer.transform(FRAME), Y)
    explanation = TabularExplainer(model, FRAME, transformations=transformer).explain_local(FRAME[:3])
    assert any("what KNNImputer fills in from other columns" in note for note in explanation.info.notes)
    sums = explanation.local_importance_values[1].sum(axis=1) + explanation.expected_values[1]
    np.testing.assert_allclose(sums, model.decision_function(transformer.transform(FRAME[:3])))
    # Columns that were empty are left out, or kept as zeros.
    empty = FRAME.assign(none=np.nan)[["none", *NUMBERS]]
    assert owners(KNNImputer().fit(empty), empty) == NUMBERS
    assert owners(KNNImputer(keep_empty_features=True).fit(empty), empty) == ["none", *NUMBERS]


def test_a_category_of_a_single_row_is_found() -> None:
    frame = pd.DataFrame({"sex": ["f"] * 499 + ["x"] + ["m"] * 500, "port": ["C", "S"] * 500})
    assert owners(OneHotEncoder().fit(frame), frame) == ["sex", "sex", "sex", "port", "port"]


def test_constant_columns_are_found_by_their_place() -> None:
    numbers = np.column_stack([np.ones(9), np.arange(9.0), np.ones(9), np.arange(9.0) ** 2])
    plain = FunctionTransformer(np.sqrt).fit(numbers)
    np.testing.assert_array_equal(make_feature_map(plain, read_table(numbers), allow_all=False).weights, np.eye(4))


def test_many_columns_take_few_transformations() -> None:
    calls = []

    def doubled(x: Any) -> Any:
        calls.append(len(x))
        return 2 * x

    wide = RNG.normal(size=(30, 500))
    weights = make_feature_map(FunctionTransformer(doubled).fit(wide), read_table(wide), allow_all=False).weights
    np.testing.assert_array_equal(weights, np.eye(500))
    assert len(calls) <= 2 + 2 * 9


class TestSparseRawRows:
    WIDE = random_sparse(60, 3000, 0.01, format="csr", random_state=0)
    LABELS = np.arange(60) % 2

    @pytest.mark.parametrize(
        "transformer",
        [
            MaxAbsScaler(),
            make_pipeline(SelectKBest(k=200), MaxAbsScaler()),
            FeatureUnion([("a", MaxAbsScaler()), ("b", FunctionTransformer(np.sqrt, accept_sparse=True))]),
            ColumnTransformer([("a", MaxAbsScaler(), slice(10, 90)), ("b", "passthrough", [5, 2999])]),
        ],
        ids=["scaler", "selection", "union", "columns"],
    )
    @pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value", "ignore:Features .* are constant")
    def test_stay_sparse(self, transformer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = transformer.fit_transform(self.WIDE, self.LABELS)
        model = LogisticRegression().fit(rows, self.LABELS)
        make_dense = csr_matrix.toarray

        def toarray(matrix: Any, *arguments: Any, **how: Any) -> Any:
            assert matrix.shape[0] <= 3 or matrix.shape[1] < 3000
            return make_dense(matrix, *arguments, **how)

        monkeypatch.setattr(csr_matrix, "toarray", toarray)
        monkeypatch.setattr(csr_matrix, "todense", None)
        made = TabularExplainer(model, self.WIDE, transformations=transformer)
        assert made.method == "shap_linear"
        raw = made.explain_local(self.WIDE[:3])
        engineered = made.explain_local(self.WIDE[:3], engineered=True)
        monkeypatch.undo()
        sums = raw.local_importance_values[1].sum(axis=1) + raw.expected_values[1]
        np.testing.assert_allclose(sums, model.decision_function(rows[:3]))
        assert engineered.local_importance_values.shape == (2, 3, rows.shape[1])
        again = engineered.get_raw_explanation(made.feature_maps)
        np.testing.assert_allclose(again.local_importance_values, raw.local_importance_values, atol=1e-12)

    def test_that_are_mixed_are_refused_and_explained_as_a_pipeline(self) -> None:
        narrow = self.WIDE[:, :20]
        pipeline = make_pipeline(TfidfTransformer(), LogisticRegression()).fit(narrow, self.LABELS)
        with pytest.raises(InvalidArgumentError, match="come from several raw columns"):
            TabularExplainer(pipeline[-1], narrow, transformations=pipeline[0])
        explanation = TabularExplainer(pipeline, narrow).explain_local(narrow[:2])
        sums = explanation.local_importance_values[1].sum(axis=1) + explanation.expected_values[1]
        np.testing.assert_allclose(sums, pipeline.predict_proba(narrow[:2])[:, 1])

    def test_of_a_transformer_that_was_fitted_on_names_work(self) -> None:
        frame = pd.DataFrame(np.where(RNG.random((40, 3)) > 0.5, 1.0, 0.0), columns=list("abc"))
        transformer = ColumnTransformer([("m", MaxAbsScaler(), ["c", "a"])]).fit(frame)
        weights = make_feature_map(transformer, read_table(csr_matrix(frame)), allow_all=False).weights
        np.testing.assert_array_equal(weights, [[0, 1], [0, 0], [1, 0]])

    def test_too_many_shares_are_refused(self) -> None:
        wide = random_sparse(8, 9000, 0.01, format="csr", random_state=0)
        with pytest.raises(InvalidArgumentError, match="9,000 engineered columns come from several of 9,000"):
            make_feature_map(Normalizer().fit(wide), read_table(wide), allow_all=True)


@pytest.mark.parametrize(
    "mixing",
    [
        PCA(2),
        PolynomialFeatures(interaction_only=True, include_bias=False),
        Normalizer(),
        make_pipeline(KNNImputer(), PCA(2)),
    ],
)
def test_columns_that_are_mixed_are_refused_unless_they_may_be_shared(mixing: Any) -> None:
    transformer = ColumnTransformer([("m", make_pipeline(FILL, mixing), NUMBERS)]).fit(FRAME)
    with pytest.raises(InvalidArgumentError, match=r"come from several raw columns.*from 'age', 'fare'"):
        make_feature_map(transformer, read_table(FRAME), allow_all=False)
    weights = make_feature_map(transformer, read_table(FRAME), allow_all=True).weights
    np.testing.assert_array_equal(weights[:2, -1], [0.5, 0.5])
    np.testing.assert_array_equal(weights[2:], 0.0)


def test_a_list_of_pairs_is_what_a_column_transformer_would_be() -> None:
    pairs = [
        (["age"], [SimpleImputer(strategy="median").fit(FRAME[["age"]]), StandardScaler().fit(FRAME[["age"]])]),
        (["sex"], OneHotEncoder().fit(FRAME[["sex"]])),
        ("fare", None),
        (["age", "fare"], make_pipeline(SimpleImputer(), StandardScaler()).fit(FRAME[NUMBERS])),
        ("port", TfidfVectorizer(token_pattern=".").fit(FRAME["port"].fillna("-"))),
    ]
    full = FRAME.fillna({"port": "-"})
    with pytest.warns(UserWarning, match="feature names"):
        # scikit-learn's own, since the scaler was fitted on names and gets what the imputer returns.
        found = owners(pairs, full)
    assert found == ["age", "sex", "sex", "fare", "age", "fare", *["port"] * (len(found) - 6)]


@pytest.mark.parametrize("wrong", [[5], [("a",)], [(["age"], "scale")], 7])
def test_what_is_no_transformation_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="transformations="):
        make_feature_map(wrong, read_table(FRAME), allow_all=False)


@pytest.mark.parametrize("unfitted", [StandardScaler(), [(["fare"], StandardScaler())]])
def test_transformations_that_are_not_fitted_are_told(unfitted: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="transformations are not fitted: This StandardScaler instance"):
        make_feature_map(unfitted, read_table(FRAME[["fare"]]), allow_all=False)


def test_a_transformation_that_differs_each_time_is_refused() -> None:
    noisy = FunctionTransformer(lambda x: x + np.random.default_rng().normal(size=x.shape))
    with pytest.raises(InvalidArgumentError, match="deterministic"):
        make_feature_map(noisy.fit(FRAME[["fare"]]), read_table(FRAME[["fare"]]), allow_all=False)


def preprocessing() -> ColumnTransformer:
    """Return the transformer of the original guide."""
    numeric = Pipeline([("imputer", SimpleImputer(strategy="median")), ("scaler", StandardScaler())])
    categorical = Pipeline(
        [
            ("imputer", SimpleImputer(strategy="constant", fill_value="missing")),
            ("onehot", OneHotEncoder(handle_unknown="ignore")),
        ]
    )
    return ColumnTransformer([("num", numeric, NUMBERS), ("cat", categorical, TEXTS)])


@pytest.mark.parametrize(
    ("model", "explainer"),
    [(LogisticRegression(), LinearExplainer), (RandomForestClassifier(4, max_depth=3, random_state=0), TreeExplainer)],
)
def test_raw_importances_are_sums_of_engineered_ones_and_add_up(model: Any, explainer: Any) -> None:
    pipeline = Pipeline([("preprocessor", preprocessing()), ("classifier", model)]).fit(FRAME, Y)
    features, fitted = pipeline[0], pipeline.steps[-1][1]
    tabular = TabularExplainer(fitted, initialization_examples=FRAME, classes=["no", "yes"], transformations=features)
    assert isinstance(tabular.explainer, explainer)
    raw = tabular.explain_global(FRAME[["port", "age", "sex", "fare"]], batch_size=50)
    assert raw.features == ("age", "fare", "sex", "port")
    assert raw.is_raw
    assert raw.eval_data.shape == (N, 4)
    engineered = TabularExplainer(fitted, features.transform(FRAME)).explain_global(features.transform(FRAME))
    parts = engineered.local_importance_values
    wanted = np.stack([parts[..., 0], parts[..., 1], parts[..., 2:4].sum(-1), parts[..., 4:].sum(-1)], axis=-1)
    np.testing.assert_allclose(raw.local_importance_values, wanted, atol=1e-10)
    np.testing.assert_allclose(raw.expected_values, engineered.expected_values)
    np.testing.assert_array_equal(raw.eval_y_predicted, pipeline.predict(FRAME))
    assert raw.get_ranked_global_names()[0] == "sex"
    single = tabular.explain_local(FRAME.iloc[0])
    np.testing.assert_allclose(single.local_importance_values, raw.local_importance_values[:, 0], atol=1e-10)


@pytest.fixture(scope="module")
def fitted() -> Any:
    features = preprocessing().fit(FRAME)
    model = LogisticRegression().fit(features.transform(FRAME), Y)
    return TabularExplainer(model, FRAME, classes=["no", "yes"], transformations=features)


def test_the_engineered_explanation_gives_the_raw_one_without_explaining_again(fitted: TabularExplainer) -> None:
    engineered = fitted.explain_global(FRAME, engineered=True)
    assert engineered.is_engineered
    assert engineered.features == (
        "num__age", "num__fare", "cat__sex_female", "cat__sex_male", "cat__port_C", "cat__port_Q", "cat__port_S",
        "cat__port_missing",
    )  # fmt: skip
    assert engineered.data.names == engineered.features
    assert engineered.info.reason == fitted.reason
    raw = engineered.get_raw_explanation(fitted.feature_maps, eval_data=FRAME)
    assert raw == fitted.explain_global(FRAME)
    assert raw.is_raw
    rows = fitted.explain_local(FRAME.head(3), engineered=True)
    assert rows.is_engineered
    assert rows.get_raw_explanation(fitted.feature_maps, eval_data=FRAME.head(3)) == fitted.explain_local(FRAME.head(3))
    # The explainer itself still reports raw features.
    assert fitted.features == tuple(FRAME.columns)


def test_the_engineered_explanation_of_one_row_has_no_row_axis(fitted: TabularExplainer) -> None:
    single = fitted.explain_local(FRAME.iloc[0], engineered=True)
    assert single.local_importance_values.shape == (2, 8)
    raw = single.get_raw_explanation(fitted.feature_maps, list(FRAME.columns), FRAME.head(1))
    np.testing.assert_array_equal(
        raw.local_importance_values, fitted.explain_local(FRAME.iloc[0]).local_importance_values
    )


FEATURES = preprocessing().fit(FRAME)
ENGINEERED = FEATURES.transform(FRAME)
CLASSIFIERS = {
    LinearExplainer: LogisticRegression().fit(ENGINEERED, Y),
    TreeExplainer: RandomForestClassifier(3, max_depth=3, random_state=0).fit(ENGINEERED, Y),
}
OTHERS = {
    KernelExplainer: {"nclusters": 3, "nsamples": 40},
    LIMEExplainer: {"nclusters": 3, "nsamples": 40},
    MimicExplainer: {"explainable_model": DecisionTreeExplainableModel, "max_num_of_augmentations": 0},
}


@pytest.mark.parametrize("explainer", [*CLASSIFIERS, *OTHERS], ids=lambda explainer: explainer.__name__)
@pytest.mark.filterwarnings("ignore:the surrogate says little")
def test_every_explainer_has_both_kinds_of_features(explainer: Any) -> None:
    model = CLASSIFIERS.get(explainer, CLASSIFIERS[TreeExplainer])
    made = explainer(model, FRAME, transformations=FEATURES, **OTHERS.get(explainer, {}))
    engineered = made.explain_global(FRAME[:9], engineered=True, batch_size=4)
    assert engineered.is_engineered
    assert engineered.features == tuple(FEATURES.get_feature_names_out())
    dense = ENGINEERED.toarray() if hasattr(ENGINEERED, "toarray") else ENGINEERED
    np.testing.assert_array_equal(engineered.eval_data, dense[:9])
    raw = made.explain_global(FRAME[:9], batch_size=4)
    again = engineered.get_raw_explanation(made.feature_maps, eval_data=FRAME[:9])
    assert again.features == raw.features == tuple(FRAME.columns)
    np.testing.assert_allclose(again.local_importance_values, raw.local_importance_values, atol=1e-12)
    np.testing.assert_allclose(again.global_importance_values, raw.global_importance_values, atol=1e-12)
    without = made.explain_global(FRAME[:9], engineered=True, include_local=False)
    np.testing.assert_allclose(without.global_importance_values, engineered.global_importance_values, atol=1e-12)


def test_permutation_importance_has_both_kinds_of_features() -> None:
    model = CLASSIFIERS[LinearExplainer]
    made = PFIExplainer(model, transformations=FEATURES, n_repeats=2)
    engineered = made.explain_global(FRAME, Y, engineered=True)
    assert engineered.is_engineered
    assert engineered.features == tuple(FEATURES.get_feature_names_out())
    plain = PFIExplainer(model, n_repeats=2).explain_global(ENGINEERED, Y)
    np.testing.assert_array_equal(engineered.global_importance_values, plain.global_importance_values)
    assert made.explain_global(FRAME, Y).is_raw
    for wrong in (PFIExplainer(model), PFIExplainer(model, transformations=FEATURES, explain_subset=[0])):
        with pytest.raises(InvalidArgumentError, match="engineered=True"):
            wrong.explain_global(ENGINEERED if wrong is not made else FRAME, Y, engineered=True)


def test_rows_are_transformed_in_batches() -> None:
    sizes: list[int] = []

    def doubled(x: Any) -> Any:
        sizes.append(len(x))
        return np.hstack([x, 2 * x])

    numbers = RNG.normal(size=(90, 3))
    doubling = FunctionTransformer(doubled).fit(numbers)
    model = LogisticRegression().fit(doubling.transform(numbers), np.arange(90) % 2)
    made = TabularExplainer(model, numbers[:10], transformations=doubling)
    whole = made.explain_global(numbers, engineered=True)
    sizes.clear()
    parts = made.explain_global(numbers, engineered=True, batch_size=7)
    assert max(sizes) == 7
    np.testing.assert_allclose(parts.local_importance_values, whole.local_importance_values)
    np.testing.assert_array_equal(parts.eval_data, doubling.transform(numbers))
    sizes.clear()
    made.explain_global(numbers, SamplingPolicy(allow_eval_sampling=True, n_rows=20), batch_size=7)
    # What is clustered, and the sample.
    assert sum(sizes) == 90 + 20


def test_rows_with_text_are_sampled_from_clusters_of_what_they_become(fitted: TabularExplainer) -> None:
    policy = SamplingPolicy(allow_eval_sampling=True, n_rows=30)
    for engineered in (False, True):
        explanation = fitted.explain_global(FRAME, policy, engineered=engineered)
        assert explanation.num_examples == 30
        assert any("30 of 120 are explained, sampled by hdbscan" in note for note in explanation.info.notes)
        np.testing.assert_allclose(
            explanation.local_importance_values[1].sum(axis=1) + explanation.expected_values[1],
            fitted.model.decision_function(FEATURES.transform(FRAME.loc[rows_of(explanation)])),
        )


def rows_of(explanation: Any) -> list[int]:
    """Return the rows of the frame that were explained: engineered rows have no names."""
    if explanation.data.row_names is not None:
        return [int(name) for name in explanation.data.row_names]
    dense = ENGINEERED.toarray() if hasattr(ENGINEERED, "toarray") else ENGINEERED
    return [int(np.flatnonzero((dense == row).all(axis=1))[0]) for row in explanation.eval_data]


def test_a_step_that_does_not_look_fitted_to_scikit_learn_is_taken_apart() -> None:
    class Mapper(TransformerMixin, BaseEstimator):
        """Keeps what it has learnt under names without an underscore at the end, as those of other packages do."""

        def fit(self, frame: Any, y: Any = None) -> Any:
            self.built = [([name], StandardScaler().fit(frame[[name]])) for name in ("fare",)]
            return self

        def transform(self, frame: Any) -> Any:
            return np.hstack([made.transform(frame[columns]) for columns, made in self.built])

    pipeline = Pipeline([("m", Mapper()), ("c", LogisticRegression())]).fit(FRAME, Y)
    explanation = TabularExplainer(pipeline, FRAME).explain_local(FRAME[:2])
    assert explanation.method == "shap_linear"
    assert np.flatnonzero(explanation.local_importance_values.any(axis=(0, 1))).tolist() == [1]


def test_a_pipeline_has_engineered_features_too() -> None:
    pipeline = Pipeline([("p", preprocessing()), ("c", RandomForestClassifier(3, max_depth=2, random_state=0))])
    explainer = TabularExplainer(pipeline.fit(FRAME, Y), FRAME)
    engineered = explainer.explain_global(FRAME[:20], engineered=True, include_local=False)
    assert engineered.num_features == 8
    raw = engineered.get_raw_explanation(explainer.feature_maps, FRAME.columns)
    assert (raw.global_importance_values >= explainer.explain_global(FRAME[:20]).global_importance_values - 1e-12).all()


def test_engineered_features_need_transformations_and_no_subset() -> None:
    plain = TabularExplainer(LogisticRegression().fit(FRAME[["fare"]], Y), FRAME[["fare"]])
    with pytest.raises(InvalidArgumentError, match="there are no transformations"):
        plain.explain_local(FRAME[["fare"]], engineered=True)
    with pytest.raises(InvalidArgumentError, match="there are no transformations"):
        _ = plain.feature_maps
    features = preprocessing().fit(FRAME)
    model = LogisticRegression().fit(features.transform(FRAME), Y)
    subset = TabularExplainer(model, FRAME, [0, 2], transformations=features)
    with pytest.raises(InvalidArgumentError, match="explain_subset"):
        subset.explain_global(FRAME, engineered=True)


def test_columns_of_a_list_that_never_change_belong_to_their_pair() -> None:
    port = OneHotEncoder(sparse_output=False).fit(FRAME[["port"]])
    constant = FunctionTransformer(lambda x: np.zeros((len(x), 2))).fit(FRAME[["fare"]])
    assert owners([(["fare"], constant), (["port"], port)], FRAME.iloc[1:2])[:3] == ["fare", "fare", "port"]


def test_pairs_explain_raw_features_too() -> None:
    pairs = [
        *(([name], Pipeline([("i", SimpleImputer(strategy="median")), ("s", StandardScaler())])) for name in NUMBERS),
        *(([name], OneHotEncoder(handle_unknown="ignore", sparse_output=False)) for name in TEXTS),
    ]
    rows = np.hstack([transformer.fit_transform(FRAME[columns]) for columns, transformer in pairs])
    model = LogisticRegression().fit(rows, Y)
    explainer = TabularExplainer(model, FRAME, transformations=pairs)
    explanation = explainer.explain_global(FRAME)
    assert explanation.features == tuple(FRAME.columns)
    engineered = explainer.explain_local(FRAME, engineered=True)
    assert engineered.features == (
        "age", "fare", "sex_female", "sex_male", "port_C", "port_Q", "port_S", "port_nan"
    )  # fmt: skip
    sums = explanation.local_importance_values[1].sum(axis=1) + explanation.expected_values[1]
    np.testing.assert_allclose(sums, model.decision_function(rows), atol=1e-9)


def test_what_does_not_fit_is_refused() -> None:
    features = preprocessing().fit(FRAME)
    model = LogisticRegression().fit(features.transform(FRAME), Y)
    forest = RandomForestClassifier(2, max_depth=2).fit(features.transform(FRAME), Y)
    with pytest.raises(InvalidArgumentError, match="needs initialization_examples"):
        TreeExplainer(forest, transformations=features)
    with pytest.raises(InvalidArgumentError, match="lack 'fare'"):
        TabularExplainer(model, FRAME, transformations=features).explain_local(FRAME.drop(columns="fare"))
    with pytest.raises(InvalidArgumentError, match="names 2 features"):
        TabularExplainer(model, FRAME, transformations=features, features=["a", "b"])
