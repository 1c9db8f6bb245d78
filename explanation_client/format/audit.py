"""Checks of documents that others wrote: every problem is collected with its place, and none is guessed away."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from explanation_client.display import shown
from explanation_client.errors import InvalidManifestError

T = TypeVar("T")

_SHOWN = 40
_FIRST_YEAR = 1970


class Audit:
    """Collects the problems of one document.

    Each method returns the value if it is what it should be, and else notes why not and returns None, so that one
    pass finds every problem.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.problems: list[str] = []

    def note(self, where: str, problem: str) -> None:
        """Note one problem at a place."""
        self.problems.append(f"{where}: {problem}")

    def finish(self) -> None:
        """Raise ``InvalidManifestError`` with all problems, if there are any."""
        if not self.problems:
            return
        shown = self.problems[:_SHOWN]
        more = len(self.problems) - len(shown)
        listed = "\n  ".join(shown) + (f"\n  … and {more} more" if more else "")
        count = len(self.problems)
        raise InvalidManifestError(f"{self.what} has {count} problem{'s' if count > 1 else ''}:\n  {listed}")

    def field(
        self, document: dict[str, Any], key: str, kind: type[T], where: str, *, optional: bool = False
    ) -> T | None:
        """Return a field of that type; bool is no int, int is a float."""
        path = f"{where}.{key}" if where else key
        if document.get(key) is None:
            if not optional:
                self.note(path, "is missing")
            return None
        return self.value(document[key], kind, path)

    def value(self, value: Any, kind: type[T], where: str) -> T | None:
        """Return the value if it is of that type."""
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            if abs(value) > 2**1000:
                self.note(where, "is too large for a float64")
                return None
            value = float(value)
        if isinstance(value, kind) and not (kind is not bool and isinstance(value, bool)):
            return value
        self.note(where, f"is {_shown(value)}, expected {_KINDS[kind]}")
        return None

    def natural(
        self, document: dict[str, Any], key: str, where: str, *, least: int = 0, optional: bool = False
    ) -> int | None:
        """Return a whole number of at least ``least``."""
        number = self.field(document, key, int, where, optional=optional)
        return None if number is None else self._at_least(number, f"{where}.{key}", least)

    def choice(
        self, document: dict[str, Any], key: str, choices: Sequence[str], where: str, *, optional: bool = False
    ) -> str | None:
        """Return a string that is one of the choices."""
        text = self.field(document, key, str, where, optional=optional)
        if text is not None and text not in choices:
            self.note(f"{where}.{key}", f"is {_shown(text)}, expected one of {', '.join(choices)}")
            return None
        return text

    def list_of(
        self, document: dict[str, Any], key: str, kind: type[T], where: str, *, optional: bool = False
    ) -> tuple[T, ...] | None:
        """Return a list whose members are all of that type."""
        path = f"{where}.{key}" if where else key
        members = self.field(document, key, list, where, optional=optional)
        if members is None:
            return None
        found = [self.value(member, kind, f"{path}[{i}]") for i, member in enumerate(members)]
        return None if any(member is None for member in found) else tuple(m for m in found if m is not None)

    def naturals(
        self, document: dict[str, Any], key: str, where: str, *, optional: bool = False
    ) -> tuple[int, ...] | None:
        """Return a list of whole numbers from 0."""
        found = self.list_of(document, key, int, where, optional=optional)
        if found is None:
            return None
        good = [self._at_least(number, f"{where}.{key}[{i}]", 0) for i, number in enumerate(found)]
        return None if None in good else found

    def span(self, document: dict[str, Any], key: str, where: str) -> tuple[int, int] | None:
        """Return an optional range [first, end), not empty."""
        found = self.naturals(document, key, where, optional=True)
        if found is None:
            return None
        if len(found) != 2 or found[0] >= found[1]:
            self.note(f"{where}.{key}", f"is {list(found)}, expected [first, end) with first < end")
            return None
        return found[0], found[1]

    def time(self, document: dict[str, Any], key: str, where: str, *, optional: bool = False) -> datetime | None:
        """Return a time in ISO 8601 that says its offset, from 1970 to 9999, in UTC."""
        text = self.field(document, key, str, where, optional=optional)
        if text is None:
            return None
        try:
            time = datetime.fromisoformat(text)
            # Times of other years have no timestamp on every system; those without an offset cannot be sorted.
            if time.utcoffset() is not None and time.astimezone(UTC).year >= _FIRST_YEAR:
                return time.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        self.note(
            f"{where}.{key}",
            f"is {_shown(text)}, expected a time from {_FIRST_YEAR} to 9999 in ISO 8601 with its offset from UTC",
        )
        return None

    def _at_least(self, number: int, where: str, least: int) -> int | None:
        # 2**53 is where JSON numbers stop being whole in other readers.
        if least <= number < 2**53:
            return number
        self.note(where, f"is {_shown(number)}, expected a whole number from {least} to 2**53")
        return None


def load_json(data: bytes, *, what: str) -> dict[str, Any]:
    """Return the JSON object of some bytes.

    Raises
    ------
    InvalidManifestError
        It is no UTF-8, no JSON, holds NaN or infinity, the same key twice, or is no object.

    """
    try:
        document = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite
        )
    except (ValueError, RecursionError) as error:
        raise InvalidManifestError(f"{what} is no JSON document: {str(error)[:200]}") from error
    if not isinstance(document, dict):
        raise InvalidManifestError(f"{what} is {_shown(document)}, expected a JSON object")
    return document


def _shown(value: object) -> str:
    return shown(repr(value), length=80)


_KINDS: dict[type, str] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"key {_shown(key)} occurs twice")
            seen.add(key)
    return document


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:40]} is too large for a float64")
    return number
