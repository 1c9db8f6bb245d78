"""What a request asks: rows, in any of the shapes that clients send, and how they are to be explained.

Every shape is turned into rows in the order of the model's columns. Rows of numbers become one array without going
through pandas; rows with text, or with missing values, stay lists, and the scoring explainer gives them their types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import orjson
from numpy.typing import NDArray

from explanation_client.display import shown
from explanation_client.serving.problems import RefusedError

Rows = NDArray[Any] | list[list[Any]]

# The seeds' own shape, then MLflow's.
SHAPES = ("data", "dataframe_split", "dataframe_records", "instances", "inputs")
_OPTIONS = ("explain", "top_k", "get_raw")
_SHOWN = 5


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Rows, and what is wanted of them.

    Parameters
    ----------
    rows : ndarray of shape (N, F), or list of N lists of F values
        In the order of the model's columns.
    explain : bool
        Whether importances are wanted, or predictions alone.
    top_k : int, optional
        Only so many importances of each row, ranked.
    get_raw : bool, optional
        Of raw features, or of engineered ones.

    """

    rows: Rows
    explain: bool = True
    top_k: int | None = None
    get_raw: bool | None = None


def read_question(body: bytes, columns: tuple[str, ...], *, max_rows: int) -> Question:
    """Return what the body of a request asks.

    Parameters
    ----------
    body : bytes
        JSON: an object with one of ``data``, ``dataframe_split``, ``dataframe_records``, ``instances``, ``inputs``, and
        with ``explain``, ``top_k``, ``get_raw`` in it, or in its ``params``.
    columns : tuple of str
        Names of the F columns of the model, in order.
    max_rows : int
        More rows are refused.

    Raises
    ------
    RefusedError
        It is no such JSON, or has too many rows; the message says what is wrong and what would be right.

    """
    asked = _object(body)
    shapes = [name for name in SHAPES if name in asked]
    if len(shapes) != 1:
        found = f"it has {' and '.join(shapes)}" if shapes else f"it has {_some(list(asked)) or 'nothing'}"
        _refuse(f"the body needs exactly one of {', '.join(SHAPES)}: {found}")
    options = _options(asked, shapes[0])
    names, rows = _rows(asked[shapes[0]], shapes[0], columns)
    if len(rows) > max_rows:
        raise RefusedError(
            413, "TOO_MANY_ROWS", f"the request has {len(rows)} rows, at most {max_rows} are answered at a time"
        )
    order = None if names is None else _order(names, columns)
    return Question(_ordered(rows, len(columns), order), **options)


def _object(body: bytes) -> dict[str, Any]:
    try:
        # Strict: no NaN, no infinity, no number that is too large for a float64, no endless nesting.
        asked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # The message names a place, and nothing of what is there.
        hint = ". NaN is none: send null for a missing value" if b"NaN" in body else ""
        raise RefusedError(400, "INVALID_JSON", f"the body is no JSON: {error}{hint}") from error
    if not isinstance(asked, dict):
        _refuse(f'the body is a JSON {_kind(asked)}: an object is needed, such as {{"data": [[1.0, 2.0]]}}')
    return asked


def _options(asked: dict[str, Any], shape: str) -> dict[str, Any]:
    """Return ``explain``, ``top_k`` and ``get_raw`` as far as they are given, in ``params`` or beside the rows."""
    params = asked.get("params")
    params = {} if params is None else params
    if not isinstance(params, dict):
        _refuse(f'params is a JSON {_kind(params)}: an object is needed, such as {{"top_k": 4}}')
    beside = {name: value for name, value in asked.items() if name not in (shape, "params")}
    if unknown := [name for name in (*beside, *params) if name not in _OPTIONS]:
        _refuse(f"{_some(unknown)} is not known here: there are {', '.join((*_OPTIONS, 'params'))}")
    if doubled := [name for name in beside if name in params]:
        _refuse(f"{_some(doubled)} is given twice, in params and beside them")
    options = {name: value for name, value in {**beside, **params}.items() if value is not None}
    for name in ("explain", "get_raw"):
        if not isinstance(options.get(name, True), bool):
            _refuse(f"{name} is {_brief(options[name])}: true or false is needed")
    top_k = options.get("top_k", 1)
    if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
        _refuse(f"top_k is {_brief(top_k)}: a whole number of features is needed, at least 1, or null for all")
    return options


def _rows(value: Any, shape: str, columns: tuple[str, ...]) -> tuple[list[Any] | None, list[Any]]:
    """Return the names that come with the rows, if any do, and the rows as a list of lists."""
    if shape == "dataframe_split":
        return _split(value)
    if shape == "inputs" and isinstance(value, dict):
        return _columnwise(value)
    if not isinstance(value, list) or not value:
        found = "no rows" if value == [] else f"a JSON {_kind(value)}"
        _refuse(f"{shape} has {found}: a list of rows is needed")
    if shape != "dataframe_records" and not isinstance(value[0], dict):
        return None, value
    return list(columns), [_record(row, position, columns) for position, row in enumerate(value)]


def _split(value: Any) -> tuple[list[Any] | None, list[Any]]:
    if not isinstance(value, dict) or not {"columns", "data"} <= set(value) <= {"columns", "data", "index"}:
        _refuse("dataframe_split needs columns and data, as from DataFrame.to_dict(orient='split')")
    names, rows = value["columns"], value["data"]
    if not isinstance(names, list) or not isinstance(rows, list) or not rows:
        _refuse("dataframe_split needs columns, a list of names, and data, a list of at least one row")
    # A DataFrame without names counts its columns.
    return (None if names == list(range(len(names))) else names), rows


def _columnwise(value: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    lengths = {len(column) if isinstance(column, list) else -1 for column in value.values()}
    if len(lengths) != 1 or lengths <= {-1, 0}:
        _refuse("inputs needs a list of values for each column, all of the same length, at least one value")
    return list(value), [list(row) for row in zip(*value.values(), strict=True)]


def _record(row: Any, position: int, columns: tuple[str, ...]) -> list[Any]:
    try:
        if len(row) == len(columns):
            return [row[name] for name in columns]
    except (KeyError, TypeError):
        pass
    if not isinstance(row, dict):
        _refuse(f"row {position} is a JSON {_kind(row)}, and rows before it are objects")
    _order(list(row), columns, where=f"row {position}")
    raise AssertionError("a row with the right names was taken for a wrong one")


def _order(names: Sequence[Any], columns: tuple[str, ...], where: str = "the rows") -> list[int] | None:
    """Return the position in ``names`` of each column, None where they are in order already."""
    if tuple(names) == columns:
        return None
    places = {name: position for position, name in enumerate(names) if isinstance(name, str)}
    missing = [name for name in columns if name not in places]
    wanted = set(columns)
    extra = [name for name in names if not isinstance(name, str) or name not in wanted]
    if missing or extra or len(names) != len(columns):
        problems = [f"{_some(missing)} missing"] if missing else []
        problems += [f"{_some(extra)} not known"] if extra else []
        reason = "; ".join(problems) or "one of them comes twice"
        _refuse(
            f"the columns of {where} are not those of the model: {reason}. It takes exactly these {len(columns)}, in "
            f"any order: {_some(columns)}"
        )
    return [places[name] for name in columns]


def _ordered(rows: list[Any], width: int, order: list[int] | None) -> Rows:
    """Return rows as an array, where all values are numbers, or as lists, in the order of the columns."""
    try:
        numbers = np.array(rows)
    except ValueError:
        numbers = np.empty(0, object)
    if numbers.ndim == 2 and numbers.dtype.kind in "biuf":
        if numbers.shape[1] != width:
            _refuse(f"the rows have {numbers.shape[1]} values, the model has {width} columns")
        return numbers if order is None else numbers[:, order]
    for position, row in enumerate(rows):
        _check_row(row, position, width)
    return rows if order is None else [[row[place] for place in order] for row in rows]


def _check_row(row: Any, position: int, width: int) -> None:
    if not isinstance(row, list):
        _refuse(f"row {position} is a JSON {_kind(row)}: each row is a list of {width} values")
    if len(row) != width:
        _refuse(f"row {position} has {len(row)} values, the model has {width} columns")
    for place, value in enumerate(row):
        if isinstance(value, (list, dict)):
            _refuse(
                f"row {position}, value {place} is a JSON {_kind(value)}: a number, text, boolean or null is needed"
            )


def _refuse(message: str) -> NoReturn:
    raise RefusedError(400, "BAD_REQUEST", message)


def _kind(value: Any) -> str:
    kinds: Mapping[type, str] = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return kinds.get(type(value), "number")


def _brief(value: Any) -> str:
    return shown(orjson.dumps(value).decode(), length=40)


def _some(names: Sequence[Any]) -> str:
    some = ", ".join(shown(str(name), length=40) for name in names[:_SHOWN])
    return some if len(names) <= _SHOWN else f"{some} and {len(names) - _SHOWN} more"
