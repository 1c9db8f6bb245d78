"""Verifying, deleting, and collecting what unfinished uploads left behind."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from explanation_client.artifacts import Artifacts, LeavesTemporaries, Stat
from explanation_client.errors import ArtifactMissingError, CorruptFileError, StoredDataError
from explanation_client.explanation import Explanation
from explanation_client.format import is_manifest_name
from explanation_client.store import PAGE, folder_of
from explanation_client.store.read import (
    Source,
    fetch_checked,
    list_files,
    list_manifests,
    open_stored,
    stored_ids,
)
from explanation_client.store.retry import Deadline, retrying

_HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a verification found of one explanation.

    Parameters
    ----------
    id : str
    committed : bool
        Whether a whole manifest exists.
    listed : bool
        Whether a run tag enters it into the run's list.
    files, size : int
        Number and bytes of the files that were read and agree with the manifest.
    problems : tuple of str
        Empty where all is well.

    """

    id: str
    committed: bool
    listed: bool = False
    files: int = 0
    size: int = 0
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the explanation is whole and listed."""
        return self.committed and not self.problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """A file that belongs to no explanation.

    Parameters
    ----------
    path : str
        Relative to the run's artifacts.
    size : int, optional
        Bytes, where the store says.
    age_hours : float
    reason : str

    """

    path: str
    size: int | None
    age_hours: float
    reason: str


def verify_stored(source: Source, explanation_id: str) -> Report | None:
    """Return what reading every file of an explanation from the store, not the cache, shows; None without any file."""
    listing = list_files(source, explanation_id)
    if not listing:
        return None
    found, broken = list_manifests(source, explanation_id, listing)
    if not found:
        unfinished = ("there is no manifest: the upload did not finish",)
        return Report(id=explanation_id, committed=False, problems=tuple(map(str, broken)) or unfinished)
    # Damaged manifests beside a whole one are attempts that were repeated: garbage, no problem.
    manifest = found[-1].manifest
    problems: list[str] = []
    files = size = 0
    for entry in manifest.files:
        try:
            fetch_checked(source, explanation_id, entry)
        except (StoredDataError, ArtifactMissingError) as error:
            problems.append(str(error))
        else:
            files, size = files + 1, size + entry.size
    if not problems:
        try:
            _read_all(open_stored(source, manifest))
        except StoredDataError as error:
            problems.append(str(error))
    return Report(id=explanation_id, committed=True, files=files, size=size, problems=tuple(problems))


def delete_stored(artifacts: Artifacts, explanation_id: str, *, deadline: Deadline) -> int:
    """Delete an explanation's files, manifests first, and return how many there were."""
    folder = folder_of(explanation_id)
    listing = retrying(lambda: artifacts.list(folder), deadline=deadline, what=f"listing {folder}")
    files = sorted(listing, key=lambda stat: not is_manifest_name(stat.name))
    for stat in files:
        delete_file(artifacts, stat.path, deadline=deadline)
    return len(files)


def delete_file(artifacts: Artifacts, path: str, *, deadline: Deadline) -> None:
    """Delete one file."""
    retrying(lambda: artifacts.delete(path), deadline=deadline, what=f"deleting {path}")


def find_garbage(source: Source, *, older_than_hours: float, listed: Collection[str]) -> tuple[Garbage, ...]:
    """Return the files that no whole manifest lists, and that are older than so many hours.

    A file's age is that of its newest sign of life: the store's time of change, or the time in its name. Where
    anything in a folder is younger, an upload may still be under way, and the whole folder stays. So does an
    explanation that is listed (its upload ended well) and has lost its manifest since: it is damaged, not garbage. And
    so does one whose manifest is whole, and says what this version can't read.
    """
    garbage: list[Garbage] = []
    for explanation_id in stored_ids(source):
        garbage.extend(_garbage_in(source, explanation_id, older_than_hours, explanation_id in listed))
    return tuple(garbage)


def _garbage_in(source: Source, explanation_id: str, older_than_hours: float, listed: bool) -> list[Garbage]:
    files = list_files(source, explanation_id)
    found, problems = list_manifests(source, explanation_id, files)
    if (listed and not found) or not all(isinstance(problem, CorruptFileError) for problem in problems):
        return []
    kept = {committed.name for committed in found} | ({PAGE} if found else set())
    kept |= {entry.name for committed in found for entry in committed.manifest.files}
    reason = "left over from an attempt that was repeated" if found else "of an upload that did not finish"
    stray = [(stat, reason) for stat in files if stat.name not in kept]
    stray += [(stat, "part of a file, whose writer was killed") for stat in _leftovers(source, explanation_id)]
    garbage = [Garbage(path=s.path, size=s.size, age_hours=_age_hours(s), reason=reason) for s, reason in stray]
    return garbage if all(item.age_hours >= older_than_hours for item in garbage) else []


def _leftovers(source: Source, explanation_id: str) -> tuple[Stat, ...]:
    store, folder = source.artifacts, folder_of(explanation_id)
    if not isinstance(store, LeavesTemporaries):
        return ()
    return retrying(lambda: store.leftovers(folder), deadline=source.deadline(), what=f"listing {folder}")


def _age_hours(stat: Stat) -> float:
    """Return the hours since the newest sign of life of a file; 0 where nothing tells, so that it stays."""
    times = [moment for moment in (_seconds(stat.modified), _time_in_name(stat.path)) if moment is not None]
    return max(0.0, (time.time() - max(times)) / _HOUR) if times else 0.0


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _time_in_name(path: str) -> float | None:
    """Return the time at which an attempt began: the first eight digits of the nonce that ends the name's stem."""
    nonce = path.rpartition("/")[2].rpartition(".")[0].rpartition("-")[2]
    try:
        return float(int(nonce[:8], 16)) if len(nonce) == 16 else None
    except ValueError:
        return None


def _read_all(explanation: Explanation) -> None:
    explanation.load().check_finite()
