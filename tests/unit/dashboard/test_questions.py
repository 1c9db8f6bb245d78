"""Questions about rows are answered by the model itself, and what is wrong with one is said in its answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from explanation_client.dashboard.model import LiveModel
from explanation_client.dashboard.questions import MAX_EXPLAINED, MAX_LINES, MAX_QUESTIONS, Answerer
from explanation_client.dashboard.rows import Rows
from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers import LinearExplainer, TabularExplainer
from explanation_client.explanation import Explanation
from tests.strategies import explanation_of
from tests.unit.dashboard.conftest import Case


def answerer(model: Any, data: Any, explanation: Explanation, explainer: Any = None) -> Answerer:
    names = tuple(data.columns) if isinstance(data, pd.DataFrame) else explanation.features
    rows = Rows(data=data, names=names)
    return Answerer(LiveModel(model, rows, explanation, explainer), rows)


class Counting:
    """A model that counts how often it is called."""

    def __init__(self, model: Any) -> None:
        self.model, self.calls = model, 0
        self.classes_ = model.classes_

    def predict(self, rows: Any) -> Any:
        return self.model.predict(rows)

    def predict_proba(self, rows: Any) -> Any:
        self.calls += 1
        return self.model.predict_proba(rows)


def test_answers_are_what_the_model_says_of_edited_rows(mixed: Case) -> None:
    asked = answerer(mixed.model, mixed.rows, mixed.explanation)
    grid = {"column": "size", "values": [-2.0, 0.0, 2.0]}
    edits = {"colour": "red", "age": 33}
    (found,) = asked.answer(
        [[{"row": 4, "edits": {}}, {"row": 5, "edits": edits}, {"row": 5, "edits": edits, "grid": grid}]]
    )
    plain, edited, curve = (np.array(answer["predictions"]) for answer in found["answers"])
    np.testing.assert_array_equal(plain, mixed.model.predict_proba(mixed.rows.iloc[[4]]))
    by_hand = mixed.rows.iloc[[5]].copy()
    by_hand["age"] = 33
    by_hand["colour"] = pd.Categorical(["red"], dtype=mixed.rows["colour"].dtype)
    np.testing.assert_array_equal(edited, mixed.model.predict_proba(by_hand))
    for size, answer in zip(grid["values"], curve, strict=True):
        by_hand["size"] = size
        np.testing.assert_allclose(answer, mixed.model.predict_proba(by_hand)[0], rtol=1e-12)


def test_all_questions_that_wait_are_one_call_of_the_model(mixed: Case) -> None:
    model = Counting(mixed.model)
    asked = answerer(model, mixed.rows, mixed.explanation)
    found = asked.answer([[{"row": i}, {"row": i, "grid": {"column": "age", "values": [30, 40]}}] for i in range(20)])
    assert model.calls == 1
    assert [len(answer["predictions"]) for answer in found[7]["answers"]] == [1, 2]


def test_what_is_wrong_with_one_request_leaves_the_others(mixed: Case) -> None:
    asked = answerer(mixed.model, mixed.rows, mixed.explanation)
    good, bad_row, bad_value, bad_column = asked.answer(
        [
            [{"row": 1}],
            [{"row": 60}],
            [{"row": 1, "edits": {"age": 1.5}}],
            [{"row": 1, "grid": {"column": "weight", "values": [1]}}],
        ]
    )
    assert len(good["answers"]) == 1
    assert "no row 60" in bad_row["error"]
    assert "'age' can't be 1.5: a whole number" in bad_value["error"]
    assert "no column 'weight'" in bad_column["error"]


NO_REQUESTS: list[Any] = [
    "text",
    [3],
    [{}],
    [{"row": "1"}],
    [{"row": True}],
    [{"row": 1, "edits": [1]}],
    [{"row": 1, "edits": {"age": [1]}}],
    [{"row": 1, "grid": {"column": "age"}}],
    [{"row": 1, "grid": {"column": 3, "values": []}}],
    [{"row": 1, "grid": []}],
    [{"row": 1, "explain": True}] * (MAX_EXPLAINED + 1),
    [{"row": 1, "grid": {"column": "age", "values": [1] * (MAX_LINES + 1)}}],
    [{"row": 1}] * (MAX_QUESTIONS + 1),
]


@pytest.mark.parametrize("request_", NO_REQUESTS)
def test_a_request_that_is_none_is_refused(mixed: Case, request_: Any) -> None:
    (found,) = answerer(mixed.model, mixed.rows, mixed.explanation).answer([request_])
    assert set(found) == {"error"}


def test_what_the_model_raises_is_the_answer(mixed: Case) -> None:
    class Broken(Counting):
        def predict_proba(self, rows: Any) -> Any:
            raise RuntimeError("no such thing\n\x1b[2J")

    (found,) = answerer(Broken(mixed.model), mixed.rows, mixed.explanation).answer([[{"row": 0}]])
    assert found["error"].startswith("The model failed: RuntimeError: no such thing")
    assert "\x1b" not in found["error"]


def test_a_prediction_that_is_no_number_is_no_answer() -> None:
    explanation = explanation_of(np.zeros((1, 3, 2)))
    asked = answerer(lambda rows: np.log(rows[:, 0] - 1), np.ones((3, 2)) * 2, explanation)
    with np.errstate(divide="ignore"):
        (found,) = asked.answer([[{"row": 0, "edits": {"feature 0": 1.0}}]])
    assert "NaN or infinity" in found["error"]


def test_local_importances_of_an_edited_row_add_up_to_its_prediction(mixed: Case) -> None:
    asked = answerer(mixed.model, mixed.rows, mixed.explanation)
    (found,) = asked.answer([[{"row": 3, "edits": {"size": 1.25}, "explain": True}, {"row": 3}]])
    local = found["answers"][0]["local"]
    values, base = np.array(local["values"]), np.array(local["base"])
    assert values.shape == (2, 3)
    probability = found["answers"][0]["predictions"][0][1]
    assert base[1] + values[1].sum() == pytest.approx(np.log(probability / (1 - probability)), rel=1e-6)
    assert "local" not in found["answers"][1]


def test_the_importances_are_those_of_the_explainer_that_is_given() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 3))
    model = LinearRegression().fit(rows, rows @ [1.0, 2.0, 3.0])
    explainer = LinearExplainer(model, rows[:5] + 10)
    explanation = explainer.explain_global(rows)
    asked = answerer(model, rows, explanation, explainer)
    (found,) = asked.answer([[{"row": 2, "edits": {"feature_1": 0.0}, "explain": True}]])
    edited = rows[2].copy()
    edited[1] = 0.0
    wanted = explainer.explain_local(edited).local_importance_values
    np.testing.assert_allclose(found["answers"][0]["local"]["values"], wanted[None], rtol=1e-12)


def test_importances_that_do_not_go_with_those_shown_are_not_given() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(30, 2))
    model = LogisticRegression().fit(rows, rows[:, 0] > 0)
    explained = TabularExplainer(model, rows).explain_global(rows)
    other_space = TabularExplainer(model, rows, method="kernel")
    asked = answerer(model, rows, explained, other_space)
    (found,) = asked.answer([[{"row": 0, "explain": True}]])
    assert "add up to a probability" in found["answers"][0]["note"]
    fewer = TabularExplainer(model, rows, explain_subset=[1]).explain_global(rows)
    asked = Answerer(LiveModel(model, r := Rows(data=rows, names=("a", "b")), fewer), r)
    (found,) = asked.answer([[{"row": 0, "explain": True}]])
    assert "others" in found["answers"][0]["note"]


def test_a_model_with_other_outputs_is_refused() -> None:
    rows = np.random.default_rng(0).normal(size=(30, 2))
    model = LogisticRegression().fit(rows, np.arange(30) % 3)
    with pytest.raises(InvalidArgumentError, match="3"):
        answerer(model, rows, explanation_of(np.zeros((2, 30, 2))))


def test_rows_with_other_columns_are_refused_at_once(mixed: Case) -> None:
    wrong = mixed.rows.rename(columns={"age": "years"})
    with pytest.raises(InvalidArgumentError, match="lack 'age' and have 'years' in addition"):
        answerer(mixed.model, wrong, mixed.explanation)


def test_one_output_of_a_classifier_is_asked_for_by_name(mixed: Case) -> None:
    one = mixed.explanation.output("yes")
    (found,) = answerer(mixed.model, mixed.rows, one).answer([[{"row": 0, "explain": True}]])
    answer = found["answers"][0]
    assert answer["predictions"] == [[mixed.model.predict_proba(mixed.rows.iloc[:1])[0, 1]]]
    assert np.shape(answer["local"]["values"]) == (1, 3)


def test_predictions_of_rows_are_those_of_the_model(mixed: Case) -> None:
    rows = Rows(data=mixed.rows, names=tuple(mixed.rows.columns))
    live = LiveModel(mixed.model, rows, mixed.explanation)
    found = live.predictions(np.array([3, 1]))
    assert found.predicted is not None
    assert found.predicted.tolist() == mixed.model.predict(mixed.rows.iloc[[3, 1]]).tolist()
    np.testing.assert_array_equal(found.predicted_proba, mixed.model.predict_proba(mixed.rows.iloc[[3, 1]]))
    assert live.labels == {"no": "no", "yes": "yes"}
