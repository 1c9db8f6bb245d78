"""Deploy a scoring explainer beside a model: create, register, download, serve, ask, stop.

MLFLOW_TRACKING_URI=http://127.0.0.1:5000 python deploy.py
"""

import subprocess
import sys
import tempfile
import time

import mlflow
import requests
from lightgbm import LGBMClassifier
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from explanation_client.explainers import TabularExplainer
from explanation_client.scoring import download_scoring_explainer, load, log_scoring_explainer


def main(port: int = 8080) -> None:
    """Run all steps, one after the other."""
    breast_cancer_data = load_breast_cancer()
    classes = breast_cancer_data.target_names.tolist()
    x_train, x_test, y_train, _ = train_test_split(
        breast_cancer_data.data, breast_cancer_data.target, test_size=0.2, random_state=0
    )
    model = LGBMClassifier(n_estimators=50, verbose=-1).fit(x_train, y_train)

    # Create an explanation object, and a scoring explainer with it
    explainer = TabularExplainer(model, x_train, features=breast_cancer_data.feature_names, classes=classes)
    scoring_explainer = explainer.create_scoring_explainer(x_test)

    # Register it, using a run of the experiment
    with mlflow.start_run():
        registered = log_scoring_explainer(scoring_explainer, register="breast_cancer_scoring_explainer")
    print(registered.name, registered.version, sep="\t")

    with tempfile.TemporaryDirectory() as folder:
        # Retrieve it, here or on any other machine, and test it locally
        directory = download_scoring_explainer(registered.uri, f"{folder}/scoring_explainer")
        local_importance_values = load(directory).explain(x_test[:4])

        # Deploy it as a web service
        service = subprocess.Popen(
            [sys.executable, "-m", "explanation_client.cli", "serve", directory, "--port", str(port)]
        )
        try:
            uri = f"http://127.0.0.1:{port}"
            wait_until_ready(service, uri)

            # Create data to test the service with
            x_list = x_test.tolist()
            examples = x_list[:4]
            input_data = '{"data": ' + str(examples) + "}"
            headers = {"Content-Type": "application/json"}

            # Send a request to the service
            resp = requests.post(f"{uri}/score", input_data, headers=headers, timeout=60)
            print("POST to url", f"{uri}/score")
            print("prediction:", resp.json()["predictions"])
            assert resp.json()["local_importance_values"] == local_importance_values.tolist()
        finally:
            # Delete the service: its process is all that there is of it
            service.terminate()
            service.wait()


def wait_until_ready(service: "subprocess.Popen[bytes]", uri: str) -> None:
    """Return once the service answers."""
    for _ in range(1200):
        try:
            if requests.get(f"{uri}/health/ready", timeout=60).ok:
                return
        except requests.ConnectionError:
            if service.poll() is not None:
                raise SystemExit("the service did not start") from None
        time.sleep(0.1)
    raise SystemExit("the service did not answer")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
