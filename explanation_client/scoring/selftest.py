"""What a copy of a scoring explainer is held to: a few rows, with what the original said of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import CorruptFileError, StoredDataError
from explanation_client.scoring.arrays import pack_arrays, unpack_arrays
from explanation_client.scoring.attributors import SumAttributor
from explanation_client.scoring.base import Score, ScoringExplainer
from explanation_client.scoring.predictors import ModelPredictor
from explanation_client.scoring.tables import pack_table

Array = NDArray[Any]

# Shares of the largest value. Sums of float64 differ in the last digits where a processor adds in another order;
# models of float32 in the seventh.
_OF_SUMS, _OF_MODELS = 1e-9, 1e-5
LOOSEST = 1e-3


class NotReproducedError(StoredDataError):
    """A loaded scoring explainer does not say of some rows what the saved one did."""


def pack_selftest(scoring_explainer: ScoringExplainer) -> tuple[dict[str, Any], list[tuple[str, str, bytes]]]:
    """Return the description of a self-test, and its files as (role, suffix, bytes)."""
    parts = scoring_explainer._parts
    document, suffix, data = pack_table(parts.examples, "the example rows")
    exact = isinstance(parts.attributor, SumAttributor) and parts.attributor.output != "teacher probability"
    expected = pack_arrays(_said(scoring_explainer, scoring_explainer.score(parts.examples.data)))
    tolerance = _OF_SUMS if exact else _OF_MODELS
    return {"table": document, "tolerance": tolerance}, [("examples", suffix, data), ("expected", "npz", expected)]


def replay(scoring_explainer: ScoringExplainer, expected: bytes, tolerance: float, *, name: str) -> None:
    """Raise unless a scoring explainer says of its example rows what was expected, of many at once and of one.

    Raises
    ------
    NotReproducedError
        It says something else.
    CorruptFileError
        What was expected is no set of arrays.

    """
    wanted = unpack_arrays(expected, name=name)
    rows = scoring_explainer._parts.examples
    found = _said(scoring_explainer, scoring_explainer.score(rows.data))
    if set(wanted) != set(found):
        raise CorruptFileError(f"{name}: holds {sorted(wanted)}, expected {sorted(found)}")
    for key, value in found.items():
        _hold(key, value, wanted[key], tolerance)
    if not isinstance(scoring_explainer._parts.attributor, SumAttributor):
        # Others explain row by row; trees have a loop of their own for few rows.
        return
    first = rows.take(slice(0, 1)).data
    _hold("values of a single row", scoring_explainer.explain(first), found["values"][..., :1, :], tolerance)


def _said(scoring_explainer: ScoringExplainer, score: Score) -> dict[str, Array]:
    """Return what is said of rows, as numbers."""
    said: dict[str, Array] = {"values": score.values, "expected_values": score.expected_values}
    if score.probabilities is not None:
        said["probabilities"] = score.probabilities
    if score.predictions is not None:
        said["predictions"] = score.predictions
        if score.predictions.dtype.kind not in "biuf":
            positions = {label: i for i, label in enumerate(_labels(scoring_explainer))}
            said["predictions"] = np.array([positions[label] for label in score.predictions.tolist()])
    return said


def _labels(scoring_explainer: ScoringExplainer) -> list[Any]:
    """Return the labels that predictions are of."""
    parts = scoring_explainer._parts
    labels = getattr(parts.predictor, "labels", None)
    if labels is None and isinstance(parts.predictor, ModelPredictor):
        labels = getattr(parts.predictor.model.estimator, "classes_", None)
    return list(parts.outputs) if labels is None else list(np.asarray(labels).tolist())


def _hold(what: str, found: Array, wanted: Array, tolerance: float) -> None:
    if found.shape != wanted.shape:
        raise NotReproducedError(f"the self-test gives {what} of shape {found.shape}, expected {wanted.shape}")
    scale = float(np.abs(wanted).max(initial=0.0))
    gap = float(np.abs(np.asarray(found, np.float64) - wanted).max(initial=0.0))
    if not gap <= tolerance * scale + 1e-300:
        raise NotReproducedError(
            f"the self-test misses what was saved: {what} by up to {gap:.3g}, accepted are {tolerance * scale:.3g}. "
            "It was changed, or a package computes something else in this version"
        )
