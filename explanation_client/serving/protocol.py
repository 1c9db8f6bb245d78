"""ASGI, as far as requests for scores need it: bodies that are read within limits, and answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from explanation_client.serving.options import Limits
from explanation_client.serving.problems import RefusedError

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class ClientGoneError(RefusedError):
    """Whoever sent the request has gone: the answer goes nowhere, and is counted with an error of the client."""

    def __init__(self) -> None:
        super().__init__(400, "CLIENT_GONE", "the connection was closed before the request was complete")


def declared_size(scope: Scope) -> int | None:
    """Return the number of bytes that a request says its body has, None where it does not say."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return None


async def read_body(scope: Scope, receive: Receive, limits: Limits) -> bytes:
    """Return the body of a request for scores.

    Raises
    ------
    RefusedError
        The method or the type of the body is another one (405, 415), the body is too large (413), which is found out
        while it arrives, or it does not arrive in time (408).

    """
    headers = dict(scope["headers"])
    _check_head(scope["method"], headers)
    size = declared_size(scope) or 0
    # Nobody has to send what is refused anyway: whoever asks before sending is told so, the others are read to the end.
    if size > limits.max_bytes and b"expect" in headers:
        raise _too_large(limits, size)
    try:
        async with asyncio.timeout(limits.body_seconds):
            return await _read(receive, limits, size)
    except TimeoutError as error:
        message = f"the body did not arrive within {limits.body_seconds:g} s"
        raise RefusedError(408, "REQUEST_TIMEOUT", message) from error


async def discard_body(receive: Receive, limits: Limits) -> None:
    """Read a body that is not wanted, so that the client reads the answer rather than find a broken connection."""
    try:
        async with asyncio.timeout(limits.body_seconds):
            await _read(receive, limits, limits.max_bytes + 1)
    except (TimeoutError, RefusedError):
        return


async def _read(receive: Receive, limits: Limits, declared: int) -> bytes:
    """Return the whole body; nothing of one that is too large is kept, and reading it ends at four times the limit."""
    pieces: list[bytes] = []
    size = 0
    is_too_large = declared > limits.max_bytes
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGoneError
        piece = message.get("body", b"")
        size += len(piece)
        is_too_large = is_too_large or size > limits.max_bytes
        if is_too_large:
            pieces.clear()
        else:
            pieces.append(piece)
        if not message.get("more_body", False) or size > 4 * limits.max_bytes:
            break
    if is_too_large:
        raise _too_large(limits, max(size, declared))
    return b"".join(pieces)


def _check_head(method: str, headers: dict[bytes, bytes]) -> None:
    if method != "POST":
        raise RefusedError(405, "METHOD_NOT_ALLOWED", f"send the rows with POST, not {method}")
    kind = headers.get(b"content-type", b"application/json").split(b";")[0].strip().lower()
    if kind != b"application/json":
        raise RefusedError(415, "UNSUPPORTED_MEDIA_TYPE", "send JSON: Content-Type: application/json")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise RefusedError(415, "UNSUPPORTED_MEDIA_TYPE", "send the body as it is, without a Content-Encoding")


async def send_json(send: Send, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    """Send a JSON body."""
    head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def send_error(send: Send, refused: RefusedError) -> None:
    """Send a refusal: a code for programs and a message for people, under the names that MLflow uses."""
    body = json.dumps({"error_code": refused.code, "message": refused.message}).encode()
    headers: list[tuple[bytes, bytes]] = []
    if refused.retry_after is not None:
        headers.append((b"retry-after", b"%d" % refused.retry_after))
    if refused.status == 405:
        headers.append((b"allow", b"POST"))
    # What is left of a body that was not read would be taken for the next request.
    if refused.status in (405, 408, 413, 415, 503):
        headers.append((b"connection", b"close"))
    await send_json(send, refused.status, body, tuple(headers))


def _too_large(limits: Limits, size: int) -> RefusedError:
    return RefusedError(
        413, "REQUEST_TOO_LARGE", f"the body has {size} bytes or more, at most {limits.max_bytes} are accepted"
    )
