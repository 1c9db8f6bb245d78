"""Explanations of interpret-core: what its ``data`` method gave, captured from the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explanation_client import Explanation, load_explanation, save_explanation
from explanation_client.errors import InvalidArgumentError
from explanation_client.interop import from_interpret

CAPTURED = Path(__file__).parent / "captured" / "interpret_core"
LOCAL = ["ebm-regression", "linear-regression", "ebm-binary", "logistic", "ebm-multiclass"]


class Captured:
    """What interpret-core's explanations have in public: a type, a name, and data by key, of which -1 is all of it."""

    def __init__(self, kind: str) -> None:
        document = json.loads((CAPTURED / f"{kind}.json").read_text(encoding="utf-8"))
        self.explanation_type = document["explanation_type"]
        self.name = document["name"]
        self.answers = document["answers"]
        self._data = document["data"]

    def data(self, key: int | None = None) -> Any:
        if key == -1:
            return self._data
        return self._data["overall"] if key is None else self._data["specific"][key]


def sums(explanation: Explanation) -> np.ndarray:
    assert explanation.local_importances is not None
    return explanation.local_importances.totals + explanation.expected_values[:, None]


@pytest.mark.parametrize("kind", LOCAL)
def test_scores_add_up_to_what_the_model_answered(kind: str) -> None:
    given = Captured(kind)
    np.testing.assert_allclose(sums(from_interpret(given)), given.answers)


@pytest.mark.parametrize("kind", [*LOCAL, "ebm-regression-global", "ebm-multiclass-global"])
def test_can_be_stored_here(kind: str, tmp_path: Path) -> None:
    explanation = from_interpret(Captured(kind), classes=None)
    save_explanation(explanation, tmp_path / "saved")
    assert load_explanation(tmp_path / "saved") == explanation


@pytest.mark.parametrize("kind", ["ebm-regression-global", "ebm-multiclass-global"])
def test_global_scores_are_the_importances_of_the_terms(kind: str) -> None:
    given = Captured(kind)
    explanation = from_interpret(given)
    np.testing.assert_allclose(explanation.global_importance_values, given.answers)
    assert list(explanation.features) == given.data()["names"]
    assert explanation.local_importances is None


class TestKinds:
    def test_a_boosting_machine_has_its_interactions_as_features(self) -> None:
        explanation = from_interpret(Captured("ebm-regression"))
        assert explanation.features[-1].count(" & ") == 1
        assert explanation.data is not None
        assert explanation.data.names == explanation.features[:-1]
        assert explanation.method == "interpret.ExplainableBoostingRegressor"
        assert explanation.data.true is not None
        assert explanation.data.true.tolist() == [151, 75, 141]
        np.testing.assert_allclose(explanation.data.predicted, Captured("ebm-regression").answers[0])

    def test_a_binary_one_has_both_classes_in_log_odds(self) -> None:
        explanation = from_interpret(Captured("ebm-binary"))
        assert explanation.classes == ("benign", "malignant")
        assert explanation.info.output_space == "log-odds"
        local = explanation.local_importance_values
        np.testing.assert_array_equal(local[0], -local[1])
        assert explanation.data is not None
        assert explanation.data.true is None
        likelier = np.where(sums(explanation)[1] > 0, "malignant", "benign")
        assert explanation.eval_y_predicted is not None
        assert explanation.eval_y_predicted.tolist() == likelier.tolist()

    def test_names_of_classes_may_be_given(self) -> None:
        assert from_interpret(Captured("logistic")).classes == ("0", "1")
        assert from_interpret(Captured("logistic"), classes=["no", "yes"]).classes == ("no", "yes")

    def test_a_multiclass_one_has_a_score_for_each_class(self) -> None:
        explanation = from_interpret(Captured("ebm-multiclass"))
        assert explanation.classes == ("setosa", "versicolor", "virginica")
        assert explanation.local_importance_values.shape == (3, 3, 3)
        assert explanation.data is not None
        assert explanation.data.true is not None
        assert explanation.data.true.tolist() == ["setosa", "versicolor", "virginica"]

    def test_scores_that_add_up_to_a_probability_are_found_out(self) -> None:
        given = Captured("logistic")
        for row in given.data(-1)["specific"]:
            row["scores"] = [0.1, 0.2, 0.05]
            row["extra"]["scores"] = [0.25]
            row["perf"]["predicted_score"] = 0.6
        explanation = from_interpret(given)
        assert explanation.info.output_space == "probability"
        np.testing.assert_allclose(sums(explanation), [[0.4] * 6, [0.6] * 6])

    def test_aggregates_are_left_out_where_they_are_not_wanted(self) -> None:
        assert from_interpret(Captured("ebm-binary"), include_global=False).global_importances is None


class TestRefused:
    def test_a_tree_which_has_paths_and_no_scores(self) -> None:
        with pytest.raises(InvalidArgumentError, match="no score for each feature"):
            from_interpret(Captured("tree"))

    def test_a_global_explanation_without_scores(self) -> None:
        given = Captured("ebm-regression-global")
        given._data["overall"] = None
        with pytest.raises(InvalidArgumentError, match="no score for each feature"):
            from_interpret(given)

    @pytest.mark.parametrize("given", [None, "text", np.ones(3), Explanation.from_arrays(local=np.ones((1, 2)))])
    def test_what_is_no_explanation(self, given: Any) -> None:
        with pytest.raises(InvalidArgumentError, match="no local or global explanation of interpret-core"):
            from_interpret(given)
