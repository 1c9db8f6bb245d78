"""Explanations to and from the shap package.

shap has outputs last, (N, F, C), and no axis for one output or one row; here they are (C, N, F) always.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import EvaluationData, is_instance_of
from explanation_client.errors import InvalidArgumentError, InvalidExplanationError, MissingDependencyError
from explanation_client.explanation import Explanation
from explanation_client.importances import FloatArray, Importances
from explanation_client.interop.arrays import floats, from_arrays

# Base values of the rows may differ by this much, relative to the largest number that is added up, and be one value:
# shap repeats one number for each row, in float32 for some models.
_SAME_BASE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """What is known of shap's values, whether they came in a ``shap.Explanation`` or as bare arrays."""

    values: FloatArray
    base_values: FloatArray | None
    data: Any
    features: tuple[str, ...] | None
    output_names: tuple[str, ...] | str | None
    row_names: Sequence[Any] | None = None


def from_shap(
    shap_explanation: Any,
    *,
    classes: Sequence[Any] | None = None,
    task: str | None = None,
    include_global: bool = True,
    features: Sequence[Any] | None = None,
    base_values: Any = None,
    data: Any = None,
    output_space: str | None = None,
    method: str = "shap",
) -> Explanation:
    """Return the explanation that shap computed; see :meth:`Explanation.from_shap`."""
    given = _read(shap_explanation, features=features, base_values=base_values, data=data)
    values, is_row = _outputs_first(given)
    n_outputs = len(values)
    target = given.output_names if isinstance(given.output_names, str) else None
    if classes is None and n_outputs > 1 and isinstance(given.output_names, tuple):
        classes = given.output_names
    explanation = from_arrays(
        local=values,
        features=given.features,
        classes=classes,
        base_values=_one_base_each(given.base_values, values, is_row=is_row),
        data=given.data,
        method=method,
        task=task,
        include_global=include_global,
        output_space=output_space,
        target=target,
        package="shap",
    )
    if given.row_names is not None and not is_row:
        named = np.array([str(name) for name in given.row_names], dtype=object)
        explanation = replace(explanation, data=replace(explanation.data or EvaluationData(), row_names=named))
    return replace(explanation, info=replace(explanation.info, single_row=is_row))


def to_shap(explanation: Explanation, output: int | str | None = None, *, other: str | None = None) -> Any:
    """Return a ``shap.Explanation``; see :meth:`Explanation.to_shap`."""
    try:
        import shap
    except ImportError as error:
        raise MissingDependencyError("shap", extra="explain", needed_for="Explanation.to_shap") from error
    source = explanation if output is None else explanation.output(output)
    values, features, n_left_out = _all_features(source, other)
    n_outputs, n_rows, _ = values.shape
    data, display_data = _matrices(source.data, features, n_left_out=n_left_out)
    bases = None if source.base_values is None else np.repeat(source.base_values[None], n_rows, axis=0)
    by_row = np.moveaxis(values, 0, -1).copy()
    row_names = None if source.data is None or source.data.row_names is None else source.data.row_names.tolist()
    names: Any = list(source.info.outputs)
    if n_outputs == 1:
        by_row, names = by_row[..., 0], names[0]
        bases = None if bases is None else bases[:, 0]
    rows = shap.Explanation(
        by_row,
        base_values=bases,
        data=data,
        display_data=display_data,
        instance_names=row_names,
        feature_names=list(features),
        output_names=names,
    )
    return rows[0] if source.info.single_row else rows


# --- From shap -----------------------------------------------------------------------------------------------------


def _read(given: Any, *, features: Sequence[Any] | None, base_values: Any, data: Any) -> _Given:
    """Return what was given, with what the caller says in place of what the explanation says."""
    names = None if features is None else tuple(str(name) for name in features)
    if not is_instance_of(given, "shap", "Explanation"):
        values = _bare_values(given)
        bases = None if base_values is None else floats(base_values, "base values", ndim=(0, 1, 2))
        return _Given(values=values, base_values=bases, data=data, features=names, output_names=None)
    values = floats(given.values, "shap values (of tabular data)", ndim=(1, 2, 3, 4))
    bases = given.base_values if base_values is None else base_values
    rows = data
    if rows is None:
        rows = given.data if given.display_data is None else given.display_data
        rows = np.asarray(rows) if isinstance(rows, (list, tuple)) else rows
    if names is None and isinstance(given.feature_names, (list, tuple, np.ndarray)):
        names = tuple(str(name) for name in given.feature_names)
    outputs = given.output_names
    if outputs is not None and not isinstance(outputs, str):
        outputs = tuple(str(name) for name in outputs)
    return _Given(
        values=values,
        base_values=None if bases is None else floats(bases, "base values", ndim=(0, 1, 2)),
        data=rows,
        features=names,
        output_names=outputs,
        row_names=getattr(given, "instance_names", None),
    )


def _bare_values(given: Any) -> FloatArray:
    """Return what ``shap_values`` gives, with outputs last: an array, or the list of one array for each output."""
    if isinstance(given, (list, tuple)):
        stacked = floats(given, "the shap values of the outputs", ndim=(2, 3))
        return np.moveaxis(stacked, 0, -1)
    if isinstance(given, np.ndarray) or is_instance_of(given, "scipy.sparse", "spmatrix", "sparray"):
        return floats(given, "shap values", ndim=(1, 2, 3, 4))
    raise InvalidArgumentError(
        f"from_shap got a {type(given).__module__}.{type(given).__qualname__}: pass a shap.Explanation, or what an "
        "explainer's shap_values() returned"
    )


def _outputs_first(given: _Given) -> tuple[FloatArray, bool]:
    """Return values (C, N, F), and whether shap had no axis for the rows."""
    values = given.values
    if values.ndim == 4 or _are_interactions(given):
        raise InvalidExplanationError(
            f"values of shape {values.shape} are interaction values, one for each pair of features: explain without "
            "interactions, or sum them over the last feature axis first"
        )
    if values.ndim == 1:
        return values[None, None], True
    if values.ndim == 3:
        return np.moveaxis(values, -1, 0), False
    if _is_row_of_outputs(given):
        return values.T[:, None], True
    return values[None], False


def _is_row_of_outputs(given: _Given) -> bool:
    """Whether values of two axes are those of one row, (F, C), rather than those of one output, (N, F)."""
    first, last = (int(n) for n in given.values.shape)
    if given.data is not None and hasattr(given.data, "shape"):
        return np.ndim(given.data) == 1
    if isinstance(given.output_names, tuple):
        return len(given.output_names) == last
    return given.features is not None and len(given.features) != last and len(given.features) == first


def _are_interactions(given: _Given) -> bool:
    """Whether values are (N, F, F): those are the same with the features swapped, and have one base value per row."""
    values, bases = given.values, given.base_values
    if values.ndim != 3 or values.shape[1] != values.shape[2] or values.shape[2] == 1:
        return False
    if bases is not None and bases.ndim > 0 and bases.shape[-1] == values.shape[2]:
        return False
    return bool(np.allclose(values, values.swapaxes(1, 2)))


def _one_base_each(bases: FloatArray | None, values: FloatArray, *, is_row: bool) -> FloatArray | None:
    """Return base values (C,) from a number, (N,), (C,) or (N, C)."""
    if bases is None:
        return None
    n_outputs, n_rows, _ = values.shape
    array = bases.astype(np.float64)
    fitting = array.ndim == 0 and n_outputs == 1
    if array.ndim == 1:
        fitting = len(array) in ((n_outputs,) if is_row or n_outputs > 1 else (1, n_rows))
    elif array.ndim == 2:
        fitting = array.shape[1] == n_outputs and array.shape[0] in (1, n_rows)
    if not fitting:
        raise InvalidExplanationError(
            f"base values have shape {array.shape}, and there are values of {n_outputs} outputs and {n_rows} rows: "
            f"({n_outputs},) or {(n_rows, n_outputs)} is needed"
        )
    if array.ndim == 1 and n_outputs > 1:
        return array
    by_row = array.reshape(-1, n_outputs)
    lowest, highest = by_row.min(axis=0), by_row.max(axis=0)
    largest = max(float(np.abs(by_row).max()), float(np.abs(values).max()))
    if (highest - lowest > _SAME_BASE * largest).any():
        output = int(np.argmax(highest - lowest))
        raise InvalidExplanationError(
            f"the base values differ between the rows, from {lowest[output]:g} to {highest[output]:g}, and an "
            "explanation has one for each output: explain all rows against the same background, or make one "
            "explanation of each group of rows with the same base value"
        )
    # One of them as it is where they are equal, so that no rounding is added.
    one: FloatArray = by_row[0] if (lowest == highest).all() else by_row.mean(axis=0)
    return one


# --- To shap -------------------------------------------------------------------------------------------------------


def _all_features(source: Explanation, other: str | None) -> tuple[FloatArray, tuple[str, ...], int]:
    """Return local importances (C, N, F) in the order of the features, the names, and how many a cut left out."""
    part = source._part("local")
    if not part.is_ranked:
        return part.values, source.features, 0
    if other is None:
        raise InvalidArgumentError(
            f"the explanation was cut to the top {source.info.top_k} of {source.num_features} features of each row, "
            "and shap's plots show all of them: download it without top_k; or, if it was uploaded so, pass "
            "other='other features' to have the sum of what was left out of each row as one more feature, and 0 in "
            "place of each"
        )
    if other in source.features:
        raise InvalidArgumentError(f"other={other!r} is the name of a feature: choose another one")
    values = _spread(part.load(), source.num_features)
    return values, (*source.features, other), source.num_features - part.shape[-1]


def _spread(cut: Importances, n_features: int) -> FloatArray:
    """Return ranked importances (C, N, k) as (C, N, F + 1): each at its feature, 0 elsewhere, and last their rest."""
    assert cut.index is not None, "only a cut is spread"
    values = np.zeros((*cut.shape[:-1], n_features + 1), cut.dtype)
    np.put_along_axis(values, cut.index.astype(np.intp), cut.values, axis=-1)
    values[..., -1] = cut.rest
    return values


def _matrices(
    data: EvaluationData | None, features: tuple[str, ...], *, n_left_out: int
) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
    """Return shap's ``data`` (N, F), in numbers, by which plots colour, and ``display_data`` if some are no numbers.

    Features that the data does not have are NaN. Where a cut left features out, the last of ``features`` stands for
    them, and its value is their number.
    """
    known = {} if data is None or data.columns is None else dict(zip(data.names, data.columns, strict=True))
    if data is None or known.keys().isdisjoint(features):
        return None, None
    if n_left_out:
        known[features[-1]] = np.full(data.n_rows, float(n_left_out))
    missing = np.full(data.n_rows, np.nan)
    columns = tuple(known.get(name, missing) for name in features)
    shown = EvaluationData(names=features, columns=tuple(_shown(column) for column in columns)).matrix()
    if shown.dtype.kind in "iuf":
        return shown, None
    return np.column_stack([_numbers(column) for column in columns]), shown


def _shown(column: NDArray[Any]) -> NDArray[Any]:
    """Return a column with dates as text, which is how plots can print them."""
    if column.dtype.kind != "M":
        return column
    text = np.datetime_as_string(column).astype(object)
    text[np.isnat(column)] = None
    return text


def _numbers(column: NDArray[Any]) -> NDArray[np.float64]:
    """Return a column of text or dates as positions in the sorted list of its values, NaN for missing."""
    if column.dtype.kind in "biuf":
        return column.astype(np.float64)
    missing = np.array([value is None for value in column]) if column.dtype == object else np.isnat(column)
    numbers = np.full(len(column), np.nan)
    numbers[~missing] = np.unique(column[~missing], return_inverse=True)[1]
    return numbers
