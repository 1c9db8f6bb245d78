"""Explanations to and from the shap package, held to shap's own objects."""

from __future__ import annotations

import sys
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import shap
from hypothesis import given
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression

from explanation_client import EvaluationData, Explanation
from explanation_client.errors import (
    InvalidArgumentError,
    InvalidExplanationError,
    MissingDependencyError,
    PartMissingError,
)
from tests.strategies import explanation_of, explanations, random_explanation

ROWS = 6


def small(load: Any, columns: int = 4) -> tuple[pd.DataFrame, pd.Series]:
    x, y = load(return_X_y=True, as_frame=True)
    return x.iloc[:, :columns], y


def totals(explanation: Explanation) -> np.ndarray:
    """Return what values and base values add up to, (C, N)."""
    assert explanation.local_importances is not None
    return explanation.local_importances.totals + explanation.expected_values[:, None]


@pytest.fixture(scope="module")
def diabetes() -> tuple[Any, pd.DataFrame]:
    x, y = small(load_diabetes)
    return RandomForestRegressor(5, max_depth=3, random_state=0).fit(x, y), x[:ROWS]


@pytest.fixture(scope="module")
def iris() -> tuple[Any, pd.DataFrame]:
    x, y = small(load_iris)
    return RandomForestClassifier(5, max_depth=3, random_state=0).fit(x, y), x[::25]


@pytest.fixture(scope="module")
def cancer() -> tuple[Any, pd.DataFrame]:
    x, y = small(load_breast_cancer)
    return lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(x, y), x[:ROWS]


class TestFromShapsExplainers:
    def test_a_regression_adds_up_to_the_prediction(self, diabetes: tuple[Any, pd.DataFrame]) -> None:
        model, rows = diabetes
        explanation = Explanation.from_shap(shap.TreeExplainer(model)(rows))
        assert explanation.model_task == "regression"
        assert explanation.features == tuple(rows.columns)
        np.testing.assert_allclose(totals(explanation)[0], model.predict(rows))
        assert explanation.eval_data is not None
        np.testing.assert_array_equal(explanation.eval_data, rows.to_numpy())
        assert dict(explanation.info.made_with).keys() == {"shap"}

    def test_several_outputs_add_up_to_the_probabilities(self, iris: tuple[Any, pd.DataFrame]) -> None:
        model, rows = iris
        names = ["setosa", "versicolor", "virginica"]
        explanation = Explanation.from_shap(shap.TreeExplainer(model)(rows), classes=names)
        assert explanation.classes == tuple(names)
        assert explanation.local_importance_values.shape == (3, 6, 4)
        np.testing.assert_allclose(totals(explanation).T, model.predict_proba(rows))

    def test_one_margin_looks_like_a_regression_without_classes(self, cancer: tuple[Any, pd.DataFrame]) -> None:
        model, rows = cancer
        explanation = Explanation.from_shap(shap.TreeExplainer(model)(rows))
        assert explanation.model_task == "regression"
        np.testing.assert_allclose(totals(explanation)[0], model.predict(rows, raw_score=True))

    def test_one_margin_is_mirrored_with_two_classes(self, cancer: tuple[Any, pd.DataFrame]) -> None:
        model, rows = cancer
        explanation = Explanation.from_shap(shap.TreeExplainer(model)(rows), classes=["malignant", "benign"])
        margins = model.predict(rows, raw_score=True)
        np.testing.assert_allclose(totals(explanation), [-margins, margins])
        local = explanation.local_importance_values
        np.testing.assert_array_equal(local[0], -local[1])

    @pytest.mark.parametrize("row", [0, 3])
    def test_one_row_has_no_row_axis(self, iris: tuple[Any, pd.DataFrame], row: int) -> None:
        model, rows = iris
        explanation = Explanation.from_shap(shap.TreeExplainer(model)(rows)[row])
        assert explanation.local_importance_values.shape == (3, 4)
        np.testing.assert_allclose(totals(explanation)[:, 0], model.predict_proba(rows)[row])

    def test_one_row_of_one_output_is_a_row(self, iris: tuple[Any, pd.DataFrame]) -> None:
        model, rows = iris
        explanation = Explanation.from_shap(shap.TreeExplainer(model)(rows)[2, :, 1])
        assert explanation.local_importance_values.shape == (4,)
        assert explanation.info.outputs == ("Output 1",)
        np.testing.assert_allclose(totals(explanation), model.predict_proba(rows)[2:3, 1:2])

    def test_a_row_with_as_many_features_as_outputs_is_told_by_its_data(self) -> None:
        x, y = small(load_iris, 3)
        model = LogisticRegression(max_iter=500).fit(x, y)
        whole = shap.LinearExplainer(model, x)(x[::50])
        assert whole.shape == (3, 3, 3)
        explanation = Explanation.from_shap(whole[1])
        np.testing.assert_allclose(totals(explanation)[:, 0], model.decision_function(x[::50])[1])
        np.testing.assert_allclose(totals(Explanation.from_shap(whole)).T, model.decision_function(x[::50]))

    def test_a_linear_model_adds_up(self) -> None:
        x, y = small(load_diabetes)
        model = LinearRegression().fit(x, y)
        explanation = Explanation.from_shap(shap.LinearExplainer(model, x)(x[:ROWS]))
        np.testing.assert_allclose(totals(explanation)[0], model.predict(x[:ROWS]))

    @pytest.mark.filterwarnings("ignore::UserWarning")
    def test_an_explainer_of_functions_adds_up(self, iris: tuple[Any, pd.DataFrame]) -> None:
        model, rows = iris

        def predict(x: np.ndarray) -> np.ndarray:
            return np.asarray(model.predict_proba(pd.DataFrame(x, columns=rows.columns)))

        explainer = shap.KernelExplainer(predict, rows[:3], silent=True)
        explanation = Explanation.from_shap(explainer(rows), output_space="probability")
        np.testing.assert_allclose(totals(explanation).T, model.predict_proba(rows))


class TestFromBareArrays:
    def test_what_shap_values_returns_has_outputs_last(self, iris: tuple[Any, pd.DataFrame]) -> None:
        model, rows = iris
        explainer = shap.TreeExplainer(model)
        values = explainer.shap_values(rows)
        assert values.shape == (6, 4, 3)
        explanation = Explanation.from_shap(values, base_values=explainer.expected_value, data=rows)
        np.testing.assert_allclose(totals(explanation).T, model.predict_proba(rows))
        assert explanation.features == tuple(rows.columns)

    def test_older_versions_returned_a_list_of_outputs(self, iris: tuple[Any, pd.DataFrame]) -> None:
        model, rows = iris
        explainer = shap.TreeExplainer(model)
        values = [explainer.shap_values(rows)[..., output] for output in range(3)]
        explanation = Explanation.from_shap(values, base_values=explainer.expected_value)
        np.testing.assert_allclose(totals(explanation).T, model.predict_proba(rows))

    def test_are_without_base_values_where_none_are_given(self) -> None:
        assert Explanation.from_shap(np.ones((2, 3))).base_values is None

    def test_a_row_of_outputs_is_told_by_the_names(self) -> None:
        explanation = Explanation.from_shap(np.ones((3, 2)), features=["a", "b", "c"])
        assert explanation.local_importance_values.shape == (2, 3)


class TestBaseValues:
    VALUES = np.random.default_rng(3).standard_normal((4, 3))

    def test_of_the_rows_become_one(self) -> None:
        given = shap.Explanation(self.VALUES, base_values=np.full(4, 0.1))
        assert Explanation.from_shap(given).expected_values.tolist() == [0.1]

    def test_may_differ_by_rounding(self) -> None:
        bases = np.float32(0.1) + np.array([0, 1, 0, -1], np.float32) * np.spacing(np.float32(0.1))
        given = shap.Explanation(self.VALUES, base_values=bases)
        np.testing.assert_allclose(Explanation.from_shap(given).expected_values, [0.1], rtol=1e-6)

    def test_that_differ_by_row_are_refused_with_a_way_out(self) -> None:
        given = shap.Explanation(self.VALUES, base_values=np.array([0.1, 0.1, 0.2, 0.2]))
        with pytest.raises(InvalidExplanationError, match=r"from 0\.1 to 0\.2.*same base value"):
            Explanation.from_shap(given)
        parts = [Explanation.from_shap(given[:2]), Explanation.from_shap(given[2:])]
        assert [part.expected_values[0] for part in parts] == [0.1, 0.2]

    @pytest.mark.parametrize("bases", [np.ones(3), np.ones((4, 2)), np.ones((3, 1))])
    def test_of_another_shape_are_refused(self, bases: np.ndarray) -> None:
        with pytest.raises(InvalidExplanationError, match="base values have shape"):
            Explanation.from_shap(self.VALUES, base_values=bases)


class TestRefused:
    def test_interaction_values(self, diabetes: tuple[Any, pd.DataFrame]) -> None:
        model, rows = diabetes
        values = shap.TreeExplainer(model).shap_interaction_values(rows)
        assert values.shape == (6, 4, 4)
        with pytest.raises(InvalidExplanationError, match="interaction values"):
            Explanation.from_shap(values)
        explanation = Explanation.from_shap(values.sum(axis=-1))
        np.testing.assert_allclose(
            explanation.local_importance_values, shap.TreeExplainer(model).shap_values(rows), atol=1e-9
        )

    def test_what_is_no_table(self) -> None:
        words = np.array([np.ones(2), np.ones(3)], dtype=object)
        with pytest.raises(InvalidExplanationError, match="tabular"):
            Explanation.from_shap(shap.Explanation(words, base_values=np.zeros(2)))

    @pytest.mark.parametrize("given", ["values", None, {"values": 1}])
    def test_what_shap_never_returns(self, given: Any) -> None:
        with pytest.raises(InvalidArgumentError, match=r"pass a shap\.Explanation"):
            Explanation.from_shap(given)

    def test_nan(self) -> None:
        with pytest.raises(InvalidExplanationError, match="must be finite"):
            Explanation.from_shap(shap.Explanation(np.array([[np.nan, 1.0]]), base_values=np.zeros(1)))


MIXED = pd.DataFrame(
    {
        "number": np.linspace(0, 1, 12),
        "text": ["a", None, "c"] * 4,
        "flag": [True, False] * 6,
        "date": pd.date_range("2020-01-01", periods=12),
    },
    index=[f"row {i}" for i in range(12)],
)


def mixed(n_outputs: int = 2) -> Explanation:
    values = np.random.default_rng(5).standard_normal((n_outputs, 12, 4))
    classes = ["no", "yes"] if n_outputs == 2 else None
    return Explanation.from_arrays(local=values, data=MIXED, base_values=np.arange(1.0, n_outputs + 1), classes=classes)


class TestToShap:
    @given(explanation=explanations())
    def test_and_back_is_the_same(self, explanation: Explanation) -> None:
        # What shap has no place for is given again.
        back = Explanation.from_shap(
            explanation.to_shap(), include_global=False, task=explanation.model_task, method=explanation.method
        )
        assert back.features == explanation.features
        assert back.info.outputs == explanation.info.outputs
        assert back.info.single_row == explanation.info.single_row
        assert back.local_importances is not None
        assert explanation.local_importances is not None
        assert back.local_importances.same_as(explanation.local_importances)
        np.testing.assert_array_equal(back.expected_values, explanation.expected_values)

    def test_has_shaps_shapes(self) -> None:
        given = mixed().to_shap()
        assert given.values.shape == (12, 4, 2)
        assert given.base_values.shape == (12, 2)
        assert given.data.shape == (12, 4)
        assert given.feature_names == list(MIXED.columns)
        assert given.output_names == ["no", "yes"]

    def test_gives_one_output_by_name(self) -> None:
        given, whole = mixed().to_shap("yes"), mixed().to_shap()
        np.testing.assert_array_equal(given.values, whole.values[..., 1])
        np.testing.assert_array_equal(given.base_values, np.full(12, 2.0))
        assert given.output_names == "yes"

    def test_gives_numbers_as_data_and_shows_the_rest(self) -> None:
        given = mixed().to_shap("yes")
        assert given.data.dtype == np.float64
        np.testing.assert_array_equal(given.data[:3, 1], [0, np.nan, 1])
        assert given.display_data[:3, 1].tolist() == ["a", None, "c"]
        # To the microsecond with pandas 3, to the nanosecond before.
        assert given.display_data[0, 3].startswith("2020-01-01T00:00:00.000000")
        assert given["row 3"].data[0] == MIXED["number"].iloc[3]

    def test_rows_come_back(self) -> None:
        x = np.random.default_rng(1).standard_normal((12, 4)).astype(np.float32)
        explanation = Explanation.from_arrays(local=np.ones((12, 4)), data=pd.DataFrame(x, index=MIXED.index))
        back = Explanation.from_shap(explanation.to_shap())
        assert explanation.data is not None
        assert back.data is not None
        assert back.data.same_as(explanation.data)

    def test_text_comes_back(self) -> None:
        back = Explanation.from_shap(mixed().to_shap())
        assert back.data is not None
        assert back.data.columns is not None
        assert back.data.columns[1].tolist() == MIXED["text"].astype(object).where(MIXED["text"].notna(), None).tolist()

    def test_is_a_copy(self) -> None:
        explanation = random_explanation(1, 3, 2)
        explanation.to_shap().values[:] = 0
        assert explanation.local_importance_values.all()

    def test_features_without_a_value_are_missing(self) -> None:
        data = EvaluationData(names=("a",), columns=(np.ones(2),))
        given = Explanation.from_arrays(local=np.ones((2, 2)), features=["a", "a & b"], data=data).to_shap()
        np.testing.assert_array_equal(given.data, [[1, np.nan], [1, np.nan]])


class TestToShapOfACut:
    WHOLE = explanation_of(np.random.default_rng(2).standard_normal((2, 5, 6)), base_values=np.array([0.5, -0.5]))

    def test_is_refused_with_a_way_out(self) -> None:
        with pytest.raises(InvalidArgumentError, match=r"top 2 of 6 features.*without top_k.*other="):
            self.WHOLE.cut(2).to_shap()

    def test_adds_up_with_one_more_feature(self) -> None:
        given = self.WHOLE.cut(2).to_shap(other="other features")
        assert given.feature_names == [*self.WHOLE.features, "other features"]
        assert self.WHOLE.local_importances is not None
        sums = given.values.sum(axis=1) + given.base_values
        np.testing.assert_allclose(sums.T, totals(self.WHOLE))
        kept = np.count_nonzero(given.values[:, :-1], axis=1)
        assert (kept == 2).all()
        where = given.values[:, :-1] != 0
        np.testing.assert_array_equal(
            given.values[:, :-1][where], np.moveaxis(self.WHOLE.local_importances.values, 0, -1)[where]
        )

    def test_the_name_must_be_free(self) -> None:
        with pytest.raises(InvalidArgumentError, match="name of a feature"):
            self.WHOLE.cut(2).to_shap(other=self.WHOLE.features[0])


class TestToShapRefuses:
    def test_an_explanation_without_local_importances(self) -> None:
        with pytest.raises(PartMissingError, match="no local importances"):
            Explanation.from_arrays(global_=[1.0, 2.0]).to_shap()

    def test_an_unknown_output(self) -> None:
        with pytest.raises(InvalidArgumentError, match="output 'maybe' does not exist"):
            mixed().to_shap("maybe")

    def test_without_shap_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "shap", None)
        with pytest.raises(MissingDependencyError, match=r"explanation-client\[explain\]"):
            mixed().to_shap()
