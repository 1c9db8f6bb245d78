"""Explanations to look at while working on the front end: real ones, large ones, hostile ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import lightgbm
import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from explanation_client.dataset import EvaluationData
from explanation_client.documents import Sentences
from explanation_client.explainers import TreeExplainer
from explanation_client.explainers.text import TextExplainer
from explanation_client.explanation import Explanation
from explanation_client.importances import Importances
from explanation_client.info import ExplanationInfo, new_id, now


def cancer() -> Explanation:
    """Return a binary classifier's explanation with data, labels and interactions."""
    found = load_breast_cancer(as_frame=True)
    model = lightgbm.LGBMClassifier(n_estimators=60, verbose=-1).fit(found.data, found.target)
    explainer = TreeExplainer(
        model, found.data, features=list(found.feature_names), classes=list(found.target_names), interactions=True
    )
    return labelled(
        explainer.explain_global(found.data),
        np.array(found.target_names, object)[model.predict(found.data)],
        np.array(found.target_names, object)[found.target],
        model.predict_proba(found.data),
        comment="Second round: fewer trees, same data",
    )


def cancer_old() -> Explanation:
    """Return the same of another model, to compare with."""
    found = load_breast_cancer(as_frame=True)
    model = lightgbm.LGBMClassifier(n_estimators=15, num_leaves=4, verbose=-1).fit(found.data, found.target)
    explainer = TreeExplainer(model, found.data, features=list(found.feature_names), classes=list(found.target_names))
    return labelled(
        explainer.explain_global(found.data),
        np.array(found.target_names, object)[model.predict(found.data)],
        np.array(found.target_names, object)[found.target],
        model.predict_proba(found.data),
        comment="First round",
    )


def houses() -> Explanation:
    """Return a regression's explanation with categories, dates, flags and missing values."""
    rng = np.random.default_rng(0)
    n = 8_000
    table = pd.DataFrame(
        {
            "area": rng.gamma(6, 18, n).round(1),
            "rooms": rng.integers(1, 8, n),
            "district": rng.choice(["Söder", "Vasastan", "Kungsholmen", "Östermalm", "Hägersten"], n),
            "built": rng.integers(1880, 2025, n),
            "lift": rng.random(n) < 0.6,
            "fee": np.where(rng.random(n) < 0.1, np.nan, rng.normal(3500, 900, n).round()),
            "sold": pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 1000, n), unit="D"),
            "floor": rng.integers(0, 12, n),
        }
    )
    worth = {"Söder": 95, "Vasastan": 105, "Kungsholmen": 98, "Östermalm": 120, "Hägersten": 70}
    price = (
        table["area"] * table["district"].map(worth) / 100 + table["lift"] * table["floor"] * 2 + rng.normal(0, 6, n)
    )
    coded = table.assign(
        district=table["district"].astype("category").cat.codes,
        sold=(table["sold"] - pd.Timestamp("2023-01-01")).dt.days,
        lift=table["lift"].astype(int),
    )
    model = lightgbm.LGBMRegressor(n_estimators=80, verbose=-1).fit(coded, price)
    explanation = TreeExplainer(model, coded, features=list(table.columns)).explain_global(coded)
    rows = EvaluationData.from_rows(table)
    return replace(
        explanation,
        data=replace(rows, predicted=np.asarray(model.predict(coded)), true=price.to_numpy()),
        info=replace(explanation.info, comment="Flats in Stockholm"),
    )


def wine() -> Explanation:
    """Return three classes, half of the rows."""
    found = load_wine(as_frame=True)
    x_train, x_test, y_train, y_test = train_test_split(found.data, found.target, random_state=0, test_size=0.5)
    model = lightgbm.LGBMClassifier(n_estimators=30, verbose=-1).fit(x_train, y_train)
    names = np.array(["barolo", "grignolino", "barbera"], object)
    explanation = TreeExplainer(model, x_train, features=list(found.data.columns), classes=list(names)).explain_global(
        x_test
    )
    return labelled(explanation, names[model.predict(x_test)], names[y_test], model.predict_proba(x_test))


def cut() -> Explanation:
    """Return the three classes, cut to four features."""
    return wine().cut(4)


def only_global() -> Explanation:
    """Return an explanation of which the rows were not kept."""
    found = load_iris(as_frame=True)
    model = lightgbm.LGBMClassifier(n_estimators=20, verbose=-1).fit(found.data, found.target)
    explainer = TreeExplainer(model, found.data, features=list(found.feature_names), classes=list(found.target_names))
    return explainer.explain_global(found.data, include_local=False)


def hostile() -> Explanation:
    """Return 200 features with names that try to break out, rows of hostile values."""
    rng = np.random.default_rng(1)
    n, features = 300, 200
    names = [f"feature number {i} of a wide table with long names" for i in range(features)]
    names[:9] = [
        "</script><script>globalThis.harmed=1</script>",
        "<img src=x onerror=globalThis.harmed=1>",
        "${globalThis.harmed=1}`'\"\\",
        "\u202egnp.exe\u202c reversed",
        "עלות הייצור לפי אזור",
        "x" * 10_000,
        "=HYPERLINK(1)",
        "line\nbreak\ttab\u0000null",
        "__proto__",
    ]
    local = rng.normal(0, 1, (3, n, features)) * np.exp(-np.arange(features) / 30)
    outputs = ("</title><script>globalThis.harmed=1</script>", "فئة " + "y" * 300, "constructor")
    text = rng.choice(np.array(names[:9], object), n)
    columns = [rng.normal(size=n) for _ in range(features)]
    columns[1] = text
    absolute = np.abs(local)
    return Explanation(
        info=ExplanationInfo(
            id=new_id(), created_at=now(), method="<b>shap</b>", task="classification", outputs=outputs,
            n_features=features, n_rows=n, model_type="evil.</style><script>globalThis.harmed=1</script>",
            comment="<img src=x onerror=globalThis.harmed=1> \u202e " + "comment " * 1_000, output_space="${1+1}",
        ),
        features=tuple(names),
        global_importances=Importances(absolute.mean(axis=(0, 1))),
        per_class_importances=Importances(absolute.mean(axis=1)),
        local_importances=Importances(local),
        base_values=np.array([-1.0, 0.0, 1e-9]),
        data=EvaluationData(
            names=tuple(names), columns=tuple(columns), row_names=text,
            predicted=np.array(outputs, object)[rng.integers(0, 3, n)],
            true=np.array(outputs, object)[rng.integers(0, 3, n)],
            predicted_proba=rng.dirichlet([1, 1, 1], n),
        ),
    )  # fmt: skip


def large(rows: int = 100_000, features: int = 20) -> Explanation:
    """Return many rows of noise that looks like importances."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(rows, features)).astype("f4")
    weights = np.exp(-np.arange(features) / 6).astype("f4")
    local = (x * weights + 0.15 * rng.normal(size=x.shape) * weights).astype("f4")[None]
    return Explanation(
        info=ExplanationInfo(
            id=new_id(), created_at=now(), method="shap_tree", task="regression", outputs=("y",), n_features=features,
            n_rows=rows, model_type="lightgbm.sklearn.LGBMRegressor", output_space="value",
        ),
        features=tuple(f"feature {i}" for i in range(features)),
        global_importances=Importances(np.abs(local[0]).mean(axis=0, dtype="f8")),
        local_importances=Importances(local),
        base_values=np.array([0.5]),
        data=EvaluationData(
            names=tuple(f"feature {i}" for i in range(features)), columns=tuple(x.T),
            predicted=local[0].sum(axis=1) + 0.5, true=local[0].sum(axis=1) + rng.normal(size=rows) * 0.3,
        ),
    )  # fmt: skip


def reviews() -> Explanation:
    """Return documents, two of them with words of every kind, with attention and weights of sentences."""
    said = [
        ("The food was great and the staff friendly. I would come again, and again.", "good"),
        ("Terrible service. The soup was cold, the bread was stale, and nobody cared.", "bad"),
        ("Great view, great wine, but a terrible noise from the street below.", "good"),
        ("Cold, noisy and far too expensive; we will not come again.", "bad"),
        ("Friendly people, lovely bread, fair prices.", "good"),
        ("Nobody smiled. The wine was warm and the fish was not.", "bad"),
    ]
    texts, labels = [text for text, _ in said] * 5, np.array([label for _, label in said] * 5, object)
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts, labels)
    harm = "<img src=x onerror=globalThis.harmed=1>"
    hostile = harm + " great \u202eterrible\u202c\n\tthe \U0001f35c soup\x00 was cold</script>"
    long = " ".join([f"{text} {text[::-1]}" for text in texts] * 8)
    shown_texts = [said[2][0], said[1][0], hostile, "שירות great ואוכל cold", "a I ?", long]
    made = TextExplainer(model).explain_global(shown_texts)
    assert made.documents is not None
    documents = made.documents.load()
    spans = [[(at.start(), at.end()) for at in re.finditer(r"[^.,;]+[.,;]?", text)] for text in shown_texts[:2]]
    sentences = Sentences(
        offsets=np.cumsum([0, *map(len, spans), 0, 0, 0, 0]),
        starts=np.array([start for found in spans for start, _ in found], "i4"),
        ends=np.array([end for found in spans for _, end in found], "i4"),
        weights=np.random.default_rng(3).dirichlet(np.ones(sum(map(len, spans)))).astype(documents.values.dtype),
    )
    weights = np.random.default_rng(4).random(documents.n_tokens).astype(documents.values.dtype)
    names = np.array(["view", "soup", "hostile", "two directions", "no words", "long"], object)
    return replace(
        made,
        documents=replace(documents, sentences=sentences, weights=weights),
        data=EvaluationData(
            names=(), columns=None, row_names=names, predicted=model.predict(shown_texts),
            predicted_proba=model.predict_proba(shown_texts),
        ),
    )  # fmt: skip


def labelled(explanation: Explanation, predicted, true, proba, *, comment: str | None = None) -> Explanation:  # type: ignore[no-untyped-def]
    """Return the explanation with labels."""
    assert explanation.data is not None
    return replace(
        explanation,
        data=replace(explanation.data, predicted=predicted, true=true, predicted_proba=proba),
        info=replace(explanation.info, comment=comment),
    )


EXPLANATIONS: dict[str, Callable[[], Explanation]] = {
    "cancer": cancer,
    "cancer-old": cancer_old,
    "houses": houses,
    "wine": wine,
    "cut": cut,
    "only-global": only_global,
    "hostile": hostile,
    "large": large,
    "reviews": reviews,
    "wide": lambda: large(5_000, 200),
}
