"""Reads scikit-learn's trees, forests, gradient boosting and isolation forests.

These models round their inputs to float32 and compare ``x <= threshold`` with thresholds in
double precision. Histogram gradient boosting has a form of its own: ``histogram.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.treeshap.ensemble import Link, RawTree, TreeEnsemble, assemble
from explanation_client.treeshap.errors import UnsupportedModelError

__all__ = ["parse"]

_EULER_GAMMA = 0.5772156649015329


def parse(model: Any, class_name: str) -> TreeEnsemble:
    """Return the ensemble of a fitted scikit-learn model.

    Parameters
    ----------
    model : fitted estimator
    class_name : str
        Name of the scikit-learn class that the model is, or derives from.

    Raises
    ------
    UnsupportedModelError
        For other classes, models without a fit, several targets of classes, and boosting that
        starts from an estimator of the caller's.
    """
    reader = _READERS.get(class_name)
    if reader is None:
        raise UnsupportedModelError(f"no reader knows scikit-learn's {class_name}")
    if not any(hasattr(model, name) for name in ("tree_", "estimators_", "_predictors")):
        raise UnsupportedModelError(f"{class_name} is not fitted")
    return reader(model)


def _name(model: Any) -> str:
    return f"sklearn.{type(model).__name__}"


def _nodes(tree: Any, value: NDArray[np.float64], columns: NDArray[Any] | None = None) -> RawTree:
    """Return a ``sklearn.tree._tree.Tree`` with the given node values, shape (M, V)."""
    feature = np.asarray(tree.feature)
    leaf = np.asarray(tree.children_left) == -1
    if columns is not None:
        feature = columns[np.maximum(feature, 0)]
    missing_left = getattr(tree, "missing_go_to_left", None)
    return RawTree(
        feature=np.where(leaf, -1, feature),
        threshold=tree.threshold,
        left=tree.children_left,
        right=tree.children_right,
        missing_left=np.zeros(len(leaf)) if missing_left is None else missing_left,
        cover=tree.weighted_n_node_samples,
        value=np.ascontiguousarray(value, dtype=np.float64),
    )


def _forest(model: Any) -> TreeEnsemble:
    """Return a tree, or the mean of a forest's trees; probabilities for classifiers."""
    members = [model] if hasattr(model, "tree_") else model.estimators_
    classes = getattr(model, "classes_", None)
    share = 1.0 / len(members)
    trees = []
    for member in members:
        value = np.asarray(member.tree_.value)
        if classes is None:
            outputs = value[:, :, 0]
        elif model.n_outputs_ == 1:
            outputs = value[:, 0, :] / value[:, 0, :].sum(axis=1, keepdims=True)
        else:
            raise UnsupportedModelError(f"{_name(model)} with several targets of classes")
        trees.append(_nodes(member.tree_, outputs * share))
    return assemble(
        trees,
        np.zeros(len(trees)),
        constant=np.zeros(trees[0].value.shape[1]),
        n_features=model.n_features_in_,
        single_precision=True,
        output_space="value" if classes is None else "probability",
        model_type=_name(model),
    )


def _gradient_boosting(model: Any) -> TreeEnsemble:
    if model.init_ != "zero" and type(model.init_).__name__ not in (
        "DummyClassifier",
        "DummyRegressor",
    ):
        raise UnsupportedModelError(f"{_name(model)} starts from {type(model.init_).__name__}, which is not a constant")
    # The start is the same for every row, so that any row will do.
    row = np.zeros((1, model.n_features_in_), dtype=np.float32)
    constant = np.asarray(model._raw_predict_init(row), dtype=np.float64)[0]
    trees = [
        _nodes(member.tree_, np.asarray(member.tree_.value)[:, :, 0] * model.learning_rate)
        for member in model.estimators_.ravel()
    ]
    classifier = hasattr(model, "classes_")
    link: Link = "identity"
    if classifier:
        link = "logit" if len(constant) == 1 else "softmax"
    return assemble(
        trees,
        np.arange(len(trees)) % len(constant),
        constant=constant,
        n_features=model.n_features_in_,
        single_precision=True,
        output_space="margin" if classifier else "value",
        link=link,
        # The exponential loss is fitted to half the log odds.
        link_scale=2.0 if getattr(model, "loss", "") == "exponential" else 1.0,
        model_type=_name(model),
    )


def _histogram(model: Any) -> TreeEnsemble:
    from explanation_client.treeshap.parsers.histogram import parse as parse_histogram

    return parse_histogram(model)


def _isolation_forest(model: Any) -> TreeEnsemble:
    """Return the mean path length, which anomaly scores fall with."""
    share = 1.0 / len(model.estimators_)
    trees = []
    for member, columns in zip(model.estimators_, model.estimators_features_, strict=True):
        tree = member.tree_
        depth = _depths(np.asarray(tree.children_left), np.asarray(tree.children_right))
        length = depth + _expected_depth(np.asarray(tree.n_node_samples))
        trees.append(_nodes(tree, (length * share).reshape(-1, 1), np.asarray(columns)))
    return assemble(
        trees,
        np.zeros(len(trees)),
        constant=np.zeros(1),
        n_features=model.n_features_in_,
        single_precision=True,
        output_space="path length",
        model_type=_name(model),
    )


def _depths(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.float64]:
    depth = np.zeros(len(left))
    level = np.array([0])
    while len(level):
        level = level[left[level] >= 0]
        below = np.concatenate([left[level], right[level]])
        depth[below] = np.tile(depth[level], 2) + 1.0
        level = below
    return depth


def _expected_depth(samples: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean depth of a search in a random tree over that many samples (Liu 2008)."""
    count = np.asarray(samples, dtype=np.float64)
    many = np.maximum(count, 3.0)
    mean = 2.0 * (np.log(many - 1.0) + _EULER_GAMMA) - 2.0 * (many - 1.0) / many
    return np.where(count <= 1, 0.0, np.where(count == 2, 1.0, mean))


_READERS: dict[str, Callable[[Any], TreeEnsemble]] = {
    "DecisionTreeClassifier": _forest,
    "DecisionTreeRegressor": _forest,
    "ExtraTreeClassifier": _forest,
    "ExtraTreeRegressor": _forest,
    "RandomForestClassifier": _forest,
    "RandomForestRegressor": _forest,
    "ExtraTreesClassifier": _forest,
    "ExtraTreesRegressor": _forest,
    "GradientBoostingClassifier": _gradient_boosting,
    "GradientBoostingRegressor": _gradient_boosting,
    "HistGradientBoostingClassifier": _histogram,
    "HistGradientBoostingRegressor": _histogram,
    "IsolationForest": _isolation_forest,
}
