"""Looks into loaded models of scikit-learn for what compiled code would believe: trees, support vectors, matrices.

Their loops do not check an index. Whoever can write a file could point one outside, with digests that fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import CorruptFileError

_FORESTS = ("sklearn.ensemble._forest", "sklearn.ensemble._gb")
_MOST_OBJECTS = 10_000_000


def check_sound(value: Any, *, name: str) -> None:
    """Raise where some part of a model would lead compiled code outside of its arrays.

    Trees of neighbours are built anew from the rows that they hold, in place.

    Raises
    ------
    CorruptFileError
        With the part.

    """
    try:
        for part in parts_of(value):
            for kind in type(part).__mro__:
                fitted, check = _CHECKS.get(f"{kind.__module__}.{kind.__qualname__}", ("", None))
                if check is not None:
                    # A model that is kept as a pattern for others is not fitted, and has nothing to look at.
                    if not fitted or hasattr(part, fitted):
                        check(part)
                    break
            if type(part).__module__ in _FORESTS:
                _check_members(part)
            if type(part).__module__.startswith("scipy.sparse") and hasattr(part, "check_format"):
                part.check_format(full_check=True)
    except CorruptFileError as error:
        raise CorruptFileError(f"{name} is refused: {error}") from error
    except (AttributeError, ValueError, TypeError, IndexError, KeyError, OverflowError) as error:
        raise CorruptFileError(f"{name} is refused: a part of the model is not whole: {str(error)[:200]}") from error


def parts_of(value: Any) -> Iterator[Any]:
    """Yield an object and all that it holds, each once."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if part is None or isinstance(part, (str, bytes, int, float, type, np.generic)) or id(part) in seen:
            continue
        seen.add(id(part))
        if len(seen) > _MOST_OBJECTS:
            raise CorruptFileError("it holds more objects than any model has")
        if isinstance(part, np.ndarray):
            if part.dtype == object:
                waiting.extend(part.ravel().tolist())
            continue
        if isinstance(part, dict):
            waiting.extend([*part.keys(), *part.values()])
        elif isinstance(part, (list, tuple, set, frozenset)):
            waiting.extend(part)
        waiting.extend(getattr(part, "__dict__", {}).values())
        yield part


def _need(condition: Any, problem: str) -> None:
    if not bool(condition):
        raise CorruptFileError(problem)


def _check_nodes(
    feature: NDArray[Any], left: NDArray[Any], right: NDArray[Any], leaf: NDArray[Any], width: int
) -> None:
    """Hold the nodes of a tree to lie behind their parents, and their features to be there."""
    count = len(feature)
    own = np.arange(count)[~leaf]
    _need(count > 0, "a tree has no nodes")
    children = np.concatenate([left[~leaf], right[~leaf]])
    _need((children > np.tile(own, 2)).all() and (children < count).all(), "a child lies outside of its tree")
    split = feature[~leaf]
    _need((split >= 0).all() and (split < width).all(), f"a tree splits on a feature beyond {width}")


def _check_tree(tree: Any) -> None:
    left, right = np.asarray(tree.children_left).astype(np.int64), np.asarray(tree.children_right).astype(np.int64)
    leaf = left == -1
    _need((right[leaf] == -1).all(), "a leaf has a child")
    _check_nodes(np.asarray(tree.feature), left, right, leaf, int(tree.n_features))


def _check_tree_estimator(estimator: Any) -> None:
    _need(int(estimator.n_features_in_) == int(estimator.tree_.n_features), "a tree has other features than it says")


def _check_members(forest: Any) -> None:
    """Hold the trees of a forest to its number of features: they are walked without being asked."""
    members = np.asarray(getattr(forest, "estimators_", ()), dtype=object).ravel().tolist()
    for member in members:
        _need(int(member.n_features_in_) == int(forest.n_features_in_), "a tree of a forest has other features")


def _check_isolation_forest(forest: Any) -> None:
    whole = int(forest._max_features) == int(forest.n_features_in_)
    for member, columns in zip(forest.estimators_, forest.estimators_features_, strict=True):
        width = int(forest.n_features_in_) if whole else len(columns)
        _need(int(member.n_features_in_) == width, "a tree of an isolation forest has other features")


def _check_histogram(predictor: Any) -> None:
    nodes = np.asarray(predictor.nodes)
    leaf = nodes["is_leaf"].astype(bool)
    width = _check_histogram_width(predictor)
    _check_nodes(
        nodes["feature_idx"].astype(np.int64),
        nodes["left"].astype(np.int64),
        nodes["right"].astype(np.int64),
        leaf,
        width,
    )
    sets = nodes["bitset_idx"].astype(np.int64)[nodes["is_categorical"].astype(bool) & ~leaf]
    for bits in (predictor.raw_left_cat_bitsets, predictor.binned_left_cat_bitsets):
        array = np.asarray(bits)
        _need(array.ndim == 2 and array.shape[1] == 8 and array.dtype == np.uint32, "a set of categories is cut")
        _need(not len(sets) or int(sets.max()) < len(array), "a set of categories lies outside")


def _check_histogram_width(predictor: Any) -> int:
    # The booster that holds it says how many features there are; that is checked with the booster.
    nodes = np.asarray(predictor.nodes)
    split = nodes["feature_idx"][~nodes["is_leaf"].astype(bool)]
    return int(split.max(initial=-1)) + 1


def _check_boosted(model: Any) -> None:
    width = int(model.n_features_in_)
    for stage in model._predictors:
        for predictor in stage:
            _need(_check_histogram_width(predictor) <= width, f"a tree splits on a feature beyond {width}")


def _check_support_vectors(model: Any) -> None:
    """Hold libsvm's arrays to each other's lengths."""
    counts = np.asarray(model._n_support)
    # A regression has one set of vectors, of which libsvm counts both ends.
    n_vectors = int(counts.sum() if hasattr(model, "classes_") else counts[0])
    classes = len(counts) if hasattr(model, "classes_") else 2
    pairs = classes * (classes - 1) // 2
    vectors = model.support_vectors_
    _need((counts >= 0).all() and vectors.shape[0] == n_vectors, "support vectors are missing")
    _need(vectors.shape[1] == model.shape_fit_[1] == model.n_features_in_, "support vectors have other features")
    _need(model._dual_coef_.shape == (classes - 1, n_vectors), "coefficients of support vectors are missing")
    _need(
        np.shape(model._intercept_) == (pairs,) and np.shape(model.support_) == (n_vectors,), "an intercept is missing"
    )
    for probability in (model._probA, model._probB):
        _need(len(probability) in (0, pairs), "parameters of the probabilities are missing")


def _rebuild_neighbours(model: Any) -> None:
    """Replace a tree of neighbours by one that is built from the rows."""
    tree = getattr(model, "_tree", None)
    if tree is None:
        return
    from sklearn.neighbors import BallTree, KDTree

    kinds = {"KDTree": KDTree, "BallTree": BallTree}
    kind = kinds[type(tree).__name__.removesuffix("64").removesuffix("32")]
    model._tree = kind(
        np.asarray(model._fit_X, np.float64), model.leaf_size, metric=model.effective_metric_,
        **model.effective_metric_params_,
    )  # fmt: skip


_CHECKS: dict[str, tuple[str, Callable[[Any], None]]] = {
    "sklearn.tree._tree.Tree": ("", _check_tree),
    "sklearn.tree._classes.BaseDecisionTree": ("tree_", _check_tree_estimator),
    "sklearn.ensemble._iforest.IsolationForest": ("estimators_", _check_isolation_forest),
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor": ("", _check_histogram),
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.BaseHistGradientBoosting": (
        "_predictors",
        _check_boosted,
    ),
    "sklearn.svm._base.BaseLibSVM": ("_n_support", _check_support_vectors),
    "sklearn.neighbors._base.NeighborsBase": ("_fit_X", _rebuild_neighbours),
}
