"""A live model behind a dashboard: predictions and local importances of explained rows, as they are or changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.dashboard.data import Positions
from explanation_client.dashboard.rows import Line, Rows
from explanation_client.dataset import EvaluationData, normalise_column
from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.features import read_schema
from explanation_client.explainers.inputs import Schema, read_table
from explanation_client.explainers.model import PROBABILITY, VALUE, Model
from explanation_client.explainers.reading import read_model
from explanation_client.explanation import Explanation

# Rows that an explainer is given as background where the caller passes none of his own.
_BACKGROUND_ROWS = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class LocalAnswer:
    """Local importances (C, F) and base values (C,) of one row, or why there are none."""

    values: NDArray[np.float64] | None = None
    base: NDArray[np.float64] | None = None
    note: str | None = None


class LiveModel:
    """A model, the rows that it is asked about, and the explanation that it is asked for.

    Parameters
    ----------
    model : object
        Anything that the explainers of this library take.
    rows : Rows
        In the form that the model takes.
    explanation : Explanation
    explainer : object, optional
        With ``explain_local``, which gives the importances of changed rows. None: a ``TabularExplainer`` of the model,
        made when it is first needed.

    Raises
    ------
    InvalidArgumentError
        The outputs of the model are not those of the explanation.
    UnsupportedModelError
        It cannot predict.

    """

    def __init__(self, model: Any, rows: Rows, explanation: Explanation, explainer: Any = None) -> None:
        self._rows = rows
        self._explanation = explanation
        self._given_explainer = explainer
        some = read_table(rows.data).take(slice(0, min(rows.count, _BACKGROUND_ROWS)))
        self._model: Model = _read(model, some, explanation)
        self._schema: Schema = read_schema(self._model, some, None)
        # What is wrong with the columns is said now, and not when somebody edits a row.
        self._schema.align(some)
        self._outputs = _outputs(self._model, explanation)

    def predict(self, lines: Sequence[Line]) -> NDArray[np.float64]:
        """Return what the model says of each line, (n, C): probabilities, or values, in the explanation's order."""
        answers = self._model.answer(self._formed(self._rows.take(lines)), self._space)
        return answers[:, self._outputs]

    def predictions(self, positions: Positions) -> EvaluationData:
        """Return the model's predictions for some of the rows as they are."""
        formed = self._formed(self._rows.take([Line(int(position)) for position in positions]))
        predicted, proba = self._model.predict(formed), self._model.predict_proba(formed)
        return EvaluationData(
            predicted=None if predicted is None else normalise_column(predicted),
            predicted_proba=None if proba is None else proba[:, self._outputs],
        )

    @property
    def labels(self) -> dict[str, str]:
        """What the model calls its classes, and what the explanation calls them."""
        own = getattr(self._model.estimator, "classes_", None)
        if self._model.task == "regression" or own is None or len(own) != len(self._model.outputs):
            return {}
        return {str(label): name for label, name in zip(np.asarray(own).tolist(), self._model.outputs, strict=True)}

    def explain(self, lines: Sequence[Line]) -> list[LocalAnswer]:
        """Return the local importances of each line, in the explanation's order of features and outputs."""
        found = self._explainer.explain_local(self._rows.take(lines))
        problem = _difference(found, self._explanation)
        if problem is not None:
            return [LocalAnswer(note=f"{problem}: pass explainer=, which made this explanation.")] * len(lines)
        places = {name: place for place, name in enumerate(found.features)}
        order = [places[name] for name in self._explanation.features]
        outputs = self._outputs if len(found.info.outputs) == len(self._model.outputs) else slice(None)
        local = found.local_importances.load().values[outputs][:, :, order].astype(np.float64)
        base = np.zeros(len(found.info.outputs)) if found.base_values is None else found.base_values
        base = base[outputs].astype(np.float64)
        if local.shape[0] != len(self._explanation.info.outputs):
            return [LocalAnswer(note="The importances of a changed row have other outputs.")] * len(lines)
        return [LocalAnswer(local[:, at], base) for at in range(len(lines))]

    @property
    def _space(self) -> str:
        return VALUE if self._model.task == "regression" else PROBABILITY

    def _formed(self, data: Any) -> Any:
        return self._model.form(self._schema.align(read_table(data)))

    @cached_property
    def _explainer(self) -> Any:
        if self._given_explainer is not None:
            return self._given_explainer
        from explanation_client.explainers import TabularExplainer

        step = max(1, self._rows.count // _BACKGROUND_ROWS)
        classes = self._model.outputs if self._model.task == "classification" else None
        return TabularExplainer(
            self._model.given,
            self._rows.data[::step],
            features=self._rows.names,
            classes=classes,
            model_task=self._model.task,
            show_progress=False,
        )


def _read(model: Any, some: Any, explanation: Explanation) -> Model:
    """Return the model with the names that the explanation gives its outputs, where it has as many."""
    task = explanation.model_task
    classes = explanation.info.outputs if task == "classification" else None
    if task == "classification" or not (hasattr(model, "predict_proba") or hasattr(model, "classes_")):
        return read_model(model, background=some, classes=classes, model_task=task)
    # One output of a classifier, explained by itself.
    return read_model(model, background=some, classes=None)


def _outputs(model: Model, explanation: Explanation) -> list[int]:
    """Return which of the model's outputs are those of the explanation."""
    wanted = explanation.info.outputs
    if len(model.outputs) == len(wanted):
        return list(range(len(wanted)))
    if set(wanted) <= set(model.outputs):
        return [model.outputs.index(name) for name in wanted]
    raise InvalidArgumentError(
        f"the model has the outputs {list(model.outputs)[:20]}, the explanation {list(wanted)[:20]}: pass the model "
        "that was explained"
    )


def _difference(found: Explanation, shown: Explanation) -> str | None:
    """Return why importances do not go with those that are shown; None where they do."""
    if set(found.features) != set(shown.features):
        return (
            f"The importances of a changed row would be of {found.num_features} features, those that are shown are of "
            f"{shown.num_features} others"
        )
    spaces = (found.info.output_space, shown.info.output_space)
    if None not in spaces and spaces[0] != spaces[1]:
        return f"The importances of a changed row would add up to a {spaces[0]}, those that are shown to a {spaces[1]}"
    return None
