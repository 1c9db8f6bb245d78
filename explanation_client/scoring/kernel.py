"""KernelScoringExplainer: importances of any model, from its answers to mixtures of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from explanation_client.errors import InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers.base import Explainer
from explanation_client.explainers.inputs import read_table
from explanation_client.explainers.kernel import KernelExplainer
from explanation_client.explainers.mimic import MimicExplainer
from explanation_client.scoring.attributors import ExplainerAttributor
from explanation_client.scoring.base import ScoringExplainer
from explanation_client.scoring.create import Wishes, make_parts, unwrapped, with_rows_of


class KernelScoringExplainer(ScoringExplainer):
    """Importances of any model at prediction time, by Kernel SHAP: the model is asked about mixtures of rows.

    The model is kept, with the few background rows that the explainer made of its initialization examples. A row takes
    as long as the model takes for hundreds to thousands of rows: a mimic explainer's surrogate is far faster.

    Parameters
    ----------
    original_explainer : KernelExplainer, TabularExplainer, or another explainer of a model
        What is not a KernelExplainer is explained anew, by Kernel SHAP.
    initialization_examples : table of shape (B, F), optional
        Background data in place of the explainer's; raw rows where it has transformations. More than 100 rows are
        summarised as k-means centroids.
    feature_maps, raw_features, engineered_features, evaluation_examples, keep_model
        As in :class:`~explanation_client.scoring.TreeScoringExplainer`. The model is always kept.

    Raises
    ------
    UnsupportedModelError
        The explainer is a mimic explainer: its surrogate is explained exactly by the tree and linear ones.
    InvalidArgumentError
        There are no initialization examples, or an argument does not fit the explainer.

    """

    kind = "kernel"

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
        if isinstance(explainer, MimicExplainer):
            raise UnsupportedModelError(
                "a MimicExplainer's surrogate is explained exactly, without asking anything about mixtures: use "
                "explainer.create_scoring_explainer()"
            )
        if not keep_model:
            raise InvalidArgumentError("keep_model=False: Kernel SHAP asks the model; leave it out")
        wishes = Wishes(
            feature_maps=feature_maps,
            raw_features=raw_features,
            engineered_features=engineered_features,
            evaluation_examples=initialization_examples if evaluation_examples is None else evaluation_examples,
        )
        general = _general(explainer, initialization_examples)
        if general is not explainer and not isinstance(explainer, KernelExplainer):
            reason = "KernelScoringExplainer was asked for"
        # The same explainer, of the model's own columns: what is before them is the scoring explainer's.
        attributor = ExplainerAttributor(general, general._summary.take(slice(0, 1)))
        self._parts = make_parts(with_rows_of(explainer, general), reason, attributor, wishes)


def _general(explainer: Explainer, background: Any) -> KernelExplainer:
    """Return a Kernel explainer of the model's own columns."""
    if isinstance(explainer, KernelExplainer) and background is None:
        return explainer
    model = explainer._model
    if background is not None:
        table = explainer._schema.align(read_table(background, what="initialization examples"))
        rows = explainer._engineered(table)
    elif explainer._background is not None:
        rows = explainer._background
    else:
        raise InvalidArgumentError(
            f"this {type(explainer).__qualname__} has no initialization examples, which Kernel SHAP puts in the place "
            "of missing features: pass initialization_examples="
        )
    given = explainer if isinstance(explainer, KernelExplainer) else None
    return KernelExplainer(
        model.given if given is None else given._model.given,
        rows.data,
        is_function=model.is_function,
        nsamples="auto" if given is None else given._nsamples,
        l1_reg=0 if given is None else given._l1_reg,
        seed=0 if given is None else given._seed,
        estimator="regression-adjusted" if given is None else given._estimator,
        features=explainer._model_schema.features,
        classes=model.outputs if model.task == "classification" else None,
        model_task=model.task,
        show_progress=False,
    )
