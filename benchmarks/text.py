"""Text explanations against LIME's package and random words: ``python benchmarks/text.py [--quick]``.

Docstrings of numpy, pandas, scipy and scikit-learn without the packages' names: which package wrote each? Two models of
them: a logistic regression on tf-idf weights, and a neural network on 50 latent dimensions of these.

The deletion test takes the words of a document out that speak for the predicted class, most important first, and asks
the model again: the more its probability falls on average over the first one to ten words, the better the ranking. LIME
is asked with 500 samples (about as many calls as here) and with its own default of 5000. The column "better" has the
median over the documents of the difference to LIME's 500. Seconds are CPU time of this process for a document. Networks
that are tuned to a document take a second or two for each, and are tried on half of the documents.

LIME's package is a peer that `make bench` installs; where it is not, the same is computed here.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from explanation_client.explainers import HANTextExplainer, TextExplainer
from explanation_client.explanation import Explanation
from tests.support.deletion import Deletion
from tests.support.docstrings import Corpus, docstrings

Ranker = Callable[[list[str]], list[list[str]]]


@dataclass
class Asked:
    """A model that counts the documents that it is asked about."""

    model: Any
    count: int = 0

    def __call__(self, texts: Any) -> Any:
        """Return the model's probabilities."""
        self.count += len(texts)
        return self.model.predict_proba(texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer documents, and LIME with 500 samples only")
    quick = parser.parse_args().quick
    warnings.simplefilter("ignore")
    corpus = docstrings(1200, 300) if quick else docstrings(3500, 1000)
    documents = [text for text in corpus.test if len(text.split()) <= 300][: 10 if quick else 120]
    print(f"Python {platform.python_version()} on {platform.machine()}; {len(documents)} documents, CPU seconds")
    for name, model in models(corpus):
        accuracy = float((model.predict(corpus.test) == corpus.test_labels).mean())
        print(f"\n{name}: accuracy {accuracy:.3f} on {len(corpus.test)} documents")
        run(model, corpus, documents, quick=quick)


def models(corpus: Corpus) -> list[tuple[str, Any]]:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    linear = make_pipeline(TfidfVectorizer(min_df=2, sublinear_tf=True), LogisticRegression(C=10.0, max_iter=1000))
    network = make_pipeline(
        TfidfVectorizer(min_df=2, sublinear_tf=True),
        TruncatedSVD(50, random_state=0),
        StandardScaler(),
        MLPClassifier((32,), max_iter=200, random_state=0, early_stopping=True, n_iter_no_change=5),
    )
    found = [("logistic regression", linear), ("neural network", network)]
    return [(name, model.fit(corpus.train, corpus.train_labels)) for name, model in found]


def run(model: Any, corpus: Corpus, documents: list[str], *, quick: bool) -> None:
    """Print a line for each way to rank the words of the documents."""
    cases = [Deletion(text, model.predict_proba, fold=False) for text in documents]
    print(f"{'ranking':34}{'median':>9}{'mean':>9}{'better':>9}{'calls':>9}{'seconds':>9}")
    lines = [(samples, *lime(cases, documents, model, samples)) for samples in ((500,) if quick else (500, 5000))]
    reference = falls_of(cases, lines[0][2])
    show("random words", cases, [case.at_random() for case in cases], reference, 0.0, 0.0)
    for samples, name, ranked, seconds in lines:
        show(name, cases, ranked, reference, seconds, samples)
    asked = Asked(model)
    rankings: list[tuple[str, Any, Asked | None]] = [
        ("TextExplainer, the pipeline", TextExplainer(model), None),
        ("TextExplainer, a function", TextExplainer(asked), asked),
        ("TextExplainer, Shapley values", TextExplainer(asked, method="shapley"), asked),
    ]
    for name, explainer, counter in rankings:
        start, before = time.process_time(), 0 if counter is None else counter.count
        explanation = explainer.explain_local(documents)
        seconds = (time.process_time() - start) / len(documents)
        calls = 0 if counter is None else (counter.count - before) / len(documents)
        show(name, cases, words_of(explanation, cases), reference, seconds, calls)
    half = len(cases) // 2
    print(f"the first {half} documents:")
    show(lines[0][1], cases[:half], lines[0][2][:half], reference[:half], lines[0][3], 500)
    attend(model, corpus, documents[:half], cases[:half], reference[:half])


def lime(cases: list[Deletion], documents: list[str], model: Any, samples: int) -> tuple[str, list[list[str]], float]:
    """Return what LIME's package ranks, or the same computed here where it is not installed."""
    start = time.process_time()
    try:
        from lime.lime_text import LimeTextExplainer
    except ImportError:
        ranked = [case.lime(samples) for case in cases]
        name = f"LIME, computed here, {samples}"
    else:
        ranked = []
        for text, case in zip(documents, cases, strict=True):
            found = LimeTextExplainer(random_state=0).explain_instance(
                text, model.predict_proba, labels=(case.predicted,), num_features=50, num_samples=samples
            )
            pairs = sorted(found.as_list(label=case.predicted), key=lambda pair: -pair[1])
            ranked.append([word for word, value in pairs if value > 0 and word in case.words])
        name = f"LIME's package, {samples}"
    return name, ranked, (time.process_time() - start) / len(cases)


def words_of(explanation: Explanation, cases: list[Deletion]) -> list[list[str]]:
    """Return the words that speak for the predicted class of each document, most important first, as written there."""
    assert explanation.documents is not None
    found = []
    for document, case in zip(explanation.documents, cases, strict=True):
        sums: dict[str, float] = {}
        for token, value in zip(document.tokens, document.values[case.predicted].tolist(), strict=True):
            sums[token] = sums.get(token, 0.0) + value
        ranked = sorted(sums.items(), key=lambda pair: -pair[1])
        found.append([word for word, value in ranked if value > 0 and word in case.words])
    return found


def attend(model: Any, corpus: Corpus, documents: list[str], cases: list[Deletion], reference: Any) -> None:
    """Train a hierarchical attention network, and print how faithful it is and how it ranks."""
    start = time.process_time()
    explainer = HANTextExplainer(model, corpus.train, show_progress=False).train_model(train_epochs=3)
    trained = time.process_time() - start
    said = explainer.explain_global(corpus.test, tune_epochs=0)
    assert said.local_importances is not None
    assert said.base_values is not None
    answers = (said.local_importances.totals + said.base_values[:, None]).argmax(axis=0)
    agree = float((answers == model.predict_proba(corpus.test).argmax(axis=1)).mean())
    for name, epochs in (("HAN", 0), ("HAN, tuned to the document", 5)):
        start = time.process_time()
        explanation = explainer.explain_local(documents, tune_epochs=epochs)
        seconds = (time.process_time() - start) / len(documents)
        show(name, cases, words_of(explanation, cases), reference, seconds, 201 if epochs else 0)
    assert explanation.documents is not None
    attention = []
    for document, case in zip(explanation.documents, cases, strict=True):
        weights: dict[str, float] = {}
        for token, weight in zip(document.tokens, document.weights.tolist(), strict=True):
            weights[token] = weights.get(token, 0.0) + weight
        attention.append([word for word in sorted(weights, key=lambda w: -weights[w]) if word in case.words])
    show("its attention alone", cases, attention, reference, 0.0, 201)
    print(
        f"HAN: same class as the model for {explainer.fidelity:.3f} of the held-out documents, {agree:.3f} of the test "
        f"documents; {trained:.0f} s to train on {len(corpus.train):,}"
    )


def falls_of(cases: list[Deletion], ranked: list[list[str]]) -> Any:
    """Return by how much the probability falls in each document, (n,)."""
    return np.array([case.fall(words) if words else 0.0 for case, words in zip(cases, ranked, strict=True)])


def show(
    name: str, cases: list[Deletion], ranked: list[list[str]], reference: Any, seconds: float, calls: float
) -> None:
    falls = falls_of(cases, ranked)
    better = np.median(falls - reference)
    print(f"{name:34}{np.median(falls):9.3f}{falls.mean():9.3f}{better:+9.4f}{calls:9.0f}{seconds:9.3f}", flush=True)


if __name__ == "__main__":
    main()
