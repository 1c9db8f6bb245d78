"""Text explanations on a real corpus, and through a real tracking server."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from explanation_client import ExplanationClient
from explanation_client.explainers import HANTextExplainer, TextExplainer
from explanation_client.explanation import Explanation
from tests.support.deletion import Deletion
from tests.support.docstrings import Corpus, docstrings
from tests.support.servers import Run

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
N_DOCUMENTS = 30
LIME_SAMPLES = 500


@dataclass(frozen=True)
class Teachers:
    """Models of the corpus, and documents that they were not trained on."""

    corpus: Corpus
    linear: Any
    network: Any
    documents: list[str]


@pytest.fixture(scope="module")
def teachers() -> Teachers:
    corpus = docstrings(2500, 300)
    with threadpool_limits(1):
        words = TfidfVectorizer(min_df=2, sublinear_tf=True)
        linear = make_pipeline(words, LogisticRegression(C=10.0, max_iter=1000))
        network = make_pipeline(
            TfidfVectorizer(min_df=2, sublinear_tf=True), TruncatedSVD(50, random_state=0), StandardScaler(),
            MLPClassifier((32,), max_iter=200, random_state=0, early_stopping=True, n_iter_no_change=5),
        )  # fmt: skip
        linear.fit(corpus.train, corpus.train_labels)
        network.fit(corpus.train, corpus.train_labels)
    documents = [text for text in corpus.test if len(text.split()) <= 300][:N_DOCUMENTS]
    return Teachers(corpus, linear, network, documents)


def ranked(explanation: Explanation, row: int, output: int) -> list[str]:
    """Return the words of one document that speak for an output, most important first."""
    assert explanation.local_importances is not None
    part = explanation.local_importances.take((slice(output, output + 1), slice(row, row + 1))).load()
    signed = part.ranked(by="signed")
    names = signed.names(explanation.features)[0, 0]
    return [name for name, value in zip(names, signed.values[0, 0], strict=True) if value > 0]


@pytest.mark.parametrize("kind", ["linear", "network", "function"])
def test_words_ranked_first_change_the_model_more_than_random_ones_and_as_much_as_those_of_lime(
    teachers: Teachers, kind: str
) -> None:
    model = teachers.linear if kind == "linear" else teachers.network
    asked: list[int] = []

    def ask(texts: list[str]) -> Any:
        asked.append(len(texts))
        return model.predict_proba(texts)

    explainer = TextExplainer(model if kind != "function" else ask)
    assert explainer.method == ("text_linear" if kind == "linear" else "text_removal")
    explanation = explainer.explain_local(teachers.documents)
    # Of a function nobody knows what it makes of capitals: both rank words as they are written, as LIME's package does.
    folds = kind != "function"
    ours, theirs, random = [], [], []
    for row, text in enumerate(teachers.documents):
        case = Deletion(text, model.predict_proba, fold=folds)
        known = set(case.words)
        words = ranked(explanation, row, case.predicted)
        ours.append(case.fall([word for word in words if word in known]))
        theirs.append(case.fall(case.lime(LIME_SAMPLES)))
        random.append(np.mean([case.fall(case.at_random(seed)) for seed in range(3)]))
    assert np.median(np.array(ours) - random) > 0.1
    assert np.median(ours) > 3 * np.median(random)
    assert np.median(np.array(ours) - theirs) >= 0.0
    if kind == "function":
        assert sum(asked) <= 514 * len(teachers.documents) + 2


# Training takes half a minute of CPU, which a busy machine may not have in the usual time.
@pytest.mark.timeout(900)
def test_a_hierarchical_attention_network_says_what_the_model_says(teachers: Teachers) -> None:
    explainer = HANTextExplainer(teachers.linear, teachers.corpus.train).train_model(train_epochs=3)
    assert explainer.fidelity is not None
    assert explainer.fidelity >= 0.9
    others = teachers.corpus.test[:120]
    fresh = explainer.explain_global(others, tune_epochs=0)
    assert fresh.base_values is not None
    assert fresh.local_importances is not None
    said = (fresh.local_importances.totals + fresh.base_values[:, None]).argmax(axis=0)
    agree = teachers.linear.predict_proba(others).argmax(axis=1) == said
    assert agree.mean() >= 0.88
    falls, random = [], []
    tuned = explainer.explain_local(teachers.documents[:6], tune_epochs=5)
    for row, text in enumerate(teachers.documents[:6]):
        case = Deletion(text, teachers.linear.predict_proba)
        known = set(case.words)
        words = dict.fromkeys(word.lower() for word in ranked(tuned, row, case.predicted))
        falls.append(case.fall([word for word in words if word in known]))
        random.append(np.mean([case.fall(case.at_random(seed)) for seed in range(3)]))
    assert np.median(np.array(falls) - random) > 0.05


@pytest.fixture
def client(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExplanationClient:
    monkeypatch.setenv("EXPLANATION_CLIENT_HOME", str(tmp_path / "home"))
    return ExplanationClient.from_run_id(run.tracking_uri, run_id=run.run_id, timeout=60)


def test_documents_go_to_a_server_and_come_back(teachers: Teachers, client: ExplanationClient) -> None:
    explanation = TextExplainer(teachers.linear).explain_global(teachers.documents)
    info = client.upload_model_explanation(explanation, comment="docstrings", evaluation_data=True)
    assert "documents" in info.parts
    found = client.download_model_explanation(comment="docstrings")
    assert found == explanation
    assert found.documents is not None
    assert found.documents[3].tokens == explanation.documents[3].tokens  # type: ignore[index]
    assert client.download_model_explanation(info.id, top_k=4) == explanation.cut(4)
    kept = client.upload_model_explanation(explanation, top_k=4, comment="four", evaluation_data=True)
    assert client.download_model_explanation(kept.id) == explanation.cut(4)
    (report, *others) = client.verify()
    assert not report.problems
    assert len(others) == 1


def test_texts_stay_here_unless_they_are_asked_for(teachers: Teachers, client: ExplanationClient) -> None:
    explanation = TextExplainer(teachers.linear).explain_local(teachers.documents[0])
    client.upload_model_explanation(explanation)
    found = client.download_model_explanation()
    assert found.documents is None
    assert found.get_ranked_local_names(3).tolist() == explanation.get_ranked_local_names(3).tolist()
    assert np.array_equal(found.local_importance_values, explanation.local_importance_values)


def test_the_example_runs_from_end_to_end(run: Run, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": run.tracking_uri,
        "MLFLOW_RUN_ID": run.run_id,
        "EXPLANATION_CLIENT_HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(ROOT),
    }
    finished = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "explain_text.py")],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    assert "accuracy" in finished.stdout
    assert "text_linear" in finished.stdout
