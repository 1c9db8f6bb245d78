"""LinearScoringExplainer: exact importances of linear models, from their coefficients alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.inputs import read_table
from explanation_client.explainers.linear import LinearExplainer, column_means
from explanation_client.explainers.mimic import MimicExplainer
from explanation_client.scoring.attributors import SumAttributor
from explanation_client.scoring.base import ScoringExplainer
from explanation_client.scoring.create import Wishes, check_kind, make_parts, unwrapped
from explanation_client.scoring.encoding import Levels
from explanation_client.scoring.sums import LinearSum


class LinearScoringExplainer(ScoringExplainer):
    """Importances of linear models at prediction time: coefficient times the distance from the background's mean.

    Coefficients, intercepts and the mean are all that is kept, so that explaining, and predicting where that says what
    the model says, takes numpy alone.

    Parameters
    ----------
    original_explainer : LinearExplainer, TabularExplainer or MimicExplainer
        Of a mimic explainer with a linear surrogate, the surrogate is explained.
    initialization_examples : table of shape (B, F), optional
        Background data in place of the explainer's.
    feature_maps, raw_features, engineered_features, evaluation_examples, keep_model
        As in :class:`~explanation_client.scoring.TreeScoringExplainer`.

    Raises
    ------
    UnsupportedModelError
        The explainer is of another kind.
    InvalidArgumentError
        An argument does not fit the explainer.

    """

    kind = "linear"

    def __init__(
        self,
        original_explainer: Any,
        initialization_examples: Any = None,
        *,
        feature_maps: Any = None,
        raw_features: Sequence[str] | None = None,
        engineered_features: Sequence[str] | None = None,
        evaluation_examples: Any = None,
        keep_model: bool = True,
    ) -> None:
        explainer, reason = unwrapped(original_explainer)
        check_kind(explainer, self.kind, type(self).__qualname__)
        wishes = Wishes(
            feature_maps=feature_maps,
            raw_features=raw_features,
            engineered_features=engineered_features,
            evaluation_examples=initialization_examples if evaluation_examples is None else evaluation_examples,
            keep_model=keep_model,
        )
        if isinstance(explainer, MimicExplainer):
            from explanation_client.scoring.surrogate import surrogate_parts

            if initialization_examples is not None:
                raise InvalidArgumentError(
                    "initialization_examples= of a MimicExplainer: its surrogate has been trained on some already; "
                    "leave it out"
                )
            self._parts = surrogate_parts(explainer, reason, wishes)
            return
        assert isinstance(explainer, LinearExplainer)
        self._parts = make_parts(explainer, reason, _attributor(explainer, initialization_examples), wishes)


def _attributor(explainer: LinearExplainer, background: Any) -> SumAttributor:
    mean = explainer._mean
    if background is not None:
        table = explainer._schema.align(read_table(background, what="initialization examples"))
        mean = column_means(explainer._engineered(table))
    return SumAttributor(
        LinearSum(np.array(explainer._coefficients), np.array(explainer._intercepts), np.array(mean)),
        explainer._model.n_outputs,
        explainer._model_schema.features,
        Levels(),
    )
