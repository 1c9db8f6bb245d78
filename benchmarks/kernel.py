"""Model rows and CPU for the same error: ``python benchmarks/kernel.py [--quick]``.

A support vector machine on breast cancer (30 features), its decision function, a background of 50 rows. Errors are
relative (length of the difference beside the length of the values), against exact Shapley values: a radial kernel is
a product over the features, so that they are an integral of a polynomial, for each background row. CPU is of this
process, the model's own predictions included. Every estimator explains the same rows in the same run.

What it costs to make a background of 455 rows a few comes last, from the exact values of both games, and what it costs
to explain a sample of many rows, from exact values of a forest: no estimator is involved in either.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import logging
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from explanation_client.explainers import KernelExplainer, SamplingPolicy, TreeExplainer
from explanation_client.explainers.background import summarise
from explanation_client.explainers.inputs import Table

Floats = NDArray[np.float64]
Estimator = Callable[["Counted", Floats, Floats, int, int], Floats]

N_BACKGROUND = 50
BUDGETS = (64, 128, 256, 512, 1024, 2108)
# shap's own number for 30 features.
DEFAULT = 2108


class Counted:
    """The model's decision function, and how many rows it was asked about."""

    def __init__(self, model: SVC) -> None:
        self.model = model
        self.rows = 0

    def __call__(self, rows: Floats) -> Floats:
        """Return the scores of some rows, (N,)."""
        self.rows += len(rows)
        return np.asarray(self.model.decision_function(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two rows, one seed, four budgets")
    quick = parser.parse_args().quick
    warnings.simplefilter("ignore")
    logging.getLogger("shap").setLevel(logging.ERROR)
    n_rows, n_seeds = (2, 1) if quick else (6, 3)
    budgets = (128, 256, 512, DEFAULT) if quick else BUDGETS
    if importlib.util.find_spec("shapiq") is None:
        print("shapiq: not installed (pip install shapiq)")
    for name, model, background, rows in cases(n_rows):
        print(f"\n{name}: {n_rows} rows, {n_seeds} seed(s); error | model rows for each row | CPU seconds for each row")
        truth = np.array([exact(model, background, row) for row in rows])
        curves = {}
        for who, (estimator, sizes) in estimators(budgets).items():
            curves[who] = [measure(estimator, model, background, rows, truth, size, n_seeds) for size in sizes]
            for size, (error, asked, seconds) in zip(sizes, curves[who], strict=True):
                print(f"  {who:10} {size:5} coalitions  {error:8.4f} | {asked:9,.0f} | {seconds:6.3f}")
        compare(curves)
    summaries(n_rows)
    samples(n_seeds)


def samples(n_seeds: int) -> None:
    """Print how far global importances of a sample are from those of all rows."""
    x, y = load_digits(return_X_y=True)
    explainer = TreeExplainer(RandomForestClassifier(20, random_state=0).fit(x, y))
    truth = explainer.explain_global(x, include_local=False).global_importance_values
    print(
        f"\nrandom forest on {len(x):,} rows of digits, 200 of them sampled: error of global importances, CPU seconds"
    )
    for method in ("random", "kmeans", "hdbscan"):
        errors, start = [], time.process_time()
        for seed in range(n_seeds):
            policy = SamplingPolicy(allow_eval_sampling=True, sampling_method=method, n_rows=200, seed=seed)
            found = explainer.explain_global(x, policy, include_local=False).global_importance_values
            errors.append(np.linalg.norm(found - truth) / np.linalg.norm(truth))
        print(f"  {method:8} {np.mean(errors):.3f} | {(time.process_time() - start) / n_seeds:6.3f}")


def summaries(n_rows: int) -> None:
    """Print how far the exact values of a summarised background are from those of all its rows."""
    data = load_breast_cancer()
    x, x_test, y, _ = train_test_split(data.data, data.target, test_size=0.2, random_state=0)
    scaler = StandardScaler().fit(x)
    scaled, rows = scaler.transform(x), scaler.transform(x_test[:n_rows])
    model = SVC().fit(scaled, y)
    truth = np.array([exact(model, scaled, row) for row in rows])
    print(f"\nSVC() on scaled columns, {len(x)} background rows made fewer: error of exact values, mean of three seeds")
    for size in (1, 5, 10, 25, 45):
        found = {"k-means centroids": [], "sampled rows": []}
        for seed in range(3):
            summary, _ = summarise(Table(scaled), n_clusters=size, seed=seed)
            drawn = np.random.default_rng(seed).choice(scaled, size, replace=False)
            for name, few, weights in (
                ("k-means centroids", summary.data, summary.weights),
                ("sampled rows", drawn, None),
            ):
                values = np.array([exact(model, few, row, weights) for row in rows])
                found[name].append(np.linalg.norm(values - truth) / np.linalg.norm(truth))
        print(f"  {size:4} rows  " + "   ".join(f"{name} {np.mean(errors):.3f}" for name, errors in found.items()))


def cases(n_rows: int) -> list[tuple[str, SVC, Floats, Floats]]:
    data = load_breast_cancer()
    x, x_test, y, _ = train_test_split(data.data, data.target, test_size=0.2, random_state=0)
    chosen = np.random.default_rng(0).choice(len(x), N_BACKGROUND, replace=False)
    scaler = StandardScaler().fit(x)
    scaled, scaled_test = scaler.transform(x), scaler.transform(x_test)
    return [
        ("SVC(gamma=0.001, C=100)", SVC(gamma=0.001, C=100.0).fit(x, y), x[chosen], x_test[:n_rows]),
        ("SVC() on scaled columns", SVC().fit(scaled, y), scaled[chosen], scaled_test[:n_rows]),
    ]


def exact(model: SVC, background: Floats, row: Floats, weights: Floats | None = None) -> Floats:
    """Return the Shapley values of the decision function for one row, by quadrature of the multilinear extension."""
    shares = np.full(len(background), 1 / len(background)) if weights is None else weights
    ours = np.exp(-model._gamma * (row - model.support_vectors_) ** 2)
    points, densities = np.polynomial.legendre.leggauss(len(row) // 2 + 1)
    values = np.zeros(len(row))
    for other, share in zip(background, shares, strict=True):
        theirs = np.exp(-model._gamma * (other - model.support_vectors_) ** 2)
        for point, weight in zip((points + 1) / 2, share * densities / 2, strict=True):
            factors = np.log(np.maximum(point * ours + (1 - point) * theirs, 1e-300))
            others = np.exp(factors.sum(axis=1, keepdims=True) - factors)
            values += weight * (model.dual_coef_[0] @ ((ours - theirs) * others))
    gap = values.sum() - model.decision_function(row[None])[0]
    assert abs(gap + shares @ model.decision_function(background)) < 1e-9
    return values


def estimators(budgets: tuple[int, ...]) -> dict[str, tuple[Estimator, tuple[int, ...]]]:
    found: dict[str, tuple[Estimator, tuple[int, ...]]] = {"ours": (ours, budgets)}
    if importlib.util.find_spec("shap") is not None:
        # Fewer coalitions than half its default leave shap's values without use; more are not its default.
        found["shap"] = (by_shap, (DEFAULT // 2, DEFAULT))
    if importlib.util.find_spec("shapiq") is not None:
        found["shapiq"] = (by_shapiq, budgets)
    return found


def ours(model: Counted, background: Floats, rows: Floats, size: int, seed: int) -> Floats:
    explainer = KernelExplainer(model, background, nsamples=size, nclusters=len(background), seed=seed)
    return np.asarray(explainer.explain_local(rows).local_importances.values[0])


def by_shap(model: Counted, background: Floats, rows: Floats, size: int, seed: int) -> Floats:
    shap: Any = importlib.import_module("shap")
    np.random.seed(seed)
    return np.asarray(shap.KernelExplainer(model, background).shap_values(rows, nsamples=size, l1_reg=0, silent=True))


def by_shapiq(model: Counted, background: Floats, rows: Floats, size: int, seed: int) -> Floats:
    approximator: Any = importlib.import_module("shapiq.approximator")
    return np.array([_one_by_shapiq(approximator, model, background, row, size, seed) for row in rows])


def _one_by_shapiq(
    approximator: Any, model: Counted, background: Floats, row: Floats, size: int, seed: int
) -> list[float]:
    base = float(model(background).mean())

    def game(masks: NDArray[np.bool_]) -> Floats:
        mixed = np.where(np.atleast_2d(masks)[:, None, :], row, background)
        return model(mixed.reshape(-1, len(row))).reshape(len(mixed), -1).mean(axis=1) - base

    found = approximator.RegressionMSR(n=len(row), random_state=seed).approximate(size, game)
    return [found[(i,)] for i in range(len(row))]


def measure(
    estimator: Estimator, model: SVC, background: Floats, rows: Floats, truth: Floats, size: int, n_seeds: int
) -> tuple[float, float, float]:
    """Return mean error, model rows and CPU seconds for each explained row."""
    counted, errors = Counted(model), []
    start = time.process_time()
    for seed in range(n_seeds):
        values = estimator(counted, background, rows, size, seed)
        errors += list(np.linalg.norm(values - truth, axis=1) / np.linalg.norm(truth, axis=1))
    each = n_seeds * len(rows)
    return float(np.mean(errors)), counted.rows / each, (time.process_time() - start) / each


def compare(curves: dict[str, list[tuple[float, float, float]]]) -> None:
    """Print how many times fewer model rows and CPU ours takes for the error that the others have at their most."""
    mine = curves["ours"]
    for who, theirs in curves.items():
        if who == "ours":
            continue
        error, asked, seconds = theirs[-1]
        enough = next((at for at in mine if at[0] <= error), None)
        if enough is None:
            print(f"  {who}: its error of {error:.4f} is not reached")
            continue
        sizes, errors = [np.log(rows) for _, rows, _ in mine], [-np.log(at) for at, _, _ in mine]
        rows_at_error = float(np.exp(np.interp(-np.log(error), errors, sizes)))
        print(
            f"  {who} has an error of {error:.4f} at {asked:,.0f} model rows: ours takes {asked / enough[1]:.1f} times "
            f"fewer ({asked / rows_at_error:.1f} between the budgets), and {seconds / enough[2]:.1f} times less CPU"
        )


if __name__ == "__main__":
    main()
