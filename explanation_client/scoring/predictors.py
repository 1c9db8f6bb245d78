"""What predicts for a scoring explainer: the sums that its importances add up to, or the model itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from explanation_client.explainers.inputs import Table
from explanation_client.explainers.links import find_link
from explanation_client.explainers.model import Model
from explanation_client.scoring.attributors import SumAttributor
from explanation_client.scoring.refusals import refusals

if TYPE_CHECKING:
    from explanation_client.treeshap.ensemble import Link

Floats = NDArray[np.float64]
Rule = Literal["value", "probability", "margin", "link"]

# How far predictions from sums may be from the model's own: XGBoost adds in float32.
TOLERANCE = 1e-5
# Probabilities that are equal but for rounding are a tie, which the first class wins.
_TIE = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class SumPredictor:
    """Predictions from the raw outputs of trees or coefficients.

    Parameters
    ----------
    attributor : SumAttributor
    labels : ndarray of shape (C,), optional
        The model's labels. None: a regression.
    rule : "value", "probability", "margin" or "link"
        What the raw outputs are: values of a regression (through the link), probabilities, margins of a classifier
        without probabilities, or margins with them (through the link).
    link : str
    scale : float

    """

    attributor: SumAttributor
    labels: NDArray[Any] | None
    rule: Rule
    link: Link = "identity"
    scale: float = 1.0

    def predict(self, table: Table) -> NDArray[Any]:
        """Return labels or values, (N,)."""
        return self.both(table)[0]

    def predict_proba(self, table: Table) -> Floats | None:
        """Return class probabilities (N, C), None of a regression or a classifier without any."""
        return self.both(table)[1]

    def both(self, table: Table) -> tuple[NDArray[Any], Floats | None]:
        """Return labels or values, and probabilities."""
        from explanation_client.treeshap.probability import inverse_link

        raw = self.attributor.outputs(table)
        if self.labels is None:
            return inverse_link(raw[:, 0], link=self.link, scale=self.scale), None
        if self.rule == "margin":
            return self.labels[_winners(raw)], None
        if self.rule == "probability":
            return self.labels[_winners(raw)], raw
        margins = np.column_stack([-raw, raw]) if raw.shape[1] == 1 else raw
        probabilities = inverse_link(margins.T, link=self.link, scale=self.scale).T
        return self.labels[_winners(raw)], np.ascontiguousarray(probabilities)


@dataclass(frozen=True, slots=True, eq=False)
class ModelPredictor:
    """Predictions of the model itself.

    Parameters
    ----------
    model : Model
    labels : ndarray of shape (C,), optional
        Labels in place of those that the model gives: a booster knows positions only.

    """

    model: Model
    labels: NDArray[Any] | None = None

    def predict(self, table: Table) -> NDArray[Any]:
        """Return labels or values, (N,)."""
        with refusals(self.model.short_name):
            found = self.model.predict(self.model.form(table))
        assert found is not None
        return found if self.labels is None else self.labels[np.asarray(found, np.intp)]

    def predict_proba(self, table: Table) -> Floats | None:
        """Return class probabilities (N, C), None where the model has none."""
        with refusals(self.model.short_name):
            found = self.model.predict_proba(self.model.form(table))
        return None if found is None else np.asarray(found, np.float64)

    def both(self, table: Table) -> tuple[NDArray[Any], Floats | None]:
        """Return labels or values, and probabilities."""
        return self.predict(table), self.predict_proba(table)


def sum_predictor(attributor: SumAttributor, model: Model, table: Table) -> SumPredictor | None:
    """Return a predictor that says of some rows what the model says, from the sums alone; None where none does.

    Parameters
    ----------
    attributor : SumAttributor
        Whose sums are those of the model, and not of a surrogate.
    model : Model
    table : Table
        Rows in the columns of the model.

    """
    rows = model.form(table)
    said, probabilities = model.predict(rows), model.predict_proba(rows)
    if said is None:
        return None
    labels = None if model.task == "regression" else np.asarray(model.estimator.classes_)
    for candidate in _candidates(attributor, labels, table, probabilities):
        found, found_probabilities = candidate.both(table)
        if _same(found, said) and _near(found_probabilities, probabilities):
            return candidate
    return None


def _candidates(
    attributor: SumAttributor, labels: NDArray[Any] | None, table: Table, probabilities: Floats | None
) -> list[SumPredictor]:
    if labels is None:
        links: tuple[Link, ...] = ("identity", "log", "logit")
        return [SumPredictor(attributor, None, "value", link) for link in links]
    if probabilities is None:
        return [SumPredictor(attributor, labels, "margin")]
    raw = attributor.outputs(table)
    if raw.shape == probabilities.shape and np.abs(raw - probabilities).max() <= TOLERANCE:
        return [SumPredictor(attributor, labels, "probability")]
    found = find_link(np.column_stack([-raw, raw]) if raw.shape[1] == 1 else raw, probabilities)
    return [] if found is None else [SumPredictor(attributor, labels, "link", *found)]


def _winners(raw: Floats) -> NDArray[np.intp]:
    """Return the positions of the classes that have the most, the first of those that are equal."""
    if raw.shape[1] == 1:
        return (raw[:, 0] > 0.0).astype(np.intp)
    highest = raw.max(axis=1, keepdims=True)
    return np.asarray((raw >= highest - _TIE * np.maximum(1.0, np.abs(highest))).argmax(axis=1))


def _near(found: Floats | None, said: Floats | None) -> bool:
    if found is None or said is None:
        return found is said
    return bool(np.abs(found - said).max() <= TOLERANCE)


def _same(found: NDArray[Any], said: NDArray[Any]) -> bool:
    if said.dtype.kind in "f" and found.dtype.kind in "f":
        scale = max(1.0, float(np.abs(said).max(initial=0.0)))
        return bool((np.abs(found - said) <= TOLERANCE * scale).all())
    return bool(np.array_equal(found, said))
