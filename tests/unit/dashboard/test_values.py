"""New values for cells: held to the column's dtype, and turned into it."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from explanation_client.dashboard.rows import Rows
from explanation_client.dashboard.values import converter
from explanation_client.errors import InvalidArgumentError

STAMP = pd.Timestamp("2026-11-20T12:30")


def convert(column: Any, value: Any) -> Any:
    # Older pandas would make times of objects that are times.
    series = pd.Series(column, dtype=getattr(column, "dtype", None))
    return converter("x", series.dtype, series)(value)


@pytest.mark.parametrize(
    ("column", "value", "wanted"),
    [
        (np.array([1, 2], "i8"), 7, 7),
        (np.array([1, 2], "i8"), "9007199254740993", 9007199254740993),
        (np.array([1, 2], "u1"), 255, 255),
        (np.array([1.5], "f4"), 3, 3.0),
        (np.array([True]), False, False),
        (np.array([True]), "true", True),
        (pd.array([1, None], "Int16"), 300, 300),
        (pd.array([True, None], "boolean"), 1, True),
        (pd.array(["a"], "string"), "b", "b"),
        (pd.Categorical(["lo", "hi"]), "hi", "hi"),
        (pd.Categorical([1, 2]), 2, 2),
        (pd.Categorical([1, 2]), "2", 2),
        (pd.Categorical([1.0, 2.5]), 1, 1.0),
        (np.array(["a", None], object), "b", "b"),
        (np.array([None, 3], object), 4, 4),
        (np.array([Decimal("0.10")], object), 0.1, Decimal("0.1")),
        (np.array([date(2026, 1, 1)], object), "2026-11-20", date(2026, 11, 20)),
        (np.array([datetime(2026, 1, 1)], object), "2026-11-20T12:30", datetime(2026, 11, 20, 12, 30)),
        (np.array(["2026-01-01"], "M8[ms]"), "2026-11-20T12:30", STAMP.to_datetime64()),
        (np.array(["2026-01-01"], "M8[ns]"), 1795177800000, STAMP.to_datetime64()),
        (pd.to_datetime(["2026-01-01"]).tz_localize("Europe/Stockholm"), "2026-11-20T12:30", STAMP.tz_localize("UTC")),
        (np.array([1], "m8[s]"), 90.5, np.timedelta64(90_500, "ms")),
    ],
)
def test_a_value_that_fits_becomes_one_of_the_column(column: Any, value: Any, wanted: Any) -> None:
    found = convert(column, value)
    assert found == wanted
    assert not isinstance(wanted, (bool, int, float, str)) or type(found) is type(wanted)


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        (np.array([1], "i1"), 128, "from -128 to 127"),
        (np.array([1], "i8"), 2.5, "whole number"),
        (np.array([1], "i8"), True, "whole number"),
        (np.array([1], "u2"), -1, "from 0 to 65,535"),
        (np.array([1], "i8"), None, "can't be missing"),
        (np.array([True]), 2, "true or false"),
        (np.array([True]), None, "can't be missing"),
        (np.array([1.0]), "much", "a number"),
        (np.array([1.0]), float("inf"), "a number"),
        (pd.array(["a"], "string"), 3, "a text"),
        (pd.Categorical(["lo", "hi"]), "mid", "one of hi, lo"),
        (pd.Categorical(list("abcdefghijkl")), "z", "and 2 more"),
        (np.array(["a"], object), 3, "a text"),
        (np.array(["2026-01-01"], "M8[ns]"), "soon", "a time such as"),
        ([(1, 2)], 3, "type tuple can't be edited"),
        (np.array([1j]), 1, "can't be edited"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_the_reason(column: Any, value: Any, why: str) -> None:
    with pytest.raises(InvalidArgumentError, match=why):
        convert(column, value)


def test_a_time_is_not_cut_to_the_units_of_an_array() -> None:
    days = converter("day", np.dtype("M8[D]"), ())
    assert days("2026-11-20") == np.datetime64("2026-11-20")
    with pytest.raises(InvalidArgumentError, match="units of D"):
        days("2026-11-20T12:30")


@pytest.mark.parametrize(
    "column",
    [
        np.array([1.0]),
        pd.array([1, None], "Int64"),
        pd.Categorical(["a"]),
        np.array(["a"], object),
        np.array(["2026-01-01"], "M8[ns]"),
        pd.array(["a"], "string"),
    ],
)
def test_a_missing_value_is_the_columns_own(column: Any) -> None:
    frame = pd.DataFrame({"x": column})
    rows = Rows(data=frame, names=("x",))
    taken = rows.take([rows.line(0, {"x": None})])
    assert taken["x"].isna().all()
    assert taken["x"].dtype == frame["x"].dtype


def test_a_hostile_name_and_value_are_shown_as_text() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        converter("\x1b[2Ja", np.dtype("f8"), ())("\x1b[2J" + "b" * 10_000)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 300
