"""Small data sets with four features, made from a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
N_FEATURES = 4


def rows(n: int = 80, *, seed: int = 0) -> Array:
    """Return rows of correlated numbers (N, 4)."""
    rng = np.random.default_rng(seed)
    mixing = np.array([[1.0, 0.4, 0.0, 0.0], [0.0, 1.0, 0.3, 0.0], [0.0, 0.0, 1.0, 0.2], [0.5, 0.0, 0.0, 1.0]])
    return np.asarray(rng.normal(size=(n, N_FEATURES)) @ mixing)


def score(x: Array) -> Array:
    """Return what there is to learn: effects, an interaction, one feature of none."""
    return np.asarray(2.0 * x[:, 0] - x[:, 1] + x[:, 0] * x[:, 2])


def target(x: Array, task: str) -> NDArray[np.int64] | Array:
    """Return a target: values, two classes, or three."""
    values = score(x)
    if task == "regression":
        return values
    if task == "binary":
        return (values > np.median(values)).astype(np.int64)
    return np.digitize(values, np.quantile(values, [0.33, 0.66])).astype(np.int64)
