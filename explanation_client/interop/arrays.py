"""Explanations from importances that something else computed: plain arrays, checked and given one form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import EvaluationData, is_instance_of
from explanation_client.errors import InvalidArgumentError, InvalidExplanationError
from explanation_client.explanation import Explanation
from explanation_client.importances import FloatArray, Importances, aggregate
from explanation_client.info import ExplanationInfo, FeatureSpace, Task, new_id, now, versions

# What the importances of a regression are of, where nobody says.
_TARGET = "prediction"


def from_arrays(
    *,
    local: Any = None,
    global_: Any = None,
    per_class: Any = None,
    features: Sequence[Any] | None = None,
    classes: Sequence[Any] | None = None,
    base_values: Any = None,
    data: Any = None,
    method: str = "adapter",
    task: str | None = None,
    include_global: bool = True,
    output_space: str | None = None,
    target: str | None = None,
    feature_space: FeatureSpace | None = None,
    model_type: str | None = None,
    notes: tuple[str, ...] = (),
    package: str | None = None,
) -> Explanation:
    """Return the explanation that arrays describe; see :meth:`Explanation.from_arrays` for the first parameters.

    Parameters
    ----------
    local, global_, per_class, features, classes, base_values, data, method, task, include_global, output_space
        As of :meth:`Explanation.from_arrays`.
    target : str, optional
        Name of the output of a regression.
    feature_space, model_type, notes
        As of :class:`ExplanationInfo`.
    package : str, optional
        The package that computed the values; its installed version is recorded.

    """
    values, single_row = _local_values(local)
    whole = None if global_ is None else floats(global_, "global importances", ndim=(1,))
    by_class = None if per_class is None else floats(per_class, "per-class importances", ndim=(2,))
    bases = None if base_values is None else _base_values(base_values)
    if values is not None and _is_one_margin(values, classes, task):
        values, bases = mirrored(values, bases, output_space=output_space)
    parts = [part for part in (values, by_class) if part is not None]
    n_outputs = len(parts[0]) if parts else None if bases is None else len(bases)
    chosen = _task(task, n_outputs, classes)
    outputs = _outputs(chosen, n_outputs, classes, target)
    known = next((part.shape[-1] for part in (values, by_class, whole) if part is not None), 0)
    names, evaluation = _names_and_data(features, data, known)
    local_part = None if values is None else Importances(values)
    whole_part, class_part = _aggregates(local_part, whole, by_class, include_global=include_global)
    info = ExplanationInfo(
        id=new_id(),
        created_at=now(),
        method=method,
        task=chosen,
        outputs=outputs,
        n_features=len(names),
        n_rows=_n_rows(values, evaluation),
        feature_space=feature_space,
        single_row=single_row,
        output_space=output_space,
        model_type=model_type,
        notes=notes,
        made_with=() if package is None else versions(package),
    )
    explanation = Explanation(
        info=info,
        features=names,
        global_importances=whole_part,
        per_class_importances=class_part if chosen == "classification" else None,
        local_importances=local_part,
        base_values=bases,
        data=evaluation,
    )
    explanation.check_finite()
    return explanation


def floats(values: Any, what: str, *, ndim: tuple[int, ...]) -> FloatArray:
    """Return values as an array of float32 or float64; integers become float64, float16 becomes float32.

    Raises
    ------
    InvalidExplanationError
        They are no numbers, not one rectangular array, or have another number of axes than those in ``ndim``.

    """
    try:
        array = np.asarray(_dense(values))
    except ValueError as error:
        raise InvalidExplanationError(f"{what} are not one rectangular array: {error}") from error
    if array.ndim not in ndim:
        wanted = " or ".join(str(n) for n in ndim)
        raise InvalidExplanationError(f"{what} have shape {array.shape}: {wanted} axes are needed")
    if array.size == 0:
        raise InvalidExplanationError(f"{what} have shape {array.shape}: there is nothing in them")
    if array.dtype in (np.float32, np.float64):
        return array
    if array.dtype == np.float16:
        return array.astype(np.float32)
    if array.dtype.kind not in "biufO":
        raise InvalidExplanationError(f"{what} are of {array.dtype}: real numbers are needed")
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidExplanationError(f"{what} hold something that is no real number: {error}") from error


def mirrored(values: FloatArray, bases: FloatArray | None, *, output_space: str | None) -> tuple[FloatArray, Any]:
    """Return importances (2, N, F) and base values (2,) of both classes, from those of the second, (1, N, F) and (1,).

    The first class's importances are the second's with the sign turned, to the last bit. So is its base value, but of
    a probability: there both base values add up to one.
    """
    both = np.concatenate([-values, values])
    if bases is None or len(bases) == 2:
        return both, bases
    first = 1 - bases if output_space == "probability" else -bases
    return both, np.concatenate([first, bases])


def _local_values(local: Any) -> tuple[FloatArray | None, bool]:
    """Return local importances (C, N, F), and whether they were those of a single row without an axis for it."""
    if local is None:
        return None, False
    values = floats(local, "local importances", ndim=(1, 2, 3))
    single_row = values.ndim == 1
    return values.reshape((1,) * (3 - values.ndim) + values.shape), single_row


def _dense(values: Any) -> Any:
    """Return a sparse matrix, or a list with such, as dense arrays; anything else as it is."""
    if is_instance_of(values, "scipy.sparse", "spmatrix", "sparray"):
        return values.toarray()
    if isinstance(values, (list, tuple)):
        return [_dense(part) if hasattr(part, "toarray") else part for part in values]
    return values


def _base_values(base_values: Any) -> FloatArray:
    """Return base values as float64 (C,); a number is one, and (C, 1) is what some packages make of (C,)."""
    array = floats(base_values, "base values", ndim=(0, 1, 2))
    if array.ndim == 2 and 1 not in array.shape:
        raise InvalidExplanationError(f"base values have shape {array.shape}: one for each output is needed")
    return array.reshape(-1).astype(np.float64)


def _is_one_margin(values: FloatArray, classes: Sequence[Any] | None, task: str | None) -> bool:
    return len(values) == 1 and classes is not None and len(classes) == 2 and task != "regression"


def _task(task: str | None, n_outputs: int | None, classes: Sequence[Any] | None) -> Task:
    several = n_outputs is not None and n_outputs > 1
    if task is None:
        return "classification" if several or classes is not None else "regression"
    if task not in ("classification", "regression"):
        raise InvalidArgumentError(f"task={task!r}: 'classification', 'regression', or None to tell by the shapes")
    if task == "regression" and several:
        raise InvalidExplanationError(
            f"a regression has one output and there are values of {n_outputs}: make one explanation for each target"
        )
    if task == "regression" and classes is not None:
        raise InvalidArgumentError(f"classes={list(classes)!r} were given, and task='regression'")
    return cast(Task, task)


def _outputs(task: Task, n_outputs: int | None, classes: Sequence[Any] | None, target: str | None) -> tuple[str, ...]:
    if task == "regression":
        return (target or _TARGET,)
    if classes is not None:
        if n_outputs is not None and len(classes) != n_outputs:
            raise InvalidExplanationError(
                f"{len(classes)} classes {[str(c) for c in classes]} were given, and values of {n_outputs} outputs"
            )
        return tuple(str(name) for name in classes)
    if n_outputs is None or n_outputs == 1:
        raise InvalidExplanationError(
            "the classes cannot be told from the values: pass classes=, for a binary classifier that is explained by "
            "one margin the names of both"
        )
    return tuple(str(i) for i in range(n_outputs))


def _names_and_data(
    features: Sequence[Any] | None, data: Any, n_features: int
) -> tuple[tuple[str, ...], EvaluationData | None]:
    """Return the names of the features, those of the data where none are given, and the data under these names."""
    names = None if features is None else tuple(str(name) for name in features)
    if names is not None and n_features and len(names) != n_features:
        raise InvalidExplanationError(f"{len(names)} feature names were given, and values of {n_features} features")
    default = tuple(f"feature_{i}" for i in range(n_features))
    if data is None:
        return names or default, None
    if isinstance(data, EvaluationData):
        fitting = data.names if len(data.names) == n_features else default
        return names or fitting, data
    found = EvaluationData.from_rows(data)
    unnamed = found.names == tuple(str(i) for i in range(len(found.names)))
    if len(found.names) != n_features:
        raise InvalidExplanationError(
            f"the evaluation data has {len(found.names)} columns, and there are values of {n_features} features"
        )
    chosen = names or (default if unnamed else found.names)
    return chosen, EvaluationData(names=chosen, columns=found.columns, row_names=found.row_names)


def _n_rows(values: NDArray[Any] | None, data: EvaluationData | None) -> int:
    if values is not None:
        return int(values.shape[1])
    return 0 if data is None else data.n_rows


def _aggregates(
    local: Importances | None, whole: FloatArray | None, by_class: FloatArray | None, *, include_global: bool
) -> tuple[Importances | None, Importances | None]:
    """Return global and per-class importances: those given, else, where wanted, the means of what is given."""
    global_part = None if whole is None else Importances(whole)
    class_part = None if by_class is None else Importances(by_class)
    if not include_global:
        return global_part, class_part
    if local is not None:
        means = aggregate(local)
        return global_part or means[0], class_part or means[1]
    if global_part is None and by_class is not None:
        global_part = Importances(by_class.mean(axis=0))
    return global_part, class_part
