"""What a scoring explainer consists of: how rows are read, what explains them, what predicts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.feature_map import FeatureMap
from explanation_client.explainers.inputs import Schema, Table
from explanation_client.info import Task
from explanation_client.scoring.refusals import refusals
from explanation_client.scoring.rows import Inputs

Floats = NDArray[np.float64]


class Attributor(Protocol):
    """Computes importances of rows in the columns of the model."""

    @property
    def base_values(self) -> Floats:
        """Base values (C,)."""
        ...

    def attribute(self, table: Table) -> Floats:
        """Return importances (C, N, E)."""
        ...


class Predictor(Protocol):
    """Says of rows in the columns of the model what the model says."""

    def predict(self, table: Table) -> NDArray[Any]:
        """Return labels or values, (N,)."""
        ...

    def predict_proba(self, table: Table) -> Floats | None:
        """Return class probabilities (N, C), None where the model has none."""
        ...

    def both(self, table: Table) -> tuple[NDArray[Any], Floats | None]:
        """Return labels or values, and probabilities."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringInfo:
    """What a listing shows of a scoring explainer.

    Parameters
    ----------
    id : str
        A UUIDv7.
    created_at : datetime
        In UTC.
    explained_by : str
        Method of the explainer that it was made from, such as ``"shap_tree"``.
    output_space : str
        What importances and base value add up to: ``"log-odds"``, ``"probability"``, ``"value"``.
    model_type : str
        Module and class of the model.
    reason : str, optional
        Why that explainer was chosen.
    notes : tuple of str
        What was done on the way.
    made_with : tuple of (package, version)

    """

    id: str
    created_at: datetime
    explained_by: str
    output_space: str
    model_type: str
    reason: str | None = None
    notes: tuple[str, ...] = ()
    made_with: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Parts:
    """All of a scoring explainer.

    Parameters
    ----------
    info : ScoringInfo
    task : "classification" or "regression"
    outputs : tuple of str
        Names of the C outputs.
    inputs : Inputs
        How rows are read.
    columns : Schema
        The E columns that the model takes, and the names that engineered features have.
    transformation : FeatureMap, optional
        From raw rows to what the model takes, with the shares of the raw features.
    weights : ndarray of float64, shape (R, E), optional
        Shares of raw features in the columns of the model, where rows come in transformed already.
    raw_names : tuple of str, optional
        Names of the R raw features of ``weights``.
    subset : ndarray of int, optional
        Positions of the reported features among those that rows have.
    attributor : Attributor
    predictor : Predictor, optional
        None: made without the model.
    examples : Table
        Rows as they come in, made up or mixed, that a copy is tested with.

    """

    info: ScoringInfo
    task: Task
    outputs: tuple[str, ...]
    inputs: Inputs
    columns: Schema
    transformation: FeatureMap | None = None
    weights: Floats | None = None
    raw_names: tuple[str, ...] | None = None
    subset: NDArray[np.intp] | None = None
    attributor: Attributor
    predictor: Predictor | None
    examples: Table

    @property
    def raw_features(self) -> tuple[str, ...] | None:
        """Names of the features before the transformations, None where none are known."""
        if self.transformation is not None:
            return self.inputs.schema.features
        return self.raw_names

    @property
    def engineered_features(self) -> tuple[str, ...] | None:
        """Names of the features after the transformations, None where there are none."""
        if self.transformation is None:
            return None if self.weights is None else self.inputs.schema.features
        # A model that was trained on names keeps them; otherwise the transformations say what columns are called.
        if self.columns.names is None and self.transformation.engineered_names is not None:
            return self.transformation.engineered_names
        return self.columns.features

    def reported(self, get_raw: bool | None) -> tuple[str, ...]:
        """Return the names of the features that are explained.

        Raises
        ------
        InvalidArgumentError
            They are not known, or the explainer reports a subset of others.

        """
        if get_raw not in (None, True, False):
            raise InvalidArgumentError(f"get_raw={get_raw!r}: True, False or None")
        raw, engineered = self.raw_features, self.engineered_features
        if get_raw is True and raw is None:
            raise InvalidArgumentError(
                "get_raw=True, and there is no map from engineered features to raw ones: make the scoring explainer "
                "from an explainer with transformations=, or with feature_maps=, or leave get_raw out"
            )
        if get_raw is False and self.transformation is not None:
            if self.subset is not None:
                raise InvalidArgumentError(
                    "get_raw=False does not go with explain_subset=, which chooses among the raw features: leave it out"
                )
            assert engineered is not None
            return engineered
        if get_raw is True and self.transformation is None:
            assert raw is not None
            return raw
        names = self.inputs.schema.features
        return names if self.subset is None else tuple(names[i] for i in self.subset)

    def engineer(self, table: Table) -> Table:
        """Return rows in the columns of the model."""
        if self.transformation is None:
            return table
        with refusals("the transformation"):
            return self.columns.align(self.transformation.transform(table))

    def mapped(self, values: Floats, get_raw: bool | None) -> Floats:
        """Return importances of the reported features from those of the columns of the model, (C, N, E)."""
        if self.transformation is not None:
            if get_raw is False:
                return values
            values = self.transformation.to_raw(values)
        elif get_raw is True and self.weights is not None:
            return np.asarray(values @ self.weights.T)
        return values if self.subset is None else np.ascontiguousarray(values[:, :, self.subset])
