"""One plain form for every tree ensemble: arrays of nodes, whatever library grew them.

Conventions
-----------
A node with ``feature[i] >= 0`` is a split. A row goes to ``left[i]`` when

* numeric split: ``x <= threshold[i]``;
* categorical split: the whole part of ``x`` is in the node's set of codes;
* ``x`` is missing: ``missing_left[i]``. NaN is always missing; zero is where ``zero_missing[i]``.

Everything else goes to ``right[i]``. Libraries that compare with ``<``, send set members to the
right or work in single precision are translated by their parser, never by the kernels.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from explanation_client.treeshap.errors import UnsupportedModelError

__all__ = ["ZERO_BAND", "OutputSpace", "RawTree", "TreeEnsemble", "assemble"]

OutputSpace = Literal["margin", "probability", "value", "path length"]
Link = Literal["identity", "logit", "softmax", "one-vs-rest logit", "log", "signed square root", "other"]

ZERO_BAND = float(np.float32(1e-35))
"""Values this close to zero count as zero where a split treats zero as missing."""

# Rows times trees that numpy walks in half a second.
_FEW_WALKS = 1_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class RawTree:
    """One tree as a parser reads it; children are positions in the same tree.

    Attributes
    ----------
    feature : ndarray of int, shape (M,)
        Column that a node splits on; negative for a leaf.
    threshold, cover : ndarray of float, shape (M,)
    left, right : ndarray of int, shape (M,)
    missing_left : ndarray of bool, shape (M,)
    value : ndarray of float, shape (M, V)
        Read at leaves only. V is 1, or the number of outputs.
    zero_missing : ndarray of bool, shape (M,), optional
    categories : dict of int to ndarray of uint32
        For each categorical split the bit set of codes that go left.
    """

    feature: NDArray[Any]
    threshold: NDArray[Any]
    left: NDArray[Any]
    right: NDArray[Any]
    missing_left: NDArray[Any]
    cover: NDArray[Any]
    value: NDArray[Any]
    zero_missing: NDArray[Any] | None = None
    categories: dict[int, NDArray[np.uint32]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TreeEnsemble:
    """A sum of trees and a constant; made by :meth:`from_model` or :func:`assemble`.

    Attributes
    ----------
    feature, left, right : ndarray of int32, shape (M,)
        Nodes of all trees; children are positions in these arrays; leaves have ``feature`` -1.
    threshold, cover : ndarray of float64, shape (M,)
    missing_left, zero_missing : ndarray of bool, shape (M,)
    category_start, category_words : ndarray of int32, shape (M,)
        Where a categorical split's bit set lies in ``category_bits``; 0 words for a numeric one.
    category_bits : ndarray of uint32
    value : ndarray of float64, shape (M, V)
        Leaf values. V is 1, or ``n_outputs``.
    tree_start : ndarray of int64, shape (T + 1,)
        Tree t owns the nodes ``tree_start[t]:tree_start[t + 1]``; the first is its root.
    tree_output : ndarray of int32, shape (T,)
        The output that a tree adds to where V is 1.
    constant : ndarray of float64, shape (C,)
        What is added to the trees' sum.
    single_precision : bool
        Whether the model rounds its inputs to float32 before it compares.
    missing_value : float
        A value that stands for missing besides NaN (NaN: none).
    output_space : {"margin", "probability", "value", "path length"}
    link : str
        How outputs become predictions: with ``link_scale`` s, "logit" is ``1 / (1 + exp(-s m))``.
    model_type : str
        Package and class of the model.
    """

    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    missing_left: NDArray[np.bool_]
    zero_missing: NDArray[np.bool_]
    category_start: NDArray[np.int32]
    category_words: NDArray[np.int32]
    category_bits: NDArray[np.uint32]
    cover: NDArray[np.float64]
    value: NDArray[np.float64]
    tree_start: NDArray[np.int64]
    tree_output: NDArray[np.int32]
    constant: NDArray[np.float64]
    n_features: int
    single_precision: bool = False
    missing_value: float = float("nan")
    output_space: OutputSpace = "value"
    link: Link = "identity"
    link_scale: float = 1.0
    model_type: str = ""

    @classmethod
    def from_model(cls, model: object) -> TreeEnsemble:
        """Return the ensemble of a fitted LightGBM, XGBoost, CatBoost or scikit-learn model.

        Raises
        ------
        UnsupportedModelError
            For anything that can't be read exactly, with the reason.
        """
        from explanation_client.treeshap.parsers import parse

        return parse(model)

    def __repr__(self) -> str:
        return (
            f"TreeEnsemble({self.model_type or 'unnamed'}: {self.n_trees} trees, {self.n_features} features, "
            f"{self.n_outputs} outputs, {self.output_space})"
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Pickle brings arrays back as writable ones.
        self.__dict__.update(state)
        _freeze(self)

    @property
    def n_outputs(self) -> int:
        """Number of outputs C: 1 for regression and for a binary margin."""
        return len(self.constant)

    @property
    def n_trees(self) -> int:
        """Number of trees T."""
        return len(self.tree_output)

    def predict(self, rows: ArrayLike) -> NDArray[np.float64]:
        """Return the raw outputs, shape (N, C) float64, by walking the trees row by row.

        It shares no code with the Shapley kernels: it is what their sums are checked against.
        """
        checked = self.check_rows(rows)
        if len(checked) * self.n_trees <= _FEW_WALKS and f"{__package__}.kernels.predict" not in sys.modules:
            # Done before compiled code would be loaded.
            from explanation_client.treeshap import plain

            return plain.predict(self, checked)
        from explanation_client.treeshap.kernels.predict import predict

        return predict(self, checked)

    def base_values(self, background: ArrayLike | None = None) -> NDArray[np.float64]:
        """Return what the model gives on average, shape (C,) float64.

        Without a background the average is weighted by the cover of the nodes; with one it is
        the mean of :meth:`predict` over its rows.
        """
        if background is not None:
            return np.asarray(self.predict(background).mean(axis=0))
        from explanation_client.treeshap.plain import cover_mean

        return cover_mean(self)

    def check_rows(self, rows: ArrayLike) -> NDArray[Any]:
        """Return rows as a 2-D float array, shape (N, F), or say what is wrong with them.

        Raises
        ------
        ValueError
            If the array isn't 2-D numeric or has another number of columns than the model.
        """
        if not isinstance(rows, np.ndarray):
            rows = _dense(rows)
        array = np.asarray(rows)
        if array.ndim != 2:
            raise ValueError(f"rows must be a 2-D array (N, {self.n_features}), not {array.ndim}-D")
        if array.shape[1] != self.n_features:
            raise ValueError(f"rows have {array.shape[1]} columns, the model has {self.n_features} features")
        if array.dtype in (np.float64, np.float32):
            return array
        try:
            return array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"rows must be numbers, not {array.dtype!s}: encode text and categories first") from error


def _dense(rows: Any) -> NDArray[Any]:
    if hasattr(rows, "toarray"):
        return np.asarray(rows.toarray())
    if hasattr(rows, "to_numpy"):
        # pandas keeps <NA> as an object unless it is told what stands for it.
        try:
            return np.asarray(rows.to_numpy(dtype=np.float64, na_value=np.nan))
        except (TypeError, ValueError) as error:
            raise ValueError(f"rows must be numbers: {error}; encode categories first") from error
    return np.asarray(rows)


def assemble(
    trees: list[RawTree],
    tree_output: ArrayLike,
    *,
    constant: ArrayLike,
    n_features: int,
    single_precision: bool = False,
    missing_value: float = float("nan"),
    output_space: OutputSpace = "value",
    link: Link = "identity",
    link_scale: float = 1.0,
    model_type: str = "",
) -> TreeEnsemble:
    """Return the frozen ensemble of some trees, checked for a sound structure.

    Raises
    ------
    UnsupportedModelError
        If a tree has no nodes, a child outside its tree or with two parents, or a feature that
        the model doesn't have; if values or covers are not numbers.
    """
    outputs = np.asarray(constant, dtype=np.float64).reshape(-1)
    width = trees[0].value.shape[1] if trees else 1
    targets = _targets(tree_output, len(trees), len(outputs), width)
    for number, tree in enumerate(trees):
        _check_tree(number, tree, n_features, width)
    sizes = [len(tree.feature) for tree in trees]
    start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    split = _join([tree.feature >= 0 for tree in trees], np.bool_)
    shift = np.repeat(start[:-1], sizes)
    begin, words, bits = _join_categories(trees, start)
    no_zero = [np.zeros(size, dtype=np.bool_) for size in sizes]
    zero = [no if tree.zero_missing is None else tree.zero_missing for tree, no in zip(trees, no_zero, strict=True)]
    left = _join([tree.left for tree in trees], np.int64)
    right = _join([tree.right for tree in trees], np.int64)
    ensemble = TreeEnsemble(
        feature=np.where(split, _join([tree.feature for tree in trees], np.int32), np.int32(-1)),
        threshold=_join([tree.threshold for tree in trees], np.float64),
        left=np.where(split, left + shift, -1).astype(np.int32),
        right=np.where(split, right + shift, -1).astype(np.int32),
        missing_left=_join([tree.missing_left for tree in trees], np.bool_),
        zero_missing=_join(zero, np.bool_),
        category_start=begin,
        category_words=words,
        category_bits=bits,
        cover=_join([tree.cover for tree in trees], np.float64),
        value=np.ascontiguousarray(
            np.concatenate([tree.value for tree in trees], dtype=np.float64) if trees else np.zeros((0, 1))
        ),
        tree_start=start,
        tree_output=targets,
        constant=outputs,
        n_features=int(n_features),
        single_precision=single_precision,
        missing_value=missing_value,
        output_space=output_space,
        link=link,
        link_scale=link_scale,
        model_type=model_type,
    )
    _freeze(ensemble)
    return ensemble


def _targets(tree_output: ArrayLike, trees: int, outputs: int, width: int) -> NDArray[np.int32]:
    """Return the output of each tree; 0 where the leaves hold all outputs."""
    if width not in (1, outputs):
        raise UnsupportedModelError(f"leaves hold {width} values for {outputs} outputs")
    targets = np.array(tree_output, dtype=np.int32).reshape(-1)
    if width > 1:
        targets[:] = 0
    if len(targets) != trees or (trees and not 0 <= targets.min() <= targets.max() < outputs):
        raise UnsupportedModelError(f"trees that add to an output beyond the {outputs} there are")
    return targets


def _freeze(ensemble: TreeEnsemble) -> None:
    for array in vars(ensemble).values():
        if isinstance(array, np.ndarray):
            array.flags.writeable = False


def _join(parts: list[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    if not parts:
        return np.zeros(0, dtype=dtype)
    return np.concatenate([np.asarray(part).reshape(-1) for part in parts]).astype(dtype)


def _join_categories(
    trees: list[RawTree], start: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint32]]:
    begin = np.zeros(int(start[-1]), dtype=np.int32)
    words = np.zeros(int(start[-1]), dtype=np.int32)
    parts: list[NDArray[np.uint32]] = []
    filled = 0
    for number, tree in enumerate(trees):
        for node, bits in tree.categories.items():
            # An empty set still needs a word: no words would mean a numeric split.
            stored = bits if len(bits) else np.zeros(1, dtype=np.uint32)
            begin[start[number] + node] = filled
            words[start[number] + node] = len(stored)
            parts.append(stored)
            filled += len(stored)
    return begin, words, _join(parts, np.uint32)


def _check_tree(number: int, tree: RawTree, n_features: int, width: int) -> None:
    size = len(tree.feature)
    split = np.flatnonzero(np.asarray(tree.feature) >= 0)
    children = np.concatenate([np.asarray(tree.left)[split], np.asarray(tree.right)[split]])
    if size == 0:
        raise UnsupportedModelError(f"tree {number} has no nodes")
    # One parent each and none for the root: whatever the root reaches is then a tree.
    if len(children) and (children.min() < 1 or children.max() >= size or np.bincount(children).max() > 1):
        raise UnsupportedModelError(f"tree {number}: its children do not form a tree")
    if len(split) and int(np.asarray(tree.feature)[split].max()) >= n_features:
        raise UnsupportedModelError(f"tree {number} splits on a feature beyond {n_features}")
    if tree.value.shape != (size, width):
        raise UnsupportedModelError(f"tree {number} holds values of shape {tree.value.shape}, not {(size, width)}")
    leaves = np.delete(np.arange(size), split)
    if not np.isfinite(tree.value[leaves]).all():
        raise UnsupportedModelError(f"tree {number} has a leaf value that is not finite")
    if not np.isfinite(tree.cover).all() or np.min(tree.cover) < 0:
        raise UnsupportedModelError(f"tree {number} has a cover that is negative or not finite")
    if np.isnan(np.asarray(tree.threshold, dtype=np.float64)[split]).any():
        raise UnsupportedModelError(f"tree {number} has a threshold that is not a number")
