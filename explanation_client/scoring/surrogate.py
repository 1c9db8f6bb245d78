"""From a mimic explainer to a scoring explainer of its surrogate."""

from __future__ import annotations

from typing import Any

import numpy as np

from explanation_client.errors import InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers.mimic import MimicExplainer
from explanation_client.scoring.attributors import Output, SumAttributor
from explanation_client.scoring.create import Wishes, make_parts
from explanation_client.scoring.encoding import Level, Levels
from explanation_client.scoring.parts import Parts
from explanation_client.scoring.predictors import ModelPredictor
from explanation_client.scoring.sums import LinearSum, Member, Sums, TreeSum
from explanation_client.surrogates import ExplainableModel
from explanation_client.surrogates.linear import _LinearSurrogate
from explanation_client.surrogates.trees import _TreeSurrogate

_OUTPUTS: dict[str, Output] = {
    "default": "sums",
    "probability": "surrogate probability",
    "teacher_probability": "teacher probability",
}


def surrogate_parts(explainer: MimicExplainer, reason: str | None, wishes: Wishes) -> Parts:
    """Return the parts of a scoring explainer that explains a surrogate, and predicts with the model it mimics.

    Raises
    ------
    UnsupportedModelError
        The surrogate is none of this library's.
    InvalidArgumentError
        Importances are of the model's own probabilities, and the model is not to be kept.

    """
    output = _OUTPUTS[explainer._shap_values_output]
    if output == "teacher probability" and not wishes.keep_model:
        raise InvalidArgumentError(
            "keep_model=False: with shap_values_output='teacher_probability' importances add up to the model's own "
            "probabilities; leave it out"
        )
    model = explainer._model
    sums, levels = _sums(explainer)
    attributor = SumAttributor(
        sums,
        model.n_outputs,
        explainer._model_schema.features,
        levels,
        output=output,
        teacher=ModelPredictor(model).predict_proba if output == "teacher probability" else None,
    )
    return make_parts(explainer, reason, attributor, wishes, predicts=False)


def _sums(explainer: MimicExplainer) -> tuple[Sums, Levels]:
    """Return what a surrogate adds up, and how rows become the numbers that it takes."""
    surrogate = explainer.surrogate_model
    codes = {
        j: _levels(levels, explainer._model_schema.features[j]) for j, levels in explainer._encoding.levels.items()
    }
    if isinstance(surrogate, _TreeSurrogate):
        members = [Member(tables, np.array([k])) for k, tables in enumerate(surrogate._tables)]
        design = surrogate._design if surrogate._design.levels else None
        n_columns = members[0].tables.ensemble.n_features
        return TreeSum(members, len(members), n_columns), Levels(codes, design)
    if isinstance(surrogate, _LinearSurrogate):
        intercepts = np.array([float(np.ravel(model.intercept_)[0]) for model in surrogate._models])
        design = surrogate._design if surrogate._design.levels else None
        sums = LinearSum(np.array(surrogate._coefficients), intercepts, np.array(surrogate._mean))
        return sums, Levels(codes, design, np.array(surrogate._fill))
    raise UnsupportedModelError(
        f"{_name(surrogate)} is none of this library's surrogates: make a scoring explainer from a TabularExplainer of "
        "the model"
    )


def _levels(levels: Any, feature: str) -> tuple[Level, ...]:
    """Return the levels of a column as what JSON can say."""
    plain = tuple(level.item() if isinstance(level, np.generic) else level for level in levels)
    wrong = [level for level in plain if not isinstance(level, (str, int, float, bool))]
    if wrong:
        raise InvalidArgumentError(
            f"column {feature!r} has levels such as {wrong[0]!r}, a {type(wrong[0]).__qualname__}: a scoring explainer "
            "keeps texts, numbers and truth values; train on one of these"
        )
    return plain


def _name(surrogate: ExplainableModel) -> str:
    return type(surrogate).__qualname__
