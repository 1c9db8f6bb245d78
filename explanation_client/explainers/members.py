"""Models that average other models: their members, and exact values as the average of the members' values.

A Shapley value is linear in the model, so that the values of an average are the average of the values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from explanation_client.explainers.inputs import read_table
from explanation_client.explainers.mirror import Floats
from explanation_client.explainers.model import Model


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One fitted model of an average.

    Parameters
    ----------
    name : str
    estimator : object
    weight : float
        Its share of the answer; shares add up to 1.
    columns : ndarray of int, shape (k,), optional
        Positions of the columns that it sees, some perhaps twice. None: all.

    """

    name: str
    estimator: Any
    weight: float
    columns: NDArray[np.intp] | None = None


def members_of(model: Any) -> list[Member]:
    """Return the members of a fitted bagging or voting model of scikit-learn."""
    if hasattr(model, "estimators_features_"):
        n = len(model.estimators_)
        pairs = zip(model.estimators_, model.estimators_features_, strict=True)
        return [Member(f"{i}", fitted, 1.0 / n, np.asarray(columns)) for i, (fitted, columns) in enumerate(pairs)]
    weights = [1.0] * len(model.estimators) if model.weights is None else model.weights
    used = [
        (name, float(weight))
        for (name, estimator), weight in zip(model.estimators, weights, strict=True)
        if not isinstance(estimator, str)  # "drop"
    ]
    total = sum(weight for _, weight in used)
    return [
        Member(name, fitted, weight / total) for (name, weight), fitted in zip(used, model.estimators_, strict=True)
    ]


class Contributes(Protocol):
    """Computes the contributions of a member."""

    @property
    def description(self) -> str:
        """What computes the values, in a few words."""
        ...

    def contributions(self, rows: Any) -> tuple[Floats, Floats]:
        """Return values (C, N, F) and base values (C,)."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class AverageEngine:
    """Exact values of a model that averages tree models.

    Parameters
    ----------
    model : Model
        The average.
    members : list of (Member, Model, engine)
    space : str
        What the values of every member add up to.
    packages : tuple of str
        Distributions whose versions matter for the values.

    """

    model: Model
    members: list[tuple[Member, Model, Contributes]]
    space: str
    packages: tuple[str, ...]

    @property
    def description(self) -> str:
        """What computes the values."""
        engines = dict.fromkeys(engine.description for _, _, engine in self.members)
        return f"the average over {len(self.members)} members, each from {' or '.join(engines)}"

    def answers(self, rows: Any) -> NDArray[np.float64]:
        """Return the model's own probabilities or values, (N, C)."""
        return self.model.answer(rows, self.space)

    def contributions(self, rows: Any) -> tuple[Floats, Floats]:
        """Return values (C, N, F) and base values (C,)."""
        values = np.zeros((self.model.n_outputs, *rows.shape))
        base_values = np.zeros(self.model.n_outputs)
        for member, model, engine in self.members:
            own, base = engine.contributions(member_rows(member, model, rows))
            outputs = self._outputs(member)
            base_values[outputs] += member.weight * base
            if member.columns is None:
                values[outputs] += member.weight * own
                continue
            # One column after the other: a member can have drawn the same column twice.
            for position, column in enumerate(member.columns):
                values[outputs, :, column] += member.weight * own[:, :, position]
        return values, base_values

    def _outputs(self, member: Member) -> NDArray[np.intp]:
        """Return the outputs of the average that a member has: one that was fitted on a sample can lack a class."""
        if self.model.task == "regression":
            return np.zeros(1, np.intp)
        # scikit-learn fits members on the positions of the classes.
        return np.asarray(member.estimator.classes_).astype(np.intp)


def member_rows(member: Member, model: Model, rows: Any) -> Any:
    """Return rows of the average in the form that a member takes."""
    table = read_table(rows, what="rows")
    return model.form(table if member.columns is None else table.columns(member.columns))
