"""What a deployed scoring explainer answers: one form for the web service and for models that MLflow serves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError, PartMissingError
from explanation_client.importances import Importances
from explanation_client.scoring.base import Score, ScoringExplainer

# Importances up to which sorting all of them is faster than what is made for many.
_FEW = 20_000


def explained(explainer: ScoringExplainer, score: Score, *, top_k: int | None = None) -> dict[str, Any]:
    """Return predictions and importances of N rows by name, as arrays and lists.

    - ``predictions`` (N,) and ``probabilities`` (N, C), where the model gives them;
    - ``local_importance_values``: (N, F) of a regression, (C, N, F) of a classifier;
    - ``features`` (F,), ``classes`` (C,) of a classifier, ``expected_values`` (C,).

    With ``top_k`` the importances are those of each row's k most important features, ranked by magnitude, (N, k) or
    (C, N, k). In place of ``features`` there is then ``local_importance_names`` of the same shape, and
    ``local_importance_rest``, (N,) or (C, N), has the sum of the other features, so that rows still add up.

    Parameters
    ----------
    explainer : ScoringExplainer
    score : Score
        What it says of rows with a row axis.
    top_k : int, optional

    Raises
    ------
    InvalidArgumentError
        ``top_k`` is not between 1 and F.

    """
    answer = _present(score.predictions, score.probabilities)
    if top_k is None:
        answer["local_importance_values"] = score.values
        answer["features"] = list(score.features)
    else:
        if not 1 <= top_k <= len(score.features):
            raise InvalidArgumentError(f"top_k={top_k}: a whole number from 1 to {len(score.features)}")
        order, kept = _ranked(score.values, int(top_k))
        answer["local_importance_names"] = np.array(score.features, dtype=object)[order]
        answer["local_importance_values"] = kept
        answer["local_importance_rest"] = score.values.sum(axis=-1) - kept.sum(axis=-1)
    answer["expected_values"] = score.expected_values
    if explainer.classes is not None:
        answer["classes"] = list(explainer.classes)
    return answer


def predicted(explainer: ScoringExplainer, rows: Any) -> dict[str, Any]:
    """Return predictions, and probabilities where the model gives any, of N rows by name.

    Raises
    ------
    PartMissingError
        The scoring explainer was made without its model.
    InvalidArgumentError
        The rows are not those of the model.

    """
    parts = explainer._parts
    if parts.predictor is None:
        raise PartMissingError(
            "this scoring explainer was made without its model (keep_model=False): it explains, and can't predict"
        )
    # Both from one pass over the rows, which predict and predict_proba would read and transform one after the other.
    predictions, probabilities = parts.predictor.both(parts.engineer(parts.inputs.read(rows)))
    return _present(predictions, probabilities)


def example_row(explainer: ScoringExplainer) -> list[Any]:
    """Return a row that the model takes, as JSON has it: made up or mixed, like all that a scoring explainer stores."""
    examples = explainer._parts.examples
    row = examples.take(slice(0, 1)).data
    values = row.iloc[0].tolist() if examples.is_frame else (row.toarray() if examples.is_sparse else row)[0].tolist()
    return [_plain(value) for value in values]


def _plain(value: Any) -> Any:
    if value is None or type(value).__name__ in ("NAType", "NaTType") or value != value:
        return None
    return value if isinstance(value, (bool, int, float, str)) else str(value)


def _ranked(values: NDArray[Any], top_k: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return positions and values of the largest of each row by magnitude, ties in the order of the features."""
    if values.size > _FEW:
        ranked = Importances(values).ranked(top_k)
        assert ranked.index is not None
        return ranked.index, ranked.values
    order = np.argsort(-np.abs(values), axis=-1, kind="stable")[..., :top_k]
    return order, np.take_along_axis(values, order, axis=-1)


def _present(predictions: Any, probabilities: Any) -> dict[str, Any]:
    named = {"predictions": predictions, "probabilities": probabilities}
    return {name: values for name, values in named.items() if values is not None}
