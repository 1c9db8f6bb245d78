"""From documents to objects, one kind at a time; what is wrong with one is noted in the audit, with its place."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from explanation_client.errors import InvalidExplanationError
from explanation_client.format.audit import Audit
from explanation_client.format.entries import FileEntry
from explanation_client.format.layout import (
    IMPORTANCE_DTYPES,
    BaseValues,
    DataLayout,
    DocumentsLayout,
    PartLayout,
    Parts,
    is_column_dtype,
)
from explanation_client.info import ExplanationInfo

_ROLE = re.compile(r"[a-z][a-z-]{0,31}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def parse_info(document: dict[str, Any], audit: Audit) -> ExplanationInfo | None:
    """Return what a listing shows, or None after noting what is wrong with it."""
    where = "info"
    before = len(audit.problems)
    pairs = audit.list_of(document, "made_with", list, where, optional=True) or ()
    for i, pair in enumerate(pairs):
        if len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            audit.note(f"{where}.made_with[{i}]", "is no pair of package and version")

    def text(key: str, *, optional: bool = True) -> str | None:
        return audit.field(document, key, str, where, optional=optional)

    def texts(key: str, *, optional: bool = True) -> tuple[str, ...]:
        return audit.list_of(document, key, str, where, optional=optional) or ()

    values: dict[str, Any] = {
        "id": text("id", optional=False),
        "created_at": audit.time(document, "created_at", where),
        "method": text("method", optional=False),
        "task": audit.choice(document, "task", ("classification", "regression"), where),
        "outputs": texts("outputs", optional=False),
        "n_features": audit.natural(document, "n_features", where, least=1),
        "n_rows": audit.natural(document, "n_rows", where),
        "feature_space": audit.choice(document, "feature_space", ("raw", "engineered"), where, optional=True),
        "single_row": audit.field(document, "single_row", bool, where, optional=True) or False,
        "output_space": text("output_space"),
        "model_type": text("model_type"),
        "reason": text("reason"),
        "notes": texts("notes"),
        "model_id": text("model_id"),
        "comment": text("comment"),
        "top_k": audit.natural(document, "top_k", where, least=1, optional=True),
        "uploaded_at": audit.time(document, "uploaded_at", where, optional=True),
        "parts": texts("parts"),
        "top_features": texts("top_features"),
    }
    if len(audit.problems) > before:
        return None
    try:
        return ExplanationInfo(**values, made_with=tuple((pair[0], pair[1]) for pair in pairs))
    except InvalidExplanationError as error:
        audit.note(where, str(error))
        return None


def parse_parts(document: dict[str, Any], audit: Audit) -> Parts:
    """Return how each granularity is stored."""

    def part(key: str) -> PartLayout | None:
        found = audit.field(document, key, dict, "parts", optional=True)
        return None if found is None else _parse_part(found, f"parts.{key}", audit)

    return Parts(
        global_=part("global"), per_class=part("per_class"), local=part("local"), interactions=part("interactions")
    )


def _parse_part(document: dict[str, Any], where: str, audit: Audit) -> PartLayout | None:
    dtype = audit.choice(document, "dtype", IMPORTANCE_DTYPES, where)
    kept = audit.natural(document, "kept", where, least=1)
    ranked = audit.field(document, "ranked", bool, where)
    totals = audit.list_of(document, "totals", float, where, optional=True)
    mirror = audit.field(document, "mirror", bool, where, optional=True) or False
    if dtype is None or kept is None or ranked is None:
        return None
    return PartLayout(dtype=dtype, kept=kept, ranked=ranked, totals=totals, mirror=mirror)


def parse_base_values(document: dict[str, Any] | None, audit: Audit) -> BaseValues | None:
    """Return the base values, if there are any."""
    if document is None:
        return None
    dtype = audit.choice(document, "dtype", IMPORTANCE_DTYPES, "base_values")
    values = audit.list_of(document, "values", float, "base_values")
    if dtype is None or values is None:
        return None
    with np.errstate(over="ignore"):
        if not np.isfinite(np.array(values, dtype)).all():
            audit.note("base_values.values", f"are too large for {dtype}")
    return BaseValues(dtype=dtype, values=values)


def parse_data(document: dict[str, Any] | None, audit: Audit) -> DataLayout | None:
    """Return what is stored of the explained rows, if anything is."""
    if document is None:
        return None

    def dtype_of(found: object, where: str) -> None:
        if not isinstance(found, str) or not is_column_dtype(found):
            audit.note(where, f"is {str(found)[:40]!r}, no dtype that a column can have")

    def run(members: list[Any], where: str) -> tuple[str, int] | None:
        if len(members) != 2 or not isinstance(members[1], int) or isinstance(members[1], bool) or members[1] < 1:
            audit.note(where, "is no pair of a dtype and a number of columns")
            return None
        dtype_of(members[0], where)
        return str(members[0]), members[1]

    runs = audit.list_of(document, "columns", list, "data", optional=True)
    proba = audit.field(document, "predicted_proba", list, "data", optional=True)
    columns = None if runs is None else [run(r, f"data.columns[{i}]") for i, r in enumerate(runs)]
    single = {key: audit.field(document, key, str, "data", optional=True) for key in ("predicted", "true")}
    for key, dtype in single.items():
        if dtype is not None:
            dtype_of(dtype, f"data.{key}")
    return DataLayout(
        columns=None if columns is None else tuple(r for r in columns if r is not None),
        row_names=audit.field(document, "row_names", bool, "data", optional=True) or False,
        predicted=single["predicted"],
        predicted_proba=None if proba is None else run(proba, "data.predicted_proba"),
        true=single["true"],
    )


def parse_documents(document: dict[str, Any] | None, audit: Audit) -> DocumentsLayout | None:
    """Return what is stored of the explained documents, if anything is."""
    if document is None:
        return None
    where = "documents"
    dtype = audit.choice(document, "dtype", IMPORTANCE_DTYPES, where)
    tokens = audit.natural(document, "tokens", where)
    sentences = audit.natural(document, "sentences", where, optional=True)
    weights = audit.field(document, "weights", bool, where, optional=True) or False
    sentence_weights = audit.field(document, "sentence_weights", bool, where, optional=True) or False
    if dtype is None or tokens is None:
        return None
    return DocumentsLayout(
        dtype=dtype, tokens=tokens, weights=weights, sentences=sentences, sentence_weights=sentence_weights
    )


def parse_file(document: dict[str, Any], where: str, audit: Audit) -> FileEntry | None:
    """Return one data file's entry, or None after noting what is wrong with it."""
    name = audit.field(document, "name", str, where)
    role = audit.field(document, "role", str, where)
    size = audit.natural(document, "size", where)
    digest = audit.field(document, "sha256", str, where)
    shape = audit.naturals(document, "shape", where)
    dtype = audit.choice(document, "dtype", IMPORTANCE_DTYPES, where, optional=True)
    outputs, rows, columns = (audit.span(document, key, where) for key in ("outputs", "rows", "columns"))
    holds = audit.list_of(document, "holds", str, where, optional=True) or ()
    sample = audit.field(document, "sample", str, where, optional=True)
    if role is not None and not _ROLE.fullmatch(role):
        audit.note(f"{where}.role", f"is {role[:40]!r}, expected letters and dashes")
    if digest is not None and not _DIGEST.fullmatch(digest):
        audit.note(f"{where}.sha256", f"is {digest[:80]!r}, expected 64 hexadecimal digits")
    if name is None or role is None or size is None or digest is None or shape is None:
        return None
    return FileEntry(
        name=name, role=role, size=size, sha256=digest, dtype=dtype,
        shape=shape, outputs=outputs, rows=rows, columns=columns, holds=holds, sample=sample,
    )  # fmt: skip
