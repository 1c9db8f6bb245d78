"""Reads scikit-learn's histogram gradient boosting.

Its trees see other columns than the caller's when there are categories: the categorical columns
come first, recoded to positions in the sorted list of values seen in training. The reader turns
both back, so that the ensemble takes the caller's rows. Categories that can't be codes themselves,
text for example, stay positions in that list: see :func:`category_levels`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.treeshap.ensemble import (
    Link,
    OutputSpace,
    RawTree,
    TreeEnsemble,
    assemble,
)
from explanation_client.treeshap.parsers.xgboost import bit_set

__all__ = ["category_levels", "parse"]

_LARGEST_CODE = 1 << 20
_LOG_LOSSES = ("poisson", "gamma")


def parse(model: Any) -> TreeEnsemble:
    """Return the ensemble of a fitted ``HistGradientBoosting`` model.

    Raises
    ------
    UnsupportedModelError
        For settings that no reader knows.
    """
    columns, codes = _columns(model)
    constant = np.asarray(model._baseline_prediction, dtype=np.float64).reshape(-1)
    predictors = [tree for iteration in model._predictors for tree in iteration]
    space, link = _link(model, len(constant))
    return assemble(
        [_tree(predictor, columns, codes) for predictor in predictors],
        np.arange(len(predictors)) % len(constant),
        constant=constant,
        n_features=model.n_features_in_,
        output_space=space,
        link=link,
        model_type=f"sklearn.{type(model).__name__}",
    )


def _link(model: Any, outputs: int) -> tuple[OutputSpace, Link]:
    if hasattr(model, "classes_"):
        return "margin", "logit" if outputs == 1 else "softmax"
    return ("margin", "log") if model.loss in _LOG_LOSSES else ("value", "identity")


def category_levels(model: Any) -> dict[int, list[Any]]:
    """Return the values of the columns in which the ensemble takes positions: a code is a place in the list.

    Columns whose categories are whole numbers from 0 on are not among them: there the numbers are the codes.
    """
    columns, found = _columns(model)[0], _encoded(model)
    return {int(columns[i]): values.tolist() for i, values in enumerate(found) if _whole_codes(values) is None}


def _encoded(model: Any) -> list[NDArray[Any]]:
    """Return the values of each categorical column, sorted, missing ones last."""
    mask = model.is_categorical_
    if mask is None or not np.any(mask):
        return []
    return list(model._preprocessor.named_transformers_["encoder"].categories_)


def _columns(model: Any) -> tuple[NDArray[np.int64], dict[int, NDArray[np.int64]]]:
    """Return the caller's column of each of the trees', and the codes of categories that rows are to hold."""
    found = _encoded(model)
    if not found:
        return np.arange(model.n_features_in_), {}
    mask = np.asarray(model.is_categorical_)
    codes = {}
    for position, values in enumerate(found):
        whole = _whole_codes(values)
        codes[position] = np.arange(len(values)) if whole is None else whole
    return np.concatenate([np.flatnonzero(mask), np.flatnonzero(~mask)]), codes


def _whole_codes(values: NDArray[Any]) -> NDArray[np.int64] | None:
    """Return categories that can be codes themselves, without missing ones; None for others."""
    if values.dtype.kind not in "iufb":
        return None
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[~np.isnan(numbers)]
    if len(numbers) and (
        numbers.min() < 0 or numbers.max() > _LARGEST_CODE or not np.array_equal(numbers, np.trunc(numbers))
    ):
        return None
    return numbers.astype(np.int64)


def _tree(predictor: Any, columns: NDArray[np.int64], codes: dict[int, NDArray[np.int64]]) -> RawTree:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(np.bool_)
    left = nodes["left"].astype(np.int64)
    right = nodes["right"].astype(np.int64)
    missing_left = nodes["missing_go_to_left"].astype(np.bool_)
    sets: dict[int, NDArray[np.uint32]] = {}
    for node in np.flatnonzero((nodes["is_categorical"] != 0) & ~leaf):
        known = codes[int(nodes["feature_idx"][node])]
        words = predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]]
        position = np.arange(len(known))
        goes_left = (words[position // 32] >> (position % 32).astype(np.uint32)) & 1 == 1
        if missing_left[node]:
            # Unknown codes count as missing: what is named must be the set that goes right.
            left[node], right[node] = right[node], left[node]
            missing_left[node], goes_left = False, ~goes_left
        sets[int(node)] = bit_set(known[goes_left])
    return RawTree(
        feature=np.where(leaf, -1, columns[nodes["feature_idx"]]),
        threshold=np.where(leaf, 0.0, nodes["num_threshold"]),
        left=left,
        right=right,
        missing_left=missing_left,
        cover=nodes["count"],
        value=np.where(leaf, nodes["value"], 0.0).reshape(-1, 1),
        categories=sets,
    )
