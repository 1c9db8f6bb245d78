"""MimicExplainer: any model through a surrogate, with what the surrogate misses measured and said."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.sparse import csr_matrix
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeRegressor

from explanation_client.errors import InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers import LinearExplainer, MimicExplainer, TreeExplainer
from explanation_client.explainers.augmentation import augmented
from explanation_client.explainers.encoding import Encoding
from explanation_client.explainers.inputs import Table
from explanation_client.surrogates import (
    DecisionTreeExplainableModel,
    ExplainableModel,
    LGBMExplainableModel,
    LinearExplainableModel,
    SGDExplainableModel,
)
from tests.unit.explainers.data import rows, score, target

pytest.importorskip("lightgbm")
pytest.importorskip("numba")

X = rows(150)
KINDS = [LGBMExplainableModel, LinearExplainableModel, SGDExplainableModel, DecisionTreeExplainableModel]
SMALL = {"n_estimators": 20, "num_leaves": 7}


def mimic(model: Any, examples: Any = X, kind: type[ExplainableModel] = LGBMExplainableModel, **more: Any) -> Any:
    """Return an explainer that is quick to train, whatever its fidelity."""
    more = {"max_num_of_augmentations": 1, "explainable_model_args": SMALL if kind is KINDS[0] else None, **more}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the surrogate says little")
        return MimicExplainer(model, examples, kind, **more)


def gap(explanation: Any, answers: np.ndarray) -> float:
    """Return how far the rows are from adding up to answers (N, C)."""
    sums = explanation.local_importances.values.sum(axis=2).T + explanation.base_values
    return float(np.abs(sums - answers).max())


# --- The original calls ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("surrogate", KINDS)
def test_the_original_calls(surrogate: type[ExplainableModel]) -> None:
    data = load_breast_cancer()
    classes = data.target_names.tolist()
    x_train, x_test, y_train, _ = train_test_split(data.data, data.target, test_size=0.2, random_state=0)
    model = SVC(gamma=0.001, C=100.0).fit(x_train, y_train)
    explainer = MimicExplainer(
        model,
        x_train,
        surrogate,
        augment_data=True,
        max_num_of_augmentations=10,
        features=data.feature_names,
        classes=classes,
    )
    explanation = explainer.explain_global(x_test)
    assert explanation.method == surrogate.method
    values = explanation.get_ranked_global_values()
    assert (np.diff(values) <= 0).all()
    assert (values >= 0).all()
    assert explanation.local_importance_values.shape == (2, 114, 30)
    assert explanation.info.output_space == "margin of the surrogate"
    measure = explainer.get_surrogate_model_replication_measure(x_test)
    # Independent measurements of this model: 0.89 to 0.97 for trees, 0.87 or 0.88 for linear surrogates.
    assert measure > (0.9 if surrogate.explainable_model_type() == "tree" else 0.84)
    assert abs(explainer.fidelity - measure) < 0.08
    assert any(f"accuracy {explainer.fidelity:.3f}" in note for note in explanation.info.notes)
    assert "364 of 455 initialization examples and 3,640 mixtures" in explanation.info.notes[0]


# --- What is right -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_importances_add_up_to_the_surrogates_output(task: str, kind: type[ExplainableModel]) -> None:
    model: Any = SVR() if task == "regression" else KNeighborsClassifier(9)
    model.fit(X, target(X, task))
    explainer = mimic(model, kind=kind)
    explanation = explainer.explain_global(X[:40])
    assert gap(explanation, explainer.surrogate_model.outputs(X[:40])) < 1e-9
    what = "value" if task == "regression" else "log-odds"
    assert explanation.info.output_space == f"{what} of the surrogate"
    assert explanation.info.model_type == f"{type(model).__module__}.{type(model).__qualname__}"
    np.testing.assert_array_equal(explanation.eval_y_predicted, model.predict(X[:40]))
    expected = np.abs(explanation.local_importances.values).mean(axis=(0, 1))
    np.testing.assert_allclose(explanation.global_importance_values, expected)
    streamed = explainer.explain_global(X[:40], include_local=False, batch_size=7)
    np.testing.assert_allclose(streamed.global_importance_values, expected)
    assert streamed.local_importances is None


def test_a_linear_teacher_is_recovered() -> None:
    regression = LinearRegression().fit(X, score(X))
    exact = LinearExplainer(regression, X).explain_local(X[:20])
    found = mimic(regression, kind=LinearExplainableModel)
    np.testing.assert_allclose(found.explain_local(X[:20]).local_importance_values, exact.local_importance_values)
    assert found.fidelity == pytest.approx(1.0)
    logistic = LogisticRegression(C=0.1).fit(X, target(X, "binary"))
    # Its log-odds stay within 5.
    assert np.abs(logistic.decision_function(X)).max() < 5
    exact = LinearExplainer(logistic, X).explain_local(X[:20])
    explanation = mimic(logistic, kind=LinearExplainableModel).explain_local(X[:20])
    np.testing.assert_allclose(explanation.local_importance_values, exact.local_importance_values, atol=1e-9)
    np.testing.assert_allclose(explanation.expected_values, exact.expected_values, atol=1e-9)


def test_a_tree_teacher_is_recovered() -> None:
    teacher = DecisionTreeRegressor(max_depth=2).fit(X, score(X))
    explainer = mimic(teacher, kind=DecisionTreeExplainableModel, max_num_of_augmentations=10)
    assert explainer.get_surrogate_model_replication_measure(rows(300, seed=5)) > 0.97
    exact = TreeExplainer(teacher).explain_global(X)
    found = explainer.explain_global(X)
    np.testing.assert_array_equal(found.get_ranked_global_names(2), exact.get_ranked_global_names(2))


def test_the_replication_measure_is_accuracy_or_r2_against_the_teacher() -> None:
    fresh = rows(60, seed=7)
    names = np.array(["low", "middle", "top"])
    classifier = KNeighborsClassifier(5).fit(X, names[target(X, "multiclass")])
    explainer = mimic(classifier)
    own = names[explainer.surrogate_model.predict(fresh)]
    expected = accuracy_score(classifier.predict(fresh), own)
    assert explainer.get_surrogate_model_replication_measure(fresh) == expected
    assert 0.5 < expected < 1.0
    regressor = SVR().fit(X, score(X))
    explainer = mimic(regressor)
    expected = r2_score(regressor.predict(fresh), explainer.surrogate_model.predict(fresh))
    assert explainer.get_surrogate_model_replication_measure(fresh) == pytest.approx(expected)
    with pytest.raises(InvalidArgumentError, match="r2 of one row"):
        explainer.get_surrogate_model_replication_measure(fresh[0])


def test_fidelity_is_of_rows_the_surrogate_was_not_trained_on() -> None:
    # Labels without any structure: only what was seen can be repeated.
    noise = np.random.default_rng(0).integers(0, 2, len(X))
    memory = KNeighborsClassifier(1).fit(X, noise)
    with pytest.warns(UserWarning, match="says little of sklearn.KNeighborsClassifier: on 30 held-out"):
        explainer = MimicExplainer(memory, X, LGBMExplainableModel, augment_data=False)
    assert explainer.fidelity < 0.75
    assert explainer.get_surrogate_model_replication_measure(X) > explainer.fidelity + 0.1


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_importances_of_probabilities(task: str) -> None:
    model = KNeighborsClassifier(9).fit(X, target(X, task))
    carried = mimic(model, shap_values_output="probability")
    explanation = carried.explain_local(X[:20])
    assert explanation.info.output_space == "probability of the surrogate"
    assert gap(explanation, carried.surrogate_model.predict_proba(X[:20])) < 1e-7
    explanation = mimic(model, shap_values_output="teacher_probability").explain_local(X[:20])
    assert explanation.info.output_space == "probability"
    assert gap(explanation, model.predict_proba(X[:20])) < 1e-9
    assert any("shared in proportion" in note for note in explanation.info.notes)


def test_the_global_importances_without_rows_are_those_of_the_initialization_examples() -> None:
    explainer = mimic(KNeighborsClassifier(9).fit(X, target(X, "binary")))
    explanation = explainer.explain_global()
    of_rows = explainer.explain_global(X)
    np.testing.assert_allclose(explanation.global_importance_values, of_rows.global_importance_values)
    np.testing.assert_array_equal(explanation.get_ranked_global_names(), of_rows.get_ranked_global_names())
    assert explanation.info.n_rows == len(X)
    assert explanation.local_importances is None
    in_batches = explainer.explain_global(batch_size=7)
    np.testing.assert_allclose(in_batches.global_importance_values, explanation.global_importance_values)
    with pytest.raises(InvalidArgumentError, match="batch_size=0"):
        explainer.explain_global(batch_size=0)
    # A linear surrogate's are ranked by size, whatever the sign of the slope.
    linear = mimic(SVR(kernel="linear").fit(X, -5.0 * X[:, 1] + X[:, 0]), kind=LinearExplainableModel)
    assert linear.explain_global().get_ranked_global_names(1)[0] == "feature_1"
    assert (linear.explain_global().global_importance_values >= 0).all()


def test_predictions_belong_to_the_rows_explained_now() -> None:
    model = SVR().fit(X, score(X))
    explainer = mimic(model)
    np.testing.assert_array_equal(explainer.explain_local(X[:5]).eval_y_predicted, model.predict(X[:5]))
    np.testing.assert_array_equal(explainer.explain_local(X[5:8]).eval_y_predicted, model.predict(X[5:8]))


def test_one_row_has_no_row_axis() -> None:
    for kind in KINDS:
        explainer = mimic(KNeighborsClassifier(9).fit(X, target(X, "multiclass")), kind=kind)
        row = explainer.explain_local(X[3])
        assert row.local_importance_values.shape == (3, 4)
        expected = explainer.explain_local(X[3:4]).local_importance_values[:, 0]
        np.testing.assert_allclose(row.local_importance_values, expected)


def test_the_same_arguments_give_the_same_surrogate_and_it_can_be_pickled() -> None:
    model = KNeighborsClassifier(9).fit(X, target(X, "binary"))
    first, again = (mimic(model).explain_local(X[:9]).local_importance_values for _ in range(2))
    np.testing.assert_array_equal(first, again)
    copy = pickle.loads(pickle.dumps(mimic(model)))
    np.testing.assert_array_equal(copy.explain_local(X[:9]).local_importance_values, first)
    assert (mimic(model, explainable_model_args={**SMALL, "random_state": 5}).surrogate_model.random_state) == 5


# --- Models ------------------------------------------------------------------------------------------------------


def test_functions_are_teachers() -> None:
    model = KNeighborsClassifier(9).fit(X, target(X, "multiclass"))
    of_function = mimic(model.predict_proba, classes=["a", "b", "c"], is_function=True)
    of_model = mimic(model, classes=["a", "b", "c"])
    expected = of_model.explain_local(X[:5]).local_importance_values
    np.testing.assert_array_equal(of_function.explain_local(X[:5]).local_importance_values, expected)
    assert of_function.fidelity is not None
    regression = mimic(lambda x: 3.0 * x[:, 0], kind=LinearExplainableModel).explain_local(X[:5])
    np.testing.assert_allclose(regression.local_importance_values[:, 1:], 0.0, atol=1e-9)


def test_teachers_without_probabilities_are_mimicked_by_their_margins_or_votes() -> None:
    labels = np.array(["no", "yes"])[target(X, "binary")]
    hinge = SGDClassifier(random_state=0).fit(X, labels)
    found = mimic(hinge, kind=LinearExplainableModel).explain_local(X[:9])
    assert found.info.output_space == "margin of the surrogate"
    assert gap(found, np.column_stack([-hinge.decision_function(X[:9]), hinge.decision_function(X[:9])])) < 1e-6

    class NamesOnly(NearestCentroid):
        predict_proba = property()
        decision_function = property()

    votes = NamesOnly().fit(X, labels)
    explainer = mimic(votes, classes=["no", "yes"])
    assert explainer.explain_local(X[:9]).info.output_space == "log-odds of the surrogate"
    assert np.abs(explainer.surrogate_model.outputs(X)).max() < 6
    assert explainer.fidelity > 0.8
    for model in (hinge, votes):
        with pytest.raises(UnsupportedModelError, match="gives no class probabilities"):
            mimic(model, shap_values_output="probability")
    with pytest.raises(InvalidArgumentError, match="is a regression"):
        mimic(SVR().fit(X, score(X)), shap_values_output="teacher_probability")


def test_accuracy_counts_predictions_also_where_they_are_not_the_most_probable_class() -> None:
    class Cautious(RandomForestClassifier):
        def predict(self, x: Any) -> Any:
            return np.where(self.predict_proba(x)[:, 1] > 0.9, self.classes_[1], self.classes_[0])

    model = Cautious(10, random_state=0).fit(X, target(X, "binary"))
    explainer = mimic(model)
    own = explainer.surrogate_model.predict(X)
    expected = accuracy_score(model.predict(X), own)
    assert explainer.get_surrogate_model_replication_measure(X) == expected
    assert expected < (own == model.predict_proba(X).argmax(axis=1)).mean()


# --- Rows --------------------------------------------------------------------------------------------------------


def frame(n: int = 150) -> pd.DataFrame:
    x = rows(n)
    return pd.DataFrame(
        {
            "amount": x[:, 0],
            "count": np.round(3 * x[:, 1]).astype(np.int64),
            "town": np.array(["Bern", "Köln", "Wien"], object)[np.arange(n) % 3],
            "size": pd.Categorical(np.array(["s", "m", "l"])[np.arange(n) % 7 % 3]),
            "open": x[:, 2] > 0,
            "since": pd.Timestamp("2020-01-01", tz="Europe/Vienna") + pd.to_timedelta(np.arange(n), unit="D"),
            "rate": pd.array(x[:, 3], dtype="Float64"),
        }
    )


def price(table: pd.DataFrame) -> np.ndarray:
    assert str(table["size"].dtype) == "category"
    assert table["open"].dtype == bool
    assert table["count"].dtype == np.int64
    days = (table["since"] - pd.Timestamp("2020-01-01", tz="Europe/Vienna")).dt.days
    towns = table["town"].map({"Bern": 0.0, "Köln": 2.0, "Wien": -1.0}).astype(float)
    number = table["amount"].to_numpy() + table["count"].to_numpy() + 2.0 * table["open"].to_numpy()
    return np.asarray(number + towns.to_numpy() + 0.01 * days.to_numpy(), float)


@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_any_types(kind: type[ExplainableModel]) -> None:
    table = frame()
    table.loc[3, "rate"] = pd.NA
    explainer = mimic(price, table, kind=kind, max_num_of_augmentations=5)
    explanation = explainer.explain_global(table)
    assert explanation.features == tuple(table.columns)
    assert explanation.local_importance_values.shape == (150, 7)
    np.testing.assert_allclose(explanation.eval_y_predicted, price(table))
    assert set(explanation.get_ranked_global_names(2)) <= {"amount", "count", "town", "open"}
    ranks = list(explanation.get_ranked_global_names())
    assert ranks.index("town") < ranks.index("size")
    if kind is LinearExplainableModel:
        # The teacher is linear in these columns: the categories' effects too are found.
        expected = np.array([0.0, 2.0, -1.0])[np.arange(150) % 3]
        values = explanation.local_importance_values[:, 2]
        np.testing.assert_allclose(values, expected - expected.mean(), atol=1e-6)
    # Columns by name, in any order; a level never seen before.
    other = table.iloc[:3, ::-1].copy()
    np.testing.assert_allclose(
        explainer.explain_local(other).local_importance_values, explanation.local_importance_values[:3]
    )
    unseen = table.iloc[:1].assign(size=pd.Categorical(["xl"]))
    assert np.isfinite(explainer.explain_local(unseen).local_importance_values).all()


def test_arrays_of_objects_and_levels_never_seen() -> None:
    def answer(x: np.ndarray) -> np.ndarray:
        return np.array([{"a": 1.0, "b": -1.0}.get(name, 0.0) + float(number) for name, number in x])

    table = np.empty((60, 2), object)
    table[:, 0], table[:, 1] = np.array(["a", "b"], object)[np.arange(60) % 2], X[:60, 0].tolist()
    for kind in KINDS:
        explainer = mimic(answer, table, kind=kind)
        assert np.isfinite(explainer.explain_local(np.array([["new", 0.5]], object)).local_importance_values).all()
    with pytest.raises(InvalidArgumentError, match="column 1 held numbers"):
        Encoding.of(Table(table)).encode(Table(np.array([["a", "b"]], object)))


def test_tables_become_numbers() -> None:
    table = frame(6)
    table.loc[0, "rate"] = pd.NA
    encoding = Encoding.of(Table(table, tuple(table.columns)), categorical=[1])
    assert encoding.categorical == (1, 2, 3)
    changed = table.assign(town=["Wien", None, "Rom", "Bern", "Köln", "Bern"])
    found = encoding.encode(Table(changed))
    # Codes in the order in which levels first came; what is missing or new has none.
    np.testing.assert_array_equal(found[:, 2], [2, np.nan, np.nan, 0, 1, 0])
    np.testing.assert_array_equal(found[:, 0], table["amount"])
    np.testing.assert_array_equal(found[:, 4], table["open"])
    np.testing.assert_array_equal(np.diff(found[:, 5]), 86_400.0)
    assert np.isnan(found[0, 6])
    np.testing.assert_array_equal(found[1:, 6], table["rate"].to_numpy()[1:].astype(float))


def test_numbers_that_are_categories() -> None:
    codes = np.column_stack([X[:, 0], np.array([3.0, 70.0, 11.0])[np.arange(len(X)) % 3]])

    def answer(x: np.ndarray) -> np.ndarray:
        assert set(x[:, 1]) <= {3.0, 70.0, 11.0}
        return np.where(x[:, 1] == 11.0, 5.0, 0.0) + x[:, 0]

    for chosen in ([1], ["code"]):
        explainer = mimic(
            answer,
            codes,
            kind=LinearExplainableModel,
            features=["number", "code"],
            categorical_features=chosen,
        )
        assert explainer.fidelity == pytest.approx(1.0)
    assert mimic(answer, codes, kind=SGDExplainableModel, categorical_features=[1]).fidelity > 0.99
    with pytest.raises(InvalidArgumentError, match="no such column"):
        mimic(answer, codes, categorical_features=["colour"])
    with pytest.raises(InvalidArgumentError, match="positions between 0 and 1"):
        mimic(answer, codes, categorical_features=[2])
    with pytest.raises(InvalidArgumentError, match="sparse rows"):
        mimic(lambda x: np.zeros(x.shape[0]), csr_matrix(codes), categorical_features=[1])


@pytest.mark.parametrize("kind", KINDS)
def test_sparse_rows(kind: type[ExplainableModel]) -> None:
    sparse = csr_matrix(np.where(np.abs(X) > 0.7, X, 0.0))
    model = LogisticRegression(C=0.1).fit(sparse, target(X, "binary"))
    explainer = mimic(model, sparse, kind=kind)
    explanation = explainer.explain_local(sparse[:9])
    assert gap(explanation, explainer.surrogate_model.outputs(sparse[:9])) < 1e-9
    assert explainer.fidelity > 0.8


def test_raw_features_behind_transformations() -> None:
    table = frame()[["amount", "town", "count"]]
    steps = ColumnTransformer([("n", StandardScaler(), ["amount", "count"]), ("c", OneHotEncoder(), ["town"])])
    labels = (table["amount"] + (table["town"] == "Köln") > 0.3).astype(int)
    model = make_pipeline(steps, SVC()).fit(table, labels)
    explainer = mimic(model[-1], table, transformations=model[0])
    explanation = explainer.explain_global(table)
    assert explanation.features == ("amount", "town", "count")
    assert explanation.is_raw
    assert gap(explanation, explainer.surrogate_model.outputs(model[0].transform(table))) < 1e-9
    assert explanation.get_ranked_global_names(1)[0] == "amount"
    np.testing.assert_array_equal(explanation.eval_y_predicted, model.predict(table))
    assert explainer.get_surrogate_model_replication_measure(table) > 0.8
    np.testing.assert_allclose(
        explainer.explain_global().global_importance_values, explanation.global_importance_values
    )
    # The whole pipeline needs no taking apart.
    assert mimic(model, table).explain_global(table).features == ("amount", "town", "count")


def test_a_subset_has_the_values_of_the_whole() -> None:
    model = SVR().fit(X, score(X))
    whole = mimic(model).explain_global(X[:9])
    part = mimic(model, explain_subset=[2, 0]).explain_global(X[:9])
    assert part.features == ("feature_2", "feature_0")
    np.testing.assert_array_equal(part.local_importance_values, whole.local_importance_values[:, [2, 0]])


def test_few_rows_are_enough_to_try() -> None:
    model = SVR().fit(X, score(X))
    for kind in KINDS:
        explainer = mimic(model, X[:6], kind=kind)
        assert explainer.fidelity is None
        assert "fidelity unknown" in explainer.explain_local(X[:2]).info.notes[1]


# --- What is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"reset_index": "reset"}, "reset_index='reset'"),
        ({"shap_values_output": "odds"}, "shap_values_output='odds'"),
        ({"max_num_of_augmentations": -1}, "max_num_of_augmentations=-1"),
        ({"explainable_model": SVR}, "explainable_model=<class"),
        ({"explainable_model": LGBMExplainableModel()}, "a class of"),
        ({"explainable_model_args": {"classification": False}}, "holds 'classification'"),
        ({"explainable_model_args": {"leafs": 3}}, "no parameter 'leafs'"),
        ({"initialization_examples": None}, "needs initialization_examples"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, Any], message: str) -> None:
    model = SVR().fit(X, score(X))
    chosen = {"initialization_examples": X, "explainable_model": LGBMExplainableModel, **arguments}
    with pytest.raises(InvalidArgumentError, match=message):
        MimicExplainer(model, **chosen)


def test_a_weighted_summary_is_refused() -> None:
    dense = pytest.importorskip("shap.utils._legacy").DenseData(X, list("abcd"), None, np.ones(len(X)))
    with pytest.raises(InvalidArgumentError, match="weighted summary"):
        MimicExplainer(SVR().fit(X, score(X)), dense, LGBMExplainableModel)


# --- Mixtures ----------------------------------------------------------------------------------------------------

numbers = hnp.arrays(
    np.float64,
    st.tuples(st.integers(2, 12), st.integers(1, 4)),
    elements=st.one_of(st.floats(-100, 100), st.integers(-3, 3).map(float), st.just(np.nan)),
)


@given(table=numbers, copies=st.integers(1, 3))
def test_mixtures_lie_between_the_rows(table: np.ndarray, copies: int) -> None:
    found = augmented(Table(table), copies, taken=(), seed=0).data
    assert found.shape == (copies * len(table), table.shape[1])
    for j in range(table.shape[1]):
        column, present = found[:, j], table[~np.isnan(table[:, j]), j]
        made = column[~np.isnan(column)]
        if not len(present):
            assert not len(made)
            continue
        assert ((made >= present.min() - 1e-9) & (made <= present.max() + 1e-9)).all()
        if (present == np.round(present)).all():
            assert (made == np.round(made)).all()
        if len(set(present)) <= 2:
            assert set(made) <= set(present)
    taken = augmented(Table(table), copies, taken=range(table.shape[1]), seed=0).data
    # Whole rows come from one parent.
    assert {row.tobytes() for row in taken + 0.0} <= {row.tobytes() for row in table + 0.0}


def test_mixtures_keep_types_and_take_what_is_no_number_from_one_parent() -> None:
    table = frame(30)
    found = augmented(Table(table), 2, taken=(), seed=0).data
    assert dict(found.dtypes) == dict(table.dtypes)
    columns = ["town", "size", "open", "since"]
    assert set(map(tuple, found[columns].to_numpy())) <= set(map(tuple, table[columns].to_numpy()))
    assert len(set(found["amount"]) - set(table["amount"])) > 50


def test_sparse_mixtures_are_like_dense_ones() -> None:
    table = np.where(np.abs(X[:30]) > 0.5, X[:30], 0.0)
    table[:, 1] = np.arange(30) % 2 * 4.0
    table[:, 3] = 0.0
    sparse = augmented(Table(csr_matrix(table)), 3, taken=(), seed=4).data.toarray()
    np.testing.assert_allclose(sparse, augmented(Table(table), 3, taken=(), seed=4).data)
