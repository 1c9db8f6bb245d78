"""How a run knows of its explanations: the tags that list them, the latest one's highlights, and its page.

All of it comes after the explanation has been stored: what fails here is a warning, and no failed upload.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from functools import partial

from explanation_client.artifacts import Artifacts
from explanation_client.errors import RunNotFoundError, StorageError
from explanation_client.explanation import Explanation
from explanation_client.format import summary_tag
from explanation_client.highlights import (
    DESCRIPTION,
    HIGHLIGHTS,
    LATEST,
    described,
    highlight_metrics,
    highlight_tags,
)
from explanation_client.index import index_entries, tag_key
from explanation_client.info import ExplanationInfo
from explanation_client.store import PAGE, folder_of
from explanation_client.store.retry import Deadline, retrying
from explanation_client.store.write import Committed
from explanation_client.tracking import RunRecord, Tracking

# A page may take no more than so many seconds of an upload.
_PAGE_SECONDS = 60.0
_log = logging.getLogger(__name__)


def writable_run(tracking: Tracking, run_id: str, model_id: str | None, *, deadline: Deadline) -> RunRecord:
    """Return a run that an explanation can be stored with.

    Raises
    ------
    RunNotFoundError
        The run, or the logged model, does not exist, or the run is deleted.
    StorageError
        The server failed until the deadline.

    """
    run = retrying(lambda: tracking.get_run(run_id), deadline=deadline, what=f"looking up run {run_id}")
    if run.is_deleted:
        raise RunNotFoundError(f"run {run_id} is deleted: restore it first, or upload to another run")
    if model_id is not None:
        retrying(lambda: tracking.check_model(model_id), deadline=deadline, what="looking up the model")
    return run


def enter_latest(
    tracking: Tracking,
    run: RunRecord,
    committed: Committed,
    explanation: Explanation,
    *,
    log_metrics: bool,
    describe_run: bool,
    deadline: Deadline,
) -> None:
    """Set the tags that list an explanation, and the highlights of the run's latest one; a failure is a warning."""
    tags = highlight_tags(committed.manifest.info)
    if describe_run:
        tags[DESCRIPTION] = described(run.tags, committed.manifest.info)
    metrics = highlight_metrics(explanation) if log_metrics else {}
    enter(tracking, run.run_id, committed, deadline=deadline, tags=tags, metrics=metrics)


def enter(
    tracking: Tracking,
    run_id: str,
    committed: Committed,
    *,
    deadline: Deadline,
    tags: Mapping[str, str] | None = None,
    metrics: Mapping[str, float] | None = None,
) -> None:
    """Set the tags that list an explanation. It is stored by now: a failure here is no failed upload."""
    info, more = committed.manifest.info, tags or {}
    key, value = tag_key(info.id), summary_tag(committed.manifest, committed.name)
    try:
        retrying(
            lambda: tracking.log(run_id, tags={key: value, **more}, metrics=metrics or {}),
            deadline=deadline,
            what="setting the run's tags",
        )
        if info.model_id is not None:
            model_id = info.model_id
            model_tags = {key: run_id, **{name: more[name] for name in HIGHLIGHTS if name in more}}
            retrying(
                lambda: tracking.set_model_tags(model_id, model_tags),
                deadline=deadline,
                what="setting the model's tags",
            )
    except (StorageError, RunNotFoundError) as error:
        warnings.warn(
            f"explanation {info.id} is stored, but could not be entered into the run's list: {error}. Download "
            f"it by its id, or list it with `explanation-client verify --repair {run_id}`",
            stacklevel=3,
        )


def store_page(artifacts: Artifacts, info: ExplanationInfo, make: Callable[[], bytes], *, deadline: Deadline) -> None:
    """Store a page for MLflow's artifact viewer. The explanation is stored: a failure here is no failed upload."""
    try:
        page = make()
        path = f"{folder_of(info.id)}/{PAGE}"
        soon = Deadline.after(min(deadline.remaining, _PAGE_SECONDS))
        retrying(lambda: artifacts.write(path, page), deadline=soon, what=f"storing {PAGE}")
    except Exception as error:  # whatever it is, the explanation is worth more than a page of it
        _log.info("there is no page of explanation %s", info.id, exc_info=True)
        warnings.warn(
            f"explanation {info.id} is stored, but its page {PAGE} is not: {type(error).__name__}: {error}",
            stacklevel=3,
        )


def remove(tracking: Tracking, run: RunRecord, explanation_id: str, *, deadline: Deadline) -> None:
    """Delete the run's tag, and the one of the logged model that the explanation belongs to."""
    key = tag_key(explanation_id)
    models = [e.info.model_id for e in index_entries(run.tags) if e.info.id == explanation_id and e.info.model_id]
    retrying(lambda: tracking.delete_tag(run.run_id, key), deadline=deadline, what="deleting the run's tag")
    if run.tags.get(LATEST) == explanation_id:
        _highlight_another(tracking, run, explanation_id, deadline)
    for model_id in models:
        retrying(partial(tracking.delete_model_tag, model_id, key), deadline=deadline, what="deleting the model's tag")


def highlight_latest(tracking: Tracking, run: RunRecord, *, deadline: Deadline) -> None:
    """Set the run's highlights to those of the latest explanation of its list, where they are of none of them.

    A failure is a warning: they only help searches.
    """
    listed = [entry.info for entry in index_entries(run.tags)]
    if not listed or run.tags.get(LATEST) in {info.id for info in listed}:
        return
    tags = highlight_tags(listed[-1])
    try:
        retrying(
            lambda: tracking.log(run.run_id, tags=tags, metrics={}), deadline=deadline, what="setting the run's tags"
        )
    except (StorageError, RunNotFoundError) as error:
        warnings.warn(f"searches do not find the explanations of run {run.run_id} yet: {error}", stacklevel=3)


def _highlight_another(tracking: Tracking, run: RunRecord, deleted: str, deadline: Deadline) -> None:
    """Set the run's highlights to those of the latest explanation that is left, or remove them."""
    left = [entry.info for entry in index_entries(run.tags) if entry.info.id != deleted]
    tags = highlight_tags(left[-1]) if left else {}
    if tags:
        retrying(
            lambda: tracking.log(run.run_id, tags=tags, metrics={}), deadline=deadline, what="setting the run's tags"
        )
    for name in HIGHLIGHTS:
        if name in run.tags and name not in tags:
            retrying(partial(tracking.delete_tag, run.run_id, name), deadline=deadline, what="deleting the run's tags")
