"""Rankings of words: as many as a document has, in place of all features."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.importances import AnyImportances, FloatArray, Importances, sum_features


def ranked(
    sums: list[tuple[NDArray[np.intp], FloatArray]], n_features: int, kept: int, dtype: np.dtype[Any]
) -> Importances:
    """Return what ranking values of all features would, from those of each document's own words."""
    n_outputs = len(sums[0][1])
    values = np.zeros((n_outputs, len(sums), kept), dtype)
    index = np.empty(values.shape, np.int32)
    total = np.zeros(values.shape[:2], np.float64)
    first = np.arange(min(n_features, 2 * kept), dtype=np.int32)
    for row, (words, importances) in enumerate(sums):
        total[:, row] = sum_features(importances) if len(words) else 0.0
        for output, line in enumerate(importances):
            there = np.flatnonzero(line)
            order = there[np.argsort(-np.abs(line[there]), kind="stable")]
            n_there = len(order)
            values[output, row, :n_there] = line[order]
            index[output, row, :n_there] = words[order]
            # Zeros come last, and the first features among them are first.
            index[output, row, n_there:] = first[np.isin(first, words[there], invert=True)][: kept - n_there]
    return Importances(values, index, total)


def widened(local: AnyImportances | None, top_k: int, n_features: int) -> AnyImportances | None:
    """Return local importances with at least ``top_k`` features for each row, where ranked ones keep fewer.

    Explanations of documents keep as many as a document has words. All others are 0, and come in feature order.
    """
    if local is None or not local.is_ranked or local.shape[-1] >= top_k:
        return local
    kept, more = local.load(), top_k - local.shape[-1]
    assert kept.index is not None
    first = np.arange(min(n_features, top_k + kept.shape[-1]), dtype=np.int32)
    index = np.array([[first[np.isin(first, row, invert=True)][:more] for row in rows] for rows in kept.index])
    zeros = np.zeros(index.shape, kept.dtype)
    values, places = np.concatenate([kept.values, zeros], axis=2), np.concatenate([kept.index, index], axis=2)
    return Importances(values, places, kept.total)
