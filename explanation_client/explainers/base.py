"""What all explainers share: one subclass writes one method, everything around it is here.

Rows come in as any table and are put in the model's order; they are explained in batches; what is kept is allocated
once; sums are held to the model's own output; the result is an :class:`~explanation_client.explanation.Explanation`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import EvaluationData
from explanation_client.errors import InvalidArgumentError, InvalidExplanationError, UnsupportedModelError
from explanation_client.explainers.additivity import check_additivity, sample_positions
from explanation_client.explainers.aggregate import Aggregate
from explanation_client.explainers.evaluation import Evaluation
from explanation_client.explainers.features import Features, Gathered, read_raw_features, read_schema, read_subset
from explanation_client.explainers.inputs import Table, read_table
from explanation_client.explainers.model import several_targets
from explanation_client.explainers.notes import with_notes
from explanation_client.explainers.reading import read_model
from explanation_client.explainers.record import make_info
from explanation_client.explainers.sampling import SamplingPolicy
from explanation_client.explainers.streams import ExplainedStream, explain_stream, is_stream, read_stream
from explanation_client.explanation import Explanation
from explanation_client.importances import Importances
from explanation_client.info import ExplanationInfo
from explanation_client.interactions import Interactions
from explanation_client.progress import progress_bar

if TYPE_CHECKING:
    from explanation_client.scoring import ScoringExplainer

# A batch of this many values takes 8 MB: large enough for compiled code, small beside any result worth batching.
_BATCH_VALUES = 1 << 20


class Findings(Protocol):
    """What is gathered besides values while rows are explained: how exact they are, for example."""

    def notes(self) -> tuple[str, ...]:
        """Return what the explanation records of it."""
        ...


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
    # What local importances are kept in.
    _dtype: str = "float64"

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
        # A few rows as they came: a scoring explainer is tested with mixtures of them.
        self._shown = None if background is None else background.take(sample_positions(background.shape[0]))
        # Where there are transformations, rows of raw columns come in, and the model gets what is made of them.
        self._map, raw_schema, background = read_raw_features(
            transformations, allow_all_transformations, background, features
        )
        self._model = read_model(
            model, background=background, classes=classes, model_task=model_task, is_function=is_function
        )
        self._model_schema = read_schema(self._model, background, features if self._map is None else None)
        if self._map is not None and self._map.engineered_names is not None and self._model_schema.names is None:
            # A model that was trained on names keeps them; else the transformations say what their columns are called.
            self._model_schema = replace(self._model_schema, features=self._map.engineered_names)
        self._schema = raw_schema or self._model_schema
        self._background = None if background is None else self._model_schema.align(background)
        subset = read_subset(explain_subset, self._schema.n_features)
        self._reported = Features.of(self._schema.features, self._map, subset)
        self._show_progress = show_progress
        # Of the rows that were explained last.
        self._found: Any = None
        # A few words on how values are computed; part of the reason that an explanation records.
        self.how: str | None = None
        self._notes = () if self._map is None else self._map.notes
        if subset is not None:
            chosen = f"explain_subset: {len(subset)} of {self._schema.n_features} features are reported"
            self._notes = (*self._notes, chosen)

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

    def _findings(self, n_kept: int | None) -> Findings | None:
        """Return what collects what there is to say of the rows besides values, anew for each call; None: nothing.

        Parameters
        ----------
        n_kept : int, optional
            The number of rows, where their local values are kept.

        """
        return None

    def _find(self, rows: Any, findings: Any) -> tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
        """Return what :meth:`_attribute` does, and tell the findings. They are None where there are none to collect."""
        return self._attribute(rows)

    # --- What callers use ----------------------------------------------------------------------------------------

    @property
    def model(self) -> Any:
        """The model that is explained, as it was given."""
        return self._model.given

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the explained features."""
        return self._reported.names

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes in the order of the outputs, None for a regression."""
        return self._model.outputs if self._model.task == "classification" else None

    @property
    def feature_maps(self) -> list[Any]:
        """What :meth:`Explanation.get_raw_explanation` takes: one matrix of the shares of raw features, (R, E).

        A CSR matrix where there are many features, else an ndarray of float64.

        Raises
        ------
        InvalidArgumentError
            There are no transformations.

        """
        if self._map is None:
            raise InvalidArgumentError(
                "there are no transformations, so that raw and engineered features are the same: pass "
                "transformations=, or give TabularExplainer a pipeline whose last step is a tree or linear model"
            )
        return [self._map.weights.copy()]

    def explain_local(self, evaluation_examples: Any, *, engineered: bool = False) -> Explanation:
        """Return the importances of each row.

        Parameters
        ----------
        evaluation_examples : table of shape (N, F), one row of shape (F,), or a stream
            The explanation of one row without a row axis has none either. Raw rows where there are transformations.
            Streams are those of :meth:`explain_global`.
        engineered : bool
            Explain the features that the transformations make. ``get_raw_explanation(explainer.feature_maps)`` of the
            result is the explanation of the raw ones, without explaining again.

        Raises
        ------
        InvalidArgumentError
            The columns are not those of the model; or ``engineered``, and there are no transformations, or a subset
            of the raw columns is explained.
        AdditivityError
            The values do not add up to the model's output.

        """
        if is_stream(evaluation_examples):
            stream = self.explain_batches(evaluation_examples, engineered=engineered)
            return explain_stream(self, stream, keep_global=False)
        reported = self._features(engineered)
        return self._explain(read_table(evaluation_examples), reported, keep_global=False)

    def explain_global(
        self,
        evaluation_examples: Any,
        sampling_policy: SamplingPolicy | None = None,
        include_local: bool = True,
        batch_size: int | None = None,
        *,
        engineered: bool = False,
    ) -> Explanation:
        """Return the importances over all rows: the mean of the absolute local importances.

        Parameters
        ----------
        evaluation_examples : table of shape (N, F), or a stream
            Raw rows where there are transformations. A stream is the path of a Parquet file or folder, an Arrow
            dataset or reader, or an iterator of tables: it is read batch by batch, and the explanation does not keep
            the rows. :meth:`ExplanationClient.upload_stream` stores local importances that do not fit in memory.
        sampling_policy : SamplingPolicy, optional
            Which of the rows are explained, if not all. Values, data and predictions are then those of the sample,
            and the explanation's notes say how many rows it is of.
        include_local : bool
            Keep the importances of each row, and the rows. Without, memory does not grow with the number of rows.
        batch_size : int, optional
            Rows transformed and explained at a time. None: what fits well.
        engineered : bool
            Explain the features that the transformations make, as in :meth:`explain_local`.

        Raises
        ------
        InvalidArgumentError
            The columns are not those of the model, ``batch_size`` is no positive number, the policy does not fit the
            rows, or ``engineered`` as in :meth:`explain_local`.
        AdditivityError
            The values do not add up to the model's output.

        """
        if sampling_policy is not None and not isinstance(sampling_policy, SamplingPolicy):
            raise InvalidArgumentError(
                f"sampling_policy={sampling_policy!r}: a SamplingPolicy, or None to explain every row that is passed"
            )
        if is_stream(evaluation_examples):
            if sampling_policy is not None:
                raise InvalidArgumentError("sampling_policy= needs all rows at once: leave it out, or pass a table")
            stream = self.explain_batches(evaluation_examples, batch_size=batch_size, engineered=engineered)
            return explain_stream(self, stream, keep_local=include_local)
        reported = self._features(engineered)
        table = read_table(evaluation_examples)
        notes: tuple[str, ...] = ()
        if sampling_policy is not None:
            table, notes = sampling_policy.sample(self._schema.align(table), self._engineered)
        explanation = self._explain(table, reported, keep_local=include_local, batch_size=batch_size)
        return with_notes(explanation, notes) if notes else explanation

    def explain_batches(
        self, batches: Any, *, batch_size: int | None = None, engineered: bool = False, include_rows: bool = False
    ) -> ExplainedStream:
        """Return what explains rows batch by batch, while it is iterated over; nothing is kept.

        Parameters
        ----------
        batches : stream, iterable of tables, or table of shape (N, F)
            As for :meth:`explain_global`.
        batch_size : int, optional
            Rows explained at a time, whatever sizes they come in. None: what fits well.
        engineered : bool
            As for :meth:`explain_global`.
        include_rows : bool
            Hand on the rows with their importances.

        Raises
        ------
        InvalidArgumentError
            ``batches`` is nothing of this kind, ``batch_size`` is no positive number, or ``engineered`` as in
            :meth:`explain_local`.

        """
        size = _checked_size(batch_size) or self._batch_rows
        return ExplainedStream(
            self, read_stream(batches), self._features(engineered), batch_size=size, include_rows=include_rows
        )

    def check(self, examples: Any) -> None:
        """Raise ``AdditivityError`` unless the explanation of some example rows adds up to the model's output."""
        table = self._schema.align(read_table(examples))
        rows = self._rows(table.take(sample_positions(table.shape[0])))
        values, base_values = self._attribute(rows)
        self._check(values, base_values, rows)

    def create_scoring_explainer(self, evaluation_examples: Any = None, *, keep_model: bool = True) -> ScoringExplainer:
        """Return what explains rows at prediction time; see :mod:`explanation_client.scoring`.

        Parameters
        ----------
        evaluation_examples : table of shape (N, F), optional
            Rows as they will come in. They are not stored: a copy is tested with mixtures of them.
        keep_model : bool
            Keep what predicts. Without it the scoring explainer explains only.

        Raises
        ------
        UnsupportedModelError
            This explainer has no scoring explainer.

        """
        from explanation_client.scoring import create_scoring_explainer

        return create_scoring_explainer(self, evaluation_examples, keep_model=keep_model)

    # --- The one way from rows to an explanation -----------------------------------------------------------------

    def _explain(
        self,
        table: Table,
        reported: Features,
        *,
        keep_global: bool = True,
        keep_local: bool = True,
        batch_size: int | None = None,
        prepare: Callable[[Table], Any] | None = None,
    ) -> Explanation:
        """Return the explanation of rows that ``prepare`` makes what the model takes; None: as they come from callers.

        Raises
        ------
        InvalidArgumentError
            ``batch_size`` is no positive number, or the columns do not fit.

        """
        _checked_size(batch_size)
        if prepare is None:
            table, prepare = self._schema.align(table), self._rows
        n_rows = table.shape[0]
        aggregate = Aggregate(keep_global=keep_global, n_rows=n_rows if keep_local else None, dtype=self._dtype)
        evaluation = Evaluation(self._model, n_rows) if keep_local else None
        made = Gathered(n_rows, single_row=table.single_row) if keep_local and reported.space == "engineered" else None
        findings = self._findings(n_rows if keep_local else None)
        with progress_bar(f"Explaining ({self.method})", total=n_rows, unit="row", show=self._show_progress) as advance:
            for start, batch in _batches(table, batch_size or self._batch_rows):
                rows, values, base_values = self._explained(batch, findings, prepare)
                aggregate.add(reported.values(values), start)
                for block in self._interactions(rows) if keep_global else ():
                    aggregate.add_interactions(reported.pairs(block))
                if evaluation is not None:
                    evaluation.add(rows, start)
                if made is not None:
                    made.add(rows, start)
                advance(batch.shape[0])
        shown = table if made is None else made.table()
        data = None if evaluation is None else evaluation.data(reported.rows(shown), reported.names)
        info = self._record(table.shape[0], reported, single_row=table.single_row)
        explanation = self._explanation(info, reported.names, aggregate, data, base_values)
        if findings is None:
            return explanation
        # Only now, so that work which is interrupted leaves what was there before.
        self._found = findings
        return with_notes(explanation, findings.notes())

    def _explained(
        self, table: Table, findings: Any, prepare: Callable[[Table], Any] | None = None
    ) -> tuple[Any, NDArray[np.floating[Any]], NDArray[np.floating[Any]]]:
        """Return a batch in the form that the model takes, its values (C, n, F) and base values (C,), both checked."""
        rows = (prepare or self._rows)(table)
        values, base_values = self._find(rows, findings)
        self._check(values, base_values, rows)
        return rows, values, base_values

    def _record(
        self, n_rows: int, reported: Features, *, single_row: bool = False, notes: tuple[str, ...] = ()
    ) -> ExplanationInfo:
        """Return the record of an explanation of so many rows."""
        return make_info(
            self._model,
            n_rows=n_rows,
            single_row=single_row,
            method=self.method,
            n_features=len(reported.names),
            output_space=self._output_space,
            feature_space=reported.space,
            reason=self.how,
            notes=(*self._notes, *notes),
            packages=self.packages,
        )

    def _explanation(
        self,
        info: ExplanationInfo,
        features: tuple[str, ...],
        aggregate: Aggregate,
        data: EvaluationData | None,
        base_values: NDArray[Any],
    ) -> Explanation:
        """Return the explanation of rows that all have been explained."""
        per_class, pairs = aggregate.per_class(), aggregate.interactions(self._model.n_outputs)
        return Explanation(
            info=info,
            features=features,
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
        return self._model.form(self._engineered(table))

    def _engineered(self, table: Table) -> Table:
        """Return rows of the model's columns, made by the transformations where there are any."""
        return table if self._map is None else self._model_schema.align(self._map.transform(table))

    def _features(self, engineered: bool) -> Features:
        """Return what is reported."""
        if not engineered:
            return self._reported
        if self.feature_maps and self._reported.subset is not None:
            raise InvalidArgumentError(
                "engineered=True does not go with explain_subset=, which chooses among the raw columns: leave it out"
            )
        return Features(self._model_schema.features, space="engineered")

    def _check(self, values: NDArray[Any], base_values: NDArray[Any], rows: Any) -> None:
        """Hold one batch to its shape, to finite numbers, and to the model's own output."""
        wanted = (self._model.n_outputs, rows.shape[0], self._model_schema.n_features)
        n_found = values.shape[0]
        if self._model.task == "regression" and n_found > 1 and base_values.shape == (n_found,):
            raise several_targets(self._model.short_name, n_found)
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


def _checked_size(batch_size: int | None) -> int | None:
    is_number = isinstance(batch_size, int | np.integer) and not isinstance(batch_size, bool)
    if batch_size is not None and (not is_number or batch_size < 1):
        raise InvalidArgumentError(f"batch_size={batch_size!r}: a whole number, 1 or more, or None")
    return batch_size


def _batches(table: Table, size: int) -> Iterator[tuple[int, Table]]:
    for start in range(0, table.shape[0], size):
        yield start, table.take(slice(start, start + size))
