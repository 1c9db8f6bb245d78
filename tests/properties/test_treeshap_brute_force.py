"""The kernels give what the definition gives, on random ensembles of every kind of split."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from explanation_client.treeshap import TreeEnsemble, TreeTables, plain
from explanation_client.treeshap.kernels import predict as compiled
from tests.unit.treeshap import oracle

TOLERANCE = 1e-10
SEEDS = st.integers(0, 2**32 - 1)
many = settings(max_examples=200, deadline=None)


def ensemble_and_rows(
    seed: int, n_features: int, depth: int
) -> tuple[TreeEnsemble, NDArray[np.float64], np.random.Generator]:
    rng = np.random.default_rng(seed)
    ensemble = oracle.random_ensemble(rng, n_features, depth=depth)
    return ensemble, oracle.random_rows(rng, 3, n_features), rng


def assert_adds_up(tables: TreeTables, rows: NDArray[np.float64], values: NDArray[np.float64]) -> None:
    total = values.sum(axis=2).T + tables.base_values
    np.testing.assert_allclose(total, tables.ensemble.predict(rows), rtol=0, atol=TOLERANCE)


@given(SEEDS, st.integers(1, 5), st.integers(0, 5))
@many
def test_predict_and_base_value_are_those_of_the_definition(seed: int, n_features: int, depth: int) -> None:
    ensemble, rows, _ = ensemble_and_rows(seed, n_features, depth)
    everything = frozenset(range(n_features))
    expected = [oracle.expectation(ensemble, row, everything) for row in rows]
    for predict in (plain.predict, compiled.predict):
        np.testing.assert_allclose(predict(ensemble, rows), expected, rtol=0, atol=1e-14)
    base = oracle.expectation(ensemble, rows[0], frozenset())
    np.testing.assert_allclose(ensemble.base_values(), base, rtol=0, atol=1e-14)


@given(SEEDS, st.integers(1, 5), st.integers(0, 6))
@many
def test_path_dependent_values_are_those_of_the_definition(seed: int, n_features: int, depth: int) -> None:
    ensemble, rows, _ = ensemble_and_rows(seed, n_features, depth)
    expected = np.stack(
        [oracle.shapley_values(oracle.path_dependent_game(ensemble, row), n_features) for row in rows],
        axis=1,
    )
    many_rows = np.tile(rows, (30, 1))
    for with_numba in (False, True):
        tables = TreeTables(ensemble, compiled=with_numba)
        few = tables.shap_values(rows)
        block = tables.shap_values(many_rows)
        np.testing.assert_allclose(few, expected, rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(block, np.tile(expected, (1, 30, 1)), rtol=0, atol=TOLERANCE)
        assert_adds_up(tables, many_rows, block)


@given(SEEDS, st.integers(1, 4), st.integers(0, 5), st.integers(1, 4))
@many
def test_interventional_values_are_those_of_the_definition(seed: int, n_features: int, depth: int, size: int) -> None:
    ensemble, rows, rng = ensemble_and_rows(seed, n_features, depth)
    background = oracle.random_rows(rng, size, n_features)
    expected = np.stack(
        [oracle.shapley_values(oracle.interventional_game(ensemble, row, background), n_features) for row in rows],
        axis=1,
    )
    # In numpy, by tables, by walks.
    for with_numba, memory_limit in ((False, 2**30), (True, 2**30), (True, 0)):
        tables = TreeTables(ensemble, background, memory_limit=memory_limit, compiled=with_numba)
        values = tables.shap_values(rows)
        np.testing.assert_allclose(values, expected, rtol=0, atol=TOLERANCE)
        assert_adds_up(tables, rows, values)


@given(SEEDS, st.integers(1, 4), st.integers(0, 5), st.booleans())
@many
def test_interaction_values_are_those_of_the_definition(
    seed: int, n_features: int, depth: int, with_background: bool
) -> None:
    ensemble, rows, rng = ensemble_and_rows(seed, n_features, depth)
    background = oracle.random_rows(rng, 2, n_features) if with_background else None
    expected = []
    for row in rows:
        game = oracle.path_dependent_game(ensemble, row)
        if background is not None:
            game = oracle.interventional_game(ensemble, row, background)
        expected.append(oracle.interaction_values(game, n_features))
    for with_numba in (False, True):
        tables = TreeTables(ensemble, background, compiled=with_numba)
        values = tables.interaction_values(rows)
        np.testing.assert_allclose(values, np.stack(expected, axis=1), rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(values.sum(axis=3), tables.shap_values(rows), rtol=0, atol=TOLERANCE)


@given(SEEDS, st.integers(20, 40), st.integers(8, 12))
@settings(max_examples=15, deadline=None)
def test_deep_trees_of_many_features_add_up_and_all_ways_agree(seed: int, n_features: int, depth: int) -> None:
    rng = np.random.default_rng(seed)
    ensemble = oracle.random_ensemble(rng, n_features, trees=1, depth=depth)
    rows = oracle.random_rows(rng, 70, n_features)
    tables = TreeTables(ensemble, compiled=True)
    values = tables.shap_values(rows)
    assert_adds_up(tables, rows, values)
    in_numpy = TreeTables(ensemble, compiled=False).shap_values(rows)
    np.testing.assert_allclose(in_numpy, values, rtol=0, atol=1e-12)
    one_by_one = np.stack([tables.shap_values_row(row) for row in rows], axis=1)
    np.testing.assert_allclose(values, one_by_one, rtol=0, atol=1e-13)
    background = oracle.random_rows(rng, 5, n_features)
    looked_up = TreeTables(ensemble, background, compiled=True).shap_values(rows)
    walked = TreeTables(ensemble, background, memory_limit=0, compiled=True).shap_values(rows)
    np.testing.assert_allclose(looked_up, walked, rtol=0, atol=1e-13)
