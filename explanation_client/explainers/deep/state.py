"""What a DeepExplainer is made of, so that another process can make it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.explainers.deep.engines import DEEPLIFT
from explanation_client.explainers.deep.explainer import DeepExplainer
from explanation_client.explainers.inputs import Table
from explanation_client.explainers.model import PROBABILITY, VALUE
from explanation_client.info import Task


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DeepState:
    """All of a DeepExplainer of the model's own columns.

    Parameters
    ----------
    model : object
        The network, or the estimator that holds it, as it was given.
    background : ndarray of shape (B, F)
        The few rows that the initialization examples became, as the network takes them.
    weights : ndarray of float64, shape (B,)
        Of the background rows, adding up to 1.
    features : tuple of str
        Names of the F columns.
    task : "classification" or "regression"
    classes : tuple of str, optional
        Names of the classes, None of a regression.
    method : "gradients" or "deeplift"
    shap_values_output : "default", "probability" or "margin"
    broken_paths : bool
    seed : int

    """

    model: Any
    background: NDArray[Any]
    weights: NDArray[np.float64]
    features: tuple[str, ...]
    task: Task
    classes: tuple[str, ...] | None
    method: str
    shap_values_output: str
    broken_paths: bool
    seed: int


def state_of(explainer: DeepExplainer) -> DeepState:
    """Return what an explainer is made of; without its transformations, which are another's to keep."""
    return DeepState(
        model=explainer.model,
        background=explainer._network.numbers(explainer._summary.data),
        weights=explainer._reference.weights,
        features=explainer._model_schema.features,
        task=explainer._model.task,
        classes=explainer.classes,
        method="deeplift" if explainer.method == DEEPLIFT else "gradients",
        shap_values_output={PROBABILITY: "probability", VALUE: "default"}.get(explainer._output_space, "margin"),
        broken_paths=explainer._broken,
        seed=explainer._seed,
    )


def explainer_of(state: DeepState, *, show_progress: bool | None = None) -> DeepExplainer:
    """Return the explainer that a state was taken from: its values are the same, and its rows the model's columns.

    Raises
    ------
    UnsupportedModelError
        The model is not what it was.

    """
    return DeepExplainer(
        state.model,
        Table(state.background, weights=state.weights),
        nclusters=len(state.background),
        features=state.features,
        classes=state.classes,
        model_task=state.task,
        method=state.method,
        shap_values_output=state.shap_values_output,
        broken_paths=state.broken_paths,
        seed=state.seed,
        show_progress=show_progress,
    )
