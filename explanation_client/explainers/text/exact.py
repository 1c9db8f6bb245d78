"""Exact values of words for linear and tree models on bags of words.

What is missing is a word that the document does not have: its columns are 0, as are those of the empty document, which
the base value is of. So words that a document lacks have no part in it, and values are the exact Shapley values of
taking words out, where what a row is divided by (the norm of a tf-idf row) stays as it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import CannotExplainError
from explanation_client.explainers.additivity import check_additivity
from explanation_client.explainers.dispatch import find_entry, why_not
from explanation_client.explainers.inputs import read_table
from explanation_client.explainers.linear import LinearExplainer
from explanation_client.explainers.model import LOG_ODDS, MARGIN, origin_of, type_name
from explanation_client.explainers.text.bag import Bag, read_bag
from explanation_client.explainers.text.words import Floats, WordReader, Words
from explanation_client.explainers.tree import TreeExplainer

# Values of a batch of trees: they have all columns, also those that are 0.
_TREE_VALUES = 1 << 20
_NAIVE_BAYES = ("ComplementNB", "MultinomialNB")


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """What a linear model is made of.

    Parameters
    ----------
    coefficients : ndarray of float64, shape (C, F)
    base_values : ndarray of float64, shape (C,)
        The answers to a row of zeros.
    space : str
        What the values add up to.
    answers : callable
        From rows (N, F) to what the model itself says in that space, (N, C).

    """

    coefficients: Floats
    base_values: Floats
    space: str
    answers: Callable[[Any], Floats]


class ExactRoute(ABC):
    """Values of words from those of a bag's columns.

    Parameters
    ----------
    bag : Bag
    model : object
        The last step, a linear or a tree model.
    classes : sequence of str, optional
    pattern : str, optional
        Matches a word.

    Attributes
    ----------
    method, space, how : str
    base_values : ndarray of float64, shape (C,)

    """

    method: str
    space: str
    how: str
    base_values: Floats
    packages: tuple[str, ...] = ()

    def __init__(self, bag: Bag, model: Any, *, pattern: str | None) -> None:
        self._bag = bag
        self._model = model
        self._reader: WordReader = bag.reader(pattern)

    @property
    def batch_size(self) -> int:
        """Documents explained at a time."""
        return 256

    def explain(self, texts: list[str]) -> list[tuple[Words, Floats]]:
        """Return the words of each document, and their values (t, C).

        Raises
        ------
        CannotExplainError
            Where a column comes from could not be told.
        AdditivityError
            The values do not add up to the model's output.

        """
        rows = self._bag.rows(texts)
        stored, base = self._stored(rows)
        explained = []
        for row, text in enumerate(texts):
            part = slice(rows.indptr[row], rows.indptr[row + 1])
            words = self._reader.read(text)
            explained.append((words, self._bag.spread(words, rows.indices[part], stored[:, part])))
        self._check(explained, base, rows)
        return explained

    def notes(self) -> tuple[str, ...]:
        """Return what is to be known of the values."""
        return ()

    @abstractmethod
    def _stored(self, rows: Any) -> tuple[Floats, Floats]:
        """Return what each stored value of CSR rows contributes (C, nnz), and the base values (C,)."""

    @abstractmethod
    def _answers(self, rows: Any) -> Floats:
        """Return the model's own output (n, C), which the values have to add up to."""

    def _check(self, explained: list[tuple[Words, Floats]], base: Floats, rows: Any) -> None:
        sums = np.array([values.sum(axis=0) for _, values in explained])
        check_additivity(
            sums.T[:, :, None], base, self._answers(rows), who=f"TextExplainer on {type_name(self._model)}",
            space=self.space,
        )  # fmt: skip


class LinearRoute(ExactRoute):
    """Coefficient times weight, for linear models; see :class:`ExactRoute`."""

    method = "text_linear"

    def __init__(self, bag: Bag, model: Any, *, n_columns: int, pattern: str | None) -> None:
        super().__init__(bag, model, pattern=pattern)
        self._parts = _linear_parts(model, n_columns)
        self.space, self.base_values = self._parts.space, self._parts.base_values
        self.how = f"exact values, coefficient times weight of what {bag.describes} counts"

    def _stored(self, rows: Any) -> tuple[Floats, Floats]:
        return self._parts.coefficients[:, rows.indices] * rows.data, self.base_values

    def _answers(self, rows: Any) -> Floats:
        return self._parts.answers(rows)


class TreeRoute(ExactRoute):
    """Exact Shapley values of trees, missing columns being 0; see :class:`ExactRoute`."""

    method = "text_tree"

    def __init__(self, bag: Bag, model: Any, *, n_columns: int, pattern: str | None) -> None:
        super().__init__(bag, model, pattern=pattern)
        self._explainer = TreeExplainer(
            model, _nothing(n_columns), feature_perturbation="interventional", show_progress=False
        )
        self.packages = self._explainer.packages
        self.space = self._explainer._output_space
        self.base_values = np.asarray(self._values(_nothing(n_columns))[1], np.float64)
        self._n_columns = n_columns
        self.how = f"exact values of the trees on what {bag.describes} counts"

    @property
    def batch_size(self) -> int:
        """Documents explained at a time."""
        return max(1, _TREE_VALUES // (self._n_columns * len(self.base_values)))

    def _values(self, rows: Any) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
        table = self._explainer._schema.align(read_table(rows))
        return self._explainer._attribute(self._explainer._rows(table))

    def _stored(self, rows: Any) -> tuple[Floats, Floats]:
        values, base = self._values(rows)
        places = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
        return np.asarray(values[:, places, rows.indices], np.float64), np.asarray(base, np.float64)

    def _answers(self, rows: Any) -> Floats:
        table = self._explainer._schema.align(read_table(rows))
        return self._explainer._answers(self._explainer._rows(table))


def exact_route(transform: Any, model: Any, *, pattern: str | None) -> ExactRoute:
    """Return the route for a model behind fitted steps.

    Raises
    ------
    CannotExplainError
        The model is neither linear nor of trees, or the steps are no bag of words; the message says which.

    """
    kind = _kind(model)
    bag = read_bag(transform)
    n_columns = int(bag.rows([""]).shape[1])
    return (LinearRoute if kind == "linear" else TreeRoute)(bag, model, n_columns=n_columns, pattern=pattern)


def _kind(model: Any) -> str:
    origin = origin_of(model)
    if any(package == "sklearn" and name in _NAIVE_BAYES for package, name in origin):
        return "linear"
    entry = find_entry(origin)
    name = ".".join(origin[0])
    if entry is None:
        raise CannotExplainError(f"{name} is in no table of tree or linear models")
    problem = why_not(entry, model)
    if problem is not None:
        raise CannotExplainError(f"{name} is not explained as a {entry.kind} model, since {problem}")
    return entry.kind


def _nothing(n_columns: int) -> Any:
    """Return a row of zeros as a CSR matrix (1, F)."""
    from scipy.sparse import csr_matrix

    return csr_matrix((1, n_columns))


def _linear_parts(model: Any, n_columns: int) -> Parts:
    if any(package == "sklearn" and name in _NAIVE_BAYES for package, name in origin_of(model)):
        return _naive_bayes(model)
    explainer = LinearExplainer(model, _nothing(n_columns), show_progress=False)
    coefficients, base = explainer._coefficients, explainer._intercepts
    if len(coefficients) == 1 and explainer._model.n_outputs == 2:
        coefficients, base = np.concatenate([-coefficients, coefficients]), np.concatenate([-base, base])
    return Parts(coefficients, np.array(base, np.float64), explainer._output_space, explainer._answers)


def _naive_bayes(model: Any) -> Parts:
    """Return naive Bayes on counts as a linear model.

    Each class's logarithm counts from the mean over the classes: what all classes share says nothing of any. Of two
    classes the log-odds are linear.
    """
    n_classes = len(model.classes_)
    weights = np.asarray(model.feature_log_prob_, np.float64)
    prior = np.asarray(model.class_log_prior_, np.float64)
    # Complement naive Bayes leaves the prior out where there are several classes.
    prior = prior if len(prior) == n_classes and "ComplementNB" not in _names(model) else np.zeros(n_classes)
    factor = 2.0 if n_classes == 2 else 1.0

    def answers(rows: Any) -> Floats:
        found = np.asarray(model.predict_joint_log_proba(rows), np.float64)
        return np.asarray(factor * (found - found.mean(axis=1, keepdims=True)))

    return Parts(
        factor * (weights - weights.mean(axis=0)), factor * (prior - prior.mean()),
        LOG_ODDS if n_classes == 2 else MARGIN, answers,
    )  # fmt: skip


def _names(model: Any) -> set[str]:
    return {name for _, name in origin_of(model)}
