"""Hypothesis strategies for explanations, shared by the property tests, and plain builders for the others."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from explanation_client.explanation import Explanation
from explanation_client.importances import Importances, aggregate
from explanation_client.info import ExplanationInfo, new_id, now
from explanation_client.interactions import Interactions

DTYPES = (np.float32, np.float64)

# Printable, hostile and odd: whatever a column of a real table may be called.
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12) | st.sampled_from(
    ["</script>", "<img src=x onerror=alert(1)>", "a\nb", "\u202egnirts", "=1+1", "é", "row", "output", "feature", "\0"]
)


def finite(dtype: Any) -> st.SearchStrategy[float]:
    """Return finite floats of a dtype, ties and zeros of both signs among them."""
    width = np.dtype(dtype).itemsize * 8
    ordinary = st.floats(-1e6, 1e6, width=width, allow_subnormal=False)
    return ordinary | st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, -0.5])


@st.composite
def explanations(draw: st.DrawFn, *, max_features: int = 14, max_rows: int = 7) -> Explanation:
    """Draw an explanation with a local part, of any task and shape, with its aggregates more often than not."""
    n_features = draw(st.integers(1, max_features))
    n_rows = draw(st.integers(1, max_rows))
    outputs = draw(st.sampled_from([("target",), ("no", "yes"), ("a", "b", "c")]))
    dtype = draw(st.sampled_from(DTYPES))
    values = draw(arrays(dtype, (len(outputs), n_rows, n_features), elements=finite(dtype)))
    if len(outputs) == 2 and draw(st.booleans()):
        values[0] = -values[1]
    features = draw(st.lists(names, min_size=n_features, max_size=n_features, unique=True))
    base = draw(arrays(np.float64, len(outputs), elements=finite(np.float64)))
    matrices = None
    if draw(st.booleans()):
        width = np.dtype(draw(st.sampled_from(DTYPES)))
        matrices = symmetric(draw(arrays(width, (len(outputs), n_features, n_features), elements=finite(width))))
    return explanation_of(
        values,
        features=tuple(features),
        outputs=outputs,
        base_values=base,
        with_global=draw(st.booleans()),
        single_row=n_rows == 1 and draw(st.booleans()),
        interactions=matrices,
    )


def symmetric(values: np.ndarray) -> Interactions:
    """Return interactions whose matrices have the magnitudes of the upper triangles of these, (C, F, F)."""
    upper = np.triu(np.abs(values))
    return Interactions(np.maximum(upper, upper.swapaxes(1, 2)))


def explanation_of(
    values: np.ndarray,
    *,
    features: tuple[str, ...] | None = None,
    outputs: tuple[str, ...] | None = None,
    base_values: np.ndarray | None = None,
    with_global: bool = True,
    single_row: bool = False,
    method: str = "shap_tree",
    interactions: Interactions | None = None,
) -> Explanation:
    """Return an explanation of local values (C, N, F), with its aggregates."""
    n_outputs, n_rows, n_features = values.shape
    local = Importances(values)
    whole, per_class = aggregate(local) if with_global else (None, None)
    info = ExplanationInfo(
        id=new_id(),
        created_at=now(),
        method=method,
        task="regression" if n_outputs == 1 else "classification",
        outputs=outputs or tuple(f"class {i}" for i in range(n_outputs)),
        n_features=n_features,
        n_rows=n_rows,
        single_row=single_row,
        model_type="sklearn.ensemble.RandomForestClassifier",
        made_with=(("shap", "0.51.0"),),
    )
    return Explanation(
        info=info,
        features=features or tuple(f"feature {i}" for i in range(n_features)),
        global_importances=whole,
        per_class_importances=per_class if n_outputs > 1 else None,
        local_importances=local,
        base_values=np.zeros(n_outputs) if base_values is None else base_values,
        interactions=interactions,
    )


def random_explanation(
    n_outputs: int, n_rows: int, n_features: int, *, dtype: Any = np.float64, seed: int = 0, interactions: bool = False
) -> Explanation:
    """Return an explanation of normally distributed values."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((n_outputs, n_rows, n_features)).astype(dtype)
    matrices = rng.standard_normal((n_outputs, n_features, n_features)).astype(dtype)
    return explanation_of(values, interactions=symmetric(matrices) if interactions else None)
