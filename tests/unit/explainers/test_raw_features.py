"""Raw features: what comes from what, and importances that keep their sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
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
from explanation_client.explainers import LinearExplainer, TabularExplainer, TreeExplainer
from explanation_client.explainers.feature_map import make_feature_map
from explanation_client.explainers.inputs import read_table

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


@pytest.mark.parametrize(
    "mixing", [PCA(2), PolynomialFeatures(interaction_only=True, include_bias=False), Normalizer()]
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
