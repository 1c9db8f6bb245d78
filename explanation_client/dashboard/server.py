"""A small server for one person on this machine, which shows a dashboard with a live model.

It listens on the loopback address only. Whoever asks for more than the empty page needs the token, which is in the
address that the command opens, behind the ``#`` that browsers keep to themselves. Requests under another name than this
machine's own, which other pages make with a name of theirs that points here, are refused.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import select
import socket
import threading
from collections.abc import Callable
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from explanation_client.dashboard.bundle import csp_hash, read_bundle, read_host
from explanation_client.dashboard.conversation import Opened
from explanation_client.dashboard.questions import Answerer
from explanation_client.errors import ExplanationError, InvalidArgumentError

_log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
MAX_REQUEST_BYTES = 4_000_000
# Seconds after which a connection that says nothing is closed.
_IDLE = 60.0

_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class DashboardServer:
    """Serves one dashboard until it is closed.

    Parameters
    ----------
    opened : callable
        Returns what to show.
    answerer : Answerer, optional
        None: there is no model.
    port : int
        0: one that is free.

    Raises
    ------
    InvalidArgumentError
        The port is taken, or out of range.

    """

    def __init__(self, opened: Callable[[], Opened], answerer: Answerer | None, *, port: int = 0) -> None:
        self.token = secrets.token_urlsafe(32)
        self._opened = opened
        self._answerer = answerer
        # One question at a time: models need not bear two.
        self._model_lock = threading.Lock()
        try:
            self._server = _Server((LOOPBACK, port), _Handler, dashboard=self)
        except (OSError, OverflowError) as error:
            raise InvalidArgumentError(
                f"port {port} can't be used: {error}. Choose another, or 0 for a free one"
            ) from error

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """The address to open, with the token."""
        return f"http://{LOOPBACK}:{self.port}/#token={self.token}"

    def run(self) -> None:
        """Serve until :meth:`close` is called, or Ctrl-C is pressed."""
        self._server.serve_forever()

    def __enter__(self) -> Self:
        threading.Thread(target=self.run, name="explanation-dashboard", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self.close()

    def close(self) -> None:
        """Stop listening."""
        self._server.server_close()

    # --- What requests ask for ---------------------------------------------------------------------------------

    @cached_property
    def page(self) -> tuple[str, bytes]:
        """The policy, and the page that is the same for everybody: the front end, without a word of the explanation."""
        bundle = read_bundle()
        style, script = bundle.page_style(), bundle.inline(read_host("server.js"))
        policy = (
            f"default-src 'none'; script-src {csp_hash(script)}; style-src {csp_hash(style)}; connect-src 'self'; "
            "img-src data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
            "require-trusted-types-for 'script'; trusted-types 'none'"
        )
        page = (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n<title>Explanation</title>\n'
            f"<style>{style}</style>\n</head>\n<body>\n"
            '<div id="dashboard"></div>\n<noscript>This page needs JavaScript.</noscript>\n'
            f'<script type="module">{script}</script>\n</body>\n</html>\n'
        )
        return policy, page.encode()

    def config(self) -> bytes:
        """Return what the front end is started with."""
        return json.dumps(dict(self._opened().config)).encode()

    def file(self, source: str, name: str) -> Any:
        """Return a file of a source, its manifest for the empty name; None where there is none."""
        shown = self._opened().shown
        if not source.isdecimal() or int(source) >= len(shown):
            return None
        return shown[int(source)].files.get(name) if name else shown[int(source)].manifest

    def predict(self, questions: Any, is_wanted: Callable[[], bool]) -> dict[str, Any] | None:
        """Return the model's answers or an error; None where nobody waits for them any more."""
        if self._answerer is None:
            return {"error": "There is no model: start the command with --model."}
        with self._model_lock:
            if not is_wanted():
                return None
            return self._answerer.answer([questions])[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # On Windows it would let another program listen on the same port.
    allow_reuse_address = os.name != "nt"

    def __init__(self, address: tuple[str, int], handler: type[_Handler], *, dashboard: DashboardServer) -> None:
        self.dashboard = dashboard
        super().__init__(address, handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "explanation-client"
    sys_version = ""
    timeout = _IDLE

    def do_GET(self) -> None:
        """Answer with the page, which anybody may have, or with what the token opens."""
        if not self._is_addressed_here():
            return
        dashboard = self.server.dashboard
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        if parts == [""]:
            policy, page = dashboard.page
            self._send(HTTPStatus.OK, page, "text/html; charset=utf-8", {"Content-Security-Policy": policy})
        elif self._has_token():
            self._send_what_is_asked(parts)

    def do_POST(self) -> None:
        """Answer with what the model says."""
        if not self._is_addressed_here() or not self._has_token():
            return
        if urlsplit(self.path).path != "/predict":
            self._refuse(HTTPStatus.NOT_FOUND, "There is nothing here.")
            return
        questions = self._questions()
        if questions is None:
            return
        result = self.server.dashboard.predict(questions, self._is_connected)
        if result is None:
            self.close_connection = True
        elif "error" in result:
            self._refuse(HTTPStatus.UNPROCESSABLE_ENTITY, result["error"])
        else:
            self._send(HTTPStatus.OK, json.dumps(result["answers"]).encode(), "application/json")

    def _send_what_is_asked(self, parts: list[str]) -> None:
        dashboard = self.server.dashboard
        try:
            if parts == ["config"]:
                self._send(HTTPStatus.OK, dashboard.config(), "application/json")
                return
            found = dashboard.file(parts[1], "/".join(parts[2:])) if parts[0] == "files" and len(parts) > 1 else None
        except (ExplanationError, OSError) as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
            return
        if found is None:
            self._refuse(HTTPStatus.NOT_FOUND, "There is nothing here.")
        else:
            self._send(HTTPStatus.OK, found, "application/octet-stream")

    def _is_addressed_here(self) -> bool:
        """Whether the request names this machine, and comes from no other page; answers it where not."""
        own = {f"{name}:{self.server.dashboard.port}" for name in (LOOPBACK, "localhost")}
        origin = self.headers.get("Origin")
        if self.headers.get("Host") in own and (origin is None or origin in {f"http://{name}" for name in own}):
            return True
        self._refuse(HTTPStatus.FORBIDDEN, "This server answers to its own address only.")
        return False

    def _has_token(self) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if secrets.compare_digest(given.encode(), self.server.dashboard.token.encode()):
            return True
        self._refuse(HTTPStatus.UNAUTHORIZED, "The token is missing or wrong.")
        return False

    def _questions(self) -> Any:
        """Return the body of a request, None after answering where it is none."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or "Transfer-Encoding" in self.headers:
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "A request says how long it is.")
        elif int(length) > MAX_REQUEST_BYTES:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A request has at most {MAX_REQUEST_BYTES:,} bytes.")
        elif self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Questions are JSON.")
        else:
            try:
                return json.loads(self.rfile.read(int(length)))
            except (ValueError, RecursionError):
                self._refuse(HTTPStatus.BAD_REQUEST, "Questions are JSON.")
        return None

    def _is_connected(self) -> bool:
        """Whether somebody still waits for the answer: a page that gives up a request closes its connection."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        try:
            return not readable or self.connection.recv(1, socket.MSG_PEEK) != b""
        except OSError:
            return False

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        # What was sent along is not read: the connection can't go on.
        self.close_connection = True
        self._send(status, text.encode(), "text/plain; charset=utf-8", {"Connection": "close"})

    def _send(self, status: HTTPStatus, body: Any, kind: str, headers: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            for name, value in {**_HEADERS, **(headers or {}), "Content-Type": kind}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionError):
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Log a request, without the address, which may hold names."""
        _log.debug("%s %s", self.command, args[1] if len(args) > 1 else "")
