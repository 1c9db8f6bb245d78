"""Fetch the explanations of a run, knowing nothing but the tracking server and the run's id.

python download_explanation.py http://127.0.0.1:5000 RUN_ID
"""

import sys

from explanation_client import ExplanationClient


def main(tracking_uri: str, run_id: str) -> None:
    """List the run's explanations and print the most important features of each."""
    client = ExplanationClient.from_run_id(tracking_uri, run_id=run_id)

    print("Explanations of the run, oldest first:")
    for info in client.list_model_explanations():
        print(f"  {info.id}  {info.method:<12} {info.n_rows:>4} rows  {info.comment}")

    # Get the top k (e.g., 4) most important features with their importance values
    explanation = client.download_model_explanation(top_k=4)
    print("\nThe four features that matter most to the model:")
    for name, value in explanation.get_feature_importance_dict().items():
        print(f"  {name:<24} {value:.4f}")

    # The other one was cut to two features when it was uploaded: one row, each class with its own ranking
    local = client.download_model_explanation(comment="local explanation: top 2 features")
    print("\nWhat decided the first patient of the test set:")
    names, values = local.get_ranked_local_names(), local.get_ranked_local_values()
    for label, base, row_names, row_values in zip(local.classes, local.expected_values, names, values, strict=True):
        parts = ", ".join(f"{name} {value:+.4f}" for name, value in zip(row_names, row_values, strict=True))
        print(f"  {label:<10} base value {base:.4f}, then {parts}, and the rest")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(sys.argv[1], sys.argv[2])
