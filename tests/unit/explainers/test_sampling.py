"""SamplingPolicy: the sample is recorded, and everything in an explanation is of the same rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers import KernelExplainer, LIMEExplainer, SamplingPolicy
from explanation_client.explainers.inputs import read_table

RNG = np.random.default_rng(0)
# Two crowds and a few rows far from both.
CROWDS = np.concatenate(
    [RNG.normal(size=(500, 3)), RNG.normal(12, 1, size=(90, 3)), RNG.normal([-30, 30, 0], 0.5, size=(10, 3))]
)


def model(x: np.ndarray) -> np.ndarray:
    return np.asarray(x[:, 0] + 2 * x[:, 1])


@pytest.mark.parametrize("method", ["hdbscan", "kmeans", "random"])
@pytest.mark.parametrize("explainer", [KernelExplainer, LIMEExplainer])
def test_values_data_predictions_and_counts_are_of_the_sampled_rows(explainer: type, method: str) -> None:
    names = [f"row {i}" for i in range(len(CROWDS))]
    frame = pd.DataFrame(CROWDS, columns=["a", "b", "c"], index=names)
    policy = SamplingPolicy(allow_eval_sampling=True, sampling_method=method)
    made = explainer(lambda x: model(x.to_numpy()), frame[:2], nsamples=20).explain_global(frame, policy)
    n_rows = made.info.n_rows
    assert 200 <= n_rows < 600
    assert made.local_importance_values.shape == (n_rows, 3)
    assert made.num_examples == len(made.eval_data) == len(made.eval_y_predicted) == n_rows
    data = np.column_stack(made.data.columns)
    np.testing.assert_allclose(made.eval_y_predicted, model(data))
    np.testing.assert_array_equal(data, frame.loc[list(made.data.row_names)].to_numpy())
    # Rows of the sample are explained, not others: the values are those of a linear model.
    if explainer is KernelExplainer:
        wanted = (data - CROWDS[:2].mean(axis=0)) * [1, 2, 0]
        np.testing.assert_allclose(made.local_importance_values, wanted, atol=1e-9)
    assert made.info.notes[-1].startswith(f"rows: {n_rows} of 600 are explained, sampled ")


@pytest.mark.parametrize("method", ["hdbscan", "kmeans"])
def test_small_clusters_are_in_the_sample_and_large_ones_in_proportion(method: str) -> None:
    sample, notes = SamplingPolicy(True, sampling_method=method, n_rows=60).sample(read_table(CROWDS))
    assert sample.shape[0] == 60
    first = (np.abs(sample.data) < 6).all(axis=1)
    assert 40 <= first.sum() <= 56
    assert ((sample.data[:, 0] < -20).sum()) >= 1
    assert "clusters" in notes[0]


def test_nothing_is_sampled_unasked_or_when_there_are_few_rows() -> None:
    table = read_table(CROWDS)
    assert SamplingPolicy().sample(table) == (table, ())
    few = read_table(CROWDS[:200])
    assert SamplingPolicy(allow_eval_sampling=True).sample(few) == (few, ())
    all_of_them = KernelExplainer(model, CROWDS[:1]).explain_global(CROWDS[:5], SamplingPolicy())
    assert all_of_them.num_examples == 5


def test_very_many_rows_are_reduced_at_random_first() -> None:
    many = read_table(np.repeat(CROWDS, 20, axis=0))
    sample, notes = SamplingPolicy(True, sampling_method="kmeans", n_rows=30).sample(many)
    assert sample.shape[0] == 30
    assert notes[0].startswith("rows: 30 of 12,000 are explained, sampled to 10,000 at random, then by kmeans in ")


def test_wide_and_sparse_rows_are_reduced_before_they_are_clustered() -> None:
    wide = np.concatenate([RNG.normal(size=(250, 60)), RNG.normal(9, 1, size=(50, 60))])
    for rows in (wide, csr_matrix(wide)):
        sample, _ = SamplingPolicy(True, max_dim_clustering=5, sampling_method="kmeans", n_rows=30).sample(
            read_table(rows)
        )
        data = sample.data if isinstance(sample.data, np.ndarray) else sample.data.toarray()
        assert (data.mean(axis=1) > 5).sum() == 5


def test_the_same_seed_gives_the_same_rows() -> None:
    table = read_table(CROWDS)
    one, two, other = (SamplingPolicy(True, sampling_method="random", seed=s).sample(table)[0].data for s in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_what_does_not_fit_is_refused() -> None:
    for wrong in (
        {"sampling_method": "best"},
        {"max_dim_clustering": 0},
        {"n_rows": 0},
        {"allow_eval_sampling": "yes"},
    ):
        with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
            SamplingPolicy(**wrong)
    text = read_table(pd.DataFrame({"colour": ["red", "green"] * 200}))
    with pytest.raises(InvalidArgumentError, match="pass sampling_method='random'"):
        SamplingPolicy(True).sample(text)
    assert SamplingPolicy(True, sampling_method="random").sample(text)[0].shape == (200, 1)
    with pytest.raises(InvalidArgumentError, match="a SamplingPolicy"):
        KernelExplainer(model, CROWDS[:2]).explain_global(CROWDS, sampling_policy="random")
