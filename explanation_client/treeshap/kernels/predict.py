"""Predictions by walking the trees: the check of everything else."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.treeshap.ensemble import ZERO_BAND, TreeEnsemble
from explanation_client.treeshap.kernels.jit import kernel

__all__ = ["goes_left", "predict"]

_BLOCK = 4096


def predict(ensemble: TreeEnsemble, rows: NDArray[Any]) -> NDArray[np.float64]:
    """Return the raw outputs of checked rows, shape (N, C) float64."""
    out = np.empty((len(rows), ensemble.n_outputs))
    for start in range(0, len(rows), _BLOCK):
        block = np.ascontiguousarray(rows[start : start + _BLOCK], dtype=np.float64)
        _walk(
            block,
            ensemble.feature,
            ensemble.threshold,
            ensemble.left,
            ensemble.right,
            ensemble.missing_left,
            ensemble.zero_missing,
            ensemble.category_start,
            ensemble.category_words,
            ensemble.category_bits,
            ensemble.value,
            ensemble.tree_start,
            ensemble.tree_output,
            ensemble.constant,
            ensemble.single_precision,
            ensemble.missing_value,
            out[start : start + _BLOCK],
        )
    return out


@kernel
def goes_left(
    x: float,
    threshold: float,
    missing_left: bool,
    zero_missing: bool,
    words: int,
    start: int,
    bits: NDArray[np.uint32],
) -> bool:
    """Return whether a value goes to the left child of a split."""
    if np.isnan(x) or (zero_missing and abs(x) <= ZERO_BAND):
        return missing_left
    if words == 0:
        return x <= threshold
    # Codes are cut to whole numbers; anything below 0 or beyond the set is not a member.
    if x <= -1.0 or x >= 32.0 * words:
        return False
    code = int(x)
    return (int(bits[start + code // 32]) >> (code % 32)) & 1 == 1


@kernel
def _walk(
    rows: NDArray[np.float64],
    feature: NDArray[np.int32],
    threshold: NDArray[np.float64],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    missing_left: NDArray[np.bool_],
    zero_missing: NDArray[np.bool_],
    category_start: NDArray[np.int32],
    category_words: NDArray[np.int32],
    category_bits: NDArray[np.uint32],
    value: NDArray[np.float64],
    tree_start: NDArray[np.int64],
    tree_output: NDArray[np.int32],
    constant: NDArray[np.float64],
    single_precision: bool,
    missing_value: float,
    out: NDArray[np.float64],
) -> None:
    width = value.shape[1]
    for row in range(rows.shape[0]):
        for output in range(len(constant)):
            out[row, output] = constant[output]
        for tree in range(len(tree_output)):
            node = tree_start[tree]
            while feature[node] >= 0:
                x = rows[row, feature[node]]
                if single_precision:
                    x = np.float64(np.float32(x))
                if x == missing_value:
                    x = np.nan
                if goes_left(
                    x,
                    threshold[node],
                    missing_left[node],
                    zero_missing[node],
                    category_words[node],
                    category_start[node],
                    category_bits,
                ):
                    node = np.int64(left[node])
                else:
                    node = np.int64(right[node])
            if width == 1:
                out[row, tree_output[tree]] += value[node, 0]
            else:
                for output in range(width):
                    out[row, output] += value[node, output]
