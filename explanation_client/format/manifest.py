"""The manifest: what an explanation is, and which files hold it. Parse, audit, construct; and the way back.

A manifest is named by the SHA-256 of its own bytes, so that a reader knows from its name alone that it is whole. The
digests in it cover every other file.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import numpy as np

from explanation_client.dataset import EvaluationData
from explanation_client.errors import (
    CorruptFileError,
    FormatVersionError,
    InvalidExplanationError,
    InvalidManifestError,
    LimitExceededError,
)
from explanation_client.explanation import Explanation
from explanation_client.format.audit import Audit, load_json
from explanation_client.format.coverage import check_files
from explanation_client.format.documents import DataDocument, FileDocument, ManifestDocument, PartDocument
from explanation_client.format.entries import FileEntry, Limits, check_nonce, is_plain_name
from explanation_client.format.layout import (
    BaseValues,
    DataLayout,
    DocumentsLayout,
    PartLayout,
    Parts,
    data_layout,
    documents_layout,
    part_layouts,
)
from explanation_client.format.parse import (
    parse_base_values,
    parse_data,
    parse_documents,
    parse_file,
    parse_info,
    parse_parts,
)
from explanation_client.importances import FloatArray
from explanation_client.info import ExplanationInfo

FORMAT = "explanation"
VERSION = 1
MAX_MANIFEST_BYTES = 256 * 1024

_NAME = re.compile(r"manifest-([0-9a-f]{64})-([a-z0-9]{1,32})\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an explanation is, and which files hold it.

    Parameters
    ----------
    info : ExplanationInfo
        As it was uploaded, with ``parts`` and ``top_features``.
    files : tuple of FileEntry
    parts : Parts
        How the global, per-class and local importances, and the interactions, are stored.
    base_values : BaseValues, optional
    data : DataLayout, optional
        What is stored of the explained rows.
    documents : DocumentsLayout, optional
        What is stored of the explained documents.
    version : int
        Version of the format that a reader needs.

    """

    info: ExplanationInfo
    files: tuple[FileEntry, ...]
    parts: Parts
    base_values: BaseValues | None = None
    data: DataLayout | None = None
    documents: DocumentsLayout | None = None
    version: int = VERSION

    @property
    def id(self) -> str:
        """Identity of the explanation."""
        return self.info.id

    @property
    def size(self) -> int:
        """Bytes of all data files."""
        return sum(entry.size for entry in self.files)

    def of_role(self, role: str) -> tuple[FileEntry, ...]:
        """Return the files of a role, in their order."""
        return tuple(entry for entry in self.files if entry.role == role)


def build_manifest(explanation: Explanation, files: Sequence[FileEntry], *, info: ExplanationInfo) -> Manifest:
    """Return the manifest of an explanation whose files have been written under their final names.

    ``info`` is the explanation's own with what the upload adds (comment, model, time); ``parts`` and ``top_features``
    are filled in here from what is stored.

    Raises
    ------
    InvalidExplanationError
        The files are not those of this explanation, or a total is too large for a float64.

    """
    manifest = _manifest_of(explanation, files, info, explanation.data, roles=("local", "data", "labels"))
    return _audited(manifest)


def build_stream_manifest(
    explanation: Explanation,
    files: Sequence[FileEntry],
    *,
    info: ExplanationInfo,
    local: PartLayout | None,
    data: DataLayout | None,
    only_view: bool = False,
) -> Manifest:
    """Return the manifest of an explanation of which only the global parts are at hand.

    Parameters
    ----------
    explanation : Explanation
        The global parts.
    files : sequence of FileEntry
    info : ExplanationInfo
    local : PartLayout, optional
        How local importances are stored.
    data : DataLayout, optional
        How the explained rows are stored.
    only_view : bool
        The files of all rows are left out: what a dashboard reads, and no stored explanation.

    Raises
    ------
    InvalidExplanationError
        The files are not those of this explanation.

    """
    parts = replace(part_layouts(explanation, mirrored=False), local=local)
    manifest = Manifest(
        info=replace(
            info,
            parts=_part_names(parts, has_data=data is not None, has_documents=False),
            top_features=info.top_features or _top_features(explanation),
        ),
        files=tuple(files),
        parts=parts,
        base_values=_base_values(explanation.base_values),
        data=data,
    )
    return manifest if only_view else _audited(manifest)


def _audited(manifest: Manifest) -> Manifest:
    """Return the manifest, once its files make up the explanation."""
    audit = Audit("the manifest")
    _check_names(manifest, audit)
    _check_files(manifest, audit)
    if audit.problems:
        raise InvalidExplanationError("these files do not make up the explanation: " + "; ".join(audit.problems[:10]))
    return manifest


def build_view_manifest(
    explanation: Explanation, files: Sequence[FileEntry], *, data: EvaluationData | None
) -> Manifest:
    """Return a manifest of what dashboards read, without the files of all rows: no stored explanation has such a one.

    Parameters
    ----------
    explanation : Explanation
    files : sequence of FileEntry
    data : EvaluationData, optional
        What the files hold of the sampled rows.

    """
    return _manifest_of(explanation, files, explanation.info, data, roles=("view", "view-data", "view-labels"))


def _manifest_of(
    explanation: Explanation,
    files: Sequence[FileEntry],
    info: ExplanationInfo,
    data: EvaluationData | None,
    *,
    roles: tuple[str, str, str],
) -> Manifest:
    """Return the manifest of files of which these roles hold local importances and explained rows."""
    parts = part_layouts(explanation, mirrored=_is_mirrored(files, roles[0]))
    layout = data_layout(data, {part for e in files if e.role in roles[1:] for part in e.holds})
    has_texts = any(e.role in ("documents", "view-documents") for e in files)
    texts = documents_layout(explanation.documents) if has_texts else None
    return Manifest(
        info=replace(
            info,
            parts=_part_names(parts, has_data=layout is not None, has_documents=texts is not None),
            top_features=info.top_features or _top_features(explanation),
        ),
        files=tuple(files),
        parts=parts,
        base_values=_base_values(explanation.base_values),
        data=layout,
        documents=texts,
    )


def dump_manifest(manifest: Manifest) -> bytes:
    """Return the manifest as canonical JSON: sorted keys, no spaces, ASCII, no NaN.

    Raises
    ------
    LimitExceededError
        It has more than 256 KiB.

    """
    document = _document(manifest)
    data = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")
    if len(data) > MAX_MANIFEST_BYTES:
        raise LimitExceededError(
            f"the manifest of explanation {manifest.id} has {len(data):,} bytes, at most {MAX_MANIFEST_BYTES:,}: it "
            f"has {len(manifest.files)} files and {len(manifest.info.outputs)} outputs. Store larger shards, shorten "
            "the comment, the notes or the names of the outputs, or cut it with top_k"
        )
    return data


def manifest_name(data: bytes, nonce: str) -> str:
    """Return the name under which a manifest is written: it carries the digest of its own bytes."""
    check_nonce(nonce)
    return f"manifest-{hashlib.sha256(data).hexdigest()}-{nonce}.json"


def is_manifest_name(name: str) -> bool:
    """Whether a file name is that of a manifest."""
    return _NAME.fullmatch(name) is not None


def manifest_digest(name: str) -> str:
    """Return the SHA-256 (hexadecimal) that a manifest's name carries.

    Raises
    ------
    InvalidManifestError
        It is no name of a manifest.

    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise InvalidManifestError(f"{name[:200]!r} is no name of a manifest: manifest-<sha256>-<nonce>.json")
    return match.group(1)


def parse_manifest(data: bytes, *, name: str | None = None, limits: Limits | None = None) -> Manifest:
    """Return the manifest that some bytes hold, after every check that needs no other file.

    Parameters
    ----------
    data : bytes
        What was read.
    name : str, optional
        Name of the file, whose digest must be that of the bytes.
    limits : Limits, optional
        What the reader accepts.

    Raises
    ------
    CorruptFileError
        The digest in the name is another one.
    FormatVersionError
        It was written in a newer version of the format.
    InvalidManifestError
        It contradicts itself or the format; lists every problem.
    LimitExceededError
        It is larger, or describes something larger, than the reader accepts.

    """
    what = name or "the manifest"
    if len(data) > MAX_MANIFEST_BYTES:
        raise LimitExceededError(f"{what} has {len(data):,} bytes, a manifest has at most {MAX_MANIFEST_BYTES:,}")
    if name is not None:
        wanted, found = manifest_digest(name), hashlib.sha256(data).hexdigest()
        if wanted != found:
            raise CorruptFileError(f"{name}: has SHA-256 {found}, its name says {wanted}; the file was cut or changed")
    document = load_json(data, what=what)
    _check_version(document, what)
    return _construct(document, Audit(what), limits or Limits())


def _check_version(document: dict[str, Any], what: str) -> None:
    if document.get("format") != FORMAT:
        raise InvalidManifestError(f"{what} is no manifest of an explanation: its field 'format' is not {FORMAT!r}")
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InvalidManifestError(f"{what}: version is {str(version)[:40]!r}, expected a whole number from 1")
    if version > VERSION:
        raise FormatVersionError(
            f"{what} is written in version {version} of the stored format; this explanation-client reads versions up "
            f"to {VERSION}. Install a newer explanation-client"
        )


def _construct(document: dict[str, Any], audit: Audit, limits: Limits) -> Manifest:
    info = parse_info(audit.field(document, "info", dict, "") or {}, audit)
    parts = parse_parts(audit.field(document, "parts", dict, "") or {}, audit)
    base_values = parse_base_values(audit.field(document, "base_values", dict, "", optional=True), audit)
    data = parse_data(audit.field(document, "data", dict, "", optional=True), audit)
    documents = parse_documents(audit.field(document, "documents", dict, "", optional=True), audit)
    described = audit.list_of(document, "files", dict, "") or ()
    limits.check("the number of files", len(described), "max_files")
    files = [parse_file(entry, f"files[{i}]", audit) for i, entry in enumerate(described)]
    if info is not None:
        limits.check("the number of features", info.n_features, "max_features")
        limits.check("the number of outputs", len(info.outputs), "max_outputs")
    audit.finish()
    manifest = Manifest(
        info=cast(ExplanationInfo, info),
        files=tuple(entry for entry in files if entry is not None),
        parts=parts,
        base_values=base_values,
        data=data,
        documents=documents,
        version=document["version"],
    )
    for entry in manifest.files:
        limits.check(f"the size of {entry.name}", entry.size, "max_file_bytes")
    _check_names(manifest, audit)
    outputs = len(manifest.info.outputs)
    if base_values is not None and len(base_values.values) != outputs:
        audit.note("base_values.values", f"has {len(base_values.values)} numbers for {outputs} outputs")
    _check_files(manifest, audit)
    audit.finish()
    return manifest


def _check_files(manifest: Manifest, audit: Audit) -> None:
    check_files(manifest.info, manifest.files, manifest.parts, manifest.data, audit, documents=manifest.documents)


def _check_names(manifest: Manifest, audit: Audit) -> None:
    seen: set[str] = set()
    for i, entry in enumerate(manifest.files):
        if not is_plain_name(entry.name):
            audit.note(f"files[{i}].name", f"is {entry.name[:80]!r}, expected a plain name of a-z, 0-9, '.', '_', '-'")
        if entry.name in seen:
            audit.note(f"files[{i}].name", f"{entry.name[:80]!r} is listed twice")
        seen.add(entry.name)


def _document(manifest: Manifest) -> ManifestDocument:
    document: dict[str, Any] = {
        "format": FORMAT,
        "version": manifest.version,
        "info": _without_defaults(manifest.info),
        "parts": {
            key: _part_document(part)
            for key, part in (
                ("global", manifest.parts.global_),
                ("per_class", manifest.parts.per_class),
                ("local", manifest.parts.local),
                ("interactions", manifest.parts.interactions),
            )
            if part is not None
        },
        "files": [_file_document(entry) for entry in manifest.files],
    }
    if manifest.base_values is not None:
        document["base_values"] = {
            "dtype": manifest.base_values.dtype,
            "values": list(manifest.base_values.values),
        }
    if manifest.data is not None:
        document["data"] = _data_document(manifest.data)
    if manifest.documents is not None:
        found = asdict(manifest.documents)
        document["documents"] = {key: value for key, value in found.items() if value not in (None, False)}
    return cast(ManifestDocument, document)


def _without_defaults(info: ExplanationInfo) -> dict[str, Any]:
    values = info.to_dict()
    always = ("id", "created_at", "method", "task", "outputs", "n_features", "n_rows")
    return {key: value for key, value in values.items() if key in always or value not in (None, (), False)}


def _part_document(part: PartLayout) -> PartDocument:
    document: PartDocument = {"dtype": part.dtype, "kept": part.kept, "ranked": part.ranked}
    if part.totals is not None:
        document["totals"] = list(part.totals)
    if part.mirror:
        document["mirror"] = True
    return document


def _data_document(data: DataLayout) -> DataDocument:
    found = {
        "columns": None if data.columns is None else list(data.columns),
        "row_names": data.row_names or None,
        "predicted": data.predicted,
        "predicted_proba": data.predicted_proba,
        "true": data.true,
    }
    return cast(DataDocument, {key: value for key, value in found.items() if value is not None})


def _file_document(entry: FileEntry) -> FileDocument:
    found = {
        "name": entry.name, "role": entry.role, "size": entry.size, "sha256": entry.sha256, "dtype": entry.dtype,
        "shape": entry.shape, "outputs": entry.outputs, "rows": entry.rows, "columns": entry.columns,
        "holds": entry.holds or None, "sample": entry.sample,
    }  # fmt: skip
    return cast(FileDocument, {key: value for key, value in found.items() if value is not None})


def _base_values(values: FloatArray | None) -> BaseValues | None:
    if values is None:
        return None
    if values.dtype not in (np.float32, np.float64) or not np.isfinite(values).all():
        raise InvalidExplanationError(f"base values must be finite float32 or float64, got {values.dtype} {values}")
    return BaseValues(dtype=str(values.dtype), values=tuple(float(value) for value in values))


def _is_mirrored(files: Sequence[FileEntry], role: str) -> bool:
    local = [entry for entry in files if entry.role == role]
    return bool(local) and all(entry.outputs == (1, 2) for entry in local)


def _part_names(parts: Parts, *, has_data: bool, has_documents: bool) -> tuple[str, ...]:
    present = (
        ("global", parts.global_ is not None),
        ("per_class", parts.per_class is not None),
        ("local", parts.local is not None),
        ("interactions", parts.interactions is not None),
        ("data", has_data),
        ("documents", has_documents),
    )
    return tuple(name for name, there in present if there)


def _top_features(explanation: Explanation, count: int = 5) -> tuple[str, ...]:
    importances = explanation.global_importances
    if importances is None:
        return ()
    ranked = importances.ranked(min(count, importances.shape[-1]))
    return tuple(str(name) for name in ranked.names(explanation.features))


__all__ = [
    "MAX_MANIFEST_BYTES", "VERSION", "Manifest", "build_manifest", "build_stream_manifest", "build_view_manifest",
    "dump_manifest", "is_manifest_name", "manifest_digest", "manifest_name", "parse_manifest",
]  # fmt: skip
