"""What the four surrogates share: reading rows and answers, and turning regressors' outputs into classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError, UnsupportedModelError
from explanation_client.surrogates.targets import (
    log_odds,
    to_probabilities,
    values_of_given,
    values_of_probabilities,
)

Floats = NDArray[np.float64]
Space = Literal["probability", "margin"]

OUTPUTS = ("default", "probability", "teacher_probability")
# Training rows that explain_global averages over.
_SAMPLED_ROWS = 1000


class ExplainableModel(ABC):
    """Base of the surrogates: regressors, one for a regression or two classes, else one for each class.

    Parameters
    ----------
    multiclass : bool
        There are more than two classes.
    random_state : int
    classification : bool
        The answers are of classes; otherwise they are values.
    shap_values_output : "default", "probability" or "teacher_probability"
        What importances add up to: the regressors' outputs (log-odds of a classification), the probabilities that
        belong to them, or the teacher's own probabilities.
    parameters : mapping, optional
        Passed on to the regressor; names that it does not have are refused.

    Raises
    ------
    InvalidArgumentError
        An argument has no such value, or contradicts another.

    """

    method: ClassVar[str]
    # Distributions whose versions matter for what is fitted.
    packages: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        multiclass: bool = False,
        random_state: int = 123,
        *,
        classification: bool = True,
        shap_values_output: str = "default",
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        if shap_values_output not in OUTPUTS:
            raise InvalidArgumentError(f"shap_values_output={shap_values_output!r}: one of {', '.join(OUTPUTS)}")
        if not classification and (multiclass or shap_values_output != "default"):
            raise InvalidArgumentError(
                "classification=False, and a regression has no classes and no probabilities: leave out multiclass= and "
                "shap_values_output="
            )
        self.multiclass = multiclass
        self.random_state = random_state
        self.classification = classification
        self.shap_values_output = shap_values_output
        self.parameters = dict(parameters or {})
        self._space: Space = "probability"
        self._n_features: int | None = None

    # --- What a subclass writes ----------------------------------------------------------------------------------

    @staticmethod
    @abstractmethod
    def explainable_model_type() -> str:
        """Return ``"tree"`` or ``"linear"``."""

    @property
    @abstractmethod
    def model(self) -> Any:
        """The fitted regressor, a tuple of one for each class where there are more than two."""

    @abstractmethod
    def _fit(self, rows: Any, targets: Floats, categorical_features: Sequence[int], background: Any) -> None:
        """Fit one regressor to each column of targets (N, K)."""

    @abstractmethod
    def _outputs(self, rows: Any) -> Floats:
        """Return the regressors' predictions, (N, K)."""

    @abstractmethod
    def _contributions(self, rows: Any) -> Floats:
        """Return values (K, N, F) that add up to :meth:`_outputs`, with :meth:`_base_values`."""

    @abstractmethod
    def _base_values(self) -> Floats:
        """Return the base values (K,)."""

    # --- What callers use ----------------------------------------------------------------------------------------

    def fit(
        self,
        rows: Any,
        answers: Any,
        *,
        space: Space = "probability",
        categorical_features: Sequence[int] = (),
        background: Any = None,
    ) -> Self:
        """Return the surrogate, fitted to a teacher's answers.

        Parameters
        ----------
        rows : array, CSR matrix or DataFrame of numbers, shape (N, F)
        answers : array
            Values (N,) of a regression; class probabilities (N, C), or those of the second of two classes (N,).
        space : "probability" or "margin"
            What a classifier's answers are. Margins are fitted as they are, probabilities as log-odds.
        categorical_features : sequence of int
            Positions of columns that hold the codes 0, 1, 2, ... of levels. Rows are then dense.
        background : array, CSR matrix or DataFrame of numbers, shape (B, F), optional
            Rows that a linear surrogate's importances are distances from the mean of. None: those it is fitted to.

        Raises
        ------
        InvalidArgumentError
            Rows and answers do not fit together or are no finite numbers; there are other classes than
            ``multiclass`` says; the regressor has no parameter of a given name.
        UnsupportedModelError
            The regressor's parameters make a model that cannot be explained exactly.

        """
        matrix = as_matrix(rows)
        if categorical_features and not isinstance(matrix, np.ndarray):
            raise InvalidArgumentError("categorical_features= of sparse rows: pass dense ones, or one-hot columns")
        self._space = space
        targets = self._targets(np.asarray(answers, np.float64), matrix.shape[0])
        self._n_features = int(matrix.shape[1])
        centre = matrix if background is None else as_matrix(background)
        self._fit(matrix, targets, tuple(categorical_features), centre)
        picked = np.unique(np.linspace(0, centre.shape[0] - 1, min(centre.shape[0], _SAMPLED_ROWS)).astype(np.intp))
        self._sample = centre[picked]
        return self

    def outputs(self, rows: Any) -> Floats:
        """Return what importances add up to by default, (N, C): log-odds or margins of classes, or values (N, 1).

        Those of two classes are each other's opposite.
        """
        found = self._outputs(self._checked(rows))
        return np.column_stack([-found, found]) if self.classification and not self.multiclass else found

    def predict(self, rows: Any) -> NDArray[Any]:
        """Return the positions of the classes (N,) as int64, or values (N,) as float64."""
        found = self.outputs(rows)
        return np.asarray(found.argmax(axis=1) if self.classification else found[:, 0])

    def predict_proba(self, rows: Any) -> Floats:
        """Return the class probabilities (N, C).

        Raises
        ------
        UnsupportedModelError
            It is a regression, or was fitted to margins.

        """
        self._need_probabilities()
        return to_probabilities(self.outputs(rows))

    @property
    def expected_values(self) -> Floats:
        """Base values (C,)."""
        self._fitted_sample()
        base_values = self._both_classes(self._base_values())
        if self.shap_values_output == "default":
            return base_values
        self._need_probabilities()
        return np.asarray(to_probabilities(base_values[None])[0])

    def explain_local(self, evaluation_examples: Any, probabilities: Any = None) -> Floats:
        """Return the importances of rows, (C, N, F); with ``expected_values`` they add up to the outputs.

        Parameters
        ----------
        evaluation_examples : array, CSR matrix or DataFrame of numbers, shape (N, F)
        probabilities : array of shape (N, C), optional
            The teacher's, which importances add up to with ``shap_values_output="teacher_probability"``.

        Raises
        ------
        InvalidArgumentError
            The rows have other columns, or the teacher's probabilities are missing or not asked for.
        UnsupportedModelError
            Probabilities are asked for where there are none.

        """
        wanted = self.shap_values_output == "teacher_probability"
        if wanted != (probabilities is not None):
            raise InvalidArgumentError(
                f"shap_values_output={self.shap_values_output!r}: probabilities= "
                f"{'is needed, what the teacher says of the rows' if wanted else 'is not used'}"
            )
        values = self._values(self._checked(evaluation_examples))
        if probabilities is None:
            return values
        return values_of_given(values, self.expected_values, np.asarray(probabilities, np.float64))

    def explain_global(self) -> Floats:
        """Return the importance of each feature, (F,): the mean of the absolute importances over outputs and rows.

        The rows are up to 1000 of the background, or of those that the surrogate was fitted to.
        """
        return np.asarray(np.abs(self._values(self._fitted_sample())).mean(axis=(0, 1)))

    # --- Spaces --------------------------------------------------------------------------------------------------

    def _targets(self, answers: Floats, n_rows: int) -> Floats:
        """Return what the regressors are fitted to, (N, K)."""
        if answers.ndim == 1:
            answers = answers[:, None]
            if self.classification:
                answers = np.hstack([1.0 - answers if self._space == "probability" else -answers, answers])
        if answers.ndim != 2 or len(answers) != n_rows or not np.isfinite(answers).all():
            raise InvalidArgumentError(
                f"the teacher's answers have shape {answers.shape}, or are not all finite: {n_rows} rows need as many "
                "finite values, or a row of class probabilities each"
            )
        n_outputs = answers.shape[1]
        if not self.classification:
            fits, expected = n_outputs == 1, "1 (classification=False)"
        else:
            fits = n_outputs > 2 if self.multiclass else n_outputs == 2
            expected = "more than 2 (multiclass=True)" if self.multiclass else "2 (multiclass=False)"
        if not fits:
            raise InvalidArgumentError(f"the teacher's answers have {n_outputs} columns, expected {expected}")
        if not self.classification:
            return answers
        if self._space == "margin":
            return answers if self.multiclass else answers[:, 1:]
        if answers.min() < 0.0 or answers.max() > 1.0:
            raise InvalidArgumentError(
                "the teacher's answers are no probabilities, they are not all between 0 and 1: space='margin' fits "
                "other scores"
            )
        return log_odds(answers)

    def _values(self, rows: Any) -> Floats:
        """Return the importances of rows (C, N, F) in the space that was asked for."""
        values = self._both_classes(self._contributions(rows))
        if self.shap_values_output == "default":
            return values
        self._need_probabilities()
        return values_of_probabilities(values, self._both_classes(self._base_values()))[0]

    def _both_classes(self, found: Floats) -> Floats:
        """Return what is of K regressors for C outputs: of two classes, the first is the second's opposite."""
        return np.concatenate([-found, found]) if self.classification and not self.multiclass else found

    def _need_probabilities(self) -> None:
        if not self.classification or self._space != "probability":
            what = "values" if not self.classification else "margins"
            raise UnsupportedModelError(f"{type(self).__qualname__} was fitted to {what}: it has no probabilities")

    def _fitted_sample(self) -> Any:
        if self._n_features is None:
            raise UnsupportedModelError(f"{type(self).__qualname__} is not fitted: call fit(rows, answers) first")
        return self._sample

    def _checked(self, rows: Any) -> Any:
        """Return rows as a matrix with as many columns as were fitted."""
        self._fitted_sample()
        matrix = as_matrix(rows)
        if matrix.shape[1] != self._n_features:
            raise InvalidArgumentError(
                f"the rows have {matrix.shape[1]} columns, the surrogate was fitted to {self._n_features}"
            )
        return matrix


def as_matrix(rows: Any) -> Any:
    """Return rows as float64: a CSR matrix if they are sparse, else an array (N, F), with NaN for what is missing.

    Raises
    ------
    InvalidArgumentError
        They are no numbers, or no table.

    """
    if hasattr(rows, "tocsr"):
        return rows.tocsr().astype(np.float64)
    try:
        matrix = (
            rows.to_numpy(np.float64, na_value=np.nan) if hasattr(rows, "to_numpy") else np.asarray(rows, np.float64)
        )
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"the rows are not all numbers ({error}): MimicExplainer encodes text and categories"
        ) from error
    if matrix.ndim == 1:
        matrix = matrix.reshape(1, -1)
    if matrix.ndim != 2 or not matrix.size:
        raise InvalidArgumentError(f"the rows have shape {matrix.shape}: at least one row and one column are needed")
    return matrix


def check_names(given: Mapping[str, Any], known: Sequence[str], *, of: str) -> None:
    """Return nothing, or raise where a parameter is none of the regressor's.

    Raises
    ------
    InvalidArgumentError
        With the names that are not known.

    """
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise InvalidArgumentError(f"{of} has no parameter {', '.join(map(repr, unknown))}; it has {', '.join(known)}")
