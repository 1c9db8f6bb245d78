"""PFIExplainer: how much worse a model predicts when one column is shuffled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import EvaluationData, normalise_column
from explanation_client.errors import InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers.base import read_schema, read_subset
from explanation_client.explainers.evaluation import Evaluation
from explanation_client.explainers.feature_map import as_transformation, fitted_names, transformed
from explanation_client.explainers.inputs import Schema, Table, make_schema, read_table
from explanation_client.explainers.metrics import Measure, check_labels, read_measure
from explanation_client.explainers.model import Model, read_model
from explanation_client.explainers.record import make_info
from explanation_client.explanation import Explanation
from explanation_client.importances import Importances
from explanation_client.progress import progress_bar

# Shuffled copies of the rows are predicted together as long as they hold fewer values than this.
_TOGETHER = 1 << 22


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
    model_task : "classification", "regression" or "unknown"
    show_progress : bool, optional
        None: a bar appears on a terminal or in a notebook, when work takes longer than half a second.

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
        seed: int = 0,
        features: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        explain_subset: Sequence[int] | None = None,
        transformations: Any = None,
        model_task: str = "unknown",
        show_progress: bool | None = None,
    ) -> None:
        if isinstance(n_repeats, bool) or n_repeats < 1:
            raise InvalidArgumentError(f"n_repeats={n_repeats!r}: at least 1")
        self.model = model
        self._is_function = is_function
        self._metric = metric
        self._metric_args = metric_args
        self._is_error_metric = is_error_metric
        self._use_probabilities = for_classifier_use_predict_proba
        self._n_repeats = n_repeats
        self._seed = seed
        self._features = features
        self._classes = classes
        self._subset = explain_subset
        self._transformations = transformations
        self._task = model_task
        self._show_progress = show_progress

    def explain_global(self, evaluation_examples: Any, true_labels: Any) -> Explanation:
        """Return the importances of the columns for predicting these rows.

        Parameters
        ----------
        evaluation_examples : table of shape (N, F)
        true_labels : array of shape (N,)
            What the model should predict: its labels, or values.

        Raises
        ------
        InvalidArgumentError
            The columns, labels or the metric do not fit the model.

        """
        table, model, schema = self._read(read_table(evaluation_examples))
        labels = check_labels(true_labels, table.shape[0])
        measure = read_measure(
            self._metric, metric_args=self._metric_args, is_error_metric=self._is_error_metric, task=model.task
        )
        self._check(model, measure)
        subset = read_subset(self._subset, schema.n_features)
        positions = np.arange(schema.n_features) if subset is None else subset
        features = tuple(schema.features[i] for i in positions)
        baseline, drops = self._drops(model, measure, table, labels, positions)
        return Explanation(
            info=make_info(
                model,
                table,
                method=self.method,
                n_features=len(features),
                output_space=None,
                reason="permutation importance was asked for",
                feature_space=None if self._transformations is None else "raw",
                notes=(_summary(measure, baseline, drops),),
                packages=(),
            ),
            features=features,
            global_importances=Importances(drops.mean(axis=1)),
            data=_evaluation(
                model, table if subset is None else table.columns(subset), self._engineer(table), features, labels
            ),
        )

    def _read(self, table: Table) -> tuple[Table, Model, Schema]:
        """Return the rows in order, the model, and the columns whose importance is asked for."""
        raw = None
        if self._transformations is not None:
            names = fitted_names(self._transformations)
            raw = make_schema(
                n_features=table.shape[1], model_names=names, table_names=table.names, features=self._features
            )
            table = raw.align(table)
        engineered = self._engineer(table)
        model = read_model(
            self.model,
            background=engineered,
            classes=self._classes,
            model_task=self._task,
            is_function=self._is_function,
        )
        schema = read_schema(model, engineered, self._features if raw is None else None)
        engineered = schema.align(engineered)
        return (engineered, model, schema) if raw is None else (table, model, raw)

    def _engineer(self, table: Table) -> Table:
        """Return rows as the model knows them."""
        if self._transformations is None:
            return table
        fitted = as_transformation(self._transformations)
        names = fitted_names(fitted)
        return transformed(fitted, table, as_frame=table.is_frame or names is not None, names=names)

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
        self, model: Model, measure: Measure, table: Table, labels: NDArray[Any], positions: NDArray[np.intp]
    ) -> tuple[float, NDArray[np.float64]]:
        """Return the score of the rows as they are, and how much worse each shuffle is, (F, repeats)."""
        baseline = self._scores(model, measure, table, labels, 1)[0]
        drops = np.empty((len(positions), self._n_repeats))
        generator = np.random.default_rng(self._seed)
        together = max(1, min(self._n_repeats, _TOGETHER // (table.shape[0] * table.shape[1])))
        with progress_bar("Explaining (pfi)", total=len(positions), unit="column", show=self._show_progress) as advance:
            for place, column in enumerate(positions):
                for start in range(0, self._n_repeats, together):
                    copies = min(together, self._n_repeats - start)
                    orders = [generator.permutation(table.shape[0]) for _ in range(copies)]
                    shuffled = _shuffled(table, int(column), orders)
                    scores = self._scores(model, measure, shuffled, labels, copies)
                    drops[place, start : start + copies] = [measure.worse_by(baseline, score) for score in scores]
                advance(1)
        return baseline, drops

    def _scores(self, model: Model, measure: Measure, table: Table, labels: NDArray[Any], copies: int) -> list[float]:
        """Return the score of each of some copies of the rows that lie below each other."""
        rows = model.form(self._engineer(table))
        n_rows = len(labels)
        parts = [slice(i * n_rows, (i + 1) * n_rows) for i in range(copies)]
        if measure.is_scorer:
            return [
                float(measure.function(model.estimator, rows.iloc[p] if hasattr(rows, "iloc") else rows[p], labels))
                for p in parts
            ]
        predicted = model.predict_proba(rows) if self._use_probabilities else model.predict(rows)
        if predicted is None:
            raise UnsupportedModelError(f"{model.short_name} gives no class probabilities")
        if predicted.ndim == 2 and predicted.shape[1] == 2:
            predicted = predicted[:, 1]
        return [float(measure.function(labels, predicted[p])) for p in parts]


def _shuffled(table: Table, column: int, orders: list[NDArray[np.intp]]) -> Table:
    """Return copies of the rows below each other, each with one column in another order."""
    order = np.concatenate(orders)
    if table.is_frame:
        import pandas

        copies = pandas.concat([table.data] * len(orders), ignore_index=True)
        copies.isetitem(column, table.data.iloc[:, column].array.take(order))
        return Table(copies, table.names)
    if isinstance(table.data, np.ndarray):
        rows = np.tile(table.data, (len(orders), 1))
        rows[:, column] = table.data[order, column]
        return Table(rows, table.names)
    from scipy.sparse import csr_matrix, hstack, vstack

    stacked = vstack([table.data] * len(orders), format="csc")
    parts = [stacked[:, :column], table.data[:, [column]][order], stacked[:, column + 1 :]]
    return Table(csr_matrix(hstack(parts, format="csr")), table.names)


def _evaluation(
    model: Model, reported: Table, engineered: Table, features: tuple[str, ...], labels: NDArray[Any]
) -> EvaluationData:
    evaluation = Evaluation(model, engineered.shape[0])
    evaluation.add(model.form(engineered), 0)
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
    spread = drops.std(axis=1, ddof=1) if drops.shape[1] > 1 else np.zeros(len(drops))
    said = f"{measure.name} {baseline:.6g} unshuffled; {drops.shape[1]} shuffles of each column"
    if drops.shape[1] == 1:
        return said
    return f"{said}, standard error of an importance up to {spread.max() / np.sqrt(drops.shape[1]):.2g}"
