"""Train, explain, upload: on whatever machine this runs.

It knows two things, both from the environment: MLFLOW_TRACKING_URI, and MLFLOW_RUN_ID, the run that whoever submitted
it has created. Without the second it starts a run of its own.
"""

import argparse

import mlflow
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from explanation_client import ExplanationClient
from explanation_client.explainers import TabularExplainer


def main(trees: int) -> None:
    data = load_breast_cancer()
    x_train, x_test, y_train, y_test = train_test_split(data.data, data.target, test_size=0.2, random_state=0)
    with mlflow.start_run() as run:
        mlflow.log_param("trees", trees)  # `mlflow run` has logged the same; once more is no error
        model = RandomForestClassifier(n_estimators=trees, random_state=0).fit(x_train, y_train)
        mlflow.log_metric("accuracy", model.score(x_test, y_test))

        explainer = TabularExplainer(model, x_train, features=data.feature_names, classes=data.target_names)
        explanation = explainer.explain_global(x_test)
        client = ExplanationClient.from_run(run)
        client.upload_model_explanation(explanation, comment="global explanation: all features")
        print(f"run {run.info.run_id}: explanation {explanation.id} uploaded")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--trees", type=int, default=100)
    main(parser.parse_args().trees)
