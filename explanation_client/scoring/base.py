"""ScoringExplainer: what all scoring explainers share, from rows to importances and predictions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError, InvalidExplanationError, PartMissingError
from explanation_client.explainers.inputs import Table
from explanation_client.explainers.streams import read_stream
from explanation_client.info import Task
from explanation_client.scoring.parts import Parts, Predictor, ScoringInfo
from explanation_client.scoring.stream import ScoredStream

Floats = NDArray[np.float64]
_BATCH_ROWS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Score:
    """What :meth:`ScoringExplainer.score` returns for N rows of F features: predictions and importances together.

    For a single 1-D row the arrays have no row axis.

    Parameters
    ----------
    features : tuple of str
        Names of the F features that ``values`` are of.
    values : ndarray of float64, shape (N, F), or (C, N, F) of a classifier
    expected_values : ndarray of float64, shape (C,)
        Base values; 1 for a regression.
    predictions : ndarray of shape (N,), optional
        The model's labels or values. None where the scoring explainer was made without the model.
    probabilities : ndarray of float64, shape (N, C), optional
        None where the model has none.

    """

    features: tuple[str, ...]
    values: Floats
    expected_values: Floats
    predictions: NDArray[Any] | None
    probabilities: Floats | None


class ScoringExplainer:
    """Base of the scoring explainers: importances of rows as plain arrays, with as little around them as can be.

    Made from an explainer by one of the subclasses, by ``explainer.create_scoring_explainer(x_test)``, or by
    :func:`~explanation_client.scoring.load`. It is not changed by use, and may be called from several threads.
    """

    kind: ClassVar[str]

    _parts: Parts

    @classmethod
    def of_parts(cls, parts: Parts) -> Self:
        """Return the scoring explainer that consists of some parts."""
        made = object.__new__(cls)
        made._parts = parts
        return made

    def __repr__(self) -> str:
        parts = self._parts
        return (
            f"{type(self).__qualname__}({parts.info.model_type}: {len(self.features)} features, "
            f"{len(parts.outputs)} outputs, {parts.info.output_space})"
        )

    # --- What it is of ---------------------------------------------------------------------------------------------

    @property
    def info(self) -> ScoringInfo:
        """What a listing shows: method, model, time, versions."""
        return self._parts.info

    @property
    def method(self) -> str:
        """``"scoring.tree"``, ``"scoring.linear"``, ``"scoring.kernel"`` or ``"scoring.deep"``."""
        return f"scoring.{self.kind}"

    @property
    def task(self) -> Task:
        """``"classification"`` or ``"regression"``."""
        return self._parts.task

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the C classes in the order of the outputs, None for a regression."""
        return self._parts.outputs if self._parts.task == "classification" else None

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features that :meth:`explain` gives by default."""
        return self.features_of(None)

    @property
    def raw_features(self) -> tuple[str, ...] | None:
        """Names of the features before the transformations, None where none are known."""
        return self._parts.raw_features

    @property
    def engineered_features(self) -> tuple[str, ...] | None:
        """Names of the features after the transformations, None where there are no transformations."""
        return self._parts.engineered_features

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that rows have, in order."""
        schema = self._parts.inputs.schema
        return schema.names or schema.features

    @property
    def expected_values(self) -> Floats:
        """Base values, float64 (C,): with the importances of a row they add up to the model's output."""
        return self._parts.attributor.base_values.copy()

    @property
    def can_predict(self) -> bool:
        """Whether :meth:`predict` works: it does unless the scoring explainer was made without its model."""
        return self._parts.predictor is not None

    @property
    def packages(self) -> tuple[str, ...]:
        """Distributions that loading and using it takes, besides this library: few where no model is kept."""
        from explanation_client.scoring.packages import packages_of

        return packages_of(self._parts)

    def features_of(self, get_raw: bool | None) -> tuple[str, ...]:
        """Return the names of the features that ``explain(rows, get_raw)`` gives.

        Raises
        ------
        InvalidArgumentError
            As for :meth:`explain`.

        """
        return self._parts.reported(get_raw)

    # --- What it does ----------------------------------------------------------------------------------------------

    def explain(self, rows: Any, get_raw: bool | None = None) -> Floats:
        """Return the importances of rows: float64 (N, F) of a regression, (C, N, F) of a classifier, C = 2 or more.

        Parameters
        ----------
        rows : table of shape (N, F), or one row of shape (F,)
            A list of rows, an array, a DataFrame, a CSR matrix, an Arrow table; or a mapping from names of columns to
            values, or a list of these. Columns that come with names are found by name. Raw rows where the explainer
            had transformations. The result for one row without a row axis has none either.
        get_raw : bool, optional
            Of raw features, or of engineered ones. None: raw ones where the explainer had transformations, else those
            of the columns that are passed.

        Raises
        ------
        InvalidArgumentError
            The rows have other columns, values of other types, or a missing value where the model takes none; or
            ``get_raw`` asks for what is not known.
        UnsupportedModelError
            The model or the transformations do not take these rows: they do not know a category, for example.
        InvalidExplanationError
            The importances are not finite.

        """
        self._parts.reported(get_raw)
        table = self._parts.inputs.read(rows)
        return self._shaped(self._explained(self._parts.engineer(table), get_raw), single_row=table.single_row)

    def explain_batches(
        self, batches: Any, *, batch_size: int | None = None, engineered: bool = False, include_rows: bool = False
    ) -> ScoredStream:
        """Return what explains rows batch by batch: for ``ExplanationClient.upload_stream``, and for Spark.

        Parameters
        ----------
        batches : stream, iterable of tables, or table of shape (N, F)
            As for ``explain_global`` of explainers.
        batch_size : int, optional
            Rows explained at a time. None: 10,000.
        engineered : bool
            ``get_raw=False`` of :meth:`explain`.
        include_rows : bool
            Hand on the rows with their importances.

        Raises
        ------
        InvalidArgumentError
            ``batches`` is nothing of this kind, ``batch_size`` is no positive number, or as for :meth:`explain`.

        """
        if batch_size is not None and (isinstance(batch_size, bool) or batch_size < 1):
            raise InvalidArgumentError(f"batch_size={batch_size!r}: at least 1")
        return ScoredStream(
            self, read_stream(batches), get_raw=False if engineered else None,
            batch_size=batch_size or _BATCH_ROWS, include_rows=include_rows,
        )  # fmt: skip

    def predict(self, rows: Any) -> NDArray[Any]:
        """Return the model's predictions, (N,): labels as the model knows them, or values; 0-D for a single 1-D row.

        Parameters
        ----------
        rows : table of shape (N, F), or one row of shape (F,)
            As for :meth:`explain`.

        Raises
        ------
        PartMissingError
            The scoring explainer was made without its model.
        InvalidArgumentError, UnsupportedModelError
            As for :meth:`explain`.

        """
        predictor = self._need_predictor()
        table = self._parts.inputs.read(rows)
        found = predictor.predict(self._parts.engineer(table))
        return found[0, ...] if table.single_row else found

    def predict_proba(self, rows: Any) -> Floats:
        """Return the model's class probabilities, float64 (N, C), or (C,) of a single 1-D row.

        Raises
        ------
        PartMissingError
            The model has no probabilities, or the scoring explainer was made without its model.
        InvalidArgumentError, UnsupportedModelError
            As for :meth:`explain`.

        """
        predictor = self._need_predictor()
        table = self._parts.inputs.read(rows)
        found = predictor.predict_proba(self._parts.engineer(table))
        if found is None:
            raise PartMissingError(f"{self._parts.info.model_type} gives no class probabilities: use predict")
        return found[0] if table.single_row else found

    def score(self, rows: Any, get_raw: bool | None = None) -> Score:
        """Return predictions and importances of rows, which are read and transformed once.

        Parameters and errors are those of :meth:`explain`.
        """
        features = self._parts.reported(get_raw)
        table = self._parts.inputs.read(rows)
        engineered = self._parts.engineer(table)
        values = self._shaped(self._explained(engineered, get_raw), single_row=table.single_row)
        predictions = probabilities = None
        if self._parts.predictor is not None:
            predictions, probabilities = self._parts.predictor.both(engineered)
        if table.single_row:
            predictions = None if predictions is None else predictions[0, ...]
            probabilities = None if probabilities is None else probabilities[0]
        return Score(
            features=features,
            values=values,
            expected_values=self.expected_values,
            predictions=predictions,
            probabilities=probabilities,
        )

    def fit(self, X: Any = None, y: Any = None) -> Self:
        """Return itself: there is nothing to fit. For pipelines that fit all that they hold."""
        return self

    def save(
        self, name: str, directory: str | os.PathLike[str] = ".", *, exist_ok: bool = False, allow_pickle: bool = False
    ) -> str:
        """Return the path ``directory/name`` of the folder in which the scoring explainer was saved.

        The same as :func:`explanation_client.scoring.save` with that folder.
        """
        from explanation_client.scoring.folder import save

        return save(self, os.path.join(directory, name), exist_ok=exist_ok, allow_pickle=allow_pickle)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> ScoringExplainer:
        """Return the scoring explainer of a folder; the same as :func:`explanation_client.scoring.load`."""
        from explanation_client.scoring.folder import load

        return load(path)

    # --- The way from rows to arrays -------------------------------------------------------------------------------

    def _explained(self, engineered: Table, get_raw: bool | None) -> Floats:
        """Return importances (C, N, F) of rows in the columns of the model."""
        parts = self._parts
        values = parts.attributor.attribute(engineered)
        if not np.isfinite(values).all():
            raise InvalidExplanationError(
                f"the importances of {parts.info.model_type} are not all finite: there is NaN or infinity in the rows "
                "or in the model's output"
            )
        return parts.mapped(values, get_raw)

    def _shaped(self, values: Floats, *, single_row: bool) -> Floats:
        values = values[0] if self._parts.task == "regression" else values
        return np.ascontiguousarray(values[..., 0, :]) if single_row else values

    def _need_predictor(self) -> Predictor:
        if self._parts.predictor is None:
            raise PartMissingError(
                "this scoring explainer was made without its model (keep_model=False): predict with the model itself"
            )
        return self._parts.predictor


def read_names(names: Sequence[Any] | None, argument: str, n_wanted: int) -> tuple[str, ...] | None:
    """Return names as texts, None where none are given.

    Raises
    ------
    InvalidArgumentError
        There are more or fewer than wanted, or one of them twice.

    """
    if names is None:
        return None
    found = tuple(str(name) for name in np.asarray(names, dtype=object).tolist())
    if len(found) != n_wanted or len(set(found)) != len(found):
        raise InvalidArgumentError(f"{argument}= has {len(found)} names, expected {n_wanted} different ones")
    return found
