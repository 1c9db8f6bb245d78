"""The sample that dashboards read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from explanation_client.dataset import EvaluationData
from explanation_client.explanation import Explanation
from explanation_client.format.v1 import view
from tests.golden.bundle import Bundle, store
from tests.strategies import finite, random_explanation


def table(bundle: Bundle, role: str) -> pa.Table:
    (entry,) = bundle.manifest.of_role(role)
    return pq.read_table(pa.BufferReader(bundle.files[entry.name]))


def local(explanation: Explanation) -> np.ndarray:
    assert explanation.local_importances is not None
    return explanation.local_importances.values


def test_a_view_of_few_rows_has_them_all() -> None:
    explanation = random_explanation(3, 40, 5)
    found = table(store(explanation, include_view=True), "view")
    order = explanation.global_importance_rank
    assert found.column_names == ["output", "row", *(f"f{i}" for i in order)]
    for output in range(3):
        rows = found.filter(pa.compute.equal(found["output"], output))
        assert rows["row"].to_pylist() == list(range(40))
        for position in range(5):
            assert (rows[f"f{position}"].to_numpy() == local(explanation)[output, :, position]).all()


def test_a_view_of_many_rows_is_a_sample_spread_over_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert view.sample_rows((1, 100_000, 50)).tolist() == list(range(0, 100_000, 20))
    assert len(view.sample_rows((10, 100_000, 1_000))) == 250
    assert len(view.sample_rows((1, 7, 10**6))) == 7
    monkeypatch.setattr(view, "MAX_ROWS", 10)
    explanation = random_explanation(2, 45, 3)
    bundle = store(explanation, include_view=True)
    found = table(bundle, "view")
    rows = found["row"].to_numpy()[:10]
    assert rows.tolist() == [0, 4, 9, 13, 18, 22, 27, 31, 36, 40]
    assert (found["f1"].to_numpy()[10:] == local(explanation)[1, rows, 1]).all()
    assert bundle.manifest.of_role("view")[0].shape == (2, 10, 3)


@given(arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 40)), elements=finite(np.float64)))
def test_aggregates_are_those_that_numpy_gives(columns: np.ndarray) -> None:
    found = view.aggregate_columns(columns)
    wanted = {
        "mean_abs": np.abs(columns).mean(axis=1),
        "mean": columns.mean(axis=1),
        "std": columns.std(axis=1),
        "min": columns.min(axis=1),
        "max": columns.max(axis=1),
        **{f"q{int(100 * q):02d}": np.quantile(columns, q, axis=1) for q in view.QUANTILES},
    }
    assert found.keys() == wanted.keys() == set(view.AGGREGATES)
    for name, array in wanted.items():
        np.testing.assert_allclose(
            found[name], array, rtol=1e-12, atol=1e-9 * (1 + np.abs(columns).max()), err_msg=name
        )


def test_aggregates_are_over_all_rows_of_each_output_and_feature() -> None:
    explanation = random_explanation(2, 300, 4, dtype=np.float32)
    found = table(store(explanation, include_view=True), "aggregates")
    assert found.column_names == ["output", "feature", *view.AGGREGATES]
    for line in found.to_pylist():
        values = local(explanation)[line["output"], :, line["feature"]].astype("f8")
        assert line["mean_abs"] == pytest.approx(np.abs(values).mean(), rel=1e-12)
        assert line["q95"] == pytest.approx(np.quantile(values, 0.95), rel=1e-12)
        assert line["max"] == values.max()


def test_the_view_of_a_cut_explanation_has_ranked_values_and_no_aggregates() -> None:
    explanation = random_explanation(2, 6, 9).cut(3)
    bundle = store(explanation, include_view=True)
    found = table(bundle, "view")
    names = [f"{kind}_{i}" for kind in ("value", "feature") for i in (1, 2, 3)]
    assert found.column_names == ["output", "row", *names, "total"]
    assert (found["value_2"].to_numpy() == local(explanation)[:, :, 1].ravel()).all()
    assert found["feature_2"].to_pylist() == explanation.local_importances.index[:, :, 1].ravel().tolist()  # type: ignore[union-attr, index]
    assert not bundle.manifest.of_role("aggregates")


def test_a_wide_view_has_the_most_important_features() -> None:
    explanation = random_explanation(1, 3, 1_100)
    bundle = store(explanation, include_view=True)
    order = explanation.global_importance_rank[:1_000]
    assert table(bundle, "view").column_names[2:] == [f"f{i}" for i in order]
    assert table(bundle, "aggregates")["feature"].to_pylist() == order.tolist()


def test_no_explained_row_is_in_a_view_unless_the_rows_are_stored() -> None:
    data = EvaluationData(
        names=("a",), columns=(np.arange(4.0),), true=np.arange(4), row_names=np.array(list("wxyz"), object)
    )
    explanation = replace(random_explanation(1, 4, 2), data=data)
    without = store(explanation, include_view=True)
    assert {entry.role for entry in without.manifest.files} == {"features", "local", "view", "aggregates"}
    both = store(explanation, include_data=True, include_view=True)
    assert table(both, "view-data")["a"].to_pylist() == [0.0, 1.0, 2.0, 3.0]
    assert table(both, "view-labels").column_names == ["row_name", "true"]


def test_files_use_only_what_readers_in_a_browser_have() -> None:
    data = EvaluationData(names=("a",), columns=(np.array(["x", "y", "x"], object),))
    explanation = replace(random_explanation(2, 3, 12), data=data)
    bundle = store(explanation, include_data=True, include_view=True)
    for data_file in bundle.data_files.values():
        metadata = pq.read_metadata(pa.BufferReader(data_file))
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(0).column(column)
            assert chunk.compression in ("UNCOMPRESSED", "SNAPPY")
            assert set(chunk.encodings) <= {"PLAIN", "RLE", "RLE_DICTIONARY"}
