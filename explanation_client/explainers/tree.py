"""TreeExplainer: exact Shapley values of trees, forests and boosted trees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import (
    AdditivityError,
    CannotExplainError,
    InvalidArgumentError,
    UnsupportedModelError,
)
from explanation_client.explainers.additivity import sample_positions
from explanation_client.explainers.base import Explainer
from explanation_client.explainers.dispatch import TABLE, find_entry
from explanation_client.explainers.engines import TableOptions, TablesEngine, TreeEngine, tree_engine
from explanation_client.explainers.links import find_link
from explanation_client.explainers.model import PROBABILITY, several_targets
from explanation_client.progress import ProgressOfAll
from explanation_client.treeshap.explain import MEMORY_LIMIT

# What the matrices of all outputs may take: as much as is stored in one file.
_MAX_PAIR_BYTES = 1 << 30
_DTYPES = ("float64", "float32")


class TreeExplainer(Explainer):
    """Exact Shapley values of tree models: scikit-learn, LightGBM, XGBoost, CatBoost.

    Values are path-dependent (Lundberg et al. 2020): a feature that is missing follows the branches in the
    proportions of the training data, so that no initialization examples are needed. With
    ``feature_perturbation="interventional"`` it takes the values that the initialization examples have instead.

    Values add up to the model's raw output: log-odds or margins of boosted classifiers, probabilities of trees and
    forests, values of regressors, the mean path length of isolation forests. With ``shap_values_output="probability"``
    those of boosted classifiers are carried over to the model's probabilities and add up to these.

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
    shap_values_output : "default" or "probability"
        What values of a classifier add up to. Carried over to probabilities, they are the margins' values times the
        mean slope of the link on the straight way from the base value to the row's margin: exact sums of an
        approximation, as the explanation's notes say.
    interactions : bool
        Compute the interactions of pairs of features too: ``explain_global`` then gives the matrix of their mean
        absolute values (``explanation.interaction_values``). They are exact, and add up to the values of each row. A
        row takes F x F numbers and tens of times as long; with ``"interventional"``, longer with each background row.
    dtype : "float64" or "float32"
        What the importances of rows are kept and stored in: half the memory and about half the files as float32. They
        are computed in float64 and rounded once, by at most 6e-8 of each; global importances are float64.
    memory_limit : int
        Bytes that the tables of ``"interventional"`` values may take, 512 MiB unless given. Trees beyond it are walked
        once for each background row: as exact, and slower the more rows there are.

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
        shap_values_output: str = "default",
        interactions: bool = False,
        dtype: str = "float64",
        memory_limit: int = MEMORY_LIMIT,
    ) -> None:
        if isinstance(memory_limit, bool) or not isinstance(memory_limit, int) or memory_limit < 0:
            raise InvalidArgumentError(f"memory_limit={memory_limit!r}: a number of bytes, 0 for no tables")
        if dtype not in _DTYPES:
            raise InvalidArgumentError(f"dtype={dtype!r}: one of {', '.join(map(repr, _DTYPES))}")
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
            raise several_targets(self._model.short_name, n_targets)
        self._engine = self._make_engine(entry.package, feature_perturbation, memory_limit)
        self.packages = self._engine.packages
        self.how = f"exact values from {self._engine.description}"
        self._link: tuple[Any, float] | None = None
        self._carried = self._is_carried(shap_values_output)
        if self._carried:
            self._notes = (
                f"probability: values of the {self._engine.space} carried over along the link, an approximation that "
                "adds up exactly",
                *self._notes,
            )

        self._dtype = dtype
        if dtype == "float32":
            self._notes = ("dtype: importances of rows are rounded to float32", *self._notes)
        self._pairs = self._pair_engine() if interactions else None

    def _is_carried(self, shap_values_output: str) -> bool:
        """Return whether values are carried over from margins to probabilities."""
        if shap_values_output not in ("default", "probability"):
            raise InvalidArgumentError(f"shap_values_output={shap_values_output!r}: 'default' or 'probability'")
        if shap_values_output == "default" or self._engine.space == PROBABILITY:
            return False
        if self._model.task == "regression":
            raise InvalidArgumentError(
                f"shap_values_output='probability': {self._model.short_name} is a regression, which has no "
                "probabilities; leave it out"
            )
        if not hasattr(self._model.estimator, "predict_proba"):
            raise UnsupportedModelError(
                f"shap_values_output='probability': {self._model.short_name} gives no class probabilities; leave it out"
            )
        return True

    def _pair_engine(self) -> TablesEngine:
        """Return the engine as one that computes interactions."""
        if self._carried:
            raise InvalidArgumentError(
                f"interactions=True: they are exact for the {self._engine.space} of {self._model.short_name}, and not "
                "carried over to probabilities; leave out shap_values_output"
            )
        if not isinstance(self._engine, TablesEngine):
            raise UnsupportedModelError(
                f"interactions=True needs the tree kernel, and {self._model.short_name} is explained by "
                f"{self._engine.description}; leave it out"
            )
        n_features = self._model_schema.n_features
        size = 8 * self._model.n_outputs * n_features**2
        if size > _MAX_PAIR_BYTES:
            raise InvalidArgumentError(
                f"interactions=True: the matrices of {n_features:,} features take {size:,} bytes, at most "
                f"{_MAX_PAIR_BYTES:,}; leave it out, or train on fewer features"
            )
        return self._engine

    def _make_engine(self, package: str, feature_perturbation: str, memory_limit: int) -> TreeEngine:
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
        bar = ProgressOfAll("Preparing the background", unit="tree", show=self._show_progress)
        options = TableOptions(memory_limit=memory_limit, progress=bar)
        return tree_engine(self._model, package, background=self._model.form(self._background), options=options)

    @cached_property
    def _output_space(self) -> str:
        return PROBABILITY if self._carried else self._engine.space

    def _answers(self, rows: Any) -> NDArray[np.float64]:
        return self._model.answer(rows, PROBABILITY) if self._carried else self._engine.answers(rows)

    def _attribute(self, rows: Any) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
        values, base_values = self._engine.contributions(rows)
        if not self._carried:
            return values, base_values
        from explanation_client.treeshap.probability import to_predictions

        if self._link is None:
            self._link = self._find_link(rows)
        link, scale = self._link
        return to_predictions(
            np.asarray(values, np.float64), np.asarray(base_values, np.float64), link=link, scale=scale
        )

    def _check(self, values: NDArray[Any], base_values: NDArray[Any], rows: Any) -> None:
        try:
            super()._check(values, base_values, rows)
        except AdditivityError as error:
            raise AdditivityError(f"{error}. The values are from {self._engine.description}") from error

    def _interactions(self, rows: Any) -> Iterable[NDArray[np.floating[Any]]]:
        return () if self._pairs is None else self._pairs.interactions(rows)

    def _find_link(self, rows: Any) -> tuple[Any, float]:
        """Return how the model makes probabilities of its margins, from some rows."""
        positions = sample_positions(rows.shape[0])
        sample = rows.iloc[positions] if hasattr(rows, "iloc") else rows[positions]
        found = find_link(self._engine.answers(sample), self._model.answer(sample, PROBABILITY))
        if found is None:
            raise CannotExplainError(
                f"shap_values_output='probability': the probabilities of {self._model.short_name} are neither the "
                "logistic function nor the softmax of its margins; leave it out"
            )
        return found
