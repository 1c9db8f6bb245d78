"""Questions about single rows, and their answers: what the front end and its hosts say to each other about the model.

All questions that wait are answered with one call of the model: each row of a chart of predictions, and each value that
a column is varied over, is one row of that call.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from explanation_client.dashboard.model import LiveModel, LocalAnswer
from explanation_client.dashboard.rows import Line, Rows
from explanation_client.dashboard.values import Value
from explanation_client.display import shown
from explanation_client.errors import ExplanationError, InvalidArgumentError

_log = logging.getLogger(__name__)

MAX_QUESTIONS = 10_000
# Rows of one call of the model.
MAX_LINES = 200_000
# Of these each may take an explainer of any model a second or more.
MAX_EXPLAINED = 50
_ERROR_LENGTH = 500

Document = Mapping[str, Any]
Request = Sequence[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One row to ask the model about.

    Parameters
    ----------
    row : int
        Position among the explained rows.
    edits : mapping of column name to value
    column : str, optional
        Vary this column over ``grid``, one prediction for each value.
    grid : tuple of values
    explain : bool
        Also compute local importances.

    """

    row: int
    edits: Mapping[str, Value]
    column: str | None = None
    grid: tuple[Value, ...] = ()
    explain: bool = False


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request, taken apart: the lines to predict, how many of them each question has, and those to explain."""

    lines: list[Line]
    counts: list[int]
    explained: list[Line | None]


class Answerer:
    """Answers requests, each a list of questions, with one call of the model for all of them.

    Parameters
    ----------
    model : LiveModel
    rows : Rows

    """

    def __init__(self, model: LiveModel, rows: Rows) -> None:
        self._model = model
        self._rows = rows

    def answer(self, requests: Sequence[Request]) -> list[dict[str, Any]]:
        """Return for each request ``{"answers": [...]}``, or ``{"error": "a sentence for the user"}``.

        What the model raises is such a sentence too: it is the user's model, and he sees what is wrong with it.
        """
        asked: list[_Asked | str] = [_or_text(self._taken_apart, request) for request in requests]
        whole = [one for one in asked if isinstance(one, _Asked)]
        predicted = _or_text(self._predict, [line for one in whole for line in one.lines])
        results: list[dict[str, Any]] = []
        at = 0
        for one in asked:
            if isinstance(one, str):
                results.append({"error": one})
            elif isinstance(predicted, str):
                results.append({"error": predicted})
            else:
                results.append(self._result(one, predicted[at : at + len(one.lines)]))
                at += len(one.lines)
        return results

    def _taken_apart(self, request: Request) -> _Asked:
        questions = parse_questions(request)
        lines = sum(1 if question.column is None else len(question.grid) for question in questions)
        if lines > MAX_LINES:
            raise InvalidArgumentError(f"{lines:,} predictions in one request, at most {MAX_LINES:,}")
        if sum(question.explain for question in questions) > MAX_EXPLAINED:
            raise InvalidArgumentError(f"at most {MAX_EXPLAINED} rows are explained in one request")
        asked = _Asked([], [], [])
        for question in questions:
            line = self._rows.line(question.row, question.edits)
            varied = [line]
            if question.column is not None:
                place = self._rows.place(question.column)
                values = [self._rows.value(place, value) for value in question.grid]
                varied = [Line(line.row, {**line.cells, place: value}) for value in values]
            asked.lines.extend(varied)
            asked.counts.append(len(varied))
            asked.explained.append(line if question.explain else None)
        return asked

    def _predict(self, lines: list[Line]) -> list[list[float]]:
        if not lines:
            return []
        answers = self._model.predict(lines)
        if not np.isfinite(answers).all():
            raise InvalidArgumentError("the model predicts NaN or infinity for such a row")
        found: list[list[float]] = answers.tolist()
        return found

    def _result(self, asked: _Asked, predicted: list[list[float]]) -> dict[str, Any]:
        answers: list[dict[str, Any]] = []
        at = 0
        for count in asked.counts:
            answers.append({"predictions": predicted[at : at + count]})
            at += count
        places = [i for i, line in enumerate(asked.explained) if line is not None]
        if places:
            found = _or_text(self._model.explain, [line for line in asked.explained if line is not None])
            texts = isinstance(found, str)
            for i, place in enumerate(places):
                answers[place] |= {"note": found} if texts else _local_document(found[i])
        return {"answers": answers}


def parse_questions(request: Any) -> list[Question]:
    """Return the questions of a request.

    Raises
    ------
    InvalidArgumentError
        It is no list of questions, or a list of too many.

    """
    if not isinstance(request, (list, tuple)) or len(request) > MAX_QUESTIONS:
        raise InvalidArgumentError(f"a request is a list of at most {MAX_QUESTIONS:,} questions")
    return [_question(document) for document in request]


def _question(document: Any) -> Question:
    if not isinstance(document, Mapping):
        raise InvalidArgumentError("a question is an object")
    row, edits, grid = document.get("row"), document.get("edits", {}), document.get("grid")
    if isinstance(row, bool) or not isinstance(row, int):
        raise InvalidArgumentError("a question names a row, a whole number")
    if not _is_values(edits):
        raise InvalidArgumentError("edits are values by the names of columns")
    if grid is None:
        return Question(row=row, edits=edits, explain=document.get("explain") is True)
    values = grid.get("values") if isinstance(grid, Mapping) else None
    if not isinstance(values, list) or not all(_is_value(value) for value in values):
        raise InvalidArgumentError("a grid is a column and a list of values")
    if not isinstance(grid.get("column"), str):
        raise InvalidArgumentError("a grid names a column")
    return Question(
        row=row, edits=edits, column=grid["column"], grid=tuple(values), explain=document.get("explain") is True
    )


def _is_values(edits: Any) -> bool:
    return isinstance(edits, Mapping) and all(isinstance(k, str) and _is_value(v) for k, v in edits.items())


def _is_value(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))


def _local_document(answer: LocalAnswer) -> dict[str, Any]:
    if answer.values is None or answer.base is None:
        return {"note": answer.note}
    return {"local": {"values": answer.values.tolist(), "base": answer.base.tolist()}}


def _or_text(function: Any, argument: Any) -> Any:
    """Return what a function returns, or a sentence for the user about what it raised."""
    try:
        return function(argument)
    except ExplanationError as error:
        return shown(str(error), length=_ERROR_LENGTH)
    except Exception as error:  # whatever a model of somebody else raises is shown to whoever asked it
        _log.info("the model or its explainer failed", exc_info=True)
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return f"The model failed: {shown(text, length=_ERROR_LENGTH)}"
