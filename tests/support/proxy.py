"""A reverse proxy that goes wrong on purpose: one fault at a time, on a real connection to a real server.

::

    with FaultProxy(server.uri) as proxy:
        store = RunArtifacts(run.artifact_uri, tracking_uri=proxy.uri)
        proxy.inject(answer(503, retry_after="1"), method="PUT", times=2)     # the next two PUTs
        store.write("a.bin", data)                                            # fails
        assert [(seen.method, seen.status) for seen in proxy.requests] == [("PUT", 503)]

Faults wait in a queue; each request takes the first one that fits it, and everything else passes through untouched.
``proxy.bytes_per_second`` slows down all traffic, both ways, as a narrow line would.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_PIECE = 1 << 16
_HEAD_LIMIT = 1 << 16


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one exchange. Made by the functions below.

    Attributes
    ----------
    status
        Read the whole request, then answer with this status; the server sees nothing.
    headers, body
        Of that answer.
    cut_request
        Pass on this many bytes of the request's body and no more.
    end
        How that ends for the server: "fin" (an orderly end, as of a client that died) or "rst". The client always
        sees a reset.
    lose_response
        Let the server do its work, then reset the connection to the client without a word of the answer.
    cut_response
        Send this many bytes of the answer's body, then close.
    hide_length
        Remove the Content-Length of the answer, so that only the close of the connection ends its body.
    flip_bit
        Invert one bit of the answer's body, by its position.
    stall_request, stall_response
        Seconds of silence before the request is passed on, and between the answer's head and its body.

    """

    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    cut_request: int | None = None
    end: str = "fin"
    lose_response: bool = False
    cut_response: int | None = None
    hide_length: bool = False
    flip_bit: int | None = None
    stall_request: float = 0.0
    stall_response: float = 0.0


def answer(status: int, *, retry_after: str | None = None, body: bytes = b"", location: str | None = None) -> Fault:
    """Answer with a status instead of asking the server."""
    headers = [("Retry-After", retry_after), ("Location", location)]
    return Fault(status=status, headers=tuple((k, v) for k, v in headers if v is not None), body=body)


def reset(*, after: int = 0) -> Fault:
    """Reset both connections after so many bytes of the request's body; with 0, before the server sees anything."""
    return Fault(cut_request=after, end="rst")


def die(*, after: int) -> Fault:
    """Pass on so many bytes of the request's body, then end the connection to the server as a dying client does."""
    return Fault(cut_request=after, end="fin")


def lose_response() -> Fault:
    """Let the server do its work, and lose its answer."""
    return Fault(lose_response=True)


def cut_response(after: int, *, hide_length: bool = False) -> Fault:
    """Close after so many bytes of the answer's body; ``hide_length`` makes it look like a whole answer."""
    return Fault(cut_response=after, hide_length=hide_length)


def hide_length() -> Fault:
    """Send the whole answer, but without its length."""
    return Fault(hide_length=True)


def flip_bit(position: int) -> Fault:
    """Invert one bit of the answer's body."""
    return Fault(flip_bit=position)


def stall(seconds: float, *, answering: bool = False) -> Fault:
    """Say nothing for a while: before the request is passed on, or between head and body of the answer."""
    return Fault(stall_response=seconds) if answering else Fault(stall_request=seconds)


@dataclass(slots=True)
class Seen:
    """One request that came to the proxy. ``status`` is what the client was answered; 0 where it was not."""

    method: str
    path: str
    headers: dict[str, str]
    body_bytes: int = 0
    status: int = 0


@dataclass(slots=True)
class _Waiting:
    fault: Fault
    method: str | None
    path: str
    times: int


@dataclass(slots=True)
class FaultProxy:
    """A reverse proxy of one server on a free loopback port; a context manager.

    Attributes
    ----------
    target
        Address of the server, such as ``http://127.0.0.1:5000``.
    bytes_per_second
        Speed of the line, in each direction and per connection; None for as fast as it goes.
    requests
        What came, in order.

    """

    target: str
    bytes_per_second: float | None = None
    requests: list[Seen] = field(default_factory=list)
    _waiting: list[_Waiting] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _listener: socket.socket = field(default_factory=socket.socket)
    _stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def uri(self) -> str:
        """The proxy's address."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def inject(self, fault: Fault, *, method: str | None = None, path: str = "", times: int = 1) -> None:
        """Queue a fault for the next requests with that method (or any) whose path and query hold ``path``."""
        with self._lock:
            self._waiting.append(_Waiting(fault, method, path, times))

    def forget(self) -> None:
        """Drop all faults that still wait, and all requests seen so far."""
        with self._lock:
            self._waiting.clear()
            self.requests.clear()

    def __enter__(self) -> Self:
        # Small, so that a client feels the narrow line instead of filling a buffer in front of it.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * _PIECE)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(128)
        threading.Thread(target=self._accept, name="fault-proxy", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._listener.close()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """Serve one connection, request after request, until either side ends it."""
        with client, contextlib.suppress(OSError, _EndedError):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while self._exchange(client):
                pass

    def _take(self, seen: Seen) -> Fault:
        with self._lock:
            self.requests.append(seen)
            for waiting in self._waiting:
                if waiting.method in (None, seen.method) and waiting.path in seen.path:
                    waiting.times -= 1
                    if not waiting.times:
                        self._waiting.remove(waiting)
                    return waiting.fault
        return Fault()

    def _exchange(self, client: socket.socket) -> bool:
        """Pass on one request and its answer; return whether the connection lives on."""
        start, headers, rest = _read_head(client)
        method, path, _ = start.split(" ", 2)
        length = int(headers.get("content-length", 0))
        seen = Seen(method, path, headers)
        fault = self._take(seen)
        body = self._paced(_body(client, rest, length))
        if fault.status is not None:
            for piece in body:
                seen.body_bytes += len(piece)
            _send_answer(client, fault)
            seen.status = fault.status
            return True
        if fault.cut_request == 0 and fault.end == "rst":
            _reset(client)
            return False
        self._stopped.wait(fault.stall_request)
        address = urlsplit(self.target)
        with socket.create_connection((address.hostname or "127.0.0.1", address.port or 80)) as server:
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.sendall(_head(start, headers, connection="close"))
            if not _send_body(body, server, seen, fault):
                _reset(client)
                return False
            return self._answer(client, server, seen, fault)

    def _answer(self, client: socket.socket, server: socket.socket, seen: Seen, fault: Fault) -> bool:
        start, headers, rest = _read_head(server)
        if fault.lose_response:
            for _ in _body(server, rest, None):
                pass
            _reset(client)
            return False
        seen.status = int(start.split(" ")[1])
        delimited = "content-length" in headers and not fault.hide_length
        if fault.hide_length:
            headers.pop("content-length", None)
        client.sendall(_head(start, headers, connection="keep-alive" if delimited else "close"))
        self._stopped.wait(fault.stall_response)
        sent = 0
        for piece in self._paced(_body(server, rest, None)):
            altered = _flipped(piece, sent, fault.flip_bit)
            if fault.cut_response is not None and sent + len(altered) >= fault.cut_response:
                client.sendall(altered[: fault.cut_response - sent])
                return False
            client.sendall(altered)
            sent += len(altered)
        return delimited

    def _paced(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the pieces no faster than the line carries them."""
        started, carried = time.monotonic(), 0
        for piece in pieces:
            yield piece
            carried += len(piece)
            if self.bytes_per_second is not None:
                self._stopped.wait(max(0.0, started + carried / self.bytes_per_second - time.monotonic()))


class _EndedError(Exception):
    """The peer closed the connection between two requests, or within a head."""


def _read_head(peer: socket.socket) -> tuple[str, dict[str, str], bytes]:
    """Return the first line, the headers (names in lower case), and what came of the body so far."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = peer.recv(_PIECE)
        if not piece or len(data) > _HEAD_LIMIT:
            raise _EndedError
        data += piece
    head, _, rest = data.partition(b"\r\n\r\n")
    start, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return start, {name.strip().lower(): value.strip() for name, _, value in pairs}, rest


def _head(start: str, headers: dict[str, str], *, connection: str) -> bytes:
    lines = [start, *(f"{name}: {value}" for name, value in headers.items() if name != "connection")]
    return "\r\n".join([*lines, f"connection: {connection}", "", ""]).encode("latin-1")


def _body(peer: socket.socket, rest: bytes, length: int | None) -> Iterator[bytes]:
    """Yield a body: ``length`` bytes of it, or all until the peer closes."""
    left = length
    piece = rest if length is None else rest[:length]
    while True:
        if piece:
            yield piece
            left = None if left is None else left - len(piece)
        if left == 0:
            return
        piece = peer.recv(_PIECE if left is None else min(_PIECE, left))
        if not piece:
            if left is not None:
                raise _EndedError
            return


def _send_body(body: Iterator[bytes], server: socket.socket, seen: Seen, fault: Fault) -> bool:
    """Pass on a request's body, and return whether that was all of it."""
    for piece in body:
        if fault.cut_request is not None and seen.body_bytes + len(piece) >= fault.cut_request:
            server.sendall(piece[: fault.cut_request - seen.body_bytes])
            seen.body_bytes = fault.cut_request
            if fault.end == "rst":
                _reset(server)
            else:
                server.shutdown(socket.SHUT_WR)
                with contextlib.suppress(OSError):
                    while server.recv(_PIECE):  # until the server has made up its mind
                        pass
            return False
        server.sendall(piece)
        seen.body_bytes += len(piece)
    return True


def _send_answer(client: socket.socket, fault: Fault) -> None:
    headers = dict(fault.headers) | {"Content-Length": str(len(fault.body))}
    client.sendall(_head(f"HTTP/1.1 {fault.status} Injected", headers, connection="keep-alive") + fault.body)


def _flipped(piece: bytes, offset: int, bit: int | None) -> bytes:
    """Return a piece of a body that begins at ``offset``, with the bit inverted if it lies in it."""
    if bit is None or not offset <= bit // 8 < offset + len(piece):
        return piece
    altered = bytearray(piece)
    altered[bit // 8 - offset] ^= 1 << (bit % 8)
    return bytes(altered)


def _reset(peer: socket.socket) -> None:
    """Close with RST instead of FIN: what an aborted process or a dropped line looks like."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
