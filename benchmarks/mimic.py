"""Times MimicExplainer against Kernel SHAP: ``python benchmarks/mimic.py [--quick]``.

Breast cancer (455 rows of 30 features to train on, 114 to explain) and the kernel SVM of the original documentation.
Every figure is CPU time of this process, after a first call that compiles and loads. Mimic is charged for all it does:
asking the model about the mixtures, fitting the surrogate, measuring it and explaining all rows. The Kernel explainers
explain some of the rows; their time for all of them is that many times longer, since each row costs the same.

A surrogate answers another question than Kernel SHAP, so the agreement of the two is printed beside the ratios. The
second table says how faithful surrogates are on rows that nothing was trained on: accuracy against the model's labels,
or r2 of a regression, without mixtures and with them.
"""

from __future__ import annotations

import argparse
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.explainers import KernelExplainer, MimicExplainer
from explanation_client.surrogates import (
    DecisionTreeExplainableModel,
    ExplainableModel,
    LGBMExplainableModel,
    LinearExplainableModel,
    SGDExplainableModel,
)

Rows = NDArray[np.float64]

AIM = 100.0
SURROGATES: tuple[type[ExplainableModel], ...] = (
    LGBMExplainableModel,
    LinearExplainableModel,
    SGDExplainableModel,
    DecisionTreeExplainableModel,
)


@dataclass(frozen=True)
class Peer:
    """A Kernel explainer: CPU seconds for a row, and the values of the second class for the rows it explained."""

    name: str
    seconds: float
    values: Rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rows for the Kernel explainers, one repetition")
    quick = parser.parse_args().quick
    # What other packages have to say would break up the table.
    warnings.simplefilter("ignore")
    model, train, test, accuracy = make_model()
    print(f"Python {platform.python_version()} on {platform.machine()}; CPU seconds")
    print(f"Model: SVC(gamma=0.001, C=100), accuracy {accuracy:.3f}; {len(test)} rows of {test.shape[1]} features")
    peers = [run_kernel(model, train, test[: 4 if quick else 20]), run_shap(model, train, test[: 2 if quick else 10])]
    for peer in peers:
        print(f"  {peer.name}: {peer.seconds:.3f} a row, {peer.seconds * len(test):.1f} for all")
    print_table(model, train, test, peers, repeats=1 if quick else 3)
    print_fidelity(quick)


def make_model() -> tuple[Any, Rows, Rows, float]:
    """Return the model, the rows to train on and to explain, and the model's accuracy on the latter."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split
    from sklearn.svm import SVC

    data = load_breast_cancer()
    train, test, y_train, y_test = train_test_split(data.data, data.target, test_size=0.2, random_state=0)
    model = SVC(gamma=0.001, C=100.0).fit(train, y_train)
    return model, train, test, float(model.score(test, y_test))


def run_kernel(model: Any, train: Rows, rows: Rows) -> Peer:
    """Return the time of this library's Kernel SHAP with its defaults."""
    explainer = KernelExplainer(model, train, show_progress=False)
    explainer.explain_local(rows[:1])
    seconds, explanation = timed(lambda: explainer.explain_local(rows))
    return Peer("KernelExplainer", seconds / len(rows), explanation.local_importance_values[1])


def run_shap(model: Any, train: Rows, rows: Rows) -> Peer:
    """Return the time of shap's Kernel SHAP with ten k-means rows, as the original explainers called it."""
    import shap

    def decide(x: Rows) -> Any:
        return model.decision_function(x)

    explainer = shap.KernelExplainer(decide, shap.kmeans(train, 10))
    seconds, values = timed(lambda: explainer.shap_values(rows, silent=True))
    return Peer("shap.KernelExplainer", seconds / len(rows), np.asarray(values))


def print_table(model: Any, train: Rows, test: Rows, peers: list[Peer], *, repeats: int) -> None:
    head = "surrogate".ljust(30) + "mixtures".rjust(9) + "fit".rjust(8) + "explain".rjust(9) + "fidelity".rjust(10)
    for peer in peers:
        head += f"/ {peer.name}".rjust(25)
    print(f"\n{head}{'corr'.rjust(8)}{'top 5'.rjust(7)}")
    slowest = np.inf
    for kind in SURROGATES:
        for augment in (False, True):
            fit, explain, explainer, values = run_mimic(model, train, test, kind, augment, repeats)
            ratios = [peer.seconds * len(test) / (fit + explain) for peer in peers]
            slowest = min(slowest, ratios[-1])
            fidelity = explainer.get_surrogate_model_replication_measure(test)
            line = kind.__name__.ljust(30) + ("yes" if augment else "no").rjust(9)
            line += f"{fit:.3f}".rjust(8) + f"{explain:.4f}".rjust(9) + f"{fidelity:.3f}".rjust(10)
            line += "".join(f"{ratio:.0f} times".rjust(25) for ratio in ratios)
            corr, common = agreement(values, peers[0].values)
            print(f"{line}{corr:8.2f}{common:7d}", flush=True)
    reached = "reached" if slowest >= AIM else "missed"
    print(f"\nLeast ratio to {peers[-1].name}: {slowest:.0f} times (aim: over {AIM:.0f}; {reached})")


def run_mimic(
    model: Any, train: Rows, test: Rows, kind: type[ExplainableModel], augment: bool, repeats: int
) -> tuple[float, float, MimicExplainer, Rows]:
    """Return CPU seconds of making the explainer and of explaining all rows, the explainer and its values."""

    def make() -> MimicExplainer:
        return MimicExplainer(model, train, kind, augment_data=augment, show_progress=False)

    make().explain_global(test[:2])
    fits, explains = [], []
    for _ in range(repeats):
        seconds, explainer = timed(make)
        fits.append(seconds)
        seconds, explanation = timed(lambda explainer=explainer: explainer.explain_global(test))  # type: ignore[misc]
        explains.append(seconds)
    return min(fits), min(explains), explainer, explanation.local_importance_values[1]


def print_fidelity(quick: bool) -> None:
    print(f"\n{'fidelity on fresh rows'.ljust(30)}{''.join(kind.method.rjust(18) for kind in SURROGATES)}")
    for name, model, train, test in teachers(quick):
        line = name.ljust(30)
        for kind in SURROGATES:
            found = [
                MimicExplainer(
                    model, train, kind, augment_data=augment, show_progress=False
                ).get_surrogate_model_replication_measure(test)
                for augment in (False, True)
            ]
            line += f"{found[0]:.3f} -> {found[1]:.3f}".rjust(18)
        print(line, flush=True)


def teachers(quick: bool) -> Iterator[tuple[str, Any, Rows, Rows]]:
    """Yield models that no simple model is equal to, with rows to train a surrogate on and fresh ones."""
    from sklearn import datasets
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC, SVR

    calibrated = CalibratedClassifierCV(SVC(), ensemble=False)
    network = MLPClassifier((30,), max_iter=1000, random_state=0)
    cases = [
        ("breast cancer, SVC", datasets.load_breast_cancer, SVC(gamma=0.001, C=100.0)),
        ("breast cancer, scaled SVC", datasets.load_breast_cancer, make_pipeline(StandardScaler(), calibrated)),
        ("wine, neural network", datasets.load_wine, make_pipeline(StandardScaler(), network)),
        ("diabetes, SVR", datasets.load_diabetes, SVR(C=100.0)),
    ]
    if not quick:
        digits = CalibratedClassifierCV(SVC(gamma=0.001), ensemble=False)
        cases.append(("digits, SVC of 10 classes", datasets.load_digits, digits))
    for name, load, model in cases:
        rows, target = load(return_X_y=True)
        train, test, y_train, _ = train_test_split(rows, target, test_size=0.2, random_state=0)
        yield name, model.fit(train, y_train), train, test


def agreement(values: Rows, truth: Rows) -> tuple[float, int]:
    """Return the correlation of the values of the same rows, and how many of the five first features are shared."""
    found = values[: len(truth)]
    first = [set(np.argsort(-np.abs(v).mean(axis=0))[:5].tolist()) for v in (found, truth)]
    return float(np.corrcoef(found.ravel(), truth.ravel())[0, 1]), len(first[0] & first[1])


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = call()
    return time.process_time() - start, result


if __name__ == "__main__":
    main()
