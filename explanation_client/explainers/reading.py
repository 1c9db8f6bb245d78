"""Models as they are given, read: what predicts, the task, the outputs, the columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import is_instance_of
from explanation_client.errors import InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers.boosters import BoosterModel, adapt
from explanation_client.explainers.deep.estimators import estimator_of, is_wrapped
from explanation_client.explainers.deep.recognise import is_network
from explanation_client.explainers.inputs import Table
from explanation_client.explainers.model import (
    MARGIN,
    PROBABILITY,
    REGRESSION_OUTPUT,
    VALUE,
    Model,
    class_names,
    kind_of,
    origin_of,
    several_targets,
)
from explanation_client.info import Task

# A prediction function is called with so many rows to see what it returns.
_PROBED_ROWS = 20
_TASKS = ("classification", "regression", "unknown")


def read_model(
    model: Any,
    *,
    background: Table | None,
    classes: Sequence[str] | None,
    model_task: str = "unknown",
    is_function: bool = False,
) -> Model:
    """Return the model with its task and outputs.

    Parameters
    ----------
    model : object
        With ``predict``, or a function from rows to (N,) or (N, C).
    background : Table, optional
        Initialization examples; a function is called with one of them to see how many outputs it has.
    classes : sequence of str, optional
        Names of the classes in the order of the model's outputs.
    model_task : "classification", "regression" or "unknown"
    is_function : bool
        The model is to be called, also where it has ``predict``.

    Raises
    ------
    UnsupportedModelError
        It cannot predict, or has several targets.
    InvalidArgumentError
        ``classes`` or ``model_task`` contradict the model.

    """
    if model_task not in _TASKS:
        raise InvalidArgumentError(f"model_task={model_task!r}: one of {', '.join(map(repr, _TASKS))}")
    if is_function or (callable(model) and not hasattr(model, "predict") and not is_network(model)):
        return _read_function(model, background, classes, model_task)
    inner = getattr(model, "best_estimator_", model) if hasattr(model, "predict") else model
    origin = origin_of(inner)
    _check_fitted(inner, origin)
    estimator = _adapted(inner, origin, background, classes, model_task)
    if not hasattr(estimator, "predict"):
        if getattr(inner, "refit", True) is False:
            raise UnsupportedModelError(
                f"{'.'.join(origin[0])} was searched with refit=False and holds no model: fit one with its best_params_"
            )
        raise UnsupportedModelError(
            f"{'.'.join(origin[0])} has no predict method: pass a trained model, or a prediction function to "
            "KernelExplainer with is_function=True"
        )
    task = _task(estimator, model_task, origin)
    outputs = (
        (REGRESSION_OUTPUT,) if task == "regression" else class_names(_labels(estimator, classes, origin), classes)
    )
    if task == "regression" and classes is not None:
        raise InvalidArgumentError(f"classes= was given, and {'.'.join(origin[0])} is a regression model: leave it out")
    names = column_names(estimator)
    by_name = names is not None or (column_count(estimator) is None and background is not None and background.is_frame)
    return Model(model, estimator, origin, task, outputs, False, by_name, names)


def _adapted(
    model: Any,
    origin: list[tuple[str, str]],
    background: Table | None,
    classes: Sequence[str] | None,
    model_task: str,
) -> Any:
    """Return a model with the interface of an estimator: boosters and networks as one, others as they are."""
    if not (is_network(model) or is_wrapped(model)):
        return adapt(model, origin)
    if background is None:
        raise InvalidArgumentError(f"{'.'.join(origin[0])} needs initialization_examples: rows to try it with")
    return estimator_of(model, background.data, classes=classes, task=model_task)


def _check_fitted(estimator: Any, origin: list[tuple[str, str]]) -> None:
    if not is_instance_of(estimator, "sklearn.base", "BaseEstimator"):
        return
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(estimator)
    except NotFittedError as error:
        raise InvalidArgumentError(f"{'.'.join(origin[0])} is not fitted: call its fit() first") from error


def _read_function(model: Any, background: Table | None, classes: Sequence[str] | None, model_task: str) -> Model:
    if not callable(model):
        raise UnsupportedModelError(f"is_function=True, and a {type(model).__qualname__} cannot be called")
    if background is None:
        raise InvalidArgumentError("a prediction function needs initialization_examples")
    n_rows = min(_PROBED_ROWS, background.shape[0])
    answers = np.asarray(model(background.take(slice(0, n_rows)).data))
    if answers.ndim not in (1, 2) or answers.shape[0] != n_rows:
        raise UnsupportedModelError(
            f"the prediction function answers {n_rows} rows with shape {answers.shape}: ({n_rows},) "
            f"or ({n_rows}, C) is needed"
        )
    if answers.dtype.kind not in "biuf":
        raise UnsupportedModelError(
            f"the prediction function answers with {str(answers.ravel()[0])[:40]!r}: numbers are needed, probabilities "
            "of the classes for example"
        )
    columns = 1 if answers.ndim == 1 else answers.shape[1]
    several = columns > 1 or classes is not None
    task = cast(Task, model_task if model_task != "unknown" else "classification" if several else "regression")
    if task == "regression" and (columns > 1 or classes is not None):
        raise InvalidArgumentError(
            f"the prediction function returns {columns} columns{'' if classes is None else ' and classes= was given'}: "
            "a regression has one column and no classes"
        )
    outputs: tuple[str, ...] = (REGRESSION_OUTPUT,)
    if task == "classification":
        outputs = class_names([str(i) for i in range(max(2, columns))], classes)
    space = VALUE if task == "regression" else PROBABILITY if _are_probabilities(answers) else MARGIN
    return Model(model, model, [], task, outputs, True, background.is_frame, None, space)


def column_count(estimator: Any) -> int | None:
    """Return the number of columns that the model was trained on, None where it does not say."""
    # CatBoost keeps n_features_in_ of an earlier fit, its names are those of the last one.
    names = getattr(estimator, "feature_names_", None)
    if names is not None:
        return len(names)
    found = getattr(estimator, "n_features_in_", None)
    return None if found is None else int(found)


def column_names(estimator: Any) -> tuple[str, ...] | None:
    """Return the names of the columns that the model was trained on, None where it was trained on positions."""
    names = getattr(estimator, "booster_names", None)
    if names is None:
        names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        # CatBoost numbers columns that had no names.
        found = getattr(estimator, "feature_names_", None)
        names = None if found is None or list(found) == [str(i) for i in range(len(found))] else found
    return None if names is None else tuple(str(name) for name in names)


def _task(estimator: Any, model_task: str, origin: list[tuple[str, str]]) -> Task:
    kind = kind_of(estimator)
    known: Task | None = None
    if isinstance(estimator, BoosterModel):
        known = "classification" if estimator.n_classes else "regression"
    elif kind == "classifier" or (
        kind is None and (hasattr(estimator, "predict_proba") or hasattr(estimator, "classes_"))
    ):
        known = "classification"
    elif kind in ("regressor", "outlier_detector", "ranker"):
        known = "regression"
    if known is None:
        return cast(Task, "regression" if model_task == "unknown" else model_task)
    if model_task not in ("unknown", known):
        raise InvalidArgumentError(f"model_task={model_task!r}, and {'.'.join(origin[0])} is a {known} model")
    return known


def _labels(estimator: Any, classes: Sequence[str] | None, origin: list[tuple[str, str]]) -> list[Any]:
    labels = getattr(estimator, "classes_", None)
    if labels is None:
        if classes is None:
            raise InvalidArgumentError(f"{'.'.join(origin[0])} does not name its classes: pass classes=")
        return list(classes)
    if isinstance(labels, list) and labels and isinstance(labels[0], np.ndarray):
        raise several_targets(".".join(origin[0]), len(labels))
    return list(np.asarray(labels).tolist())


def _are_probabilities(answers: NDArray[Any]) -> bool:
    """Whether a function's answers can be probabilities: of one class, or of all that add up to 1."""
    within = bool(((answers >= 0.0) & (answers <= 1.0)).all())
    return within and (answers.ndim == 1 or answers.shape[1] == 1 or np.allclose(answers.sum(axis=1), 1.0, atol=1e-6))
