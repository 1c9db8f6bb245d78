"""What a dashboard shows of the explained rows: what the explanation holds of them, and what the caller passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import Column, EvaluationData, is_instance_of, normalise_column
from explanation_client.errors import InvalidArgumentError, InvalidExplanationError
from explanation_client.explanation import Explanation

Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShownData:
    """What is known of all explained rows, of which a dashboard shows some.

    Parameters
    ----------
    held : EvaluationData, optional
        What the explanation itself holds.
    rows : ndarray, pandas.DataFrame or scipy CSR matrix of shape (N, columns), optional
        Rows in the form that the model takes; shown in place of those that the explanation holds.
    names : tuple of str
        Names of the columns of ``rows``.
    true : ndarray of shape (N,), optional
        True values, in place of those that the explanation holds.
    predict : callable, optional
        Returns the model's predictions for the rows at some positions, where the explanation holds none.
    columns : mapping of str to str
        New names for columns that the explanation holds.
    labels : mapping of str to str
        Names of classes for what predictions and true values call them.

    """

    held: EvaluationData | None = None
    rows: Any = None
    names: tuple[str, ...] = ()
    true: Column | None = None
    predict: Callable[[Positions], EvaluationData] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def take(self, positions: Positions) -> EvaluationData | None:
        """Return what is shown of the rows at these positions, None where nothing is known."""
        found = EvaluationData() if self.held is None else self.held.take(positions)
        if self.columns and found.columns is not None:
            found = replace(found, names=tuple(self.columns.get(name, name) for name in found.names))
        if self.rows is not None:
            found = self._with_rows(found, positions)
        if self.predict is not None and found.predicted is None and found.predicted_proba is None:
            made = self.predict(positions)
            found = replace(found, predicted=made.predicted, predicted_proba=made.predicted_proba)
        if self.true is not None:
            found = replace(found, true=self.true[positions])
        if self.labels:
            found = replace(found, predicted=self._named(found.predicted), true=self._named(found.true))
        return None if found.is_empty else found

    def _named(self, values: Column | None) -> Column | None:
        """Return class labels under the names that the dashboard shows, where they have one."""
        if values is None:
            return None
        names = [None if value is None else self.labels.get(_text(value), _text(value)) for value in values.tolist()]
        return np.array(names, dtype=object)

    def _with_rows(self, found: EvaluationData, positions: Positions) -> EvaluationData:
        is_frame = is_instance_of(self.rows, "pandas", "DataFrame")
        counts = is_frame and is_instance_of(self.rows.index, "pandas", "RangeIndex")
        taken = self.rows.iloc[positions] if is_frame else self.rows[positions]
        given = EvaluationData.from_rows(taken, names=self.names, keep_index=not counts)
        row_names = found.row_names if given.row_names is None else given.row_names
        return replace(found, names=given.names, columns=given.columns, row_names=row_names)


def _text(value: Any) -> str:
    """Return a label as text; a whole number is the same with and without a decimal point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def column_names(own: Sequence[str] | None, width: int, explanation: Explanation) -> tuple[str, ...]:
    """Return the names of the columns of rows: their own, else the features' where there are as many, else numbers."""
    if own is not None:
        return tuple(own)
    if width == explanation.num_features:
        return explanation.features
    return tuple(str(i) for i in range(width))


def true_values(values: Any, explanation: Explanation) -> Column:
    """Return one true value for each explained row.

    Raises
    ------
    InvalidArgumentError
        They are no list of so many values.

    """
    try:
        column = normalise_column(np.ravel(values) if isinstance(values, np.ndarray) else values)
    except (InvalidExplanationError, ValueError) as error:
        raise InvalidArgumentError(f"true_y is no list of one value for each row: {error}") from error
    check_length("true_y", len(column), explanation)
    return column


def check_length(what: str, found: int, explanation: Explanation) -> None:
    """Raise ``InvalidArgumentError`` unless there are as many as rows were explained."""
    if found != explanation.num_examples:
        raise InvalidArgumentError(
            f"{what} has {found:,} rows, and {explanation.num_examples:,} were explained: pass exactly the rows that "
            "were explained, in the same order"
        )


def renamed(explanation: Explanation, *, features: Sequence[Any] | None, classes: Sequence[Any] | None) -> Explanation:
    """Return the explanation under other names of features and classes, where some are given.

    Raises
    ------
    InvalidArgumentError
        There are more or fewer names than the explanation has, or classes for a regression.

    """
    if features is not None:
        names = tuple(str(name) for name in np.asarray(features, dtype=object).tolist())
        if len(names) != explanation.num_features:
            raise InvalidArgumentError(
                f"features= names {len(names)} features, the explanation has {explanation.num_features}"
            )
        explanation = replace(explanation, features=names, info=replace(explanation.info, top_features=()))
    if classes is not None:
        outputs = tuple(str(name) for name in np.asarray(classes, dtype=object).tolist())
        if explanation.model_task != "classification" or len(outputs) != len(explanation.info.outputs):
            raise InvalidArgumentError(
                f"classes= names {len(outputs)} classes, the explanation is of a {explanation.model_task} with outputs "
                f"{list(explanation.info.outputs)[:20]}"
            )
        explanation = replace(explanation, info=replace(explanation.info, outputs=outputs))
    return explanation
