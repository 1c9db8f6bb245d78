"""Real models: read exactly, and explained as they and shap explain them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import catboost
import lightgbm
import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray
from sklearn import ensemble as forests
from sklearn import tree as trees

from explanation_client.treeshap import TreeEnsemble, TreeTables, UnsupportedModelError
from tests.unit.treeshap import oracle

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Data:
    """Rows with and without gaps, column 4 holds codes; a number, two and three classes."""

    x: Floats
    gaps: Floats
    number: Floats
    two: NDArray[np.int64]
    three: NDArray[np.int64]
    test: Floats


@pytest.fixture(scope="module")
def data() -> Data:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(500, 6))
    x[:, 3] = np.round(x[:, 3])
    x[:, 4] = rng.integers(0, 40, 500)
    gaps = x.copy()
    gaps[rng.random(x.shape) < 0.08] = np.nan
    number = x[:, 0] + x[:, 1] * x[:, 2] + 2.0 * np.isin(x[:, 4], [1, 5, 7, 20, 33])
    test = np.concatenate([gaps[:60], 3.0 * rng.normal(size=(60, 6))])
    test[60:, 4] = rng.integers(0, 40, 60)
    test[rng.random(test.shape) < 0.05] = 0.0
    three = np.digitize(number, [-0.5, 1.0])
    return Data(x, gaps, number, (number > 0).astype(np.int64), three, test)


def check_predictions(model: Any, rows: Floats, expected: Any, *, rtol: float = 1e-12) -> TreeTables:
    """Assert that the parsed model predicts as the model, and that values add up to it."""
    tables = TreeTables(model)
    predicted = tables.ensemble.predict(rows)
    want = np.asarray(expected, dtype=np.float64).reshape(predicted.shape)
    np.testing.assert_allclose(predicted, want, rtol=rtol, atol=rtol * np.abs(want).max())
    values = tables.shap_values(rows)
    assert values.shape == (predicted.shape[1], len(rows), rows.shape[1])
    np.testing.assert_allclose(values.sum(axis=2).T + tables.base_values, predicted, rtol=0, atol=1e-10)
    return tables


def check_values(tables: TreeTables, rows: Floats, expected: Floats, *, rtol: float) -> None:
    """Assert equality with (C, N, F) relative to the largest value."""
    values = tables.shap_values(rows)
    assert np.abs(values - expected).max() <= rtol * np.abs(expected).max()


def shap_says(model: Any, rows: Floats, background: Floats | None = None) -> Floats:
    """Values of shap's own explainer, shape (C, N, F)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap

        found = np.asarray(shap.TreeExplainer(model, background).shap_values(rows, check_additivity=False))
    return np.asarray(found[None] if found.ndim == 2 else np.moveaxis(found, 2, 0))


LIGHTGBM = {
    "plain": {},
    "no missing": {"use_missing": False},
    "zero is missing": {"zero_as_missing": True},
    "dart": {"boosting_type": "dart", "drop_rate": 0.5},
    "forest": {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
    "extra": {"extra_trees": True, "num_leaves": 63, "min_child_samples": 2},
    "square root": {"reg_sqrt": True},
    "stumps": {"num_leaves": 2},
    "nothing to split": {"min_child_samples": 10_000},
}


@pytest.mark.parametrize("options", LIGHTGBM.values(), ids=LIGHTGBM.keys())
def test_lightgbm_regression(data: Data, options: dict[str, Any]) -> None:
    train = lightgbm.Dataset(data.gaps, data.number, categorical_feature=[4])
    # Sets of codes are only split on if groups may be small.
    parameters = {"objective": "regression", "verbose": -1, "num_threads": 1, "min_data_per_group": 5, **options}
    parameters["boosting"] = parameters.pop("boosting_type", "gbdt")
    booster = lightgbm.train(parameters, train, 12)
    forest = options.get("boosting_type") == "rf"
    # LightGBM divides predictions of its forests by the number of trees, raw scores it does not.
    raw = booster.predict(data.test, raw_score=not forest)
    tables = check_predictions(booster, data.test, raw)
    own: Floats = np.asarray(booster.predict(data.test, pred_contrib=True)) / (12.0 if forest else 1.0)
    assert tables.ensemble.zero_missing.any() == ("zero_as_missing" in options)
    if options.get("min_child_samples") != 10_000:
        if not {"num_leaves", "bagging_freq"} & options.keys():
            assert (tables.ensemble.category_words > 0).any()
        check_values(tables, data.test, own[None, :, :-1], rtol=1e-8)
        np.testing.assert_allclose(tables.base_values, own[0, -1], rtol=1e-8)


@pytest.mark.parametrize("target", ["two", "three"])
def test_lightgbm_classification(data: Data, target: str) -> None:
    model = lightgbm.LGBMClassifier(n_estimators=10, verbose=-1, n_jobs=1)
    model.fit(data.gaps, getattr(data, target), categorical_feature=[4])
    tables = check_predictions(model, data.test, model.predict(data.test, raw_score=True))
    own: Floats = np.asarray(model.predict(data.test, pred_contrib=True))
    outputs = tables.ensemble.n_outputs
    own = own.reshape(len(data.test), outputs, -1)[:, :, :-1]
    check_values(tables, data.test, np.moveaxis(own, 1, 0), rtol=1e-8)
    values, base = tables.prediction_values(data.test)
    share: Floats = np.asarray(model.predict_proba(data.test))
    want = share[:, 1:] if outputs == 1 else share
    np.testing.assert_allclose(values.sum(axis=2).T + base, want, rtol=0, atol=1e-10)
    assert not tables.exact_predictions


def test_lightgbm_stops_where_the_model_does(data: Data) -> None:
    train = lightgbm.Dataset(data.x[:200], data.number[:200])
    held_out = train.create_valid(data.x[200:], data.number[200:])
    booster = lightgbm.train(
        {"objective": "regression", "verbose": -1, "num_threads": 1, "learning_rate": 0.5},
        train,
        300,
        valid_sets=[held_out],
        keep_training_booster=True,
        callbacks=[lightgbm.early_stopping(2, verbose=False)],
    )
    tables = check_predictions(booster, data.test, booster.predict(data.test))
    assert tables.ensemble.n_trees == booster.best_iteration < booster.num_trees()


XGBOOST = {
    "plain": {},
    "dart": {"booster": "dart", "rate_drop": 0.5},
    "poisson": {"objective": "count:poisson"},
    "gamma": {"objective": "reg:gamma"},
    "forest": {"num_parallel_tree": 3, "subsample": 0.5, "colsample_bynode": 0.5},
    "deep": {"max_depth": 12, "min_child_weight": 0},
    "absolute error": {"objective": "reg:absoluteerror"},
    "leaf-wise": {"grow_policy": "lossguide", "max_leaves": 20, "max_depth": 0},
}


@pytest.mark.parametrize("options", XGBOOST.values(), ids=XGBOOST.keys())
def test_xgboost_regression(data: Data, options: dict[str, Any]) -> None:
    model = xgboost.XGBRegressor(
        n_estimators=8, enable_categorical=True, feature_types=["q"] * 4 + ["c", "q"], n_jobs=1,
        **options,
    )  # fmt: skip
    model.fit(data.gaps, np.abs(data.number) + 0.1)
    raw = model.predict(data.test, output_margin=True)
    tables = check_predictions(model, data.test, raw, rtol=3e-6)
    assert (tables.ensemble.category_words > 0).any()
    rows = xgboost.DMatrix(data.test, feature_types=["q"] * 4 + ["c", "q"], enable_categorical=True)
    own = model.get_booster().predict(rows, pred_contribs=True)
    # XGBoost adds up in single precision.
    check_values(tables, data.test, own[None, :, :-1], rtol=3e-6)


@pytest.mark.parametrize("target", ["two", "three"])
def test_xgboost_classification(data: Data, target: str) -> None:
    base_score = 0.3 if target == "two" else None
    model = xgboost.XGBClassifier(n_estimators=8, n_jobs=1, base_score=base_score)
    model.fit(data.gaps, getattr(data, target))
    raw = model.predict(data.test, output_margin=True)
    tables = check_predictions(model, data.test, raw, rtol=3e-6)
    booster = check_predictions(model.get_booster(), data.test, raw, rtol=3e-6)
    np.testing.assert_array_equal(booster.base_values, tables.base_values)
    values, base = tables.prediction_values(data.test)
    share = model.predict_proba(data.test)
    want = share[:, 1:] if target == "two" else share
    np.testing.assert_allclose(values.sum(axis=2).T + base, want, rtol=0, atol=3e-6)


def test_xgboost_missing_value_early_stopping_and_several_targets(data: Data) -> None:
    filled, test = np.nan_to_num(data.gaps), np.nan_to_num(data.test)
    model = xgboost.XGBRegressor(n_estimators=5, missing=0.0, n_jobs=1).fit(filled, data.number)
    check_predictions(model, test, model.predict(test), rtol=3e-6)
    model = xgboost.XGBRegressor(n_estimators=200, early_stopping_rounds=1, learning_rate=0.8, n_jobs=1)
    held_out = [(data.x[200:], data.number[200:])]
    model.fit(data.x[:200], data.number[:200], eval_set=held_out, verbose=False)
    assert model.best_iteration < 199
    tables = check_predictions(model, data.test, model.predict(data.test), rtol=3e-6)
    assert tables.ensemble.n_trees == model.best_iteration + 1
    both = np.column_stack([data.number, data.number**2])
    for strategy in ("one_output_per_tree", "multi_output_tree"):
        model = xgboost.XGBRegressor(n_estimators=5, multi_strategy=strategy, n_jobs=1)
        model.fit(data.gaps, both)
        if strategy == "multi_output_tree" and xgboost.__version__ < "3.1":
            with pytest.raises(UnsupportedModelError, match="holds no covers"):
                TreeEnsemble.from_model(model)
        else:
            check_predictions(model, data.test, model.predict(data.test), rtol=3e-6)


FORESTS: dict[str, Callable[[], Any]] = {
    "tree": lambda: trees.DecisionTreeRegressor(random_state=0),
    "extra tree": lambda: trees.ExtraTreeRegressor(random_state=0, max_depth=6),
    "forest": lambda: forests.RandomForestRegressor(10, max_depth=5, random_state=0),
    "extra forest": lambda: forests.ExtraTreesRegressor(5, random_state=0),
    "tree of classes": lambda: trees.DecisionTreeClassifier(max_depth=5, random_state=0),
    "extra tree of classes": lambda: trees.ExtraTreeClassifier(random_state=0),
    "forest of classes": lambda: forests.RandomForestClassifier(10, random_state=0),
    "extra forest of classes": lambda: forests.ExtraTreesClassifier(5, random_state=0, class_weight="balanced"),
}


@pytest.mark.parametrize("make", FORESTS.values(), ids=FORESTS.keys())
def test_forests(data: Data, make: Callable[[], Any]) -> None:
    model = make()
    classes = hasattr(model, "predict_proba")
    # scikit-learn's extra trees take no missing values before version 1.6.
    gaps = not type(model).__name__.startswith("Extra")
    rows = data.test if gaps else np.nan_to_num(data.test)
    model.fit(data.gaps if gaps else data.x, data.three if classes else data.number)
    tables = check_predictions(model, rows, model.predict_proba(rows) if classes else model.predict(rows))
    assert tables.ensemble.output_space == ("probability" if classes else "value")
    assert tables.exact_predictions
    check_values(tables, rows[:20], shap_says(model, rows[:20]), rtol=1e-8)


def test_forests_of_two_classes_and_of_several_targets(data: Data) -> None:
    model = forests.RandomForestClassifier(10, max_depth=6, random_state=0).fit(data.x, data.two)
    rows = np.nan_to_num(data.test)
    tables = check_predictions(model, rows, model.predict_proba(rows))
    check_values(tables, rows[:20], shap_says(model, rows[:20]), rtol=1e-8)
    with_background = TreeTables(model, data.x[:30])
    check_values(with_background, rows[:20], shap_says(model, rows[:20], data.x[:30]), rtol=1e-7)
    both = np.column_stack([data.number, -data.number])
    model = forests.RandomForestRegressor(5, max_depth=4, random_state=0).fit(data.x, both)
    check_predictions(model, rows, model.predict(rows))


def test_a_forest_of_many_classes(data: Data) -> None:
    classes = np.digitize(data.number, np.quantile(data.number, np.linspace(0, 1, 41)[1:-1]))
    model = forests.RandomForestClassifier(4, max_depth=7, random_state=0).fit(data.gaps, classes)
    tables = check_predictions(model, data.test, model.predict_proba(data.test))
    assert tables.ensemble.n_outputs == 40
    check_values(tables, data.test[:9], shap_says(model, data.test[:9]), rtol=1e-8)
    one_by_one = np.stack([tables.shap_values_row(row) for row in data.test[:9]], axis=1)
    np.testing.assert_allclose(one_by_one, tables.shap_values(data.test[:9]), rtol=0, atol=1e-13)


@pytest.mark.parametrize("loss", ["log_loss", "exponential", "three", "squared_error"])
def test_gradient_boosting(data: Data, loss: str) -> None:
    rows = np.nan_to_num(data.test)
    model: Any
    if loss == "squared_error":
        model = forests.GradientBoostingRegressor(n_estimators=10, init="zero")
        expected = model.fit(data.x, data.number).predict(rows)
    else:
        target = data.three if loss == "three" else data.two
        kind = "log_loss" if loss == "three" else loss
        model = forests.GradientBoostingClassifier(n_estimators=10, loss=kind).fit(data.x, target)
        expected = model.decision_function(rows)
    tables = check_predictions(model, rows, expected)
    if loss == "log_loss":
        check_values(tables, rows[:20], shap_says(model, rows[:20]), rtol=1e-8)
    if loss != "squared_error":
        values, base = tables.prediction_values(rows)
        share = model.predict_proba(rows)
        want = share if loss == "three" else share[:, 1:]
        np.testing.assert_allclose(values.sum(axis=2).T + base, want, rtol=0, atol=1e-10)


def test_histogram_gradient_boosting(data: Data) -> None:
    model = forests.HistGradientBoostingRegressor(max_iter=10).fit(data.gaps, data.number)
    tables = check_predictions(model, data.test, model.predict(data.test))
    check_values(tables, data.test[:20], shap_says(model, data.test[:20]), rtol=1e-8)
    with_background = TreeTables(model, data.gaps[:20])
    total = with_background.shap_values(data.test).sum(axis=2).T + with_background.base_values
    np.testing.assert_allclose(total[:, 0], model.predict(data.test), rtol=0, atol=1e-10)
    for target in (data.two, data.three):
        boosted = forests.HistGradientBoostingClassifier(max_iter=5).fit(data.gaps, target)
        check_predictions(boosted, data.test, boosted.decision_function(data.test))
    counts = forests.HistGradientBoostingRegressor(max_iter=5, loss="poisson")
    counts.fit(data.gaps, np.abs(data.number))
    tables = check_predictions(counts, data.test, np.log(counts.predict(data.test)))
    values, base = tables.prediction_values(data.test)
    total = values.sum(axis=2)[0] + base
    np.testing.assert_allclose(total, counts.predict(data.test), rtol=1e-10)


def test_histogram_gradient_boosting_with_categories_the_trees_see_recoded(data: Data) -> None:
    codes = data.gaps.copy()
    codes[:, 3] = np.clip(codes[:, 3] + 5, 0, 10) * 3
    test = data.test.copy()
    test[:, 3] = np.trunc(np.abs(test[:, 3]) * 9)
    test[:, 4] = np.arange(len(test)) % 60
    model = forests.HistGradientBoostingRegressor(max_iter=15, categorical_features=[4, 3])
    model.fit(codes, data.number)
    tables = check_predictions(model, test, model.predict(test))
    assert (tables.ensemble.category_words > 0).any()


def test_isolation_forest_explains_the_path_length(data: Data) -> None:
    model = forests.IsolationForest(n_estimators=20, max_features=0.7, random_state=0).fit(data.x)
    rows = np.nan_to_num(data.test)
    tables = TreeTables(model)
    assert tables.ensemble.output_space == "path length"
    length = tables.ensemble.predict(rows)[:, 0]
    size = float(model.max_samples_)
    typical = 2.0 * (np.log(size - 1.0) + np.euler_gamma) - 2.0 * (size - 1.0) / size
    np.testing.assert_allclose(-(2.0 ** (-length / typical)), model.score_samples(rows), rtol=1e-12)
    values = tables.shap_values(rows)
    np.testing.assert_allclose(values.sum(axis=2)[0] + tables.base_values, length, atol=1e-10)


def test_lightgbm_interactions_are_those_of_shap(data: Data) -> None:
    model = lightgbm.LGBMRegressor(n_estimators=5, num_leaves=8, verbose=-1, n_jobs=1)
    model.fit(data.x, data.number)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import shap

        expected = shap.TreeExplainer(model).shap_interaction_values(data.x[:10])
    found = TreeTables(model).interaction_values(data.x[:10])[0]
    # shap works in single precision here.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_subclass_is_read_as_what_it_derives_from(data: Data) -> None:
    class Mine(forests.RandomForestRegressor):  # type: ignore[misc]
        pass

    model = Mine(3, max_depth=3, random_state=0).fit(data.x, data.number)
    ensemble = TreeEnsemble.from_model(model)
    assert ensemble.model_type == "sklearn.Mine"
    assert ensemble.n_trees == 3


CATBOOST = {"iterations": 5, "verbose": 0, "allow_writing_files": False, "thread_count": 1}


def catboost_says(model: Any, rows: Any) -> Floats:
    """Contributions by CatBoost itself, shape (C, N, F + 1), base values last."""
    pool = catboost.Pool(rows, cat_features=model.get_cat_feature_indices())
    found = np.asarray(model.get_feature_importance(pool, type="ShapValues"))
    return np.moveaxis(found.reshape(len(rows), -1, found.shape[-1]), 1, 0)


@pytest.mark.parametrize("nan_mode", ["Min", "Max"])
@pytest.mark.parametrize("grow_policy", ["SymmetricTree", "Depthwise", "Lossguide"])
def test_catboost_regression(data: Data, grow_policy: str, nan_mode: str) -> None:
    model = catboost.CatBoostRegressor(**CATBOOST, depth=4, grow_policy=grow_policy, nan_mode=nan_mode)
    model.fit(data.gaps, data.number, sample_weight=np.linspace(0.5, 2.0, 500))
    tables = check_predictions(model, data.test, model.predict(data.test))
    if grow_policy == "SymmetricTree":
        own = catboost_says(model, data.test)
        check_values(tables, data.test, own[:, :, :-1], rtol=1e-8)
        np.testing.assert_allclose(tables.base_values, own[:, 0, -1], rtol=1e-8)
    else:
        # Where a leaf holds no training rows, what CatBoost says of its nested trees does not add up.
        for row in data.test[::60]:
            game = oracle.path_dependent_game(tables.ensemble, row)
            expected = oracle.shapley_values(game, 6)
            np.testing.assert_allclose(tables.shap_values_row(row), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("grow_policy", ["SymmetricTree", "Lossguide"])
@pytest.mark.parametrize("target", ["two", "three"])
def test_catboost_classification(data: Data, grow_policy: str, target: str) -> None:
    model = catboost.CatBoostClassifier(**CATBOOST, depth=3, grow_policy=grow_policy)
    model.fit(data.x, getattr(data, target))
    rows = np.nan_to_num(data.test)
    tables = check_predictions(model, rows, model.predict(rows, prediction_type="RawFormulaVal"))
    if (tables.ensemble.cover > 0).all() or grow_policy == "SymmetricTree":
        check_values(tables, rows, catboost_says(model, rows)[:, :, :-1], rtol=1e-8)
    values, base = tables.prediction_values(rows)
    share = model.predict_proba(rows)
    want = share[:, 1:] if target == "two" else share
    np.testing.assert_allclose(values.sum(axis=2).T + base, want, rtol=0, atol=1e-10)


def test_catboost_borders_are_met_in_single_precision_and_sums_are_scaled(data: Data) -> None:
    model = catboost.CatBoostRegressor(**CATBOOST, depth=3).fit(data.x, data.number)
    model.set_scale_and_bias(2.5, -1.25)
    borders = TreeEnsemble.from_model(model).threshold
    rows = np.zeros((0, 6))
    for border in np.unique(borders[borders != 0.0]):
        # On it, one double beside it (which is the border, once it is rounded), and one float32 beside it.
        near = [border, np.nextafter(border, 9.0), np.nextafter(np.float32(border), np.float32(9.0))]
        rows = np.vstack([rows, np.tile(np.array(near)[:, None], 6)])
    check_predictions(model, rows, model.predict(rows))


def test_catboost_splits_on_single_categories_are_read_where_these_are_whole_numbers(data: Data) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(data.x[:, :3], columns=list("abc")).assign(
        code=np.abs(data.x[:, 3]).astype(int), kind=(data.x[:, 4] % 5).astype(int) + 60
    )
    options = {**CATBOOST, "depth": 4, "cat_features": ["code", "kind"]}
    model = catboost.CatBoostRegressor(**options, one_hot_max_size=9)
    model.fit(frame, data.number + (frame["kind"] == 62) + 2 * (frame["code"] == 1))
    test = frame[:60].copy()
    test.loc[:9, "kind"] = 1000
    tables = check_predictions(model, test, model.predict(test))
    assert (tables.ensemble.category_words > 0).any()
    check_values(tables, test, catboost_says(model, test)[:, :, :-1], rtol=1e-8)
    counted = catboost.CatBoostRegressor(**options, one_hot_max_size=2).fit(frame, frame["kind"] == 62)
    with pytest.raises(UnsupportedModelError, match="statistics of categories"):
        TreeEnsemble.from_model(counted)
    words = frame.assign(kind=frame["kind"].map("k{}".format))
    model = catboost.CatBoostRegressor(**options, one_hot_max_size=9).fit(words, frame["kind"] == 62)
    with pytest.raises(UnsupportedModelError, match="column 4 are not whole numbers"):
        TreeEnsemble.from_model(model)
    with pytest.raises(UnsupportedModelError, match="no trained model"):
        TreeEnsemble.from_model(catboost.CatBoostRegressor())
