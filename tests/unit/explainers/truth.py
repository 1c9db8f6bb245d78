"""Shapley values by their definition: sums over all coalitions, for a handful of features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Game = Callable[[frozenset[int]], Array]


def shapley(game: Game, n_features: int) -> tuple[Array, Array]:
    """Return values (C, F) and the worth of the empty coalition (C,)."""
    worth = {
        frozenset(chosen): np.atleast_1d(np.asarray(game(frozenset(chosen)), np.float64))
        for size in range(n_features + 1)
        for chosen in combinations(range(n_features), size)
    }
    values = []
    for j in range(n_features):
        total = np.zeros_like(worth[frozenset()])
        for chosen, value in worth.items():
            if j in chosen:
                continue
            weight = factorial(len(chosen)) * factorial(n_features - len(chosen) - 1) / factorial(n_features)
            total = total + weight * (worth[chosen | {j}] - value)
        values.append(total)
    return np.stack(values, axis=1), worth[frozenset()]


def interventional(predict: Callable[[Array], Array], row: Array, background: Array) -> Game:
    """Return the game of a model: features outside the coalition take the values of background rows, on average."""

    def game(chosen: frozenset[int]) -> Array:
        mixed = background.copy()
        columns = sorted(chosen)
        mixed[:, columns] = row[columns]
        return np.asarray(predict(mixed).mean(axis=0))

    return game


@dataclass(frozen=True)
class Tree:
    """One tree: arrays over nodes; ``left[i] == i`` is a leaf, and ``goes_left(value, threshold)`` decides."""

    feature: Any
    threshold: Any
    left: Any
    right: Any
    cover: Any
    value: Any
    goes_left: Callable[[float, float], bool]


def path_dependent(trees: list[Tree], row: Array) -> Game:
    """Return the game of trees that add up: both branches by their cover where a split's feature is missing."""

    def expected(tree: Tree, node: int, chosen: frozenset[int]) -> Array:
        left, right = tree.left[node], tree.right[node]
        if left == node:
            return np.atleast_1d(tree.value[node])
        feature = tree.feature[node]
        if feature in chosen:
            return expected(tree, left if tree.goes_left(row[feature], tree.threshold[node]) else right, chosen)
        parts = [expected(tree, child, chosen) * tree.cover[child] for child in (left, right)]
        return np.asarray(sum(parts) / (tree.cover[left] + tree.cover[right]))

    return lambda chosen: np.asarray(sum(expected(tree, 0, chosen) for tree in trees))


def sklearn_tree(tree: Any, value: Array) -> Tree:
    """Return a tree of scikit-learn with given node values (M, C): numbers are rounded to float32, then compared."""
    here = np.arange(tree.node_count)
    left, right = (np.where(c == -1, here, c) for c in (tree.children_left, tree.children_right))
    cover = tree.weighted_n_node_samples
    return Tree(tree.feature, tree.threshold, left, right, cover, value, lambda x, t: np.float32(x) <= t)


def histogram_tree(nodes: Any) -> Tree:
    """Return a tree of scikit-learn's histogram gradient boosting."""
    here = np.arange(len(nodes))
    left, right = (np.where(nodes["is_leaf"], here, nodes[side]) for side in ("left", "right"))
    return Tree(
        nodes["feature_idx"], nodes["num_threshold"], left, right, nodes["count"], nodes["value"], lambda x, t: x <= t
    )


def lightgbm_trees(booster: Any) -> list[Tree]:
    """Return the trees of a LightGBM booster, from its table of nodes."""
    trees = []
    for _, nodes in booster.trees_to_dataframe().groupby("tree_index"):
        position = {name: i for i, name in enumerate(nodes["node_index"])}
        left, right = (
            np.array([position.get(child, i) for i, child in enumerate(nodes[side])])
            for side in ("left_child", "right_child")
        )
        feature = [
            int(name.removeprefix("Column_")) if isinstance(name, str) else -1 for name in nodes["split_feature"]
        ]
        threshold, count, value = (nodes[name].to_numpy() for name in ("threshold", "count", "value"))
        trees.append(Tree(feature, threshold, left, right, count, value, lambda x, t: x <= t))
    return trees


def xgboost_trees(booster: Any) -> list[Tree]:
    """Return the trees of an XGBoost booster, from its table of nodes: ``<`` in float32."""
    trees = []
    for _, nodes in booster.trees_to_dataframe().groupby("Tree"):
        position = {name: i for i, name in enumerate(nodes["ID"])}
        left, right = (
            np.array([position.get(child, i) for i, child in enumerate(nodes[side])]) for side in ("Yes", "No")
        )
        feature = [int(name.removeprefix("f")) if name != "Leaf" else -1 for name in nodes["Feature"]]
        threshold, cover, value = (nodes[name].to_numpy() for name in ("Split", "Cover", "Gain"))
        trees.append(Tree(feature, threshold, left, right, cover, value, lambda x, t: np.float32(x) < np.float32(t)))
    return trees
