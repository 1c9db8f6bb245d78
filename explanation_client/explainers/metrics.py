"""How well a model predicts, as a number that is larger for better: what permutation importance measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError
from explanation_client.info import Task

Metric = Callable[..., float]

# How scikit-learn's functions are named whose values are smaller for better.
_ERROR_NAMES = ("_error", "_loss", "_deviance")


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric, and which way it points.

    Parameters
    ----------
    function : callable
        ``(true, predicted) -> number``, or ``(estimator, rows, true) -> number`` of a scorer.
    name : str
    is_error : bool
        Smaller is better.
    is_scorer : bool

    """

    function: Metric
    name: str
    is_error: bool
    is_scorer: bool

    def score(self, *arguments: Any) -> float:
        """Return the number that the metric gives.

        Raises
        ------
        InvalidArgumentError
            It refuses the model, or its labels or predictions.

        """
        try:
            return float(self.function(*arguments))
        except (AttributeError, TypeError, ValueError) as error:
            said = str(error).strip().partition("\n")[0]
            raise InvalidArgumentError(
                f"metric {self.name} does not take what this model says ({type(error).__name__}: {said}): name one for "
                "its task and kind of predictions, or pass a function of true and predicted values"
            ) from error

    def worse_by(self, baseline: float, shuffled: float) -> float:
        """Return how much worse a score is than the baseline: positive for worse, whichever way the metric points."""
        return shuffled - baseline if self.is_error else baseline - shuffled


def read_measure(
    metric: Any, *, metric_args: Mapping[str, Any] | None, is_error_metric: bool | None, task: Task
) -> Measure:
    """Return the measure that a caller names.

    Parameters
    ----------
    metric : callable, str or None
        A function of true and predicted values, a scorer of scikit-learn, the name of either, or None: accuracy, or
        the mean absolute error.
    metric_args : mapping, optional
        Keyword arguments of a function.
    is_error_metric : bool, optional
        Whether smaller is better. None: as scikit-learn names it, and False for other functions. A scorer is always
        larger for better.
    task : "classification" or "regression"

    Raises
    ------
    InvalidArgumentError
        There is no such metric, or a scorer is given arguments.

    """
    from sklearn import metrics

    if metric is None:
        metric = metrics.accuracy_score if task == "classification" else metrics.mean_absolute_error
    if isinstance(metric, str):
        metric = _named(metric)
    if not callable(metric):
        raise InvalidArgumentError(f"metric={metric!r}: a function, a scorer of scikit-learn, or the name of one")
    if _is_scorer(metric):
        if metric_args or is_error_metric:
            raise InvalidArgumentError("a scorer is larger for better and has its own arguments: leave out the others")
        return Measure(metric, str(metric), False, True)
    name = str(getattr(metric, "__name__", type(metric).__qualname__))
    own = getattr(metric, "__module__", "").startswith("sklearn.metrics") and name.endswith(_ERROR_NAMES)
    is_error = own if is_error_metric is None else bool(is_error_metric)
    return Measure(partial(metric, **(metric_args or {})), name, is_error, False)


def _named(name: str) -> Any:
    """Return scikit-learn's function of this name, else its scorer."""
    from sklearn import metrics

    function = getattr(metrics, name, None)
    if callable(function) and not isinstance(function, type) and name.endswith((*_ERROR_NAMES, "_score", "_coef")):
        return function
    if name in metrics.get_scorer_names():
        return metrics.get_scorer(name)
    raise InvalidArgumentError(
        f"metric={name!r} is neither a function of sklearn.metrics nor one of its scorers; there are 'accuracy_score', "
        "'r2_score' and 'neg_log_loss', for example"
    )


def _is_scorer(metric: Any) -> bool:
    return any(cls.__name__ == "_BaseScorer" for cls in type(metric).__mro__)


def check_labels(true_labels: Any, n_rows: int) -> NDArray[Any]:
    """Return true values as an array (N,).

    Raises
    ------
    InvalidArgumentError
        There is not one for each row.

    """
    labels = np.asarray(true_labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (n_rows,):
        raise InvalidArgumentError(
            f"true_labels have shape {labels.shape}: one for each of the {n_rows} rows is needed"
        )
    return labels
