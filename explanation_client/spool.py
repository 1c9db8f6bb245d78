"""What an upload could not deliver, kept on this machine until ``resume`` finishes it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from explanation_client.artifacts import FolderArtifacts
from explanation_client.artifacts.failures import os_error
from explanation_client.artifacts.mlflow_api import without_password
from explanation_client.errors import ExplanationNotFoundError, InvalidArgumentError, StorageError
from explanation_client.explanation import Explanation
from explanation_client.format import Limits
from explanation_client.info import ExplanationInfo, new_id
from explanation_client.store.cache import FileCache
from explanation_client.store.read import Source, find_manifest, open_stored, stored_ids
from explanation_client.store.retry import Deadline
from explanation_client.store.write import write_explanation

_NOTE = "upload.json"
# A local folder answers at once or not at all.
_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """An upload that waits on this machine: the explanation, and where it was to go."""

    explanation: Explanation
    info: ExplanationInfo
    tracking_uri: str
    run_id: str
    include_view: bool
    log_metrics: bool = True
    describe_run: bool = False


def spool_upload(upload: Spooled) -> Path:
    """Return the folder in which the upload now lies, in the stored format; each upload has one of its own.

    Raises
    ------
    StorageError
        It can't be written there.

    """
    what = "keeping the upload on this machine"
    try:
        folder = state_folder() / "spool" / new_id()
        folder.mkdir(mode=0o700, parents=True)
    except RuntimeError as error:
        raise StorageError(f"{what} failed: {error}. Set EXPLANATION_CLIENT_HOME to a folder") from error
    except OSError as error:
        raise os_error(error, what) from error
    store = FolderArtifacts(folder)
    write_explanation(
        store,
        upload.explanation,
        info=upload.info,
        include_view=False,
        deadline=Deadline.after(_SECONDS),
    )
    note = {
        "tracking_uri": without_password(upload.tracking_uri),
        "run_id": upload.run_id,
        "include_view": upload.include_view,
        "log_metrics": upload.log_metrics,
        "describe_run": upload.describe_run,
    }
    store.write(_NOTE, json.dumps(note).encode())
    return folder


def state_folder() -> Path:
    """Return the folder for what must outlive a cache: ``EXPLANATION_CLIENT_HOME``, or the system's place for it.

    Raises
    ------
    RuntimeError
        The user has no home folder.

    """
    chosen = os.environ.get("EXPLANATION_CLIENT_HOME")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "explanation-client"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "explanation-client"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "explanation-client"


def read_spool(folder: str | Path) -> Spooled:
    """Return the upload that lies in a folder.

    Raises
    ------
    InvalidArgumentError
        The folder holds none.

    """
    path = Path(folder)
    try:
        note = json.loads((path / _NOTE).read_text(encoding="utf-8"))
        explanation = load_explanation(path)
        return Spooled(
            explanation=explanation,
            info=explanation.info,
            tracking_uri=str(note["tracking_uri"]),
            run_id=str(note["run_id"]),
            include_view=bool(note["include_view"]),
            log_metrics=bool(note["log_metrics"]),
            describe_run=bool(note["describe_run"]),
        )
    except (OSError, ValueError, KeyError, TypeError, ExplanationNotFoundError) as error:
        raise InvalidArgumentError(f"{path} holds no upload that can be resumed: {error!r}") from error


def forget_spool(folder: str | Path) -> None:
    """Remove a spooled upload that has been delivered."""
    shutil.rmtree(folder)


def save_explanation(explanation: Explanation, folder: str | Path, *, exist_ok: bool = False) -> Path:
    """Save an explanation, with the evaluation data it holds, to a folder, and return the folder.

    The folder has the stored format, as the artifacts of a run have it.

    Parameters
    ----------
    explanation : Explanation
    folder : str or Path
        Made where it does not exist.
    exist_ok : bool
        Save beside other explanations into a folder that is not empty.

    Raises
    ------
    InvalidArgumentError
        The folder is not empty, and ``exist_ok`` is not set.
    InvalidExplanationError
        Importances hold NaN or infinity.

    """
    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise InvalidArgumentError(f"{path} is a file: choose a folder")
    if path.exists() and any(path.iterdir()) and not exist_ok:
        raise InvalidArgumentError(f"{path} is not empty: choose another folder, or pass exist_ok=True")
    explanation.check_finite()
    path.mkdir(parents=True, exist_ok=True)
    write_explanation(
        FolderArtifacts(path),
        explanation,
        info=explanation.info,
        include_view=False,
        deadline=Deadline.after(_SECONDS),
    )
    return path


def load_explanation(folder: str | Path, explanation_id: str | None = None) -> Explanation:
    """Return an explanation that was saved to a folder; of several the latest, or the one with the id.

    Raises
    ------
    ExplanationNotFoundError
        The folder holds no explanation, or none with this id.
    StoredDataError
        Its files are damaged.

    """
    source = Source(artifacts=FolderArtifacts(Path(folder)), cache=NO_CACHE, timeout=_SECONDS, limits=Limits())
    ids = stored_ids(source) if explanation_id is None else (explanation_id,)
    if not ids:
        raise ExplanationNotFoundError(f"{folder} holds no explanation")
    return open_stored(source, find_manifest(source, ids[-1]).manifest)


NO_CACHE = FileCache(Path(), max_bytes=0)
"""A cache that keeps nothing."""
