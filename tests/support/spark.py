"""Explainers for Spark's executors: small shards, and tasks that end early. Sent by value: executors know no tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any


class Small:
    """An explainer whose executors write small shards, so that a partition has several."""

    def __init__(self, explainer: Any, shard_bytes: int = 300) -> None:
        self._explainer = explainer
        self._shard_bytes = shard_bytes

    def explain_batches(self, batches: Any, **more: Any) -> Any:
        from pyspark import TaskContext

        from explanation_client.streams import sizes

        # The driver asks too, for the names of the features, and is other tests' process.
        if TaskContext.get() is not None:
            sizes.SHARD_BYTES = self._shard_bytes
        return self._explainer.explain_batches(self.through(batches), **more)

    def through(self, batches: Any) -> Any:
        return batches


class Ending(Small):
    """Ends the first attempt at a partition, or all of them, after some rows: the process, or only the task."""

    def __init__(
        self,
        explainer: Any,
        shard_bytes: int = 300,
        *,
        partition: int,
        how: str,
        attempts: int = 1,
        mark: str | None = None,
    ) -> None:
        super().__init__(explainer, shard_bytes)
        self._mark = mark
        self._partition = partition
        self._how = how
        self._attempts = attempts

    def through(self, batches: Any) -> Iterator[Any]:
        from pyspark import TaskContext

        context = TaskContext.get()
        ends = (
            context is not None
            and context.partitionId() == self._partition
            and context.attemptNumber() < self._attempts
        )
        n_rows = 0
        # Of files a task gets a dataset.
        for batch in batches.to_batches() if hasattr(batches, "to_batches") else batches:
            for start in range(0, batch.num_rows, 20):
                yield batch.slice(start, 20)
                n_rows += min(20, batch.num_rows - start)
                if ends and n_rows > 80:
                    if self._mark is not None:
                        # That it did end, for whoever wants to know.
                        with open(self._mark, "a") as file:
                            file.write("ended\n")
                    if self._how == "killed":
                        os._exit(9)
                    raise ValueError("this task was to fail")


class Elsewhere(Small):
    """An explainer on whose executors a file has another name."""

    def __init__(self, explainer: Any, path: str) -> None:
        super().__init__(explainer)
        self._path = path

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if os.path.exists(self._path):
            os.rename(self._path, self._path + ".elsewhere")
