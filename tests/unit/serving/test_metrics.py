"""Counts for Prometheus, and their sum over workers."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from explanation_client.serving.metrics import Metrics, create_file


def samples(metrics: Metrics, labels: dict[str, str] | None = None) -> dict[tuple[str, str], float]:
    """Return what another program reads from the text: value by name and last label."""
    found = {}
    for family in text_string_to_metric_families(metrics.render(labels or {})):
        for sample in family.samples:
            found[sample.name, next(iter(sample.labels.values()), "")] = sample.value
    return found


def test_prometheus_reads_what_happened() -> None:
    metrics = Metrics()
    for status, seconds, rows in ((200, 0.0005, 3), (200, 0.3, 1), (400, 0.002, 0), (418, 99.0, 0)):
        metrics.arrived()
        metrics.answered(status, seconds, rows, rows)
    metrics.arrived()
    found = samples(metrics)
    name = "explanation_service_request_seconds"
    assert found["explanation_service_requests_total", "200"] == 2
    assert found["explanation_service_requests_total", "other"] == 1
    assert found["explanation_service_rows_total", ""] == found["explanation_service_explained_rows_total", ""] == 4
    assert found["explanation_service_in_flight", ""] == 1
    assert found[f"{name}_count", ""] == found[f"{name}_bucket", "+Inf"] == 4
    assert found[f"{name}_sum", ""] == 99.3025
    assert [found[f"{name}_bucket", bound] for bound in ("0.001", "0.0025", "0.25", "0.5", "60.0")] == [1, 2, 2, 3, 3]


def test_a_worker_answers_for_all_and_counts_outlive_it(tmp_path: Path) -> None:
    create_file(tmp_path / "metrics", 2)
    first, second = (Metrics(tmp_path / "metrics", slot) for slot in range(2))
    for metrics in (first, second, second):
        metrics.arrived()
        metrics.answered(200, 0.01, 5, 5)
    second.arrived()
    assert samples(first) == samples(second)
    assert samples(first)["explanation_service_rows_total", ""] == 15
    del second
    successor = Metrics(tmp_path / "metrics", 1)
    assert samples(successor)["explanation_service_rows_total", ""] == 15
    assert samples(successor)["explanation_service_in_flight", ""] == 0


def test_labels_are_escaped() -> None:
    hostile = 'a"b\\c\nd'
    assert samples(Metrics(), {"model_type": hostile})["explanation_service_info", hostile] == 1


def test_the_sample_is_counted_by_outcome() -> None:
    metrics = Metrics()
    metrics.sampled("offered", 5)
    metrics.sampled("dropped", 2)
    metrics.uploaded()
    found = samples(metrics)
    assert found["explanation_service_sample_rows_total", "offered"] == 5
    assert found["explanation_service_sample_rows_total", "dropped"] == 2
    assert found["explanation_service_sample_uploads_total", ""] == 1
