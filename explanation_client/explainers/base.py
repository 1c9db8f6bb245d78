"""What all explainers share: one subclass writes one method, everything around it is here.

Rows come in as any table and are put in the model's order; they are explained in batches; what is kept is allocated
once; sums are held to the model's own output; the result is an :class:`~explanation_client.explanation.Explanation`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError, InvalidExplanationError, UnsupportedModelError
from explanation_client.explainers.additivity import check_additivity, sample_positions
from explanation_client.explainers.aggregate import Aggregate
from explanation_client.explainers.evaluation import Evaluation
from explanation_client.explainers.feature_map import FeatureMap, fitted_names, make_feature_map
from explanation_client.explainers.inputs import Schema, Table, make_schema, read_table
from explanation_client.explainers.model import Model, column_count, read_model
from explanation_client.explainers.notes import with_notes
from explanation_client.explainers.record import make_info
from explanation_client.explainers.sampling import SamplingPolicy
from explanation_client.explanation import Explanation
from explanation_client.importances import Importances
from explanation_client.interactions import Interactions
from explanation_client.progress import progress_bar

# A batch of this many values takes 8 MB: large enough for compiled code, small beside any result worth batching.
_BATCH_VALUES = 1 << 20


class Explainer(ABC):
    """Base of all explainers.

    A subclass names its method, and writes :meth:`_attribute`. It may set ``_output_space`` (what values add up to;
    default: what the model's prediction function returns) and ``_batch_rows``.

    Parameters
    ----------
    model : object
        A trained model, or a prediction function.
    initialization_examples : table of shape (B, F), optional
        Background data: what a missing feature is replaced by.
    features : sequence of str, optional
        Names of the F features. None: those of the initialization examples or the model.
    classes : sequence of str, optional
        Names of the classes, in the order of the model's outputs. None: the model's labels.
    explain_subset : sequence of int, optional
        Positions of the columns to explain. Values are the same as without it; the other columns are not reported.
    transformations : object with ``transform``, or list of (columns, transformer), optional
        Fitted, from raw rows to what the model takes. All rows are then raw, and raw features are explained; see
        :mod:`explanation_client.explainers.feature_map`.
    allow_all_transformations : bool
        Share the importance of an engineered column that comes from several raw ones equally among them.
    model_task : "classification", "regression" or "unknown"
        Needed only for models that do not tell.
    is_function : bool
        The model is a prediction function, from rows to (N,) or (N, C).
    show_progress : bool, optional
        None: a bar appears on a terminal or in a notebook, when work takes longer than half a second.

    """

    method: ClassVar[str]
    # Whether rows plus base value are the model's output, so that they can be held to it.
    is_additive: ClassVar[bool] = True
    # Packages whose versions matter for the values.
    packages: tuple[str, ...] = ()

    def __init__(
        self,
        model: Any,
        initialization_examples: Any = None,
        *,
        features: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        explain_subset: Sequence[int] | None = None,
        transformations: Any = None,
        allow_all_transformations: bool = False,
        model_task: str = "unknown",
        is_function: bool = False,
        show_progress: bool | None = None,
    ) -> None:
        background = None
        if initialization_examples is not None:
            background = read_table(initialization_examples, what="initialization examples")
        # Where there are transformations, rows of raw columns come in, and the model gets what is made of them.
        self._map, raw_schema, background = _raw_features(
            transformations, allow_all_transformations, background, features
        )
        self._model = read_model(
            model, background=background, classes=classes, model_task=model_task, is_function=is_function
        )
        self._model_schema = read_schema(self._model, background, features if self._map is None else None)
        self._schema = raw_schema or self._model_schema
        self._background = None if background is None else self._model_schema.align(background)
        self._subset = read_subset(explain_subset, self._schema.n_features)
        self._show_progress = show_progress
        # A few words on how values are computed; part of the reason that an explanation records.
        self.how: str | None = None
        self._notes: tuple[str, ...] = ()
        if self._subset is not None:
            self._notes = (f"explain_subset: {len(self._subset)} of {self._schema.n_features} features are reported",)

    # --- What a subclass writes ----------------------------------------------------------------------------------

    @abstractmethod
    def _attribute(self, rows: Any) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
        """Return local importances (C, N, F) and base values (C,).

        Parameters
        ----------
        rows : ndarray, DataFrame or CSR matrix of shape (N, F)
            In the form that the model takes.

        """

    def _interactions(self, rows: Any) -> Iterable[NDArray[np.floating[Any]]]:
        """Return interaction values of the rows in blocks of (C, n, F, F); none where they were not asked for.

        Blocks have one output where those of the model differ in sign only.
        """
        return ()

    @cached_property
    def _output_space(self) -> str:
        """What values and base value add up to."""
        rows = None if self._background is None else self._model.form(self._background.take(slice(0, 1)))
        return self._model.default_space(rows)

    @property
    def _batch_rows(self) -> int:
        """Rows explained at a time where the caller does not say."""
        return max(1, _BATCH_VALUES // (self._model.n_outputs * self._model_schema.n_features))

    def _answers(self, rows: Any) -> NDArray[np.float64]:
        """Return what values and base value add up to, from the model itself, shape (N, C)."""
        return self._model.answer(rows, self._output_space)

    # --- What callers use ----------------------------------------------------------------------------------------

    @property
    def model(self) -> Any:
        """The model that is explained, as it was given."""
        return self._model.given

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the explained features."""
        return self._reported(self._schema.features)

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes in the order of the outputs, None for a regression."""
        return self._model.outputs if self._model.task == "classification" else None

    def explain_local(self, evaluation_examples: Any) -> Explanation:
        """Return the importances of each row.

        Parameters
        ----------
        evaluation_examples : table of shape (N, F), or one row of shape (F,)
            The explanation of one row without a row axis has none either.

        Raises
        ------
        InvalidArgumentError
            The columns are not those of the model.
        AdditivityError
            The values do not add up to the model's output.

        """
        return self._explain(read_table(evaluation_examples), keep_global=False, keep_local=True, batch_size=None)

    def explain_global(
        self,
        evaluation_examples: Any,
        sampling_policy: SamplingPolicy | None = None,
        include_local: bool = True,
        batch_size: int | None = None,
    ) -> Explanation:
        """Return the importances over all rows: the mean of the absolute local importances.

        Parameters
        ----------
        evaluation_examples : table of shape (N, F)
        sampling_policy : SamplingPolicy, optional
            Which of the rows are explained, if not all. Values, data and predictions are then those of the sample,
            and the explanation's notes say how many rows it is of.
        include_local : bool
            Keep the importances of each row, and the rows. Without, memory does not grow with the number of rows.
        batch_size : int, optional
            Rows explained at a time. None: what fits well.

        Raises
        ------
        InvalidArgumentError
            The columns are not those of the model, ``batch_size`` is no positive number, or the policy
            does not fit the rows.
        AdditivityError
            The values do not add up to the model's output.

        """
        if sampling_policy is not None and not isinstance(sampling_policy, SamplingPolicy):
            raise InvalidArgumentError(
                f"sampling_policy={sampling_policy!r}: a SamplingPolicy, or None to explain every row that is passed"
            )
        if batch_size is not None and (isinstance(batch_size, bool) or batch_size < 1):
            raise InvalidArgumentError(f"batch_size={batch_size!r}: at least 1")
        table = read_table(evaluation_examples)
        notes: tuple[str, ...] = ()
        if sampling_policy is not None:
            table, notes = sampling_policy.sample(self._schema.align(table))
        explanation = self._explain(table, keep_global=True, keep_local=include_local, batch_size=batch_size)
        return with_notes(explanation, notes) if notes else explanation

    def check(self, examples: Any) -> None:
        """Raise ``AdditivityError`` unless the explanation of some example rows adds up to the model's output."""
        table = self._schema.align(read_table(examples))
        rows = self._rows(table.take(sample_positions(table.shape[0])))
        values, base_values = self._attribute(rows)
        self._check(values, base_values, rows)

    # --- The one way from rows to an explanation -----------------------------------------------------------------

    def _explain(self, table: Table, *, keep_global: bool, keep_local: bool, batch_size: int | None) -> Explanation:
        table = self._schema.align(table)
        n_rows = table.shape[0]
        aggregate = Aggregate(keep_global=keep_global, n_rows=n_rows if keep_local else None)
        evaluation = Evaluation(self._model, n_rows) if keep_local else None
        with progress_bar(f"Explaining ({self.method})", total=n_rows, unit="row", show=self._show_progress) as advance:
            for start, batch in _batches(table, batch_size or self._batch_rows):
                rows = self._rows(batch)
                values, base_values = self._attribute(rows)
                self._check(values, base_values, rows)
                aggregate.add(self._reported_values(values), start)
                for block in self._interactions(rows) if keep_global else ():
                    aggregate.add_interactions(self._reported_pairs(block))
                if evaluation is not None:
                    evaluation.add(rows, start)
                advance(batch.shape[0])
        return self._explanation(table, aggregate, evaluation, base_values)

    def _explanation(
        self, table: Table, aggregate: Aggregate, evaluation: Evaluation | None, base_values: NDArray[Any]
    ) -> Explanation:
        """Return the explanation of rows that all have been explained."""
        data = None
        if evaluation is not None:
            reported = table if self._subset is None else table.columns(self._subset)
            data = evaluation.data(reported, self.features)
        per_class, pairs = aggregate.per_class(), aggregate.interactions(self._model.n_outputs)
        return Explanation(
            info=make_info(
                self._model,
                table,
                method=self.method,
                n_features=len(self.features),
                output_space=self._output_space,
                feature_space=None if self._map is None else "raw",
                reason=self.how,
                notes=self._notes,
                packages=self.packages,
            ),
            features=self.features,
            global_importances=None if per_class is None else Importances(per_class.mean(axis=0)),
            per_class_importances=Importances(per_class)
            if per_class is not None and self._model.task == "classification"
            else None,
            local_importances=None if aggregate.local is None else Importances(aggregate.local),
            base_values=np.asarray(base_values, np.float64),
            data=data,
            interactions=None if pairs is None else Interactions(pairs),
        )

    def _rows(self, table: Table) -> Any:
        """Return rows in the form that the model takes, transformed where there are transformations."""
        if self._map is not None:
            table = self._model_schema.align(self._map.transform(table))
        return self._model.form(table)

    def _check(self, values: NDArray[Any], base_values: NDArray[Any], rows: Any) -> None:
        """Hold one batch to its shape, to finite numbers, and to the model's own output."""
        wanted = (self._model.n_outputs, rows.shape[0], self._model_schema.n_features)
        if values.shape != wanted or base_values.shape != wanted[:1]:
            raise UnsupportedModelError(
                f"{type(self).__qualname__} gave values of shape {values.shape} and base values of shape "
                f"{base_values.shape} for {self._model.short_name}, expected {wanted} and {wanted[:1]}"
            )
        if not (np.isfinite(values).all() and np.isfinite(base_values).all()):
            raise InvalidExplanationError(
                f"the importances of {self._model.short_name} are not all finite: there is NaN or infinity in the "
                "rows or in the model's output"
            )
        if self.is_additive:
            sample = sample_positions(rows.shape[0])
            answers = self._answers(rows.iloc[sample] if hasattr(rows, "iloc") else rows[sample])
            check_additivity(
                values[:, sample],
                base_values,
                answers,
                who=f"{type(self).__qualname__} on {self._model.short_name}",
                space=self._output_space,
            )

    def _reported(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return names if self._subset is None else tuple(names[i] for i in self._subset)

    def _reported_values(self, values: NDArray[Any]) -> NDArray[Any]:
        if self._map is not None:
            values = self._map.to_raw(values)
        return values if self._subset is None else values[:, :, self._subset]

    def _reported_pairs(self, values: NDArray[Any]) -> NDArray[Any]:
        if self._map is not None:
            values = self._map.to_raw(self._map.to_raw(values).swapaxes(2, 3))
        return values if self._subset is None else values[:, :, self._subset[:, None], self._subset]


def _raw_features(
    transformations: Any,
    allow_all: bool,
    background: Table | None,
    features: Sequence[str] | None,
) -> tuple[FeatureMap | None, Schema | None, Table | None]:
    """Return the feature map, the columns of raw rows, and the background as the model takes it."""
    if transformations is None:
        return None, None, background
    if background is None:
        raise InvalidArgumentError(
            "transformations= needs initialization_examples: raw rows to see what comes from what"
        )
    schema = make_schema(
        n_features=background.shape[1],
        model_names=fitted_names(transformations),
        table_names=background.names,
        features=features,
    )
    background = schema.align(background)
    feature_map = make_feature_map(transformations, background, allow_all=allow_all)
    return feature_map, schema, feature_map.transform(background)


def read_schema(model: Model, background: Table | None, features: Sequence[str] | None) -> Schema:
    """Return the columns that rows must have, from what model, background and caller say.

    Raises
    ------
    InvalidArgumentError
        None of them says how many there are, or ``features`` does not fit.

    """
    n_features = column_count(model.estimator)
    if n_features is None:
        if background is None:
            raise InvalidArgumentError(
                f"{model.short_name} does not say how many columns it takes: pass initialization_examples"
            )
        n_features = background.shape[1]
    return make_schema(
        n_features=n_features,
        model_names=model.names,
        table_names=None if background is None else background.names,
        features=features,
    )


def read_subset(explain_subset: Sequence[int] | None, n_features: int) -> NDArray[np.intp] | None:
    """Return the positions of the columns to explain, None for all.

    Raises
    ------
    InvalidArgumentError
        They are no list of different positions in range.

    """
    if explain_subset is None:
        return None
    positions = np.asarray(explain_subset)
    if positions.ndim != 1 or positions.dtype.kind not in "iu" or not positions.size:
        raise InvalidArgumentError(f"explain_subset={explain_subset!r}: a list of column positions")
    if positions.min() < 0 or positions.max() >= n_features or len(set(positions.tolist())) != len(positions):
        raise InvalidArgumentError(
            f"explain_subset={positions.tolist()}: different positions between 0 and {n_features - 1}"
        )
    return positions.astype(np.intp)


def _batches(table: Table, size: int) -> Iterator[tuple[int, Table]]:
    for start in range(0, table.shape[0], size):
        yield start, table.take(slice(start, start + size))
