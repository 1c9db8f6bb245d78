"""DeepScoringExplainer: importances of neural networks, from their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.deep.explainer import DeepExplainer
from explanation_client.explainers.deep.state import state_of
from explanation_client.explainers.inputs import read_table
from explanation_client.scoring.attributors import ExplainerAttributor
from explanation_client.scoring.base import ScoringExplainer
from explanation_client.scoring.create import Wishes, check_kind, make_parts, unwrapped, with_rows_of
from explanation_client.scoring.networks import Serializer


class DeepScoringExplainer(ScoringExplainer):
    """Importances of neural networks at prediction time, from gradients between a few background rows and the row.

    The network is kept without code: of PyTorch as the operations that it carries out and its weights, of Keras as a
    file of Keras' own layers.

    Parameters
    ----------
    original_explainer : DeepExplainer or TabularExplainer
    initialization_examples : table of shape (B, F), optional
        Background data in place of the explainer's; raw rows where it has transformations. More than 100 rows are
        summarised as k-means centroids.
    serializer : object with ``save(model) -> dict`` and ``load(dict) -> model``, optional
        Writes and reads a network that is of other operations or layers. What it returns is kept, it is not: pass it to
        :func:`~explanation_client.scoring.load` too.
    feature_maps, raw_features, engineered_features, evaluation_examples, keep_model
        As in :class:`~explanation_client.scoring.TreeScoringExplainer`. The network is always kept.

    Raises
    ------
    UnsupportedModelError
        The explainer is of another kind.
    InvalidArgumentError
        An argument does not fit the explainer.

    """

    kind = "deep"

    def __init__(
        self,
        original_explainer: Any,
        initialization_examples: Any = None,
        serializer: Serializer | None = None,
        *,
        feature_maps: Any = None,
        raw_features: Sequence[str] | None = None,
        engineered_features: Sequence[str] | None = None,
        evaluation_examples: Any = None,
        keep_model: bool = True,
    ) -> None:
        explainer, reason = unwrapped(original_explainer)
        check_kind(explainer, self.kind, type(self).__qualname__)
        if not keep_model:
            raise InvalidArgumentError("keep_model=False: importances come from the network's gradients; leave it out")
        if serializer is not None and not (hasattr(serializer, "save") and hasattr(serializer, "load")):
            raise InvalidArgumentError("serializer= has no save and load: an object with both is needed")
        wishes = Wishes(
            feature_maps=feature_maps,
            raw_features=raw_features,
            engineered_features=engineered_features,
            evaluation_examples=initialization_examples if evaluation_examples is None else evaluation_examples,
        )
        assert isinstance(explainer, DeepExplainer)
        own = _own(explainer, initialization_examples)
        attributor = ExplainerAttributor(own, own._summary.take(slice(0, 1)), serializer)
        self._parts = make_parts(with_rows_of(explainer, own), reason, attributor, wishes)


def _own(explainer: DeepExplainer, background: Any) -> DeepExplainer:
    """Return the explainer, with other background rows where they are given."""
    if background is None:
        return explainer
    table = explainer._schema.align(read_table(background, what="initialization examples"))
    state = state_of(explainer)
    return DeepExplainer(
        state.model,
        explainer._engineered(table),
        features=state.features,
        classes=state.classes,
        model_task=state.task,
        method=state.method,
        shap_values_output=state.shap_values_output,
        broken_paths=state.broken_paths,
        seed=state.seed,
        show_progress=False,
    )
