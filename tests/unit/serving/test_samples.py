"""The sample of served explanations: uniform, bounded, and never in the way of a request."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from explanation_client.errors import StorageUnreachableError
from explanation_client.explanation import Explanation
from explanation_client.scoring import ScoringExplainer
from explanation_client.serving import samples
from explanation_client.serving.metrics import Metrics
from explanation_client.serving.options import SampleOptions
from explanation_client.serving.samples import Reservoir, SampleLog


class Uploads:
    """Takes uploads in place of a tracking server, and fails on request."""

    def __init__(self, error: Exception | None = None) -> None:
        self.explanations: list[Explanation] = []
        self.comments: list[str] = []
        self.error = error
        self.arrived = threading.Event()

    def __call__(self, explanation: Explanation, comment: str) -> None:
        self.arrived.set()
        if self.error is not None:
            raise self.error
        self.explanations.append(explanation)
        self.comments.append(comment)


def sample_log(explainer: ScoringExplainer, uploads: Uploads, metrics: Metrics | None = None, **options) -> SampleLog:
    chosen = SampleOptions(**{"run_id": "run", **options})
    return SampleLog(explainer, chosen, metrics or Metrics(), upload=uploads, seed=0)


def numbered(first: int, count: int) -> np.ndarray:
    """Return importances (1, n, 1) that say which row they are of."""
    return np.arange(first, first + count, dtype=np.float64).reshape(1, count, 1)


def test_few_rows_are_all_kept_in_order() -> None:
    reservoir = Reservoir(1, 1, 10, seed=0)
    assert reservoir.offer(numbered(0, 4)) == reservoir.offer(numbered(4, 3)) == 0
    kept = reservoir.take()
    assert kept is not None
    assert kept.values.ravel().tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert kept.seen == 7
    assert reservoir.take() is None


@pytest.mark.parametrize("batch", [3, 100])
def test_of_many_rows_each_is_kept_as_probably_as_any_other(batch: int) -> None:
    counts = np.zeros(100)
    reservoir = Reservoir(1, 1, 10, seed=batch)
    for _ in range(200):
        for first in range(0, 100, batch):
            reservoir.offer(numbered(first, min(batch, 100 - first)))
        kept = reservoir.take()
        assert kept is not None
        assert len(set(kept.values.ravel())) == kept.values.shape[1] == 10
        counts[kept.values.ravel().astype(int)] += 1
    # Binomial, 200 times 0.1: mean 20, standard deviation 4.2.
    assert counts.sum() == 2000
    assert counts.min() > 4
    assert counts.max() < 42
    assert abs(counts[:50].sum() - 1000) < 130


def test_rows_that_are_not_kept_are_counted() -> None:
    reservoir = Reservoir(2, 3, 5, seed=0)
    offered = [reservoir.offer(np.zeros((2, n, 3))) for n in (3, 4, 1)]
    assert offered == [0, 2, 1]


def test_rows_go_with_their_importances() -> None:
    reservoir = Reservoir(1, 1, 5, with_rows=True, seed=0)
    for first in range(0, 60, 6):
        names = [[f"row {i}"] for i in range(first, first + 6)]
        reservoir.offer(numbered(first, 6), names, np.arange(first, first + 6))
    kept = reservoir.take()
    assert kept is not None
    numbers = kept.values.ravel().astype(int).tolist()
    assert kept.rows == [[f"row {i}"] for i in numbers]
    assert kept.predictions == numbers


def test_memory_is_bounded_whatever_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "_MAX_BYTES", 8 * 10 * 1000 * 8)
    reservoir = Reservoir(10, 1000, 10_000)
    assert reservoir.capacity == 8
    assert reservoir.offer(np.zeros((10, 9, 1000))) == 1
    assert Reservoir(10, 1_000_000, 10_000).capacity == 1


def test_the_stored_explanation_is_that_of_the_rows(classifier: ScoringExplainer, rows: np.ndarray) -> None:
    uploads, metrics = Uploads(), Metrics()
    log = sample_log(classifier, uploads, metrics)
    for row in rows[:8]:
        log.offer(classifier.score(row[None]), row[None])
    log.flush()
    (explanation,) = uploads.explanations
    assert explanation.features == classifier.features
    assert explanation.classes == classifier.classes
    assert np.array_equal(explanation.local_importance_values, classifier.explain(rows[:8]))
    assert np.array_equal(explanation.expected_values, classifier.expected_values)
    assert explanation.data is None
    assert explanation.method == classifier.info.explained_by
    assert explanation.info.notes[-1] == "8 of 8 rows that a service explained"
    assert metrics.total("sample logged") == metrics.total("sample offered") == 8
    assert metrics.total("uploads") == 1


def test_rows_and_predictions_are_kept_only_on_request(regression: ScoringExplainer, rows: np.ndarray) -> None:
    uploads = Uploads()
    log = sample_log(regression, uploads, with_rows=True)
    log.offer(regression.score(rows[:5]), rows[:5])
    log.flush()
    data = uploads.explanations[0].data
    assert data is not None
    assert np.array_equal(data.matrix(), rows[:5])
    assert np.array_equal(data.predicted, regression.predict(rows[:5]))


def test_a_fraction_of_the_requests_is_taken(classifier: ScoringExplainer, rows: np.ndarray) -> None:
    metrics = Metrics()
    log = sample_log(classifier, Uploads(), metrics, fraction=0.25)
    score = classifier.score(rows[:1])
    for _ in range(400):
        log.offer(score, rows[:1])
    assert 60 < metrics.total("sample offered") < 140


@pytest.mark.parametrize("error", [StorageUnreachableError("away"), ZeroDivisionError("a fault of ours")])
def test_what_cannot_be_stored_is_counted_and_forgotten(
    classifier: ScoringExplainer, rows: np.ndarray, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    uploads, metrics = Uploads(error), Metrics()
    log = sample_log(classifier, uploads, metrics)
    log.offer(classifier.score(rows), rows)
    log.flush()
    assert metrics.total("sample failed") == len(rows)
    assert "30 explained rows" in caplog.text
    uploads.error = None
    log.offer(classifier.score(rows[:2]), rows[:2])
    log.flush()
    assert [len(explanation) for explanation in uploads.explanations] == [2]


def test_the_last_sample_is_stored_when_the_service_stops(classifier: ScoringExplainer, rows: np.ndarray) -> None:
    uploads = Uploads()
    log = sample_log(classifier, uploads)
    log.start()
    log.offer(classifier.score(rows), rows)
    assert not uploads.arrived.wait(0.02)
    log.close()
    assert len(uploads.explanations[0]) == 30
    assert uploads.comments[0].startswith("served explanations since 20")


def test_samples_are_stored_from_time_to_time(classifier: ScoringExplainer, rows: np.ndarray) -> None:
    uploads = Uploads()
    log = sample_log(classifier, uploads, seconds=0.01)
    log.start()
    log.offer(classifier.score(rows), rows)
    assert uploads.arrived.wait(5)
    log.close()
    assert len(uploads.explanations) == 1


def test_other_features_than_those_of_the_sample_are_left_out(of_text: ScoringExplainer) -> None:
    uploads = Uploads()
    log = sample_log(of_text, uploads)
    rows = [[1.0, "Paris"], [2.0, "Rome"]]
    log.offer(of_text.score(rows, get_raw=False), rows)
    log.offer(of_text.score(rows), rows)
    log.flush()
    assert [len(explanation) for explanation in uploads.explanations] == [2]
    assert uploads.explanations[0].is_raw
