"""Whether the files of a manifest hold exactly the parts that it names: shapes, dtypes, ranges without a gap."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from explanation_client.format.audit import Audit
from explanation_client.format.entries import FileEntry, Range
from explanation_client.format.layout import TOP_RANKS, DataLayout, DocumentsLayout, PartLayout, Parts
from explanation_client.info import ExplanationInfo


def check_files(
    info: ExplanationInfo,
    files: tuple[FileEntry, ...],
    parts: Parts,
    data: DataLayout | None,
    audit: Audit,
    *,
    documents: DocumentsLayout | None = None,
) -> None:
    """Note every contradiction between what the manifest says of the parts and of the files."""
    before = len(audit.problems)
    _check_parts(info, parts, audit)
    if len(audit.problems) > before:
        return
    by_role: dict[str, list[FileEntry]] = {}
    for entry in files:
        by_role.setdefault(entry.role, []).append(entry)

    def of(role: str) -> list[FileEntry]:
        return by_role.get(role, [])

    global_dtype = None if parts.global_ is None else parts.global_.dtype
    _check_one("features", of("features"), (info.n_features,), global_dtype, audit)
    per_class = parts.per_class
    if per_class is None:
        _check_none("per-class", of("per-class"), audit)
    else:
        shape = (len(info.outputs), per_class.kept)
        _check_one("per-class", of("per-class"), shape, per_class.dtype, audit)
    pairs = parts.interactions
    if pairs is None:
        _check_none("interactions", of("interactions"), audit)
    else:
        matrices = (len(info.outputs), pairs.kept, pairs.kept)
        _check_one("interactions", of("interactions"), matrices, pairs.dtype, audit)
    _check_local(info, parts.local, of("local"), of("top"), audit)
    _check_data(info, data, of("data"), of("labels"), audit)
    if documents is not None:
        _check_documents(info, documents, by_role, audit)


def stored_outputs(part: PartLayout, n_outputs: int) -> Range:
    """Return the range of outputs that are stored: all, or the second of two that mirror each other."""
    return (1, 2) if part.mirror else (0, n_outputs)


def _check_parts(info: ExplanationInfo, parts: Parts, audit: Audit) -> None:
    named = (
        ("global", parts.global_, 1),
        ("per_class", parts.per_class, len(info.outputs)),
        ("local", parts.local, None),
        ("interactions", parts.interactions, None),
    )
    if all(part is None for _, part, _ in named[:3]):
        audit.note("parts", "there are neither global, per-class nor local importances")
    for name, part, n_totals in named:
        if part is None:
            continue
        where = f"parts.{name}"
        if part.kept > info.n_features or (not part.ranked and part.kept != info.n_features):
            audit.note(f"{where}.kept", f"is {part.kept} of {info.n_features} features")
        if info.top_k is not None and part.kept < info.top_k:
            audit.note(f"{where}.kept", f"is {part.kept}, less than info.top_k ({info.top_k})")
        wanted = n_totals if part.ranked else None
        found = None if part.totals is None else len(part.totals)
        if found != wanted:
            audit.note(f"{where}.totals", f"has {found} numbers, expected {wanted}")
        if part.mirror and (name != "local" or len(info.outputs) != 2):
            audit.note(f"{where}.mirror", f"is true for {len(info.outputs)} outputs; only local values of two mirror")
    if parts.local is not None and info.n_rows == 0:
        audit.note("info.n_rows", "is 0 and there are local importances")


def _check_one(role: str, found: list[FileEntry], shape: tuple[int, ...], dtype: str | None, audit: Audit) -> None:
    if len(found) != 1:
        audit.note("files", f"there are {len(found)} of role {role!r}, expected 1")
        return
    if found[0].shape != shape:
        audit.note(f"file {role}", f"has shape {list(found[0].shape)}, expected {list(shape)}")
    if found[0].dtype != dtype:
        audit.note(f"file {role}", f"has dtype {found[0].dtype}, the part has {dtype}")


def _check_none(role: str, found: list[FileEntry], audit: Audit) -> None:
    if found:
        audit.note("files", f"there are {len(found)} of role {role!r}, and the part is not there")


def _check_local(
    info: ExplanationInfo, part: PartLayout | None, local: list[FileEntry], top: list[FileEntry], audit: Audit
) -> None:
    if part is None:
        _check_none("local", local, audit)
        _check_none("top", top, audit)
        return
    outputs = stored_outputs(part, len(info.outputs))
    rows = (0, info.n_rows)
    _check_dtypes("local", local, part.dtype, audit)
    _check_tiles("local", local, (outputs, rows, (0, part.kept)), audit)
    if not top:
        return
    if part.ranked or info.n_features <= TOP_RANKS:
        audit.note("files", "there are 'top' files beside local importances that hold no more than they")
    _check_dtypes("top", top, part.dtype, audit)
    _check_tiles("top", top, (outputs, rows, (0, TOP_RANKS)), audit)


def _check_data(
    info: ExplanationInfo, data: DataLayout | None, columns: list[FileEntry], labels: list[FileEntry], audit: Audit
) -> None:
    if data is None or not data.columns:
        _check_none("data", columns, audit)
    else:
        _check_tiles("data", columns, ((0, info.n_rows), (0, data.n_columns)), audit)
    if data is None or not data.has_labels:
        _check_none("labels", labels, audit)
    else:
        _check_one("labels", labels, (info.n_rows, data.n_labels), None, audit)


def _check_documents(
    info: ExplanationInfo, documents: DocumentsLayout, by_role: dict[str, list[FileEntry]], audit: Audit
) -> None:
    """Note where the files of documents are not one for each range, or have other numbers than the manifest says.

    A range of documents without a token, or without a sentence, has no file of them.
    """
    texts = sorted(by_role.get("documents", []), key=lambda entry: entry.rows or (0, 0))
    ranges = [entry.rows or (0, 0) for entry in texts]
    if [0, *(end for _, end in ranges)] != [*(first for first, _ in ranges), info.n_rows]:
        audit.note("files", f"those of role 'documents' do not cover documents 0 to {info.n_rows} once each")
    wanted: tuple[tuple[str, int, tuple[int, ...]], ...] = (
        ("documents", info.n_rows, ()),
        ("tokens", documents.tokens, (len(info.outputs),)),
        ("sentences", documents.sentences or 0, ()),
    )
    for role, count, leading in wanted:
        found = by_role.get(role, [])
        rows = [entry.rows for entry in found]
        if len(set(rows)) != len(rows) or not set(rows) <= set(ranges):
            audit.note("files", f"those of role {role!r} are of other documents than those of role 'documents'")
        shapes = [entry.shape for entry in found]
        if any(shape[:-1] != leading or not shape for shape in shapes) or sum(s[-1] for s in shapes if s) != count:
            audit.note("files", f"those of role {role!r} have shapes {shapes[:10]}, expected {count} in all")
    _check_dtypes("tokens", by_role.get("tokens", []), documents.dtype, audit)


def _check_dtypes(role: str, found: list[FileEntry], dtype: str, audit: Audit) -> None:
    for entry in found:
        if entry.dtype != dtype:
            audit.note(f"file {entry.name[:80] or role}", f"has dtype {entry.dtype}, the part has {dtype}")


def _check_tiles(role: str, found: list[FileEntry], whole: tuple[Range, ...], audit: Audit) -> None:
    """Note files whose ranges do not add up to the whole, each place exactly once."""
    axes = ("outputs", "rows", "columns")[-len(whole) :]
    if not found:
        audit.note("files", f"there are none of role {role!r}")
        return
    tiles: list[tuple[Range, ...]] = []
    for entry in found:
        ranges = tuple(_range_of(entry, axis, bounds) for axis, bounds in zip(axes, whole, strict=True))
        shape = tuple(end - first for first, end in ranges)
        where = f"file {entry.name[:80] or role}"
        if entry.shape != shape:
            audit.note(where, f"has shape {list(entry.shape)} and covers {list(shape)}")
        for axis, (first, end), (least, most) in zip(axes, ranges, whole, strict=True):
            if first < least or end > most:
                audit.note(where, f"covers {axis} {first} to {end}, outside {least} to {most}")
        tiles.append(ranges)
    wanted = prod(end - first for first, end in whole)
    covered = sum(prod(end - first for first, end in tile) for tile in tiles)
    if covered != wanted:
        audit.note("files", f"those of role {role!r} cover {covered} values of {wanted}")
    _check_axis(role, tiles, 0, whole, axes, audit)


def _check_axis(
    role: str,
    tiles: Iterable[tuple[Range, ...]],
    axis: int,
    whole: tuple[Range, ...],
    axes: tuple[str, ...],
    audit: Audit,
) -> None:
    """Note where the ranges of one axis leave a gap or overlap, then look into each range along the next axis."""
    groups: dict[Range, list[tuple[Range, ...]]] = {}
    for tile in tiles:
        groups.setdefault(tile[axis], []).append(tile)
    at = whole[axis][0]
    for first, end in sorted(groups):
        if first != at:
            kind = "overlap" if first < at else "leave a gap"
            audit.note("files", f"those of role {role!r} {kind} at {axes[axis]} {min(first, at)} to {max(first, at)}")
            return
        at = end
    if at != whole[axis][1]:
        audit.note("files", f"those of role {role!r} end at {axes[axis]} {at} of {whole[axis][1]}")
    elif axis + 1 < len(whole):
        for members in groups.values():
            _check_axis(role, members, axis + 1, whole, axes, audit)
    else:
        for span, members in groups.items():
            if len(members) > 1:
                audit.note("files", f"{len(members)} of role {role!r} cover {axes[axis]} {span[0]} to {span[1]}")


def _range_of(entry: FileEntry, axis: str, whole: Range) -> Range:
    """Return the range that a file covers; an axis that is not named is covered whole."""
    found: Range | None = getattr(entry, axis)
    return whole if found is None else found
