"""What a widget in a browser and the kernel say to each other: requests with ids, each of which gets one reply.

Requests are ``{"id", "do": "open"}``, ``{"id", "do": "read", "source", "name"}`` (no name: the manifest),
``{"id", "do": "predict", "questions"}``, ``{"do": "cancel", "id"}`` and ``{"id", "do": "ping"}``. Replies are
``{"id", "result"}``, with bytes beside it, or ``{"id", "error"}`` with a sentence for the user.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from explanation_client.dashboard.files import Shown
from explanation_client.dashboard.questions import Answerer
from explanation_client.errors import ExplanationError

_log = logging.getLogger(__name__)

Send = Callable[[dict[str, Any], Sequence[Any]], None]

# Seconds that questions wait, so that later ones, or a cancellation, overtake what they make stale.
_PAUSE = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What the front end is started with: its own code, settings, and the files that it may read."""

    config: Mapping[str, Any]
    script: str
    style: str
    shown: Sequence[Shown]


class Conversation:
    """Answers the requests of all views of one widget.

    Parameters
    ----------
    opened : callable
        Returns what to show; called when the first view asks.
    answerer : Answerer, optional
        None: there is no model.
    send : callable
        Sends a reply and buffers.

    """

    def __init__(self, opened: Callable[[], Opened], answerer: Answerer | None, send: Send) -> None:
        self._opened = opened
        self._answerer = answerer
        self._send = send
        self._asked: dict[str, Any] = {}

    def receive(self, message: Any) -> None:
        """Take one request; whatever is wrong with it is in the reply."""
        if not isinstance(message, Mapping) or not isinstance(message.get("id"), str):
            _log.warning("a message without an id was ignored")
            return
        request_id, task = message["id"], message.get("do")
        if task == "cancel":
            self._asked.pop(request_id, None)
        elif task == "predict":
            self._asked[request_id] = message.get("questions")
            _soon(self._answer)
        else:
            self._reply(request_id, task, message)

    def _reply(self, request_id: str, task: Any, message: Mapping[str, Any]) -> None:
        try:
            result, buffers = self._work(task, message)
        except (ExplanationError, LookupError, OSError) as error:
            self._send({"id": request_id, "error": str(error)}, [])
        else:
            self._send({"id": request_id, "result": result}, buffers)

    def _work(self, task: Any, message: Mapping[str, Any]) -> tuple[Any, list[Any]]:
        if task == "open":
            return self._start()
        if task == "read":
            return self._file(message)
        if task == "ping":
            return None, []
        raise LookupError(f"there is nothing to do by the name of {task!r}")

    def _start(self) -> tuple[Any, list[Any]]:
        opened = self._opened()
        return dict(opened.config), [opened.script.encode(), opened.style.encode()]

    def _file(self, message: Mapping[str, Any]) -> tuple[Any, list[Any]]:
        shown, name = self._opened().shown, message.get("name")
        source = message.get("source")
        if not isinstance(source, int) or not 0 <= source < len(shown):
            raise LookupError(f"there is no source {source!r}")
        if name and name not in shown[source].files:
            raise LookupError(f"there is no file {name!r}")
        return None, [shown[source].files[name] if name else shown[source].manifest]

    def _answer(self) -> None:
        """Answer all questions that wait, with one call of the model."""
        asked, self._asked = self._asked, {}
        if not asked:
            return
        if self._answerer is None:
            for request_id in asked:
                self._send({"id": request_id, "error": "there is no model"}, [])
            return
        results = self._answerer.answer(list(asked.values()))
        for request_id, result in zip(asked, results, strict=True):
            if "error" in result:
                self._send({"id": request_id, "error": result["error"]}, [])
            else:
                self._send({"id": request_id, "result": result["answers"]}, [])


def _soon(work: Callable[[], None]) -> None:
    """Call a function once the messages that are here already have been taken; at once where nothing runs a loop."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        work()
        return
    loop.call_later(_PAUSE, work)
