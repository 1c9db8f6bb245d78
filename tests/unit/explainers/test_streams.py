"""Rows in batches are explained as one table with all of them, to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from explanation_client.errors import InvalidArgumentError, InvalidExplanationError
from explanation_client.explainers import (
    KernelExplainer,
    LinearExplainer,
    MimicExplainer,
    SamplingPolicy,
    TabularExplainer,
    TreeExplainer,
)
from explanation_client.explanation import Explanation
from explanation_client.surrogates import LGBMExplainableModel
from explanation_client.treeshap import TreeTables

NAMES = ["a", "b", "c", "d"]
ROWS = pd.DataFrame(np.random.default_rng(0).standard_normal((300, 4)), columns=NAMES)
TARGET = (ROWS["a"] + ROWS["b"] * ROWS["c"] > 0).astype(int)
MODEL = lightgbm.LGBMClassifier(n_estimators=8, num_leaves=7, verbose=-1, n_jobs=1).fit(ROWS, TARGET)
# Small work is done in numpy until compiled loops are loaded, and these round differently: here they always are.
TreeTables(MODEL, compiled=True).shap_values(ROWS[:2])


def batches(*ends: int) -> Iterator[pd.DataFrame]:
    for first, end in zip((0, *ends), (*ends, len(ROWS)), strict=True):
        yield ROWS[first:end]


def written(folder: Path) -> Path:
    pq.write_table(pa.Table.from_pandas(ROWS[:170]), folder / "0.parquet", row_group_size=50)
    pq.write_table(pa.Table.from_pandas(ROWS[170:]), folder / "1.parquet", row_group_size=1000)
    return folder


STREAMS: dict[str, Callable[[Path], Any]] = {
    "DataFrames of any size": lambda _: batches(1, 100, 101, 299),
    "arrays": lambda _: iter([ROWS.to_numpy()[:7], ROWS.to_numpy()[7:]]),
    "single rows": lambda _: iter(ROWS.to_numpy()),
    "kinds that change": lambda _: iter([ROWS[:30], ROWS.to_numpy()[30:40], ROWS[40:]]),
    "columns in another order": lambda _: iter([ROWS[:100][NAMES[::-1]], ROWS[100:]]),
    "empty batches among others": lambda _: iter([ROWS[:0], ROWS[:80], ROWS[80:80], ROWS[80:]]),
    "record batches": lambda _: iter(pa.Table.from_pandas(ROWS).to_batches(max_chunksize=40)),
    "an Arrow reader": lambda _: pa.Table.from_pandas(ROWS).to_reader(max_chunksize=40),
    "a dataset": lambda folder: ds.dataset(written(folder)),
    "a folder": written,
    "a file": lambda folder: str(written(folder).parent / folder.name / "0.parquet"),
}


def same(found: Explanation, wanted: Explanation, *, batches_differ: bool = False) -> None:
    for part in ("global_importances", "per_class_importances", "local_importances"):
        one, other = getattr(found, part), getattr(wanted, part)
        assert (one is None) == (other is None)
        if one is not None and batches_differ:
            np.testing.assert_allclose(one.values, other.values, rtol=1e-10, atol=1e-13)
        else:
            assert one is None or one.same_as(other)
    assert found.features == wanted.features
    assert np.array_equal(found.expected_values, wanted.expected_values)


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_is_explained_as_one_table(kind: str, tmp_path: Path) -> None:
    explainer = TreeExplainer(MODEL, show_progress=False)
    rows = ROWS[:170] if kind == "a file" else ROWS
    for size in (None, 64):
        found = explainer.explain_global(STREAMS[kind](tmp_path), batch_size=size)
        # Tables of different kinds are not put into one batch, and a row may be rounded otherwise in another batch.
        same(found, explainer.explain_global(rows, batch_size=size), batches_differ=kind == "kinds that change")
        assert found.info.n_rows == len(rows)
        assert found.data is None
    local = explainer.explain_local(STREAMS[kind](tmp_path))
    same(local, explainer.explain_local(rows), batches_differ=kind == "kinds that change")
    without = explainer.explain_global(STREAMS[kind](tmp_path), include_local=False)
    assert without.local_importances is None
    np.testing.assert_allclose(without.global_importance_values, found.global_importance_values, rtol=1e-12)


EXPLAINERS: dict[str, Callable[[], Any]] = {
    "chosen": lambda: TabularExplainer(MODEL, ROWS[:50], show_progress=False),
    "kernel": lambda: KernelExplainer(MODEL, ROWS[:5], show_progress=False),
    "interactions": lambda: TreeExplainer(MODEL, interactions=True, show_progress=False),
    "a subset": lambda: TreeExplainer(MODEL, explain_subset=[2, 0], show_progress=False),
    "float32": lambda: TreeExplainer(MODEL, dtype="float32", show_progress=False),
    "a surrogate": lambda: MimicExplainer(MODEL, ROWS, LGBMExplainableModel, show_progress=False),
    "raw features": lambda: LinearExplainer(
        LinearRegression().fit(StandardScaler().fit(ROWS).transform(ROWS), ROWS["a"]),
        ROWS,
        transformations=StandardScaler().fit(ROWS),
        show_progress=False,
    ),
}


@pytest.mark.parametrize("kind", EXPLAINERS)
def test_explainers_explain_streams(kind: str) -> None:
    explainer, rows = EXPLAINERS[kind](), ROWS[:40]
    found = explainer.explain_global(iter([rows[:13], rows[13:]]))
    wanted = explainer.explain_global(rows)
    same(found, wanted)
    for name in ("reason", "notes", "method", "output_space", "feature_space", "model_type"):
        assert getattr(found.info, name) == getattr(wanted.info, name)
    if wanted.interactions is not None:
        np.testing.assert_allclose(found.interaction_values, wanted.interaction_values, rtol=1e-12)


def test_engineered_features_of_a_stream_are_explained() -> None:
    explainer = EXPLAINERS["raw features"]()
    found = explainer.explain_global(iter([ROWS[:13], ROWS[13:]]), engineered=True)
    same(found, explainer.explain_global(ROWS, engineered=True))
    assert found.is_engineered


def test_sparse_batches_stay_sparse() -> None:
    dense = np.random.default_rng(1).binomial(1, 0.2, (60, 5)).astype(float)
    model = LinearRegression().fit(csr_matrix(dense), dense[:, 0] - dense[:, 3])
    explainer = LinearExplainer(model, csr_matrix(dense), show_progress=False)
    found = explainer.explain_global(iter([csr_matrix(dense[:20]), csr_matrix(dense[20:])]))
    same(found, explainer.explain_global(csr_matrix(dense)))


def test_rows_are_handed_on_where_they_are_asked_for() -> None:
    explainer = TreeExplainer(MODEL, show_progress=False)
    for stream in (batches(10, 20), ROWS, [ROWS[:50], ROWS[50:]], pa.Table.from_pandas(ROWS)):
        found = list(explainer.explain_batches(stream, batch_size=64, include_rows=True))
        assert [batch.values.shape for batch in found] == [(2, 64, 4)] * 4 + [(2, 44, 4)]
        rows = [batch.rows.matrix() for batch in found if batch.rows is not None]
        assert np.array_equal(np.concatenate(rows), ROWS.to_numpy())
    assert all(batch.rows is None for batch in explainer.explain_batches(batches(10)))


def test_the_number_of_rows_is_known_where_it_can_be(tmp_path: Path) -> None:
    explainer = TreeExplainer(MODEL, show_progress=False)
    assert explainer.explain_batches(written(tmp_path)).n_rows == 300
    assert explainer.explain_batches(ROWS).n_rows == 300
    assert explainer.explain_batches(batches()).n_rows is None
    whole = ds.dataset(tmp_path, format="parquet")
    assert explainer.explain_batches(whole).n_rows == 300
    assert explainer.explain_batches(whole.filter(ds.field("a") > 1e9)).n_rows == 0
    first, _ = whole.get_fragments()
    some = ds.FileSystemDataset([first.subset(row_group_ids=[0, 3])], whole.schema, whole.format, whole.filesystem)
    stream = explainer.explain_batches(some)
    assert stream.n_rows == sum(batch.values.shape[1] for batch in stream) == 70


def test_a_bad_batch_is_named_by_its_number() -> None:
    explainer = TreeExplainer(MODEL, show_progress=False)
    with pytest.raises(InvalidArgumentError, match=r"batch 2: .*lack 'd'"):
        explainer.explain_global(iter([ROWS[:10], ROWS[10:][NAMES[:3]]]))
    with pytest.raises(InvalidArgumentError, match="batch 1: the rows are a int"):
        explainer.explain_global(iter([5]))


def test_streams_that_cannot_be_explained_say_why(tmp_path: Path) -> None:
    explainer = TreeExplainer(MODEL, show_progress=False)
    with pytest.raises(InvalidExplanationError, match="no rows"):
        explainer.explain_global(iter([]))
    with pytest.raises(InvalidArgumentError, match="needs all rows at once"):
        explainer.explain_global(batches(), SamplingPolicy(allow_eval_sampling=True))
    with pytest.raises(InvalidArgumentError, match="batch_size=0"):
        explainer.explain_global(batches(), batch_size=0)
    with pytest.raises(InvalidArgumentError, match="without a Parquet file"):
        explainer.explain_global(tmp_path)
    with pytest.raises(InvalidArgumentError, match="there is no file or folder"):
        explainer.explain_global(tmp_path / "nothing.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"no Parquet at all")
    with pytest.raises(InvalidArgumentError, match="broken"):
        explainer.explain_global(tmp_path / "broken.parquet")
