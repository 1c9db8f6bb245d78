"""Trees of scikit-learn that the tree kernel does not read, explained by the ``shap`` package."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import CannotExplainError, MissingDependencyError
from explanation_client.explainers.dispatch import find_entry
from explanation_client.explainers.mirror import Floats, mirrored
from explanation_client.explainers.model import LOG_ODDS, LOG_VALUE, MARGIN, PROBABILITY, VALUE, Model
from explanation_client.explainers.shap_package import load_shap


class ShapEngine:
    """``shap.TreeExplainer``, path-dependent.

    It is known to be wrong for some models without a sign; what it says is held to the model's own output like
    everything else.

    Parameters
    ----------
    model : Model
        Of scikit-learn.
    reason : str
        Why the tree kernel does not explain it.

    Raises
    ------
    CannotExplainError
        shap refuses the model, or is not installed.

    """

    packages: tuple[str, ...] = ("shap",)

    def __init__(self, model: Model, reason: str) -> None:
        self._model = model
        self._reason = reason
        self.description = f"shap.TreeExplainer ({reason})"
        try:
            shap = load_shap(f"explaining {model.short_name}")
        except MissingDependencyError as error:
            raise CannotExplainError(f"shap, which may explain it, is not installed, and {reason}") from error
        try:
            self._explainer = shap.TreeExplainer(model.estimator)
        except Exception as error:  # shap says no with whatever its code runs into
            raise self._refusal(error) from error

    @cached_property
    def space(self) -> str:
        """What the contributions add up to."""
        if self._model.task == "regression":
            return LOG_VALUE if getattr(self._model.estimator, "loss", "") in ("poisson", "gamma") else VALUE
        entry = find_entry(self._model.origin)
        if entry is not None and entry.space == PROBABILITY:
            return PROBABILITY
        return LOG_ODDS if self._model.n_outputs == 2 else MARGIN

    def answers(self, rows: Any) -> NDArray[np.float64]:
        """Return the model's own probabilities, raw scores or values, (N, C)."""
        return self._model.answer(rows, self.space)

    def contributions(self, rows: Any) -> tuple[Floats, Floats]:
        """Return values (C, N, F) and base values (C,)."""
        try:
            found = self._explainer.shap_values(rows, check_additivity=False)
        except Exception as error:  # text among the rows, for example
            raise self._refusal(error) from error
        values = np.asarray(found, np.float64)
        base_values = np.asarray(self._explainer.expected_value, np.float64).reshape(-1)
        values = values[None] if values.ndim == 2 else np.ascontiguousarray(np.moveaxis(values, 2, 0))
        if len(values) == 1 and self._model.n_outputs == 2:
            return mirrored(values[0], float(base_values[0]))
        return values, base_values

    def _refusal(self, error: Exception) -> CannotExplainError:
        said = str(error).strip().partition("\n")[0]
        return CannotExplainError(
            f"shap.TreeExplainer does not explain {self._model.short_name} ({type(error).__name__}: {said}), and "
            f"{self._reason}"
        )
