"""Importances that are known beforehand, as a stream of batches; and streams as stored explanations in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from explanation_client.artifacts import Artifacts, MemoryArtifacts
from explanation_client.batches import ExplainedBatch
from explanation_client.dataset import EvaluationData
from explanation_client.explanation import Explanation
from explanation_client.format import Limits, Manifest
from explanation_client.info import ExplanationInfo
from explanation_client.store.cache import FileCache
from explanation_client.store.read import Source, find_manifest, open_stored
from explanation_client.store.stream import StreamWriter
from explanation_client.streams.merge import sample_of_all, wanted_rows
from explanation_client.streams.partition import explain_partition
from explanation_client.streams.sample import Sampled
from explanation_client.streams.upload import StoredStream, StreamRequest, commit_parts


@dataclass
class KnownBatches:
    """The local importances of an explanation, in batches that end at these rows."""

    explanation: Explanation
    ends: Sequence[int] = ()
    n_rows: int | None = None
    seen: int = 0

    @property
    def features(self) -> tuple[str, ...]:
        return self.explanation.features

    @property
    def dtype(self) -> str:
        return str(self.local.dtype)

    @property
    def local(self) -> Any:
        assert self.explanation.local_importances is not None
        return self.explanation.local_importances.load().values

    def __iter__(self) -> Iterator[ExplainedBatch]:
        base = self.explanation.base_values
        assert base is not None
        data = self.explanation.data
        for first, end in zip((0, *self.ends), (*self.ends, self.local.shape[1]), strict=True):
            if first == end:
                continue
            self.seen = end
            rows = (
                None if data is None else EvaluationData(names=data.names, columns=data.take(slice(first, end)).columns)
            )
            yield ExplainedBatch(values=self.local[:, first:end], base_values=base, rows=rows)

    def info(self) -> ExplanationInfo:
        return replace(self.explanation.info, n_rows=self.seen)


@dataclass(frozen=True)
class KnownExplainer:
    """Stands for an explainer that finds these importances, whatever the rows."""

    batches: KnownBatches

    def explain_batches(self, batches: Any, **more: Any) -> KnownBatches:
        return self.batches


def request(**more: Any) -> StreamRequest:
    wanted: dict[str, Any] = {
        "top_k": None, "comment": None, "model_id": None, "include_local": True, "evaluation_data": False,
        "visualize": True, "seed": 0,
    }  # fmt: skip
    return StreamRequest.new(**{**wanted, **more})


def store_parts(
    artifacts: Artifacts, explanations: Sequence[Explanation], wanted: StreamRequest, ends: Sequence[int] = ()
) -> StoredStream:
    """Store explanations of the parts of some rows as one, each as another machine would."""
    parts, samples = [], {}
    for number, explanation in enumerate(explanations):
        batches = KnownBatches(explanation, [end for end in ends if end <= explanation.info.n_rows])
        plan = wanted.plan(batches.features, part=number, n_parts=len(explanations))
        done = explain_partition(batches, StreamWriter(artifacts, wanted.folder, timeout=5), plan)
        assert done is not None
        parts.append(done[0])
        if done[1] is not None:
            samples[number] = done[1]
    chosen: dict[int, Sampled] = {}
    if samples:
        rows = wanted_rows(parts)
        chosen = {number: one.take(np.isin(one.draws.rows, rows[number])) for number, one in samples.items()}
        assert sample_of_all(parts, samples).draws.rows.tolist() == sample_of_all(parts, chosen).draws.rows.tolist()
    # As they arrive: in any order.
    return commit_parts(artifacts, parts[::-1], chosen, wanted, is_known=False, timeout=5)


def open_manifest(artifacts: Artifacts, manifest: Manifest, top_k: int | None = None) -> Explanation:
    source = source_of(artifacts)
    found = find_manifest(source, manifest.id)
    return open_stored(source, found.manifest, top_k=top_k)


def source_of(artifacts: Artifacts | None = None) -> Source:
    no_cache = FileCache(folder=None, max_bytes=0)  # type: ignore[arg-type]  # never asked for
    return Source(artifacts=artifacts or MemoryArtifacts(), cache=no_cache, timeout=5, limits=Limits())
