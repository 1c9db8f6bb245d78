"""The description of a saved scoring explainer: one JSON document, whose bytes are all held to a digest of their own.

``docs/design/scoring.md`` says what each field means. Whoever writes it writes the newest version; readers of every
version stay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from explanation_client.errors import CorruptFileError, FormatVersionError, InvalidManifestError, LimitExceededError
from explanation_client.format.audit import Audit, load_json

NAME = "scoring_explainer.json"
FORMAT = "explanation-client scoring explainer"
VERSION = 1
MAX_DESCRIPTION_BYTES = 64 << 20
# All that is read of one scoring explainer, unless the caller says otherwise.
MAX_BYTES = 2 << 30

_ROLES = (
    "background",
    "examples",
    "expected",
    "linear",
    "maps",
    "model",
    "shares",
    "transformation",
    "trees",
)
_SUFFIXES = ("npz", "parquet", "txt", "ubj", "cbm", "skops", "keras", "pkl")
_FILE = re.compile(rf"({'|'.join(_ROLES)})-[0-9a-f]{{16}}\.({'|'.join(_SUFFIXES)})")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class File:
    """A file of a saved scoring explainer.

    Parameters
    ----------
    name : str
        ``<role>-<first 16 digits of the digest>.<suffix>``.
    size : int
    sha256 : str

    """

    name: str
    size: int
    sha256: str

    @property
    def role(self) -> str:
        """What it holds."""
        return self.name.partition("-")[0]


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A saved scoring explainer as bytes.

    Parameters
    ----------
    description : bytes
    files : mapping of str to bytes
        By name.

    """

    description: bytes
    files: Mapping[str, bytes]


def is_file_name(name: str) -> bool:
    """Whether a file of a scoring explainer can have this name."""
    return _FILE.fullmatch(name) is not None


def named(role: str, suffix: str, data: bytes) -> tuple[str, bytes]:
    """Return the name that a file gets, and its bytes."""
    return f"{role}-{sha256(data).hexdigest()[:16]}.{suffix}", data


def write_description(body: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """Return the bytes of a description, with the digests of all files and its own."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        **body,
        "files": [
            {"name": name, "size": len(data), "sha256": sha256(data).hexdigest()} for name, data in files.items()
        ],
    }
    return _rendered({**document, "sha256": sha256(_rendered(document)).hexdigest()})


def read_description(data: bytes) -> tuple[dict[str, Any], list[File]]:
    """Return the document and the files that it names.

    Raises
    ------
    CorruptFileError
        Its bytes are not those that were written.
    FormatVersionError
        It was written in a newer version.
    InvalidManifestError
        It is no description of a scoring explainer, or names files that cannot be.
    LimitExceededError
        It is larger than 64 MiB.

    """
    if len(data) > MAX_DESCRIPTION_BYTES:
        raise LimitExceededError(f"{NAME} has {len(data):,} bytes, more than {MAX_DESCRIPTION_BYTES:,}")
    document = load_json(data, what=NAME)
    if document.get("format") != FORMAT:
        raise InvalidManifestError(f"{NAME} is no description of a scoring explainer: its format is not {FORMAT!r}")
    version = document.get("version")
    if isinstance(version, int) and not isinstance(version, bool) and version > VERSION:
        raise FormatVersionError(
            f"{NAME} is of version {version}, and this explanation-client reads up to {VERSION}: upgrade it"
        )
    stated = document.pop("sha256", None)
    expected = sha256(_rendered(document)).hexdigest()
    if stated != expected or _rendered({**document, "sha256": expected}) != data:
        raise CorruptFileError(f"{NAME} is not what was written: its digest differs")
    audit = Audit(NAME)
    if version != VERSION:
        audit.note("version", f"is {str(version)[:40]!r}, expected {VERSION}")
    files = _files(document, audit)
    audit.finish()
    return document, files


def check_file(file: File, data: bytes) -> bytes:
    """Return the bytes of a file, held to what the description says of them.

    Raises
    ------
    CorruptFileError
        Size or digest differ.

    """
    if len(data) != file.size or sha256(data).hexdigest() != file.sha256:
        raise CorruptFileError(
            f"{file.name} is not what was written: it has {len(data):,} bytes, or its digest differs"
        )
    return data


def _files(document: dict[str, Any], audit: Audit) -> list[File]:
    found: list[File] = []
    for i, entry in enumerate(audit.list_of(document, "files", dict, "") or ()):
        where = f"files[{i}]"
        name = audit.field(entry, "name", str, where)
        size = audit.natural(entry, "size", where)
        digest = audit.field(entry, "sha256", str, where)
        if name is None or size is None or digest is None:
            continue
        if not is_file_name(name):
            audit.note(f"{where}.name", f"is {name[:80]!r}, which no file of a scoring explainer is called")
        elif not _DIGEST.fullmatch(digest):
            audit.note(f"{where}.sha256", f"is {digest[:80]!r}, expected 64 hexadecimal digits")
        elif name.split("-")[1][:16] != digest[:16]:
            audit.note(f"{where}.name", "does not carry the digest of the file")
        elif name in [file.name for file in found]:
            audit.note(f"{where}.name", f"{name!r} is listed twice")
        else:
            found.append(File(name, size, digest))
    roles = [file.role for file in found]
    if len(set(roles)) != len(roles):
        audit.note("files", "two files have the same role")
    return found


def _rendered(document: Mapping[str, Any]) -> bytes:
    """Return the one way to write a document."""
    return (
        json.dumps(document, ensure_ascii=True, allow_nan=False, indent=1, sort_keys=True, separators=(",", ": "))
        + "\n"
    ).encode("ascii")
