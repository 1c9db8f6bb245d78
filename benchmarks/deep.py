"""How near to Shapley values, and what a row costs: ``python benchmarks/deep.py [--quick]``.

Dense networks (two layers of 48) are trained on twelve tasks of four to ten features, some of which are made of strong
interactions, with ReLU and with GELU. Distance is the length of the difference from the exact Shapley values beside
their length, for 12 rows; exact values are sums over all coalitions for the same background (KernelExplainer), which is
ten rows. CPU is of this process, with one thread, for 60 rows.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.preprocessing import StandardScaler
from torch import nn

from explanation_client.explainers import DeepExplainer, KernelExplainer

Floats = NDArray[np.float64]
Explain = Callable[[nn.Module, Floats, Floats], Floats]

TASKS: dict[str, tuple[int, Callable[[Floats], Floats]]] = {
    "a pair and slopes": (8, lambda x: 2 * x[:, 0] - x[:, 1] + x[:, 0] * x[:, 2] + np.abs(x[:, 4])),
    "product of three": (8, lambda x: x[:, 0] * x[:, 1] * x[:, 2]),
    "sign of a product": (6, lambda x: np.sign(x[:, 0] * x[:, 1] * x[:, 2])),
    "Friedman's": (8, lambda x: 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3]),
    "all of four": (8, lambda x: (x[:, :4] > -0.5).all(axis=1).astype(float)),
    "largest of five": (8, lambda x: x[:, :5].max(axis=1)),
    "ratio and bump": (6, lambda x: x[:, 0] / (1 + x[:, 1] ** 2) + x[:, 2] * np.exp(-(x[:, 3] ** 2))),
    "wave of a sum": (5, lambda x: np.cos(2 * x.sum(axis=1))),
}
QUICK = ("a pair and slopes", "product of three", "diabetes")
N_BACKGROUND, N_EXACT, N_TIMED = 10, 12, 60


def data_sets() -> Iterator[tuple[str, Floats, Floats]]:
    """Yield names, features and targets."""
    rng = np.random.default_rng(0)
    for name, (n_features, target) in TASKS.items():
        x = rng.normal(size=(800, n_features))
        yield name, x, target(x)
    for name, load in (("diabetes", load_diabetes), ("iris", load_iris), ("wine", load_wine)):
        bunch = load()
        yield name, bunch.data[:, :10], bunch.target.astype(float)
    bunch = load_breast_cancer()
    yield "breast cancer", bunch.data[:, :10], bunch.target.astype(float)


def trained(x: Floats, y: Floats, activation: type[nn.Module]) -> nn.Module:
    """Return a network of a target."""
    torch.manual_seed(0)
    n = x.shape[1]
    model = nn.Sequential(nn.Linear(n, 48), activation(), nn.Linear(48, 48), activation(), nn.Linear(48, 1))
    optimizer = torch.optim.Adam(model.parameters(), 3e-3, weight_decay=1e-5)
    rows, target = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)[:, None]
    for _ in range(60):
        for start in range(0, len(rows), 32):
            batch = slice(start, start + 32)
            optimizer.zero_grad()
            nn.functional.mse_loss(model(rows[batch]), target[batch]).backward()
            optimizer.step()
    return model.eval()


def ours(**how: Any) -> Explain:
    def explain(model: nn.Module, background: Floats, rows: Floats) -> Floats:
        explanation = DeepExplainer(model, background, show_progress=False, **how).explain_local(rows)
        return np.asarray(explanation.local_importances.values[0])

    return explain


def of_shap(name: str, **how: Any) -> Explain:
    def explain(model: nn.Module, background: Floats, rows: Floats) -> Floats:
        import shap

        explainer = getattr(shap, name)(model, torch.tensor(background, dtype=torch.float32))
        found = explainer.shap_values(torch.tensor(rows, dtype=torch.float32), **how)
        return np.asarray(found).reshape(rows.shape)

    return explain


EXPLAINERS: dict[str, Explain] = {
    "broken paths": ours(),
    "straight paths": ours(broken_paths=False),
    "DeepLIFT": ours(method="deeplift"),
    "shap.Deep": of_shap("DeepExplainer"),
    "shap.Gradient": of_shap("GradientExplainer"),
}


def measured(model: nn.Module, x: Floats) -> dict[str, tuple[float, float]]:
    """Return distance and CPU milliseconds for a row, of each explainer."""
    background, rows = x[:N_BACKGROUND], x[-N_TIMED:]
    exact = KernelExplainer(model, background, show_progress=False).explain_local(rows[:N_EXACT])
    wanted = exact.local_importances.values[0]
    found = {}
    for name, explain in EXPLAINERS.items():
        start = time.process_time()
        values = explain(model, background, rows)
        spent = 1e3 * (time.process_time() - start) / len(rows)
        found[name] = (float(np.linalg.norm(values[:N_EXACT] - wanted) / np.linalg.norm(wanted)), spent)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three tasks")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print(f"{'distance':32}" + "".join(f"{name:>16}" for name in EXPLAINERS))
    gathered: list[dict[str, tuple[float, float]]] = []
    for name, features, target in data_sets():
        if quick and name not in QUICK:
            continue
        x = StandardScaler().fit_transform(features)[np.random.default_rng(1).permutation(len(features))]
        y = target[np.random.default_rng(1).permutation(len(features))]
        for activation in (nn.ReLU, nn.GELU):
            line = measured(trained(x[:-N_TIMED], (y[:-N_TIMED] - y.mean()) / y.std(), activation), x)
            gathered.append(line)
            figures = "".join(f"{line[explainer][0]:16.3f}" for explainer in EXPLAINERS)
            print(f"{name + ', ' + activation.__name__:32}{figures}", flush=True)
    for label, position, form in (("median distance", 0, "16.3f"), ("CPU ms for a row, median", 1, "16.2f")):
        middles = [np.median([line[explainer][position] for line in gathered]) for explainer in EXPLAINERS]
        print(f"{label:32}" + "".join(f"{middle:{form}}" for middle in middles))


if __name__ == "__main__":
    main()
