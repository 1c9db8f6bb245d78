"""What all explainers share: inputs, names, shapes, streaming, records. Shown with the linear one, which is exact."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import tracemalloc
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.sparse import coo_array, csr_matrix
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from tqdm import tqdm

from explanation_client.errors import (
    InvalidArgumentError,
    InvalidExplanationError,
    PartMissingError,
    UnsupportedModelError,
)
from explanation_client.explainers import (
    Explainer,
    KernelExplainer,
    LIMEExplainer,
    LinearExplainer,
    MimicExplainer,
    PFIExplainer,
    TabularExplainer,
)
from explanation_client.surrogates import LinearExplainableModel
from tests.unit.explainers.data import rows, target

X = rows()
Y = target(X, "regression")
NAMES = ["a", "b", "c", "d"]
FRAME = pd.DataFrame(X, columns=NAMES)
REGRESSION = LinearRegression().fit(X, target(X, "regression"))
BINARY = LogisticRegression().fit(X, target(X, "binary"))
MULTICLASS = LogisticRegression().fit(X, target(X, "multiclass"))
ON_NAMES = LinearRegression().fit(FRAME, target(X, "regression"))
WANTED = REGRESSION.coef_ * (X - X.mean(axis=0))


# --- Shapes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "outputs"), [(REGRESSION, ()), (BINARY, (2,)), (MULTICLASS, (3,))])
def test_shapes_are_those_of_the_original_sdk(model: Any, outputs: tuple[int, ...]) -> None:
    explainer = LinearExplainer(model, X)
    whole = explainer.explain_global(X[:7])
    assert whole.local_importance_values.shape == (*outputs, 7, 4)
    assert whole.global_importance_values.shape == (4,)
    assert whole.expected_values.shape == (outputs or (1,))
    assert whole.num_examples == 7
    if outputs:
        assert whole.per_class_values.shape == (*outputs, 4)
        assert whole.classes == tuple(str(i) for i in range(outputs[0]))
    else:
        assert whole.classes is None
        with pytest.raises(PartMissingError, match="a regression has no classes"):
            _ = whole.per_class_values
    assert explainer.explain_local(X[:1]).local_importance_values.shape == (*outputs, 1, 4)
    single = explainer.explain_local(X[0])
    assert single.local_importance_values.shape == (*outputs, 4)
    np.testing.assert_array_equal(
        single.local_importance_values, explainer.explain_local(X[:1])[0].local_importance_values
    )
    assert single.get_ranked_local_names(top_k=2).shape == (*outputs, 2)


def test_global_importance_is_the_mean_over_rows_and_outputs_of_absolute_values() -> None:
    explanation = LinearExplainer(MULTICLASS, X).explain_global(X)
    local = np.abs(explanation.local_importance_values)
    np.testing.assert_allclose(explanation.per_class_values, local.mean(axis=1))
    np.testing.assert_allclose(explanation.global_importance_values, local.mean(axis=(0, 1)))
    regression = LinearExplainer(REGRESSION, X).explain_global(X)
    np.testing.assert_allclose(regression.global_importance_values, np.abs(WANTED).mean(axis=0))


def test_a_local_explanation_says_why_it_has_no_global_part() -> None:
    with pytest.raises(PartMissingError, match="explain_global"):
        _ = LinearExplainer(REGRESSION, X).explain_local(X).global_importance_values


# --- Inputs -----------------------------------------------------------------------------------------------------


TABLES = {
    "array": X,
    "objects": X.astype(object),
    "lists": X.tolist(),
    "frame": FRAME,
    "nullable": FRAME.astype("Float64"),
    "arrow": pa.Table.from_pandas(FRAME),
    "batch": pa.RecordBatch.from_pandas(FRAME),
    "columns": np.asfortranarray(X),
}
# scikit-learn itself warns of a sparse matrix for a model that was trained on names.
SPARSE = {"csr": csr_matrix(X), "coo": coo_array(X)}


@pytest.mark.parametrize(
    ("given", "model"),
    [
        *(pytest.param(table, ON_NAMES, id=f"{name}, on names") for name, table in TABLES.items()),
        *(pytest.param(table, REGRESSION, id=f"{name}, on positions") for name, table in {**TABLES, **SPARSE}.items()),
    ],
)
def test_every_kind_of_table_gives_the_same_values(given: Any, model: Any) -> None:
    for explainer in (LinearExplainer(model, given), LinearExplainer(model, X)):
        explanation = explainer.explain_global(given)
        np.testing.assert_allclose(explanation.local_importance_values, WANTED, atol=1e-9)
        np.testing.assert_allclose(explanation.eval_data.astype(float), X)
        np.testing.assert_allclose(explanation.eval_y_predicted, REGRESSION.predict(X))


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.int8, bool])
def test_numbers_of_any_type_are_explained(dtype: Any) -> None:
    given = (X * 3).astype(dtype)
    model = LinearRegression().fit(given, X[:, 0])
    local = LinearExplainer(model, given).explain_local(given).local_importance_values
    assert local.dtype == np.float64
    wanted = model.coef_ * (given.astype(float) - given.astype(float).mean(axis=0))
    np.testing.assert_allclose(local, wanted, atol=1e-5)


@pytest.mark.parametrize(
    "row", [X[3], X[3].tolist(), FRAME.iloc[3], tuple(X[3])], ids=["array", "list", "series", "tuple"]
)
def test_one_row_without_a_row_axis_is_a_single_row(row: Any) -> None:
    explanation = LinearExplainer(REGRESSION, X).explain_local(row)
    assert explanation.info.single_row
    np.testing.assert_allclose(explanation.local_importance_values, WANTED[3])


@pytest.mark.parametrize("wrong", [np.zeros((2, 3, 4)), "text", 5, None, np.zeros((0, 4)), np.zeros((3, 0)), FRAME[:0]])
def test_what_is_no_table_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="evaluation examples"):
        LinearExplainer(REGRESSION, X).explain_local(wrong)


def test_columns_in_another_order_are_put_right_by_name() -> None:
    for model in (REGRESSION, ON_NAMES):
        explanation = LinearExplainer(model, FRAME).explain_global(FRAME[["d", "b", "a", "c"]])
        np.testing.assert_allclose(explanation.local_importance_values, WANTED)
        assert explanation.features == tuple(NAMES)
        np.testing.assert_array_equal(explanation.eval_data, X)
    background = LinearExplainer(ON_NAMES, FRAME[["d", "b", "a", "c"]])
    np.testing.assert_allclose(background.explain_local(X).local_importance_values, WANTED)
    assert background.features == tuple(NAMES)


def test_missing_and_extra_columns_are_named() -> None:
    explainer = LinearExplainer(ON_NAMES, FRAME)
    with pytest.raises(InvalidArgumentError, match=r"lack 'b' and have 'e' in addition"):
        explainer.explain_local(FRAME.rename(columns={"b": "e"}))
    with pytest.raises(InvalidArgumentError, match=r"lack 'd'"):
        explainer.explain_local(FRAME[["a", "b", "c"]])
    with pytest.raises(InvalidArgumentError, match=r"have 'e' in addition"):
        explainer.explain_local(FRAME.assign(e=1.0))
    with pytest.raises(InvalidArgumentError, match="named twice"):
        explainer.explain_local(pd.DataFrame(X, columns=["a", "a", "c", "d"]))
    with pytest.raises(InvalidArgumentError, match="lack 'a'"):
        LinearExplainer(ON_NAMES, FRAME.rename(columns=str.upper)).explain_local(X)


@pytest.mark.parametrize("columns", [2, 3, 5])
def test_a_wrong_number_of_columns_is_refused(columns: int) -> None:
    explainer = LinearExplainer(REGRESSION, X)
    with pytest.raises(InvalidArgumentError, match=rf"{columns} columns"):
        explainer.explain_local(np.zeros((2, columns)))
    with pytest.raises(InvalidArgumentError, match=rf"{columns} columns"):
        explainer.explain_local(csr_matrix(np.ones((2, columns))))
    with pytest.raises(InvalidArgumentError, match=rf"{columns} columns"):
        LinearExplainer(REGRESSION, np.zeros((2, columns)))


def test_features_may_be_display_names_of_other_columns() -> None:
    display = ["Alpha", "Beta", "Gamma", "Delta"]
    explanation = LinearExplainer(ON_NAMES, FRAME, features=display).explain_local(FRAME[["d", "b", "a", "c"]])
    assert explanation.features == tuple(display)
    np.testing.assert_allclose(explanation.local_importance_values, WANTED)


def test_a_frame_is_put_in_the_order_of_features_where_only_they_name_the_columns() -> None:
    explanation = LinearExplainer(REGRESSION, X, features=NAMES).explain_local(FRAME[["d", "b", "a", "c"]])
    np.testing.assert_allclose(explanation.local_importance_values, WANTED)


def test_infinite_importances_are_refused() -> None:
    def overflows(x: np.ndarray) -> np.ndarray:
        return np.where(x[:, 0] > 0, np.inf, 0.0)

    with pytest.raises(InvalidExplanationError, match="not all finite"), np.errstate(all="ignore"):
        KernelExplainer(overflows, np.array([[-1.0]])).explain_local(np.array([[1.0]]))


# --- Names ------------------------------------------------------------------------------------------------------


def test_features_are_named_by_the_caller_the_table_the_model_or_their_position() -> None:
    assert LinearExplainer(REGRESSION, FRAME, features=np.array(list("wxyz"))).features == ("w", "x", "y", "z")
    assert LinearExplainer(REGRESSION, FRAME).features == tuple(NAMES)
    assert LinearExplainer(ON_NAMES, X).features == tuple(NAMES)
    assert LinearExplainer(REGRESSION, X).features == ("feature_0", "feature_1", "feature_2", "feature_3")
    assert LinearExplainer(REGRESSION, pd.DataFrame(X)).features[0] == "feature_0"
    assert all(type(name) is str for name in LinearExplainer(REGRESSION, X, features=np.array(NAMES)).features)


@pytest.mark.parametrize(
    ("features", "message"), [(["a"], "names 1 features"), (["a", "a", "b", "c"], "both named 'a'")]
)
def test_features_that_do_not_fit_are_refused(features: list[str], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        LinearExplainer(REGRESSION, X, features=features)


def test_classes_are_named_by_the_caller_or_the_model() -> None:
    words = np.array(["no", "yes"])[target(X, "binary")]
    of_words = LogisticRegression().fit(X, words)
    assert LinearExplainer(of_words, X).classes == ("no", "yes")
    assert LinearExplainer(of_words, X, classes=["nein", "ja"]).classes == ("nein", "ja")
    assert LinearExplainer(BINARY, X, classes=np.array(["benign", "malignant"])).classes == ("benign", "malignant")
    predicted = LinearExplainer(of_words, X).explain_local(X).eval_y_predicted
    np.testing.assert_array_equal(predicted, of_words.predict(X))


@pytest.mark.parametrize(
    ("model", "classes", "message"),
    [
        (BINARY, ["a", "b", "c"], "names 3 classes, the model has 2"),
        (BINARY, ["a", "a"], "twice"),
        (BINARY, ["1", "0"], "not in the order"),
        (REGRESSION, ["a", "b"], "is a regression model"),
    ],
)
def test_classes_that_do_not_fit_are_refused(model: Any, classes: list[str], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        LinearExplainer(model, X, classes=classes)


def test_a_task_that_contradicts_the_model_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="is a regression model"):
        LinearExplainer(REGRESSION, X, model_task="classification")
    with pytest.raises(InvalidArgumentError, match="one of 'classification'"):
        LinearExplainer(REGRESSION, X, model_task="ranking")
    with pytest.raises(UnsupportedModelError, match="no predict method"):
        LinearExplainer(object(), X)


# --- A subset of the columns ------------------------------------------------------------------------------------


def test_a_subset_has_the_values_of_the_whole() -> None:
    explanation = LinearExplainer(REGRESSION, FRAME, explain_subset=[2, 0]).explain_global(FRAME)
    assert explanation.features == ("c", "a")
    np.testing.assert_allclose(explanation.local_importance_values, WANTED[:, [2, 0]])
    np.testing.assert_allclose(explanation.global_importance_values, np.abs(WANTED[:, [2, 0]]).mean(axis=0))
    np.testing.assert_array_equal(explanation.eval_data, X[:, [2, 0]])
    assert explanation.info.notes == ("explain_subset: 2 of 4 features are reported",)


@pytest.mark.parametrize("subset", [[], [4], [-1], [0, 0], ["a"], [0.5], 1])
def test_a_subset_that_does_not_fit_is_refused(subset: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="explain_subset"):
        LinearExplainer(REGRESSION, X, explain_subset=subset)


# --- Streaming --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 7, 80, 1000])
@pytest.mark.parametrize("model", [REGRESSION, BINARY, MULTICLASS])
def test_batches_do_not_change_the_result(model: Any, batch_size: int) -> None:
    explainer = LinearExplainer(model, X)
    whole, parts = explainer.explain_global(X), explainer.explain_global(X, batch_size=batch_size)
    np.testing.assert_allclose(parts.local_importance_values, whole.local_importance_values, rtol=1e-12)
    np.testing.assert_allclose(parts.global_importance_values, whole.global_importance_values, rtol=1e-12)
    np.testing.assert_allclose(parts.eval_y_predicted, whole.eval_y_predicted)
    if model is not REGRESSION:
        np.testing.assert_allclose(parts.eval_y_predicted_proba, model.predict_proba(X))
    aggregate = explainer.explain_global(X, include_local=False, batch_size=batch_size)
    np.testing.assert_allclose(aggregate.global_importance_values, whole.global_importance_values, rtol=1e-12)
    assert aggregate.num_examples == 80
    assert aggregate.data is None
    with pytest.raises(PartMissingError, match="include_local=True"):
        _ = aggregate.local_importance_values


@pytest.mark.parametrize("batch_size", [0, -1, True])
def test_a_batch_size_that_is_no_positive_number_is_refused(batch_size: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="batch_size"):
        LinearExplainer(REGRESSION, X).explain_global(X, batch_size=batch_size)


def test_the_arguments_of_the_original_keep_their_positions() -> None:
    explainer = LinearExplainer(REGRESSION, X)
    assert explainer.explain_global(X, None, False, 10).local_importances is None
    with pytest.raises(InvalidArgumentError, match="sampling_policy='random'"):
        explainer.explain_global(X, "random")


def peak_memory(explainer: Explainer, given: np.ndarray, **how: Any) -> float:
    tracemalloc.start()
    explainer.explain_global(given, **how)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_memory_without_local_values_does_not_grow_with_the_rows() -> None:
    given = np.random.default_rng(0).normal(size=(200_000, 4))
    explainer = LinearExplainer(REGRESSION, X)
    explainer.explain_global(X)
    few = peak_memory(explainer, given[:20_000], include_local=False, batch_size=5_000)
    many = peak_memory(explainer, given, include_local=False, batch_size=5_000)
    assert many < 1.2 * few


def test_memory_with_local_values_is_the_result_the_rows_and_a_batch() -> None:
    given = np.random.default_rng(0).normal(size=(200_000, 4))
    explainer = LinearExplainer(REGRESSION, X)
    explainer.explain_global(X)
    result = given.nbytes
    assert peak_memory(explainer, given, batch_size=5_000) < 3 * result


# --- Records ----------------------------------------------------------------------------------------------------


def test_the_explanation_says_how_it_was_made() -> None:
    info = LinearExplainer(BINARY, X).explain_global(X).info
    assert (info.method, info.task, info.output_space) == ("shap_linear", "classification", "log-odds")
    assert info.model_type == "sklearn.linear_model._logistic.LogisticRegression"
    assert info.reason is not None
    assert "80 background rows" in info.reason
    assert {"explanation-client", "numpy", "scikit-learn"} <= dict(info.made_with).keys()
    assert info.feature_space is None
    assert len(info.id) == 36


def test_rows_keep_their_names_and_their_own_copy() -> None:
    named = FRAME.set_axis([f"row {i}" for i in range(80)])
    assert LinearExplainer(REGRESSION, X).explain_global(named).data.row_names[3] == "row 3"
    given = X.copy()
    explanation = LinearExplainer(REGRESSION, X).explain_global(given)
    given[:] = 0.0
    np.testing.assert_array_equal(explanation.eval_data, X)


def test_wide_sparse_rows_are_not_kept_but_their_predictions_are() -> None:
    wide = csr_matrix(([1.0], ([0], [0])), shape=(3_000, 4_000))
    model = LinearRegression()
    model.coef_, model.intercept_, model.n_features_in_ = np.ones(4_000), 0.0, 4_000
    explanation = LinearExplainer(model, wide[:10]).explain_local(wide)
    assert explanation.eval_data is None
    assert explanation.eval_y_predicted.shape == (3_000,)


def test_explainers_and_explanations_pickle() -> None:
    explainer = LinearExplainer(BINARY, X)
    copy = pickle.loads(pickle.dumps(explainer))
    explanation = pickle.loads(pickle.dumps(copy.explain_global(X)))
    assert explanation == explainer.explain_global(X)


def test_one_explainer_explains_again_and_again() -> None:
    explainer = LinearExplainer(BINARY, X)
    first, second = explainer.explain_local(X[:5]), explainer.explain_local(X[5:8])
    assert len(first.eval_y_predicted) == 5
    np.testing.assert_array_equal(second.eval_y_predicted, BINARY.predict(X[5:8]))


BARS: dict[str, tuple[Any, Any]] = {
    "Explaining (shap_linear)": (LinearExplainer, lambda made: made(REGRESSION, X)),
    "Explaining (shap_kernel)": (KernelExplainer, lambda made: made(REGRESSION, X[:3])),
    "Explaining (lime)": (LIMEExplainer, lambda made: made(REGRESSION, X[:3])),
    "Asking the model": (MimicExplainer, lambda made: made(REGRESSION, X, LinearExplainableModel)),
    "Explaining (mimic.linear)": (MimicExplainer, lambda made: made(REGRESSION, X, LinearExplainableModel)),
    "Explaining (pfi)": (PFIExplainer, lambda made: made(REGRESSION)),
}


@pytest.mark.parametrize("text", BARS)
def test_a_bar_shows_long_work_and_can_be_turned_off(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explanation_client.progress._DELAY", 0.0)
    explainer, make = BARS[text]
    arguments = (X[:6], Y[:6]) if explainer is PFIExplainer else (X[:6],)

    def said(**how: Any) -> str:
        shown = io.StringIO()
        monkeypatch.setattr(sys, "stderr", shown)
        make(partial(explainer, **how)).explain_global(*arguments)
        return shown.getvalue()

    assert text in said(show_progress=True)
    assert said(show_progress=False) == ""
    # Where nobody looks, on no terminal.
    assert said() == ""


def test_short_work_shows_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    LinearExplainer(REGRESSION, X, show_progress=True).explain_global(X[:6])
    assert shown.getvalue() == ""


@pytest.mark.parametrize(
    "make",
    [
        partial(KernelExplainer, nclusters=3),
        partial(KernelExplainer, estimator="shap", nclusters=3),
        partial(LIMEExplainer, nclusters=3, nsamples=20),
        partial(MimicExplainer, explainable_model=LinearExplainableModel),
        partial(PFIExplainer),
        partial(PFIExplainer, n_jobs=2),
    ],
    ids=["kernel", "kernel by shap", "lime", "mimic", "pfi", "pfi in threads"],
)
def test_work_that_is_interrupted_leaves_everything_as_it_was(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explanation_client.progress._DELAY", 0.0)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    calls, is_pfi = [0, 10**6], make.func is PFIExplainer

    def answers(rows: np.ndarray) -> np.ndarray:
        calls[0] += 1
        if calls[0] > calls[1]:
            raise KeyboardInterrupt
        return np.asarray(rows[:, 0] + 2 * rows[:, 1])

    def explain(made: Any, rows: Any) -> Any:
        return made.explain_global(rows, rows[:, 0]) if is_pfi else made.explain_global(rows, batch_size=9)

    made = make(answers, show_progress=True) if is_pfi else make(answers, X, show_progress=True)
    before = explain(made, X[:5])
    found = {name: getattr(made, name, None) for name in ("standard_errors", "local_fit")}
    state = np.random.get_state()[1].copy()
    calls[1] = calls[0] + 3
    with pytest.raises(KeyboardInterrupt):
        explain(made, X[5:75])
    assert not tqdm._instances
    assert (np.random.get_state()[1] == state).all()
    for name, value in found.items():
        np.testing.assert_array_equal(getattr(made, name, None), value)
    calls[1] = 10**6
    assert explain(made, X[:5]) == before


def test_the_package_costs_nothing_before_something_is_explained() -> None:
    code = (
        "import sys, explanation_client.explainers as e; e.LinearExplainer, e.TabularExplainer; "
        "print([m for m in ('shap', 'sklearn', 'pandas', 'numba', 'lightgbm', 'mlflow', 'scipy') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    with pytest.raises(ImportError, match="NoSuchExplainer"):
        from explanation_client.explainers import NoSuchExplainer  # noqa: F401


# --- Writing one ------------------------------------------------------------------------------------------------


def test_a_new_explainer_writes_one_method() -> None:
    class Halves(Explainer):
        method = "halves"

        def _attribute(self, rows: Any) -> tuple[np.ndarray, np.ndarray]:
            # The prediction, in equal parts.
            parts = self._model.answer(rows, "value") / rows.shape[1]
            return np.repeat(parts.T[:, :, None], rows.shape[1], axis=2), np.zeros(1)

    explanation = Halves(REGRESSION, X).explain_global(X)
    assert explanation.method == "halves"
    np.testing.assert_allclose(explanation.local_importance_values.sum(axis=1), REGRESSION.predict(X))


@pytest.mark.parametrize("shape", [(1, 80, 3), (80, 4), (2, 80, 4)])
def test_an_explainer_that_gives_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    class Wrong(Explainer):
        method = "wrong"

        def _attribute(self, rows: Any) -> tuple[np.ndarray, np.ndarray]:
            return np.zeros(shape), np.zeros(1)

    with pytest.raises(UnsupportedModelError, match="gave values of shape"):
        Wrong(REGRESSION, X).explain_local(X)


@pytest.mark.parametrize(
    "model", [RandomForestRegressor(), LogisticRegression(), make_pipeline(StandardScaler(), SVC())]
)
def test_a_model_that_is_not_fitted_is_said_to_be_so(model: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="is not fitted"):
        TabularExplainer(model, np.zeros((5, 3)))
