"""Raw importances from engineered ones that have been computed already, through matrices of shares.

A feature map is a matrix (raw, engineered): the share of each raw feature in each engineered one. Every column adds up
to 1, so that raw importances add up to what the engineered ones do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from explanation_client.dataset import EvaluationData
from explanation_client.errors import InvalidArgumentError
from explanation_client.importances import AnyImportances, FloatArray, Importances, aggregate
from explanation_client.info import new_id, now

if TYPE_CHECKING:
    from explanation_client.explanation import Explanation

_UPPER_BOUND = (
    "global importances are sums of the engineered ones, since there are no local ones: upper bounds, because the "
    "effects of one row's engineered features can cancel"
)


def raw_explanation(
    explanation: Explanation, feature_maps: Any, raw_feature_names: Sequence[Any] | None, eval_data: Any
) -> Explanation:
    """Return the explanation in raw features; see :meth:`Explanation.get_raw_explanation`."""
    if explanation.is_raw:
        raise InvalidArgumentError("this explanation is of raw features already: call this on the engineered one")
    if explanation.info.top_k is not None:
        raise InvalidArgumentError(
            f"this explanation was cut to its top {explanation.info.top_k} features, and raw importances are sums over "
            "all of them: call this on the whole explanation"
        )
    weights = chained(feature_maps, explanation.num_features)
    names, data = _names_and_data(raw_feature_names, eval_data, explanation, weights.shape[0])
    local = _mapped(explanation.local_importances, weights)
    whole, per_class, notes = _aggregates(explanation, local, weights)
    shared = int((_stored(weights) > 1).sum())
    if shared:
        notes = (*notes, f"{shared} engineered features come from several raw ones, which share their importance")
    return replace(
        explanation,
        info=replace(
            explanation.info,
            id=new_id(),
            created_at=now(),
            feature_space="raw",
            n_features=len(names),
            notes=(*explanation.info.notes, *notes),
            model_id=None,
            comment=None,
            uploaded_at=None,
            parts=(),
            top_features=(),
        ),
        features=names,
        global_importances=whole,
        per_class_importances=per_class,
        local_importances=local,
        data=data,
        # Means of magnitudes do not add up: raw interactions would need those of each row.
        interactions=None,
    )


def chained(feature_maps: Any, n_engineered: int) -> Any:
    """Return the product of feature maps, (raw, engineered), dense or sparse, each column adding up to 1.

    Parameters
    ----------
    feature_maps : list of matrix, or matrix
        From raw features to engineered ones, in the order in which the transformations are applied.
    n_engineered : int
        Columns that the last one must have.

    Raises
    ------
    InvalidArgumentError
        They do not fit together or on the explanation, hold negative weights or NaN, or a column of only zeros.

    """
    given = feature_maps if isinstance(feature_maps, (list, tuple)) else [feature_maps]
    maps = [_normalised(matrix, position) for position, matrix in enumerate(given)]
    if not maps:
        raise InvalidArgumentError("feature_maps= is empty: pass at least one matrix of shape (raw, engineered)")
    product = maps[0]
    for position, matrix in enumerate(maps[1:], start=1):
        if product.shape[1] != matrix.shape[0]:
            raise InvalidArgumentError(
                f"feature map {position} has {matrix.shape[0]} rows, and the one before it {product.shape[1]} columns: "
                "list them in the order in which the transformations are applied"
            )
        product = product @ matrix
    if product.shape[1] != n_engineered:
        raise InvalidArgumentError(
            f"the last feature map has {product.shape[1]} columns, and the explanation {n_engineered} engineered "
            "features: a map has a row for each raw feature and a column for each engineered one"
        )
    return product


def _normalised(matrix: Any, position: int) -> Any:
    """Return a matrix whose columns add up to 1, CSR where it is sparse."""
    sparse = hasattr(matrix, "tocsr")
    weights: Any = matrix.tocsr().astype(np.float64) if sparse else np.asarray(matrix)
    if weights.ndim != 2 or weights.dtype.kind not in "biuf" or 0 in weights.shape:
        raise InvalidArgumentError(
            f"feature map {position} has shape {weights.shape} and holds {weights.dtype}: a matrix of numbers, "
            "(raw, engineered), is needed"
        )
    stored: Any = weights.data if sparse else weights
    wrong = stored[~(np.isfinite(stored) & (stored >= 0))]
    if wrong.size:
        raise InvalidArgumentError(
            f"feature map {position} holds the weight {wrong[0]}: weights are shares, at least 0; if they are "
            "coefficients, pass their absolute values"
        )
    sums = np.asarray(weights.sum(axis=0), np.float64).ravel()
    if (sums == 0).any():
        raise InvalidArgumentError(
            f"column {int(np.flatnonzero(sums == 0)[0])} of feature map {position} is all zero: the importance of that "
            "engineered feature would be lost; say which raw feature it comes from"
        )
    return weights.multiply(1.0 / sums).tocsr() if sparse else weights / sums


def _mapped(importances: AnyImportances | None, weights: Any) -> Importances | None:
    """Return importances (..., raw) from engineered ones (..., engineered), in their dtype."""
    if importances is None:
        return None
    values = importances.load().values
    flat = values.reshape(-1, values.shape[-1]).astype(np.float64, copy=False)
    # A sparse matrix stands on the left: scipy's product with an array on that side works on every version.
    mapped: FloatArray = np.ascontiguousarray(np.asarray(weights @ flat.T).T)
    return Importances(mapped.reshape(*values.shape[:-1], weights.shape[0]).astype(values.dtype, copy=False))


def _aggregates(
    explanation: Explanation, local: Importances | None, weights: Any
) -> tuple[Importances | None, Importances | None, tuple[str, ...]]:
    """Return global and per-class importances where the explanation has them, and a note of how they were made."""
    whole, per_class = explanation.global_importances, explanation.per_class_importances
    if local is None:
        return _mapped(whole, weights), _mapped(per_class, weights), (_UPPER_BOUND,)
    means = aggregate(local)
    return None if whole is None else means[0], None if per_class is None else means[1], ()


def _stored(weights: Any) -> Any:
    """Return how many raw features have a share in each engineered one."""
    return np.asarray((weights != 0).sum(axis=0)).ravel()


def _names_and_data(
    raw_feature_names: Sequence[Any] | None, eval_data: Any, explanation: Explanation, n_raw: int
) -> tuple[tuple[str, ...], EvaluationData | None]:
    """Return the names of the raw features, and the raw rows with the predictions that are known of them."""
    known = explanation.data
    rows = None if eval_data is None else EvaluationData.from_rows(eval_data)
    if rows is not None and (len(rows.names), rows.n_rows) != (n_raw, explanation.num_examples):
        raise InvalidArgumentError(
            f"eval_data= has shape {(rows.n_rows, len(rows.names))}: the raw rows that were explained have "
            f"{(explanation.num_examples, n_raw)}"
        )
    names = tuple(f"feature_{i}" for i in range(n_raw))
    if raw_feature_names is not None:
        names = tuple(str(name) for name in raw_feature_names)
        if len(names) != n_raw:
            raise InvalidArgumentError(f"raw_feature_names= has {len(names)} names, the feature maps {n_raw} rows")
    elif rows is not None and rows.names != tuple(str(i) for i in range(n_raw)):
        names = rows.names
    if rows is None:
        # The engineered rows are not the raw ones; what the model said of them stays true.
        return names, None if known is None else replace(known, names=(), columns=None)
    return names, EvaluationData(
        names=names,
        columns=rows.columns,
        row_names=None if explanation.info.single_row else rows.row_names,
        predicted=None if known is None else known.predicted,
        predicted_proba=None if known is None else known.predicted_proba,
        true=None if known is None else known.true,
    )
