"""A sample of rows that pass by is one of all of them, whatever batches and parts they come in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explanation_client.dataset import EvaluationData
from explanation_client.streams import sample as samples
from explanation_client.streams.moments import Moments
from explanation_client.streams.sample import Reservoir, Sampled, together


@pytest.fixture(autouse=True)
def small_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MAX_ROWS", 50)


def sample_of(
    values: np.ndarray,
    ends: tuple[int, ...],
    *,
    seed: int = 0,
    part: int = 0,
    predicted: np.ndarray | None = None,
    n_rows: int | None = None,
) -> Sampled:
    reservoir = Reservoir(values.shape[0], values.shape[2], seed=seed, part=part, n_rows=n_rows)
    for first, end in zip((0, *ends), (*ends, values.shape[1]), strict=True):
        batch = values[:, first:end]
        rows = EvaluationData(names=("number",), columns=(np.arange(first, end),))
        own = None if predicted is None else predicted[first:end]
        reservoir.add(batch, Moments.of(batch), own, rows)
    return reservoir.sampled()


def values_of(n_outputs: int, n_rows: int, n_features: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((n_outputs, n_rows, n_features))


def test_rows_come_with_their_own_importances_and_values() -> None:
    values = values_of(1, 1_000, 3)
    found = sample_of(values, (10, 500, 501))
    rows = found.draws.rows
    assert len(set(rows.tolist())) == len(rows) >= 50
    assert np.array_equal(found.values, values[:, rows])
    assert found.data is not None
    assert found.data.columns is not None
    assert np.array_equal(found.data.columns[0], rows)


def test_the_same_rows_are_chosen_whatever_batches_they_come_in() -> None:
    values = values_of(2, 1_000, 3)
    predicted = (values[1].sum(axis=1) > 2).astype(np.int32)
    one = sample_of(values, (), predicted=predicted)
    many = sample_of(values, tuple(range(7, 1_000, 7)), predicted=predicted)
    assert sorted(one.draws.rows) == sorted(many.draws.rows)
    other = sample_of(values, (), seed=1, predicted=predicted)
    assert sorted(one.draws.rows) != sorted(other.draws.rows)


def test_the_same_rows_are_chosen_where_their_number_is_known() -> None:
    values = values_of(2, 2_000, 3)
    predicted = (values[1].sum(axis=1) > 2).astype(np.int32)
    ends = tuple(range(300, 2_000, 300))
    one, known = (sample_of(values, ends, predicted=predicted, n_rows=n_rows) for n_rows in (None, 2_000))
    assert sorted(one.draws.rows) == sorted(known.draws.rows)
    # A part of very many rows may have none of the sample, nor extremes where there are too many pairs.
    wide = values_of(1, 30, 500)
    assert len(sample_of(wide, (10,), n_rows=10**12).draws.rows) == 0


def test_few_rows_are_all_there() -> None:
    found = sample_of(values_of(1, 50, 2), (20,))
    assert sorted(found.draws.rows) == list(range(50))


def test_every_row_has_the_same_chance_also_over_parts_of_other_sizes() -> None:
    sizes, draws = (150, 50), 600
    values = values_of(1, 150, 1)
    hits = np.zeros(200)
    for seed in range(draws):
        parts = [sample_of(values[:, :size], (33,), seed=seed, part=i) for i, size in enumerate(sizes)]
        whole = together([parts[0].draws, parts[1].draws.shifted(150)])
        _, uniform = whole.wanted(50)
        assert uniform.sum() == 50
        hits[whole.rows[uniform]] += 1
    # Binomial: five standard deviations each, and the parts as wholes.
    spread = np.sqrt(draws * 0.25 * 0.75)
    assert np.abs(hits - draws * 0.25).max() < 5 * spread
    assert abs(hits[:150].sum() - draws * 37.5) < 5 * np.sqrt(draws * 50 * 0.25 * 0.75)


def test_extremes_and_rare_classes_are_kept() -> None:
    values = values_of(3, 2_000, 4)
    predicted = np.zeros(2_000, np.int32)
    predicted[[5, 700, 1_999]] = 2
    found = sample_of(values, tuple(range(100, 2_000, 100)), predicted=predicted)
    rows = set(found.draws.rows.tolist())
    assert {5, 700, 1_999} <= rows
    flat = values.transpose(1, 0, 2).reshape(2_000, -1)
    assert set(flat.argmin(axis=0)) | set(flat.argmax(axis=0)) <= rows
    assert len(rows) <= 50 + 2 * 12 + 10 * 3


def test_the_extremes_of_parts_are_those_of_all() -> None:
    values = values_of(1, 900, 3)
    parts = [sample_of(values[:, first : first + 300], (), part=i) for i, first in enumerate((0, 300, 600))]
    whole = together([part.draws.shifted(300 * i) for i, part in enumerate(parts)])
    assert whole.lowest.tolist() == values[0].argmin(axis=0).tolist()
    assert whole.highest.tolist() == values[0].argmax(axis=0).tolist()
    assert np.array_equal(whole.high, values[0].max(axis=0))


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_figures_over_parts_are_those_over_all_rows(offset: float) -> None:
    values = values_of(2, 1_000, 3) + offset
    whole = Moments.of(values[:, :1])
    for first, end in ((1, 30), (30, 31), (31, 1_000)):
        whole = whole.plus(Moments.of(values[:, first:end]))
    figures = whole.figures()
    assert whole.n_rows == 1_000
    for name, wanted in {
        "mean_abs": np.abs(values).mean(axis=1), "mean": values.mean(axis=1), "std": values.std(axis=1),
    }.items():  # fmt: skip
        np.testing.assert_allclose(figures[name], wanted, rtol=1e-12 if name != "std" else 1e-9)
    assert np.array_equal(figures["min"], values.min(axis=1))
    assert np.array_equal(figures["max"], values.max(axis=1))


def test_figures_of_mirrored_outputs_are_those_of_both() -> None:
    second = values_of(1, 40, 3)
    both = np.concatenate([-second, second])
    one, other = Moments.of(second).mirrored(), Moments.of(both)
    for field in ("absolute", "mean", "squares", "low", "high"):
        np.testing.assert_allclose(getattr(one, field), getattr(other, field), rtol=1e-13)
    assert replace(one).n_rows == 40
