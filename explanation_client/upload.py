"""What an upload needs to know before anything is written: its arguments, checked and put together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from explanation_client.dataset import EvaluationData, normalise_column
from explanation_client.errors import InvalidArgumentError, InvalidExplanationError
from explanation_client.explanation import Explanation
from explanation_client.info import ExplanationInfo, new_id, now

MAX_COMMENT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An upload whose arguments have been checked; the explanation holds only the data that may leave this machine."""

    explanation: Explanation
    info: ExplanationInfo
    include_view: bool
    log_metrics: bool = True
    describe_run: bool = False


def arguments(
    first: Any, positional: tuple[Any, ...], *, top_k: int | None, comment: str | None, run_id: str
) -> tuple[Explanation, int | None, str | None]:
    """Return explanation, ``top_k`` and comment of a call, also of one that names the run first.

    One page of Azure's documentation passes the run before the explanation.

    Raises
    ------
    InvalidArgumentError
        The run is another one, there is no explanation, or there are too many arguments.

    """
    values = [first, *positional]
    if not isinstance(first, Explanation) and len(values) > 1 and isinstance(values[1], Explanation):
        given = first if isinstance(first, str) else getattr(getattr(first, "info", None), "run_id", None)
        if given != run_id:
            raise InvalidArgumentError(
                f"the first argument is run {given!r}, and this client is that of run {run_id!r}: leave the run out, "
                "or use ExplanationClient.from_run(run)"
            )
        values = values[1:]
    if not isinstance(values[0], Explanation):
        kind = f"{type(values[0]).__module__}.{type(values[0]).__qualname__}"
        raise InvalidArgumentError(f"explanation is a {kind}: pass what explain_global() or explain_local() returned")
    if len(values) > 3:
        raise InvalidArgumentError(f"{len(values)} arguments by position: at most explanation, top_k and comment")
    for name, given, value in zip(("top_k", "comment"), (top_k, comment), values[1:], strict=False):
        if given is not None:
            raise InvalidArgumentError(f"{name} was given twice: {value!r} by position and {given!r} by keyword")
    return (
        values[0],
        values[1] if len(values) > 1 else top_k,
        values[2] if len(values) > 2 else comment,
    )


def prepare(
    explanation: Explanation,
    *,
    top_k: int | None,
    comment: str | None,
    true_ys: Any,
    model_id: str | None,
    evaluation_data: Any,
    include_view: bool,
    log_metrics: bool,
    describe_run: bool,
) -> Request:
    """Return the upload that a caller asked for, or raise before anything is written.

    Raises
    ------
    InvalidArgumentError
        ``top_k``, the comment or the evaluation data can't be used.
    InvalidExplanationError
        Importances hold NaN or infinity, or lengths differ.

    """
    check_comment(comment)
    explanation.check_finite()
    if _are_its_documents(explanation, evaluation_data):
        evaluation_data = True
    chosen = replace(
        explanation,
        data=_data_to_store(explanation, evaluation_data, true_ys),
        documents=explanation.documents if evaluation_data is True else None,
    )
    if top_k is not None:
        chosen = chosen.cut(top_k)
    info = replace(
        chosen.info, comment=comment, model_id=model_id or explanation.info.model_id, parts=(), top_features=()
    )
    return Request(
        explanation=chosen,
        info=info,
        include_view=include_view,
        log_metrics=log_metrics,
        describe_run=describe_run,
    )


def check_comment(comment: Any) -> None:
    """Raise ``InvalidArgumentError`` unless this is None, or a string that is not too long."""
    if comment is not None and (not isinstance(comment, str) or len(comment) > MAX_COMMENT):
        shown = f"{len(comment):,} characters" if isinstance(comment, str) else repr(comment)
        raise InvalidArgumentError(f"comment has {shown}: a string of at most {MAX_COMMENT:,} characters, or None")


def stamp(info: ExplanationInfo, *, taken: bool) -> ExplanationInfo:
    """Return the info with the time of upload, and an id of its own where the run has this one already."""
    return replace(info, id=new_id() if taken else info.id, uploaded_at=now())


def page_of(explanation: Explanation, info: ExplanationInfo) -> bytes:
    """Return the page of an explanation that is stored: of what is stored with it, and of nothing else."""
    return replace(explanation, info=info).to_html().encode()


def estimate_bytes(explanation: Explanation) -> int:
    """Return about how many bytes an upload moves, for its progress bar."""
    local = explanation.local_importances
    return 50_000 + (0 if local is None else int(np.prod(local.shape)) * local.dtype.itemsize)


def _data_to_store(explanation: Explanation, evaluation_data: Any, true_ys: Any) -> EvaluationData | None:
    """Return the evaluation data that the caller asked to be stored; None where that is nothing."""
    held = explanation.data or EvaluationData()
    if evaluation_data is True:
        if held.columns is None and explanation.documents is None:
            raise InvalidArgumentError(
                "evaluation_data=True, and the explanation does not hold the explained rows: pass the rows themselves"
            )
        data = held
    elif evaluation_data is not False and evaluation_data is not None:
        data = _with_rows(held, evaluation_data, explanation)
    elif true_ys is not None:
        data = EvaluationData(predicted=held.predicted, predicted_proba=held.predicted_proba)
    else:
        return None
    if true_ys is not None:
        data = replace(data, true=_true_values(true_ys, explanation))
    return data


def _are_its_documents(explanation: Explanation, evaluation_data: Any) -> bool:
    """Whether these are the documents that were explained, passed once more.

    Raises
    ------
    InvalidArgumentError
        They are other documents.

    """
    if explanation.documents is None or evaluation_data is None or isinstance(evaluation_data, bool):
        return False
    texts = np.atleast_1d(np.asarray(evaluation_data, dtype=object))
    if texts.ndim != 1 or not all(isinstance(text, str) for text in texts):
        return False
    if texts.tolist() != explanation.documents.texts.tolist():
        raise InvalidArgumentError(
            "evaluation_data holds other documents than were explained: pass evaluation_data=True to store those"
        )
    return True


def _with_rows(data: EvaluationData, rows: Any, explanation: Explanation) -> EvaluationData:
    given = EvaluationData.from_rows(rows)
    if given.n_rows != explanation.info.n_rows:
        raise InvalidArgumentError(
            f"evaluation_data has {given.n_rows} rows, the explanation is of {explanation.info.n_rows}: pass the rows "
            "that were explained"
        )
    own_names = given.names
    if all(name.isdigit() for name in own_names) and len(own_names) == explanation.num_features:
        own_names = explanation.features
    return replace(data, names=own_names, columns=given.columns, row_names=given.row_names)


def _true_values(true_ys: Any, explanation: Explanation) -> Any:
    try:
        values = normalise_column(true_ys)
    except (InvalidExplanationError, ValueError) as error:
        raise InvalidArgumentError(f"true_ys is no list of one value for each row: {error}") from error
    if len(values) != explanation.info.n_rows:
        raise InvalidArgumentError(f"true_ys has {len(values)} values, {explanation.info.n_rows} rows were explained")
    return values
