"""Tree ensembles as arrays and back; what comes back is checked node by node before compiled code walks it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import CorruptFileError, LimitExceededError
from explanation_client.treeshap.ensemble import Link, OutputSpace, RawTree, TreeEnsemble, assemble
from explanation_client.treeshap.errors import UnsupportedModelError

Array = NDArray[Any]

_FIELDS = {
    "feature": np.int32,
    "threshold": np.float64,
    "left": np.int32,
    "right": np.int32,
    "missing_left": np.bool_,
    "zero_missing": np.bool_,
    "category_start": np.int32,
    "category_words": np.int32,
    "category_bits": np.uint32,
    "cover": np.float64,
    "value": np.float64,
    "tree_start": np.int64,
    "tree_output": np.int32,
    "constant": np.float64,
}
_SPACES = ("margin", "probability", "value", "path length")
_LINKS = ("identity", "logit", "softmax", "one-vs-rest logit", "log", "signed square root", "other")
# Work on a path grows with the cube of its length; trees that are trained stay under a tenth of this.
_MAX_DEPTH = 1000


def ensemble_arrays(ensemble: TreeEnsemble) -> dict[str, Array]:
    """Return the arrays of an ensemble."""
    found = {name: np.asarray(getattr(ensemble, name)) for name in _FIELDS}
    # NaN has no place in JSON.
    return {**found, "missing_value": np.array([ensemble.missing_value])}


def ensemble_document(ensemble: TreeEnsemble) -> dict[str, Any]:
    """Return what else an ensemble is, as JSON can say it."""
    return {
        "n_features": ensemble.n_features,
        "single_precision": ensemble.single_precision,
        "output_space": ensemble.output_space,
        "link": ensemble.link,
        "link_scale": ensemble.link_scale,
        "model_type": ensemble.model_type,
    }


def read_ensemble(arrays: Mapping[str, Array], document: Mapping[str, Any], *, name: str) -> TreeEnsemble:
    """Return the ensemble of arrays that anybody may have made.

    Raises
    ------
    CorruptFileError
        They do not make sound trees: a child outside its tree, a feature that is not there, a value that is no number.
    LimitExceededError
        A path is longer than 1000 splits.

    """
    try:
        _check_arrays(arrays)
        ensemble = assemble(
            _trees(arrays),
            arrays["tree_output"],
            constant=arrays["constant"],
            n_features=int(document["n_features"]),
            single_precision=bool(document["single_precision"]),
            missing_value=float(arrays["missing_value"][0]),
            output_space=cast(OutputSpace, _one_of(document["output_space"], _SPACES)),
            link=cast(Link, _one_of(document["link"], _LINKS)),
            link_scale=float(document["link_scale"]),
            model_type=str(document["model_type"]),
        )
    except (UnsupportedModelError, ValueError, KeyError, TypeError, OverflowError, IndexError) as error:
        raise CorruptFileError(f"{name}: is no sound ensemble of trees: {str(error)[:200]}") from error
    _check_depth(ensemble, name)
    return ensemble


def _check_arrays(arrays: Mapping[str, Array]) -> None:
    if set(arrays) != {*_FIELDS, "missing_value"}:
        raise ValueError(f"arrays {sorted(set(arrays) ^ {*_FIELDS, 'missing_value'})[:5]} are missing, or not known")
    for field, dtype in _FIELDS.items():
        wanted = 2 if field == "value" else 1
        if arrays[field].dtype != dtype or arrays[field].ndim != wanted:
            raise ValueError(f"{field} is of {arrays[field].dtype} and {arrays[field].ndim}-D")
    size = len(arrays["feature"])
    if {len(arrays[field]) for field in _FIELDS if field not in _OTHER_LENGTHS} != {size}:
        raise ValueError("arrays of nodes differ in length")
    start = arrays["tree_start"]
    if not len(start) or start[0] != 0 or start[-1] != size or (np.diff(start) < 1).any():
        raise ValueError("trees do not lie one after the other")
    if len(arrays["tree_output"]) != len(start) - 1 or arrays["missing_value"].shape != (1,):
        raise ValueError("a tree has no output")
    if not np.isfinite(arrays["constant"]).all():
        raise ValueError("a constant is not finite")
    words, begin = arrays["category_words"], arrays["category_start"]
    ends = begin.astype(np.int64) + words
    if (words < 0).any() or (begin < 0).any() or (ends > len(arrays["category_bits"])).any():
        raise ValueError("a set of categories lies outside")


_OTHER_LENGTHS = ("category_bits", "tree_start", "tree_output", "constant")


def _trees(arrays: Mapping[str, Array]) -> list[RawTree]:
    start = arrays["tree_start"].tolist()
    has_sets = bool((arrays["category_words"] > 0).any())
    trees = []
    for first, end in pairwise(start):
        part = {field: arrays[field][first:end] for field in _FIELDS if field not in _OTHER_LENGTHS}
        split = part["feature"] >= 0
        trees.append(
            RawTree(
                feature=part["feature"],
                threshold=part["threshold"],
                left=np.where(split, part["left"].astype(np.int64) - first, -1),
                right=np.where(split, part["right"].astype(np.int64) - first, -1),
                missing_left=part["missing_left"],
                zero_missing=part["zero_missing"],
                cover=part["cover"],
                value=part["value"],
                categories=_sets(arrays, first, end) if has_sets else {},
            )
        )
    return trees


def _sets(arrays: Mapping[str, Array], first: int, end: int) -> dict[int, NDArray[np.uint32]]:
    words = arrays["category_words"][first:end]
    found = {}
    for node in np.flatnonzero(words).tolist():
        begin = int(arrays["category_start"][first + node])
        found[node] = arrays["category_bits"][begin : begin + int(words[node])]
    return found


def _check_depth(ensemble: TreeEnsemble, name: str) -> None:
    """Raise where a path is too long: all trees are gone down at once, a level at a time."""
    level = ensemble.tree_start[:-1]
    for _ in range(_MAX_DEPTH + 1):
        level = level[ensemble.feature[level] >= 0]
        if not len(level):
            return
        level = np.concatenate([ensemble.left[level], ensemble.right[level]]).astype(np.int64)
    raise LimitExceededError(f"{name}: a tree has paths of more than {_MAX_DEPTH} splits: train shallower trees")


def _one_of(value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{str(value)[:40]!r} is none of {', '.join(known)}")
    return str(value)
