"""LightGBM's pandas categories as codes, so that its trees are explained without LightGBM and without pandas."""

from __future__ import annotations

from typing import Any

import numpy as np

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.boosters import lightgbm_booster
from explanation_client.explainers.engines import LightGBMEngine
from explanation_client.explainers.inputs import Table
from explanation_client.explainers.tree import TreeExplainer
from explanation_client.scoring.attributors import SumAttributor
from explanation_client.scoring.create import rows_of
from explanation_client.scoring.encoding import Levels
from explanation_client.scoring.sums import Member, TreeSum, prepared
from explanation_client.scoring.tables import plain_scalars

# How far values may be from LightGBM's own, as a share of the largest; both add in float64.
_TOLERANCE = 1e-9
_TRIED_ROWS = 64


def lightgbm_levels(explainer: TreeExplainer, examples: Any) -> SumAttributor | None:
    """Return what explains a LightGBM model of pandas categories by codes; None where it is not the same.

    LightGBM keeps the categories of each column in the model. Values are held to LightGBM's own on some rows.
    """
    if not isinstance(explainer._engine, LightGBMEngine) or explainer._carried:
        return None
    table = rows_of(explainer, examples)
    booster = lightgbm_booster(explainer._model.estimator)
    known = booster.pandas_categorical
    if table is None or not table.is_frame or not known:
        return None
    table = explainer._engineered(table.take(slice(0, _TRIED_ROWS)))
    columns = [j for j, dtype in enumerate(table.data.dtypes) if str(dtype) == "category"]
    made = _made(explainer, booster, columns, known)
    return made if made is not None and _agrees(explainer, made, table) else None


def _made(explainer: TreeExplainer, booster: Any, columns: list[int], known: list[list[Any]]) -> SumAttributor | None:
    from explanation_client.treeshap import TreeEnsemble
    from explanation_client.treeshap import UnsupportedModelError as UnreadableError

    if len(columns) != len(known):
        return None
    try:
        codes = {j: plain_scalars(levels, "a column") for j, levels in zip(columns, known, strict=True)}
        ensemble = TreeEnsemble.from_model(booster)
    except (InvalidArgumentError, UnreadableError):
        return None
    n_outputs = explainer._model.n_outputs
    member = Member(prepared(ensemble), np.arange(ensemble.n_outputs))
    return SumAttributor(
        TreeSum([member], ensemble.n_outputs, explainer._model_schema.n_features),
        n_outputs,
        explainer._model_schema.features,
        Levels(codes),
    )


def _agrees(explainer: TreeExplainer, made: SumAttributor, table: Table) -> bool:
    values, base_values = explainer._attribute(explainer._model.form(table))
    scale = max(float(np.abs(values).max()), float(np.abs(base_values).max()))
    gap = max(np.abs(made.attribute(table) - values).max(), np.abs(made.base_values - base_values).max())
    return bool(gap <= _TOLERANCE * scale)
