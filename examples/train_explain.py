"""Train a model, explain it, and store two explanations with the run: the script of a remote run.

It knows nothing but the environment: MLFLOW_TRACKING_URI says where the tracking server is, and MLFLOW_RUN_ID, where
something submitted it (``mlflow run``, a job), which run it belongs to.
"""

import mlflow
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from explanation_client import ExplanationClient
from explanation_client.explainers import TabularExplainer


def main() -> None:
    """Run the training."""
    breast_cancer_data = load_breast_cancer()
    classes = breast_cancer_data.target_names.tolist()
    x_train, x_test, y_train, y_test = train_test_split(
        breast_cancer_data.data, breast_cancer_data.target, test_size=0.2, random_state=0
    )

    with mlflow.start_run() as run:
        client = ExplanationClient.from_run(run)

        # Train your model here
        model = RandomForestClassifier(n_estimators=100, max_depth=6, random_state=0).fit(x_train, y_train)
        mlflow.log_metric("accuracy", model.score(x_test, y_test))

        # "features" and "classes" fields are optional
        explainer = TabularExplainer(model, x_train, features=breast_cancer_data.feature_names, classes=classes)

        # explain overall model predictions (global explanation)
        global_explanation = explainer.explain_global(x_test)
        # explain local data points (individual instances)
        local_explanation = explainer.explain_local(x_test[0])

        # upload both; the run may come first, as the original documentation has it
        client.upload_model_explanation(run, local_explanation, top_k=2, comment="local explanation: top 2 features")
        client.upload_model_explanation(global_explanation, comment="global explanation: all features")
        print(f"run {run.info.run_id}: two explanations uploaded")


if __name__ == "__main__":
    main()
