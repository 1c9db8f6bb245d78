"""What requests ask, in every shape that clients send."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from explanation_client.serving.problems import RefusedError
from explanation_client.serving.question import Question, read_question

COLUMNS = ("age", "bmi", "income")
ROWS = [[1.0, 2.5, 3.0], [4.0, 5.0, 6.0]]
FRAME = pd.DataFrame(ROWS, columns=list(COLUMNS))


def ask(body: Any, *, max_rows: int = 10) -> Question:
    return read_question(body if isinstance(body, bytes) else json.dumps(body).encode(), COLUMNS, max_rows=max_rows)


def refusal(body: Any, *, max_rows: int = 10) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        ask(body, max_rows=max_rows)
    return caught.value


@pytest.mark.parametrize(
    "body",
    [
        {"data": ROWS},
        {"data": FRAME.to_dict(orient="records")},
        {"dataframe_split": FRAME.to_dict(orient="split")},
        {"dataframe_split": FRAME[["income", "age", "bmi"]].to_dict(orient="split")},
        {"dataframe_split": {"columns": [0, 1, 2], "data": ROWS}},
        {"dataframe_records": FRAME.to_dict(orient="records")},
        {"dataframe_records": FRAME[["bmi", "income", "age"]].to_dict(orient="records")},
        {"instances": ROWS},
        {"instances": FRAME.to_dict(orient="records")},
        {"inputs": ROWS},
        {"inputs": FRAME[["bmi", "income", "age"]].to_dict(orient="list")},
    ],
)
def test_every_shape_gives_the_same_rows(body: dict[str, Any]) -> None:
    question = ask(body)
    assert isinstance(question.rows, np.ndarray)
    assert question.rows.tolist() == ROWS
    assert (question.explain, question.top_k, question.get_raw) == (True, None, None)


def test_the_body_of_the_seeds_is_understood() -> None:
    examples = np.array(ROWS).tolist()[:4]
    input_data = '{"data": ' + str(examples) + "}"
    assert np.asarray(ask(input_data.encode()).rows).tolist() == ROWS


@pytest.mark.parametrize("place", ["beside", "params"])
def test_options_are_taken_from_the_body_and_from_its_params(place: str) -> None:
    options = {"explain": False, "top_k": 2, "get_raw": True}
    question = ask({"data": ROWS, **options} if place == "beside" else {"data": ROWS, "params": options})
    assert (question.explain, question.top_k, question.get_raw) == (False, 2, True)


def test_null_leaves_an_option_out() -> None:
    question = ask({"data": ROWS, "params": {"top_k": None, "explain": None, "get_raw": None}})
    assert (question.explain, question.top_k, question.get_raw) == (True, None, None)
    assert ask({"data": ROWS, "params": None}).top_k is None


def test_rows_with_text_or_missing_values_stay_as_they_are() -> None:
    rows = [[1.0, "Paris", None], [None, "Rome", True]]
    assert ask({"data": rows}).rows == rows
    split = {"columns": ["income", "age", "bmi"], "data": rows}
    assert ask({"dataframe_split": split}).rows == [["Paris", None, 1.0], ["Rome", True, None]]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "no JSON"),
        (b"\xff", "no JSON"),
        (b'{"data": [[NaN, 1, 2]]}', "send null for a missing value"),
        (b'{"data": [[1e999, 1, 2]]}', "infinity"),
        (b'{"data": ' + b"[" * 100_000, "no JSON"),
        (ROWS, "a JSON array: an object is needed"),
        ({}, "exactly one of data, dataframe_split"),
        ({"rows": ROWS}, "it has rows"),
        ({"data": ROWS, "instances": ROWS}, "data and instances"),
        ({"data": ROWS, "verbose": True}, "verbose is not known here"),
        ({"data": ROWS, "params": {"depth": 1}}, "depth is not known here"),
        ({"data": ROWS, "params": [1]}, "params is a JSON array"),
        ({"data": ROWS, "top_k": 1, "params": {"top_k": 1}}, "top_k is given twice"),
        ({"data": ROWS, "top_k": 0}, "top_k is 0"),
        ({"data": ROWS, "top_k": True}, "top_k is true"),
        ({"data": ROWS, "top_k": 1.5}, "top_k is 1.5"),
        ({"data": ROWS, "explain": "no"}, "true or false"),
        ({"data": []}, "no rows"),
        ({"data": {"age": [1]}}, "data has a JSON object"),
        ({"data": [1, 2, 3]}, "row 0 is a JSON number: each row is a list of 3 values"),
        ({"data": [[1, 2]]}, "2 values, the model has 3 columns"),
        ({"data": [[1, 2, 3], [1, 2]]}, "row 1 has 2 values"),
        ({"data": [[1, 2, [3]]]}, "row 0, value 2 is a JSON array"),
        ({"data": [[1, 2, 3], {"age": 1}]}, "row 1 is a JSON object"),
        ({"dataframe_records": [{"age": 1, "bmi": 2}]}, "income missing"),
        ({"dataframe_records": [{"age": 1, "bmi": 2, "income": 3, "zip": 4}]}, "zip not known"),
        ({"dataframe_records": [{"age": 1, "bmi": 2, "income": 3}, [1, 2, 3]]}, "row 1 is a JSON array"),
        ({"dataframe_split": {"columns": ["age", "bmi", "bmi"], "data": ROWS}}, "income missing"),
        ({"dataframe_split": {"columns": ["age", "bmi", "income", "income"], "data": ROWS}}, "twice"),
        ({"dataframe_split": {"columns": ["age", None, "income"], "data": ROWS}}, "bmi missing; None not known"),
        ({"dataframe_split": {"data": ROWS}}, "needs columns and data"),
        ({"dataframe_split": {"columns": list(COLUMNS), "data": []}}, "at least one row"),
        ({"inputs": {"age": [1, 2], "bmi": [1], "income": [1, 2]}}, "all of the same length"),
        ({"inputs": {"age": 1}}, "a list of values for each column"),
        ({"inputs": {}}, "a list of values for each column"),
    ],
)
def test_what_cannot_be_right_is_refused_with_a_reason(body: Any, message: str) -> None:
    found = refusal(body)
    assert found.status == 400
    assert message in found.message
    assert len(found.message) < 500


def test_too_many_rows_are_refused() -> None:
    found = refusal({"data": ROWS}, max_rows=1)
    assert (found.status, found.code) == (413, "TOO_MANY_ROWS")
    assert len(ask({"data": ROWS}, max_rows=2).rows) == 2


def test_hostile_names_come_back_as_text_that_is_safe_to_print() -> None:
    assert "\x1b" not in refusal({"dataframe_records": [{"\x1b[2J": 1}]}).message
