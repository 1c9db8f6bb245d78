"""Train a model of documents, explain it, store the explanation with the run, and read it back.

Which package wrote a docstring? It knows nothing but the environment: MLFLOW_TRACKING_URI says where the tracking
server is, and MLFLOW_RUN_ID, where something submitted it, which run it belongs to.
"""

import ast
import re
from importlib.util import find_spec
from pathlib import Path

import mlflow
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from explanation_client import ExplanationClient
from explanation_client.explainers import TextExplainer

PACKAGES = ("numpy", "pandas", "scipy", "sklearn")
NAMES = re.compile(r"(?i)\b(numpy|np|scipy|sp|sklearn|scikits?|pandas|pd)\b")
EACH = 400


def main() -> None:
    texts, labels = docstrings()
    x_train, x_test, y_train, y_test = train_test_split(texts, labels, test_size=0.1, random_state=0)

    with mlflow.start_run() as run:
        client = ExplanationClient.from_run(run)
        model = make_pipeline(TfidfVectorizer(min_df=2, sublinear_tf=True), LogisticRegression(C=10.0, max_iter=1000))
        model.fit(x_train, y_train)
        accuracy = model.score(x_test, y_test)
        mlflow.log_metric("accuracy", accuracy)
        print(f"accuracy {accuracy:.3f}")

        # An exact explanation of every test document. evaluation_data=True stores the texts, which otherwise stay here.
        explainer = TextExplainer(model)
        explanation = explainer.explain_global(x_test)
        info = client.upload_model_explanation(explanation, comment="docstrings", evaluation_data=True)
        print(f"{info.method}: {explanation.info.reason}")

    found = client.download_model_explanation(comment="docstrings", top_k=10)
    for package, words in zip(found.classes, found.get_ranked_per_class_names(6), strict=True):
        print(f"{package}: {', '.join(words)}")
    document, predicted = found.documents[0], found.eval_y_predicted[0]
    print(f"The first document is taken to be {predicted}'s, among others for")
    for word, value in zip(document.tokens, document.values[found.classes.index(predicted)], strict=True):
        if value > 0:
            print(f"  {word}: {value:+.2f}")


def docstrings() -> tuple[list[str], list[str]]:
    """Return some docstrings of each package, without the packages' names, and the packages."""
    texts: list[str] = []
    labels: list[str] = []
    for package in PACKAGES:
        found: list[str] = []
        for path in sorted(Path(find_spec(package).origin).parent.rglob("*.py")):
            if "tests" not in path.parts and len(found) < EACH:
                nodes = (
                    n for n in ast.walk(ast.parse(path.read_bytes())) if isinstance(n, (ast.FunctionDef, ast.ClassDef))
                )
                found += [
                    NAMES.sub("", text) for node in nodes if len((text := ast.get_docstring(node) or "").split()) > 30
                ]
        texts += found[:EACH]
        labels += [package] * len(found[:EACH])
    return texts, labels


if __name__ == "__main__":
    main()
