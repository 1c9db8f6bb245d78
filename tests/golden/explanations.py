"""The explanations that the golden files hold, made from whole numbers, so that they are the same for ever."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np

from explanation_client.dataset import EvaluationData
from explanation_client.documents import Documents, Sentences
from explanation_client.explanation import Explanation
from explanation_client.importances import Importances
from explanation_client.info import ExplanationInfo
from explanation_client.interactions import Interactions


def numbers(*shape: int, dtype: str, seed: int) -> np.ndarray:
    """Return thirds of whole numbers from -50 to 50, with zeros of both signs among them."""
    whole = (np.arange(int(np.prod(shape))) * 37 + seed * 11) % 101 - 50
    values = (whole / 3.0).astype(dtype).reshape(shape)
    values.flat[0], values.flat[-1] = -0.0, 0.0
    return values


def info(number: int, outputs: tuple[str, ...], features: int, rows: int) -> ExplanationInfo:
    return ExplanationInfo(
        id=f"01900000-0000-7000-8000-{number:012d}",
        created_at=datetime(2026, 11, 20, 12, 30, tzinfo=UTC),
        method="shap_tree",
        task="regression" if len(outputs) == 1 else "classification",
        outputs=outputs,
        n_features=features,
        n_rows=rows,
        feature_space="engineered",
        output_space="margin",
        model_type="lightgbm.sklearn.LGBMClassifier",
        reason="a tree model",
        notes=("background: 100 rows",),
        made_with=(("shap", "0.51.0"),),
        model_id="m-1",
        comment="größe ✓",
        uploaded_at=datetime(2026, 11, 20, 12, 31, tzinfo=UTC),
    )


def regression() -> Explanation:
    """Return float64 values of 7 rows and 12 features, so that there is a ``top`` file."""
    return Explanation(
        info=info(1, ("price",), 12, 7),
        features=tuple(f"f{i}" for i in range(12)),
        global_importances=Importances(np.abs(numbers(12, dtype="f8", seed=1))),
        local_importances=Importances(numbers(1, 7, 12, dtype="f8", seed=2)),
        base_values=np.array([0.1]),
    )


def binary() -> Explanation:
    """Return float32 values of two outputs that mirror each other."""
    positive = numbers(1, 5, 3, dtype="f4", seed=3)
    return Explanation(
        info=info(2, ("benign", "malignant"), 3, 5),
        features=("mean radius", "naïve </script>", "\u202e\0x"),
        global_importances=Importances(np.abs(numbers(3, dtype="f4", seed=4))),
        per_class_importances=Importances(np.abs(numbers(2, 3, dtype="f4", seed=5))),
        local_importances=Importances(np.concatenate([-positive, positive])),
        base_values=np.array([-0.25, 0.25], "f4"),
    )


def multiclass_cut() -> Explanation:
    """Return three outputs, cut to the top 2 of 6 features."""
    whole = Explanation(
        info=info(3, ("a", "b", "c"), 6, 4),
        features=tuple("uvwxyz"),
        global_importances=Importances(np.abs(numbers(6, dtype="f8", seed=6))),
        per_class_importances=Importances(np.abs(numbers(3, 6, dtype="f8", seed=7))),
        local_importances=Importances(numbers(3, 4, 6, dtype="f8", seed=8)),
        base_values=np.array([1 / 3, 1e-300, -1e300]),
    )
    return whole.cut(2)


def wide() -> Explanation:
    """Return 40 features, stored in blocks of 16 columns and shards of 3 rows, without a global part."""
    return Explanation(
        info=info(4, ("target",), 40, 6),
        features=tuple(f"column.{i}" for i in range(40)),
        local_importances=Importances(numbers(1, 6, 40, dtype="f4", seed=9)),
    )


def with_data() -> Explanation:
    """Return a single row's explanation with everything that can be known of it."""
    rows = EvaluationData(
        names=("text", "flag", "count", "ratio", "day", "moment"),
        columns=(
            np.array(["é"], object),
            np.array([True]),
            np.array([-3], "i8"),
            np.array([np.nan], "f4"),
            np.array(["2026-11-20"], "M8[D]"),
            np.array(["NaT"], "M8[ns]"),
        ),
        row_names=np.array(["row 17"], object),
        predicted=np.array(["yes"], object),
        predicted_proba=np.array([[0.25, 0.75]]),
        true=np.array([None], object),
    )
    made = info(5, ("no", "yes"), 2, 1)
    return Explanation(
        info=made,
        features=("a", "b"),
        per_class_importances=Importances(np.abs(numbers(2, 2, dtype="f8", seed=10))),
        local_importances=Importances(numbers(2, 1, 2, dtype="f8", seed=11)),
        data=rows,
    )


def interactions() -> Explanation:
    """Return two outputs with global importances and interactions of pairs, as where local ones were not kept."""
    half = np.abs(numbers(2, 5, 5, dtype="f8", seed=12))
    return Explanation(
        info=info(6, ("no", "yes"), 5, 3),
        features=tuple("pqrst"),
        global_importances=Importances(np.abs(numbers(5, dtype="f8", seed=13))),
        interactions=Interactions(half + half.swapaxes(1, 2)),
    )


def sampled() -> Explanation:
    """Return two outputs that mirror each other, of more rows and features than the view of the golden files has."""
    positive = numbers(1, 12, 8, dtype="f4", seed=14)
    outputs = ("no", "yes")
    return Explanation(
        info=info(7, outputs, 8, 12),
        features=tuple("abcdefgh"),
        global_importances=Importances(np.abs(numbers(8, dtype="f4", seed=15))),
        local_importances=Importances(np.concatenate([-positive, positive])),
        base_values=np.array([-0.5, 0.5], "f4"),
        data=EvaluationData(names=(), columns=None, predicted=np.array(outputs, object)[np.arange(12) // 3 % 2]),
    )


def streamed() -> Explanation:
    """Return three outputs as a stream adds them up, whose columns are stored in the features' own order."""
    values = numbers(3, 7, 12, dtype="f8", seed=21)
    absolute = np.abs(values)
    per_class = (absolute[:, :4].sum(axis=1) + absolute[:, 4:].sum(axis=1)) / 7
    return Explanation(
        info=info(10, ("a", "b", "c"), 12, 7),
        features=tuple(f"f{i}" for i in range(12)),
        global_importances=Importances(per_class.mean(axis=0)),
        per_class_importances=Importances(per_class),
        local_importances=Importances(values),
        base_values=np.array([-0.5, 0.25, 0.25]),
    )


def rows_only() -> Explanation:
    """Return global importances with explained rows, as where local ones were not kept."""
    return Explanation(
        info=info(8, ("price",), 2, 3),
        features=("area", "rooms"),
        global_importances=Importances(np.abs(numbers(2, dtype="f8", seed=16))),
        data=EvaluationData(
            names=("area", "rooms"),
            columns=(np.array([50.5, np.nan, 120.25]), np.array([1, 2, 5], "i4")),
            predicted=np.array([10.0, 20.0, 30.5]),
        ),
    )


def documents() -> Explanation:
    """Return three documents, one of them empty, with weights of words and sentences."""
    texts = Documents(
        texts=np.array(["naïve 😀 naïve. \U0001d4b3!", "", "</script>"], object),
        offsets=np.array([0, 4, 4, 5]),
        starts=np.array([0, 6, 8, 15, 0], "i4"),
        ends=np.array([5, 7, 13, 16, 9], "i4"),
        words=np.array([0, 1, 0, 2, 3], "i4"),
        values=numbers(2, 5, dtype="f8", seed=17),
        weights=np.abs(numbers(5, dtype="f8", seed=18)),
        sentences=Sentences(
            offsets=np.array([0, 2, 2, 3]),
            starts=np.array([0, 15, 0], "i4"),
            ends=np.array([14, 17, 9], "i4"),
            weights=np.array([0.75, 0.25, 1.0]),
        ),
    )
    return Explanation(
        info=info(9, ("no", "yes"), 4, 3),
        features=("naïve", "😀", "\U0001d4b3", "</script>"),
        global_importances=Importances(np.abs(numbers(4, dtype="f8", seed=19))),
        per_class_importances=Importances(np.abs(numbers(2, 4, dtype="f8", seed=20))),
        local_importances=texts.local_importances(4),
        base_values=np.array([-0.5, 0.5]),
        data=EvaluationData(predicted=np.array(["yes", "no", "yes"], object)),
        documents=texts,
    )


GOLDEN: dict[str, Callable[[], Explanation]] = {
    "regression": regression,
    "binary": binary,
    "multiclass-cut": multiclass_cut,
    "wide": wide,
    "with-data": with_data,
    "interactions": interactions,
    "sampled": sampled,
    "rows-only": rows_only,
    "documents": documents,
    "streamed": streamed,
}
