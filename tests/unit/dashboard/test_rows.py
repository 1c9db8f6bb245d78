"""Edited rows have the form and the dtypes of the caller's rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array, csr_matrix

from explanation_client.dashboard.rows import Line, Rows, rows_of
from explanation_client.dataset import EvaluationData
from explanation_client.errors import InvalidArgumentError

FRAME = pd.DataFrame(
    {
        "count": np.array([1, 2, 3], "i4"),
        "kind": pd.Categorical(["a", "b", "a"], categories=["a", "b", "never"]),
        "note": ["x", None, "z"],
        "seen": pd.to_datetime(["2026-01-01", "2026-01-02", None]),
        "flag": pd.array([True, None, False], "boolean"),
        "size": np.array([0.1, 0.2, 0.3], "f4"),
    },
    index=[7, 8, 9],
)


def test_an_edited_row_differs_in_the_edited_cells_only() -> None:
    rows = Rows(data=FRAME, names=tuple(FRAME.columns))
    edits = {"count": 5, "kind": "never", "note": "new", "seen": "2026-11-20", "flag": None, "size": 0.5}
    taken = rows.take([rows.line(2, {}), rows.line(0, edits), rows.line(1, {"kind": "a"})])
    assert (taken.dtypes == FRAME.dtypes).all()
    assert list(taken.index) == [9, 7, 8]
    pd.testing.assert_frame_equal(taken.iloc[:1], FRAME.iloc[2:])
    pd.testing.assert_frame_equal(taken.iloc[2:].drop(columns="kind"), FRAME.iloc[1:2].drop(columns="kind"))
    assert taken.iloc[2]["kind"] == "a"
    changed = taken.iloc[1].tolist()
    assert changed[:3] == [5, "never", "new"]
    assert (changed[3], changed[5]) == (pd.Timestamp("2026-11-20"), 0.5)
    assert changed[4] is pd.NA
    assert FRAME.iloc[0].tolist()[:3] == [1, "a", "x"]


def test_the_callers_rows_are_never_changed() -> None:
    for data in (np.zeros((2, 2)), csr_matrix(np.zeros((2, 2))), pd.DataFrame(np.zeros((2, 2)), columns=["a", "b"])):
        rows = Rows(data=data, names=("a", "b"))
        rows.take([rows.line(0, {"a": 1.0})])
        assert np.asarray(data.sum()).sum() == 0


@pytest.mark.parametrize("make", [np.array, csr_matrix, csr_array])
def test_arrays_and_sparse_rows_keep_their_kind(make: Any) -> None:
    data = make(np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]], "f4"))
    rows = Rows(data=data, names=("a", "b", "c"))
    taken = rows.take([rows.line(1, {"a": 9, "b": 0}), Line(0)])
    assert type(taken) is type(data)
    assert taken.dtype == data.dtype
    dense = taken if isinstance(taken, np.ndarray) else taken.toarray()
    assert dense.tolist() == [[9.0, 0.0, 0.0], [1.0, 0.0, 2.0]]


def test_texts_in_arrays_are_not_cut() -> None:
    rows = Rows(data=np.array([["a", "b"]]), names=("x", "y"))
    assert rows.take([rows.line(0, {"y": "longer than before"})]).tolist() == [["a", "longer than before"]]
    mixed = Rows(data=np.array([["a", 1], ["b", 2]], object), names=("x", "y"))
    assert mixed.take([mixed.line(0, {"x": "c"})]).tolist() == [["c", 1]]


def test_unknown_rows_and_columns_are_named() -> None:
    rows = Rows(data=FRAME, names=tuple(FRAME.columns))
    with pytest.raises(InvalidArgumentError, match="no row 3: there are 3"):
        rows.line(3, {})
    with pytest.raises(InvalidArgumentError, match="no column 'weight': they have count, kind"):
        rows.line(0, {"weight": 1})


def test_rows_that_an_explanation_holds_are_an_array_or_a_frame() -> None:
    numbers = EvaluationData(names=("a", "b"), columns=(np.arange(3.0), np.ones(3)))
    held = rows_of(numbers)
    assert held is not None
    assert held.data.tolist() == [[0, 1], [1, 1], [2, 1]]
    mixed = rows_of(EvaluationData(names=("a", "b"), columns=(np.arange(3), np.array(["x", None, "z"], object))))
    assert mixed is not None
    assert mixed.data.dtypes.astype(str).tolist()[0] == "int64"
    assert mixed.data["b"].fillna("gone").tolist() == ["x", "gone", "z"]
    assert rows_of(EvaluationData(predicted=np.ones(2))) is None
