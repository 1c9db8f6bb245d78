"""What the explainers share that ask the model about mixtures of a row and a few background rows."""

from __future__ import annotations

from functools import cached_property

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.background import summarise
from explanation_client.explainers.base import Explainer
from explanation_client.explainers.inputs import Table


class MixtureExplainer(Explainer):
    """Base of explainers that compare a row with a few background rows, mostly by the model's answers to mixtures.

    The initialization examples become a few background rows, in the form that the model takes. A subclass calls
    :meth:`_use_background` once, after the constructor of its base.
    """

    def _use_background(self, *, nclusters: int, seed: int) -> None:
        """Make the initialization examples a few rows, and note what was done.

        Raises
        ------
        InvalidArgumentError
            There are none, or ``nclusters`` is no positive number.

        """
        if isinstance(nclusters, bool) or nclusters < 1:
            raise InvalidArgumentError(f"nclusters={nclusters!r}: at least 1")
        if self._background is None:
            raise InvalidArgumentError(
                f"{type(self).__qualname__} needs initialization_examples: they replace the columns of a row"
            )
        summary, note = summarise(self._background, n_clusters=nclusters, seed=seed)
        self._summary = Table(self._model.form(summary), summary.names, weights=summary.weights)
        self._seed = seed
        self._notes = (note, *self._notes)

    @cached_property
    def _output_space(self) -> str:
        return self._model.default_space(self._summary.data[:1])
