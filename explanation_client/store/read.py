"""Reading an explanation back: only what was asked for, and every byte checked against the manifest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from explanation_client.artifacts import Artifacts, Stat
from explanation_client.errors import (
    ArtifactMissingError,
    CorruptFileError,
    ExplanationNotFoundError,
    StoredDataError,
)
from explanation_client.explanation import Explanation
from explanation_client.format import (
    MAX_MANIFEST_BYTES,
    FileEntry,
    Limits,
    Manifest,
    check_file,
    is_manifest_name,
    open_explanation,
    parse_manifest,
)
from explanation_client.store import ROOT, folder_of
from explanation_client.store.cache import FileCache
from explanation_client.store.retry import Deadline, retrying
from explanation_client.store.write import Committed

_log = logging.getLogger(__name__)
# A file that arrives damaged is fetched again: connections flip and cut more often than stores do.
_FETCHES = 3
_THREADS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where explanations are read from, and how.

    Parameters
    ----------
    artifacts : Artifacts
    cache : FileCache
    timeout : float
        Seconds for one operation, all its retries included. What is read later, when a part is first used, has as
        long again.
    limits : Limits
        What a manifest may ask for.

    """

    artifacts: Artifacts
    cache: FileCache
    timeout: float
    limits: Limits

    def deadline(self) -> Deadline:
        """Return the deadline of an operation that starts now."""
        return Deadline.after(self.timeout)


def stored_ids(source: Source) -> tuple[str, ...]:
    """Return the ids of all folders under the root, committed or not, in the order of their ids."""
    listing = retrying(lambda: source.artifacts.list(ROOT), deadline=source.deadline(), what="listing explanations")
    return tuple(sorted(stat.name for stat in listing if stat.is_folder))


def find_manifest(source: Source, explanation_id: str, *, name: str | None = None) -> Committed:
    """Return the manifest of an explanation, from one read where its file name is known.

    Without the name, or where that file is missing or damaged, the folder is listed. Of several whole manifests the
    one of the latest upload counts.

    Raises
    ------
    ExplanationNotFoundError
        There is no manifest: nothing was uploaded under this id, or not to its end.
    StoredDataError
        There are manifests, and none of them is whole.

    """
    if name is not None:
        try:
            return _read_manifest(source, explanation_id, name)
        except (ArtifactMissingError, CorruptFileError) as error:
            _log.info("the manifest that the run's tag names can't be read (%s): looking for another", error)
    found, problems = list_manifests(source, explanation_id)
    if found:
        return found[-1]
    if problems:
        raise problems[0]
    raise ExplanationNotFoundError(f"explanation {explanation_id} has no manifest: its upload did not finish")


def list_files(source: Source, explanation_id: str) -> tuple[Stat, ...]:
    """Return the files in an explanation's folder; none where it does not exist, or was emptied."""
    folder = folder_of(explanation_id)
    listing = retrying(lambda: source.artifacts.list(folder), deadline=source.deadline(), what=f"listing {folder}")
    return tuple(stat for stat in listing if not stat.is_folder)


def list_manifests(
    source: Source, explanation_id: str, files: tuple[Stat, ...] | None = None
) -> tuple[list[Committed], list[StoredDataError]]:
    """Return all whole manifests of an explanation, latest upload last, and what is wrong with the others."""
    found: list[Committed] = []
    problems: list[StoredDataError] = []
    for stat in list_files(source, explanation_id) if files is None else files:
        if not is_manifest_name(stat.name):
            continue
        try:
            found.append(_read_manifest(source, explanation_id, stat.name))
        except StoredDataError as error:
            problems.append(error)
        except ArtifactMissingError:
            # Deleted between the listing and now.
            continue
    found.sort(key=lambda c: (c.manifest.info.uploaded_at or c.manifest.info.created_at, c.name))
    return found, problems


def open_stored(source: Source, manifest: Manifest, *, top_k: int | None = None) -> Explanation:
    """Return the explanation that a manifest describes; large parts are read when they are first used."""
    fetch = StoreFetch(source, manifest)
    return open_explanation(manifest, fetch, top_k=top_k, limits=source.limits, map_files=_side_by_side)


@dataclass(frozen=True, slots=True)
class StoreFetch:
    """Gets one file of an explanation, from the cache or the store, and checks it; knows what it reads from.

    Parameters
    ----------
    source : Source
    manifest : Manifest

    """

    source: Source
    manifest: Manifest

    def __call__(self, entry: FileEntry) -> bytes:
        """Return the bytes of a file."""
        cache = self.source.cache
        cached = cache.get(entry.sha256)
        if cached is not None:
            try:
                check_file(entry, cached)
            except CorruptFileError:
                cache.drop(entry.sha256)
            else:
                return cached
        data = fetch_checked(self.source, self.manifest.info.id, entry)
        cache.put(entry.sha256, data)
        return data


def fetch_checked(source: Source, explanation_id: str, entry: FileEntry) -> bytes:
    """Return the bytes of one file from the store, once they agree with the manifest.

    Raises
    ------
    CorruptFileError
        They did not in three fetches.
    ArtifactMissingError
        The file is gone.

    """
    path = f"{folder_of(explanation_id)}/{entry.name}"
    deadline = source.deadline()
    for fetches_left in reversed(range(_FETCHES)):
        data = retrying(
            lambda: source.artifacts.read(path, max_bytes=entry.size + 1), deadline=deadline, what=f"reading {path}"
        )
        try:
            check_file(entry, data)
        except CorruptFileError as error:
            if not fetches_left:
                raise
            _log.warning("%s; fetching it again", error)
        else:
            return data
    raise AssertionError("the last fetch returns or raises")


def _read_manifest(source: Source, explanation_id: str, name: str) -> Committed:
    path = f"{folder_of(explanation_id)}/{name}"
    deadline = source.deadline()
    for fetches_left in reversed(range(_FETCHES)):
        data = retrying(
            lambda: source.artifacts.read(path, max_bytes=MAX_MANIFEST_BYTES + 1),
            deadline=deadline,
            what=f"reading {path}",
        )
        try:
            manifest = parse_manifest(data, name=name, limits=source.limits)
        except CorruptFileError:
            if not fetches_left:
                raise
            continue
        if manifest.info.id != explanation_id:
            raise CorruptFileError(f"{path} is the manifest of another explanation, {manifest.info.id}")
        return Committed(manifest, name)
    raise AssertionError("the last fetch returns or raises")


def _side_by_side(function: Callable[[FileEntry], None], entries: Iterable[FileEntry]) -> Iterable[None]:
    """Call a function for each file, a few at a time: one is decoded while others travel."""
    files = list(entries)
    if len(files) < 2:
        return list(map(function, files))
    # Not a `with` block, which would wait for what travels: Ctrl-C ends the download at once.
    pool = ThreadPoolExecutor(min(_THREADS, len(files)), thread_name_prefix="explanation-download")
    try:
        return list(pool.map(function, files))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
