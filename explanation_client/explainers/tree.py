"""TreeExplainer: exact Shapley values of trees, forests and boosted trees."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers.base import Explainer
from explanation_client.explainers.dispatch import TABLE, find_entry
from explanation_client.explainers.engines import TreeEngine, tree_engine


class TreeExplainer(Explainer):
    """Exact Shapley values of tree models: scikit-learn, LightGBM, XGBoost, CatBoost.

    Values are path-dependent (Lundberg et al. 2020): a feature that is missing follows the branches in the
    proportions of the training data, so that no initialization examples are needed. With
    ``feature_perturbation="interventional"`` it takes the values that the initialization examples have instead.

    Values add up to the model's raw output: log-odds or margins of boosted classifiers, probabilities of trees and
    forests, values of regressors, the mean path length of isolation forests.

    Parameters
    ----------
    model : object
        A trained tree model, or a booster of LightGBM or XGBoost.
    initialization_examples : table of shape (B, F), optional
        Background data of interventional values; otherwise used for the names of columns only.
    features : sequence of str, optional
        Names of the F features. None: those of the initialization examples or the model.
    classes : sequence of str, optional
        Names of the classes, in the order of the model's outputs. None: the model's labels.
    explain_subset : sequence of int, optional
        Positions of the columns to explain. Values are the same as without it; the other columns are not reported.
    transformations : object with ``transform``, or list of (columns, transformer), optional
        Fitted, from raw rows to what the model takes. All rows are then raw, and raw features are explained.
    allow_all_transformations : bool
        Share the importance of an engineered column that comes from several raw ones equally among them.
    model_task : "classification", "regression" or "unknown"
    show_progress : bool, optional
        None: a bar appears on a terminal or in a notebook, when work takes longer than half a second.
    feature_perturbation : "tree_path_dependent" or "interventional"
        What a missing feature is replaced by.

    Raises
    ------
    UnsupportedModelError
        The model is none of these, has several targets, or has settings that the tree kernel does not read.
    InvalidArgumentError
        An argument does not fit the model.

    """

    method = "shap_tree"

    def __init__(
        self,
        model: Any,
        initialization_examples: Any = None,
        *,
        features: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        explain_subset: Sequence[int] | None = None,
        transformations: Any = None,
        allow_all_transformations: bool = False,
        model_task: str = "unknown",
        show_progress: bool | None = None,
        feature_perturbation: str = "tree_path_dependent",
    ) -> None:
        super().__init__(
            model,
            initialization_examples,
            features=features,
            classes=classes,
            explain_subset=explain_subset,
            transformations=transformations,
            allow_all_transformations=allow_all_transformations,
            model_task=model_task,
            show_progress=show_progress,
        )
        entry = find_entry(self._model.origin)
        if entry is None or entry.kind != "tree":
            known = ", ".join(f"{e.package}.{e.name}" for e in TABLE if e.kind == "tree")
            raise UnsupportedModelError(f"{self._model.short_name} is no tree model that is known here: {known}")
        n_targets = int(getattr(self._model.estimator, "n_outputs_", 1))
        if n_targets > 1:
            raise UnsupportedModelError(
                f"{self._model.short_name} has {n_targets} targets: train a model for each, or explain a function that "
                "returns one of them"
            )
        self._engine = self._make_engine(entry.package, feature_perturbation)
        self.packages = self._engine.packages
        self.how = f"exact values from {self._engine.description}"

    def _make_engine(self, package: str, feature_perturbation: str) -> TreeEngine:
        if feature_perturbation == "tree_path_dependent":
            return tree_engine(self._model, package)
        if feature_perturbation != "interventional":
            raise InvalidArgumentError(
                f"feature_perturbation={feature_perturbation!r}: 'tree_path_dependent' or 'interventional'"
            )
        if self._background is None:
            raise InvalidArgumentError("feature_perturbation='interventional' needs initialization_examples")
        if self._background.weights is not None:
            raise InvalidArgumentError("feature_perturbation='interventional' takes no weighted background rows")
        return tree_engine(self._model, package, background=self._model.form(self._background))

    @cached_property
    def _output_space(self) -> str:
        return self._engine.space

    def _answers(self, rows: Any) -> NDArray[np.float64]:
        return self._engine.answers(rows)

    def _attribute(self, rows: Any) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
        return self._engine.contributions(rows)
