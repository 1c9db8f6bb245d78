"""Reads CatBoost models from their JSON form.

CatBoost compares ``x > border`` in single precision and goes right where that holds. Trees are oblivious by default:
one split for each depth, the last of the list at the root, so that a leaf's number is made of the answers. Others are
nested.

Sources: the JSON that ``save_model(format="json")`` writes, with its predictions for what missing values do and which
split is the root.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from explanation_client.treeshap.ensemble import Link, OutputSpace, RawTree, TreeEnsemble, assemble
from explanation_client.treeshap.errors import UnsupportedModelError
from explanation_client.treeshap.parsers.xgboost import bit_set

__all__ = ["parse", "parse_document"]

# Whole numbers that are tried as the values of categorical features, which a model knows by their hash only.
_CODES = 4096
_LINKS: dict[str, tuple[OutputSpace, Link]] = {
    "Logloss": ("margin", "logit"),
    "CrossEntropy": ("margin", "logit"),
    "Focal": ("margin", "logit"),
    "MultiClass": ("margin", "softmax"),
    "MultiClassOneVsAll": ("margin", "one-vs-rest logit"),
    "Poisson": ("margin", "log"),
    "Tweedie": ("margin", "log"),
    **dict.fromkeys(("RMSE", "MAE", "Quantile", "MAPE", "Huber", "LogCosh", "Expectile"), ("value", "identity")),
    **dict.fromkeys(("Lq", "MultiRMSE", "MultiQuantile"), ("value", "identity")),
    **dict.fromkeys(("YetiRank", "PairLogit", "QueryRMSE", "QuerySoftMax"), ("margin", "identity")),
}


def parse(model: Any) -> TreeEnsemble:
    """Return the ensemble of a fitted CatBoost model.

    Categorical features are read where they are split on by single values (one-hot) which are whole numbers.

    Raises
    ------
    UnsupportedModelError
        For models with other categorical features, with text or embeddings, and without a fit.
    """
    from catboost import CatBoostError, Pool

    def document(pool: Any = None) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.json"
            model.save_model(str(path), format="json", pool=pool)
            return dict(json.loads(path.read_text(encoding="utf-8")))

    name = f"catboost.{type(model).__name__}"
    try:
        found = document()
        if any("values" in part for part in found["features_info"].get("categorical_features", [])):
            # Which hash is of which value is told of the values in a table, so that one holds all codes.
            codes = np.repeat(np.arange(_CODES)[:, None], len(model.feature_names_), axis=1)
            columns = model.get_cat_feature_indices()
            found = document(Pool(codes, cat_features=columns, feature_names=model.feature_names_))
    except CatBoostError as error:
        raise UnsupportedModelError(f"{name}: {error}") from error
    return parse_document(found, n_features=len(model.feature_names_), model_type=name)


def parse_document(document: dict[str, Any], *, n_features: int, model_type: str = "catboost.CatBoost") -> TreeEnsemble:
    """Return the ensemble of a CatBoost model in its JSON form.

    Raises
    ------
    UnsupportedModelError
        For splits on statistics of categories or on categories that are no whole numbers.
    """
    scale, bias = document["scale_and_bias"]
    constant = np.asarray(bias, dtype=np.float64).reshape(-1)
    features = _Features(document["features_info"])
    trees = [_oblivious(tree, features, scale, len(constant)) for tree in document.get("oblivious_trees", [])]
    trees += [_nested(tree, features, scale, len(constant)) for tree in document.get("trees", [])]
    loss = document["model_info"].get("params", {}).get("loss_function", {}).get("type", "")
    space, link = _LINKS.get(loss.partition(":")[0], ("margin", "other"))
    return assemble(
        trees,
        np.zeros(len(trees)),
        constant=constant,
        n_features=n_features,
        single_precision=True,
        output_space=space,
        link=link,
        model_type=model_type,
    )


class _Test(NamedTuple):
    """A split: ``column > threshold`` goes right, or so do the members of a set."""

    column: int
    threshold: float = 0.0
    missing_left: bool = True
    members: NDArray[np.uint32] | None = None


class _Features:
    """What a model says of its features."""

    def __init__(self, info: dict[str, Any]) -> None:
        self._floats = {part["feature_index"]: part for part in info.get("float_features", [])}
        self._categories = {part["feature_index"]: part for part in info.get("categorical_features", [])}
        self._codes = {part["hash"]: part["value"] for part in info.get("cat_features_hash", [])}

    def test(self, split: dict[str, Any]) -> _Test:
        """Return what a split asks, or raise ``UnsupportedModelError``."""
        kind = split["split_type"]
        if kind == "FloatFeature":
            part = self._floats[split["float_feature_index"]]
            missing_left = part["nan_value_treatment"] != "AsTrue"
            return _Test(part["flat_feature_index"], float(np.float32(split["border"])), missing_left)
        if kind != "OneHotFeature":
            raise UnsupportedModelError(f"CatBoost splits on statistics of categories ({kind}), which no row shows")
        column = self._categories[split["cat_feature_index"]]["flat_feature_index"]
        # Splits hold the hash as a signed number.
        code = self._codes.get(split["value"] % (1 << 32))
        if code is None:
            raise UnsupportedModelError(f"categories of column {column} are not whole numbers from 0 to {_CODES - 1}")
        return _Test(column, members=bit_set(np.array([int(code)])))


def _oblivious(tree: dict[str, Any], features: _Features, scale: float, outputs: int) -> RawTree:
    """Return a tree of one split for each depth: node k has the children 2 k + 1 and 2 k + 2."""
    tests = [features.test(split) for split in reversed(tree["splits"] or [])]
    inner = (1 << len(tests)) - 1
    cover = [np.asarray(tree["leaf_weights"], dtype=np.float64)]
    while len(cover[0]) > 1:
        cover.insert(0, cover[0].reshape(-1, 2).sum(axis=1))
    value = np.zeros((2 * inner + 1, outputs))
    value[inner:] = np.asarray(tree["leaf_values"], dtype=np.float64).reshape(-1, outputs)
    left = np.concatenate([2 * np.arange(inner) + 1, np.full(inner + 1, -1)])
    of_nodes = [test for depth, test in enumerate(tests) for _ in range(1 << depth)]
    return _tree(of_nodes, left, left + 1, np.concatenate(cover), scale * value)


def _nested(tree: dict[str, Any], features: _Features, scale: float, outputs: int) -> RawTree:
    """Return a tree of splits in splits."""
    parts, left = [tree], []
    for part in parts:
        left.append(len(parts) if "split" in part else -1)
        parts += [part["left"], part["right"]] if "split" in part else []
    cover = np.array([part.get("weight", 0.0) for part in parts], dtype=np.float64)
    # Children come after their parents.
    for node in range(len(parts) - 1, -1, -1):
        if left[node] >= 0:
            cover[node] = cover[left[node]] + cover[left[node] + 1]
    value = np.array([np.broadcast_to(part.get("value", 0.0), outputs) for part in parts], dtype=np.float64)
    of_nodes = [features.test(part["split"]) if "split" in part else None for part in parts]
    return _tree(of_nodes, np.array(left), np.array(left) + 1, cover, scale * value)


def _tree(
    tests: Sequence[_Test | None],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    cover: NDArray[np.float64],
    value: NDArray[np.float64],
) -> RawTree:
    """Return the tree of some nodes, of which the first have tests."""
    size = len(left)
    column, threshold, missing_left = np.full(size, -1), np.zeros(size), np.zeros(size, dtype=np.bool_)
    sets: dict[int, NDArray[np.uint32]] = {}
    for node, test in enumerate(tests):
        if test is None:
            continue
        column[node], threshold[node], missing_left[node] = test.column, test.threshold, test.missing_left
        if test.members is not None:
            # Members go left in an ensemble; a missing value is none of them.
            sets[node], missing_left[node] = test.members, False
            left[node], right[node] = right[node], left[node]
    return RawTree(
        feature=column,
        threshold=threshold,
        left=left,
        right=right,
        missing_left=missing_left,
        cover=cover,
        value=value,
        categories=sets,
    )
