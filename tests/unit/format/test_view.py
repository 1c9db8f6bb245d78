"""The sample that dashboards read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from explanation_client.dataset import EvaluationData
from explanation_client.explanation import Explanation
from explanation_client.format import Sample, ViewSize, plan_sample, sample_of
from explanation_client.format.v1 import encode, view
from tests.golden.bundle import Bundle, store
from tests.strategies import explanation_of, finite, random_explanation


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


def sample(explanation: Explanation, data: EvaluationData | None = None, **size: Any) -> Sample:
    return sample_of(explanation, ViewSize(**size), data=data)


def test_a_view_of_many_rows_is_a_sample_of_each_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "ViewSize", lambda: ViewSize(rows=10))
    explanation = random_explanation(2, 45, 3)
    bundle = store(explanation, include_view=True)
    found = table(bundle, "view")
    rows = found["row"].to_numpy()[:10]
    assert (np.diff(rows) > 0).all()
    assert (found["row"].to_numpy()[10:] == rows).all()
    assert (found["f1"].to_numpy()[10:] == local(explanation)[1, rows, 1]).all()
    (entry,) = bundle.manifest.of_role("view")
    assert (entry.shape, entry.sample) == ((2, 10, 3), "stratified")


def test_every_range_of_predictions_has_its_share_of_the_sample() -> None:
    values = np.random.default_rng(0).exponential(size=(1, 20_000, 2))
    found = sample(explanation_of(values), rows=500)
    assert found.kind == "stratified"
    totals = values[0].sum(axis=1)
    for q in (0.1, 0.5, 0.9, 0.99):
        share = (totals[found.rows] < np.quantile(totals, q)).mean()
        assert share == pytest.approx(q, abs=0.01)


def test_every_predicted_class_is_in_the_sample_however_rare() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.1, (3, 5_000, 2))
    values[0] += 1
    values[1, ::2] += 3
    values[2, [17, 4_711]] += 9
    explanation = explanation_of(values, base_values=np.zeros(3))
    found = sample(explanation, rows=100)
    assert {17, 4_711} <= set(found.rows.tolist())
    assert found.predicted is not None
    assert (found.predicted == values.sum(axis=2).argmax(axis=0)).all()
    assert np.bincount(found.predicted[found.rows])[:2].tolist() == pytest.approx([49, 49], abs=6)


def test_known_probabilities_say_what_is_predicted() -> None:
    proba = np.random.default_rng(1).dirichlet(np.ones(3), 40)
    explanation = random_explanation(3, 40, 2)
    found = sample(explanation, EvaluationData(predicted_proba=proba), rows=10)
    assert (found.predicted == proba.argmax(axis=1)).all()
    assert sample(replace(explanation, base_values=None)).predicted is None


def test_rows_with_the_extremes_of_important_features_are_in_the_sample() -> None:
    values = np.random.default_rng(0).normal(size=(1, 3_000, 4))
    values[0, 1_234, 2], values[0, 2_345, 2] = 60.0, -60.0
    assert {1_234, 2_345} <= set(sample(explanation_of(values), rows=50).rows.tolist())


def test_the_sample_is_the_same_each_time_and_never_larger_than_asked_for() -> None:
    explanation = random_explanation(2, 999, 6)
    found = sample(explanation, rows=333)
    assert (found.rows == sample(explanation, rows=333).rows).all()
    assert len(np.unique(found.rows)) == 333
    assert len(sample(explanation, values=1_200).rows) == 100
    assert len(sample(explanation, values=1).rows) == 1
    assert len(sample(explanation).rows) == 999
    assert sample(explanation).kind is None


def test_a_view_of_two_outputs_that_mirror_each_other_has_the_second() -> None:
    values = np.random.default_rng(0).normal(size=(1, 6, 3))
    bundle = store(explanation_of(np.concatenate([-values, values])), include_view=True)
    assert table(bundle, "view")["output"].to_pylist() == [1] * 6
    (entry,) = bundle.manifest.of_role("view")
    assert (entry.outputs, entry.shape) == ((1, 2), (1, 6, 3))
    assert table(bundle, "aggregates")["output"].to_pylist() == [0] * 3 + [1] * 3 + [-1] * 3


def test_a_view_may_have_narrower_importances_unless_they_do_not_fit() -> None:
    for largest, dtype in ((1.0, "float32"), (1e300, "float64")):
        explanation = explanation_of(np.array([[[largest, -2.5]]]))
        chosen = sample(explanation, dtype="float32")
        encoded = next(file for job in plan_sample(explanation, chosen, None) if (file := job()).entry.role == "view")
        assert encoded.entry.dtype == dtype
        assert pq.read_table(pa.BufferReader(encoded.data))["f1"].to_pylist() == [-2.5]


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
    values = local(explanation).astype("f8")
    predicted = values.sum(axis=2).argmax(axis=0)
    of_predicted = values[predicted, np.arange(300)]
    assert found["output"].to_pylist() == [0] * 4 + [1] * 4 + [-1] * 4
    for line in found.to_pylist():
        rows = of_predicted if line["output"] == view.PREDICTED else values[line["output"]]
        column = rows[:, line["feature"]]
        assert line["mean_abs"] == pytest.approx(np.abs(column).mean(), rel=1e-12)
        assert line["q95"] == pytest.approx(np.quantile(column, 0.95), rel=1e-12)
        assert line["max"] == column.max()


def test_the_view_of_a_cut_explanation_has_ranked_values_and_no_aggregates() -> None:
    explanation = random_explanation(2, 6, 9).cut(3)
    bundle = store(explanation, include_view=True)
    found = table(bundle, "view")
    names = [f"{kind}_{i}" for kind in ("value", "feature") for i in (1, 2, 3)]
    assert found.column_names == ["output", "row", *names, "total"]
    assert (found["value_2"].to_numpy() == local(explanation)[:, :, 1].ravel()).all()
    assert found["feature_2"].to_pylist() == explanation.local_importances.index[:, :, 1].ravel().tolist()  # type: ignore[union-attr, index]
    assert not bundle.manifest.of_role("aggregates")


def test_a_wide_view_has_the_most_important_features_and_the_sum_of_the_others() -> None:
    explanation = random_explanation(3, 30, 1_100)
    bundle = store(explanation, include_view=True)
    order = explanation.global_importance_rank[:1_000]
    found = table(bundle, "view")
    assert found.column_names[2:] == [*(f"f{i}" for i in order), "total"]
    np.testing.assert_allclose(found["total"].to_numpy(), local(explanation).sum(axis=2).ravel(), rtol=1e-12)
    figures = table(bundle, "aggregates").to_pylist()
    assert [line["feature"] for line in figures[:1_001]] == [*order.tolist(), view.OTHERS]
    left_out = np.setdiff1d(np.arange(1_100), order)
    others = local(explanation)[:, :, left_out].sum(axis=2)
    predicted = (local(explanation).sum(axis=2)).argmax(axis=0)
    lines = {line["output"]: line for line in figures if line["feature"] == view.OTHERS}
    for output, rows in ((0, others[0]), (2, others[2]), (view.PREDICTED, others[predicted, np.arange(30)])):
        assert lines[output]["mean_abs"] == pytest.approx(np.abs(rows).mean(), rel=1e-9)
        assert lines[output]["min"] == pytest.approx(rows.min(), rel=1e-9)


def test_explained_rows_without_local_importances_have_a_view_of_their_positions() -> None:
    rows = EvaluationData(names=("a",), columns=(np.arange(4.0),))
    explanation = replace(random_explanation(1, 4, 2), local_importances=None, data=rows)
    bundle = store(explanation, include_data=True, include_view=True)
    assert table(bundle, "view").to_pydict() == {"output": [0] * 4, "row": [0, 1, 2, 3]}
    (entry,) = bundle.manifest.of_role("view")
    assert (entry.shape, entry.dtype, entry.outputs) == ((1, 4, 0), None, None)
    assert table(bundle, "view-data").to_pydict() == {"a": [0.0, 1.0, 2.0, 3.0]}
    assert not store(explanation, include_view=True).manifest.of_role("view")


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
