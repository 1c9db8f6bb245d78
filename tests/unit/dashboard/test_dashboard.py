"""ExplanationDashboard: what it takes, and what it shows of it."""

from __future__ import annotations

import io
import json
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explanation_client.dashboard import ExplanationDashboard
from explanation_client.dashboard.conversation import Conversation
from explanation_client.dashboard.files import Shown
from explanation_client.dataset import EvaluationData
from explanation_client.errors import InvalidArgumentError
from explanation_client.explanation import Explanation
from tests.strategies import explanation_of, random_explanation
from tests.unit.dashboard.conftest import Case


def shown(dashboard: ExplanationDashboard, source: int = 0) -> Shown:
    return dashboard._opened.shown[source]


def table(one: Shown, role: str) -> pa.Table:
    (name,) = [entry["name"] for entry in json.loads(one.manifest)["files"] if entry["role"] == role]
    return pq.read_table(io.BytesIO(bytes(one.files[name])))


def page(*arguments: Any, **named: Any) -> ExplanationDashboard:
    return ExplanationDashboard(*arguments, mode="html", **named)


@pytest.mark.parametrize(
    "call",
    [
        lambda c: page(c.explanation, c.model, c.rows),
        lambda c: page(c.explanation, c.model, dataset=c.rows, true_y=c.labels),
        lambda c: page(c.explanation, c.model, datasetX=c.rows, trueY=c.labels.tolist()),
        lambda c: page(c.explanation, c.model),
        lambda c: page(c.explanation),
    ],
)
def test_the_call_shapes_of_the_originals_work(mixed: Case, call: Any) -> None:
    dashboard = call(mixed)
    one = shown(dashboard)
    assert table(one, "view-data").column_names == ["age", "colour", "size"]
    labels = table(one, "view-labels")
    assert labels["predicted"].to_pylist() == mixed.model.predict(mixed.rows).tolist()
    assert labels["row_name"].to_pylist() == list(mixed.rows.index)
    assert "ExplanationDashboard of Explanation" in repr(dashboard)


def test_true_values_are_shown_with_the_rows(mixed: Case) -> None:
    found = table(shown(page(mixed.explanation, true_y=mixed.labels)), "view-labels")
    assert found["true"].to_pylist() == mixed.labels.tolist()


def test_predictions_are_the_models_where_the_explanation_has_none(mixed: Case) -> None:
    bare = replace(mixed.explanation, data=None)
    found = table(shown(page(bare, mixed.model, mixed.rows)), "view-labels")
    np.testing.assert_array_equal(found["predicted_proba_1"].to_numpy(), mixed.model.predict_proba(mixed.rows)[:, 1])
    assert found["predicted"].to_pylist() == mixed.model.predict(mixed.rows).tolist()


def test_other_names_of_features_and_classes_are_shown_everywhere(mixed: Case) -> None:
    one = shown(
        page(mixed.explanation, mixed.model, features=["a", "b", "c"], classes=["bad", "good"], true_y=mixed.labels)
    )
    assert set(table(one, "features")["feature"].to_pylist()) == {"a", "b", "c"}
    assert table(one, "view-data").column_names == ["a", "b", "c"]
    assert json.loads(one.manifest)["info"]["outputs"] == ["bad", "good"]
    labels = table(one, "view-labels")
    assert set(labels["true"].to_pylist()) == set(labels["predicted"].to_pylist()) == {"bad", "good"}


def test_rows_without_names_have_those_of_the_features() -> None:
    explanation = replace(random_explanation(1, 6, 3), local_importances=None)
    rows = np.arange(18.0).reshape(6, 3)
    one = shown(page(explanation, dataset=rows))
    assert table(one, "view-data").column_names == list(explanation.features)
    assert table(one, "view").column_names == ["output", "row"]
    wider = shown(page(explanation, dataset=np.ones((6, 4))))
    assert table(wider, "view-data").column_names == ["0", "1", "2", "3"]


def test_a_sample_takes_the_same_rows_of_everything() -> None:
    explanation = random_explanation(1, 500, 2)
    rows = np.column_stack([np.arange(500.0), np.zeros(500)])
    dashboard = page(explanation, lambda x: x[:, 0], rows, true_y=np.arange(500.0) * 2, max_rows=40)
    one = shown(dashboard)
    positions = table(one, "view")["row"].to_numpy()
    assert len(positions) == 40
    assert (table(one, "view-data")["feature 0"].to_numpy() == positions).all()
    labels = table(one, "view-labels")
    assert (labels["true"].to_numpy() == positions * 2).all()
    assert (labels["predicted"].to_numpy() == positions).all()


def test_without_a_model_or_rows_it_says_what_to_pass(mixed: Case) -> None:
    assert "Pass the model" in page(mixed.explanation)._opened.config["modelHint"]["text"]
    bare = replace(mixed.explanation, data=None)
    config = page(bare, mixed.model)._opened.config
    assert config["model"] is False
    assert "does not hold the rows" in config["modelHint"]["text"]
    assert "modelHint" not in page(mixed.explanation, mixed.model)._opened.config


def test_only_global_importances_are_enough(mixed: Case) -> None:
    only = replace(mixed.explanation, local_importances=None, per_class_importances=None, data=None)
    assert [entry["role"] for entry in json.loads(shown(page(only)).manifest)["files"]] == ["features"]


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda c: page("explanation"), "explanation is a builtins.str"),
        (lambda c: page(c.explanation, c.model, c.rows[:10]), "10 rows, and 60 were explained"),
        (lambda c: page(c.explanation, true_y=[1, 2]), "true_y has 2 rows"),
        (lambda c: page(c.explanation, true_y=[[1], [2, 3]]), "true_y is no list"),
        (lambda c: page(c.explanation, dataset=c.rows, datasetX=c.rows), "dataset was given twice"),
        (lambda c: page(c.explanation, features=["a"]), "names 1 features"),
        (lambda c: page(c.explanation, classes=["a"]), "names 1 classes"),
        (lambda c: page(c.explanation, theme="blue"), "theme='blue'"),
        (lambda c: page(c.explanation, max_rows=0), "max_rows=0"),
        (lambda c: page(c.explanation, comparison=["x"]), "comparison has a str"),
        (lambda c: ExplanationDashboard(c.explanation, mode="popup"), "mode='popup'"),  # type: ignore[arg-type]
    ],
)
def test_what_does_not_fit_is_refused_at_once(mixed: Case, call: Any, why: str) -> None:
    with pytest.raises(InvalidArgumentError, match=why):
        call(mixed)


def test_a_page_in_a_frame_holds_no_quote_that_ends_it(mixed: Case) -> None:
    bundle = page(mixed.explanation)._repr_mimebundle_()
    frame = bundle["text/html"]
    assert frame.count('"') == 8
    assert "<!doctype" not in frame
    assert 'sandbox="allow-scripts allow-downloads"' in frame


def test_a_model_that_fails_leaves_a_dashboard_without_predictions() -> None:
    def broken(rows: Any) -> Any:
        if len(rows) > 20:
            raise RuntimeError("out of memory")
        return rows[:, 0]

    explanation = random_explanation(1, 50, 2)
    dashboard = page(explanation, broken, np.ones((50, 2)))
    with pytest.warns(UserWarning, match="no predictions.*out of memory"):
        one = shown(dashboard)
    assert "view-labels" not in {entry["role"] for entry in json.loads(one.manifest)["files"]}
    assert "view-data" in {entry["role"] for entry in json.loads(one.manifest)["files"]}


def test_a_downloaded_explanation_is_read_when_it_is_shown(mixed: Case) -> None:
    from tests.golden.bundle import store

    bundle = store(mixed.explanation, include_data=True)
    lazy = bundle.open()
    before = list(bundle.fetched)
    dashboard = page(lazy, mixed.model, mixed.rows)
    assert bundle.fetched == before
    assert table(shown(dashboard), "view").num_rows == 60
    assert len(bundle.fetched) > len(before)


# --- What a widget and the kernel say to each other --------------------------------------------------------------


class Wire:
    """Keeps what is sent."""

    def __init__(self, explanation: Explanation, *more: Any) -> None:
        dashboard = page(explanation, *more)
        self.sent: list[tuple[dict[str, Any], list[Any]]] = []
        self.conversation = Conversation(
            lambda: dashboard._opened,
            dashboard._answerer,
            lambda content, buffers: self.sent.append((content, list(buffers))),
        )

    def ask(self, **message: Any) -> tuple[dict[str, Any], list[Any]]:
        self.conversation.receive(message)
        return self.sent.pop()


def test_a_view_gets_the_front_end_the_files_and_answers(mixed: Case) -> None:
    wire = Wire(mixed.explanation, mixed.model, mixed.rows)
    reply, (script, style) = wire.ask(id="v-1", do="open")
    assert (reply["id"], reply["result"]["model"]) == ("v-1", True)
    assert b"export" in script
    assert style
    (source,) = reply["result"]["sources"]
    _, (manifest,) = wire.ask(id="v-2", do="read", source=0, name="")
    assert {entry["name"] for entry in json.loads(manifest)["files"]} == set(source["files"])
    reply, (data,) = wire.ask(id="v-3", do="read", source=0, name=source["files"][0])
    assert bytes(data[:4]) == b"PAR1"
    reply, _ = wire.ask(id="v-4", do="predict", questions=[{"row": 2}])
    assert reply["result"][0]["predictions"][0] == mixed.model.predict_proba(mixed.rows.iloc[[2]])[0].tolist()
    json.dumps(reply)


@pytest.mark.parametrize(
    "message",
    [
        {"do": "read", "source": 1, "name": ""},
        {"do": "read", "source": 0, "name": "../../etc/passwd"},
        {"do": "read", "source": "0"},
        {"do": "explode"},
        {"do": "predict", "questions": [{"row": 0}]},
    ],
)
def test_a_request_that_cannot_be_met_gets_a_reason(mixed: Case, message: dict[str, Any]) -> None:
    reply, buffers = Wire(mixed.explanation).ask(id="1", **message)
    assert reply["error"]
    assert not buffers


def test_what_is_no_request_is_ignored(mixed: Case) -> None:
    wire = Wire(mixed.explanation)
    for message in (None, [], {"do": "open"}, {"id": 3}):
        wire.conversation.receive(message)
    assert wire.sent == []


def test_questions_that_were_cancelled_are_not_asked(mixed: Case) -> None:
    import asyncio

    wire = Wire(mixed.explanation, mixed.model, mixed.rows)

    async def burst() -> None:
        for i in range(4):
            wire.conversation.receive({"id": str(i), "do": "predict", "questions": [{"row": i}]})
        for i in range(3):
            wire.conversation.receive({"id": str(i), "do": "cancel"})
        await asyncio.sleep(0.06)

    asyncio.run(burst())
    assert [content["id"] for content, _ in wire.sent] == ["3"]


def test_an_explanation_that_cannot_be_shown_says_why() -> None:
    broken = explanation_of(np.array([[[np.nan, 1.0]]]), with_global=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = replace(broken, data=EvaluationData(names=("a",), columns=(np.array([1j]),)))
        reply, _ = Wire(rows).ask(id="1", do="open")
    assert "complex" in reply["error"]
