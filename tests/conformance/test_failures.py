"""What stores raise becomes this library's errors; exceptions of SDKs are told by what they carry."""

from __future__ import annotations

import errno
import pickle
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from explanation_client.artifacts import FolderArtifacts, MemoryArtifacts, check_path, is_retryable, retry_after
from explanation_client.artifacts.failures import os_error, quoted, sdk_error, status_error
from explanation_client.artifacts.repository import RepositoryArtifacts
from explanation_client.errors import (
    ArtifactMissingError,
    InvalidArgumentError,
    LimitExceededError,
    StorageError,
    StorageFullError,
    StoragePermissionError,
    StorageTimeoutError,
    StorageUnreachableError,
)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOENT, ArtifactMissingError),
        (errno.ENOTDIR, ArtifactMissingError),
        (errno.EACCES, StoragePermissionError),
        (errno.EPERM, StoragePermissionError),
        (errno.EROFS, StoragePermissionError),
        (errno.ENOSPC, StorageFullError),
        (errno.EDQUOT, StorageFullError),
        (errno.EFBIG, StorageFullError),
        (errno.ETIMEDOUT, StorageTimeoutError),
        (errno.ESTALE, StorageUnreachableError),
        (errno.EIO, StorageUnreachableError),
        (errno.ECONNRESET, StorageUnreachableError),
        (errno.EISDIR, StorageError),
        (errno.ELOOP, StorageError),
    ],
)
def test_a_failure_of_the_file_system_becomes_its_error(number: int, expected: type[StorageError]) -> None:
    error = os_error(OSError(number, "what the system says"), "reading x")
    assert type(error) is expected
    assert "reading x failed: what the system says" in str(error)


class ClientError(Exception):
    """Shaped as botocore's."""

    def __init__(self, status: int) -> None:
        super().__init__(f"An error occurred ({status}) when calling the GetObject operation")
        self.response = {"ResponseMetadata": {"HTTPStatusCode": status}, "Error": {"Code": str(status)}}


class HttpResponseError(Exception):
    """Shaped as that of Azure's client."""

    def __init__(self, status: int) -> None:
        super().__init__("The specified blob does not exist.")
        self.status_code = status


class GoogleAPICallError(Exception):
    """Shaped as that of Google's client."""

    def __init__(self, status: int) -> None:
        super().__init__("Forbidden")
        self.code = status


class NoCredentialsError(Exception):
    """Shaped as botocore's."""


class EndpointConnectionError(Exception):
    """Shaped as botocore's."""


def of_requests(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(f"{status} for url", response=response)


def of_mlflow(code: str) -> Exception:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import ErrorCode

    return MlflowException("what MLflow says", error_code=ErrorCode.Value(code))


def wrapped(cause: Exception) -> Exception:
    """As MLflow wraps what a store raised."""
    try:
        try:
            raise cause
        except Exception as error:
            raise of_mlflow("INTERNAL_ERROR") from error
    except Exception as error:
        return error


@pytest.mark.parametrize("wrap", [lambda error: error, wrapped], ids=["bare", "wrapped"])
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: ClientError(404), ArtifactMissingError),
        (lambda: ClientError(403), StoragePermissionError),
        (lambda: ClientError(503), StorageUnreachableError),
        (lambda: HttpResponseError(404), ArtifactMissingError),
        (lambda: HttpResponseError(507), StorageFullError),
        (lambda: GoogleAPICallError(403), StoragePermissionError),
        (lambda: GoogleAPICallError(429), StorageUnreachableError),
        (lambda: of_requests(404), ArtifactMissingError),
        (lambda: of_requests(401), StoragePermissionError),
        (lambda: of_mlflow("RESOURCE_DOES_NOT_EXIST"), ArtifactMissingError),
        (lambda: of_mlflow("PERMISSION_DENIED"), StoragePermissionError),
        (lambda: of_mlflow("INTERNAL_ERROR"), StorageError),
        (lambda: NoCredentialsError("Unable to locate credentials"), StoragePermissionError),
        (lambda: EndpointConnectionError("Could not connect to the endpoint URL"), StorageUnreachableError),
        (lambda: requests.ConnectionError("refused"), StorageUnreachableError),
        (lambda: requests.ReadTimeout("timed out"), StorageTimeoutError),
        (lambda: requests.ConnectTimeout("timed out"), StorageTimeoutError),
        (lambda: urllib3.exceptions.ProtocolError("broken"), StorageUnreachableError),
        (lambda: socket.gaierror(-2, "Name or service not known"), StorageUnreachableError),
        (lambda: ConnectionResetError(104, "reset"), StorageUnreachableError),
        (lambda: TimeoutError("timed out"), StorageTimeoutError),
        (lambda: OSError(errno.ENOSPC, "No space left on device"), StorageFullError),
        (lambda: ModuleNotFoundError("No module named 'boto3'"), StorageError),
        (lambda: ssl.SSLCertVerificationError("self-signed"), StorageError),
        (lambda: ValueError("something new"), StorageError),
    ],
)
def test_an_exception_of_a_client_becomes_its_error(
    make: Callable[[], Exception], expected: type[StorageError], wrap: Callable[[Exception], Exception]
) -> None:
    error = sdk_error(wrap(make()), "reading x")
    assert type(error) is expected
    assert "reading x failed" in str(error)
    if expected is StorageError:
        assert not is_retryable(error)


def test_a_certificate_that_is_not_trusted_is_not_tried_again() -> None:
    caused = wrapped(requests.exceptions.SSLError("Max retries exceeded"))
    caused.__cause__.__cause__ = ssl.SSLCertVerificationError("self-signed certificate")  # type: ignore[union-attr]
    error = sdk_error(caused, "reading x")
    assert not is_retryable(error)
    assert "MLFLOW_TRACKING_SERVER_CERT_PATH" in str(error)


def test_the_password_in_an_address_is_not_repeated() -> None:
    refused = ConnectionRefusedError(111, "Connection refused")
    caused = wrapped(refused)
    caused.args = ("API request to http://alice:opensesame@host/ failed with exception refused",)
    assert "opensesame" not in str(sdk_error(caused, "reading x"))


def test_only_the_server_says_how_long_to_wait() -> None:
    assert retry_after(status_error(503, "x", wait="3")) == 3.0
    assert retry_after(status_error(503, "x")) is None
    assert retry_after(StorageTimeoutError("x")) is None
    assert retry_after(ValueError("x")) is None
    assert retry_after(pickle.loads(pickle.dumps(status_error(503, "x", wait="3")))) == 3.0


def test_only_failures_that_may_pass_are_worth_another_attempt() -> None:
    retryable = (StorageUnreachableError, StorageTimeoutError)
    permanent = (StorageError, ArtifactMissingError, StoragePermissionError, StorageFullError, LimitExceededError)
    assert all(is_retryable(kind("x")) for kind in retryable)
    assert not any(is_retryable(kind("x")) for kind in permanent)
    assert not is_retryable(ConnectionError("of somebody else"))


@given(st.integers(300, 999), st.text(), st.one_of(st.none(), st.text()))
def test_any_status_and_any_words_become_an_error(status: int, said: str, wait: str | None) -> None:
    error = status_error(status, "reading x", said=said, wait=wait)
    assert str(status) in str(error)
    seconds = retry_after(error)
    assert seconds is None or 0 <= seconds <= 3600


@given(st.text(min_size=0, max_size=2000))
def test_quoted_words_are_short_and_printable(said: str) -> None:
    assert quoted(said).isprintable()
    # At most 200 characters, which repr may write as escapes.
    assert len(quoted(said)) <= 2 * 200 + 10


@given(st.text(max_size=250))
def test_a_path_is_accepted_as_it_is_or_refused(path: str) -> None:
    """What is accepted never leaves the root, however it is joined."""
    try:
        assert check_path(path) == path
    except InvalidArgumentError:
        return
    parts = path.split("/")
    assert all(part and not part.startswith(".") for part in parts)
    assert path.isascii()
    assert len(path) <= 200
    root = Path("/srv/store")
    assert (root / path).resolve().is_relative_to(root)


@given(st.dictionaries(st.from_regex(r"[a-c]{1,2}(/[a-c]{1,2}){0,2}", fullmatch=True), st.binary(max_size=9)))
def test_a_listing_of_memory_is_what_the_paths_say(files: dict[str, bytes]) -> None:
    """Against a direct computation from the set of paths, where no path is both a file and a folder."""
    files = {path: data for path, data in files.items() if not any(other.startswith(f"{path}/") for other in files)}
    store = MemoryArtifacts()
    for path, data in files.items():
        store.write(path, data)
    folders = {"/".join(path.split("/")[:depth]) for path in files for depth in range(path.count("/") + 1)}
    for folder in folders | {""}:
        depth = len(folder.split("/")) if folder else 0
        inside = [path for path in files if folder == "" or path.startswith(f"{folder}/")]
        expected = {"/".join(path.split("/")[: depth + 1]) for path in inside}
        assert {stat.path for stat in store.list(folder)} == expected
        assert {stat.path for stat in store.list(folder) if not stat.is_folder} == expected & set(files)


# Stores that MLflow has a client for


def repository_that(tmp_path: Path, **methods: Any) -> RepositoryArtifacts:
    """Return a store over a repository of MLflow's in which some methods are replaced."""
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    kind = type("Repository", (LocalArtifactRepository,), methods)
    return RepositoryArtifacts(kind(str(tmp_path / "root")))


def raising(error: Exception) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("status", [403, 503])
def test_a_store_that_refuses_is_not_empty(tmp_path: Path, status: int) -> None:
    names = ("_download_file", "list_artifacts", "log_artifact", "delete_artifacts")
    store = repository_that(tmp_path, **{name: raising(ClientError(status)) for name in names})
    expected = StoragePermissionError if status == 403 else StorageUnreachableError
    for operation in (
        lambda: store.read("a"),
        lambda: store.list(""),
        lambda: store.delete("a"),
        lambda: store.write("a", b""),
    ):
        with pytest.raises(expected):
            operation()


def test_an_unclear_failure_is_missing_only_if_the_listing_says_so(tmp_path: Path) -> None:
    store = repository_that(tmp_path, _download_file=raising(ValueError("unclear")))
    store.write("folder/there", b"x")
    with pytest.raises(ArtifactMissingError):
        store.read("folder/none")
    with pytest.raises(StorageError, match="unclear") as caught:
        store.read("folder/there")
    assert type(caught.value) is StorageError
    blind = repository_that(
        tmp_path, _download_file=raising(ValueError("unclear")), list_artifacts=raising(ClientError(403))
    )
    with pytest.raises(StorageError, match="unclear") as caught:
        blind.read("folder/none")
    assert type(caught.value) is StorageError


def test_nothing_stays_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    store = repository_that(tmp_path)
    store.write("folder/file", b"secret")
    assert store.read("folder/file") == b"secret"
    with pytest.raises(LimitExceededError):
        store.read("folder/file", max_bytes=1)
    with pytest.raises(ArtifactMissingError):
        store.read("folder/none")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_repository_and_a_folder_see_the_same_files(tmp_path: Path) -> None:
    repository, folder = repository_that(tmp_path), FolderArtifacts(tmp_path / "root")
    folder.write("a/one", b"1")
    repository.write("a/two", b"22")
    assert [(s.path, s.size) for s in repository.list("a")] == [(s.path, s.size) for s in folder.list("a")]
    assert folder.read("a/two") == b"22"
    assert repository.read("a/one") == b"1"
