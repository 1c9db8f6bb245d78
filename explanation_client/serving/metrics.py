"""Counts of what the service did, for Prometheus, summed over its worker processes.

All counts lie in one small file that every worker maps into its memory: whichever worker is asked answers for all of
them, and a count outlives the worker that made it. Each worker has a slot of its own in the file, and each cell has one
writer, so that nothing is locked on the way of a request.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STATUSES = (200, 400, 405, 408, 413, 415, 422, 500, 503, 504)
_OTHER = "other"
# Seconds. One row of a tree model takes a millisecond, a batch of a kernel explainer minutes.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
SAMPLES = ("offered", "logged", "dropped", "failed")

_CELLS = (
    *(f"status {status}" for status in (*STATUSES, _OTHER)),
    *(f"bucket {bound}" for bound in (*BUCKETS, "+Inf")),
    "seconds",
    "rows",
    "explained",
    *(f"sample {name}" for name in SAMPLES),
    "uploads",
    "in flight",
)
_PLACES = {name: place for place, name in enumerate(_CELLS)}
_STATUS_PLACES = {status: _PLACES[f"status {status}"] for status in STATUSES}
_FIRST_BUCKET = _PLACES[f"bucket {BUCKETS[0]}"]
_SLOT_BYTES = 8 * len(_CELLS)
_PREFIX = "explanation_service"


def create_file(path: Path, n_slots: int) -> None:
    """Write a file of counts, all zero, with a slot for each of ``n_slots`` workers."""
    path.write_bytes(bytes(_SLOT_BYTES * n_slots))


class Metrics:
    """The counts of one worker, and the sum of all workers'.

    Parameters
    ----------
    path : Path, optional
        File that :func:`create_file` made. None: there is no other worker.
    slot : int
        Which of the file's slots is this worker's; nobody else may write to it at the same time.

    """

    def __init__(self, path: Path | None = None, slot: int = 0) -> None:
        if path is None:
            shared = mmap.mmap(-1, _SLOT_BYTES)
        else:
            with path.open("r+b") as file:
                shared = mmap.mmap(file.fileno(), 0)
        self._all: Any = memoryview(shared).cast("d")
        self._own: Any = self._all[slot * len(_CELLS) : (slot + 1) * len(_CELLS)]
        # Counts go on where an earlier worker left them; what it was in the midst of is over.
        self._own[_PLACES["in flight"]] = 0.0

    def arrived(self) -> None:
        """Count a request in."""
        self._own[_PLACES["in flight"]] += 1

    def answered(self, status: int, seconds: float, rows: int = 0, explained: int = 0) -> None:
        """Count a request out: its status, how long it took, rows that were predicted, rows that were explained."""
        own = self._own
        own[_PLACES["in flight"]] -= 1
        own[_STATUS_PLACES.get(status, _PLACES[f"status {_OTHER}"])] += 1
        own[_FIRST_BUCKET + bisect_left(BUCKETS, seconds)] += 1
        own[_PLACES["seconds"]] += seconds
        own[_PLACES["rows"]] += rows
        own[_PLACES["explained"]] += explained

    def sampled(self, outcome: str, rows: int) -> None:
        """Count rows of the sample of explanations: ``offered``, ``logged``, ``dropped`` or ``failed``."""
        self._own[_PLACES[f"sample {outcome}"]] += rows

    def uploaded(self) -> None:
        """Count an explanation that was uploaded."""
        self._own[_PLACES["uploads"]] += 1

    def total(self, cell: str) -> float:
        """Return the sum of a cell over all workers."""
        return float(sum(self._all[_PLACES[cell] :: len(_CELLS)]))

    def render(self, labels: dict[str, str]) -> str:
        """Return all counts in Prometheus' text format, version 0.0.4; ``labels`` describe the service."""
        return "".join(f"{line}\n" for line in self._lines(labels))

    def _lines(self, labels: dict[str, str]) -> Iterator[str]:
        yield from _head("info", "gauge", "What is served.")
        described = ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items())
        yield f"{_PREFIX}_info{{{described}}} 1"
        yield from _head("requests_total", "counter", "Requests for scores, by HTTP status.")
        for status in (*STATUSES, _OTHER):
            yield f'{_PREFIX}_requests_total{{status="{status}"}} {self.total(f"status {status}"):.0f}'
        yield from _head("request_seconds", "histogram", "Time from the arrival of a request to its answer.")
        count = 0.0
        for bound in (*BUCKETS, "+Inf"):
            count += self.total(f"bucket {bound}")
            yield f'{_PREFIX}_request_seconds_bucket{{le="{bound}"}} {count:.0f}'
        yield f"{_PREFIX}_request_seconds_sum {self.total('seconds'):.6f}"
        yield f"{_PREFIX}_request_seconds_count {count:.0f}"
        for cell, name, text in (
            ("rows", "rows_total", "Rows that were predicted."),
            ("explained", "explained_rows_total", "Rows that were explained."),
            ("uploads", "sample_uploads_total", "Explanations of sampled rows that were stored with the run."),
        ):
            yield from _head(name, "counter", text)
            yield f"{_PREFIX}_{name} {self.total(cell):.0f}"
        yield from _head("sample_rows_total", "counter", "Rows that were offered to the sample, and what came of them.")
        for name in SAMPLES:
            yield f'{_PREFIX}_sample_rows_total{{outcome="{name}"}} {self.total(f"sample {name}"):.0f}'
        yield from _head("in_flight", "gauge", "Requests that have arrived and are not answered.")
        yield f"{_PREFIX}_in_flight {self.total('in flight'):.0f}"


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {_PREFIX}_{name} {text}"
    yield f"# TYPE {_PREFIX}_{name} {kind}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
