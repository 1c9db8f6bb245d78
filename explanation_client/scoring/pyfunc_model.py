"""The code of a scoring explainer that is logged as a model of MLflow: what its server runs, in place of a pickle.

MLflow copies this file into the model (models from code) and runs the copy where the model is loaded. It holds no logic
of its own, so that the copy stays right: all is done by the library, whose version the model's requirements pin.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from explanation_client.scoring import ScoringExplainer, load
from explanation_client.scoring.response import explained, predicted


class ExplainedModel(PythonModel):
    """Answers with predictions and local importances."""

    _explainer: ScoringExplainer

    def load_context(self, context: Any) -> None:
        """Load the scoring explainer, whose files are checked and whose self-test is replayed; no pickle."""
        self._explainer = load(context.artifacts["scoring_explainer"])

    def predict(
        self, context: Any, model_input: pandas.DataFrame, params: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return what :func:`explanation_client.scoring.response.explained` says of the rows, as plain lists.

        Parameters
        ----------
        context : PythonModelContext
        model_input : DataFrame or array of shape (N, F)
        params : dict, optional
            ``explain`` (False: predictions alone) and ``top_k`` (None: all features).

        """
        asked = params or {}
        if asked.get("explain", True):
            answer = explained(self._explainer, self._explainer.score(model_input), top_k=asked.get("top_k"))
        else:
            answer = predicted(self._explainer, model_input)
        return {name: np.asarray(value).tolist() for name, value in answer.items()}


set_model(ExplainedModel())
