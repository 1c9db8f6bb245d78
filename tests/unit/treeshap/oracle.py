"""Shapley values straight from their definition, and random ensembles to try them on.

Nothing here is shared with the kernels: the games are evaluated coalition by coalition, by a
recursion over the nodes, and the sums run over all coalitions.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import factorial

import numpy as np
from numpy.typing import NDArray

from explanation_client.treeshap.ensemble import ZERO_BAND, RawTree, TreeEnsemble, assemble

Floats = NDArray[np.float64]
Game = Callable[[frozenset[int]], Floats]

# Few values, so that rows meet thresholds exactly; some are not float32 numbers, and two differ
# by less than a float32 can tell.
POOL = np.array([-1.5, -0.1, 0.0, 1e-40, 0.1, 1.0, 1.0 + 1e-9, 2.0, 3.0, 7.0, 33.0])


def goes_left(ensemble: TreeEnsemble, node: int, x: float) -> bool:
    """Whether a value goes left, as the docstring of ``TreeEnsemble`` has it."""
    if ensemble.single_precision:
        x = float(np.float32(x))
    if x != x or x == ensemble.missing_value:
        return bool(ensemble.missing_left[node])
    if ensemble.zero_missing[node] and abs(x) <= ZERO_BAND:
        return bool(ensemble.missing_left[node])
    words = int(ensemble.category_words[node])
    if not words:
        return bool(x <= ensemble.threshold[node])
    start = int(ensemble.category_start[node])
    codes = {
        32 * word + bit
        for word in range(words)
        for bit in range(32)
        if int(ensemble.category_bits[start + word]) >> bit & 1
    }
    return x > -1.0 and int(x) in codes


def expectation(ensemble: TreeEnsemble, row: Floats, known: frozenset[int]) -> Floats:
    """What the model gives on average, knowing some features; the rest goes by cover."""
    total = ensemble.constant.copy()

    def visit(tree: int, node: int, weight: float) -> None:
        feature = int(ensemble.feature[node])
        if feature < 0:
            if ensemble.value.shape[1] == 1:
                total[ensemble.tree_output[tree]] += weight * ensemble.value[node, 0]
            else:
                total[:] += weight * ensemble.value[node]
            return
        left, right = int(ensemble.left[node]), int(ensemble.right[node])
        if feature in known:
            visit(tree, left if goes_left(ensemble, node, row[feature]) else right, weight)
            return
        cover = float(ensemble.cover[node])
        for child in (left, right):
            visit(tree, child, weight * (ensemble.cover[child] / cover if cover > 0 else 0.5))

    for tree in range(ensemble.n_trees):
        visit(tree, int(ensemble.tree_start[tree]), 1.0)
    return total


def path_dependent_game(ensemble: TreeEnsemble, row: Floats) -> Game:
    """The game of values without a background."""
    return lambda known: expectation(ensemble, row, known)


def interventional_game(ensemble: TreeEnsemble, row: Floats, background: Floats) -> Game:
    """The game of values with a background: rows are mixed, the outputs averaged."""

    def game(known: frozenset[int]) -> Floats:
        everything = frozenset(range(ensemble.n_features))
        mixed = background.copy()
        mixed[:, sorted(known)] = row[sorted(known)]
        return np.asarray(np.mean([expectation(ensemble, z, everything) for z in mixed], axis=0))

    return game


def _cached(game: Game, n_features: int) -> dict[frozenset[int], Floats]:
    return {
        frozenset(members): game(frozenset(members))
        for size in range(n_features + 1)
        for members in combinations(range(n_features), size)
    }


def shapley_values(game: Game, n_features: int) -> Floats:
    """Shapley values of a game, shape (C, F)."""
    worth = _cached(game, n_features)
    values = np.zeros((len(worth[frozenset()]), n_features))
    for members, before in worth.items():
        for player in set(range(n_features)) - members:
            weight = factorial(len(members)) * factorial(n_features - len(members) - 1)
            gain = worth[members | {player}] - before
            values[:, player] += weight / factorial(n_features) * gain
    return values


def interaction_values(game: Game, n_features: int) -> Floats:
    """Shapley interaction values, shape (C, F, F): halves off the diagonal, rows sum to phi."""
    worth = _cached(game, n_features)
    values = np.zeros((len(worth[frozenset()]), n_features, n_features))
    for i, j in combinations(range(n_features), 2):
        for members, before in worth.items():
            if i in members or j in members:
                continue
            weight = factorial(len(members)) * factorial(n_features - len(members) - 2)
            both = worth[members | {i, j}] - worth[members | {i}] - worth[members | {j}] + before
            part = weight / factorial(n_features - 1) * both / 2.0
            values[:, i, j] += part
            values[:, j, i] += part
    rest = shapley_values(game, n_features) - values.sum(axis=2)
    for i in range(n_features):
        values[:, i, i] = rest[:, i]
    return values


def random_tree(rng: np.random.Generator, n_features: int, depth: int, width: int) -> RawTree:
    """A tree of random shape: features repeat on a path, covers may be 0 or not add up."""
    rows: list[dict[str, object]] = []
    adds_up = rng.random() < 0.5

    def grow(level: int, cover: float) -> int:
        here = len(rows)
        rows.append({"feature": -1, "left": -1, "right": -1, "cover": cover})
        if level < depth and rng.random() < 0.85:
            share = float(rng.choice([0.0, 0.25, 0.5, 0.9]))
            parts = (cover * share, cover * (1 - share))
            if not adds_up:
                parts = (float(rng.integers(0, 9)), float(rng.integers(0, 9)))
            rows[here]["feature"] = int(rng.integers(n_features))
            rows[here]["left"] = grow(level + 1, parts[0])
            rows[here]["right"] = grow(level + 1, parts[1])
        return here

    grow(0, 40.0)
    size = len(rows)
    feature = np.array([row["feature"] for row in rows])
    categorical = [node for node in range(size) if feature[node] >= 0 and rng.random() < 0.2]
    return RawTree(
        feature=feature,
        threshold=rng.choice(POOL, size),
        left=np.array([row["left"] for row in rows]),
        right=np.array([row["right"] for row in rows]),
        missing_left=rng.random(size) < 0.5,
        zero_missing=rng.random(size) < 0.2,
        cover=np.array([row["cover"] for row in rows], dtype=np.float64),
        value=rng.normal(size=(size, width)),
        categories={node: rng.integers(0, 256, int(rng.integers(0, 3))).astype(np.uint32) for node in categorical},
    )


def random_ensemble(rng: np.random.Generator, n_features: int, *, trees: int = 2, depth: int = 4) -> TreeEnsemble:
    """A sum of random trees; one output, several by tree, or several in each leaf."""
    outputs = int(rng.integers(1, 4))
    width = outputs if rng.random() < 0.5 else 1
    grown = [random_tree(rng, n_features, depth, width) for _ in range(trees)]
    if width > 1 and rng.random() < 0.5:
        # Class probabilities: every leaf adds up to the same.
        grown = [RawTree(**{**vars(tree), "value": rng.dirichlet(np.ones(width), len(tree.feature))}) for tree in grown]
    return assemble(
        grown,
        rng.integers(0, outputs, trees),
        constant=rng.normal(size=outputs),
        n_features=n_features,
        single_precision=bool(rng.random() < 0.5),
        missing_value=float(rng.choice([np.nan, 7.0])),
    )


def random_rows(rng: np.random.Generator, count: int, n_features: int) -> Floats:
    """Rows on and between the thresholds, some of them missing."""
    rows = rng.choice(np.concatenate([POOL, [np.nan, -2.0, 0.5, 5.0]]), (count, n_features))
    return np.where(rng.random(rows.shape) < 0.2, rng.normal(size=rows.shape), rows)
