"""The table of docs/models.md: which explainer is chosen for which model, in which space, and how well values add up.

The page is made by this file, ``python -m tests.integration.test_models_table``, and the test fails where it no longer
says what happens. What values are held to is computed here, from the models' public methods.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from explanation_client.explainers import TabularExplainer

pytestmark = pytest.mark.integration

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
COMMAND = "python -m tests.integration.test_models_table"
# Errors are told by the first of these that they stay under, so that the page does not depend on the last bit.
BOUNDS = (1e-12, 1e-9, 1e-6, 1e-3)
TASKS = ("regression", "binary", "multiclass")
SEED = {"random_state": 0}
SMALL = {"n_estimators": 5, "max_depth": 3, "random_state": 0}

_RNG = np.random.default_rng(0)
X = _RNG.normal(size=(150, 4))
_SCORE = 2.0 * X[:, 0] - X[:, 1] + X[:, 0] * X[:, 2]
TARGETS = {
    "regression": _SCORE,
    "binary": (_SCORE > 0).astype(int),
    "multiclass": np.digitize(_SCORE, [-1.0, 1.0]),
    "counts": np.exp(_SCORE / 4.0),
}
BACKGROUND, ROWS = X[:60], X[60:80]


class Row(NamedTuple):
    """One line of the table."""

    model: str
    task: str
    explainer: str
    space: str
    error: str


@dataclass(frozen=True)
class Case:
    """A kind of model: how to make one for a task, and how it answers."""

    section: str
    name: str
    tasks: tuple[str, ...]
    fit: Callable[[str], Any]
    raw: Callable[[Any, Any], Any] | None = None


def estimators(section: str, tasks: tuple[str, ...], *models: Any, name: str | None = None, **how: Any) -> list[Case]:
    """Return cases of scikit-learn's interface, each fitted anew for each task."""
    from sklearn.base import clone

    def fit_with(model: Any) -> Callable[[str], Any]:
        return lambda task: clone(model).fit(X, TARGETS[task])

    return [Case(section, name or type(model).__name__, tasks, fit_with(model), **how) for model in models]


CLASSES = ("binary", "multiclass")
NUMBERS = ("regression",)


def trees() -> Iterator[Case]:
    from sklearn import ensemble, tree

    title = "Trees and forests of scikit-learn"
    yield from estimators(
        title, CLASSES, tree.DecisionTreeClassifier(max_depth=3), tree.ExtraTreeClassifier(max_depth=3),
        ensemble.RandomForestClassifier(**SMALL), ensemble.ExtraTreesClassifier(**SMALL),
        ensemble.GradientBoostingClassifier(**SMALL),
        ensemble.HistGradientBoostingClassifier(max_iter=5, max_depth=3, min_samples_leaf=5),
    )  # fmt: skip
    yield from estimators(
        title, NUMBERS, tree.DecisionTreeRegressor(max_depth=3), tree.ExtraTreeRegressor(max_depth=3),
        ensemble.RandomForestRegressor(**SMALL), ensemble.ExtraTreesRegressor(**SMALL),
        ensemble.GradientBoostingRegressor(**SMALL),
        ensemble.HistGradientBoostingRegressor(max_iter=5, max_depth=3, min_samples_leaf=5),
        ensemble.IsolationForest(n_estimators=10, random_state=0),
    )  # fmt: skip
    poisson = ensemble.HistGradientBoostingRegressor(loss="poisson", max_iter=5, max_depth=3, min_samples_leaf=5)
    yield from estimators(title, ("counts",), poisson, name="HistGradientBoostingRegressor, Poisson loss")


def averages() -> Iterator[Case]:
    from sklearn import ensemble, linear_model, tree

    title = "Averages and boosts of models"
    forest, logistic = ensemble.RandomForestClassifier(**SMALL), linear_model.LogisticRegression()
    number_tree, class_tree = tree.DecisionTreeRegressor(max_depth=3), tree.DecisionTreeClassifier(max_depth=3)
    yield from estimators(
        title,
        CLASSES,
        ensemble.BaggingClassifier(class_tree, n_estimators=4, **SEED),
        name="BaggingClassifier of trees",
    )
    yield from estimators(
        title, CLASSES, ensemble.BaggingClassifier(logistic, n_estimators=2, **SEED),
        name="BaggingClassifier of logistic regressions",
    )  # fmt: skip
    soft = [("a", forest), ("b", ensemble.ExtraTreesClassifier(**SMALL))]
    yield from estimators(
        title, CLASSES, ensemble.VotingClassifier(soft, voting="soft"), name="VotingClassifier of forests, soft"
    )
    yield from estimators(title, CLASSES, ensemble.VotingClassifier(soft), name="VotingClassifier of forests, hard")
    mixed = ensemble.VotingClassifier([("a", forest), ("b", logistic)], voting="soft")
    yield from estimators(title, CLASSES, mixed, name="VotingClassifier of a forest and a logistic regression, soft")
    yield from estimators(title, CLASSES, ensemble.AdaBoostClassifier(class_tree, n_estimators=3, **SEED))
    yield from estimators(
        title, NUMBERS, ensemble.BaggingRegressor(number_tree, n_estimators=4, **SEED), name="BaggingRegressor of trees"
    )
    numbers = [("a", ensemble.RandomForestRegressor(**SMALL)), ("b", ensemble.GradientBoostingRegressor(**SMALL))]
    yield from estimators(title, NUMBERS, ensemble.VotingRegressor(numbers), name="VotingRegressor of trees")
    yield from estimators(title, NUMBERS, ensemble.AdaBoostRegressor(number_tree, n_estimators=3, **SEED))


def linear() -> Iterator[Case]:
    from sklearn import discriminant_analysis, linear_model, svm

    title = "Linear models of scikit-learn"
    yield from estimators(
        title, CLASSES, linear_model.LogisticRegression(), linear_model.LogisticRegressionCV(
            Cs=2, cv=2, use_legacy_attributes=False, l1_ratios=(0.0,), scoring="neg_log_loss"
        ),
        linear_model.RidgeClassifier(), linear_model.SGDClassifier(**SEED), linear_model.Perceptron(**SEED),
        discriminant_analysis.LinearDiscriminantAnalysis(), svm.LinearSVC(**SEED),
    )  # fmt: skip
    yield from estimators(
        title, NUMBERS, linear_model.LinearRegression(), linear_model.Ridge(), linear_model.Lasso(0.01),
        linear_model.ElasticNet(0.01), linear_model.BayesianRidge(), linear_model.HuberRegressor(),
        linear_model.QuantileRegressor(alpha=0.01), linear_model.SGDRegressor(**SEED), svm.LinearSVR(**SEED),
    )  # fmt: skip
    yield from estimators(
        title, ("counts",), linear_model.PoissonRegressor(), linear_model.GammaRegressor(),
        linear_model.TweedieRegressor(power=1.5),
    )  # fmt: skip

    def pair(task: str) -> Any:
        fitted = linear_model.LinearRegression().fit(X, TARGETS[task])
        return fitted.coef_, fitted.intercept_

    yield Case(title, "a tuple of coefficients and intercept", NUMBERS, pair)


def others() -> Iterator[Case]:
    from sklearn import discriminant_analysis, gaussian_process, naive_bayes, neighbors, neural_network, svm

    title = "Support vector machines"
    yield from estimators(title, CLASSES, svm.SVC(kernel="linear"), name="SVC, linear kernel")
    yield from estimators(title, CLASSES, svm.SVC(), name="SVC, other kernels")
    yield from estimators(title, CLASSES, svm.NuSVC(nu=0.2), name="NuSVC, other kernels")
    yield from estimators(title, NUMBERS, svm.SVR(kernel="linear"), name="SVR, linear kernel")
    yield from estimators(title, NUMBERS, svm.SVR(), name="SVR, other kernels")
    title = "Neural networks, neighbours, Bayes"
    network = {"hidden_layer_sizes": (4,), "max_iter": 40, "random_state": 0}
    yield from estimators(
        title, CLASSES, neural_network.MLPClassifier(**network), neighbors.KNeighborsClassifier(),
        naive_bayes.GaussianNB(), discriminant_analysis.QuadraticDiscriminantAnalysis(),
        gaussian_process.GaussianProcessClassifier(optimizer=None),
    )  # fmt: skip
    yield from estimators(
        title, NUMBERS, neural_network.MLPRegressor(**network), neighbors.KNeighborsRegressor(),
        gaussian_process.GaussianProcessRegressor(alpha=0.1, optimizer=None),
    )  # fmt: skip


def wrappers() -> Iterator[Case]:
    from sklearn import calibration, compose, decomposition, ensemble, linear_model, model_selection, multiclass
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    title = "Models around models"
    forest, logistic = ensemble.RandomForestClassifier(**SMALL), linear_model.LogisticRegression()
    search = model_selection.GridSearchCV(forest, {"max_depth": [2, 3]}, cv=2)
    yield from estimators(title, CLASSES, search, name="GridSearchCV of a forest")
    yield from estimators(
        title, CLASSES, make_pipeline(StandardScaler(), logistic), name="Pipeline: scaler, logistic regression"
    )
    yield from estimators(title, CLASSES, make_pipeline(StandardScaler(), forest), name="Pipeline: scaler, forest")
    mixing = make_pipeline(decomposition.PCA(3), logistic)
    yield from estimators(title, CLASSES, mixing, name="Pipeline: principal components, logistic regression")
    yield from estimators(title, CLASSES, make_pipeline(StandardScaler(), SVC()), name="Pipeline: scaler, SVC")
    yield from estimators(
        title, CLASSES, calibration.CalibratedClassifierCV(SVC(), ensemble=False),
        ensemble.StackingClassifier([("a", forest)], cv=2), multiclass.OneVsRestClassifier(logistic),
        multiclass.OneVsOneClassifier(logistic),
    )  # fmt: skip
    ridge = linear_model.Ridge()
    yield from estimators(
        title, NUMBERS, ensemble.StackingRegressor([("a", ridge)], cv=2), compose.TransformedTargetRegressor(ridge)
    )
    yield Case(title, "a prediction function", NUMBERS, lambda task: linear_model.Ridge().fit(X, TARGETS[task]).predict)
    yield Case(
        title, "a function of class probabilities", CLASSES,
        lambda task: linear_model.LogisticRegression().fit(X, TARGETS[task]).predict_proba,
    )  # fmt: skip


def boosters() -> Iterator[Case]:
    import catboost
    import lightgbm
    import xgboost

    def objective(task: str, names: tuple[str, str, str]) -> dict[str, Any]:
        extra = {"num_class": 3} if task == "multiclass" else {}
        return {"objective": names[TASKS.index(task)], **extra}

    title = "LightGBM, XGBoost, CatBoost"

    def light_raw(model: Any, x: Any) -> Any:
        return model.predict(x, raw_score=True)

    quiet = {"n_estimators": 5, "max_depth": 3, "n_jobs": 1}
    light = {**quiet, "verbose": -1, "min_child_samples": 5}
    yield from estimators(title, CLASSES, lightgbm.LGBMClassifier(**light), raw=light_raw)
    yield from estimators(title, NUMBERS, lightgbm.LGBMRegressor(**light), raw=light_raw)

    def light_booster(task: str) -> Any:
        settings = {**objective(task, ("regression", "binary", "multiclass")), "verbose": -1, "num_threads": 1}
        return lightgbm.train(settings, lightgbm.Dataset(X, TARGETS[task]), 5)

    yield Case(title, "lightgbm.Booster", TASKS, light_booster, light_raw)

    def xgboost_raw(model: Any, x: Any) -> Any:
        rows = xgboost.DMatrix(x) if isinstance(model, xgboost.Booster) else x
        return model.predict(rows, output_margin=True)

    yield from estimators(title, CLASSES, xgboost.XGBClassifier(**quiet), raw=xgboost_raw)
    yield from estimators(title, NUMBERS, xgboost.XGBRegressor(**quiet), raw=xgboost_raw)

    def xgboost_booster(task: str) -> Any:
        names = ("reg:squarederror", "binary:logistic", "multi:softprob")
        settings = {**objective(task, names), "max_depth": 3, "nthread": 1}
        return xgboost.train(settings, xgboost.DMatrix(X, TARGETS[task]), 5)

    yield Case(title, "xgboost.Booster", TASKS, xgboost_booster, xgboost_raw)

    def cat_raw(model: Any, x: Any) -> Any:
        return model.predict(x, prediction_type="RawFormulaVal")

    cat = {"n_estimators": 5, "depth": 3, "verbose": 0, "allow_writing_files": False, "thread_count": 1}

    def cat_classifier(task: str) -> Any:
        return catboost.CatBoostClassifier(**cat).fit(X, TARGETS[task])

    yield Case(title, "CatBoostClassifier", CLASSES, cat_classifier, cat_raw)
    yield Case(
        title, "CatBoostRegressor", NUMBERS,
        lambda task: catboost.CatBoostRegressor(**cat).fit(X, TARGETS[task]), cat_raw,
    )  # fmt: skip


def networks() -> Iterator[Case]:
    import skorch
    import torch
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from torch import nn

    title = "Networks of PyTorch"
    outputs = {"regression": 1, "binary": 2, "multiclass": 3}

    def layers(task: str, *end: Any) -> Any:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, outputs[task]), *end).double()

    def module(*end: Any) -> Callable[[str], Any]:
        def fit(task: str) -> Any:
            model, target = layers(task, *end), torch.tensor(TARGETS[task])
            loss = nn.MSELoss() if task == "regression" else nn.CrossEntropyLoss()
            optimizer = torch.optim.Adam(model.parameters(), 0.02)
            for _ in range(40):
                optimizer.zero_grad()
                loss(model(torch.tensor(X)), target[:, None] if task == "regression" else target).backward()
                optimizer.step()
            return model

        return fit

    def answered(model: Any, x: Any) -> Any:
        steps = model if hasattr(model, "steps") else None
        network = model if steps is None else model[-1]
        network = getattr(network, "module_", network)
        with torch.no_grad():
            return network(torch.tensor(x if steps is None else model[:-1].transform(x))).numpy()

    def wrapped(net: type) -> Callable[[str], Any]:
        def fit(task: str) -> Any:
            losses = {} if task == "regression" else {"criterion": nn.CrossEntropyLoss}
            target = TARGETS[task] if task != "regression" else TARGETS[task][:, None]
            return net(layers(task), max_epochs=10, lr=0.02, verbose=0, train_split=None, **losses).fit(X, target)

        return fit

    yield Case(title, "a module that returns values", NUMBERS, module(), answered)
    yield Case(title, "a module that returns scores", CLASSES, module(), answered)
    yield Case(title, "a module with a softmax at its end", CLASSES, module(nn.Softmax(dim=1)), answered)
    yield Case(title, "skorch.NeuralNetRegressor", NUMBERS, wrapped(skorch.NeuralNetRegressor), answered)
    yield Case(title, "skorch.NeuralNetClassifier", CLASSES, wrapped(skorch.NeuralNetClassifier), answered)
    yield Case(
        title, "Pipeline: scaler, skorch.NeuralNetClassifier", CLASSES,
        lambda task: make_pipeline(StandardScaler().fit(X), wrapped(skorch.NeuralNetClassifier)(task)), answered,
    )  # fmt: skip


def own_answers(case: Case, model: Any, space: str) -> Any:
    """Return what the model itself says of the rows in a space, (N,) or (N, C)."""
    if isinstance(model, tuple):
        return ROWS @ model[0] + model[1]
    if not hasattr(model, "predict"):
        return model(ROWS) if case.raw is None else case.raw(model, ROWS)
    if space == "probability" and not hasattr(model, "predict_proba"):
        return np.asarray(model.predict(ROWS))[:, None] == model.classes_
    if space == "probability":
        return model.predict_proba(ROWS)
    if space == "path length":
        # The mean length of an unsuccessful search among so many rows, which the score is relative to.
        n = float(model.max_samples_)
        average = 2.0 * (np.log(n - 1.0) + np.euler_gamma) - 2.0 * (n - 1.0) / n
        return -average * np.log2(-model.score_samples(ROWS))
    if case.raw is not None:
        return case.raw(model, ROWS)
    if space == "log of the value":
        return np.log(model.predict(ROWS))
    return model.predict(ROWS) if space == "value" else model.decision_function(ROWS)


def explain(case: Case, task: str) -> Row:
    """Return what TabularExplainer does with a model."""
    with warnings.catch_warnings():
        # Small models on few rows do not all converge, and say so.
        warnings.simplefilter("ignore")
        model = case.fit(task)
    explainer = TabularExplainer(model, BACKGROUND)
    explanation = explainer.explain_local(ROWS)
    space = str(explanation.info.output_space)
    answers = np.asarray(own_answers(case, model, space), np.float64)
    if answers.ndim == 1:
        answers = answers[:, None] if explanation.model_task == "regression" else np.column_stack([-answers, answers])
    gaps = explanation.local_importances.values.sum(axis=2).T + explanation.expected_values - answers
    error = float(np.abs(gaps).max() / np.abs(answers - explanation.expected_values).max())
    bound = next((bound for bound in BOUNDS if error < bound), None)
    task_name = {"counts": "regression", "binary": "2 classes", "multiclass": "3 classes"}.get(task, task)
    shown = "over 1e-3" if bound is None else f"under {bound:.0e}"
    return Row(case.name, task_name, type(explainer.explainer).__name__, space, shown)


def table() -> dict[str, list[Row]]:
    """Return the lines of each section."""
    import threadpoolctl

    sections: dict[str, list[Row]] = {}
    with threadpoolctl.threadpool_limits(1):
        for family in (trees, averages, linear, others, wrappers, boosters, networks):
            for case in family():
                for task in case.tasks:
                    sections.setdefault(case.section, []).append(explain(case, task))
    return sections


INTRODUCTION = f"""# Which explainer each model gets

Made by `{COMMAND}` from models that are trained and explained there; a test
fails where this page no longer says what happens. [Choosing an explainer](choosing.md) has the reasons.

For each class of models and task: the explainer that `TabularExplainer` chooses, what its values and base value add up
to (`explanation.info.output_space`), and by how much they miss the model's own answer, as a share of the largest
effect. Errors are those of 20 rows that are not in the background. Those of XGBoost are larger because its own answers
are rounded to float32. Networks here compute in float64; more of them, and models of Keras, are in [deep.md](deep.md).

Every model that is not here, your own class included, is explained by `KernelExplainer`, unless its class derives from
one that is. It tells why in `explanation.info.reason`.
"""


def page(sections: dict[str, list[Row]]) -> str:
    """Return the page."""
    lines = [INTRODUCTION]
    for section, rows in sections.items():
        lines += [
            f"## {section}",
            "",
            "| model | task | explainer | values add up to | error |",
            "|---|---|---|---|---|",
        ]
        lines += [f"| {row.model} | {row.task} | `{row.explainer}` | {row.space} | {row.error} |" for row in rows]
        lines.append("")
    return "\n".join(lines)


def committed() -> list[Row]:
    """Return the lines of the page."""
    lines = [line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if "| `" in line]
    return [Row(model, task, explainer.strip("`"), space, error) for model, task, explainer, space, error in lines]


def size(error: str) -> int:
    return [*(f"under {bound:.0e}" for bound in BOUNDS), "over 1e-3"].index(error)


def test_the_page_says_what_happens() -> None:
    found = [row for rows in table().values() for row in rows]
    said = committed()
    hint = f"if that is right, run: {COMMAND}"
    assert [row[:4] for row in found] == [row[:4] for row in said], hint
    # One step of a thousand is what other processors and versions can make of the same sums.
    differing = [
        (mine, page) for mine, page in zip(found, said, strict=True) if size(mine.error) > size(page.error) + 1
    ]
    assert not differing, hint
    assert not [row for row in found if row.error.startswith("over")]


if __name__ == "__main__":
    PAGE.write_text(page(table()), encoding="utf-8")
