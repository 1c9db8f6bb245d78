"""Which distributions a scoring explainer takes where it is deployed."""

from __future__ import annotations

from typing import Any

from explanation_client.explainers.boosters import BoosterModel
from explanation_client.explainers.deep.recognise import best_of, network_in
from explanation_client.explainers.kernel import KernelExplainer
from explanation_client.explainers.model import Model
from explanation_client.scoring.attributors import ExplainerAttributor, SumAttributor
from explanation_client.scoring.networks import holds_network
from explanation_client.scoring.parts import Parts
from explanation_client.scoring.predictors import ModelPredictor
from explanation_client.scoring.sound import parts_of
from explanation_client.scoring.sums import TreeSum

# What objects are of, by the package that their classes come from.
_DISTRIBUTIONS = {
    "catboost": ("catboost",),
    "keras": ("keras",),
    "lightgbm": ("lightgbm",),
    "sklearn": ("scikit-learn", "skops"),
    "skorch": ("torch",),
    "torch": ("torch",),
    "xgboost": ("xgboost",),
}


def packages_of(parts: Parts) -> tuple[str, ...]:
    """Return the distributions that loading and using a scoring explainer takes, besides this library."""
    found = ["numpy", "pyarrow"]
    attributor, predictor = parts.attributor, parts.predictor
    if isinstance(attributor, SumAttributor) and isinstance(attributor.sums, TreeSum):
        found.append("numba")
    if parts.inputs.as_frame or parts.examples.is_frame:
        found.append("pandas")
    models = [predictor.model] if isinstance(predictor, ModelPredictor) else []
    if isinstance(attributor, ExplainerAttributor):
        models.append(attributor.explainer._model)
        if isinstance(attributor.explainer, KernelExplainer):
            found.append("shap" if attributor.explainer._estimator == "shap" else "scipy")
    held: list[object] = [] if parts.transformation is None else [parts.transformation.transformation]
    held += [model.given if model.is_function else model.estimator for model in models if not _is_native(model)]
    kinds = {kind for part in parts_of([_owner(thing) for thing in held]) for kind in type(part).__mro__}
    kinds |= {kind for model in models if _is_native(model) for kind in type(_native(model)).__mro__}
    tops = {kind.__module__.partition(".")[0] for kind in kinds}
    for top, names in _DISTRIBUTIONS.items():
        if top in tops:
            found.extend(names)
    return tuple(dict.fromkeys(found))


def _is_native(model: Model) -> bool:
    """Whether a model is kept in its package's own format, and not looked into."""
    return isinstance(model.estimator, BoosterModel) or holds_network(model.given)


def _native(model: Model) -> Any:
    return model.estimator.native if isinstance(model.estimator, BoosterModel) else network_in(best_of(model.given))


def _owner(thing: Any) -> Any:
    """Return the model that a method belongs to, other things as they are."""
    return getattr(thing, "__self__", thing)
