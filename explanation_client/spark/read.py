"""Local importances of an explanation as a Spark DataFrame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from explanation_client.errors import MissingDependencyError
from explanation_client.explanation import Explanation
from explanation_client.importances import Importances, LazyImportances
from explanation_client.store.cache import FileCache
from explanation_client.store.read import StoreFetch, open_stored

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_BATCH_ROWS = 10_000


def to_spark(explanation: Explanation, session: SparkSession) -> DataFrame:
    """Return the local importances as a DataFrame: the columns of ``explanation.to_arrow("local")``, rows by number.

    Of a downloaded explanation executors read the shards, each its own, from the artifact store; nothing passes through
    the driver, and nothing is read before Spark asks for it. One that is in memory is handed over.

    Parameters
    ----------
    explanation : Explanation
    session : pyspark.sql.SparkSession

    Raises
    ------
    PartMissingError
        There are no local importances.
    MissingDependencyError
        pyspark is not installed.

    """
    try:
        import pyspark.sql  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError("pyspark", extra="spark", needed_for="to_spark()") from error
    first = replace(explanation[:1], data=None, documents=None)
    local = explanation.local_importances
    fetch = getattr(local.reader, "fetch", None) if isinstance(local, LazyImportances) else None
    if not isinstance(local, LazyImportances) or not isinstance(fetch, StoreFetch) or local.is_loaded:
        return session.createDataFrame(replace(explanation, data=None, documents=None).to_arrow("local"))
    outputs, rows, top_k = local.part
    no_cache = FileCache(fetch.source.cache.folder, max_bytes=0)
    task = _Read(
        fetch=replace(fetch, source=replace(fetch.source, cache=no_cache)),
        output=outputs.start if outputs.stop - outputs.start < local.reader.shape[0] else None,
        first_row=rows.start,
        top_k=top_k,
    )
    ranges = _ranges(fetch, rows.start, rows.stop)
    schema = session.createDataFrame(replace(first, local_importances=_zeros(local)).to_arrow("local")).schema
    return (
        session.createDataFrame(ranges, "first long, end long")
        .repartitionByRange(len(ranges), "first")
        .mapInArrow(task, schema)
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Read:
    """What an executor does with ranges of rows: reads their shards."""

    fetch: StoreFetch
    output: int | None
    first_row: int
    top_k: int | None

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the importances of the rows."""
        stored = open_stored(self.fetch.source, self.fetch.manifest, top_k=self.top_k)
        whole = replace(stored, data=None, documents=None)
        for batch in batches:
            for line in batch.to_pylist():
                rows = whole[line["first"] : line["end"]]
                table = (rows if self.output is None else rows.output(self.output)).to_arrow("local")
                # Rows of a slice count from its first one.
                place = 0 if len(rows.info.outputs) == 1 or self.output is not None else 1
                numbers = pc.add(table.column(place), line["first"] - self.first_row)
                yield from table.set_column(place, table.column_names[place], numbers).to_batches(_BATCH_ROWS)


def _ranges(fetch: StoreFetch, first: int, end: int) -> list[tuple[int, int]]:
    """Return the rows from ``first`` to ``end``, divided as the shards are."""
    spans = {entry.rows or (0, fetch.manifest.info.n_rows) for entry in fetch.manifest.of_role("local")}
    cut = [(max(first, a), min(end, b)) for a, b in sorted(spans)]
    return [(a, b) for a, b in cut if a < b]


def _zeros(local: LazyImportances) -> Importances:
    """Return a row like those that are read."""
    shape = (local.shape[0], 1, local.shape[2])
    values = np.zeros(shape, local.dtype)
    if not local.is_ranked:
        return Importances(values)
    return Importances(values, np.zeros(shape, np.int32), np.zeros(shape[:2]))
