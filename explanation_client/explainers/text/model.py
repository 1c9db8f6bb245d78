"""A model that takes documents: its task, its outputs, and what it answers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers.model import (
    LOG_ODDS,
    MARGIN,
    PROBABILITY,
    REGRESSION_OUTPUT,
    VALUE,
    Model,
    class_names,
    origin_of,
    type_name,
)
from explanation_client.explainers.reading import read_model
from explanation_client.info import Task

Floats = NDArray[np.float64]
Ask = Callable[[list[str]], Any]

OUTPUTS = ("auto", LOG_ODDS, PROBABILITY)
# Probabilities are held this far from 0 and 1 where their log-odds are taken.
CLIP = 1e-4
# Answers that are remembered: some tens of megabytes.
_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class DocumentModel:
    """A model of documents.

    Parameters
    ----------
    given : object
        What the caller passed.
    type_name, short_name : str
        As stored with the explanation, and for messages.
    task : "classification" or "regression"
    outputs : tuple of str
        Names of the C outputs.
    own_space : str
        What the model answers: ``"probability"``, ``"margin"`` or ``"value"``.
    ask : callable
        From a list of documents to the answers (n, C) in that space.
    labels : callable, optional
        From a list of documents to the model's own predictions (n,). None: the class of the largest answer.
    estimator : Model, optional
        The model as other explainers see it, where it is no function.
    packages : tuple of str
        Distributions that the model comes from.

    """

    given: Any
    type_name: str
    short_name: str
    task: Task
    outputs: tuple[str, ...]
    own_space: str
    ask: Ask
    labels: Callable[[list[str]], NDArray[Any]] | None = None
    estimator: Model | None = None
    packages: tuple[str, ...] = ()

    def answer(self, texts: list[str]) -> Floats:
        """Return the answers (n, C) in the model's own space.

        Raises
        ------
        UnsupportedModelError
            The model's answer has another shape, or is not finite.

        """
        answers = np.asarray(self.ask(texts), np.float64)
        n_outputs = len(self.outputs)
        if answers.ndim == 1 or (answers.shape[1] == 1 and n_outputs == 2):
            second = answers.reshape(-1)
            first = 1.0 - second if self.own_space == PROBABILITY else -second
            answers = np.column_stack([first, second]) if n_outputs == 2 else second[:, None]
        if answers.shape != (len(texts), n_outputs):
            raise UnsupportedModelError(
                f"{self.short_name} answers {len(texts)} documents with an array of shape {answers.shape}, expected "
                f"{(len(texts), n_outputs)} for {self.task} with outputs {list(self.outputs)[:10]}"
            )
        if not np.isfinite(answers).all():
            worst = texts[int(np.argwhere(~np.isfinite(answers))[0, 0])]
            raise UnsupportedModelError(f"{self.short_name} answers {worst[:60]!r} with NaN or infinity")
        return answers

    def predict(self, texts: list[str], answers: Floats) -> NDArray[Any]:
        """Return the predictions (n,), the model's own labels or values, from its answers where it has no method."""
        if self.labels is not None:
            return self.labels(texts)
        if self.task == "regression":
            return np.asarray(answers[:, 0])
        return np.asarray(np.array(self.outputs, object)[answers.argmax(axis=1)])


def log_odds(probabilities: Floats) -> Floats:
    """Return the log-odds of probabilities, held a ten-thousandth away from 0 and 1."""
    held = np.clip(probabilities, CLIP, 1.0 - CLIP)
    return np.asarray(np.log(held) - np.log1p(-held))


class Answers:
    """Asks a model in calls of some size, each document once, and remembers what it said.

    Parameters
    ----------
    answer : callable
        From a list of documents to answers (n, C).
    call_size : int

    Attributes
    ----------
    n_asked : int
        Documents that the model was asked about.

    """

    def __init__(self, answer: Callable[[list[str]], Floats], call_size: int) -> None:
        self._answer = answer
        self._call_size = call_size
        self._known: dict[bytes, Floats] = {}
        self.n_asked = 0

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Return the answers (n, C)."""
        keys = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        waiting = list(new.values())
        calls = [waiting[i : i + self._call_size] for i in range(0, len(waiting), self._call_size)]
        found = np.concatenate([self._answer(call) for call in calls]) if calls else np.empty((0, 0))
        self.n_asked += len(waiting)
        answers = {**self._known, **dict(zip(new, found, strict=True))} if new else self._known
        result = np.array([answers[key] for key in keys])
        self._known = answers if len(answers) <= _REMEMBERED else {}
        return result


def read_document_model(
    model: Any,
    *,
    preprocessor: Any = None,
    classes: Sequence[str] | None = None,
    model_task: str = "unknown",
    is_function: bool = False,
) -> DocumentModel:
    """Return a model of documents: an estimator, a function, a transformers pipeline; or one behind a preprocessor.

    Raises
    ------
    UnsupportedModelError
        It takes tables, or is no model.
    InvalidArgumentError
        ``classes`` or ``model_task`` contradict it.

    """
    if model_task not in ("classification", "regression", "unknown"):
        raise InvalidArgumentError(f"model_task={model_task!r}: 'classification', 'regression' or 'unknown'")
    prepare = _read_preprocessor(preprocessor)
    if not is_function and any(name == "Pipeline" and package == "transformers" for package, name in origin_of(model)):
        return _read_transformers(model, prepare, classes)
    if is_function or (callable(model) and not hasattr(model, "predict")):
        return _read_function(model, prepare, classes, model_task)
    _check_takes_documents(model, preprocessor)
    return _read_estimator(read_model(model, background=None, classes=classes, model_task=model_task), prepare)


def _read_preprocessor(preprocessor: Any) -> Callable[[list[str]], Any]:
    if preprocessor is None:
        return list
    if hasattr(preprocessor, "transform"):
        return cast("Callable[[list[str]], Any]", preprocessor.transform)
    if callable(preprocessor):
        return cast("Callable[[list[str]], Any]", preprocessor)
    raise InvalidArgumentError(
        f"preprocessor= is a {type(preprocessor).__qualname__}: pass something with transform(), or a function"
    )


def _check_takes_documents(model: Any, preprocessor: Any) -> None:
    """Raise where the model is one of scikit-learn's that takes a table."""
    inner = getattr(model, "best_estimator_", model)
    steps = getattr(inner, "steps", None)
    first = steps[0][1] if steps else inner
    if ("sklearn", "ColumnTransformer") in origin_of(first):
        raise UnsupportedModelError(
            "the pipeline begins with a ColumnTransformer, which takes a table and no documents: explain it with "
            "TabularExplainer, or pass a function of documents that makes the table"
        )
    takes_numbers = origin_of(inner)[0][0] == "sklearn" and steps is None and hasattr(inner, "n_features_in_")
    if takes_numbers and preprocessor is None:
        raise UnsupportedModelError(
            f"{'.'.join(origin_of(inner)[0])} takes numbers and no documents: pass a pipeline of a vectorizer and the "
            "model, or the fitted vectorizer as preprocessor="
        )


def _read_estimator(model: Model, prepare: Callable[[list[str]], Any]) -> DocumentModel:
    estimator = model.estimator
    if model.task == "regression":
        space = VALUE
    elif hasattr(estimator, "predict_proba"):
        space = PROBABILITY
    elif hasattr(estimator, "decision_function"):
        space = MARGIN
    else:
        space = PROBABILITY

    def ask(texts: list[str]) -> Any:
        rows = prepare(texts)
        if space == VALUE:
            return np.asarray(estimator.predict(rows)).reshape(-1)
        if space == MARGIN:
            return estimator.decision_function(rows)
        if hasattr(estimator, "predict_proba"):
            return estimator.predict_proba(rows)
        return np.asarray(estimator.predict(rows))[:, None] == np.asarray(estimator.classes_)[None, :]

    def labels(texts: list[str]) -> NDArray[Any]:
        return np.asarray(estimator.predict(prepare(texts))).reshape(-1)

    packages = tuple(dict.fromkeys(package for package, _ in model.origin if package != "builtins"))
    return DocumentModel(
        model.given, model.type_name, model.short_name, model.task, model.outputs, space, ask, labels, model, packages
    )


def _read_function(
    model: Any, prepare: Callable[[list[str]], Any], classes: Sequence[str] | None, model_task: str
) -> DocumentModel:
    if not callable(model):
        raise UnsupportedModelError(f"is_function=True, and a {type(model).__qualname__} cannot be called")

    def ask(texts: list[str]) -> Any:
        return model(prepare(texts))

    answers = np.asarray(_ask_about_nothing(ask))
    if answers.ndim not in (1, 2) or answers.shape[0] != 1:
        raise UnsupportedModelError(
            f"the prediction function answers one document with shape {answers.shape}: (1,) or (1, C) is needed"
        )
    columns = 1 if answers.ndim == 1 else answers.shape[1]
    several = columns > 1 or classes is not None
    task = cast(Task, model_task if model_task != "unknown" else "classification" if several else "regression")
    if task == "regression" and several:
        raise InvalidArgumentError(
            f"the prediction function returns {columns} columns{' and classes= was given' if classes else ''}: a "
            "regression has one column and no classes"
        )
    outputs: tuple[str, ...] = (REGRESSION_OUTPUT,)
    if task == "classification":
        outputs = class_names([str(i) for i in range(max(2, columns))], classes)
    within = bool(((answers >= 0.0) & (answers <= 1.0)).all())
    sums_to_1 = columns == 1 or bool(np.allclose(answers.sum(axis=1), 1.0, atol=1e-5))
    space = VALUE if task == "regression" else PROBABILITY if within and sums_to_1 else MARGIN
    name = type_name(model, is_function=True)
    return DocumentModel(model, name, name, task, outputs, space, ask)


def _ask_about_nothing(ask: Ask) -> Any:
    """Return the answer to the empty document, from which values count."""
    try:
        return ask([""])
    except Exception as error:
        # It is the model's own, and says what is wrong; only why it was asked is not clear from it.
        error.add_note(
            "The model was asked about an empty document, whose answer is the base value of the explanation."
        )
        raise


def _read_transformers(model: Any, prepare: Callable[[list[str]], Any], classes: Sequence[str] | None) -> DocumentModel:
    """Return a pipeline of the package transformers, recognised by its class."""
    if not any(name == "TextClassificationPipeline" for _, name in origin_of(model)):
        raise UnsupportedModelError(
            f"{type(model).__qualname__} is no text classification: pass a function from documents to (N,) or (N, C)"
        )
    names = dict(model.model.config.id2label)
    labels = [str(names[i]) for i in sorted(names)]
    places = {label: i for i, label in enumerate(labels)}

    def ask(texts: list[str]) -> Floats:
        found = np.zeros((len(texts), len(labels)))
        for row, scores in enumerate(model(list(prepare(texts)), top_k=None, truncation=True)):
            for score in scores if isinstance(scores, list) else [scores]:
                found[row, places[str(score["label"])]] = score["score"]
        return found

    _ask_about_nothing(ask)
    is_one = len(labels) == 1
    outputs = (REGRESSION_OUTPUT,) if is_one else class_names(labels, classes)
    if is_one and classes is not None:
        raise InvalidArgumentError("classes= was given, and the pipeline has one label, which is explained as a value")
    return DocumentModel(
        model, f"{type(model).__module__}.{type(model).__qualname__}", f"transformers.{type(model).__qualname__}",
        "regression" if is_one else "classification", outputs, VALUE if is_one else PROBABILITY, ask,
        packages=("transformers",),
    )  # fmt: skip
