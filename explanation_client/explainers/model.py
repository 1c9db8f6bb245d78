"""A model as explainers see it: task, outputs, columns, and what it answers in which space."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers.boosters import BoosterModel, lightgbm_divisor
from explanation_client.explainers.deep.estimators import is_network
from explanation_client.explainers.inputs import Table
from explanation_client.info import Task

Outputs = NDArray[np.float64]

# What values add up to.
PROBABILITY = "probability"
LOG_ODDS = "log-odds"
MARGIN = "margin"
VALUE = "value"
LOG_VALUE = "log of the value"
PATH_LENGTH = "path length"

REGRESSION_OUTPUT = "prediction"


def origin_of(model: Any) -> list[tuple[str, str]]:
    """Return (top package, class name) of the model's class and all that it derives from, most derived first."""
    return [(cls.__module__.partition(".")[0], cls.__qualname__) for cls in type(model).__mro__[:-1] or (object,)]


def type_name(model: Any, *, is_function: bool = False) -> str:
    """Return module and name of a model's class, or the name of a function."""
    if is_function or not (hasattr(model, "predict") or is_network(model)):
        return f"function {getattr(model, '__qualname__', type(model).__qualname__)}"
    return f"{type(model).__module__}.{type(model).__qualname__}"


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A trained model, or a prediction function.

    Parameters
    ----------
    given : object
        What the caller passed.
    estimator : object
        What predicts: the model, the best one of a search, or a booster as an estimator.
    origin : list of (package, class name)
        Of the estimator's classes; empty for a function.
    task : "classification" or "regression"
    outputs : tuple of str
        Names of the C outputs.
    is_function : bool
    as_frame : bool
        Whether it is called with a DataFrame of the columns ``names``.
    names : tuple of str, optional
        Names of the columns that the model was trained on.

    """

    given: Any
    estimator: Any
    origin: list[tuple[str, str]]
    task: Task
    outputs: tuple[str, ...]
    is_function: bool
    as_frame: bool
    names: tuple[str, ...] | None
    function_space: str | None = None

    @property
    def type_name(self) -> str:
        """Module and name of the class, as stored with the explanation."""
        return type_name(self.given, is_function=self.is_function)

    @property
    def short_name(self) -> str:
        """Package and class, for messages: ``sklearn.SVC``."""
        if self.is_function:
            return self.type_name
        package, name = origin_of(self.given)[0]
        return f"{package}.{name}"

    @property
    def n_outputs(self) -> int:
        """C."""
        return len(self.outputs)

    def form(self, table: Table) -> Any:
        """Return rows as the model takes them: a DataFrame if it was trained on names, else an array or CSR matrix."""
        if table.is_sparse or table.is_frame == self.as_frame:
            return table.data if not self.as_frame or self.names is None else _renamed(table, self.names)
        if not self.as_frame:
            return _frame_values(table.data)
        import pandas

        names = self.names or table.names
        return pandas.DataFrame(table.data, columns=None if names is None else list(names))

    def predict(self, rows: Any) -> NDArray[Any] | None:
        """Return the predictions (N,): the model's own labels, or values."""
        if not self.is_function:
            predicted = np.asarray(self.estimator.predict(rows))
            if predicted.size != rows.shape[0]:
                raise several_targets(self.short_name, predicted.shape[-1])
            return predicted.reshape(-1)
        answers = self.answer(rows, PROBABILITY)
        return (
            np.array(self.outputs, object)[answers.argmax(axis=1)] if self.task == "classification" else answers[:, 0]
        )

    def predict_proba(self, rows: Any) -> NDArray[np.float64] | None:
        """Return the class probabilities (N, C), or None where the model has none."""
        if self.task == "regression":
            return None
        if self.is_function:
            return self.answer(rows, PROBABILITY) if self.function_space == PROBABILITY else None
        return self.answer(rows, PROBABILITY) if hasattr(self.estimator, "predict_proba") else None

    def default_space(self, rows: Any) -> str:
        """Return the space in which a prediction function of the model answers: the first that it has."""
        if self.function_space is not None:
            return self.function_space
        if self.task == "regression":
            return VALUE
        if hasattr(self.estimator, "predict_proba"):
            return PROBABILITY
        if hasattr(self.estimator, "decision_function"):
            scores = np.asarray(self.estimator.decision_function(rows))
            if (scores.ndim == 1 and self.n_outputs == 2) or scores.shape[1:] == (self.n_outputs,):
                return MARGIN
        return PROBABILITY

    def answer(self, rows: Any, space: str) -> Outputs:
        """Return what the model itself says of the rows in one space, float64 (N, C).

        ``"probability"`` of a classifier without ``predict_proba`` is 1 for the class that it predicts.

        Raises
        ------
        UnsupportedModelError
            The model's answer has another shape.

        """
        answers = np.asarray(self._answer(rows, space), np.float64)
        if answers.ndim == 1 or (answers.shape[1] == 1 and self.n_outputs == 2):
            answers = self._columns(answers.reshape(-1), space)
        if answers.shape != (rows.shape[0], self.n_outputs):
            if self.task == "regression" and answers.ndim == 2:
                raise several_targets(self.short_name, answers.shape[1])
            raise UnsupportedModelError(
                f"{self.short_name} answers {rows.shape[0]} rows with an array of shape {answers.shape}, expected "
                f"{(rows.shape[0], self.n_outputs)} for {self.task} with outputs {list(self.outputs)}; pass a function "
                "that returns one column for each output, and classes= with their names"
            )
        return answers

    def _answer(self, rows: Any, space: str) -> Any:
        model = self.estimator
        if self.is_function:
            return model(rows)
        if space == PROBABILITY:
            if hasattr(model, "predict_proba"):
                return model.predict_proba(rows)
            return np.asarray(model.predict(rows))[:, None] == np.asarray(model.classes_)[None, :]
        if space == VALUE:
            return (model.score_samples if kind_of(model) == "outlier_detector" else model.predict)(rows)
        return raw_scores(self, rows, space)

    def _columns(self, answers: Outputs, space: str) -> Outputs:
        """Return one number per row as (N, C): two mirrored columns for the two classes of a classifier."""
        if self.n_outputs != 2:
            return answers[:, None]
        probabilities = (self.function_space or space) == PROBABILITY
        return np.column_stack([1.0 - answers if probabilities else -answers, answers])


def several_targets(name: str, n_targets: int) -> UnsupportedModelError:
    """Return the error for a model of several targets."""
    return UnsupportedModelError(
        f"{name} has {n_targets} targets: train a model for each, or explain a function that returns what it says of "
        "one of them, its predictions or class probabilities"
    )


def raw_scores(model: Model, rows: Any, space: str) -> Any:
    """Return the model's raw scores, (N,) or (N, C), by its package's own way of asking for them."""
    estimator = model.estimator
    if isinstance(estimator, BoosterModel):
        return estimator.raw(rows)
    packages = {package for package, _ in model.origin}
    if "lightgbm" in packages:
        scores = np.asarray(estimator.predict(rows, raw_score=True), np.float64)
        return scores / lightgbm_divisor(estimator.booster_)
    if "xgboost" in packages:
        return estimator.predict(rows, output_margin=True)
    if "catboost" in packages:
        return estimator.predict(rows, prediction_type="RawFormulaVal")
    if space == LOG_VALUE:
        return np.log(estimator.predict(rows))
    return estimator.decision_function(rows)


def class_names(labels: list[Any], classes: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the classes: those given, else the model's labels.

    Raises
    ------
    InvalidArgumentError
        There are more or fewer than the model has, or they are the model's in another order.

    """
    own = tuple(str(label) for label in labels)
    if classes is None:
        return own
    given = tuple(str(name) for name in np.asarray(classes, dtype=object).tolist())
    if len(given) != len(own):
        raise InvalidArgumentError(f"classes= names {len(given)} classes, the model has {len(own)}: {list(own)}")
    if len(set(given)) != len(given):
        raise InvalidArgumentError(f"classes= names a class twice: {list(given)}")
    if set(given) == set(own) and given != own:
        raise InvalidArgumentError(f"classes={list(given)} are not in the order of the model's outputs, {list(own)}")
    return given


def kind_of(estimator: Any) -> str | None:
    """Return scikit-learn's kind of estimator, from tags where the version has them."""
    tags: Callable[[], Any] | None = getattr(estimator, "__sklearn_tags__", None)
    if tags is not None:
        return cast("str | None", tags().estimator_type)
    return getattr(estimator, "_estimator_type", None)


def _renamed(table: Table, names: tuple[str, ...]) -> Any:
    """Return a DataFrame whose columns the schema has put in order, under the model's names."""
    if table.is_sparse or tuple(table.data.columns) == names:
        return table.data
    return table.data.set_axis(list(names), axis=1)


def _frame_values(frame: Any) -> NDArray[Any]:
    """Return a DataFrame's values as an array: numbers as float64 where they are mixed or nullable."""
    if all(getattr(dtype, "kind", "O") in "biuf" for dtype in frame.dtypes):
        values = frame.to_numpy()
        return np.asarray(values if values.dtype != object else frame.to_numpy(np.float64, na_value=np.nan))
    return np.asarray(frame.to_numpy())
