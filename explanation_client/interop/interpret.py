"""Explanations of interpret-core (InterpretML), read from what their ``data`` method gives."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import EvaluationData, normalise_column
from explanation_client.errors import InvalidArgumentError
from explanation_client.explanation import Explanation
from explanation_client.importances import FloatArray
from explanation_client.interop.arrays import floats, from_arrays

_SAME = 1e-6


def from_interpret(
    explanation: Any,
    *,
    classes: Sequence[Any] | None = None,
    include_global: bool = True,
    output_space: str | None = None,
    method: str | None = None,
) -> Explanation:
    """Return an explanation that interpret-core made, from ``explain_local`` or ``explain_global``.

    Features are the terms of the model: an interaction such as ``"age & bmi"`` is one of its own.

    Parameters
    ----------
    explanation : interpret-core explanation
        One with a score for each feature: of an explainable boosting machine, a linear model, a shap explainer.
    classes : sequence of str, optional
        Used in place of its own names.
    include_global : bool
        Compute the global importances of a local explanation: the means over its rows.
    output_space : str, optional
        What the scores add up to. None: found out by the predictions where the explanation has them.
    method : str, optional
        None: ``"interpret."`` and the name of the explanation without its number.

    Raises
    ------
    InvalidArgumentError
        This is no explanation of interpret-core, or one without a score for each feature.
    InvalidExplanationError
        The parts do not fit together.

    """
    kind = getattr(explanation, "explanation_type", None)
    if kind not in ("local", "global") or not callable(getattr(explanation, "data", None)):
        raise InvalidArgumentError(
            f"a {type(explanation).__module__}.{type(explanation).__qualname__} is no local or global explanation of "
            "interpret-core: it needs explanation_type and data()"
        )
    everything = explanation.data(-1)
    chosen = method or _method(getattr(explanation, "name", None))
    if kind == "global":
        return _global(everything, classes=classes, method=chosen, output_space=output_space)
    rows = everything.get("specific")
    if not rows or not all({"names", "scores"} <= row.keys() for row in rows):
        raise _no_scores(explanation)
    return _local(
        _Rows.of(rows), classes=classes, include_global=include_global, output_space=output_space, method=chosen
    )


def _global(
    everything: Mapping[str, Any], *, classes: Sequence[Any] | None, method: str, output_space: str | None
) -> Explanation:
    overall = everything.get("overall")
    if not isinstance(overall, Mapping) or not {"names", "scores"} <= overall.keys():
        raise InvalidArgumentError(
            "the global explanation has no score for each feature (its data() has no names and scores)"
        )
    scores = _table([overall["scores"]])
    specific = everything.get("specific") or [{}]
    labels = classes if classes is not None else _labels(specific[0])
    per_class = np.abs(scores[0].T) if scores.ndim == 3 else None
    return from_arrays(
        global_=scores[0] if per_class is None else None,
        per_class=per_class,
        features=overall["names"],
        classes=labels,
        method=method,
        output_space=output_space,
        package="interpret-core",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """What a local explanation says of its rows.

    Parameters
    ----------
    features : tuple of str
    scores : ndarray of shape (N, F) or (N, F, C)
    bases : ndarray of shape (1,) or (C,), optional
    rows : list of mapping
        What the explanation has for each row.

    """

    features: tuple[str, ...]
    scores: FloatArray
    bases: FloatArray | None
    rows: list[Mapping[str, Any]]

    @classmethod
    def of(cls, rows: list[Mapping[str, Any]]) -> _Rows:
        names = tuple(str(name) for name in rows[0]["names"])
        extra = rows[0].get("extra") or {}
        bases = _table([extra["scores"]]).reshape(-1) if extra.get("scores") else None
        return cls(features=names, scores=_table([row["scores"] for row in rows]), bases=bases, rows=rows)

    @property
    def is_classifier(self) -> bool:
        performance = self.rows[0].get("perf") or {}
        return self.scores.ndim == 3 or bool(performance.get("is_classification"))

    def performance(self, key: str) -> list[Any] | None:
        """Return the model's answers, or the true values; None where some are unknown."""
        found = [(row.get("perf") or {}).get(key) for row in self.rows]
        return None if any(value is None or value != value for value in found) else found


def _local(
    given: _Rows, *, classes: Sequence[Any] | None, include_global: bool, output_space: str | None, method: str
) -> Explanation:
    labels = _labels(given.rows[0])
    names = list(classes) if classes is not None else labels
    one_score = given.scores.ndim == 2
    space = output_space
    if one_score and (given.is_classifier or names is not None):
        names = names or ["0", "1"]
        space = output_space or _space_of_one_score(given)
    values = given.scores[None] if one_score else np.moveaxis(given.scores, -1, 0)
    return from_arrays(
        local=values,
        features=given.features,
        classes=names,
        base_values=given.bases,
        data=_data(given, names if labels is not None else None),
        method=method,
        include_global=include_global,
        output_space=space,
        package="interpret-core",
    )


def _space_of_one_score(given: _Rows) -> str | None:
    """Return what the scores of a binary classifier add up to, held against the probability of the predicted class.

    It matters for the first class, whose base value is the second's with the sign turned, or what it lacks to one.
    """
    chances = given.performance("predicted_score")
    if chances is None or given.bases is None:
        return "log-odds"
    sums = given.scores.sum(axis=1, dtype=np.float64) + given.bases[0]
    likelier = np.maximum(sums, 1 - sums)
    known = np.asarray(chances, np.float64)
    if np.abs(np.maximum(known, 1 - known) - likelier).max() < _SAME:
        return "probability"
    return "log-odds"


def _data(given: _Rows, labels: Sequence[Any] | None) -> EvaluationData:
    """Return the feature values, predictions and true values. Interactions have no value of their own."""
    columns = {}
    if all("values" in row for row in given.rows):
        for position, name in enumerate(given.features):
            column = [row["values"][position] for row in given.rows]
            if not all(isinstance(value, str) and value == "" for value in column):
                columns[name] = normalise_column(np.array(column, dtype=object))
    return EvaluationData(
        names=tuple(columns),
        columns=tuple(columns.values()) or None,
        predicted=_answers(given.performance("predicted"), labels),
        true=_answers(given.performance("actual"), labels),
    )


def _answers(values: list[Any] | None, labels: Sequence[Any] | None) -> NDArray[Any] | None:
    """Return answers as a column, positions of classes as their names."""
    if values is None:
        return None
    if labels is not None and all(isinstance(v, (int, np.integer)) and 0 <= v < len(labels) for v in values):
        values = [str(labels[int(v)]) for v in values]
    array = np.asarray(values)
    return normalise_column(array.astype(object) if array.dtype.kind in "US" else array)


def _labels(row: Mapping[str, Any]) -> list[str] | None:
    labels = (row.get("meta") or {}).get("label_names")
    return None if labels is None else [str(label) for label in labels]


def _table(scores: Sequence[Any]) -> FloatArray:
    """Return scores of rows as (N, F), or (N, F, C) where each is an array over the classes."""
    array = floats([np.asarray([np.asarray(s) for s in row]) for row in scores], "scores", ndim=(2, 3))
    return array[..., 0] if array.ndim == 3 and array.shape[-1] == 1 else array


def _method(name: Any) -> str:
    return "interpret" if not isinstance(name, str) else f"interpret.{re.sub(r'_[0-9]+$', '', name)}"


def _no_scores(explanation: Any) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"a {type(explanation).__qualname__} has no score for each feature and row: trees of interpret-core show paths"
    )
