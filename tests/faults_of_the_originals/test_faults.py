"""Faults that were reproduced in interpret-community and Azure's SDK, each as a test that they are not here.

The first sentence of each test says what the originals did.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import r2_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from explanation_client import Explanation, load_explanation, save_explanation
from explanation_client.errors import ExplanationError, InvalidArgumentError, InvalidExplanationError
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
from explanation_client.surrogates import (
    DecisionTreeExplainableModel,
    LGBMExplainableModel,
    LinearExplainableModel,
    SGDExplainableModel,
)

SURROGATES = [LGBMExplainableModel, LinearExplainableModel, SGDExplainableModel, DecisionTreeExplainableModel]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
# The first column drives everything, the second helps a little.
VALUES = 3.0 * X[:, 0] + X[:, 1]
BINARY = (VALUES > 0).astype(int)
THREE = np.digitize(VALUES, [-1.5, 1.5])
FOREST = RandomForestClassifier(n_estimators=4, max_depth=3, random_state=0)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    import threadpoolctl

    with threadpoolctl.threadpool_limits(1):
        yield


def binary_answers(model: Any, x: Any) -> Any:
    """Return what the model says of both classes, in the space of its own scores, (2, N)."""
    if hasattr(model, "decision_function"):
        return np.stack([-model.decision_function(x), model.decision_function(x)])
    return model.predict_proba(x).T


def sums(explanation: Explanation) -> Any:
    return explanation.local_importances.values.sum(axis=2) + explanation.expected_values[:, None]


class TestPermutationImportance:
    def test_ranks_a_regression_by_default_the_right_way_round(self) -> None:
        """All importances were negative, because larger errors are worse: the least important column came first."""
        model = LinearRegression().fit(X, VALUES)
        explanation = PFIExplainer(model, features=list("abcd")).explain_global(X, true_labels=VALUES)
        assert explanation.get_ranked_global_names()[:2].tolist() == ["a", "b"]
        assert (explanation.global_importance_values > -1e-9).all()

    def test_takes_the_names_of_metrics(self) -> None:
        """The documented strings were called like functions: a TypeError."""
        model = LinearRegression().fit(X, VALUES)
        by_name = PFIExplainer(model, metric="r2_score").explain_global(X, VALUES)
        by_function = PFIExplainer(model, metric=r2_score).explain_global(X, VALUES)
        np.testing.assert_allclose(by_name.global_importance_values, by_function.global_importance_values, atol=1e-12)


class TestLime:
    def test_puts_the_values_of_a_class_under_that_class(self) -> None:
        """Classes were rotated by one: of two classes, each had the other's values."""
        model = LogisticRegression().fit(X, BINARY)
        lime = LIMEExplainer(model, X, features=list("abcd"), classes=["neg", "pos"])
        exact = LinearExplainer(model, X, features=list("abcd"), classes=["neg", "pos"])
        rows = X[np.abs(X[:, 0]) > 1][:4]
        ours, truth = (explainer.explain_local(rows).local_importance_values[..., 0] for explainer in (lime, exact))
        np.testing.assert_array_equal(np.sign(ours), np.sign(truth))
        three = LogisticRegression().fit(X, THREE)
        high = LIMEExplainer(three, X, classes=["low", "middle", "high"]).explain_local(X[[X[:, 0].argmax()]])
        first_column = high.local_importance_values[:, 0, 0]
        assert first_column[2] > 0 > first_column[0]


class TestTrees:
    @pytest.mark.parametrize("classes", [None, ["no", "yes"]])
    @pytest.mark.parametrize(
        "model",
        [
            GradientBoostingClassifier(n_estimators=4, random_state=0),
            HistGradientBoostingClassifier(max_iter=4, min_samples_leaf=5),
        ],
        ids=lambda model: type(model).__name__,
    )
    def test_boosted_classifiers_of_two_classes_have_two_classes(self, model: Any, classes: Any) -> None:
        """They were taken for regressions; with classes= there was a TypeError."""
        explanation = TreeExplainer(model.fit(X, BINARY), X, classes=classes).explain_global(X)
        assert explanation.model_task == "classification"
        assert explanation.classes == tuple(classes or ("0", "1"))
        assert explanation.local_importance_values.shape == (2, 120, 4)
        np.testing.assert_allclose(sums(explanation), binary_answers(model, X), atol=1e-9)

    def test_a_subset_of_the_columns_of_a_classifier(self) -> None:
        """explain_subset on a classifier was an AttributeError."""
        model = FOREST.fit(X, THREE)
        subset = TreeExplainer(model, X, explain_subset=[2, 0]).explain_global(X)
        whole = TreeExplainer(model, X).explain_global(X)
        np.testing.assert_array_equal(subset.local_importance_values, whole.local_importance_values[:, :, [2, 0]])
        np.testing.assert_allclose(subset.per_class_values, whole.per_class_values[:, [2, 0]])

    @pytest.mark.parametrize("score", [None, 0.3, "0.75"])
    def test_base_scores_of_new_versions_of_xgboost_are_read(self, score: Any) -> None:
        """A pinned shap could not parse the base score that XGBoost 3 writes."""
        xgboost = pytest.importorskip("xgboost")
        model = xgboost.XGBClassifier(n_estimators=3, max_depth=2, base_score=score, n_jobs=1).fit(X, BINARY)
        explanation = TreeExplainer(model).explain_local(X[:5])
        margin = model.predict(X[:5], output_margin=True)
        np.testing.assert_allclose(sums(explanation)[1], margin, atol=1e-5)


class TestOneRow:
    @pytest.mark.parametrize("features", [None, list("abcd")])
    @pytest.mark.parametrize(
        ("explainer", "model"),
        [(TreeExplainer, FOREST), (LinearExplainer, LogisticRegression()), (KernelExplainer, SVC())],
        ids=["tree", "linear", "kernel"],
    )
    def test_has_the_class_first_and_no_row_axis(self, explainer: Any, model: Any, features: Any) -> None:
        """Trees gave (F, 2), linear models (F,), and without features= there was an IndexError."""
        made = explainer(model.fit(X, BINARY), X[:20], features=features)
        single, table = made.explain_local(X[0]), made.explain_local(X[:1])
        assert single.local_importance_values.shape == (2, 4)
        np.testing.assert_allclose(single.local_importance_values, table.local_importance_values[:, 0], atol=1e-12)
        assert single.get_ranked_local_names().shape == (2, 4)
        assert (single.num_examples, single.num_features) == (1, 4)

    @pytest.mark.parametrize("surrogate", SURROGATES)
    def test_has_no_row_axis_whatever_the_surrogate(self, surrogate: Any) -> None:
        """Two of the surrogates kept the row axis, two dropped it and reported F rows."""
        single = MimicExplainer(LogisticRegression().fit(X, BINARY), X, surrogate).explain_local(X[0])
        assert single.local_importance_values.shape == (2, 4)
        assert single.num_examples == 1


class TestExpectedValues:
    def test_of_a_linear_model_of_two_classes_are_two(self) -> None:
        """There was one for two classes."""
        explanation = LinearExplainer(LogisticRegression().fit(X, BINARY), X).explain_local(X[:3])
        assert explanation.expected_values.shape == (2,)

    @pytest.mark.parametrize("surrogate", SURROGATES)
    def test_of_a_surrogate_are_one_for_each_class(self, surrogate: Any) -> None:
        """Those of two surrogates were nested, (2, 1)."""
        explanation = MimicExplainer(LogisticRegression().fit(X, BINARY), X, surrogate).explain_local(X[:3])
        assert explanation.expected_values.shape == (2,)


class TestMimic:
    def test_predictions_are_those_of_the_rows_that_were_explained(self) -> None:
        """Those of the first call were attached to every later one."""
        model = LogisticRegression().fit(X, BINARY)
        explainer = MimicExplainer(model, X, LinearExplainableModel)
        for rows in (X[:5], X[7:10], X[20:60]):
            explanation = explainer.explain_local(rows)
            np.testing.assert_array_equal(explanation.eval_y_predicted, model.predict(rows))
            np.testing.assert_allclose(explanation.eval_y_predicted_proba, model.predict_proba(rows))
            np.testing.assert_array_equal(explanation.eval_data, rows)

    @pytest.mark.parametrize("labels", [THREE, np.array(["low", "middle", "high"])[THREE]], ids=["numbers", "text"])
    def test_a_linear_surrogate_of_several_classes_works(self, labels: Any) -> None:
        """LogisticRegression was called with an argument that scikit-learn has removed."""
        model = LogisticRegression().fit(X, labels)
        explanation = MimicExplainer(model, X, LinearExplainableModel).explain_global(X)
        assert explanation.per_class_values.shape == (3, 4)
        assert explanation.get_ranked_global_names()[0] == "feature_0"


def test_sampled_rows_keep_values_data_and_predictions_of_one_length() -> None:
    """SamplingPolicy: values were those of a sample, data and predictions those of all rows."""
    rows = np.random.default_rng(1).normal(size=(400, 4))
    model = LogisticRegression().fit(X, BINARY)
    explanation = KernelExplainer(model, X[:10]).explain_global(rows, SamplingPolicy(allow_eval_sampling=True))
    n = explanation.num_examples
    assert n < 400
    assert explanation.local_importance_values.shape == (2, n, 4)
    assert explanation.eval_data.shape == (n, 4)
    np.testing.assert_array_equal(explanation.eval_y_predicted, model.predict(explanation.eval_data))
    np.testing.assert_allclose(explanation.eval_y_predicted_proba, model.predict_proba(explanation.eval_data))


class TestPickle:
    def test_explanations_keep_their_content(self) -> None:
        """Their classes were made at run time, and could not be pickled."""
        explanation = TreeExplainer(FOREST.fit(X, BINARY), X).explain_global(X[:9])
        assert pickle.loads(pickle.dumps(explanation)) == explanation

    @pytest.mark.parametrize(
        "explainer", [TabularExplainer, TreeExplainer, LIMEExplainer], ids=lambda explainer: explainer.__name__
    )
    def test_explainers_explain_as_before(self, explainer: Any) -> None:
        """That of LIME could not be pickled."""
        made = explainer(FOREST.fit(X, BINARY), X[:30], classes=["no", "yes"])
        again = pickle.loads(pickle.dumps(made))
        assert again.explain_local(X[:2]) == made.explain_local(X[:2])


class TestErrors:
    def test_of_the_caller_are_told_as_they_are(self) -> None:
        """Every error of a constructor was swallowed; the last one, of some other explainer, was shown."""
        model = FOREST.fit(X, BINARY)
        with pytest.raises(InvalidArgumentError, match="names 3 features"):
            TabularExplainer(model, X, features=["a", "b", "c"])
        with pytest.raises(InvalidArgumentError, match="names 3 classes"):
            TabularExplainer(model, X, classes=["a", "b", "c"])
        with pytest.raises(ExplanationError, match="has no predict method"):
            TabularExplainer(object(), X)

    def test_unknown_arguments_are_named(self) -> None:
        """They ended in a TypeError about object.__init__."""
        with pytest.raises(TypeError, match="'samples'"):
            TabularExplainer(FOREST.fit(X, BINARY), X, samples=5)


class TestStoring:
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_refuses_what_is_no_number(self, bad: float, tmp_path: Path) -> None:
        """NaN and infinity silently became 0."""
        values = np.ones((3, 4))
        values[1, 2] = bad
        with pytest.raises(InvalidExplanationError, match="feature_2"):
            save_explanation(Explanation.from_arrays(local=values), tmp_path)

    def test_keeps_names_and_types_of_the_explained_rows(self, tmp_path: Path) -> None:
        """They came back as positions and floats or text."""
        frame = pd.DataFrame(
            {
                "count": np.arange(5),
                "small": np.arange(5, dtype=np.float32),
                "yes": [True, False, True, True, False],
                "city": ["Ulm", "Bonn", "Ulm", None, "Köln"],
                "day": pd.date_range("2026-01-01", periods=5),
            },
            index=list("vwxyz"),
        )
        explanation = Explanation.from_arrays(local=np.ones((5, 5)), data=frame)
        save_explanation(explanation, tmp_path)
        read = load_explanation(tmp_path)
        assert read == explanation
        assert read.data is not None
        assert read.data.names == ("count", "small", "yes", "city", "day")
        assert [column.dtype.kind for column in read.data.columns] == ["i", "f", "b", "O", "M"]
        assert read.data.columns[1].dtype == np.float32
        assert read.data.row_names.tolist() == list("vwxyz")


def test_raw_explanations_go_through_pipelines_in_a_column_transformer() -> None:
    """The documented example failed: inside, there was an estimator that scikit-learn no longer took for one."""
    frame = pd.DataFrame({"number": X[:, 0], "colour": np.array(["red", "green"])[BINARY]})
    frame.loc[3, "number"] = np.nan
    numeric = Pipeline([("imputer", SimpleImputer(strategy="median")), ("scaler", StandardScaler())])
    text = Pipeline([("imputer", SimpleImputer(strategy="constant", fill_value="-")), ("onehot", OneHotEncoder())])
    features = ColumnTransformer([("num", numeric, ["number"]), ("cat", text, ["colour"])])
    rows = features.fit_transform(frame)
    for model in (LogisticRegression(), FOREST, SVC()):
        made = TabularExplainer(model.fit(rows, BINARY), frame.head(30), transformations=features)
        explanation = made.explain_local(frame.head(4))
        assert explanation.features == ("number", "colour")
        assert explanation.is_raw
        np.testing.assert_allclose(sums(explanation), binary_answers(model, rows[:4]), atol=1e-6)


def test_sparse_rows_of_several_classes_are_streamed() -> None:
    """include_local=False on sparse rows used an attribute that scipy has removed."""
    sparse = csr_matrix(np.where(X > 0, X, 0.0))
    for model in (LogisticRegression(), FOREST):
        made = TabularExplainer(model.fit(sparse, THREE), sparse)
        streamed = made.explain_global(sparse, include_local=False, batch_size=50)
        whole = made.explain_global(sparse)
        assert streamed.local_importances is None
        np.testing.assert_allclose(streamed.per_class_values, whole.per_class_values, atol=1e-12)


@pytest.mark.integration
def test_explaining_trees_loads_neither_shap_nor_matplotlib() -> None:
    """An import failed with a newer numpy, wherever matplotlib was installed, through a pinned shap."""
    code = (
        "import sys, numpy, explanation_client\n"
        "from sklearn.tree import DecisionTreeClassifier\n"
        "from explanation_client.explainers import TabularExplainer\n"
        "x = numpy.arange(8.0).reshape(4, 2)\n"
        "model = DecisionTreeClassifier().fit(x, [0, 0, 1, 1])\n"
        "TabularExplainer(model, x).explain_local(x)\n"
        "print(*sorted({'shap', 'matplotlib', 'mlflow'} & set(sys.modules)))\n"
    )
    finished = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert finished.stdout.split() == []
