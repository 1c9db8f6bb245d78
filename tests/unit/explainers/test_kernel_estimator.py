"""The estimator of KernelExplainer, held to games whose Shapley values are known, and to shap's."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers import KernelExplainer
from explanation_client.explainers.coalitions import count_pairs, draw_pairs
from tests.unit.explainers.truth import interventional, shapley

WIDE = 13
RNG = np.random.default_rng(3)
EFFECTS = RNG.normal(size=WIDE)
COUPLED = np.triu(RNG.normal(size=(WIDE, WIDE)), 1) * (RNG.random((WIDE, WIDE)) < 0.3)
TRIPLES = [(0, 1, 2, 3.0), (3, 5, 9, -2.0), (4, 8, 12, 2.5)]
ROWS = RNG.normal(size=(6, WIDE))
ZERO = np.zeros((1, WIDE))


def model(x: np.ndarray) -> np.ndarray:
    triples = sum(w * x[:, i] * x[:, j] * x[:, k] for i, j, k, w in TRIPLES)
    return np.asarray(x @ EFFECTS + np.einsum("ni,ij,nj->n", x, COUPLED, x) + triples)


def known_values(x: np.ndarray) -> np.ndarray:
    """Return the Shapley values against zeros: each product is shared equally by its factors."""
    values = x * EFFECTS + x * (x @ (COUPLED + COUPLED.T)) / 2
    for i, j, k, weight in TRIPLES:
        values[:, [i, j, k]] += (weight * x[:, i] * x[:, j] * x[:, k] / 3)[:, None]
    return np.asarray(values)


def error(explainer: KernelExplainer) -> float:
    found = explainer.explain_local(ROWS).local_importance_values
    truth = known_values(ROWS)
    return float(np.mean(np.linalg.norm(found - truth, axis=1) / np.linalg.norm(truth, axis=1)))


def test_errors_shrink_with_more_coalitions_and_vanish_with_all() -> None:
    errors = [error(KernelExplainer(model, ZERO, nsamples=n)) for n in (32, 128, 512, 2**13)]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert errors[2] < 0.02
    assert errors[3] < 1e-12


@pytest.mark.parametrize("n_features", [2, 3, 7, 10])
def test_with_few_features_values_are_the_sums_over_all_coalitions(n_features: int) -> None:
    background, row = RNG.normal(size=(3, n_features)), RNG.normal(size=n_features)

    def rough(x: np.ndarray) -> np.ndarray:
        return np.column_stack([np.sin(x.sum(axis=1)) * x[:, 0], (x > 0.2).all(axis=1), x.max(axis=1)])

    explanation = KernelExplainer(rough, background, classes=["a", "b", "c"]).explain_local(row)
    values, base = shapley(interventional(rough, row, background), n_features)
    np.testing.assert_allclose(explanation.local_importance_values, values, atol=1e-12)
    np.testing.assert_allclose(explanation.expected_values, base, atol=1e-12)
    assert explanation.info.notes[-1] == (
        f"estimator: exact, all coalitions of features ({2**n_features - 2:,} for each row)"
    )


@pytest.mark.parametrize("nsamples", ["auto", 2, 9, 40, 333])
def test_values_add_up_to_the_last_digits(nsamples: int | str) -> None:
    explanation = KernelExplainer(model, RNG.normal(size=(4, WIDE)), nsamples=nsamples).explain_local(ROWS[:3])
    sums = explanation.local_importance_values.sum(axis=1) + explanation.expected_values
    np.testing.assert_allclose(sums, model(ROWS[:3]), atol=1e-10)


def test_standard_errors_cover_the_truth() -> None:
    truth, distances = known_values(ROWS), []
    for seed in range(4):
        explainer = KernelExplainer(model, ZERO, nsamples=160, seed=seed)
        found = explainer.explain_local(ROWS).local_importance_values
        assert explainer.standard_errors.shape == (1, *ROWS.shape)
        distances.append((found - truth) / explainer.standard_errors[0])
    within = np.mean(np.abs(distances) < 2)
    # Twice a standard error covers 95 % where errors are normal. Far too wide would be no use either.
    assert within > 0.85
    assert np.sqrt(np.mean(np.square(distances))) > 0.3


def test_standard_errors_are_of_the_reported_columns_and_zero_where_all_is_known() -> None:
    some = KernelExplainer(model, ZERO, nsamples=160, explain_subset=[3, 1])
    every = KernelExplainer(model, ZERO, nsamples=160)
    assert every.standard_errors is None
    some.explain_local(ROWS[:2])
    every.explain_local(ROWS[:2])
    np.testing.assert_array_equal(some.standard_errors, every.standard_errors[..., [3, 1]])
    exact = KernelExplainer(lambda x: x[:, 0] * x[:, 1], ZERO[:, :3])
    exact.explain_local(ROWS[:2, :3])
    assert not exact.standard_errors.any()


def test_fewer_model_rows_than_shap_for_a_smaller_error() -> None:
    pytest.importorskip("shap")
    called = [0]

    def counted(x: np.ndarray) -> np.ndarray:
        called[0] += len(x)
        return model(x)

    ours = error(KernelExplainer(counted, ZERO, nsamples=400))
    rows_of_ours, called[0] = called[0], 0
    peer = error(KernelExplainer(counted, ZERO, nsamples=1000, estimator="shap"))
    assert ours < peer
    assert 2.4 * rows_of_ours < called[0]


def test_auto_asks_for_more_until_values_are_accurate() -> None:
    smooth = KernelExplainer(lambda x: x @ EFFECTS + 0.1 * x[:, 0] * x[:, 1], ZERO).explain_local(ROWS)
    assert "128 coalitions of features for each row" in smooth.info.notes[-1]
    rough = KernelExplainer(lambda x: np.sin(40 * (x @ EFFECTS)), ZERO).explain_local(ROWS[0])
    assert "2,074 coalitions of features for each row" in rough.info.notes[-1]


def test_rows_with_the_same_value_as_all_of_the_background_play_without_that_column() -> None:
    background = np.zeros((2, WIDE))
    row = np.where(np.arange(WIDE) < 9, ROWS[0], 0.0)
    explanation = KernelExplainer(model, background).explain_local(row)
    np.testing.assert_allclose(explanation.local_importance_values, known_values(row[None])[0], atol=1e-12)
    assert "(510 for each row)" in explanation.info.notes[-1]
    same = KernelExplainer(model, background).explain_local(background[0])
    assert not same.local_importance_values.any()


def test_many_rows_are_answered_in_few_calls() -> None:
    calls = []

    def counted(x: np.ndarray) -> np.ndarray:
        calls.append(len(x))
        return model(x)

    KernelExplainer(counted, ZERO, nsamples=64).explain_local(np.tile(ROWS, (5, 1)))
    assert sum(calls) > 30 * 64
    assert len(calls) < 10


def test_more_pairs_than_are_fitted_correct_the_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explanation_client.explainers.regression_adjusted.FITTED_PAIRS", 60)
    few = error(KernelExplainer(model, ZERO, nsamples=120))
    corrected = [error(KernelExplainer(model, ZERO, nsamples=3000, seed=seed)) for seed in range(2)]
    assert max(corrected) < few / 2
    explainer = KernelExplainer(model, ZERO, nsamples=1500)
    distances = (explainer.explain_local(ROWS).local_importance_values - known_values(ROWS)) / explainer.standard_errors
    assert np.mean(np.abs(distances) < 2) > 0.8


def test_sparse_and_dense_rows_have_the_same_values() -> None:
    from scipy.sparse import csr_matrix

    rows = np.where(np.abs(ROWS) > 0.4, ROWS, 0.0)
    dense = KernelExplainer(model, ZERO, nsamples=100).explain_local(rows)
    sparse = KernelExplainer(lambda x: model(x.toarray()), csr_matrix(ZERO), nsamples=100).explain_local(
        csr_matrix(rows)
    )
    np.testing.assert_allclose(sparse.local_importance_values, dense.local_importance_values, atol=1e-12)


@pytest.mark.parametrize(("n_players", "n_pairs"), list(product([2, 5, 6, 13, 40], [1, 7, 31, 200])))
def test_pairs_differ_and_stand_for_all(n_players: int, n_pairs: int) -> None:
    pairs = draw_pairs(n_players, n_pairs, seed=1)
    assert len(pairs.masks) == min(n_pairs, count_pairs(n_players))
    sides = {mask.tobytes() for mask in pairs.masks} | {mask.tobytes() for mask in ~pairs.masks}
    assert len(sides) == 2 * len(pairs.masks)
    assert pairs.masks.sum(axis=1).max() <= n_players / 2
    if len(pairs.masks) == count_pairs(n_players):
        assert not pairs.unseen.any()


def test_shap_s_own_estimator_is_there_on_request() -> None:
    pytest.importorskip("shap")
    explainer = KernelExplainer(model, ZERO, nsamples=800, estimator="shap", l1_reg="num_features(5)")
    explanation = explainer.explain_local(ROWS[:1])
    assert np.count_nonzero(explanation.local_importance_values) <= 6
    assert "estimator: shap" in explanation.info.notes
    assert "shap" in dict(explanation.info.made_with)
    assert explainer.standard_errors is None
    with pytest.raises(InvalidArgumentError, match="add estimator='shap'"):
        KernelExplainer(model, ZERO, l1_reg="aic")
    with pytest.raises(InvalidArgumentError, match="estimator='exact'"):
        KernelExplainer(model, ZERO, estimator="exact")
