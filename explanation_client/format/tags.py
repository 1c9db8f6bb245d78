"""The run tag of an explanation: what a listing shows, as JSON that fits any tag store.

The tag is an index, and the manifest the truth: a tag may be lost, cut short or forged, and is never believed in more
than what a listing shows.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, cast

from explanation_client.errors import InvalidExplanationError, InvalidManifestError
from explanation_client.format.audit import Audit, load_json
from explanation_client.format.manifest import Manifest, is_manifest_name
from explanation_client.info import ExplanationInfo, Task

MAX_TAG = 2_000

_MAX_COMMENT = 500
_MAX_TEXT = 120
_MAX_TOP_NAME = 60
# The format has five parts with names of at most 12 characters; a manifest may name more.
_MAX_PARTS = 8
_MAX_PART_NAME = 16
_MAX_OUTPUTS = 100_000
_TAG_VERSION = 1
_SURROGATE = re.compile("[\ud800-\udfff]")


def summary_tag(manifest: Manifest, manifest_file_name: str) -> str:
    """Return what the run's tag says of an explanation: JSON of at most 2,000 characters.

    The names of the outputs are left out where they do not fit, then top features from the last. A long comment is
    cut, and ends in its digest; see :func:`comment_matches`.
    """
    info = manifest.info
    found: dict[str, Any] = {
        "v": _TAG_VERSION,
        "manifest": manifest_file_name,
        "created": info.created_at.isoformat(),
        "uploaded": None if info.uploaded_at is None else info.uploaded_at.isoformat(),
        "method": _cut(info.method, _MAX_TEXT, written=_MAX_TEXT),
        "task": info.task,
        "space": info.feature_space,
        "features": info.n_features,
        "rows": info.n_rows,
        "n_outputs": len(info.outputs),
        "single_row": info.single_row or None,
        "top_k": info.top_k,
        "model_type": None if info.model_type is None else _cut(info.model_type, _MAX_TEXT, written=_MAX_TEXT),
        "model_id": None if info.model_id is None else _cut(info.model_id, _MAX_TEXT, written=_MAX_TEXT),
        "comment": None if info.comment is None else shorten_comment(info.comment),
        "parts": [_cut(part, _MAX_PART_NAME, written=_MAX_PART_NAME) for part in info.parts[:_MAX_PARTS]],
        "top": [_cut(name, _MAX_TOP_NAME, written=2 * _MAX_TOP_NAME) for name in info.top_features[:5]],
        "outputs": list(info.outputs),
    }
    document = {key: value for key, value in found.items() if value is not None}
    if len(_dump(document)) > MAX_TAG:
        del document["outputs"]
    while len(_dump(document)) > MAX_TAG and document["top"]:
        document["top"] = document["top"][:-1]
    return _dump(document)


def parse_summary_tag(explanation_id: str, text: str) -> tuple[ExplanationInfo, str]:
    """Return what a tag says of an explanation, and the name of its manifest.

    Where the tag had no room for the names of the outputs they are ``"#0"``, ``"#1"`` …; the manifest has them.

    Raises
    ------
    InvalidManifestError
        The tag is damaged; lists every problem.

    """
    what = f"the tag of explanation {explanation_id[:80]!r}"
    if len(text) > 10 * MAX_TAG:
        raise InvalidManifestError(f"{what} has {len(text):,} characters, at most {MAX_TAG:,} are written")
    document = load_json(text.encode("utf-8", "surrogatepass"), what=what)
    audit = Audit(what)
    manifest = audit.field(document, "manifest", str, "tag")
    if manifest is not None and not is_manifest_name(manifest):
        audit.note("tag.manifest", f"is {manifest[:80]!r}, no name of a manifest")
    n_outputs = audit.natural(document, "n_outputs", "tag", least=1)
    if n_outputs is not None and n_outputs > _MAX_OUTPUTS:
        audit.note("tag.n_outputs", f"is {n_outputs}, at most {_MAX_OUTPUTS}")
    values: dict[str, Any] = {
        "created_at": audit.time(document, "created", "tag"),
        "uploaded_at": audit.time(document, "uploaded", "tag", optional=True),
        "method": audit.field(document, "method", str, "tag"),
        "task": cast(Task, audit.choice(document, "task", ("classification", "regression"), "tag")),
        "feature_space": audit.choice(document, "space", ("raw", "engineered"), "tag", optional=True),
        "n_features": audit.natural(document, "features", "tag", least=1),
        "n_rows": audit.natural(document, "rows", "tag"),
        "single_row": audit.field(document, "single_row", bool, "tag", optional=True) or False,
        "top_k": audit.natural(document, "top_k", "tag", least=1, optional=True),
        **{key: audit.field(document, key, str, "tag", optional=True) for key in ("model_type", "model_id", "comment")},
        "parts": audit.list_of(document, "parts", str, "tag", optional=True) or (),
        "top_features": audit.list_of(document, "top", str, "tag", optional=True) or (),
    }
    outputs = audit.list_of(document, "outputs", str, "tag", optional=True)
    if outputs is not None and n_outputs is not None and len(outputs) != n_outputs:
        audit.note("tag.outputs", f"has {len(outputs)} names for {n_outputs} outputs")
    audit.finish()
    names = outputs if outputs is not None else tuple(f"#{i}" for i in range(cast(int, n_outputs)))
    try:
        return ExplanationInfo(id=explanation_id, outputs=names, **values), cast(str, manifest)
    except InvalidExplanationError as error:
        raise InvalidManifestError(f"{what} contradicts itself: {error}") from error


def comment_matches(info: ExplanationInfo, comment: str) -> bool:
    """Whether an explanation, known from its tag or its manifest, has exactly this comment."""
    return info.comment is not None and info.comment in (comment, shorten_comment(comment))


def shorten_comment(comment: str) -> str:
    """Return a comment as a tag holds it: itself, or its first 500 characters and a digest of the whole.

    Fewer than 500 where many of them need escapes in JSON.
    """
    if len(comment) <= _MAX_COMMENT and len(_dump(comment)) <= 2 * _MAX_COMMENT:
        return comment
    digest = hashlib.sha256(comment.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{_cut(comment, _MAX_COMMENT, written=2 * _MAX_COMMENT - 2)}… sha256:{digest}"


def _cut(text: str, most: int, *, written: int) -> str:
    """Return the first characters of a text: at most ``most``, and ``written`` with the escapes of JSON."""
    cut = text[:most]
    while (over := len(_dump(cut)) - 2 - written) > 0:
        # No character is written as more than six.
        cut = cut[: len(cut) - 1 - over // 12]
    return cut


def _dump(document: Any) -> str:
    """Return compact JSON, Unicode as itself, so that a character counts as one; half a surrogate pair is escaped."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return _SURROGATE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
