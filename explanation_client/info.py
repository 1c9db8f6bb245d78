"""What a listing shows of an explanation: its identity, what it is of, and how it was made."""

from __future__ import annotations

import operator
import secrets
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from explanation_client.errors import InvalidExplanationError

Task = Literal["classification", "regression"]
FeatureSpace = Literal["raw", "engineered"]

# A name longer than this is data that slipped into the header, and would not fit a listing or a plot.
MAX_NAME_BYTES = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationInfo:
    """What a listing shows of an explanation, without touching an array.

    Parameters
    ----------
    id : str
        A UUIDv7: ids sort by the time at which they were made.
    created_at : datetime
        When the explanation was made (UTC).
    method : str
        How the values were computed, ``"shap_tree"`` for example.
    task : "classification" or "regression"
    outputs : tuple of str
        Names of the C outputs: the classes, or the target.
    n_features, n_rows : int
        F and N. N counts the rows that were explained, also where only their aggregate is kept.
    feature_space : "raw", "engineered" or None
        Before or after the transformations; None where none are known.
    single_row : bool
        Whether one 1-D row was explained, so that the accessors drop the row axis.
    output_space : str, optional
        What the values add up to: ``"margin"``, ``"probability"``, ``"log-odds"``, ``"value"``.
    model_type : str, optional
        Class of the model.
    reason : str, optional
        Why this explainer was chosen.
    notes : tuple of str
        What was done on the way: data summarised, rows sampled.
    made_with : tuple of (package, version)
    model_id, comment : str, optional
        Given at upload.
    top_k : int, optional
        Number of features that a cut kept.
    uploaded_at : datetime, optional
        When it was stored (UTC). Listings are in this order.
    parts : tuple of str
        Which of "global", "per_class", "local", "interactions" and "data" are stored; empty before an upload.
    top_features : tuple of str
        The most important features; empty before an upload.

    """

    id: str
    created_at: datetime
    method: str
    task: Task
    outputs: tuple[str, ...]
    n_features: int
    n_rows: int
    feature_space: FeatureSpace | None = None
    single_row: bool = False
    output_space: str | None = None
    model_type: str | None = None
    reason: str | None = None
    notes: tuple[str, ...] = ()
    made_with: tuple[tuple[str, str], ...] = ()
    model_id: str | None = None
    comment: str | None = None
    top_k: int | None = None
    uploaded_at: datetime | None = None
    parts: tuple[str, ...] = ()
    top_features: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._normalise()
        if self.task not in ("classification", "regression"):
            raise InvalidExplanationError(f"task={self.task!r}: 'classification' or 'regression'")
        if self.feature_space not in ("raw", "engineered", None):
            raise InvalidExplanationError(f"feature_space={self.feature_space!r}: 'raw', 'engineered' or None")
        if self.task == "regression" and len(self.outputs) != 1:
            raise InvalidExplanationError(f"a regression has one output, got {len(self.outputs)}")
        if len(set(self.outputs)) != len(self.outputs):
            raise InvalidExplanationError(f"outputs have names that are not unique: {list(self.outputs)[:20]}")
        if not self.outputs:
            raise InvalidExplanationError("an explanation needs at least one output")
        if self.single_row and self.n_rows != 1:
            raise InvalidExplanationError(f"single_row is set and n_rows is {self.n_rows}")

    def _normalise(self) -> None:
        """Turn what numpy and pandas give (integers, class labels, lists) into plain types; refuse the rest."""
        plain: dict[str, Any] = {
            "outputs": tuple(str(name) for name in self.outputs),
            "notes": tuple(str(note) for note in self.notes),
            "made_with": tuple((str(package), str(number)) for package, number in self.made_with),
            "parts": tuple(self.parts),
            "top_features": tuple(str(name) for name in self.top_features),
            "single_row": bool(self.single_row),
            "n_features": _whole("n_features", self.n_features),
            "n_rows": _whole("n_rows", self.n_rows),
            "top_k": None if self.top_k is None else _whole("top_k", self.top_k),
        }
        for name, value in plain.items():
            object.__setattr__(self, name, value)
        for name in ("id", "method", "output_space", "model_type", "reason", "model_id", "comment"):
            value = getattr(self, name)
            if not (isinstance(value, str) or (value is None and name not in ("id", "method"))):
                raise InvalidExplanationError(f"{name} is {value!r}: a string is needed")
        for name in ("created_at", "uploaded_at"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, datetime) or value.tzinfo is None):
                raise InvalidExplanationError(f"{name} is {value!r}: a datetime with a time zone is needed")

    @property
    def is_raw(self) -> bool:
        """Whether the features are those before the transformations."""
        return self.feature_space == "raw"

    @property
    def is_engineered(self) -> bool:
        """Whether the features are those after the transformations."""
        return self.feature_space == "engineered"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a plain dict, times as ISO 8601."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: v.isoformat() if isinstance(v, datetime) else v for name, v in values.items()}


def _whole(name: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError as error:
        raise InvalidExplanationError(f"{name} is {value!r}: a whole number is needed") from error


def new_id() -> str:
    """Return a new UUIDv7 (RFC 9562), so that ids sort by the time at which they were made."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(secrets.token_bytes(10))
    value = (milliseconds & (1 << 48) - 1) << 80 | random
    value = value & ~(0xF << 76) | 0x7 << 76
    return str(uuid.UUID(int=value & ~(0x3 << 62) | 0x2 << 62))


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


def name_problems(features: tuple[str, ...]) -> Iterable[str]:
    """Yield what is wrong with feature names: empty, doubled, no valid text, too long."""
    if not features:
        yield "there are no features"
    seen: dict[str, int] = {}
    for position, name in enumerate(features):
        if not isinstance(name, str) or not name:
            yield f"feature {position} is named {name!r}: names are strings of at least one character"
            continue
        try:
            size = len(name.encode())
        except UnicodeEncodeError:
            yield f"feature {position} is named {name!r}, which is no valid Unicode text"
            continue
        if size > MAX_NAME_BYTES:
            yield f"the name of feature {position} ({name[:40]!r}…) has {size} bytes, at most {MAX_NAME_BYTES}"
        if name in seen:
            yield f"features {seen[name]} and {position} are both named {name[:80]!r}: rename one, names are unique"
        seen[name] = position


def versions(*packages: str) -> tuple[tuple[str, str], ...]:
    """Return the installed versions of some packages, for ``made_with``."""
    found = []
    for package in packages:
        try:
            found.append((package, version(package)))
        except PackageNotFoundError:
            continue
    return tuple(found)
