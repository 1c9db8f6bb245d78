"""PFIExplainer: how much worse a model predicts when one column is shuffled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import EvaluationData, normalise_column
from explanation_client.errors import InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers.evaluation import Evaluation
from explanation_client.explainers.feature_map import (
    as_transformation,
    distinct,
    engineered_names,
    fitted_names,
    transformed,
)
from explanation_client.explainers.features import read_schema, read_subset
from explanation_client.explainers.inputs import Schema, Table, make_schema, read_table
from explanation_client.explainers.metrics import Measure, check_labels, read_measure
from explanation_client.explainers.model import Model
from explanation_client.explainers.reading import read_model
from explanation_client.explainers.record import make_info
from explanation_client.explanation import Explanation
from explanation_client.importances import Importances
from explanation_client.info import FeatureSpace
from explanation_client.progress import progress_bar

# Shuffled copies of the rows are predicted together as long as they hold fewer values than this.
_TOGETHER = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class Shuffled:
    """The rows whose columns are shuffled.

    Parameters
    ----------
    table : Table
    model : Model
    schema : Schema
        Of the columns that are shuffled.
    engineer : callable, optional
        Makes what the model takes of raw rows. None: there are no raw ones.
    is_engineered : bool
        Transformations made them.

    """

    table: Table
    model: Model
    schema: Schema
    engineer: Callable[[Table], Table] | None = None
    is_engineered: bool = False

    @property
    def space(self) -> FeatureSpace | None:
        """Whether features are raw or engineered, None where there are no transformations."""
        return "engineered" if self.is_engineered else None if self.engineer is None else "raw"

    def form(self, table: Table) -> Any:
        """Return rows in the form that the model takes."""
        return self.model.form(table if self.engineer is None else self.engineer(table))


class PFIExplainer:
    """Global importances by permutation (Breiman 2001; Fisher, Rudin and Dominici 2019): any model, no background.

    A column's importance is how much worse the model predicts when the column is shuffled, on average over some
    shuffles. It is in units of the metric, and positive for worse whichever way the metric points. Columns that carry
    the same information can replace each other, and then all seem unimportant. There is no local part.

    Parameters
    ----------
    model : object
        A trained model, or a function from rows to (N,) or (N, C).
    is_function : bool
        ``model`` is to be called, also where it has ``predict``.
    metric : callable or str, optional
        A function of true and predicted values, a scorer of scikit-learn, or the name of either (``"r2_score"``,
        ``"neg_log_loss"``). None: accuracy, or the mean absolute error.
    metric_args : mapping, optional
        Keyword arguments of a metric that is a function.
    is_error_metric : bool, optional
        Whether smaller is better. None: as scikit-learn names it (``..._error``, ``..._loss``), False for other
        functions.
    for_classifier_use_predict_proba : bool
        The metric gets class probabilities (N, C), of two classes those of the second (N,), instead of labels.
    n_repeats : int
        Shuffles of each column.
    n_jobs : int
        Columns that are shuffled and predicted side by side, in threads: for models whose ``predict`` may be called so,
        and does not itself use all cores. The values are the same.
    seed : int
        The same seed gives the same importances.
    features : sequence of str, optional
        Names of the F features. None: those of the rows or the model.
    classes : sequence of str, optional
        Names of the classes, in the order of the model's outputs. None: the model's labels.
    explain_subset : sequence of int, optional
        Positions of the columns to explain; the others are not shuffled.
    transformations : object with ``transform``, or list of (columns, transformer), optional
        Fitted, from raw rows to what the model takes. Raw columns are then shuffled, so that it does not matter whether
        the transformations mix them.
    allow_all_transformations : bool
        As of other explainers. It changes nothing here, where nothing has to be shared among raw columns.
    model_task : "classification", "regression" or "unknown"
    show_progress : bool, optional
        None: a bar appears on a terminal or in a notebook, when work takes longer than half a second.

    Attributes
    ----------
    standard_errors : ndarray of float64, shape (F,), or None
        Of the importances that were explained last, from the spread of the shuffles; NaN for a single shuffle.

    Raises
    ------
    InvalidArgumentError
        An argument is out of its range.

    """

    method = "pfi"

    def __init__(
        self,
        model: Any,
        is_function: bool = False,
        *,
        metric: Any = None,
        metric_args: Mapping[str, Any] | None = None,
        is_error_metric: bool | None = None,
        for_classifier_use_predict_proba: bool = False,
        n_repeats: int = 5,
        n_jobs: int = 1,
        seed: int = 0,
        features: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        explain_subset: Sequence[int] | None = None,
        transformations: Any = None,
        allow_all_transformations: bool = False,
        model_task: str = "unknown",
        show_progress: bool | None = None,
    ) -> None:
        if isinstance(n_repeats, bool) or n_repeats < 1:
            raise InvalidArgumentError(f"n_repeats={n_repeats!r}: at least 1")
        if isinstance(n_jobs, bool) or n_jobs < 1:
            raise InvalidArgumentError(f"n_jobs={n_jobs!r}: at least 1")
        self.model = model
        self._is_function = is_function
        self._metric = metric
        self._metric_args = metric_args
        self._is_error_metric = is_error_metric
        self._use_probabilities = for_classifier_use_predict_proba
        self.standard_errors: NDArray[np.float64] | None = None
        self._n_repeats = n_repeats
        self._n_jobs = n_jobs
        self._seed = seed
        self._features = features
        self._classes = classes
        self._subset = explain_subset
        self._transformations = transformations
        self._task = model_task
        self._show_progress = show_progress

    def explain_global(self, evaluation_examples: Any, true_labels: Any, *, engineered: bool = False) -> Explanation:
        """Return the importances of the columns for predicting these rows.

        Parameters
        ----------
        evaluation_examples : table of shape (N, F)
            Raw rows where there are transformations.
        true_labels : array of shape (N,)
            What the model should predict: its labels, or values.
        engineered : bool
            Shuffle the columns that the transformations make in place of the raw ones. There is no way from these
            importances to those of the raw columns.

        Raises
        ------
        InvalidArgumentError
            The columns, labels or the metric do not fit the model; or ``engineered``, and there are no
            transformations, or ``explain_subset`` chooses among the raw columns.

        """
        shuffled = self._read(read_table(evaluation_examples), engineered)
        table, model, schema = shuffled.table, shuffled.model, shuffled.schema
        labels = check_labels(true_labels, table.shape[0])
        measure = read_measure(
            self._metric, metric_args=self._metric_args, is_error_metric=self._is_error_metric, task=model.task
        )
        self._check(model, measure)
        subset = read_subset(self._subset, schema.n_features)
        positions = np.arange(schema.n_features) if subset is None else subset
        features = tuple(schema.features[i] for i in positions)
        baseline, drops = self._drops(shuffled, measure, labels, positions)
        self.standard_errors = _standard_errors(drops)
        return Explanation(
            info=make_info(
                model,
                n_rows=table.shape[0],
                single_row=table.single_row,
                method=self.method,
                n_features=len(features),
                output_space=None,
                reason="permutation importance was asked for",
                feature_space=shuffled.space,
                notes=(_summary(measure, baseline, drops),),
                packages=(),
            ),
            features=features,
            global_importances=Importances(drops.mean(axis=1)),
            data=_evaluation(shuffled, table if subset is None else table.columns(subset), features, labels),
        )

    def _read(self, table: Table, engineered: bool) -> Shuffled:
        """Return the rows in order, the model, and the columns whose importance is asked for."""
        if engineered and (self._transformations is None or self._subset is not None):
            none = self._transformations is None
            what = "there are no transformations" if none else "explain_subset= chooses among the raw columns"
            raise InvalidArgumentError(f"engineered=True, and {what}: leave it out")
        if self._transformations is None:
            return self._of_model(table, self._features)
        fitted = as_transformation(self._transformations)
        names = fitted_names(fitted)
        raw = make_schema(n_features=table.shape[1], model_names=names, examples=table, features=self._features)
        table = raw.align(table)
        engineer = partial(transformed, fitted, as_frame=table.is_frame or names is not None, names=names)
        made = self._of_model(engineer(table), None)
        if not engineered:
            return replace(made, table=table, schema=raw, engineer=engineer)
        own = distinct(engineered_names(fitted, made.schema.n_features))
        if made.schema.names is None and own is not None:
            made = replace(made, schema=replace(made.schema, features=own))
        return replace(made, is_engineered=True)

    def _of_model(self, table: Table, features: Sequence[str] | None) -> Shuffled:
        """Return rows of the model's columns, in their order."""
        model = read_model(
            self.model,
            background=table,
            classes=self._classes,
            model_task=self._task,
            is_function=self._is_function,
        )
        schema = read_schema(model, table, features)
        return Shuffled(schema.align(table), model, schema)

    def _check(self, model: Model, measure: Measure) -> None:
        if measure.is_scorer and model.is_function:
            raise InvalidArgumentError(
                f"the scorer {measure.name} needs a model, not a function: pass a metric function"
            )
        if self._use_probabilities and not model.is_function and not hasattr(model.estimator, "predict_proba"):
            raise UnsupportedModelError(
                f"{model.short_name} has no predict_proba: leave out the argument that asks for it"
            )

    def _drops(
        self, shuffled: Shuffled, measure: Measure, labels: NDArray[Any], positions: NDArray[np.intp]
    ) -> tuple[float, NDArray[np.float64]]:
        """Return the score of the rows as they are, and how much worse each shuffle is, (F, repeats)."""
        table = shuffled.table
        baseline = self._scores(shuffled, measure, table, labels, 1)[0]
        drops = np.empty((len(positions), self._n_repeats))
        together = max(1, min(self._n_repeats, _TOGETHER // (table.shape[0] * table.shape[1])))

        def drops_of(column: int) -> list[float]:
            # Of each column its own, so that it does not matter which are shuffled before it.
            generator = np.random.default_rng([self._seed, column])
            scores: list[float] = []
            while len(scores) < self._n_repeats:
                copies = min(together, self._n_repeats - len(scores))
                orders = [generator.permutation(table.shape[0]) for _ in range(copies)]
                scores += self._scores(shuffled, measure, _in_other_orders(table, column, orders), labels, copies)
            return [measure.worse_by(baseline, score) for score in scores]

        with (
            progress_bar("Explaining (pfi)", total=len(positions), unit="column", show=self._show_progress) as advance,
            _side_by_side(self._n_jobs) as each,
        ):
            for place, found in enumerate(each(drops_of, positions.tolist())):
                drops[place] = found
                advance(1)
        return baseline, drops

    def _scores(
        self, shuffled: Shuffled, measure: Measure, table: Table, labels: NDArray[Any], copies: int
    ) -> list[float]:
        """Return the score of each of some copies of the rows that lie below each other."""
        model, rows = shuffled.model, shuffled.form(table)
        n_rows = len(labels)
        parts = [slice(i * n_rows, (i + 1) * n_rows) for i in range(copies)]
        if measure.is_scorer:
            return [
                measure.score(model.estimator, rows.iloc[p] if hasattr(rows, "iloc") else rows[p], labels)
                for p in parts
            ]
        predicted = model.predict_proba(rows) if self._use_probabilities else model.predict(rows)
        if predicted is None:
            raise UnsupportedModelError(f"{model.short_name} gives no class probabilities")
        if predicted.ndim == 2 and predicted.shape[1] == 2:
            predicted = predicted[:, 1]
        return [measure.score(labels, predicted[p]) for p in parts]


@contextmanager
def _side_by_side(n_jobs: int) -> Iterator[Callable[..., Iterable[list[float]]]]:
    """Yield what ``map`` is, in so many threads; what has not begun is dropped when the caller is interrupted."""
    if n_jobs == 1:
        yield map
        return
    executor = ThreadPoolExecutor(n_jobs)
    try:
        yield executor.map
    finally:
        executor.shutdown(cancel_futures=True)


def _in_other_orders(table: Table, column: int, orders: list[NDArray[np.intp]]) -> Table:
    """Return copies of the rows below each other, each with one column in another order."""
    order = np.concatenate(orders)
    if table.is_frame:
        import pandas

        copies = pandas.concat([table.data] * len(orders), ignore_index=True)
        copies.isetitem(column, table.data.iloc[:, column].iloc[order].set_axis(copies.index))
        return Table(copies, table.names)
    if isinstance(table.data, np.ndarray):
        rows = np.tile(table.data, (len(orders), 1))
        rows[:, column] = table.data[order, column]
        return Table(rows, table.names)
    from scipy.sparse import csr_matrix, hstack, vstack

    stacked = vstack([table.data] * len(orders), format="csc")
    parts = [stacked[:, :column], table.data[:, [column]][order], stacked[:, column + 1 :]]
    return Table(csr_matrix(hstack(parts, format="csr")), table.names)


def _evaluation(shuffled: Shuffled, reported: Table, features: tuple[str, ...], labels: NDArray[Any]) -> EvaluationData:
    evaluation = Evaluation(shuffled.model, reported.shape[0])
    evaluation.add(shuffled.form(shuffled.table), 0)
    data = evaluation.data(reported, features)
    return EvaluationData(
        names=data.names,
        columns=data.columns,
        row_names=data.row_names,
        predicted=data.predicted,
        predicted_proba=data.predicted_proba,
        true=normalise_column(labels),
    )


def _summary(measure: Measure, baseline: float, drops: NDArray[np.float64]) -> str:
    said = f"{measure.name} {baseline:.6g} unshuffled; {drops.shape[1]} shuffles of each column"
    if drops.shape[1] == 1:
        return said
    return f"{said}, standard error of an importance up to {_standard_errors(drops).max():.2g}"


def _standard_errors(drops: NDArray[np.float64]) -> NDArray[np.float64]:
    n_repeats = drops.shape[1]
    if n_repeats == 1:
        return np.full(len(drops), np.nan)
    return np.asarray(drops.std(axis=1, ddof=1) / np.sqrt(n_repeats))
