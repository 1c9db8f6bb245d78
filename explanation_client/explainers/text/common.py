"""What explainers of documents share: the steps of a model, its predictions, a sample of documents, the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import EvaluationData, normalise_column
from explanation_client.errors import CannotExplainError, InvalidArgumentError
from explanation_client.explainers.inputs import Table
from explanation_client.explainers.model import origin_of
from explanation_client.explainers.sampling import SamplingPolicy
from explanation_client.explainers.text.bag import Bag, read_bag
from explanation_client.explainers.text.inputs import Texts
from explanation_client.explainers.text.model import DocumentModel
from explanation_client.explainers.text.words import Floats, WordReader
from explanation_client.info import ExplanationInfo, new_id, now, versions

_DISTRIBUTIONS = {"sklearn": "scikit-learn"}


class Predictions:
    """Gathers what the model predicts of the documents.

    Parameters
    ----------
    model : DocumentModel
    keeps : bool
        Whether anything is kept.

    """

    def __init__(self, model: DocumentModel, keeps: bool) -> None:
        self._model = model
        self._keeps = keeps
        self._predicted: list[NDArray[Any]] = []
        self._answers: list[Floats] = []

    def add(self, texts: list[str], answer: Callable[[list[str]], Floats]) -> None:
        """Predict some documents."""
        if self._keeps:
            answers = answer(texts)
            self._answers.append(answers)
            self._predicted.append(self._model.predict(texts, answers))

    def data(self, texts: Texts) -> EvaluationData | None:
        """Return the predictions and the names of the documents; the texts themselves are in ``documents``."""
        if not self._keeps:
            return None
        is_probability = self._model.task == "classification" and self._model.own_space == "probability"
        return EvaluationData(
            row_names=texts.row_names,
            predicted=normalise_column(np.concatenate(self._predicted)),
            predicted_proba=np.concatenate(self._answers) if is_probability else None,
        )


def sampled(texts: Texts, policy: SamplingPolicy | None) -> tuple[Texts, tuple[str, ...]]:
    """Return the documents that a policy picks, and a note of it.

    Raises
    ------
    InvalidArgumentError
        It is no policy, or one that clusters rows of numbers.

    """
    if policy is None:
        return texts, ()
    if not isinstance(policy, SamplingPolicy):
        raise InvalidArgumentError(f"sampling_policy={policy!r}: a SamplingPolicy, or None to explain every document")
    if policy.allow_eval_sampling and policy.sampling_method != "random":
        raise InvalidArgumentError(
            f"sampling_method={policy.sampling_method!r} clusters rows of numbers, and these are documents: pass "
            "sampling_method='random'"
        )
    table, notes = policy.sample(Table(np.arange(len(texts))[:, None]))
    picked = table.data[:, 0].tolist()
    names = None if texts.row_names is None else texts.row_names[picked]
    return replace(texts, texts=[texts.texts[i] for i in picked], row_names=names), notes


def text_info(
    model: DocumentModel,
    *,
    method: str,
    outputs: tuple[str, ...],
    n_features: int,
    texts: Texts,
    output_space: str,
    reason: str | None,
    notes: tuple[str, ...],
    packages: tuple[str, ...],
) -> ExplanationInfo:
    """Return the record of a new explanation of documents."""
    own = (_DISTRIBUTIONS.get(package, package) for package in model.packages if package != "explanation_client")
    return ExplanationInfo(
        id=new_id(),
        created_at=now(),
        method=method,
        task=model.task,
        outputs=outputs,
        n_features=n_features,
        n_rows=len(texts),
        single_row=texts.single,
        output_space=output_space,
        model_type=model.type_name,
        reason=reason,
        notes=notes,
        made_with=versions(*dict.fromkeys(("explanation-client", "numpy", *packages, *own))),
    )


def taken_apart(model: DocumentModel, preprocessor: Any) -> tuple[Any, Any, str]:
    """Return the steps before the model, the model, and why there are none where there are none."""
    if model.estimator is None:
        return None, None, f"{model.short_name} is in no table of linear or tree models"
    inner = model.estimator.estimator
    is_pipeline = ("sklearn", "Pipeline") in origin_of(inner) and len(inner.steps) > 1
    if preprocessor is not None:
        if is_pipeline or not hasattr(preprocessor, "transform"):
            return None, None, "there are more steps behind the preprocessor" if is_pipeline else "it is a function"
        return preprocessor, inner, ""
    if not is_pipeline:
        return None, None, f"{model.short_name} is no pipeline that begins with a vectorizer"
    return inner[:-1], inner[-1], ""


def reader_for(model: DocumentModel, preprocessor: Any, pattern: str | None) -> WordReader:
    """Return what finds the words of documents: those of the vectorizer, where the model begins with one."""
    return reader_of(bag_of(taken_apart(model, preprocessor)[0]), pattern)


def reader_of(bag: Bag | None, pattern: str | None) -> WordReader:
    """Return what finds words as a vectorizer does, where there is one."""
    return WordReader(pattern) if bag is None else bag.reader(pattern)


def bag_of(transform: Any) -> Bag | None:
    """Return what counts words before the model, None where nothing is known to."""
    steps = [step for _, step in getattr(transform, "steps", [("", transform)])]
    try:
        return None if transform is None else read_bag(steps[0])
    except CannotExplainError:
        return None
