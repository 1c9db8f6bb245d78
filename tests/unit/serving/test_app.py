"""The web application, asked over ASGI."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, ClassVar

import httpx
import numpy as np
import pytest

from explanation_client import serving
from explanation_client.errors import MissingDependencyError
from explanation_client.scoring import ScoringExplainer
from explanation_client.serving import Limits, Service, create_app
from explanation_client.serving.page import POLICY, describing_page
from explanation_client.serving.scorer import Answer

JSON = {"content-type": "application/json"}


class Slow:
    """Answers when it is allowed to."""

    labels: ClassVar[dict[str, str]] = {}

    def __init__(self) -> None:
        self.go = threading.Event()

    def answer(self, body: bytes, until: float) -> Answer:
        assert self.go.wait(10)
        return Answer(body)


class Failing:
    """Fails with a text that holds a value of a row."""

    labels: ClassVar[dict[str, str]] = {}

    def answer(self, body: bytes, until: float) -> Answer:
        raise RuntimeError("could not convert 'Jane Doe'")


def talk(app: Service, conversation: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
    """Return what a conversation with the application returns."""

    async def run() -> Any:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await conversation(client)

    return asyncio.run(run())


def post(app: Service, body: Any, path: str = "/score", **options: Any) -> httpx.Response:
    content = {"json": body} if isinstance(body, dict) else {"content": body}
    return talk(app, lambda client: client.post(path, **content, **{"headers": JSON, **options}))


def get(app: Service, path: str) -> httpx.Response:
    return talk(app, lambda client: client.get(path))


@pytest.fixture(scope="module")
def app(classifier: ScoringExplainer) -> Service:
    return create_app(classifier, limits=Limits(max_rows=50, max_bytes=20_000))


@pytest.mark.parametrize("path", ["/score", "/invocations"])
def test_the_answer_has_predictions_and_importances(
    app: Service, classifier: ScoringExplainer, rows: np.ndarray, path: str
) -> None:
    response = post(app, {"data": rows[:4].tolist()}, path)
    assert response.status_code == 200
    answer = response.json()
    assert answer["predictions"] == classifier.predict(rows[:4]).tolist()
    assert answer["probabilities"] == classifier.predict_proba(rows[:4]).tolist()
    assert answer["local_importance_values"] == classifier.explain(rows[:4]).tolist()
    assert answer["features"] == ["age", "bmi", "income"]
    assert answer["classes"] == ["no", "yes"]
    assert answer["expected_values"] == classifier.expected_values.tolist()


def test_a_regression_has_values_of_rows_by_features(regression: ScoringExplainer, rows: np.ndarray) -> None:
    answer = post(create_app(regression), {"data": rows[:4].tolist()}).json()
    values = np.array(answer["local_importance_values"])
    assert values.shape == (4, 3)
    assert not {"probabilities", "classes"} & set(answer)
    assert values.sum(axis=1) + answer["expected_values"][0] == pytest.approx(answer["predictions"])


def test_top_k_ranks_each_row_and_rows_still_add_up(app: Service, rows: np.ndarray) -> None:
    whole = post(app, {"data": rows[:4].tolist()}).json()
    answer = post(app, {"data": rows[:4].tolist(), "params": {"top_k": 2}}).json()
    assert "features" not in answer
    for c in range(2):
        for n in range(4):
            values = dict(zip(whole["features"], whole["local_importance_values"][c][n], strict=True))
            ranked = sorted(values, key=lambda name: -abs(values[name]))[:2]
            assert answer["local_importance_names"][c][n] == ranked
            assert answer["local_importance_values"][c][n] == [values[name] for name in ranked]
            kept = sum(answer["local_importance_values"][c][n])
            assert kept + answer["local_importance_rest"][c][n] == pytest.approx(sum(values.values()))


def test_without_explanation_there_are_predictions_alone(app: Service, rows: np.ndarray) -> None:
    whole = post(app, {"data": rows[:4].tolist()}).json()
    answer = post(app, {"data": rows[:4].tolist(), "explain": False}).json()
    assert answer == {name: whole[name] for name in ("predictions", "probabilities")}


def test_raw_rows_are_explained_by_their_raw_features(of_text: ScoringExplainer) -> None:
    app = create_app(of_text)
    body = {"dataframe_records": [{"city": "Rome", "age": 0.5}, {"city": "Paris", "age": -1}]}
    answer = post(app, body).json()
    assert answer["features"] == ["age", "city"]
    assert answer["predictions"] == [False, True]
    engineered = post(app, {**body, "get_raw": False}).json()
    assert len(engineered["features"]) == 3


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"data": [[1, 2]]}, 400, "BAD_REQUEST"),
        ({"data": [[1, 2, "three"]]}, 400, "BAD_REQUEST"),
        ({"data": [[1, 2, 3]], "top_k": 4}, 400, "BAD_REQUEST"),
        ({"data": [[1, 2, 3]], "get_raw": True}, 400, "BAD_REQUEST"),
        (b"{", 400, "INVALID_JSON"),
        ({"data": [[1, 2, 3]] * 51}, 413, "TOO_MANY_ROWS"),
        (b" " * 20_001, 413, "REQUEST_TOO_LARGE"),
    ],
)
def test_what_is_refused_says_why(app: Service, body: Any, status: int, code: str) -> None:
    response = post(app, body)
    assert response.status_code == status
    assert response.json()["error_code"] == code
    assert response.json()["message"]


def test_other_methods_types_and_encodings_are_refused(app: Service) -> None:
    assert get(app, "/score").status_code == 405
    assert post(app, b"a,b\n1,2", headers={"content-type": "text/csv"}).status_code == 415
    assert post(app, b"{}", headers={**JSON, "content-encoding": "gzip"}).status_code == 415
    assert post(app, b"{}", headers={"content-type": "Application/JSON; charset=utf-8"}).status_code == 400


def test_a_body_is_refused_while_it_arrives_and_none_of_it_is_kept(app: Service) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 1000

    assert post(app, endless()).status_code == 413
    assert sent <= 82


def test_whoever_asks_before_sending_is_told_at_once(app: Service) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was asked for")
        yield b""

    headers = {**JSON, "content-length": "30000", "expect": "100-continue"}
    assert post(app, never(), headers=headers).status_code == 413


def test_a_body_that_does_not_arrive_is_given_up(classifier: ScoringExplainer) -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)

    response = post(create_app(classifier, limits=Limits(body_seconds=0.02)), stuck())
    assert (response.status_code, response.json()["error_code"]) == (408, "REQUEST_TIMEOUT")


def test_health_is_answered_while_the_model_is_busy() -> None:
    scorer = Slow()
    app = Service(scorer)

    async def conversation(client: httpx.AsyncClient) -> tuple[float, httpx.Response]:
        waiting = asyncio.create_task(client.post("/score", content=b"{}", headers=JSON))
        await asyncio.sleep(0.02)
        started = time.perf_counter()
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/ping")).status_code == 200
        took = time.perf_counter() - started
        assert not waiting.done()
        scorer.go.set()
        return took, await waiting

    took, response = talk(app, conversation)
    assert took < 1
    assert response.content == b"{}"


def test_more_requests_than_it_takes_are_told_to_come_back() -> None:
    scorer = Slow()
    app = Service(scorer, Limits(max_waiting=2))

    async def conversation(client: httpx.AsyncClient) -> tuple[httpx.Response, list[httpx.Response]]:
        waiting = [asyncio.create_task(client.post("/score", content=b"{}", headers=JSON)) for _ in range(2)]
        await asyncio.sleep(0.02)
        refused = await client.post("/score", content=b"{}", headers=JSON)
        scorer.go.set()
        answered = list(await asyncio.gather(*waiting))
        assert (await client.post("/score", content=b"{}", headers=JSON)).status_code == 200
        return refused, answered

    refused, answered = talk(app, conversation)
    assert (refused.status_code, refused.json()["error_code"]) == (503, "BUSY")
    assert refused.headers["retry-after"] == "1"
    assert [response.status_code for response in answered] == [200, 200]


def test_more_bytes_than_it_holds_are_told_to_come_back() -> None:
    scorer = Slow()
    app = Service(scorer, Limits(max_held_bytes=150))
    body = b" " * 100

    async def conversation(client: httpx.AsyncClient) -> list[int]:
        waiting = asyncio.create_task(client.post("/score", content=body, headers=JSON))
        await asyncio.sleep(0.02)
        refused = await client.post("/score", content=body, headers=JSON)
        scorer.go.set()
        return [
            refused.status_code,
            (await waiting).status_code,
            (await client.post("/score", content=body)).status_code,
        ]

    assert talk(app, conversation) == [503, 200, 200]


def test_an_answer_that_takes_too_long_is_given_up() -> None:
    scorer = Slow()
    response = post(Service(scorer, Limits(answer_seconds=0.02)), b"{}")
    scorer.go.set()
    assert (response.status_code, response.json()["error_code"]) == (504, "TIMEOUT")


def test_a_fault_is_said_without_what_the_rows_hold(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        response = post(Service(Failing()), b"{}")
    assert (response.status_code, response.json()["error_code"]) == (500, "INTERNAL_ERROR")
    assert "RuntimeError" in caplog.text
    assert "Jane" not in response.text + caplog.text


def test_a_service_that_stops_answers_and_ends_connections(classifier: ScoringExplainer, rows: np.ndarray) -> None:
    app = create_app(classifier)
    assert get(app, "/health/ready").status_code == 200
    app.drain()
    assert get(app, "/health/ready").status_code == get(app, "/ping").status_code == 503
    assert get(app, "/health/live").status_code == 200
    response = post(app, {"data": rows[:1].tolist()})
    assert response.status_code == 200
    assert response.headers["connection"] == "close"


def test_metrics_count_what_was_answered(classifier: ScoringExplainer, rows: np.ndarray) -> None:
    app = create_app(classifier)
    post(app, {"data": rows[:3].tolist()})
    post(app, {"data": rows[:2].tolist(), "explain": False})
    post(app, b"{")
    text = get(app, "/metrics").text
    for line in (
        'requests_total{status="200"} 2',
        'requests_total{status="400"} 1',
        " rows_total 5".strip(),
        "explained_rows_total 3",
        "in_flight 0",
        'method="scoring.linear"',
    ):
        assert line in text


def test_the_description_names_columns_and_classes(app: Service) -> None:
    described = get(app, "/openapi.json").json()
    assert described["openapi"] == "3.1.0"
    scoring = described["paths"]["/score"]["post"]
    example = scoring["requestBody"]["content"]["application/json"]["examples"]["by name"]["value"]
    assert example["dataframe_split"]["columns"] == ["age", "bmi", "income"]
    assert post(app, example).status_code == 200
    properties = scoring["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
    assert set(post(app, example).json()) <= set(properties)
    assert set(post(app, {**example, "top_k": 1}).json()) <= set(properties)


def test_the_examples_are_rows_that_the_model_takes(of_text: ScoringExplainer) -> None:
    app = create_app(of_text)
    scoring = get(app, "/openapi.json").json()["paths"]["/score"]["post"]
    for example in scoring["requestBody"]["content"]["application/json"]["examples"].values():
        assert post(app, example["value"]).status_code == 200


def test_the_page_needs_nothing_from_elsewhere(app: Service) -> None:
    response = get(app, "/")
    assert response.headers["content-security-policy"] == POLICY
    assert "http" not in response.text.replace("http-equiv", "")
    assert "/score" in response.text
    assert get(app, "/docs").text == response.text


def test_hostile_names_are_only_text_on_the_page() -> None:
    description = {
        "info": {"title": "<script>alert(1)</script>", "description": "</textarea><img src=x>"},
        "paths": {"/score": {"post": {"summary": "<b>", "requestBody": {"content": {"application/json": {}}}}}},
    }
    page = describing_page(description)
    assert page.count("<script>") == 1
    assert "<img" not in page
    assert "<b>" not in page


def test_unknown_addresses_are_refused_in_json(app: Service) -> None:
    response = get(app, "/nothing")
    assert (response.status_code, response.json()["error_code"]) == (404, "NOT_FOUND")


def test_what_is_missing_is_said_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    monkeypatch.delitem(sys.modules, "explanation_client.serving.app")
    monkeypatch.delitem(vars(serving), "create_app", raising=False)
    with pytest.raises(MissingDependencyError, match=r"explanation-client\[serve\]"):
        _ = serving.create_app
