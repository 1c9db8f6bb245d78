"""New values for single cells, as a browser sends them: held to the column's dtype, and turned into it.

The model must get what it would have got from the caller: a category of the same list, an integer that fits, a time in
the column's zone. Whatever does not fit is refused with a sentence for the user.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from explanation_client.dataset import is_instance_of
from explanation_client.display import shown
from explanation_client.errors import InvalidArgumentError

Value = float | int | str | bool | None
Converter = Callable[[Value], Any]

_SHOWN_CATEGORIES = 10
_MILLISECONDS_OF_A_SECOND = 1_000


def converter(name: str, dtype: Any, cells: Any) -> Converter:
    """Return the function that turns a value into one of a column, or raises ``InvalidArgumentError``.

    Parameters
    ----------
    name : str
        Of the column, for messages.
    dtype : numpy or pandas dtype
    cells : array
        Values of the column, which tell what its objects are.

    """
    convert, missing, can_miss = _of_dtype(dtype, cells)

    def checked(value: Value) -> Any:
        if value is None or (isinstance(value, float) and value != value):
            if not can_miss:
                raise InvalidArgumentError(f"{shown(name)!r} can't be missing: its type is {dtype}")
            return missing
        try:
            return convert(value)
        except (ValueError, TypeError, OverflowError, InvalidOperation) as error:
            reason = str(error) or f"its type is {dtype}"
            raise InvalidArgumentError(f"{shown(name)!r} can't be {_shown(value)}: {reason}") from error

    return checked


def _of_dtype(dtype: Any, cells: Any) -> tuple[Converter, Any, bool]:
    """Return how a value becomes one of a dtype, what stands for a missing one, and whether there can be any."""
    if is_instance_of(dtype, "pandas", "CategoricalDtype"):
        return _to_category(list(dtype.categories)), np.nan, True
    extension = is_instance_of(dtype, "pandas.api.extensions", "ExtensionDtype")
    missing = dtype.na_value if extension else None
    kind = getattr(dtype, "kind", "O")
    if kind == "b":
        return _to_bool, missing, extension
    if kind in "iu":
        return _to_whole(f"{kind}{dtype.itemsize}"), missing, extension
    if kind == "f":
        return _to_float, missing if extension else np.nan, True
    if kind == "M":
        return _to_time(getattr(dtype, "tz", None), dtype), missing if extension else np.datetime64("NaT"), True
    if kind == "m":
        return _to_duration, missing if extension else np.timedelta64("NaT"), True
    if kind in "US" or (extension and is_instance_of(dtype, "pandas", "StringDtype")):
        return _to_text, missing if extension else "", extension
    if kind == "O":
        example = next((cell for cell in cells if not _is_missing(cell)), "")
        gone = next((cell for cell in cells if _is_missing(cell)), missing)
        return _like(example), gone, True
    raise InvalidArgumentError(f"a column of type {dtype} can't be edited")


def _to_bool(value: Value) -> bool:
    if isinstance(value, bool) or value in (0, 1):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise ValueError("true or false is needed")


def _to_whole(dtype: str) -> Converter:
    limits = np.iinfo(dtype)

    def convert(value: Value) -> int:
        number = _whole(value)
        if not limits.min <= number <= limits.max:
            raise ValueError(f"a whole number from {limits.min:,} to {limits.max:,} is needed")
        return number

    return convert


def _whole(value: Value) -> int:
    """Return a whole number; texts have the digits that a float64 has no room for."""
    try:
        if isinstance(value, str):
            return int(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and int(value) == value:
            return int(value)
    except (ValueError, OverflowError):
        pass
    raise ValueError("a whole number is needed")


def _to_float(value: Value) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]  # whatever it is, float() says whether it is a number
    except (ValueError, TypeError):
        number = np.nan
    if not np.isfinite(number):
        raise ValueError("a number is needed")
    return number


def _to_text(value: Value) -> str:
    if not isinstance(value, str):
        raise ValueError("a text is needed")
    return value


def _to_category(categories: list[Any]) -> Converter:
    def convert(value: Value) -> Any:
        for category in categories:
            if type(category) is type(value) and category == value:
                return category
        for category in categories:
            # 2 is shown for 2.0, and whatever is no number as text.
            if str(category) == str(value) or (not isinstance(value, str) and category == value):
                return category
        some = ", ".join(shown(str(category), length=30) for category in categories[:_SHOWN_CATEGORIES])
        more = f" and {len(categories) - _SHOWN_CATEGORIES} more" if len(categories) > _SHOWN_CATEGORIES else ""
        raise ValueError(f"it is one of {some}{more}")

    return convert


def _to_time(zone: Any, dtype: Any) -> Converter:
    """Return how a time becomes one of a column: without a zone it is in UTC, as such columns are shown."""

    def convert(value: Value) -> Any:
        moment = _moment(value)
        if not is_instance_of(dtype, "pandas.api.extensions", "ExtensionDtype"):
            exact = np.datetime64(moment.astimezone(UTC).replace(tzinfo=None))
            found = exact.astype(dtype)
            if found != exact:
                raise ValueError(f"the column counts time in units of {np.datetime_data(dtype)[0]}")
            return found
        import pandas

        stamp = pandas.Timestamp(moment)
        return stamp.tz_localize(None) if zone is None else stamp.tz_convert(zone)

    return convert


def _moment(value: Value) -> datetime:
    """Return the time that ISO 8601, or milliseconds since 1970, say."""
    try:
        if isinstance(value, str):
            found = datetime.fromisoformat(value)
            return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / _MILLISECONDS_OF_A_SECOND, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise ValueError("a time such as 2026-11-20T12:30 is needed")


def _to_duration(value: Value) -> np.timedelta64:
    """Return a duration from seconds, as such columns are shown."""
    return np.timedelta64(round(_to_float(value) * 1e9), "ns")


def _like(example: Any) -> Converter:
    """Return how a value becomes an object such as the column has."""
    if isinstance(example, (bool, np.bool_)):
        return _to_bool
    if isinstance(example, (int, np.integer)):
        return _whole
    if isinstance(example, (float, np.floating)):
        return _to_float
    if isinstance(example, str):
        return _to_text
    if isinstance(example, Decimal):
        return lambda value: Decimal(str(_to_float(value)))
    if isinstance(example, datetime):
        zone = example.tzinfo
        return lambda value: _moment(value).astimezone(zone) if zone else _moment(value).replace(tzinfo=None)
    if isinstance(example, date):
        return lambda value: _moment(value).date()

    def refuse(value: Value) -> Any:
        raise ValueError(f"values of type {type(example).__qualname__} can't be edited")

    return refuse


def _is_missing(cell: Any) -> bool:
    return cell is None or type(cell).__name__ in ("NAType", "NaTType") or (isinstance(cell, float) and cell != cell)


def _shown(value: Value) -> str:
    return repr(shown(value)) if isinstance(value, str) else str(value)
