"""Documents of the stored format as they lie on disk: what JSON holds, before anything is believed.

Every version of the format adds fields here and takes none away. ``docs/format-v1.md`` says what each one means.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict


class FileDocument(TypedDict):
    """One data file."""

    name: str
    role: str
    size: int
    sha256: str
    shape: list[int]
    dtype: NotRequired[str]
    outputs: NotRequired[list[int]]
    rows: NotRequired[list[int]]
    columns: NotRequired[list[int]]
    holds: NotRequired[list[str]]
    sample: NotRequired[str]


class PartDocument(TypedDict):
    """How one granularity of the importances is stored."""

    dtype: str
    kept: int
    ranked: bool
    totals: NotRequired[list[float]]
    mirror: NotRequired[bool]


class BaseValuesDocument(TypedDict):
    """Base values of all outputs."""

    dtype: str
    values: list[float]


class DataDocument(TypedDict):
    """What is stored of the explained rows. ``columns`` are runs of (dtype, number of columns)."""

    columns: NotRequired[list[tuple[str, int]]]
    row_names: NotRequired[bool]
    predicted: NotRequired[str]
    predicted_proba: NotRequired[tuple[str, int]]
    true: NotRequired[str]


class DocumentsDocument(TypedDict):
    """What is stored of the explained documents."""

    dtype: str
    tokens: int
    weights: NotRequired[bool]
    sentences: NotRequired[int]
    sentence_weights: NotRequired[bool]


class InfoDocument(TypedDict):
    """An ``ExplanationInfo``; times are ISO 8601."""

    id: str
    created_at: str
    method: str
    task: str
    outputs: list[str]
    n_features: int
    n_rows: int
    feature_space: NotRequired[str]
    single_row: NotRequired[bool]
    output_space: NotRequired[str]
    model_type: NotRequired[str]
    reason: NotRequired[str]
    notes: NotRequired[list[str]]
    made_with: NotRequired[list[tuple[str, str]]]
    model_id: NotRequired[str]
    comment: NotRequired[str]
    top_k: NotRequired[int]
    uploaded_at: NotRequired[str]
    parts: NotRequired[list[str]]
    top_features: NotRequired[list[str]]


# ``global`` is a keyword of Python, hence the functional form.
PartsDocument = TypedDict(
    "PartsDocument",
    {
        "global": NotRequired[PartDocument],
        "per_class": NotRequired[PartDocument],
        "local": NotRequired[PartDocument],
        "interactions": NotRequired[PartDocument],
    },
)


class ManifestDocument(TypedDict):
    """The manifest of one explanation."""

    format: str
    version: int
    info: InfoDocument
    parts: PartsDocument
    files: list[FileDocument]
    base_values: NotRequired[BaseValuesDocument]
    data: NotRequired[DataDocument]
    documents: NotRequired[DocumentsDocument]
