"""In the notebook: wait for the run, then fetch its explanation by the run's id.

MLFLOW_TRACKING_URI=http://tracking:5000 python download.py RUN_ID
"""

import sys
import time

from mlflow import MlflowClient

from explanation_client import ExplanationClient


def main(run_id: str) -> None:
    while (status := MlflowClient().get_run(run_id).info.status) in ("SCHEDULED", "RUNNING"):
        time.sleep(2)
    if status != "FINISHED":
        raise SystemExit(f"run {run_id} is {status}: its machine's log says why")

    client = ExplanationClient.from_run_id(run_id=run_id)
    explanation = client.download_model_explanation(top_k=4)
    for name, value in explanation.get_feature_importance_dict().items():
        print(f"{name:<24} {value:.4f}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
