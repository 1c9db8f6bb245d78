"""Reads XGBoost boosters and their scikit-learn wrappers from the JSON model.

XGBoost compares ``x < threshold`` in single precision: the same as ``x <= t`` with t the float32
just below the threshold. Members of a categorical set go right there, so that such a split is
stored with its children exchanged.

Source: the published JSON schema of the model and the categorical decision of XGBoost.
"""

from __future__ import annotations

import json
import math
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

__all__ = ["parse", "parse_document"]

_LOG_OBJECTIVES = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft")
_VALUE_OBJECTIVES = (
    "reg:squarederror",
    "reg:linear",
    "reg:squaredlogerror",
    "reg:pseudohubererror",
    "reg:absoluteerror",
    "reg:quantileerror",
    "reg:expectileerror",
)


def parse(model: Any) -> TreeEnsemble:
    """Return the ensemble of an ``xgboost.Booster`` or of a fitted wrapper around one.

    A wrapper predicts up to its best iteration after early stopping, a booster with all of them;
    so does the ensemble.
    """
    booster, missing, last = model, math.nan, None
    if hasattr(model, "get_booster"):
        try:
            booster = model.get_booster()
        except (ValueError, AttributeError) as error:
            raise UnsupportedModelError(f"{type(model).__name__} is not fitted") from error
        missing = math.nan if model.missing is None else float(model.missing)
        best = booster.attr("best_iteration")
        last = None if best is None else int(best) + 1
    document = json.loads(booster.save_raw(raw_format="json"))
    name = f"xgboost.{type(model).__name__}"
    return parse_document(document, iterations=last, missing=missing, model_type=name)


def parse_document(
    document: dict[str, Any],
    *,
    iterations: int | None = None,
    missing: float = math.nan,
    model_type: str = "xgboost.Booster",
) -> TreeEnsemble:
    """Return the ensemble of an XGBoost model in its JSON form.

    Raises
    ------
    UnsupportedModelError
        For linear boosters, for models that recode their categories, and for unknown objectives
        whose base score can't be placed.
    """
    learner = document["learner"]
    booster = learner["gradient_booster"]
    weights: list[float] | None = None
    if booster["name"] == "dart":
        weights, booster = booster["weight_drop"], booster["gbtree"]
    elif booster["name"] != "gbtree":
        raise UnsupportedModelError(f"XGBoost booster {booster['name']!r} has no trees")
    model = booster["model"]
    parameters = learner["learner_model_param"]
    outputs = max(1, int(parameters["num_class"]), int(parameters.get("num_target", 1)))
    used = _used_trees(model, iterations, outputs)
    trees = [
        _tree(tree, outputs, 1.0 if weights is None else weights[number])
        for number, tree in enumerate(model["trees"][:used])
    ]
    objective = learner["objective"]["name"]
    space, link = _link(objective)
    return assemble(
        trees,
        model["tree_info"][:used],
        constant=_base_margin(parameters["base_score"], link, objective, outputs),
        n_features=int(parameters["num_feature"]),
        single_precision=True,
        missing_value=float(np.float32(missing)),
        output_space=space,
        link=link,
        model_type=model_type,
    )


def _used_trees(model: dict[str, Any], iterations: int | None, outputs: int) -> int:
    if iterations is None:
        return len(model["trees"])
    if "iteration_indptr" in model:
        return int(model["iteration_indptr"][iterations])
    parallel = max(1, int(model["gbtree_model_param"].get("num_parallel_tree", 1)))
    return iterations * parallel * outputs


def _base_margin(text: str, link: Link, objective: str, outputs: int) -> NDArray[np.float64]:
    """Return the margin of the base score, which is stored as a prediction, not as a margin."""
    score = np.array([float(part) for part in text.strip("[]").split(",")], dtype=np.float64)
    if link == "logit" and objective != "binary:logitraw":
        score = np.log(score) - np.log1p(-score)
    elif link == "log":
        score = np.log(score)
    elif link == "other":
        raise UnsupportedModelError(f"XGBoost objective {objective!r}: its link is not known")
    return np.broadcast_to(score, (outputs,)) if len(score) == 1 else score


def _link(objective: str) -> tuple[OutputSpace, Link]:
    if objective in ("binary:logistic", "reg:logistic", "binary:logitraw"):
        return "margin", "logit"
    if objective in ("multi:softprob", "multi:softmax"):
        return "margin", "softmax"
    if objective in _LOG_OBJECTIVES:
        return "margin", "log"
    if objective in _VALUE_OBJECTIVES:
        return "value", "identity"
    if objective.startswith(("rank:", "binary:hinge")):
        return "margin", "identity"
    return "margin", "other"


def _tree(tree: dict[str, Any], outputs: int, weight: float) -> RawTree:
    left = np.array(tree["left_children"], dtype=np.int64)
    right = np.array(tree["right_children"], dtype=np.int64)
    condition = np.array(tree["split_conditions"], dtype=np.float64).astype(np.float32)
    leaf = left == -1
    width = int(tree["tree_param"].get("size_leaf_vector", "1"))
    if width > 1:
        value = _vector_leaves(tree, leaf, right, width)
    else:
        value = np.where(leaf, condition, np.float32(0)).astype(np.float64).reshape(-1, 1)
    missing_left = np.array(tree["default_left"], dtype=np.bool_)
    sets = _categories(tree)
    swapped = np.array(list(sets), dtype=np.int64)
    left[swapped], right[swapped] = right[swapped], left[swapped]
    missing_left[swapped] = ~missing_left[swapped]
    return RawTree(
        feature=np.where(leaf, -1, np.array(tree["split_indices"], dtype=np.int64)),
        threshold=np.nextafter(condition, np.float32(-np.inf)).astype(np.float64),
        left=left,
        right=right,
        missing_left=missing_left,
        cover=np.maximum(np.array(tree["sum_hessian"], dtype=np.float32), 0).astype(np.float64),
        value=value * weight,
        categories=sets,
    )


def _vector_leaves(
    tree: dict[str, Any], leaf: NDArray[np.bool_], right: NDArray[np.int64], width: int
) -> NDArray[np.float64]:
    if "leaf_weights" not in tree:
        raise UnsupportedModelError("XGBoost vector leaves before version 3.1: the model holds no covers")
    # A leaf's right child is its place among the leaves.
    value = np.zeros((len(leaf), width))
    value[leaf] = np.array(tree["leaf_weights"], dtype=np.float32).reshape(-1, width)[right[leaf]]
    return value


def _categories(tree: dict[str, Any]) -> dict[int, NDArray[np.uint32]]:
    sets: dict[int, NDArray[np.uint32]] = {}
    nodes = zip(
        tree.get("categories_nodes", []),
        tree.get("categories_segments", []),
        tree.get("categories_sizes", []),
        strict=True,
    )
    for node, start, size in nodes:
        codes = np.array(tree["categories"][start : start + size], dtype=np.int64)
        sets[int(node)] = bit_set(codes)
    return sets


def bit_set(codes: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Return the bit set of some codes: code c is bit ``c % 32`` of word ``c // 32``."""
    words = np.zeros(int(codes.max(initial=0)) // 32 + 1, dtype=np.uint32)
    np.bitwise_or.at(words, codes // 32, np.uint32(1) << (codes % 32).astype(np.uint32))
    return words
