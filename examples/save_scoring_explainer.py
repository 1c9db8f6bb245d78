"""Explain a model, save its scoring explainer without pickle, register it, and load it by name.

Run it with MLFLOW_TRACKING_URI set to a tracking server::

    python examples/save_scoring_explainer.py
"""

from __future__ import annotations

import os

import mlflow
import numpy as np
from lightgbm import LGBMClassifier
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from explanation_client.explainers import TabularExplainer
from explanation_client.scoring import download_scoring_explainer, load, log_scoring_explainer, save

NAME = "breast_cancer_scoring_explainer"
OUTPUT_DIR = "scoring_explainer"


def main() -> None:
    data = load_breast_cancer(as_frame=True)
    x_train, x_test, y_train, _ = train_test_split(data.data, data.target, random_state=0)
    model = LGBMClassifier(n_estimators=50, verbose=-1).fit(x_train, y_train)
    explainer = TabularExplainer(model, x_train, classes=data.target_names.tolist())

    scoring_explainer = explainer.create_scoring_explainer(x_test)
    save(scoring_explainer, directory=OUTPUT_DIR, exist_ok=True)
    size = sum(file.stat().st_size for file in os.scandir(OUTPUT_DIR))
    print(f"saved {scoring_explainer!r}: {size:,} bytes, needs {', '.join(scoring_explainer.packages)}")

    with mlflow.start_run():
        logged = log_scoring_explainer(scoring_explainer, register=NAME)
    print(f"registered as {logged.name}, version {logged.version}")

    path = download_scoring_explainer(f"models:/{NAME}/{logged.version}", "downloaded_scoring_explainer", exist_ok=True)
    loaded = load(path)
    score = loaded.score(x_test[:4])
    assert score.predictions is not None
    # The features that speak most for the predicted class, for each row.
    for row, label in enumerate(score.predictions.tolist()):
        ranked = np.argsort(-score.values[label, row])[:3]
        print(data.target_names[label], [f"{score.features[i]} {score.values[label, row, i]:+.2f}" for i in ranked])


if __name__ == "__main__":
    main()
