"""Scoring explainers in folders: saved in one step, loaded after they have been checked and tested."""

from __future__ import annotations

import os
from pathlib import Path

from explanation_client.artifacts import Artifacts, FolderArtifacts
from explanation_client.errors import (
    ArtifactMissingError,
    CorruptFileError,
    InvalidArgumentError,
    LimitExceededError,
    StoredDataError,
)
from explanation_client.scoring.base import ScoringExplainer
from explanation_client.scoring.check import check_apart, needs_check
from explanation_client.scoring.description import (
    MAX_BYTES,
    MAX_DESCRIPTION_BYTES,
    NAME,
    Bundle,
    check_file,
    is_file_name,
    read_description,
)
from explanation_client.scoring.networks import Serializer
from explanation_client.scoring.pack import pack
from explanation_client.scoring.unpack import unpack

_ATTEMPTS = 3


def save(
    scoring_explainer: ScoringExplainer,
    directory: str | os.PathLike[str] = ".",
    exist_ok: bool = False,
    *,
    allow_pickle: bool = False,
) -> str:
    """Return the path of a folder, in which the scoring explainer now is.

    The description is written last, in one step: whoever loads meanwhile gets the old scoring explainer or the new one,
    and one that was not finished is none. Nothing is pickled.

    Parameters
    ----------
    scoring_explainer : ScoringExplainer
    directory : path
        A folder of its own.
    exist_ok : bool
        Replace a scoring explainer that is there.
    allow_pickle : bool
        Pickle a model, function or transformer that there is no other way to store. Loading it then runs code that is
        in the file, takes ``allow_pickle=True`` too, and is refused by the service.

    Raises
    ------
    InvalidArgumentError
        The folder exists and ``exist_ok`` does not say that it may; or it holds other files; or something can only be
        pickled.
    StorageError
        It cannot be written.

    """
    if not isinstance(scoring_explainer, ScoringExplainer):
        raise InvalidArgumentError(
            f"a {type(scoring_explainer).__qualname__} is no scoring explainer: pass what "
            "explainer.create_scoring_explainer() returns"
        )
    folder = Path(directory)
    check_folder(folder, exist_ok=exist_ok)
    bundle = packed(scoring_explainer, allow_pickle=allow_pickle)
    write_bundle(FolderArtifacts(folder), bundle)
    return str(directory)


def check_folder(folder: Path, *, exist_ok: bool) -> None:
    """Raise unless a scoring explainer may be written to a folder.

    Raises
    ------
    InvalidArgumentError
        It is there and holds something that ``exist_ok`` does not allow to replace, or other files.

    """
    if folder.exists() and not exist_ok and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidArgumentError(f"{folder} exists: pass exist_ok=True to replace the scoring explainer in it")
    if not folder.is_dir():
        return
    others = sorted(entry.name for entry in folder.iterdir() if not _is_ours(entry.name))
    if others:
        raise InvalidArgumentError(
            f"{folder} holds {others[0][:80]!r}, which is no part of a scoring explainer: choose a folder of its own"
        )


def packed(scoring_explainer: ScoringExplainer, *, allow_pickle: bool = False) -> Bundle:
    """Return a scoring explainer as bytes that have been loaded and tested once.

    Raises
    ------
    InvalidArgumentError
        Something can only be pickled, or what was written does not say the same as the scoring explainer.

    """
    bundle = pack(scoring_explainer, allow_pickle=allow_pickle)
    serializer = getattr(scoring_explainer._parts.attributor, "serializer", None)
    try:
        unpack(bundle, allow_pickle=allow_pickle, serializer=serializer)
    except StoredDataError as error:
        raise InvalidArgumentError(f"the scoring explainer is not saved, because it would not load: {error}") from error
    return bundle


def load(
    path: str | os.PathLike[str],
    *,
    allow_pickle: bool = False,
    trusted: bool = False,
    serializer: Serializer | None = None,
    compiled: bool | None = True,
) -> ScoringExplainer:
    """Return the scoring explainer of a folder, or of the description in it.

    Digests are checked first, then every array and name for sense, and at the end a few rows must get the values that
    they had. Where a model or transformers are in it, a process of its own with limits tries them before this one does.

    Parameters
    ----------
    path : path
        A folder, or its ``scoring_explainer.json``.
    allow_pickle : bool
        Load what was pickled, which runs code that is in the file.
    trusted : bool
        Nobody else can write to the folder: files are not tried in a process of its own first, which takes seconds.
    serializer : Serializer, optional
        What wrote the network of a :class:`DeepScoringExplainer`.
    compiled : bool, optional
        True: compiled loops for trees are loaded now, where numba is installed, so that the first row takes as long as
        the others. False: numpy alone. None: numpy until there is work that is worth loading them.

    Raises
    ------
    ArtifactMissingError
        There is none.
    InvalidArgumentError
        The path is that of another file, or a serializer is missing.
    StoredDataError
        A file is not the one that was saved, or holds what cannot be; or the scoring explainer does not say what it
        said when it was saved.
    MissingDependencyError
        A package that the model needs is not installed.

    """
    folder = Path(path)
    if folder.name == NAME:
        folder = folder.parent
    elif folder.is_file():
        raise InvalidArgumentError(
            f"{folder} is a file: pass the folder that save() returned, or the {NAME} in it. A pickle of another SDK "
            "is not read here: make a scoring explainer from the model again"
        )
    bundle = read_bundle(FolderArtifacts(folder), what=str(folder))
    return open_bundle(bundle, allow_pickle=allow_pickle, trusted=trusted, serializer=serializer, compiled=compiled)


def open_bundle(
    bundle: Bundle,
    *,
    allow_pickle: bool = False,
    trusted: bool = False,
    serializer: Serializer | None = None,
    compiled: bool | None = True,
) -> ScoringExplainer:
    """Return the scoring explainer of some bytes; parameters and errors are those of :func:`load`."""
    _, files = read_description(bundle.description)
    # A pickle, or a serializer, runs code here in any case; trying it elsewhere first would only run it twice.
    runs_code = serializer is not None or any(file.name.endswith(".pkl") for file in files)
    if not trusted and not runs_code and needs_check(files):
        check_apart(bundle)
    return unpack(bundle, allow_pickle=allow_pickle, serializer=serializer, compiled=compiled)


def write_bundle(artifacts: Artifacts, bundle: Bundle, prefix: str = "") -> None:
    """Write a scoring explainer, its description last, and delete the files of one that it replaces."""
    for name, data in bundle.files.items():
        artifacts.write(_join(prefix, name), data)
    artifacts.write(_join(prefix, NAME), bundle.description)
    for entry in artifacts.list(prefix):
        if is_file_name(entry.name) and entry.name not in bundle.files:
            artifacts.delete(entry.path)


def read_bundle(artifacts: Artifacts, prefix: str = "", *, what: str, max_bytes: int = MAX_BYTES) -> Bundle:
    """Return the bytes of a scoring explainer, each file held to its digest.

    Raises
    ------
    ArtifactMissingError
        There is none.
    CorruptFileError
        There is a file that is not part of it, or one is missing.
    LimitExceededError
        It is larger than ``max_bytes``.

    """
    for entry in artifacts.list(prefix):
        if entry.is_folder or not _is_ours(entry.name):
            raise CorruptFileError(f"{what} holds {entry.name[:80]!r}, which is no part of a scoring explainer")
    failure: StoredDataError | ArtifactMissingError | None = None
    for _ in range(_ATTEMPTS):
        # It may be replaced while it is read, and some stores deliver less than they have without saying so.
        try:
            return _read_once(artifacts, prefix, what, max_bytes)
        except LimitExceededError:
            raise
        except (CorruptFileError, ArtifactMissingError) as error:
            failure = error
    assert failure is not None
    raise failure


def _read_once(artifacts: Artifacts, prefix: str, what: str, max_bytes: int) -> Bundle:
    try:
        description = artifacts.read(_join(prefix, NAME), max_bytes=MAX_DESCRIPTION_BYTES)
    except ArtifactMissingError as error:
        raise ArtifactMissingError(f"{what} holds no scoring explainer: there is no {NAME}") from error
    _, files = read_description(description)
    size = sum(file.size for file in files)
    if size > max_bytes:
        raise LimitExceededError(f"the scoring explainer in {what} has {size:,} bytes, more than {max_bytes:,}")
    found: dict[str, bytes] = {}
    for file in files:
        try:
            found[file.name] = check_file(file, artifacts.read(_join(prefix, file.name), max_bytes=file.size))
        except ArtifactMissingError as error:
            raise CorruptFileError(f"the scoring explainer in {what} lacks its file {file.name}") from error
        except LimitExceededError as error:
            raise CorruptFileError(f"{file.name} of the scoring explainer in {what} is larger than it was") from error
    return Bundle(description, found)


def _is_ours(name: str) -> bool:
    return name == NAME or is_file_name(name) or name.startswith(".explanation-client.")


def _join(prefix: str, name: str) -> str:
    return f"{prefix}/{name}" if prefix else name
