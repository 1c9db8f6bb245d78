"""Reads LightGBM boosters and their scikit-learn wrappers from the model text.

The text is LightGBM's own stored form (version 4 since 2023, 3 before it), with numbers printed
so that they read back to the same double.

Sources: the model text itself; ``Tree::NumericalDecision`` and ``Tree::CategoricalDecision`` of
LightGBM for what missing values and codes do.
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
from explanation_client.treeshap.errors import UnsupportedModelError

__all__ = ["parse", "parse_text"]

_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_NONE, _MISSING_ZERO, _MISSING_NAN = 0, 1, 2
_KNOWN_VERSIONS = ("v3", "v4")


def parse(model: Any) -> TreeEnsemble:
    """Return the ensemble of a ``lightgbm.Booster`` or of a fitted wrapper around one.

    The iterations are those that ``predict`` uses: up to the best one after early stopping.
    """
    booster = model
    if not hasattr(booster, "model_to_string"):
        try:
            booster = model.booster_
        except (AttributeError, ValueError) as error:
            name = type(model).__name__
            raise UnsupportedModelError(f"{name} holds no fitted LightGBM booster") from error
    return parse_text(booster.model_to_string(), model_type=f"lightgbm.{type(model).__name__}")


def parse_text(text: str, *, model_type: str = "lightgbm.Booster") -> TreeEnsemble:
    """Return the ensemble that a LightGBM model text describes.

    Raises
    ------
    UnsupportedModelError
        For linear trees, unknown versions of the text, and texts without trees' fields.
    """
    head, *blocks = text.split("\nTree=")
    header = _fields(head)
    if header.get("version") not in _KNOWN_VERSIONS:
        raise UnsupportedModelError(
            f"LightGBM model text {header.get('version')!r}; known: {', '.join(_KNOWN_VERSIONS)}"
        )
    outputs = int(header["num_tree_per_iteration"])
    trees = [_tree(_fields(block.partition("end of trees")[0])) for block in blocks]
    # Random forest mode averages its iterations; the text says so with a bare line.
    if "average_output" in header and trees:
        share = 1.0 / (len(trees) // outputs)
        trees = [_scaled(tree, share) for tree in trees]
    space, link, scale = _link(header.get("objective", ""), outputs)
    return assemble(
        trees,
        np.arange(len(trees)) % outputs,
        constant=np.zeros(outputs),
        n_features=int(header["max_feature_idx"]) + 1,
        output_space=space,
        link=link,
        link_scale=scale,
        model_type=model_type,
    )


def _fields(block: str) -> dict[str, str]:
    """Return the ``key=value`` lines of a block; a bare line is a key with no value."""
    lines = (line.partition("=") for line in block.splitlines())
    return {key: value for key, _, value in lines}


def _numbers(fields: dict[str, str], key: str, dtype: Any) -> NDArray[Any]:
    return np.array(fields.get(key, "").split(), dtype=dtype)


def _scaled(tree: RawTree, share: float) -> RawTree:
    return RawTree(**{**vars(tree), "value": tree.value * share})


def _tree(fields: dict[str, str]) -> RawTree:
    if fields.get("is_linear", "0") != "0":
        raise UnsupportedModelError("LightGBM linear trees: a leaf's value depends on the row")
    leaves = int(fields["num_leaves"])
    leaf_value = _numbers(fields, "leaf_value", np.float64)
    if leaves == 1:
        return RawTree(
            feature=np.array([-1]),
            threshold=np.zeros(1),
            left=np.array([-1]),
            right=np.array([-1]),
            missing_left=np.zeros(1, dtype=np.bool_),
            cover=np.ones(1),
            value=leaf_value.reshape(1, 1),
        )
    return _grown_tree(fields, leaves, leaf_value)


def _grown_tree(fields: dict[str, str], leaves: int, leaf_value: NDArray[np.float64]) -> RawTree:
    splits = leaves - 1
    kind = _numbers(fields, "decision_type", np.int64)
    threshold = _numbers(fields, "threshold", np.float64)
    missing = (kind >> 2) & 3
    categorical = (kind & _CATEGORICAL) != 0
    if missing.max() > _MISSING_NAN:
        raise UnsupportedModelError("LightGBM decision_type with an unknown kind of missing value")
    # Without a missing kind, NaN is read as 0; a categorical split sends NaN right in any case.
    missing_left = np.where(missing == _MISSING_NONE, threshold >= 0.0, (kind & _DEFAULT_LEFT) != 0)
    pad_int, pad_bool = np.full(leaves, -1), np.zeros(leaves, dtype=np.bool_)
    counts = [_numbers(fields, "internal_count", np.float64)]
    counts.append(_numbers(fields, "leaf_count", np.float64))
    if len(counts[0]) != splits or len(counts[1]) != leaves:
        raise UnsupportedModelError("LightGBM tree without the row counts of its nodes")

    def child(key: str) -> NDArray[np.int64]:
        # Leaves are numbered ~k; here they follow the splits.
        number = _numbers(fields, key, np.int64)
        return np.concatenate([np.where(number < 0, splits + ~number, number), pad_int])

    return RawTree(
        feature=np.concatenate([_numbers(fields, "split_feature", np.int64), pad_int]),
        threshold=np.concatenate([np.where(categorical, 0.0, threshold), np.zeros(leaves)]),
        left=child("left_child"),
        right=child("right_child"),
        missing_left=np.concatenate([missing_left & ~categorical, pad_bool]),
        zero_missing=np.concatenate([(missing == _MISSING_ZERO) & ~categorical, pad_bool]),
        cover=np.concatenate(counts),
        value=np.concatenate([np.zeros(splits), leaf_value]).reshape(-1, 1),
        categories=_categories(fields, categorical, threshold),
    )


def _categories(
    fields: dict[str, str], categorical: NDArray[np.bool_], threshold: NDArray[np.float64]
) -> dict[int, NDArray[np.uint32]]:
    nodes = np.flatnonzero(categorical)
    if not len(nodes):
        return {}
    bounds = _numbers(fields, "cat_boundaries", np.int64)
    words = _numbers(fields, "cat_threshold", np.uint32)
    sets = {int(node): int(threshold[node]) for node in nodes}
    return {node: words[bounds[number] : bounds[number + 1]] for node, number in sets.items()}


def _link(objective: str, outputs: int) -> tuple[OutputSpace, Link, float]:
    name, *options = objective.split() or [""]
    pairs = dict(option.partition(":")[::2] for option in options)
    scale = float(pairs.get("sigmoid", 1.0))
    if name in ("binary", "cross_entropy", "xentropy"):
        return "margin", "logit", scale
    if name == "multiclass":
        return "margin", "softmax", 1.0
    if name == "multiclassova":
        return "margin", "one-vs-rest logit", scale
    if name in ("poisson", "gamma", "tweedie"):
        return "margin", "log", 1.0
    if "sqrt" in options:
        return "margin", "signed square root", 1.0
    if name.startswith(("regression", "huber", "fair", "quantile", "mape")):
        return "value", "identity", 1.0
    # Rankers give scores; a custom objective's link is not in the text.
    return "margin", "identity" if name in ("lambdarank", "rank_xendcg") else "other", 1.0
