"""How a service is set up."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any

from explanation_client.errors import InvalidArgumentError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request, and all that wait, may take.

    Parameters
    ----------
    max_bytes : int
        Of the body of a request. Checked while it arrives.
    max_rows : int
        Of a request.
    max_waiting : int
        Requests that a worker holds at a time, waiting ones included; more are told to come back (503).
    max_held_bytes : int
        Of the bodies of all these requests together; beyond, too, requests are told to come back.
    body_seconds : float
        For the body of a request to arrive.
    answer_seconds : float
        For the answer to be computed.

    """

    max_bytes: int = 8 * 2**20
    max_rows: int = 10_000
    max_waiting: int = 256
    max_held_bytes: int = 64 * 2**20
    body_seconds: float = 30.0
    answer_seconds: float = 60.0

    def __post_init__(self) -> None:
        _whole(self, "max_bytes", "max_rows", "max_waiting", "max_held_bytes")
        _positive(self, "body_seconds", "answer_seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOptions:
    """Which local explanations are stored with a run, and how often.

    Parameters
    ----------
    run_id : str
    tracking_uri : str, optional
        None: the tracking server that MLflow is set to.
    fraction : float
        Of the requests, above 0 and up to 1.
    rows : int
        At most so many rows in one stored explanation: a uniform sample of those since the last one.
    seconds : float
        From one stored explanation to the next, at least.
    with_rows : bool
        Store the rows themselves, and their predictions, too. They are often personal data.

    """

    run_id: str
    tracking_uri: str | None = None
    fraction: float = 1.0
    rows: int = 1000
    seconds: float = 3600.0
    with_rows: bool = False

    def __post_init__(self) -> None:
        if not self.run_id:
            raise InvalidArgumentError("run_id is missing: explanations are stored with a run")
        if not 0 < self.fraction <= 1:
            raise InvalidArgumentError(f"fraction={self.fraction!r}: above 0, and at most 1 for all requests")
        _whole(self, "rows")
        _positive(self, "seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """All that a service is started with.

    Parameters
    ----------
    directory : str
        Folder of a saved scoring explainer.
    script : str, optional
        A Python file with ``init()`` and ``run(raw_data)`` that answers requests in place of the scoring explainer.
    host, port
        Where it listens. Port 0 takes a free one.
    workers : int
        Processes.
    threads : int
        Requests that each worker computes at a time.
    limits : Limits
    sample : SampleOptions, optional
        None: nothing is stored.
    stop_seconds : float
        For requests that have arrived to be answered once the service is told to stop.
    access_log : bool
        A line for each request: method, path, status. Never what it holds.

    """

    directory: str
    script: str | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    threads: int = 1
    limits: Limits = dataclasses.field(default_factory=Limits)
    sample: SampleOptions | None = None
    stop_seconds: float = 30.0
    access_log: bool = False

    def __post_init__(self) -> None:
        _whole(self, "workers", "threads")
        _positive(self, "stop_seconds")
        if not 0 <= self.port <= 65535:
            raise InvalidArgumentError(f"port={self.port!r}: 0 to 65535")
        if self.sample is not None and self.script is not None:
            raise InvalidArgumentError(
                "a script's answers are its own, and no explanations are taken from them: leave out the script, or "
                "the run to log to"
            )

    def to_json(self) -> str:
        """Return the options as JSON, for a worker process."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ServiceOptions:
        """Return the options of :meth:`to_json`."""
        fields: dict[str, Any] = json.loads(text)
        sample = fields.pop("sample")
        return cls(
            **{name: value for name, value in fields.items() if name != "limits"},
            limits=Limits(**fields["limits"]),
            sample=None if sample is None else SampleOptions(**sample),
        )


def _whole(options: Any, *names: str) -> None:
    for name in names:
        value = getattr(options, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InvalidArgumentError(f"{name}={value!r}: a whole number, at least 1")


def _positive(options: Any, *names: str) -> None:
    for name in names:
        value = getattr(options, name)
        if not (value > 0 and math.isfinite(value)):
            raise InvalidArgumentError(f"{name}={value!r}: a number of seconds above 0")
