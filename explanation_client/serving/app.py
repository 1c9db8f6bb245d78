"""The web application: scores, health, metrics and a page that describes them.

Requests for scores are answered by a plain ASGI function, because they are the hot path: routing and middleware of a
framework would be a tenth of what a request costs. Everything else is a FastAPI application.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from explanation_client.scoring import ScoringExplainer
from explanation_client.serving.description import VERSION, describe_explainer, describe_script
from explanation_client.serving.metrics import Metrics
from explanation_client.serving.options import Limits, SampleOptions
from explanation_client.serving.page import POLICY, describing_page
from explanation_client.serving.problems import RefusedError, too_slow
from explanation_client.serving.protocol import (
    Receive,
    Scope,
    Send,
    declared_size,
    discard_body,
    read_body,
    send_error,
    send_json,
)
from explanation_client.serving.samples import SampleLog
from explanation_client.serving.scorer import Answer, ExplainerScorer, Scorer

# The seeds' own path would be the whole address of the service; MLflow's is the second.
SCORE_PATHS = ("/score", "/invocations")
_log = logging.getLogger(__name__)


class Service:
    """The ASGI application.

    Parameters
    ----------
    scorer : Scorer
    limits : Limits
    threads : int
        Requests that are computed at a time. One is right for most models, which keep the interpreter busy.
    metrics : Metrics, optional
        None: counts of this process alone.
    describe : callable, optional
        Returns the OpenAPI description.
    closing : sequence of callables
        Called one after the other once the service has stopped and all requests are answered.

    """

    def __init__(
        self,
        scorer: Scorer,
        limits: Limits | None = None,
        *,
        threads: int = 1,
        metrics: Metrics | None = None,
        describe: Callable[[], dict[str, Any]] | None = None,
        closing: Sequence[Callable[[], None]] = (),
    ) -> None:
        self.metrics = metrics or Metrics()
        self.is_draining = False
        self._scorer = scorer
        self._limits = limits or Limits()
        self._waiting = 0
        self._held = 0
        self._closing = closing
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="score")
        self._pages = _pages(self, describe)

    @property
    def labels(self) -> dict[str, str]:
        """What metrics say of the service."""
        return self._scorer.labels

    def drain(self) -> None:
        """Say so to health checks, and end each connection with its next answer: the service is about to stop."""
        self.is_draining = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or follow the life of the server."""
        if scope["type"] != "http" or scope["path"] not in SCORE_PATHS:
            await self._pages(scope, receive, self._ending(send))
            return
        started = time.perf_counter()
        self.metrics.arrived()
        status, answer = 500, Answer(b"")
        try:
            status, answer = await self._score(scope, receive, send)
        finally:
            self.metrics.answered(status, time.perf_counter() - started, answer.rows, answer.explained)

    async def _score(self, scope: Scope, receive: Receive, send: Send) -> tuple[int, Answer]:
        """Answer a request for scores; return the status, and the answer where there is one."""
        send = self._ending(send)
        try:
            answer = await self._answer(scope, receive)
        except RefusedError as refused:
            await send_error(send, refused)
            return refused.status, Answer(b"")
        except Exception as error:
            # Its text may hold values of the rows: neither the log nor the client gets it.
            _log.error("a request ended in %s, which was not foreseen, at %s", type(error).__name__, _place(error))
            reason = f"the request ended in a fault of the service: {type(error).__name__}"
            await send_error(send, RefusedError(500, "INTERNAL_ERROR", reason))
            return 500, Answer(b"")
        await send_json(send, 200, answer.body)
        return 200, answer

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        limits = self._limits
        # A body without a size is taken for as large as it may be.
        size = declared_size(scope)
        reserved = limits.max_bytes if size is None else min(size, limits.max_bytes)
        is_full = self._held and self._held + reserved > limits.max_held_bytes
        if self._waiting >= limits.max_waiting or is_full:
            await discard_body(receive, limits)
            raise RefusedError(503, "BUSY", "the service has as many requests as it takes: come back", retry_after=1)
        self._waiting += 1
        self._held += reserved
        try:
            body = await read_body(scope, receive, limits)
            until = time.monotonic() + limits.answer_seconds
            working = asyncio.get_running_loop().run_in_executor(self._pool, self._scorer.answer, body, until)
            async with asyncio.timeout(limits.answer_seconds):
                return await working
        except TimeoutError as error:
            raise too_slow(limits.answer_seconds) from error
        finally:
            self._waiting -= 1
            self._held -= reserved

    def _ending(self, send: Send) -> Send:
        """Return a ``send`` that ends the connection with this answer, where the service is about to stop."""
        if not self.is_draining:
            return send

        async def ending(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        return ending

    def close(self) -> None:
        """Wait for what is being computed, and end what runs beside the requests."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for step in self._closing:
            step()


def create_app(
    explainer: ScoringExplainer,
    *,
    limits: Limits | None = None,
    sample: SampleOptions | None = None,
    threads: int = 1,
    metrics: Metrics | None = None,
) -> Service:
    """Return the ASGI application that serves a scoring explainer, for any ASGI server.

    Parameters
    ----------
    explainer : ScoringExplainer
    limits : Limits, optional
    sample : SampleOptions, optional
        Store a sample of the explanations with a run. None: nothing is stored.
    threads : int
        Requests that are computed at a time.
    metrics : Metrics, optional
        None: counts of this process alone.

    """
    limits, metrics = limits or Limits(), metrics or Metrics()
    samples = None if sample is None else SampleLog(explainer, sample, metrics)
    if samples is not None:
        samples.start()
    return Service(
        ExplainerScorer(explainer, limits, samples),
        limits,
        threads=threads,
        metrics=metrics,
        describe=lambda: describe_explainer(explainer, limits),
        closing=() if samples is None else (samples.close,),
    )


def _pages(service: Service, describe: Callable[[], dict[str, Any]] | None) -> Any:
    """Return the FastAPI application with everything but the scores."""
    described = describe or describe_script

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.close)

    # Its own pages load scripts from elsewhere: ours need nothing but this service.
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)

    # Async functions, so that a health check waits for no thread.
    async def live_check() -> Response:
        return JSONResponse({"status": "alive"})

    async def ready_check() -> Response:
        if service.is_draining:
            return JSONResponse({"status": "stopping"}, 503, {"retry-after": "1"})
        return JSONResponse({"status": "ready"})

    async def metrics_page() -> Response:
        labels = {"version": VERSION, **service.labels}
        return PlainTextResponse(service.metrics.render(labels), media_type="text/plain; version=0.0.4")

    async def version_page() -> Response:
        return PlainTextResponse(VERSION)

    async def description() -> Response:
        return JSONResponse(described())

    async def page() -> Response:
        return HTMLResponse(describing_page(described()), headers={"content-security-policy": POLICY})

    async def refuse(_: Request, error: Any) -> Response:
        code = "NOT_FOUND" if error.status_code == 404 else "METHOD_NOT_ALLOWED"
        body = {"error_code": code, "message": str(error.detail)}
        return JSONResponse(body, error.status_code, getattr(error, "headers", None))

    routes = {
        live_check: ("/health", "/health/live"),
        ready_check: ("/ping", "/health/ready"),
        metrics_page: ("/metrics",),
        version_page: ("/version",),
        description: ("/openapi.json",),
        page: ("/", "/docs"),
    }
    for endpoint, paths in routes.items():
        for path in paths:
            app.add_api_route(path, endpoint, methods=["GET", "HEAD"])
    app.add_exception_handler(404, refuse)
    app.add_exception_handler(405, refuse)
    return app


def _place(error: BaseException) -> str:
    """Return the file and line that an error comes from, without its text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "an unknown place" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
