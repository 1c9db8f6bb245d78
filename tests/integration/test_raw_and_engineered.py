"""One pass over the rows, two explanations: that of the engineered features and that of the raw ones, both stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from explanation_client import ExplanationClient
from explanation_client.errors import ExplanationNotFoundError
from explanation_client.explainers import TabularExplainer
from tests.support.servers import Run

pytestmark = pytest.mark.integration


def test_both_are_uploaded_and_found_by_what_they_are_of(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path))
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"number": rng.normal(size=60), "colour": rng.choice(["red", "green", "blue"], 60)})
    y = ((frame["colour"] == "red") | (frame["number"] > 1)).to_numpy().astype(int)
    features = ColumnTransformer([("n", StandardScaler(), ["number"]), ("c", OneHotEncoder(), ["colour"])]).fit(frame)
    model = RandomForestClassifier(4, max_depth=3, random_state=0).fit(features.transform(frame), y)

    explainer = TabularExplainer(model, frame, transformations=features)
    engineered = explainer.explain_global(frame, engineered=True)
    raw = engineered.get_raw_explanation(explainer.feature_maps, eval_data=frame)

    client = ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id, timeout=30)
    with pytest.raises(ExplanationNotFoundError):
        client.download_model_explanation(raw=True)
    client.upload_model_explanation(engineered, comment="engineered")
    client.upload_model_explanation(raw, comment="raw")

    for found, uploaded in (
        (client.download_model_explanation(raw=True), raw),
        (client.download_model_explanation(engineered=False), raw),
        (client.download_model_explanation(engineered=True), engineered),
        (client.download_model_explanation(raw=False), engineered),
    ):
        assert found.id == uploaded.id
        assert found.features == uploaded.features
        np.testing.assert_array_equal(found.local_importance_values, uploaded.local_importance_values)
        np.testing.assert_array_equal(found.global_importance_values, uploaded.global_importance_values)
    assert [info.comment for info in client.list_model_explanations(raw=True)] == ["raw"]
    assert [info.comment for info in client.list_model_explanations(engineered=True)] == ["engineered"]
    # The raw one can also be made where only the engineered one was uploaded.
    later = client.download_model_explanation(engineered=True).get_raw_explanation(explainer.feature_maps)
    np.testing.assert_array_equal(later.local_importance_values, raw.local_importance_values)
