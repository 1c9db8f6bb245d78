"""Writes what the tests read of packages that they cannot install: run by hand, in an environment of each package.

::

    python capture.py interpret-community    # with interpret-community 0.32.0, lightgbm, numpy 1.26
    python capture.py interpret-core         # with interpret-core 0.7.8

Beside each explanation is what the model answers for the rows, by which the tests know what it must add up to.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

HERE = Path(__file__).parent / "captured"


def small(load: Any, columns: int) -> tuple[Any, Any]:
    """Return the first columns of one of scikit-learn's tables."""
    x, y = load(return_X_y=True, as_frame=True)
    return x.iloc[:, :columns], y


def interpret_community() -> None:
    """Write one folder of ``save_explanation`` for each kind."""
    from interpret_community.explanation.explanation import save_explanation
    from interpret_community.mimic.mimic_explainer import MimicExplainer
    from interpret_community.mimic.models import LGBMExplainableModel, LinearExplainableModel
    from interpret_community.permutation.permutation_importance import PFIExplainer
    from interpret_community.shap.kernel_explainer import KernelExplainer
    from interpret_community.shap.linear_explainer import LinearExplainer
    from interpret_community.shap.tree_explainer import TreeExplainer
    from lightgbm import LGBMClassifier
    from scipy.sparse import csr_matrix
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LogisticRegression

    root = HERE / "interpret_community"
    shutil.rmtree(root, ignore_errors=True)

    def write(name: str, explanation: Any, answers: Any = None) -> None:
        save_explanation(explanation, str(root / name))
        (root / name / "init_data.json").unlink(missing_ok=True)
        if answers is not None:
            (root / name / "answers.json").write_text(json.dumps(np.asarray(answers).tolist()), encoding="utf-8")

    x, y = small(load_diabetes, 4)
    forest = RandomForestRegressor(5, max_depth=3, random_state=0).fit(x, y)
    write("regression", TreeExplainer(forest).explain_global(x[:4]), forest.predict(x[:4]))
    write("regression-rows", TreeExplainer(forest).explain_local(x[:4]), forest.predict(x[:4]))

    x, y = small(load_iris, 4)
    forest = RandomForestClassifier(5, max_depth=3, random_state=0).fit(x, y)
    rows, names = x[::30], ["setosa", "versicolor", "virginica"]
    write("multiclass", TreeExplainer(forest, classes=names).explain_global(rows), forest.predict_proba(rows).T)
    write("multiclass-no-names", TreeExplainer(forest).explain_global(rows, include_local=False))

    x, y = small(load_breast_cancer, 5)
    model = LogisticRegression(max_iter=5000).fit(x, y)
    both, rows = {"classes": ["malignant", "benign"]}, x[:3]
    margins = model.decision_function(rows)
    write("linear", LinearExplainer(model, x[:10], **both).explain_global(rows), [-margins, margins])
    mimic = MimicExplainer(model, x[:80], LGBMExplainableModel, augment_data=False, **both)
    write("surrogate-alone", mimic.explain_global())
    mimic = MimicExplainer(model, x[:10], LinearExplainableModel, augment_data=False, **both)
    mimic.explain_global(rows)
    # The predictions of the call before are attached to this one: a fault that is worth keeping.
    write("other-predictions", mimic.explain_local(x.iloc[0].to_numpy()))
    kernel = KernelExplainer(model, x[:5], features=list(x.columns), show_progress=False, **both)
    one = x.iloc[0].to_numpy()
    write("one-row", kernel.explain_local(one), model.predict_proba(one[None])[0])
    pfi = PFIExplainer(model, features=list(x.columns), **both)
    write("permutation", pfi.explain_global(x[:8], true_labels=y[:8]))
    dense = x.to_numpy() * (np.arange(5) > 1)
    boosted = LGBMClassifier(n_estimators=3, num_leaves=4).fit(csr_matrix(dense), y)
    sparse = TreeExplainer(boosted, **both).explain_local(csr_matrix(dense[:3]))
    margins = boosted.predict(csr_matrix(dense[:3]), raw_score=True)
    write("sparse", sparse, [-margins, margins])


def interpret_core() -> None:
    """Write what ``data(-1)`` gives, for each kind."""
    from interpret.glassbox import (
        ClassificationTree,
        ExplainableBoostingClassifier,
        ExplainableBoostingRegressor,
        LinearRegression,
        LogisticRegression,
    )

    root = HERE / "interpret_core"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)

    def write(name: str, explanation: Any, answers: Any = None) -> None:
        everything = {key: value for key, value in explanation.data(-1).items() if key != "mli"}
        if explanation.explanation_type == "global":
            # The curves of the terms are large, and nobody reads them.
            everything["specific"] = [{"meta": term["meta"]} for term in everything["specific"] if "meta" in term]
        kept = {
            "explanation_type": explanation.explanation_type,
            "name": explanation.name,
            "data": everything,
            "answers": answers,
        }
        text = json.dumps(kept, default=lambda v: v.tolist(), indent=None)
        (root / f"{name}.json").write_text(text + "\n", encoding="utf-8")

    few: dict[str, Any] = {"outer_bags": 2, "max_rounds": 20, "max_bins": 4, "n_jobs": 1, "random_state": 0}
    x, y = small(load_diabetes, 3)
    ebm = ExplainableBoostingRegressor(interactions=1, **few).fit(x, y)
    write("ebm-regression", ebm.explain_local(x[:3], y[:3]), [ebm.predict(x[:3])])
    write("ebm-regression-global", ebm.explain_global(), ebm.term_importances())
    linear = LinearRegression().fit(x, y)
    write("linear-regression", linear.explain_local(x[:3], y[:3]), [linear.predict(x[:3])])

    x, y = small(load_breast_cancer, 3)
    y = np.array(["malignant", "benign"])[y]
    rows = x[::100]
    ebm = ExplainableBoostingClassifier(interactions=1, **few).fit(x, y)
    margins = ebm.decision_function(rows)
    write("ebm-binary", ebm.explain_local(rows), [-margins, margins])
    logistic = LogisticRegression().fit(x, y)
    margins = logistic.sk_model_.decision_function(rows)
    write("logistic", logistic.explain_local(rows, y[::100]), [-margins, margins])

    x, y = small(load_iris, 3)
    y = np.array(["setosa", "versicolor", "virginica"])[y]
    rows = x[::50]
    ebm = ExplainableBoostingClassifier(interactions=0, **few).fit(x, y)
    write("ebm-multiclass", ebm.explain_local(rows, y[::50]), ebm.decision_function(rows).T)
    write("ebm-multiclass-global", ebm.explain_global(), ebm.term_importances())
    tree = ClassificationTree(max_depth=2).fit(x, y)
    write("tree", tree.explain_local(rows))


if __name__ == "__main__":
    {"interpret-community": interpret_community, "interpret-core": interpret_core}[sys.argv[1]]()
