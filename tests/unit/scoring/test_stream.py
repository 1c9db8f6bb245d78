"""Scoring explainers explain streams as the explainers that they were made from."""

from __future__ import annotations

import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

from explanation_client.artifacts import MemoryArtifacts
from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers import LinearExplainer, TreeExplainer
from explanation_client.streams.upload import store_stream
from tests.support.streams import open_manifest, request

ROWS = pd.DataFrame(np.random.default_rng(0).standard_normal((200, 4)), columns=list("abcd"))
MODEL = lightgbm.LGBMClassifier(n_estimators=5, num_leaves=7, verbose=-1, n_jobs=1).fit(ROWS, ROWS["a"] > 0)


def test_a_stream_is_stored_as_the_explainer_explains_it() -> None:
    explainer = TreeExplainer(MODEL, show_progress=False)
    scoring = explainer.create_scoring_explainer(ROWS)
    stream = scoring.explain_batches(iter([ROWS[:30], ROWS[:0], ROWS[30:][list("dcba")]]), include_rows=True)
    artifacts = MemoryArtifacts()
    done = store_stream(artifacts, stream, request(evaluation_data=True), timeout=5, show_progress=False)
    found, wanted = open_manifest(artifacts, done.committed.manifest), explainer.explain_global(ROWS)
    np.testing.assert_allclose(found.local_importance_values, wanted.local_importance_values, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.global_importance_values, wanted.global_importance_values, rtol=1e-9)
    np.testing.assert_allclose(found.expected_values, wanted.expected_values)
    assert found.features == wanted.features
    for name in ("method", "task", "outputs", "n_rows", "output_space", "model_type"):
        assert getattr(found.info, name) == getattr(wanted.info, name)
    assert "explained by a scoring explainer, scoring.tree" in found.info.notes
    assert found.data is not None
    assert np.array_equal(found.data.matrix(), ROWS.to_numpy())


@pytest.mark.parametrize("engineered", [True, False])
def test_raw_and_engineered_features_of_a_stream(engineered: bool) -> None:
    scaler = StandardScaler().fit(ROWS)
    model = LinearRegression().fit(scaler.transform(ROWS), ROWS["a"])
    explainer = LinearExplainer(model, ROWS, transformations=scaler, show_progress=False)
    scoring = explainer.create_scoring_explainer(ROWS)
    stream = scoring.explain_batches(iter([ROWS[:90], ROWS[90:]]), engineered=engineered, batch_size=50)
    values = np.concatenate([batch.values for batch in stream], axis=1)
    wanted = explainer.explain_local(ROWS, engineered=engineered)
    np.testing.assert_allclose(values[0], wanted.local_importance_values, rtol=1e-9, atol=1e-12)
    assert stream.features == wanted.features
    assert stream.info().feature_space == wanted.info.feature_space


def test_bad_batches_are_named() -> None:
    scoring = TreeExplainer(MODEL, show_progress=False).create_scoring_explainer(ROWS)
    with pytest.raises(InvalidArgumentError, match="batch 2: "):
        list(scoring.explain_batches(iter([ROWS[:5], ROWS[:5][["a", "b"]]])))
    with pytest.raises(InvalidArgumentError, match="batch_size=0"):
        scoring.explain_batches(iter([ROWS]), batch_size=0)
