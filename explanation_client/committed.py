"""Which of a run's stored explanations is meant, whether or not its tag lists it; and whether tag and files agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from explanation_client.errors import ExplanationNotFoundError
from explanation_client.format import summary_tag
from explanation_client.index import Listed, Query, not_found, upload_order
from explanation_client.store.check import Report, verify_stored
from explanation_client.store.read import Source, find_manifest, list_manifests, stored_ids
from explanation_client.store.write import Committed


def find_listed(source: Source, entry: Listed, run_id: str) -> Committed:
    """Return the explanation that a run's list names.

    Raises
    ------
    ExplanationNotFoundError
        Its files are gone.
    StoredDataError
        Its manifest is damaged, or too new.

    """
    try:
        return find_manifest(source, entry.info.id, name=entry.manifest_name)
    except ExplanationNotFoundError as error:
        raise ExplanationNotFoundError(
            f"explanation {entry.info.id} is in the list of run {run_id}, and its files are gone. "
            f"`explanation-client verify {run_id}` shows what is whole, delete_model_explanation() removes it"
        ) from error


def find_unlisted(source: Source, query: Query, listed: Sequence[Listed], run_id: str) -> Committed:
    """Return the latest explanation that matches among those that are stored and have lost their tags.

    Raises
    ------
    ExplanationNotFoundError
        There is none; the message says what there is, listed or not.

    """
    known = {entry.info.id for entry in listed}
    found: list[Committed] = []
    for explanation_id in stored_ids(source):
        if explanation_id == query.explanation_id and explanation_id not in known:
            # Asked for by name: what is wrong with it is then the answer.
            found.append(find_manifest(source, explanation_id))
        elif explanation_id not in known:
            found.extend(list_manifests(source, explanation_id)[0][-1:])
    found.sort(key=lambda committed: upload_order(committed.manifest.info))
    matching = [c for c in found if query.matches(c.manifest.info)]
    if not matching:
        existing = [entry.info for entry in listed] + [committed.manifest.info for committed in found]
        raise ExplanationNotFoundError(not_found(run_id, query, existing))
    return matching[-1]


def verified(
    source: Source, explanation_id: str, tag: str | None, *, repair: Callable[[Committed], None] | None
) -> Report | None:
    """Return what reading every byte of an explanation shows, and its tag; None where nothing is there.

    Parameters
    ----------
    source : Source
    explanation_id : str
    tag : str, optional
        The tag that lists it, as it is.
    repair : callable, optional
        Writes the tag of an explanation that is whole, where it is lost or wrong. None: that is a problem.

    """
    report = verify_stored(source, explanation_id)
    listed = tag is not None
    if report is None:
        if not listed:
            return None
        gone = "it is listed and its files are gone: delete_model_explanation() removes it from the list"
        return Report(id=explanation_id, committed=False, listed=True, problems=(gone,))
    if not report.committed:
        damaged = ("it is listed, and its manifest is gone or damaged",) if listed else ()
        return replace(report, listed=listed, problems=(*report.problems, *damaged))
    committed = find_manifest(source, explanation_id)
    if tag == summary_tag(committed.manifest, committed.name) or _names_a_copy(source, committed, tag):
        return replace(report, listed=True)
    if repair is not None:
        repair(committed)
        return replace(report, listed=True)
    wrong = "its tag is wrong" if listed else "its tag is lost, so that it is not listed"
    problem = f"{wrong}: verify with repair=True writes it again"
    return replace(report, listed=listed, problems=(*report.problems, problem))


def _names_a_copy(source: Source, committed: Committed, tag: str | None) -> bool:
    """Whether the tag is right, and names another copy of the manifest: of an attempt whose answer was lost."""
    if tag is None:
        return False
    found, _ = list_manifests(source, committed.manifest.info.id)
    return any(tag == summary_tag(c.manifest, c.name) for c in found if c.manifest == committed.manifest)
