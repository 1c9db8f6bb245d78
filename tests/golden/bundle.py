"""An explanation stored in a dict: what the tests of the format write and read."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any

from explanation_client.explanation import Explanation
from explanation_client.format import (
    EncodedFile,
    FileEntry,
    Limits,
    Manifest,
    build_manifest,
    check_file,
    dump_manifest,
    file_name,
    manifest_name,
    open_explanation,
    parse_manifest,
    plan,
)


@dataclass
class Bundle:
    """All files of one stored explanation, and which of them have been read."""

    name: str
    files: dict[str, bytes]
    fetched: list[str] = field(default_factory=list)

    @property
    def manifest(self) -> Manifest:
        return parse_manifest(self.files[self.name], name=self.name)

    @property
    def data_files(self) -> dict[str, bytes]:
        return {name: data for name, data in self.files.items() if name != self.name}

    def fetch(self, entry: FileEntry) -> bytes:
        data = self.files[entry.name]
        check_file(entry, data)
        self.fetched.append(entry.name)
        return data

    def fetched_roles(self) -> list[str]:
        roles = {entry.name: entry.role for entry in self.manifest.files}
        return sorted(roles[name] for name in self.fetched)

    def open(self, *, top_k: int | None = None, limits: Limits | None = None, **more: Any) -> Explanation:
        return open_explanation(self.manifest, self.fetch, top_k=top_k, limits=limits, **more)


def store(
    explanation: Explanation,
    *,
    nonce: str = "0",
    shard_bytes: int | None = None,
    include_data: bool | Collection[str] = False,
    include_view: bool = False,
) -> Bundle:
    """Return an explanation as stored files."""
    sizes = {} if shard_bytes is None else {"shard_bytes": shard_bytes}
    jobs = plan(explanation, include_data=include_data, include_view=include_view, **sizes)
    encoded = [named(job(), nonce) for job in jobs]
    manifest = build_manifest(explanation, [file.entry for file in encoded], info=explanation.info)
    data = dump_manifest(manifest)
    name = manifest_name(data, nonce)
    return Bundle(name, {**{file.entry.name: bytes(file.data) for file in encoded}, name: data})


def named(file: EncodedFile, nonce: str = "0") -> EncodedFile:
    """Return an encoded file under its final name."""
    return EncodedFile(replace(file.entry, name=file_name(file.entry, nonce)), file.data)


def forged(bundle: Bundle, role: str, change: Callable[[bytes], bytes]) -> Bundle:
    """Return a bundle in which one file was changed and every digest made to fit: what an attacker could store."""
    manifest = bundle.manifest
    entry = manifest.of_role(role)[0]
    data = change(bundle.files[entry.name])
    return with_file(bundle, entry.name, data)


def with_file(bundle: Bundle, name: str, data: bytes) -> Bundle:
    """Return a bundle with other bytes in one file, and a manifest that vouches for them."""
    import hashlib

    manifest = bundle.manifest
    digest = hashlib.sha256(data).hexdigest()
    files = [replace(e, size=len(data), sha256=digest) if e.name == name else e for e in manifest.files]
    document = dump_manifest(replace(manifest, files=tuple(files)))
    kept = {**bundle.data_files, name: data}
    new = manifest_name(document, "0")
    return Bundle(new, {**kept, new: document})
