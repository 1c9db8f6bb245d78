"""Explainers for Spark's executors: small shards, and tasks that end early. Sent by value: executors know no tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any


class Small:
    """An explainer whose executors write small shards, so that a partition has several."""

    def __init__(self, explainer: Any) -> None:
        self._explainer = explainer

    def explain_batches(self, batches: Any, **more: Any) -> Any:
        from pyspark import TaskContext

        from explanation_client.streams import sizes

        # The driver asks too, for the names of the features, and is other tests' process.
        if TaskContext.get() is not None:
            sizes.SHARD_BYTES = 300
        return self._explainer.explain_batches(self.through(batches), **more)

    def through(self, batches: Iterator[Any]) -> Iterator[Any]:
        return batches


class Ending(Small):
    """Ends the first attempt at a partition, or all of them, after some rows: the process, or only the task."""

    def __init__(self, explainer: Any, *, partition: int, how: str, attempts: int = 1) -> None:
        super().__init__(explainer)
        self._partition = partition
        self._how = how
        self._attempts = attempts

    def through(self, batches: Iterator[Any]) -> Iterator[Any]:
        from pyspark import TaskContext

        context = TaskContext.get()
        ends = context.partitionId() == self._partition and context.attemptNumber() < self._attempts
        for batch in batches:
            for start in range(0, batch.num_rows, 20):
                yield batch.slice(start, 20)
                if ends and start >= 100:
                    if self._how == "killed":
                        os._exit(9)
                    raise ValueError("this task was to fail")
