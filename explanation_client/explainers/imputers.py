"""Imputers that fill a column from the others: taken as changing their own columns only."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.explainers.model import origin_of

# What they return in a column is that column, except where it was missing.
_FROM_OTHERS = {("sklearn", "IterativeImputer"), ("sklearn", "KNNImputer")}


def with_own_columns(fitted: Any) -> tuple[Any, tuple[str, ...]]:
    """Return transformations whose imputers fill a column from nothing but itself, and the names of such imputers.

    The transformations themselves are not changed; without such imputers they are returned as they are. What stands in
    for an imputed value is 0: only which columns depend on which is to be seen in the result.

    Parameters
    ----------
    fitted : object with ``transform``
        Imputers are found wherever they are nested.

    """
    imputers = [part for part in _parts(fitted, set()) if _fills_from_others(part)]
    if not imputers:
        return fitted, ()
    # Copies of everything but the imputers, in whose place their stand-ins are found.
    stand_ins = {id(imputer): _stand_in(imputer) for imputer in imputers}
    names = tuple(dict.fromkeys(type(imputer).__qualname__ for imputer in imputers))
    return copy.deepcopy(fitted, stand_ins), names


def _fills_from_others(part: Any) -> bool:
    # A ColumnTransformer keeps those that were never fitted, too.
    return not _FROM_OTHERS.isdisjoint(origin_of(part)) and hasattr(part, "n_features_in_")


def _parts(value: Any, seen: set[int]) -> Iterator[Any]:
    """Yield an object with ``transform``, and those in its attributes, lists, tuples and dictionaries."""
    if id(value) in seen:
        return
    seen.add(id(value))
    children: Any = ()
    if isinstance(value, dict):
        children = value.values()
    elif isinstance(value, (list, tuple)):
        children = value
    elif hasattr(value, "transform") and not isinstance(value, type):
        yield value
        slots = getattr(value, "__slots__", ())
        children = [*getattr(value, "__dict__", {}).values(), *(getattr(value, name) for name in slots)]
    for child in children:
        yield from _parts(child, seen)


def _stand_in(imputer: Any) -> Any:
    """Return a copy of a fitted imputer that puts 0 where the imputer puts what it made of other columns."""
    n_flags = len(imputer.indicator_.features_) if imputer.add_indicator else 0

    def transform(rows: Any) -> Any:
        filled = imputer.transform(rows)
        # Imputed columns come first, in their order, and then flags that say where they were missing.
        kept = _imputed(imputer, filled.shape[1] - n_flags)
        if hasattr(filled, "iloc"):
            filled = filled.copy()
            filled.iloc[:, : len(kept)] = filled.iloc[:, : len(kept)].mask(_missing(rows, imputer)[:, kept], 0.0)
            return filled
        filled[:, : len(kept)][_missing(rows, imputer)[:, kept]] = 0.0
        return filled

    found = copy.copy(imputer)
    found.transform = transform
    return found


def _imputed(imputer: Any, n_imputed: int) -> list[int]:
    """Return which of its columns an imputer returns: not those that were empty when it was fitted."""
    n_columns = imputer.n_features_in_
    if n_imputed == n_columns:
        return list(range(n_columns))
    names = [str(name) for name in getattr(imputer, "feature_names_in_", [f"x{j}" for j in range(n_columns)])]
    return [names.index(str(name)) for name in imputer.get_feature_names_out()[:n_imputed]]


def _missing(rows: Any, imputer: Any) -> NDArray[np.bool_]:
    values = np.asarray(rows, np.float64)
    marker = imputer.missing_values
    return np.isnan(values) if marker is None or marker != marker else values == marker
