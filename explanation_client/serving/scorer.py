"""What turns the body of a request into the body of an answer; runs in a thread, away from the event loop."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import orjson

from explanation_client.display import shown
from explanation_client.errors import InvalidArgumentError, InvalidExplanationError, PartMissingError
from explanation_client.scoring import Score, ScoringExplainer
from explanation_client.scoring.response import explained, predicted
from explanation_client.serving.options import Limits
from explanation_client.serving.problems import RefusedError, too_slow
from explanation_client.serving.question import Question, read_question
from explanation_client.serving.samples import SampleLog

# Azure's name for it: scripts that were written for it find their files without a change.
MODEL_DIR = "AZUREML_MODEL_DIR"
# Importances in one answer: 40 MB of them, and as text about 100 MB.
_MOST_VALUES = 5_000_000
# Rows that are explained at a time: so many first, then twice as many as long as they take less than this.
_FIRST_BLOCK = 64
_BLOCK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Answer:
    """The body of an answer, and the numbers of rows that were predicted and explained for it."""

    body: bytes
    rows: int = 0
    explained: int = 0


class Scorer(Protocol):
    """Answers requests. Called from several threads at a time where there are several."""

    @property
    def labels(self) -> dict[str, str]:
        """What metrics and logs say of it."""
        ...

    def answer(self, body: bytes, until: float) -> Answer:
        """Return the answer to the body of a request.

        Parameters
        ----------
        body : bytes
        until : float
            When, by ``time.monotonic()``, nobody waits for the answer any longer.

        Raises
        ------
        RefusedError
            It can't be answered.

        """
        ...


class ExplainerScorer:
    """Answers with the predictions and importances of a scoring explainer.

    Parameters
    ----------
    explainer : ScoringExplainer
    limits : Limits
    samples : SampleLog, optional
        Where explanations are left.

    """

    def __init__(self, explainer: ScoringExplainer, limits: Limits, samples: SampleLog | None = None) -> None:
        self._explainer = explainer
        self._columns = explainer.columns
        width = max(len(explainer.features), len(explainer.engineered_features or ()))
        most = _MOST_VALUES // (width * len(explainer.classes or ("",)))
        self._max_rows = max(1, min(limits.max_rows, most))
        self._samples = samples

    @property
    def labels(self) -> dict[str, str]:
        """Method, model and id of the scoring explainer."""
        info = self._explainer.info
        return {"method": self._explainer.method, "model_type": info.model_type, "id": info.id}

    def answer(self, body: bytes, until: float) -> Answer:
        """Return predictions and importances as JSON."""
        question = read_question(body, self._columns, max_rows=self._max_rows)
        n_rows = len(question.rows)
        try:
            if question.explain:
                answer = self._explained(question, until)
            else:
                answer = predicted(self._explainer, question.rows)
        except (InvalidArgumentError, PartMissingError) as error:
            raise RefusedError(400, "BAD_REQUEST", str(error)) from error
        except InvalidExplanationError as error:
            raise RefusedError(422, "NOT_FINITE", str(error)) from error
        except (ValueError, TypeError) as error:
            # Of the model itself, or of what transforms rows for it: a category that it does not know, for example.
            reason = f"{type(error).__name__}: {shown(str(error), length=300)}"
            raise RefusedError(422, "ROWS_NOT_TAKEN", f"the model does not take these rows: {reason}") from error
        return Answer(_encode(answer), n_rows, n_rows if question.explain else 0)

    def _explained(self, question: Question, until: float) -> dict[str, Any]:
        score = self._score(question, until)
        answer = explained(self._explainer, score, top_k=question.top_k)
        if self._samples is not None:
            self._samples.offer(score, question.rows)
        return answer

    def _score(self, question: Question, until: float) -> Score:
        """Return the explanation of all rows, many of them in blocks: the work ends where nobody waits for it."""
        rows, size = question.rows, _FIRST_BLOCK
        if len(rows) <= size:
            return self._explainer.score(rows, question.get_raw)
        scores: list[Score] = []
        start = 0
        while start < len(rows):
            began = time.monotonic()
            if began > until:
                raise too_slow()
            scores.append(self._explainer.score(rows[start : start + size], question.get_raw))
            start += size
            if time.monotonic() - began < _BLOCK_SECONDS:
                size *= 2
        return _joined(scores)


def _joined(scores: list[Score]) -> Score:
    """Return one score of all rows."""
    if len(scores) == 1:
        return scores[0]
    predictions = [score.predictions for score in scores if score.predictions is not None]
    probabilities = [score.probabilities for score in scores if score.probabilities is not None]
    return replace(
        scores[0],
        values=np.concatenate([score.values for score in scores], axis=-2),
        predictions=np.concatenate(predictions) if predictions else None,
        probabilities=np.concatenate(probabilities) if probabilities else None,
    )


class ScriptScorer:
    """Answers with what a script's ``run(raw_data)`` returns; its ``init()`` is called once, now.

    The script is a user's own code, named at the command line: it is run as it is.

    Parameters
    ----------
    path : Path
    directory : Path
        Folder that the script finds in the environment variable ``AZUREML_MODEL_DIR``.

    Raises
    ------
    InvalidArgumentError
        There is no such file, or it lacks one of the functions.

    """

    def __init__(self, path: Path, directory: Path) -> None:
        if not path.is_file():
            raise InvalidArgumentError(f"there is no script {path}")
        os.environ[MODEL_DIR] = str(directory)
        spec = importlib.util.spec_from_file_location("scoring_script", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # Where classes of the script are looked up by the name of their module.
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        for name in ("init", "run"):
            if not callable(getattr(module, name, None)):
                raise InvalidArgumentError(f"{path} has no function {name}(): a script has init() and run(raw_data)")
        self._name = path.name
        self._run = module.run
        module.init()

    @property
    def labels(self) -> dict[str, str]:
        """Name of the script."""
        return {"script": self._name}

    def answer(self, body: bytes, until: float) -> Answer:
        """Return what ``run`` says of the body, as JSON."""
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise RefusedError(400, "INVALID_JSON", "the body is no UTF-8") from error
        try:
            answer = json.dumps(self._run(text), allow_nan=False, default=_plain)
        except ValueError as error:
            raise RefusedError(500, "NOT_FINITE", "run() returned NaN or infinity, which is no JSON") from error
        return Answer(answer.encode())


def _encode(answer: dict[str, Any]) -> bytes:
    for name in ("predictions", "probabilities"):
        values = answer.get(name)
        if values is not None and values.dtype.kind == "f" and not np.isfinite(values).all():
            raise RefusedError(422, "NOT_FINITE", f"the model's {name} of these rows hold NaN or infinity")
    return orjson.dumps(answer, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)


def _plain(value: Any) -> Any:
    """Return arrays and numbers of numpy as Python's own, everything else (dates among labels) as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
