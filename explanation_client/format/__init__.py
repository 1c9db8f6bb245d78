"""The stored format: explanations to bytes and back, without any input or output.

An explanation is stored as data files (Parquet) and one manifest (JSON), which is written last and names them all.
``docs/format-v1.md`` is the specification. Writers write the newest version; readers of every version stay.

::

    jobs = plan(explanation)                              # encode each file, in any thread
    entry = replace(file.entry, name=file_name(file.entry, nonce))     # write file.data under that name
    manifest = build_manifest(explanation, entries, info=info)
    data = dump_manifest(manifest)                        # write under manifest_name(data, nonce), last of all

    manifest = parse_manifest(data, name=name)
    explanation = open_explanation(manifest, fetch)       # fetch(entry) returns the bytes of a file
"""

from __future__ import annotations

from collections.abc import Callable

from explanation_client.errors import FormatVersionError
from explanation_client.explanation import Explanation
from explanation_client.format.entries import (
    Buffer,
    EncodedFile,
    FileEntry,
    Limits,
    check_file,
    file_name,
    is_plain_name,
    total_size,
)
from explanation_client.format.manifest import (
    MAX_MANIFEST_BYTES,
    VERSION,
    Manifest,
    build_manifest,
    build_stream_manifest,
    build_view_manifest,
    dump_manifest,
    is_manifest_name,
    manifest_digest,
    manifest_name,
    parse_manifest,
)
from explanation_client.format.tags import comment_matches, parse_summary_tag, shorten_comment, summary_tag
from explanation_client.format.v1 import decode as v1
from explanation_client.format.v1.encode import SHARD_BYTES, plan, plan_sample, rank_order, sample_of
from explanation_client.format.v1.local import MapFiles
from explanation_client.format.v1.sample import Sample, ViewSize

__all__ = [
    "MAX_MANIFEST_BYTES",
    "SHARD_BYTES",
    "VERSION",
    "EncodedFile",
    "FileEntry",
    "Limits",
    "Manifest",
    "Sample",
    "ViewSize",
    "build_manifest",
    "build_stream_manifest",
    "build_view_manifest",
    "check_file",
    "comment_matches",
    "dump_manifest",
    "file_name",
    "is_manifest_name",
    "is_plain_name",
    "manifest_digest",
    "manifest_name",
    "open_explanation",
    "parse_manifest",
    "parse_summary_tag",
    "plan",
    "plan_sample",
    "rank_order",
    "sample_of",
    "shorten_comment",
    "summary_tag",
    "total_size",
]

# One reader for each version, for ever.
_READERS = {1: v1.open_explanation}


def open_explanation(
    manifest: Manifest,
    fetch: Callable[[FileEntry], Buffer],
    *,
    top_k: int | None = None,
    limits: Limits | None = None,
    map_files: MapFiles = map,
) -> Explanation:
    """Return the explanation of a manifest; what is large is read on first use.

    Global and per-class importances are read now. Local importances, interactions and the explained rows stay in the
    store until they are used, and of the local ones only the shards that an answer needs are fetched.

    Parameters
    ----------
    manifest : Manifest
    fetch : callable
        Returns the bytes of a file after :func:`check_file`. May be called from any thread, and more than once.
    top_k : int, optional
        Return ``explanation.cut(top_k)`` of it, bit for bit, still unread.
    limits : Limits, optional
        What to accept.
    map_files : callable
        How shards are read: ``map``, one after the other, or the ``map`` of an executor.

    Raises
    ------
    StoredDataError
        A file is damaged, contradicts the manifest or is larger than the limits: ``CorruptFileError``,
        ``InvalidManifestError``, ``LimitExceededError``, ``FormatVersionError``. Later too, where parts are read.
    InvalidArgumentError
        ``top_k`` is out of its range.

    """
    if manifest.version not in _READERS:
        raise FormatVersionError(f"explanation {manifest.id} is of version {manifest.version}, which is not known here")
    explanation = _READERS[manifest.version](manifest, fetch, limits=limits, map_files=map_files)
    return explanation if top_k is None else explanation.cut(top_k)
