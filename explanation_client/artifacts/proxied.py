"""Files that a tracking server serves: one request per operation, straight at its artifact API.

MLflow's own download helper asks the server for an address in the object store behind it and downloads from there,
which fails wherever that store is not reachable from the client. A plain GET is served by the tracking server itself.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from explanation_client.artifacts import mlflow_api
from explanation_client.artifacts.base import Buffer, Stat, byte_view, check_path, check_prefix, join, too_large
from explanation_client.artifacts.failures import sdk_error, status_error
from explanation_client.errors import (
    ArtifactMissingError,
    ExplanationError,
    StorageError,
    StorageTimeoutError,
    StorageUnreachableError,
)

if TYPE_CHECKING:
    import requests

# Each piece that is sent has the whole timeout to itself, so this over the timeout is the slowest upload accepted.
_SEND_BYTES = 1 << 20
_RECEIVE_BYTES = 1 << 20
# A download slower than this over a whole timeout (bytes per second) counts as stuck.
_SLOWEST = 4096
_MAX_LISTING_BYTES = 64 << 20
_MAX_ERROR_BYTES = 4096
_OK = 200
_NOT_FOUND = 404
_SERVER_ERROR = 500


class ProxiedArtifacts:
    """An artifact store behind a tracking server; see :class:`~explanation_client.artifacts.Artifacts`.

    Parameters
    ----------
    endpoint : Endpoint
        The server's artifact API and the run's folder there.
    timeout : float
        Seconds without progress after which one attempt fails.

    """

    def __init__(self, endpoint: mlflow_api.Endpoint, *, timeout: float) -> None:
        self._endpoint = endpoint
        self._timeout = timeout

    def write(self, path: str, data: Buffer) -> None:
        """Send one file: one PUT."""
        body = _Pieces(byte_view(data))
        with self._call("PUT", check_path(path), "writing", body=body) as response:
            _check_success(response, self._what("writing", path))

    def read(self, path: str, *, max_bytes: int | None = None) -> bytes:
        """Return one file: one GET; and a listing, where the answer does not say whether there is such a file."""
        what = self._what("reading", check_path(path))
        with self._call("GET", path, "reading") as response:
            if response.status_code == _OK:
                body = _read_body(response, max_bytes=max_bytes, timeout=self._timeout, what=what)
                return body if body or _announced(response) is not None else self._empty_file(path)
            said = _said(response)
            failure = status_error(response.status_code, what, said=_message(said), wait=_wait(response))
            status, code = response.status_code, _error_code(said)
        if status == _NOT_FOUND and code is not None:
            raise failure
        # Behind S3, MLflow answers 500 for a file that is missing; and a 404 without its error code comes from
        # something before it, such as a reverse proxy that knows no such address.
        if status == _NOT_FOUND or (status == _SERVER_ERROR and code is not None):
            raise self._missing_or(failure, path) from failure
        raise failure

    def list(self, prefix: str) -> tuple[Stat, ...]:
        """Return the files and folders directly in a folder, sorted by path: one GET."""
        check_prefix(prefix)
        what = self._what("listing", prefix)
        with self._call("GET", prefix, "listing", is_listing=True) as response:
            if response.status_code == _NOT_FOUND:
                # MLflow answers an empty listing for a folder that does not exist.
                raise StorageError(
                    f"{what} failed: no artifact API there. Check the tracking URI, its path and the workspace"
                ) from status_error(_NOT_FOUND, what, said=_message(_said(response)))
            _check_success(response, what)
            body = _read_body(response, max_bytes=_MAX_LISTING_BYTES, timeout=self._timeout, what=what)
        return _parse_listing(body, prefix, what)

    def delete(self, path: str) -> None:
        """Delete one file: one DELETE."""
        with self._call("DELETE", check_path(path), "deleting") as response:
            if response.status_code == _NOT_FOUND and _error_code(_said(response)) is not None:
                return
            _check_success(response, self._what("deleting", path))

    @contextlib.contextmanager
    def _call(
        self, method: str, path: str, verb: str, *, body: _Pieces | None = None, is_listing: bool = False
    ) -> Iterator[requests.Response]:
        """Yield the answer to one request. What the connection does wrong, now or in the block, is a typed error."""
        listing = path if is_listing else None
        before = sys.exception()
        try:
            response = mlflow_api.request(
                method, self._endpoint, path, timeout=self._timeout, body=body, listing=listing
            )
            with response:
                yield response
        except ExplanationError:
            raise
        # MLflow, requests, urllib3 and authentication plug-ins have no common class below this one; the cause is kept.
        except Exception as error:
            raise sdk_error(error, self._what(verb, path), before=before) from error

    def _missing_or(self, failure: StorageError, path: str) -> StorageError:
        """Return "missing" if a listing of its folder shows no such file, else the failure as it was."""
        try:
            listing = self.list(path.rpartition("/")[0])
        except StorageError as error:
            return error if isinstance(failure, ArtifactMissingError) else failure
        found = next((stat for stat in listing if stat.path == path), None)
        if found is not None:
            return self._is_folder(path) if found.is_folder else StorageUnreachableError(str(failure))
        return ArtifactMissingError(f"{self._what('reading', path)} failed: there is no such file")

    def _empty_file(self, path: str) -> bytes:
        """Return b"", unless that is how a server with its files in S3 answers for a folder."""
        folder = path.rpartition("/")[0]
        try:
            listing = self.list(folder)
        except StorageUnreachableError:  # that server also breaks the connection, which is found when it is used again
            listing = self.list(folder)
        if any(stat.path == path and stat.is_folder for stat in listing):
            raise self._is_folder(path)
        return b""

    def _is_folder(self, path: str) -> StorageError:
        return StorageError(f"{self._what('reading', path)} failed: it is a folder")

    def _what(self, verb: str, path: str) -> str:
        host = mlflow_api.without_password(self._endpoint.api).partition("/api/")[0]
        return f"{verb} {self._endpoint.address(path)} at {host}"


class _Pieces:
    """A body that is sent in pieces of the caller's own memory; its length is known beforehand."""

    def __init__(self, view: memoryview) -> None:
        self._view = view

    def __len__(self) -> int:
        return len(self._view)

    def __iter__(self) -> Iterator[memoryview]:
        return (self._view[start : start + _SEND_BYTES] for start in range(0, len(self._view), _SEND_BYTES))


def _check_success(response: requests.Response, what: str) -> None:
    if not 200 <= response.status_code < 300:
        # A server that refuses a body does not read it to its end, and resets the connection a little later. What was
        # not read to its end on this side either is closed, and not used for the next request.
        said = _said(response, whole=response.request.method != "PUT")
        raise status_error(response.status_code, what, said=_message(said), wait=_wait(response))
    if response.request.method != "GET":
        # Only a connection whose answer was read to its end can be used again.
        response.raw.read(_MAX_ERROR_BYTES)


def _read_body(response: requests.Response, *, max_bytes: int | None, timeout: float, what: str) -> bytes:
    """Return the body of an answer, checked against the length that the server announced."""
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        # Unpacked it could have any size, and its announced length is not that of the file.
        raise StorageError(
            f"{what} failed: the answer is compressed ({encoding!r}), which was not asked for. Turn that off in the "
            "proxy before the server"
        )
    announced = _announced(response)
    if max_bytes is not None and announced is not None and announced > max_bytes:
        raise too_large(what, size=announced, max_bytes=max_bytes)
    body = io.BytesIO()  # getvalue() hands over its memory without a copy
    started = time.monotonic()
    # read1 returns what has come; read would wait for a whole piece, however slowly that trickles in.
    receive = getattr(response.raw, "read1", response.raw.read)
    while piece := receive(_RECEIVE_BYTES):
        body.write(piece)
        if max_bytes is not None and body.tell() > max_bytes:
            raise too_large(what, size=None, max_bytes=max_bytes)
        elapsed = time.monotonic() - started
        if elapsed > timeout and body.tell() < elapsed * _SLOWEST:
            raise StorageTimeoutError(f"{what} failed: {body.tell():,} bytes in {elapsed:.0f} s is too slow to go on")
    if announced is not None and body.tell() != announced:
        raise StorageUnreachableError(f"{what} failed: {body.tell():,} of {announced:,} bytes arrived")
    return body.getvalue()


def _announced(response: requests.Response) -> int | None:
    """Return the length of the body as the server announced it; None where it did not."""
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _said(response: requests.Response, *, whole: bool = True) -> bytes:
    """Return the beginning of what a server said of an error, or all but its last byte; b"" where it breaks off."""
    size = _MAX_ERROR_BYTES if whole else min(_MAX_ERROR_BYTES, max(0, (_announced(response) or 0) - 1))
    try:
        said = bytes(response.raw.read(size))
    except Exception:  # the status is the news; the words are only for the message
        return b""
    return said if whole else said + "\u2026".encode()


def _wait(response: requests.Response) -> str | None:
    return response.headers.get("Retry-After")


def _message(said: bytes) -> str:
    """Return the message of an MLflow error, or the text of any other; untrusted."""
    message = _json_object(said).get("message")
    return message if isinstance(message, str) else said.decode("utf-8", "replace")


def _error_code(said: bytes) -> str | None:
    """Return MLflow's error code; None where something else answered."""
    code = _json_object(said).get("error_code")
    return code if isinstance(code, str) else None


def _json_object(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _parse_listing(body: bytes, prefix: str, what: str) -> tuple[Stat, ...]:
    """Return a listing from the server's JSON, in which nothing is trusted."""
    try:
        answer = json.loads(body)
        entries = answer.get("files", [])
        stats = [_stat(entry, prefix) for entry in entries]
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise StorageUnreachableError(
            f"{what} failed: the answer is no listing of an MLflow server: {body[:80]!r}"
        ) from error
    return tuple(sorted((stat for stat in stats if stat is not None), key=lambda stat: stat.path))


def _stat(entry: dict[str, Any], prefix: str) -> Stat | None:
    path = join(prefix, str(entry["path"]) if "path" in entry else "")
    if path is None:
        return None
    if entry.get("is_dir"):
        return Stat(path, None, None, is_folder=True)
    # The server's JSON leaves out zeros.
    return Stat(path, int(entry.get("file_size", 0)), None)
