"""What the client needs of an MLflow tracking server: runs, their tags, and logged models.

Tracking servers are asked over MLflow's REST API, one request each, with MLflow's own credentials and headers, so
that retries and deadlines are ours: MLflow's client would retry a dead server for four minutes before it said so.
Everything else (a database URI, Databricks) goes through MLflow's client.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from explanation_client.artifacts.failures import quoted, sdk_error, status_error
from explanation_client.artifacts.mlflow_api import without_password
from explanation_client.errors import (
    InvalidArgumentError,
    MissingDependencyError,
    RunNotFoundError,
    StorageError,
)

TAG_PREFIX = "explanation."

# Seconds that a tracking server has for one request; retries are the caller's.
ATTEMPT_SECONDS = 60.0
# The most that any server answers at once.
_PAGE = 1000
_NEWEST_FIRST = "attributes.start_time DESC"
_UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A run as the tracking server describes it."""

    run_id: str
    experiment_id: str
    artifact_uri: str
    is_deleted: bool
    tags: Mapping[str, str]


class Tracking(Protocol):
    """A tracking server. Every method is one request; unknown things raise ``RunNotFoundError``."""

    @property
    def uri(self) -> str:
        """The tracking URI."""
        ...

    def get_run(self, run_id: str) -> RunRecord:
        """Return a run with its tags."""
        ...

    def experiment_name(self, experiment_id: str) -> str:
        """Return the name of an experiment."""
        ...

    def experiment_ids(self, names: Sequence[str] | None) -> list[str]:
        """Return the ids of experiments; of all that are not deleted where None is given. May be several requests."""
        ...

    def search_runs(self, experiment_ids: list[str], wanted: str, token: str | None) -> tuple[list[RunRecord], str]:
        """Return a page of runs that match a filter, newest first, and the token of the next page, or ""."""
        ...

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        """Set a tag of a run."""
        ...

    def log(self, run_id: str, *, tags: Mapping[str, str], metrics: Mapping[str, float]) -> None:
        """Set tags of a run and log metrics at this moment, all or nothing where the server can."""
        ...

    def delete_tag(self, run_id: str, key: str) -> None:
        """Delete a tag of a run; one that is not there is no error."""
        ...

    def set_model_tags(self, model_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a logged model."""
        ...

    def delete_model_tag(self, model_id: str, key: str) -> None:
        """Delete a tag of a logged model; one that is not there is no error."""
        ...

    def check_model(self, model_id: str) -> None:
        """Raise ``RunNotFoundError`` unless the logged model exists."""
        ...


def connect(tracking_uri: str, *, timeout: float = ATTEMPT_SECONDS) -> Tracking:
    """Return the tracking server behind a URI; one request to it takes at most ``timeout`` seconds, and a minute."""
    if tracking_uri.startswith(("http://", "https://")):
        return RestTracking(tracking_uri, timeout=min(timeout, ATTEMPT_SECONDS))
    if "://" not in tracking_uri and ":" in tracking_uri:
        raise InvalidArgumentError(
            f"tracking URI {without_password(tracking_uri)!r} has no scheme: a server's begins with http:// or https://"
        )
    return ClientTracking(tracking_uri)


class RestTracking:
    """A tracking server over HTTP."""

    def __init__(self, uri: str, *, timeout: float) -> None:
        from mlflow.utils.credentials import get_default_host_creds

        self.uri = uri
        self._timeout = timeout
        self._credentials = get_default_host_creds(uri)
        # MLflow quotes the address in its own errors: a password in it goes where passwords belong.
        parts = urlsplit(uri)
        if parts.password is not None and parts.hostname is not None:
            self._credentials.host = without_password(uri)
            self._credentials.username = self._credentials.username or unquote(parts.username or "")
            self._credentials.password = self._credentials.password or unquote(parts.password)

    def get_run(self, run_id: str) -> RunRecord:
        """Return a run with its tags."""
        answer = self._call("GET", "runs/get", what=f"run {run_id!r}", params={"run_id": run_id})
        try:
            return _run_record(answer["run"])
        except (KeyError, TypeError, AttributeError) as error:
            raise self._no_mlflow(f"run {run_id!r}", answer) from error

    def experiment_name(self, experiment_id: str) -> str:
        """Return the name of an experiment."""
        answer = self._call(
            "GET", "experiments/get", what=f"experiment {experiment_id!r}", params={"experiment_id": experiment_id}
        )
        try:
            return str(answer["experiment"]["name"])
        except (KeyError, TypeError) as error:
            raise self._no_mlflow(f"experiment {experiment_id!r}", answer) from error

    def experiment_ids(self, names: Sequence[str] | None) -> list[str]:
        """Return the ids of experiments; of all that are not deleted where None is given."""
        if names is not None:
            return [self._experiment_id(name) for name in names]
        ids: list[str] = []
        token = ""
        while True:
            body = {"max_results": _PAGE, "page_token": token}
            answer = self._call("POST", "experiments/search", what="experiments", body=body)
            try:
                ids += [str(experiment["experiment_id"]) for experiment in answer.get("experiments", [])]
                token = str(answer.get("next_page_token") or "")
            except (KeyError, TypeError, AttributeError) as error:
                raise self._no_mlflow("experiments", answer) from error
            if not token:
                return ids

    def _experiment_id(self, name: str) -> str:
        what = f"experiment {name!r}"
        answer = self._call("GET", "experiments/get-by-name", what=what, params={"experiment_name": name})
        try:
            return str(answer["experiment"]["experiment_id"])
        except (KeyError, TypeError) as error:
            raise self._no_mlflow(what, answer) from error

    def search_runs(self, experiment_ids: list[str], wanted: str, token: str | None) -> tuple[list[RunRecord], str]:
        """Return a page of runs that match a filter, newest first, and the token of the next page, or ""."""
        body = {
            "experiment_ids": experiment_ids,
            "filter": wanted,
            "max_results": _PAGE,
            "page_token": token or "",
            "order_by": [_NEWEST_FIRST],
        }
        answer = self._call("POST", "runs/search", what="runs with explanations", body=body)
        try:
            return [_run_record(run) for run in answer.get("runs", [])], str(answer.get("next_page_token") or "")
        except (KeyError, TypeError, AttributeError) as error:
            raise self._no_mlflow("runs with explanations", answer) from error

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        """Set a tag of a run."""
        body = {"run_id": run_id, "key": key, "value": value}
        self._call("POST", "runs/set-tag", what=f"run {run_id!r}", body=body)

    def log(self, run_id: str, *, tags: Mapping[str, str], metrics: Mapping[str, float]) -> None:
        """Set tags of a run and log metrics at this moment."""
        body = {
            "run_id": run_id,
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
            "metrics": [
                {"key": key, "value": value, "timestamp": _milliseconds(), "step": 0} for key, value in metrics.items()
            ],
        }
        self._call("POST", "runs/log-batch", what=f"run {run_id!r}", body=body)

    def delete_tag(self, run_id: str, key: str) -> None:
        """Delete a tag of a run; one that is not there is no error."""
        try:
            self._call("POST", "runs/delete-tag", what=f"tag {key!r}", body={"run_id": run_id, "key": key})
        except RunNotFoundError:
            return

    def set_model_tags(self, model_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a logged model."""
        body = {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
        self._call("PATCH", f"logged-models/{model_id}/tags", what=f"logged model {model_id!r}", body=body)

    def delete_model_tag(self, model_id: str, key: str) -> None:
        """Delete a tag of a logged model; one that is not there is no error."""
        try:
            self._call("DELETE", f"logged-models/{model_id}/tags/{key}", what=f"tag {key!r}")
        except RunNotFoundError:
            return

    def check_model(self, model_id: str) -> None:
        """Raise ``RunNotFoundError`` unless the logged model exists."""
        self._call("GET", f"logged-models/{model_id}", what=f"logged model {model_id!r}")

    def _call(
        self, method: str, path: str, *, what: str, params: dict[str, str] | None = None, body: Any = None
    ) -> Any:
        import requests
        from mlflow.exceptions import MlflowException
        from mlflow.utils.rest_utils import http_request

        asked = f"asking the tracking server {without_password(self.uri)} for {what}"
        before = sys.exception()
        try:
            response = http_request(
                self._credentials,
                f"/api/2.0/mlflow/{path}",
                method,
                max_retries=0,
                timeout=self._timeout,
                raise_on_status=False,
                params=params,
                json=body,
            )
            status, text, wait = response.status_code, response.text, response.headers.get("Retry-After")
        except (MlflowException, requests.RequestException, OSError) as error:
            raise sdk_error(error, asked, before=before) from error
        answer = _json_object(text)
        if status == 200 and answer is not None:
            return answer
        if answer is not None and answer.get("error_code") in _UNKNOWN:
            said = quoted(str(answer.get("message", "")))
            raise RunNotFoundError(f"the tracking server {without_password(self.uri)} knows no {what}{said}")
        if status in (200, 404):
            raise self._no_mlflow(what, text)
        raise status_error(status, asked, said=text, wait=wait)

    def _no_mlflow(self, what: str, answer: object) -> StorageError:
        return StorageError(
            f"{without_password(self.uri)} was asked for {what} and gave no answer of MLflow{quoted(str(answer))}. "
            "Is that the address of an MLflow tracking server?"
        )


class ClientTracking:
    """A tracking store that MLflow's client reaches: a database, Databricks."""

    def __init__(self, uri: str) -> None:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        self.uri = uri
        try:
            self._client = MlflowClient(tracking_uri=uri)
        except ImportError as error:
            raise self._not_installed(error) from error
        except MlflowException as error:
            raise InvalidArgumentError(
                f"tracking URI {without_password(uri)!r} can't be used. Write http://HOST:PORT for a server"
                f"{quoted(error.message)}"
            ) from error

    def get_run(self, run_id: str) -> RunRecord:
        """Return a run with its tags."""
        return _run_of_client(self._call(f"run {run_id!r}", lambda: self._client.get_run(run_id)))

    def experiment_name(self, experiment_id: str) -> str:
        """Return the name of an experiment."""
        what = f"experiment {experiment_id!r}"
        return str(self._call(what, lambda: self._client.get_experiment(experiment_id)).name)

    def experiment_ids(self, names: Sequence[str] | None) -> list[str]:
        """Return the ids of experiments; of all that are not deleted where None is given."""
        if names is not None:
            return [self._experiment_id(name) for name in names]
        ids: list[str] = []
        token: str | None = None
        while True:
            search = partial(self._client.search_experiments, max_results=_PAGE, page_token=token)
            page = self._call("experiments", search)
            ids += [experiment.experiment_id for experiment in page]
            token = page.token
            if not token:
                return ids

    def _experiment_id(self, name: str) -> str:
        what = f"experiment {name!r}"
        found = self._call(what, lambda: self._client.get_experiment_by_name(name))
        if found is None:
            raise RunNotFoundError(f"the tracking store {without_password(self.uri)} knows no {what}")
        return str(found.experiment_id)

    def search_runs(self, experiment_ids: list[str], wanted: str, token: str | None) -> tuple[list[RunRecord], str]:
        """Return a page of runs that match a filter, newest first, and the token of the next page, or ""."""
        page = self._call(
            "runs with explanations",
            lambda: self._client.search_runs(
                experiment_ids, wanted, max_results=_PAGE, order_by=[_NEWEST_FIRST], page_token=token
            ),
        )
        return [_run_of_client(run) for run in page], page.token or ""

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        """Set a tag of a run."""
        self._call(f"run {run_id!r}", lambda: self._client.set_tag(run_id, key, value))

    def log(self, run_id: str, *, tags: Mapping[str, str], metrics: Mapping[str, float]) -> None:
        """Set tags of a run and log metrics at this moment."""
        from mlflow.entities import Metric, RunTag

        logged = [Metric(key, value, _milliseconds(), 0) for key, value in metrics.items()]
        set_ = [RunTag(key, value) for key, value in tags.items()]
        self._call(f"run {run_id!r}", lambda: self._client.log_batch(run_id, metrics=logged, tags=set_))

    def delete_tag(self, run_id: str, key: str) -> None:
        """Delete a tag of a run; one that is not there is no error."""
        try:
            self._call(f"tag {key!r}", lambda: self._client.delete_tag(run_id, key))
        except RunNotFoundError:
            return

    def set_model_tags(self, model_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a logged model."""
        what = f"logged model {model_id!r}"
        self._call(what, lambda: self._client.set_logged_model_tags(model_id, dict(tags)))

    def delete_model_tag(self, model_id: str, key: str) -> None:
        """Delete a tag of a logged model; one that is not there is no error."""
        try:
            self._call(f"tag {key!r}", lambda: self._client.delete_logged_model_tag(model_id, key))
        except RunNotFoundError:
            return

    def check_model(self, model_id: str) -> None:
        """Raise ``RunNotFoundError`` unless the logged model exists."""
        self._call(f"logged model {model_id!r}", lambda: self._client.get_logged_model(model_id))

    def _call(self, what: str, request: Callable[[], Any]) -> Any:
        from mlflow.exceptions import MlflowException

        before = sys.exception()
        try:
            return request()
        except ImportError as error:
            raise self._not_installed(error) from error
        except MlflowException as error:
            if error.error_code in _UNKNOWN:
                raise RunNotFoundError(
                    f"the tracking store {without_password(self.uri)} knows no {what}: {error.message}"
                ) from error
            raise sdk_error(
                error, f"asking the tracking store {without_password(self.uri)} for {what}", before=before
            ) from error

    def _not_installed(self, error: ImportError) -> MissingDependencyError:
        needed_for = f"the tracking store {without_password(self.uri)}, which is no server,"
        return MissingDependencyError(error.name or "mlflow", extra="server", needed_for=needed_for)


def _run_record(run: Mapping[str, Any]) -> RunRecord:
    """Return the run of an answer of the REST API."""
    info = run["info"]
    return RunRecord(
        run_id=info["run_id"],
        experiment_id=info["experiment_id"],
        artifact_uri=info["artifact_uri"],
        is_deleted=info.get("lifecycle_stage") == "deleted",
        tags={tag["key"]: tag["value"] for tag in run.get("data", {}).get("tags", [])},
    )


def _run_of_client(run: Any) -> RunRecord:
    """Return a run of MLflow's client."""
    return RunRecord(
        run_id=run.info.run_id,
        experiment_id=run.info.experiment_id,
        artifact_uri=run.info.artifact_uri,
        is_deleted=run.info.lifecycle_stage == "deleted",
        tags=dict(run.data.tags),
    )


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
