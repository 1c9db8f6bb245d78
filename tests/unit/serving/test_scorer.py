"""Answers to the bodies of requests, and what they may cost."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from explanation_client.errors import InvalidArgumentError
from explanation_client.scoring import Score, ScoringExplainer
from explanation_client.scoring.response import explained
from explanation_client.serving import scorer as scorers
from explanation_client.serving.options import Limits
from explanation_client.serving.problems import RefusedError
from explanation_client.serving.question import read_question
from explanation_client.serving.scorer import MODEL_DIR, ExplainerScorer, ScriptScorer

LATER = math.inf


def ask(scorer: ExplainerScorer, rows: np.ndarray, until: float = LATER, **options: Any) -> dict[str, Any]:
    answer = scorer.answer(json.dumps({"data": rows.tolist(), **options}).encode(), until)
    assert answer.rows == len(rows)
    return json.loads(answer.body)


def test_many_rows_are_explained_in_blocks_with_the_same_answer(
    classifier: ScoringExplainer, of_text: ScoringExplainer
) -> None:
    rows = np.random.default_rng(1).standard_normal((500, 3))
    answer = ask(ExplainerScorer(classifier, Limits()), rows)
    score = classifier.score(rows)
    assert np.allclose(answer["local_importance_values"], score.values, rtol=1e-12)
    assert np.allclose(answer["probabilities"], score.probabilities, rtol=1e-12)
    assert answer["predictions"] == score.predictions.tolist()
    text = np.array([[0.5, "Rome"], [None, "Paris"]] * 100, dtype=object)
    text[1::2, 0] = 1.5
    assert ask(ExplainerScorer(of_text, Limits()), text)["predictions"] == of_text.predict(text.tolist()).tolist()


def test_the_work_ends_where_nobody_waits_for_it(classifier: ScoringExplainer) -> None:
    scorer = ExplainerScorer(classifier, Limits())
    with pytest.raises(RefusedError) as refused:
        ask(scorer, np.zeros((65, 3)), until=time.monotonic() - 1)
    assert refused.value.status == 504


def test_rows_are_limited_by_the_size_of_their_answer_too(
    classifier: ScoringExplainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorers, "_MOST_VALUES", 60)
    scorer = ExplainerScorer(classifier, Limits())
    ask(scorer, np.zeros((10, 3)))
    with pytest.raises(RefusedError, match="at most 10"):
        ask(scorer, np.zeros((11, 3)))


def test_what_is_not_finite_is_refused(regression: ScoringExplainer) -> None:
    scorer, rows = ExplainerScorer(regression, Limits()), np.full((1, 3), 1e308)
    with np.errstate(over="ignore"):
        with pytest.raises(RefusedError) as refused:
            ask(scorer, rows)
        assert (refused.value.status, refused.value.code) == (422, "NOT_FINITE")
        with pytest.raises(RefusedError, match="predictions of these rows"):
            ask(scorer, rows, explain=False)


def test_without_the_model_it_explains_and_does_not_predict(rows: np.ndarray) -> None:
    from sklearn.linear_model import LinearRegression

    from explanation_client.explainers import LinearExplainer

    explainer = LinearExplainer(LinearRegression().fit(rows, rows[:, 0]), rows)
    scorer = ExplainerScorer(explainer.create_scoring_explainer(keep_model=False), Limits())
    assert "predictions" not in ask(scorer, rows[:2])
    with pytest.raises(RefusedError, match="can't predict"):
        ask(scorer, rows[:2], explain=False)


@pytest.mark.parametrize("n_rows", [3, 2000])
def test_few_rows_and_many_are_ranked_alike(classifier: ScoringExplainer, n_rows: int) -> None:
    values = np.round(np.random.default_rng(0).standard_normal((2, n_rows, 12)), 1)
    names = tuple(f"f{i}" for i in range(12))
    score = Score(features=names, values=values, expected_values=np.zeros(2), predictions=None, probabilities=None)
    answer = explained(classifier, score, top_k=5)
    for c, n in ((0, 0), (1, 2), (1, n_rows - 1)):
        # Ties keep the order of the features.
        order = sorted(range(12), key=lambda i: -abs(values[c, n, i]))[:5]
        assert answer["local_importance_names"][c, n].tolist() == [names[i] for i in order]
        assert answer["local_importance_values"][c, n].tolist() == values[c, n, order].tolist()
    total = answer["local_importance_values"].sum(axis=-1) + answer["local_importance_rest"]
    assert np.allclose(total, values.sum(axis=-1))


def script(folder: Path, text: str) -> ScriptScorer:
    path = folder / "score.py"
    path.write_text(text)
    return ScriptScorer(path, folder)


@pytest.fixture(autouse=True)
def model_dir(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODEL_DIR, "")


def test_a_script_is_set_up_once_and_asked_with_text(tmp_path: Path) -> None:
    scorer = script(
        tmp_path,
        "import os\nimport numpy as np\ncalls = []\n"
        "def init(): calls.append(os.environ['AZUREML_MODEL_DIR'])\n"
        "def run(raw_data): return {'asked': raw_data, 'dirs': calls, 'array': np.arange(2.0)}\n",
    )
    for _ in range(2):
        answer = json.loads(scorer.answer("{é}".encode(), LATER).body)
    assert answer == {"asked": "{é}", "dirs": [str(tmp_path)], "array": [0.0, 1.0]}
    assert os.environ[MODEL_DIR] == str(tmp_path)
    with pytest.raises(RefusedError, match="UTF-8"):
        scorer.answer(b"\xff", LATER)


def test_a_script_that_returns_nan_is_refused(tmp_path: Path) -> None:
    scorer = script(tmp_path, "def init(): pass\ndef run(raw_data): return float('nan')\n")
    with pytest.raises(RefusedError, match="no JSON"):
        scorer.answer(b"", LATER)


def test_what_is_no_script_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"no function run\(\)"):
        script(tmp_path, "def init(): pass\n")
    with pytest.raises(InvalidArgumentError, match="there is no script"):
        ScriptScorer(tmp_path / "none.py", tmp_path)


def test_rows_that_the_model_does_not_take_are_the_clients_affair(of_text: ScoringExplainer) -> None:
    with pytest.raises(RefusedError) as refused:
        ExplainerScorer(of_text, Limits()).answer(b'{"data": [[1, "Atlantis\\u202e"]]}', LATER)
    assert (refused.value.status, refused.value.code) == (422, "ROWS_NOT_TAKEN")
    assert "Atlantis\\u202e" in refused.value.message


_KEYS = (
    "data",
    "dataframe_split",
    "instances",
    "inputs",
    "columns",
    "index",
    "params",
    "top_k",
    "explain",
    "age",
    "bmi",
)
_VALUES = (
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text(max_size=3)
)
_JSON = st.recursive(
    _VALUES, lambda part: st.lists(part, max_size=4) | st.dictionaries(st.sampled_from(_KEYS), part, max_size=3)
)
_ROW = st.lists(_VALUES, min_size=2, max_size=3) | st.dictionaries(
    st.sampled_from(("age", "bmi", "income", "city")), _VALUES
)


@pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value encountered")
@given(st.dictionaries(st.sampled_from(_KEYS), _JSON, max_size=3) | st.fixed_dictionaries({"data": st.lists(_ROW)}))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_asked_is_answered_or_refused(
    classifier: ScoringExplainer, of_text: ScoringExplainer, body: dict[str, Any]
) -> None:
    for explainer in (classifier, of_text):
        try:
            answer = ExplainerScorer(explainer, Limits()).answer(json.dumps(body).encode(), LATER)
        except RefusedError as refused:
            assert refused.status in (400, 413, 422)
        else:
            json.loads(answer.body, parse_constant=pytest.fail)


@given(st.binary(max_size=30))
@settings(max_examples=30)
def test_bytes_that_are_no_json_are_refused(body: bytes) -> None:
    with pytest.raises(RefusedError):
        read_question(body, ("age",), max_rows=1)
