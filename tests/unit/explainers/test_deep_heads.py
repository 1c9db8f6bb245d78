"""Shapley values through a softmax or a sigmoid, held to sums over all coalitions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from explanation_client.explainers.deep import heads
from explanation_client.explainers.deep.heads import from_scores, through_head
from explanation_client.explainers.deep.network import Head
from tests.unit.explainers.truth import shapley

Array = NDArray[np.float64]
HEADS: tuple[tuple[Head, int], ...] = (("softmax", 3), ("sigmoid", 1), ("sigmoid", 2))


def scores_and_values(n_columns: int, n_features: int, n_rows: int = 3, size: float = 2.0) -> tuple[Array, Array]:
    rng = np.random.default_rng(n_features)
    return rng.normal(size=n_columns), rng.normal(size=(n_columns, n_rows, n_features)) * size


def plain(scores: Array, head: Head) -> Array:
    """The head, as its formula has it."""
    if head == "sigmoid":
        return np.asarray(1.0 / (1.0 + np.exp(-scores)))
    return np.asarray(np.exp(scores) / np.exp(scores).sum())


@pytest.mark.parametrize(("head", "n_columns"), HEADS)
def test_a_few_features_get_exactly_the_shapley_values(head: Head, n_columns: int) -> None:
    start, values = scores_and_values(n_columns, 4)
    found = through_head(values, start, head)
    for row in range(values.shape[1]):
        wanted, _ = shapley(lambda s: plain(start + values[:, row, sorted(s)].sum(axis=1), head), 4)  # noqa: B023
        np.testing.assert_allclose(found[:, row], wanted, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("head", "n_columns"), HEADS)
def test_many_features_add_up_and_are_near_the_shapley_values(
    head: Head, n_columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, values = scores_and_values(n_columns, 12, size=1.0)
    found = through_head(values, start, head)
    change = from_scores(start[:, None] + values.sum(axis=2), head, axis=0) - from_scores(start, head, axis=0)[:, None]
    assert np.abs(found.sum(axis=2) - change).max() < 1e-6
    # The other way of the same function, which the tests above hold to sums over coalitions.
    monkeypatch.setattr(heads, "_ALL_PLAYERS", 12)
    wanted = through_head(values, start, head)
    assert np.linalg.norm(found - wanted) < 0.08 * np.linalg.norm(wanted)


def test_scores_far_apart_still_add_up() -> None:
    start, values = scores_and_values(3, 20, size=40.0)
    found = through_head(values, start, "softmax")
    change = from_scores(start[:, None] + values.sum(axis=2), "softmax", axis=0) - plain(start, "softmax")[:, None]
    assert np.abs(found.sum(axis=2) - change).max() < 1e-6


@pytest.mark.parametrize("n_features", [4, 14])
def test_what_all_scores_of_a_softmax_have_in_common_changes_nothing(n_features: int) -> None:
    start, values = scores_and_values(3, n_features)
    common = np.random.default_rng(1).normal(size=(1, 3, n_features)) * 5.0
    np.testing.assert_allclose(
        through_head(values + common, start + 7.0, "softmax"), through_head(values, start, "softmax"), atol=1e-6
    )


@pytest.mark.parametrize("n_features", [4, 14])
def test_a_feature_that_moves_no_score_is_worth_nothing(n_features: int) -> None:
    start, values = scores_and_values(2, n_features)
    values[:, :, 1] = 0.0
    assert np.abs(through_head(values, start, "sigmoid")[:, :, 1]).max() == 0.0


def test_heads_are_their_formulas() -> None:
    scores = np.array([[-800.0, 0.0, 800.0], [1.0, 2.0, 3.0]])
    np.testing.assert_allclose(from_scores(scores, "sigmoid")[0], [0.0, 0.5, 1.0])
    np.testing.assert_allclose(from_scores(scores, "softmax")[0], [0.0, 0.0, 1.0])
    np.testing.assert_allclose(from_scores(scores, "softmax")[1], plain(scores[1], "softmax"))
    assert from_scores(scores, "none") is scores
