"""Properties of the stored format: what is read is what was written, to the last bit, however it was divided."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from explanation_client.dataset import EvaluationData
from explanation_client.explanation import Explanation
from explanation_client.importances import Importances, same_bits
from tests.golden.bundle import store
from tests.strategies import explanations, finite, names

# A long run looks fifty times as far: EXPLANATION_CLIENT_LONG=1.
SCALE = 50 if os.environ.get("EXPLANATION_CLIENT_LONG") else 1

shard_sizes = st.sampled_from([1, 40, 200, 1000, 1 << 20])


@settings(max_examples=20 * SCALE)
@given(explanations(), shard_sizes, st.booleans())
def test_what_is_read_is_what_was_written(explanation: Explanation, shard_bytes: int, view: bool) -> None:
    assert store(explanation, shard_bytes=shard_bytes, include_view=view).open() == explanation


@settings(max_examples=20 * SCALE)
@given(explanations(), shard_sizes, st.data())
def test_a_cut_at_upload_and_a_cut_at_download_are_the_same(
    explanation: Explanation, shard_bytes: int, data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, explanation.num_features))
    wanted = explanation.cut(k)
    assert store(explanation, shard_bytes=shard_bytes).open(top_k=k) == wanted
    stored_cut = store(wanted, shard_bytes=shard_bytes)
    assert stored_cut.open() == wanted
    again = data.draw(st.integers(1, k))
    assert stored_cut.open(top_k=again) == explanation.cut(again)


@settings(max_examples=13 * SCALE)
@given(explanations(max_features=16), shard_sizes, st.data())
def test_ranked_values_are_a_plain_sort_and_add_up_with_the_rest(
    explanation: Explanation, shard_bytes: int, data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, explanation.num_features))
    read = store(explanation, shard_bytes=shard_bytes).open().local_importances
    assert read is not None
    ranked = read.ranked(k)
    assert explanation.local_importances is not None
    values = explanation.local_importances.values
    for place in np.ndindex(values.shape[:2]):
        row = values[place]
        order = sorted(range(len(row)), key=lambda i: (-abs(row[i]), i))[:k]
        assert ranked.index is not None
        assert ranked.index[place].tolist() == order
        assert same_bits(ranked.values[place], row[order])
        scale = float(np.abs(row).sum()) or 1.0
        assert abs(float(ranked.values[place].sum()) + float(ranked.rest[place]) - float(row.sum())) <= 1e-5 * scale


@settings(max_examples=13 * SCALE)
@given(explanations(), shard_sizes, st.data())
def test_rows_and_outputs_that_are_sliced_before_reading_are_those_of_the_whole(
    explanation: Explanation, shard_bytes: int, data: st.DataObject
) -> None:
    n = explanation.num_examples
    first = data.draw(st.integers(0, n - 1))
    end = data.draw(st.integers(first + 1, n))
    output = data.draw(st.integers(0, len(explanation.info.outputs) - 1))
    read = store(explanation, shard_bytes=shard_bytes).open()
    assert read[first:end] == explanation[first:end]
    assert read[first:end].output(output) == explanation[first:end].output(output)
    assert read.cut(1)[first:end] == explanation.cut(1)[first:end]


@settings(max_examples=8 * SCALE)
@given(explanations(), shard_sizes)
def test_jobs_and_shards_may_run_in_threads(explanation: Explanation, shard_bytes: int) -> None:
    bundle = store(explanation, shard_bytes=shard_bytes)
    with ThreadPoolExecutor(4) as pool:
        assert bundle.open(map_files=pool.map).load() == explanation


@st.composite
def columns(draw: st.DrawFn, rows: int) -> np.ndarray:
    """Draw a column of evaluation data of any type that is stored."""
    kind = draw(st.sampled_from(["text", "bool", "int8", "uint16", "int64", "uint64", "float32", "float64", "time"]))
    if kind == "text":
        return np.array(draw(st.lists(st.none() | names, min_size=rows, max_size=rows)), dtype=object)
    if kind == "bool":
        return np.array(draw(st.lists(st.booleans(), min_size=rows, max_size=rows)))
    if kind.startswith("float"):
        values = st.floats(width=32 if kind == "float32" else 64)
        return np.array(draw(st.lists(values, min_size=rows, max_size=rows)), dtype=kind)
    if kind == "time":
        unit = draw(st.sampled_from(["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns"]))
        stamps = st.integers(-400, 400) | st.just(np.iinfo(np.int64).min)
        return np.array(draw(st.lists(stamps, min_size=rows, max_size=rows)), "i8").view(f"M8[{unit}]")
    bounds = np.iinfo(kind)
    values_ = st.integers(int(bounds.min), int(bounds.max))
    return np.array(draw(st.lists(values_, min_size=rows, max_size=rows)), dtype=kind)


@st.composite
def evaluation_data(draw: st.DrawFn, rows: int) -> EvaluationData:
    """Draw evaluation data with any of its parts."""
    n_columns = draw(st.integers(0, 4))
    has_columns = n_columns > 0
    texts = st.lists(names, min_size=rows, max_size=rows)
    return EvaluationData(
        names=tuple(draw(st.lists(names, min_size=n_columns, max_size=n_columns, unique=True))),
        columns=tuple(draw(columns(rows)) for _ in range(n_columns)) if has_columns else None,
        row_names=np.array(draw(texts), dtype=object) if draw(st.booleans()) else None,
        predicted=draw(columns(rows)) if draw(st.booleans()) else None,
        predicted_proba=np.full((rows, 2), draw(finite(np.float32)), "f4") if draw(st.booleans()) else None,
        true=draw(columns(rows)) if draw(st.booleans()) else None,
    )


@settings(max_examples=20 * SCALE)
@given(explanations(max_features=3), shard_sizes, st.data())
def test_explained_rows_are_read_as_they_were_written(
    explanation: Explanation, shard_bytes: int, data: st.DataObject
) -> None:
    rows = data.draw(evaluation_data(explanation.num_examples))
    wanted = replace(explanation, data=None if rows.is_empty else rows)
    assert store(wanted, shard_bytes=shard_bytes, include_data=True, include_view=True).open() == wanted


@settings(max_examples=10 * SCALE)
@given(explanations(), st.sampled_from(["global", "per_class", "local"]), st.data())
def test_any_part_may_be_missing_or_ranked_by_itself(explanation: Explanation, only: str, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, explanation.num_features))
    parts = {"global": explanation.global_importances, "per_class": explanation.per_class_importances}
    parts["local"] = explanation.local_importances
    part = parts[only] or explanation.local_importances
    kept = only if parts[only] is not None else "local"
    if data.draw(st.booleans()) and isinstance(part, Importances):
        part = part.ranked(k, by=data.draw(st.sampled_from(["magnitude", "signed"])))
    alone = replace(
        explanation,
        base_values=None,
        global_importances=part if kept == "global" else None,
        per_class_importances=part if kept == "per_class" else None,
        local_importances=part if kept == "local" else None,
    )
    assert store(alone, include_view=True).open() == alone
