"""Rows of every kind of table become plain columns."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse

from explanation_client.dataset import EvaluationData, normalise_column
from explanation_client.errors import InvalidExplanationError


@pytest.mark.parametrize(
    ("column", "kind", "values"),
    [
        (np.array([1, 2], np.int16), "i", [1, 2]),
        (np.array([True, False]), "b", [True, False]),
        (np.array([1.5, 2.5], np.float16), "f", [1.5, 2.5]),
        (np.array(["a", "b"]), "O", ["a", "b"]),
        (np.array([1, 2.5, Decimal("3")], object), "f", [1.0, 2.5, 3.0]),
        (np.array(["a", None, float("nan"), 3], object), "O", ["a", None, None, "3"]),
        (pd.Series([1, None], dtype="Int64"), "f", [1.0, None]),
        (pd.Series([1, 2], dtype="Int64"), "i", [1, 2]),
        (pd.Series([1.0, None], dtype="Float32"), "f", [1.0, None]),
        (pd.Series([True, None], dtype="boolean"), "O", ["True", None]),
        (pd.Series(["a", None], dtype="string"), "O", ["a", None]),
        (pd.Series(["a", None], dtype="category"), "O", ["a", None]),
        (pd.Series(pd.Categorical([3, 1])), "i", [3, 1]),
        (np.array([2**53 + 1, 1], object), "i", [2**53 + 1, 1]),
        (np.array([2**70, 1], object), "f", [float(2**70), 1.0]),
        (np.array([True, False], object), "b", [True, False]),
        (np.array([1.5, None, 2], object), "f", [1.5, None, 2.0]),
        (np.array([True, 2], object), "O", ["True", "2"]),
        (np.array([1, 2], "timedelta64[m]"), "f", [60.0, 120.0]),
    ],
)
def test_columns_of_every_kind(column: Any, kind: str, values: list[Any]) -> None:
    array = normalise_column(column)
    assert array.dtype.kind == kind
    assert [None if v != v else v for v in array.tolist()] == values


def test_times_stay_times() -> None:
    zoned = pd.Series(pd.to_datetime(["2026-01-01T01:00:00+01:00"]))
    assert normalise_column(zoned)[0] == np.datetime64("2026-01-01T00:00:00")
    assert normalise_column(np.array(["2026-01-01"], "datetime64[D]")).dtype.kind == "M"
    assert normalise_column(pd.Series([dt.datetime(2026, 1, 1)])).dtype.kind == "M"


def test_a_data_frame_keeps_names_and_index() -> None:
    frame = pd.DataFrame({"age": [1, 2], 7: ["a", "b"]}, index=["ann", "bob"])
    data = EvaluationData.from_rows(frame)
    assert data.names == ("age", "7")
    assert data.row_names is not None
    assert data.row_names.tolist() == ["ann", "bob"]
    assert data.matrix().tolist() == [[1, "a"], [2, "b"]]
    assert EvaluationData.from_rows(frame, keep_index=False).row_names is None


def test_a_counting_index_names_nothing() -> None:
    assert EvaluationData.from_rows(pd.DataFrame({"a": [1, 2]})).row_names is None


def test_arrays_sparse_matrices_and_arrow_tables() -> None:
    dense = np.array([[1.0, 0.0], [0.0, 2.0]])
    table = pa.table({"0": [1.0, 0.0], "1": [0.0, 2.0]})
    for rows in (dense, scipy.sparse.csr_matrix(dense), scipy.sparse.csr_array(dense), table):
        data = EvaluationData.from_rows(rows)
        assert data.names == ("0", "1")
        assert data.matrix().tolist() == dense.tolist()
    assert EvaluationData.from_rows(dense[0]).n_rows == 1


@pytest.mark.parametrize("rows", [None, "rows", 3, {"a": [1]}, np.zeros((2, 2, 2))])
def test_what_is_no_table_is_refused_with_the_kinds_that_are(rows: Any) -> None:
    with pytest.raises(InvalidExplanationError, match="pandas"):
        EvaluationData.from_rows(rows)


def test_parts_of_different_length_are_refused_by_name() -> None:
    with pytest.raises(InvalidExplanationError, match=r"predicted: 3, true: 2"):
        EvaluationData(predicted=np.zeros(3), true=np.zeros(2))
    with pytest.raises(InvalidExplanationError, match="1 columns and 2 names"):
        EvaluationData(names=("a", "b"), columns=(np.zeros(1),))


def test_rows_are_taken_from_every_part() -> None:
    data = EvaluationData(
        names=("a",),
        columns=(np.arange(3),),
        row_names=np.array(["x", "y", "z"], dtype=object),
        predicted=np.arange(3.0),
        predicted_proba=np.eye(3),
        true=np.array([0, 1, 2]),
    )
    part = data.take(slice(1, None))
    assert part.n_rows == 2
    assert part.row_names is not None
    assert part.row_names.tolist() == ["y", "z"]
    assert part.predicted_proba is not None
    assert part.predicted_proba.shape == (2, 3)
    assert part.same_as(data.take([1, 2]))
    assert not part.same_as(data)
