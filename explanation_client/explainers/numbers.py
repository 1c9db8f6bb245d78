"""Rows as the numbers that trees and coefficients are of: categories as the codes that the model knows them by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import is_instance_of
from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.boosters import lightgbm_booster

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """What columns of categories become.

    Parameters
    ----------
    known : mapping of int to sequence
        For each such column its levels; a code is a position among them.
    refused : str, optional
        Why a value that is not among them is refused. None: it counts as missing.

    """

    known: Mapping[int, Sequence[Any]] = field(default_factory=dict)
    refused: str | None = None

    def codes(self, column: Any, j: int, name: Any) -> Floats:
        """Return the codes of a column, NaN for what is missing.

        Raises
        ------
        InvalidArgumentError
            A value is not among the levels, and is refused.

        """
        import pandas

        values = np.asarray(column.astype(object), object)
        found = pandas.Index(list(self.known[j]), dtype=object).get_indexer(values)
        new = values[(found < 0) & ~pandas.isna(values)]
        if len(new) and self.refused is not None:
            raise InvalidArgumentError(
                f"column {name!r} holds {repr(new[0])[:40]}, a category that the model was not trained with, and "
                f"{self.refused}: make it missing, or one that it knows"
            )
        return np.where(found < 0, np.nan, found)


NO_LEVELS = Levels()


def as_numbers(rows: Any, who: str, levels: Levels = NO_LEVELS) -> NDArray[np.floating[Any]]:
    """Return a DataFrame or an array (N, F) as numbers, NaN for what is missing.

    Parameters
    ----------
    rows : DataFrame or ndarray of shape (N, F)
    who : str
        The model, for messages.
    levels : Levels
        Which columns become codes.

    Raises
    ------
    InvalidArgumentError
        A column holds something else than numbers.

    """
    is_frame = not isinstance(rows, np.ndarray)
    if not is_frame and not levels.known and rows.dtype in (np.float64, np.float32):
        return np.asarray(rows)
    numbers = np.empty(rows.shape)
    for j in range(rows.shape[1]):
        column = rows.iloc[:, j] if is_frame else rows[:, j]
        name = rows.columns[j] if is_frame else j
        if j in levels.known:
            numbers[:, j] = levels.codes(column, j, name)
            continue
        try:
            numbers[:, j] = _numbers(column)
        except (TypeError, ValueError) as error:
            raise InvalidArgumentError(
                f"column {name!r} holds {_what(column)}, and {who} takes numbers there: encode it before the model is "
                "trained, by the first steps of a pipeline or by transformations="
            ) from error
    return numbers


@dataclass(frozen=True, slots=True, eq=False)
class TreeLevels:
    """The levels whose positions are the codes in a model's trees.

    Parameters
    ----------
    fixed : Levels
        Of certain columns.
    of_categories : sequence of sequences
        LightGBM keeps the levels of the columns of categories in their order, and not which columns they are.
    frames_only : bool
        Arrays hold the codes themselves.

    """

    fixed: Levels = NO_LEVELS
    of_categories: Sequence[Sequence[Any]] = ()
    frames_only: bool = True

    def of(self, rows: Any) -> Levels:
        """Return the levels of the columns of rows, in the form that the model takes.

        Raises
        ------
        InvalidArgumentError
            The rows have more or fewer columns of categories than the model was trained with.

        """
        is_frame = hasattr(rows, "iloc")
        if not is_frame and self.frames_only:
            return NO_LEVELS
        if not self.of_categories:
            return self.fixed
        columns = [j for j, dtype in enumerate(rows.dtypes) if is_instance_of(dtype, "pandas", "CategoricalDtype")]
        if len(columns) != len(self.of_categories):
            raise InvalidArgumentError(
                f"the rows have {len(columns)} columns of categories, and the model was trained with "
                f"{len(self.of_categories)}: pass columns of the types that it was trained with"
            )
        return Levels(dict(zip(columns, self.of_categories, strict=True)))


def tree_levels(estimator: Any, package: str) -> TreeLevels:
    """Return the levels that a model of LightGBM, XGBoost, CatBoost or scikit-learn has codes for.

    Parameters
    ----------
    estimator : object
        Boosters as estimators.
    package : str

    """
    if package == "lightgbm":
        return TreeLevels(of_categories=lightgbm_booster(estimator).pandas_categorical or ())
    if package == "xgboost":
        return TreeLevels(_xgboost_levels(estimator))
    if not hasattr(estimator, "is_categorical_"):
        return TreeLevels()
    from explanation_client.treeshap.parsers.histogram import category_levels

    return TreeLevels(Levels(category_levels(estimator)), frames_only=False)


def _xgboost_levels(estimator: Any) -> Levels:
    booster = estimator.get_booster()
    # Versions that do not keep levels take the codes that rows come with.
    if not hasattr(booster, "get_categories") or "c" not in (booster.feature_types or ()):
        return NO_LEVELS
    pairs = booster.get_categories(export_to_arrow=True).to_arrow()
    # It refuses numbers that it does not know, and takes text that it does not know for the text beside it.
    refused = "XGBoost would refuse it, or take another one for it"
    return Levels({j: levels.to_pylist() for j, (_, levels) in enumerate(pairs) if levels is not None}, refused)


def _numbers(column: Any) -> Any:
    """Return a column as numbers, NaN for what is missing."""
    if getattr(column.dtype, "kind", "O") in "mM":
        raise TypeError("dates are no numbers")
    return column.astype(np.float64) if isinstance(column, np.ndarray) else column.to_numpy(np.float64, na_value=np.nan)


def _what(column: Any) -> str:
    """Return what a column holds that are no numbers, for a message."""
    kind = getattr(column.dtype, "kind", "O")
    if kind in "mM":
        return "dates" if kind == "M" else "durations"
    for value in column:
        if isinstance(value, str):
            return f"text ({repr(value)[:40]})"
        if isinstance(value, (date, timedelta)):
            return "dates" if isinstance(value, date) else "durations"
        if not isinstance(value, (int, float, np.number, np.bool_, type(None))):
            return f"values such as {repr(value)[:40]}"
    return f"values of type {column.dtype}"
