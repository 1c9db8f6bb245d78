"""Explanations of many runs, found by what their tags say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from explanation_client.errors import InvalidArgumentError
from explanation_client.highlights import LATEST
from explanation_client.index import Query, index_entries
from explanation_client.info import ExplanationInfo
from explanation_client.store.retry import Deadline, retrying
from explanation_client.tracking import RunRecord, Tracking

# A tag names at most five top features.
MAX_AMONG = 5
# Runs that have explanations; every tag that is there is like anything.
_FILTER = f"tags.`{LATEST}` LIKE '%'"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundExplanation:
    """An explanation that a search found, and the run that has it."""

    run_id: str
    run_name: str
    experiment_id: str
    info: ExplanationInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which explanations a search is for."""

    query: Query = field(default_factory=Query)
    top_feature: str | None = None
    among: int = 1
    method: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.among, bool) or not isinstance(self.among, int) or not 1 <= self.among <= MAX_AMONG:
            raise InvalidArgumentError(
                f"among={self.among!r}: between 1 and {MAX_AMONG}, as listings name five features"
            )

    def matches(self, info: ExplanationInfo) -> bool:
        """Whether an explanation is one of those."""
        # A listing cuts long names.
        top = info.top_features[: self.among]
        return (
            self.query.matches(info)
            and self.method in (None, info.method)
            and (self.top_feature is None or any(_same_name(name, self.top_feature) for name in top))
        )


def search_explanations(
    tracking: Tracking, *, experiment_names: Sequence[str] | None, wanted: Wanted, max_results: int, seconds: float
) -> list[FoundExplanation]:
    """Return the explanations of all runs that match, newest runs first: one request for each thousand runs.

    Raises
    ------
    RunNotFoundError
        An experiment does not exist.
    InvalidArgumentError
        ``max_results`` is less than 1.

    """
    if max_results < 1:
        raise InvalidArgumentError(f"max_results={max_results!r}: at least 1")
    deadline = Deadline.after(seconds)
    found: list[FoundExplanation] = []
    for run in _runs(tracking, experiment_names, deadline):
        for entry in reversed(index_entries(run.tags)):
            if wanted.matches(entry.info):
                found.append(_found(run, entry.info))
                if len(found) == max_results:
                    return found
    return found


def run_ids(tracking: Tracking, *, unlisted: bool, seconds: float) -> list[str]:
    """Return the runs of a server that have explanations, newest first: one request for each thousand.

    Parameters
    ----------
    tracking : Tracking
    unlisted : bool
        All runs instead: one whose tags are lost is like one that never had an explanation.
    seconds : float
        For all requests together.

    """
    runs = _runs(tracking, None, Deadline.after(seconds), wanted="" if unlisted else _FILTER)
    return [run.run_id for run in runs]


def _runs(
    tracking: Tracking, experiment_names: Sequence[str] | None, deadline: Deadline, *, wanted: str = _FILTER
) -> Iterator[RunRecord]:
    ids = retrying(
        lambda: tracking.experiment_ids(experiment_names), deadline=deadline, what="looking up the experiments"
    )
    token: str | None = None
    while ids:
        page, token = retrying(
            lambda token=token: tracking.search_runs(ids, wanted, token),  # type: ignore[misc]
            deadline=deadline,
            what="searching runs",
        )
        yield from page
        if not token:
            return


def _found(run: RunRecord, info: ExplanationInfo) -> FoundExplanation:
    name = run.tags.get("mlflow.runName", "")
    return FoundExplanation(run_id=run.run_id, run_name=name, experiment_id=run.experiment_id, info=info)


def _same_name(listed: str, asked: str) -> bool:
    """Whether a name of a listing, which may be cut, is the one asked for."""
    return listed == asked or (len(listed) >= 20 and len(asked) > len(listed) and asked.startswith(listed))
