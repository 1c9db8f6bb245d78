"""What a supervisor tells a worker."""

from __future__ import annotations

import json
from dataclasses import dataclass

from explanation_client.serving.options import ServiceOptions

# What a worker ends with where it could not start; it has said what went wrong.
START_FAILED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The options, the worker's slot in the file of metrics, and the file descriptors that it inherits.

    Parameters
    ----------
    options : ServiceOptions
    metrics_file : str
    slot : int
    listen_fd : int
        The listening socket.
    ready_fd : int
        A pipe that gets a byte once the worker accepts requests.

    """

    options: ServiceOptions
    metrics_file: str
    slot: int
    listen_fd: int
    ready_fd: int

    def to_json(self) -> str:
        """Return the assignment as one line of JSON."""
        fields = ("metrics_file", "slot", "listen_fd", "ready_fd")
        return json.dumps({"options": self.options.to_json(), **{name: getattr(self, name) for name in fields}})

    @classmethod
    def from_json(cls, text: str) -> Assignment:
        """Return the assignment of :meth:`to_json`."""
        fields = json.loads(text)
        return cls(**{**fields, "options": ServiceOptions.from_json(fields["options"])})
