"""A scoring file: ``init()`` runs once in each worker, ``run(raw_data)`` answers each request.

explanation-client serve scoring_explainer --script score.py

The service without a script does the same and more (names of columns, top_k, limits on rows). A script is for answers
of one's own: here the predictions could come from another model than the one that is explained.
"""

import json
import os
from typing import Any

import numpy as np

from explanation_client.scoring import ScoringExplainer, load

scoring_explainer: ScoringExplainer


def init() -> None:
    """Load what answers."""
    global scoring_explainer  # noqa: PLW0603 - what init() makes is for run()
    scoring_explainer = load(os.environ["AZUREML_MODEL_DIR"])


def run(raw_data: str) -> dict[str, Any]:
    """Return predictions and explanations for each data point."""
    data = np.array(json.loads(raw_data)["data"])
    # Make prediction
    predictions = scoring_explainer.predict(data)
    # Retrieve model explanations
    local_importance_values = scoring_explainer.explain(data)
    # You can return any data type as long as it is JSON-serializable
    return {"predictions": predictions.tolist(), "local_importance_values": local_importance_values.tolist()}
