"""What went wrong in a store, as one of this library's errors: by status, by errno, by the exception of an SDK.

============================================  ==========================  ========
the store said                                error                       repeat
============================================  ==========================  ========
401, 403, EACCES, EPERM, EROFS                StoragePermissionError      no
404, ENOENT                                   ArtifactMissingError        no
413, 507, ENOSPC, EDQUOT, EFBIG               StorageFullError            no
408, 429, 5xx but 501; refused, reset, DNS    StorageUnreachableError     yes
no answer in time                             StorageTimeoutError         yes
anything else                                 StorageError                no
============================================  ==========================  ========
"""

from __future__ import annotations

import errno
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from explanation_client.errors import (
    ArtifactMissingError,
    StorageError,
    StorageFullError,
    StoragePermissionError,
    StorageTimeoutError,
    StorageUnreachableError,
)

_QUOTED = 200
_LONGEST_WAIT = 3600.0
_RETRYABLE_STATUS = frozenset({408, 425, 429})
_NO_ROOM = ("no space left", "disk quota exceeded", "insufficient storage", "file too large")
_PERMISSION = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_TIMEOUTS = frozenset({"ReadTimeout", "ConnectTimeout", "ReadTimeoutError", "ConnectTimeoutError", "DeadlineExceeded"})
# In names of exceptions of requests, urllib3, botocore, Azure's and Google's clients.
_CONNECTION = (
    "ConnectionError",
    "gaierror",
    "ProtocolError",
    "IncompleteRead",
    "NameResolutionError",
    "ResponseStreamingError",
)
# A network file system that is away, or a file that was replaced under a reader's feet.
_AWAY = frozenset({errno.EIO, errno.ESTALE, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EAGAIN})


def is_retryable(error: BaseException) -> bool:
    """Return whether another attempt may succeed with nothing changed: the store did not answer, or not in time."""
    return isinstance(error, (StorageUnreachableError, StorageTimeoutError))


def retry_after(error: BaseException) -> float | None:
    """Return the seconds after which the server asked to be tried again; None where it did not say."""
    return error.retry_after if isinstance(error, StorageUnreachableError) else None


def status_error(status: int, what: str, *, said: str = "", wait: str | None = None) -> StorageError:
    """Return the error for an HTTP status.

    Parameters
    ----------
    status : int
        Not a success.
    what : str
        What was tried, for the message: "writing a/b to http://…".
    said : str
        The server's words; untrusted, so quoted in part.
    wait : str, optional
        The ``Retry-After`` header.

    """
    answer = f"{what} failed: the server answered {status}{quoted(said)}"
    if status in (401, 407):
        return StoragePermissionError(
            f"{answer}. Log in: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
        )
    if status == 403:
        return StoragePermissionError(f"{answer}. This user may not do that here: ask for the permission")
    if status == 404:
        return ArtifactMissingError(answer)
    if status == 413:
        return StorageFullError(
            f"{answer}. A server or reverse proxy accepts no body of this size: raise its limit, such as nginx's "
            "client_max_body_size"
        )
    if status == 507 or (status >= 500 and any(phrase in said.lower() for phrase in _NO_ROOM)):
        return StorageFullError(f"{answer}. The artifact store has no room: free some, then try again")
    # A server that serves no artifacts answers 503 for ever.
    if status in _RETRYABLE_STATUS or (status >= 500 and status != 501 and "serve-artifacts" not in said):
        # That is all MLflow says of a full disk, too.
        reason = ". Its log says why: no room on its disk, perhaps" if status == 500 else ""
        error = StorageUnreachableError(answer + reason)
        error.retry_after = _seconds(wait)
        return error
    if 300 <= status < 400:
        return StorageError(f"{answer}. It sends clients elsewhere: use that address as the tracking URI")
    return StorageError(answer)


def os_error(error: OSError, what: str) -> StorageError:
    """Return the error for a failure of the file system."""
    text = f"{what} failed: {error.strerror or error}"
    number = error.errno
    if number in (errno.ENOENT, errno.ENOTDIR):
        return ArtifactMissingError(text)
    if number in _PERMISSION:
        return StoragePermissionError(f"{text}. This user may not do that in the artifact folder")
    if number in _FULL:
        return StorageFullError(f"{text}. Free some room, then try again")
    if isinstance(error, TimeoutError):
        return StorageTimeoutError(text)
    if number in _AWAY or isinstance(error, ConnectionError):
        return StorageUnreachableError(text)
    return StorageError(text)


def sdk_error(error: BaseException, what: str, *, before: BaseException | None = None) -> StorageError:
    """Return the error for whatever an HTTP library or the SDK of a store raised.

    Looks at the whole chain of causes, because MLflow wraps them. SDKs are recognised by what their exceptions carry
    and are called, so that none of them is imported.

    Parameters
    ----------
    error : BaseException
    what : str
        What was tried, for the message.
    before : BaseException, optional
        What was being handled when it was tried. Python counts that among the causes; it is none.

    """
    causes = tuple(_chain(error, before))
    for cause in causes:
        status = _status(cause)
        if status is not None:
            return status_error(status, what, said=str(cause))
    # The innermost says what happened; those around it repeat the address, with the password that may be in it.
    text = f"{what} failed: {type(causes[-1]).__name__}{quoted(str(causes[-1]))}"
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return StorageError(
            f"{text}. This machine does not trust the server's certificate: set MLFLOW_TRACKING_SERVER_CERT_PATH"
        )
    for cause in causes:
        if isinstance(cause, ImportError):
            return StorageError(f"{text}. The store of this run needs that package: install it beside MLflow")
    names = {base.__name__ for cause in causes for base in type(cause).__mro__}
    # By the classes themselves: urllib3 derives "connection refused" from its timeout.
    if any(isinstance(cause, TimeoutError) or type(cause).__name__ in _TIMEOUTS for cause in causes):
        return StorageTimeoutError(f"{text}. No answer in time; a longer timeout may help")
    if any("Credential" in name for name in names):
        return StoragePermissionError(f"{text}. The artifact store itself needs credentials on this machine")
    if any(part in name for name in names for part in _CONNECTION):
        return StorageUnreachableError(text)
    return _file_error(causes, what) or StorageError(text)


def _file_error(causes: tuple[BaseException, ...], what: str) -> StorageError | None:
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno is not None:
            return os_error(cause, what)
    return None


def quoted(said: str) -> str:
    """Return ``: 'text'`` for a message, at most 200 characters without control characters; "" for nothing."""
    printable = "".join(c if c.isprintable() else " " for c in said[: 4 * _QUOTED])
    text = " ".join(printable.split())
    if not text:
        return ""
    return f": {text[:_QUOTED]!r}" + ("…" if len(text) > _QUOTED else "")


def _status(error: BaseException) -> int | None:
    """Return the HTTP status that an exception carries: of requests, botocore, Azure, Google or MLflow."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return found if isinstance(found, int) else None
    for candidate in (getattr(response, "status_code", None), getattr(error, "status_code", None)):
        if isinstance(candidate, int):
            return int(candidate)
    code = getattr(error, "code", None)
    if isinstance(code, int) and 400 <= code < 600:  # google.api_core
        return int(code)
    if getattr(error, "error_code", None) == "INTERNAL_ERROR":
        return None  # how MLflow wraps anything: its cause tells more
    of_mlflow = getattr(error, "get_http_status_code", None)
    return int(of_mlflow()) if callable(of_mlflow) else None


def _chain(error: BaseException, before: BaseException | None) -> Iterator[BaseException]:
    seen = {id(before)}
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _seconds(header: str | None) -> float | None:
    """Return a ``Retry-After`` header (seconds, or a date) as seconds from now, between 0 and an hour."""
    if not header:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - datetime.now(UTC)).total_seconds()), _LONGEST_WAIT)
