"""The explanation: what an explainer returns, what is uploaded, what a download gives back.

One value with optional parts. Inside, local importances are always (C, N, F): outputs, rows, features. Only the
accessors that carry the names of Azure's SDK drop the output axis for regression, and the row axis where a single
1-D row was explained.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from explanation_client import display, tables
from explanation_client.dataset import EvaluationData
from explanation_client.documents import AnyDocuments, document_problems, widened
from explanation_client.errors import InvalidArgumentError, InvalidExplanationError, PartMissingError
from explanation_client.importances import (
    AnyImportances,
    FloatArray,
    Importances,
    Ranking,
    check_finite,
    check_top_k,
    same_bits,
)
from explanation_client.info import ExplanationInfo, name_problems, new_id, now
from explanation_client.interactions import AnyInteractions, interaction_problems

if TYPE_CHECKING:
    import pandas
    import pyarrow
    from pyspark.sql import DataFrame as SparkFrame
    from pyspark.sql import SparkSession

Part = Literal["global", "per_class", "local"]

# What two explanations may differ in and still hold the same content: their identity and their record of storage.
_RECORD_FIELDS = ("id", "created_at", "model_id", "comment", "top_k", "uploaded_at", "parts", "top_features")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Explanation:
    """Feature importances of a model: global, per class, local, or some of these.

    Explanations compare by content (arrays bit for bit), pickle, slice by rows (``explanation[10:20]``) and by
    output (``explanation.output("malignant")``).

    Parameters
    ----------
    info : ExplanationInfo
    features : tuple of str
        Names of the F features, unique.
    global_importances : Importances of shape (F,), optional
        Mean over rows of the absolute local importances; with several outputs, the mean over outputs of that.
    per_class_importances : Importances of shape (C, F), optional
        The same for each class.
    local_importances : Importances of shape (C, N, F), optional
    base_values : ndarray of shape (C,), optional
        What the model gives on average. Azure's SDK calls them expected values.
    data : EvaluationData, optional
        The rows that were explained.
    interactions : Interactions of shape (C, F, F), optional
        Mean over rows of the absolute interaction values of pairs of features.
    documents : Documents, optional
        The texts that were explained, with every occurrence of the words that are the features.

    Raises
    ------
    InvalidExplanationError
        The parts do not fit together; the message lists every problem.

    """

    info: ExplanationInfo
    features: tuple[str, ...]
    global_importances: AnyImportances | None = None
    per_class_importances: AnyImportances | None = None
    local_importances: AnyImportances | None = None
    base_values: FloatArray | None = None
    data: EvaluationData | None = None
    interactions: AnyInteractions | None = None
    documents: AnyDocuments | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.features, tuple):
            object.__setattr__(self, "features", tuple(self.features))
        if self.base_values is not None and self.base_values.dtype.kind in "biu":
            object.__setattr__(self, "base_values", self.base_values.astype(np.float64))
        problems = [*name_problems(self.features), *self._shape_problems()]
        if problems:
            raise InvalidExplanationError("; ".join(problems))

    # --- The parts, under the names of Azure's SDK -------------------------------------------------------------

    @property
    def id(self) -> str:
        """Identity of the explanation."""
        return self.info.id

    @property
    def method(self) -> str:
        """How the values were computed."""
        return self.info.method

    @property
    def model_task(self) -> str:
        """``"classification"`` or ``"regression"``."""
        return self.info.task

    @property
    def model_type(self) -> str | None:
        """Class of the model."""
        return self.info.model_type

    @property
    def is_raw(self) -> bool:
        """Whether the features are those before the transformations."""
        return self.info.is_raw

    @property
    def is_engineered(self) -> bool:
        """Whether the features are those after the transformations."""
        return self.info.is_engineered

    @property
    def num_features(self) -> int:
        """F, also where a cut kept fewer."""
        return len(self.features)

    @property
    def num_examples(self) -> int:
        """N, the number of rows that were explained."""
        return self.info.n_rows

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes, in the order of the outputs; None for regression."""
        return self.info.outputs if self.info.task == "classification" else None

    @property
    def num_classes(self) -> int | None:
        """C, or None for regression."""
        return len(self.info.outputs) if self.info.task == "classification" else None

    @property
    def expected_values(self) -> FloatArray:
        """Base values, shape (C,); one for regression."""
        if self.base_values is None:
            raise self._missing("base values")
        return self.base_values

    @property
    def global_importance_values(self) -> FloatArray:
        """Global importances, shape (F,) in feature order; (k,) ranked where the explanation was cut."""
        return self._part("global").values

    @property
    def global_importance_rank(self) -> NDArray[np.integer[Any]]:
        """Positions of the features, most important first, shape (F,), or (k,) where the explanation was cut."""
        return _index(self._part("global").ranked())

    @property
    def per_class_values(self) -> FloatArray:
        """Importances for each class, shape (C, F) in feature order; (C, k) ranked where cut."""
        return self._part("per_class").values

    @property
    def per_class_rank(self) -> NDArray[np.integer[Any]]:
        """Positions of the features for each class, most important first, shape (C, F) or (C, k)."""
        return _index(self._part("per_class").ranked())

    @property
    def local_importance_values(self) -> FloatArray:
        """Local importances in feature order: (N, F) for regression, (C, N, F) for classification.

        A single 1-D row drops the row axis. Where the explanation was cut the last axis has k ranked values.
        """
        return self._azure_axes(self._part("local").values)

    @property
    def local_importance_rank(self) -> NDArray[np.integer[Any]]:
        """Positions of the features of each row, most important first, shaped as the local values."""
        return self._azure_axes(_index(self._part("local").ranked()))

    @property
    def ordered_local_importance_values(self) -> FloatArray:
        """Local importances of each row, most important first: what ``get_ranked_local_values()`` returns."""
        return self.get_ranked_local_values()

    @property
    def interaction_values(self) -> FloatArray:
        """Mean absolute interactions of pairs, symmetric: (F, F) for regression, (C, F, F) for classification.

        The diagonal has the main effects, a pair's interaction is shared by its two places. Where the explanation was
        cut, (k, k) or (C, k, k), for the features at ``interactions.positions``.
        """
        values = self._interactions().values
        return values[0] if self.info.task == "regression" else values

    @property
    def eval_data(self) -> NDArray[Any] | None:
        """The rows that were explained, (N, F), or None where they were not kept."""
        return None if self.data is None or self.data.columns is None else self.data.matrix()

    @property
    def eval_y_predicted(self) -> NDArray[Any] | None:
        """The model's predictions for the rows, (N,), or None where they were not kept."""
        return None if self.data is None else self.data.predicted

    @property
    def eval_y_predicted_proba(self) -> NDArray[Any] | None:
        """The model's class probabilities for the rows, (N, C), or None where they were not kept."""
        return None if self.data is None else self.data.predicted_proba

    # --- Ranked ------------------------------------------------------------------------------------------------

    def get_ranked_global_names(self, top_k: int | None = None) -> NDArray[np.object_]:
        """Return the names of the ``top_k`` globally most important features, in order, shape (k,)."""
        return self._part("global").ranked(top_k).names(self.features)

    def get_ranked_global_values(self, top_k: int | None = None) -> FloatArray:
        """Return the global importances of the ``top_k`` most important features, in order, shape (k,)."""
        return self._part("global").ranked(top_k).values

    def get_feature_importance_dict(self, top_k: int | None = None) -> dict[str, float]:
        """Return name and global importance of the ``top_k`` most important features, most important first."""
        ranked = self._part("global").ranked(top_k)
        return dict(zip(ranked.names(self.features).tolist(), ranked.values.tolist(), strict=True))

    def get_ranked_per_class_names(self, top_k: int | None = None) -> NDArray[np.object_]:
        """Return the names of each class's ``top_k`` most important features, shape (C, k)."""
        return self._part("per_class").ranked(top_k).names(self.features)

    def get_ranked_per_class_values(self, top_k: int | None = None) -> FloatArray:
        """Return the importances of each class's ``top_k`` most important features, shape (C, k)."""
        return self._part("per_class").ranked(top_k).values

    def get_ranked_local_names(self, top_k: int | None = None, *, by: Ranking = "magnitude") -> NDArray[np.object_]:
        """Return the names of each row's ``top_k`` most important features, shaped as the local values."""
        return self._azure_axes(self._part("local").ranked(top_k, by=by).names(self.features))

    def get_ranked_local_values(self, top_k: int | None = None, *, by: Ranking = "magnitude") -> FloatArray:
        """Return the importances of each row's ``top_k`` most important features, shaped as the local values.

        ``by="signed"`` ranks by the signed value, as Azure's SDK did; the default by absolute value.
        """
        return self._azure_axes(self._part("local").ranked(top_k, by=by).values)

    def get_ranked_interactions(self, top_k: int | None = None) -> tuple[NDArray[np.object_], FloatArray]:
        """Return the names (P, 2) of the ``top_k`` pairs that interact most, and their values (P,), in order.

        Main effects are left out. With several outputs values are means over them; ``output()`` has those of one.
        """
        positions, values = self._interactions().pairs(top_k)
        return np.array(self.features, dtype=object)[positions], values

    # --- Parts of it -------------------------------------------------------------------------------------------

    def cut(self, top_k: int) -> Explanation:
        """Return the explanation with only the ``top_k`` most important features of every ranking.

        Each class and each row keeps its own. What was left out stays known as a sum, so that rows still add up.
        Interactions are kept of the pairs among the globally most important features (in feature order where there
        are no global importances); of the other pairs nothing is.

        Raises
        ------
        InvalidArgumentError
            ``top_k`` is not between 1 and the number of features (or of those that an earlier cut kept).

        """
        k = check_top_k(top_k, self.info.top_k or self.num_features, was_cut=self.info.top_k is not None)
        local = _cut(widened(self.local_importances, k, self.num_features), k)
        return replace(
            self,
            info=replace(self.info, top_k=k, top_features=()),
            global_importances=_cut(self.global_importances, k),
            per_class_importances=_cut(self.per_class_importances, k),
            local_importances=local,
            interactions=None if self.interactions is None else self.interactions.cut(k, self._global_order()),
            documents=None if self.documents is None or local is None else self.documents.cut(local),
        )

    def get_raw_explanation(
        self, feature_maps: Any, raw_feature_names: Sequence[Any] | None = None, eval_data: Any = None
    ) -> Explanation:
        """Return the explanation of the raw features that these engineered ones were made from.

        Local importances are added up by the shares of the feature maps, so that rows keep their sums; global ones are
        computed from them. Without local importances the global ones are added up instead, and a note says so.

        Parameters
        ----------
        feature_maps : list of matrix, or matrix of shape (raw, engineered)
            Shares of the raw features in the engineered ones, dense or sparse; columns are divided by their sum.
            Several are chained, in the order in which the transformations are applied.
        raw_feature_names : sequence of str, optional
            None: the names of the columns of ``eval_data``, else ``feature_0``, ``feature_1`` and so on.
        eval_data : table of shape (N, raw), optional
            The raw rows that were explained; the explanation keeps them with its predictions.

        Raises
        ------
        InvalidArgumentError
            The maps, names or rows do not fit, weights are negative, or this explanation is of raw features or cut.

        """
        from explanation_client.feature_maps import raw_explanation

        return raw_explanation(self, feature_maps, raw_feature_names, eval_data)

    def __len__(self) -> int:
        """Return N, the number of rows that were explained."""
        return self.info.n_rows

    def __getitem__(self, rows: Any) -> Explanation:
        """Return the local explanation of some rows: an int, a slice, positions, or a mask.

        An int gives a single row, whose accessors drop the row axis. The global parts describe all rows, so that the
        result does not have them.
        """
        local = self._part("local")
        n = self.info.n_rows
        selection = _row_selection(rows, n)
        taken = local.take((slice(None), selection))
        single = isinstance(rows, (int, np.integer))
        info = replace(
            self.info,
            id=new_id(),
            created_at=now(),
            n_rows=taken.shape[1],
            single_row=single,
            parts=(),
            uploaded_at=None,
        )
        if info.n_rows == 0:
            raise InvalidArgumentError(f"rows {rows!r} select none of the {n} explained rows")
        data = None if self.data is None else self.data.take(selection)
        documents = None if self.documents is None else self.documents.take(selection)
        return replace(
            self, info=info, local_importances=taken, data=data,
            global_importances=None, per_class_importances=None, interactions=None, documents=documents,
        )  # fmt: skip

    def output(self, output: int | str) -> Explanation:
        """Return the explanation of one output, by position or name, in the shape of a regression's.

        Global importance is then that output's own.

        Raises
        ------
        InvalidArgumentError
            There is no such output.

        """
        position = _output_position(output, self.info.outputs)
        per_class = self.per_class_importances
        whole = self.global_importances if len(self.info.outputs) == 1 else None
        local = self.local_importances
        info = replace(
            self.info, id=new_id(), created_at=now(), task="regression", parts=(), top_features=(), uploaded_at=None,
            outputs=(self.info.outputs[position],),
        )  # fmt: skip
        return replace(
            self,
            info=info,
            global_importances=whole if per_class is None else per_class.take(position),
            per_class_importances=None,
            local_importances=None if local is None else local.take(np.s_[position : position + 1, :]),
            base_values=None if self.base_values is None else self.base_values[position : position + 1],
            interactions=None if self.interactions is None else self.interactions.take(position),
            documents=None if self.documents is None else self.documents.output(position),
        )

    def to_arrow(self, part: tables.TablePart | None = None, *, output: int | str | None = None) -> pyarrow.Table:
        """Return a part as an Arrow table; see :func:`explanation_client.tables.to_arrow`."""
        return tables.to_arrow(self, self._table_part(part), output=output)

    def to_frame(self, part: tables.TablePart | None = None, *, output: int | str | None = None) -> pandas.DataFrame:
        """Return a part as a pandas DataFrame; see :func:`explanation_client.tables.to_frame`."""
        return tables.to_frame(self, self._table_part(part), output=output)

    # --- In and out --------------------------------------------------------------------------------------------

    @classmethod
    def from_arrays(
        cls,
        *,
        local: Any = None,
        global_: Any = None,
        per_class: Any = None,
        features: Sequence[Any] | None = None,
        classes: Sequence[Any] | None = None,
        base_values: Any = None,
        data: Any = None,
        method: str = "adapter",
        task: str | None = None,
        include_global: bool = True,
        output_space: str | None = None,
    ) -> Explanation:
        """Return the explanation that arrays describe, from whatever package they come.

        Integers become float64, float16 becomes float32; float32 and float64 stay.

        Parameters
        ----------
        local : array, sparse matrix, or list of C of these, optional
            Local importances (N, F) or (C, N, F); (F,) is a single row.
        global_ : array of shape (F,), optional
            None: the mean over the rows and outputs of the absolute local importances.
        per_class : array of shape (C, F), optional
            None: the same for each class.
        features : sequence of str, optional
            None: the names of the columns of ``data``.
        classes : sequence of str, optional
            Names of the C outputs of a classifier. Two for values of one output: they are the second class's, and the
            first's are made from them by turning the sign.
        base_values : float or array of shape (C,), optional
            What the model gives on average.
        data : table of shape (N, F), or EvaluationData, optional
            The rows that were explained.
        method : str
            How the values were computed.
        task : "classification" or "regression", optional
            None: classification where there are classes or several outputs.
        include_global : bool
            Compute the global and per-class importances that are not given.
        output_space : str, optional
            What the values add up to: ``"margin"``, ``"probability"``, ``"log-odds"``, ``"value"``.

        Raises
        ------
        InvalidExplanationError
            The shapes do not fit together, or there is NaN, infinity, or something that is no number.
        InvalidArgumentError
            ``task`` is unknown, or contradicts ``classes``.

        """
        from explanation_client.interop.arrays import from_arrays

        return from_arrays(
            local=local,
            global_=global_,
            per_class=per_class,
            features=features,
            classes=classes,
            base_values=base_values,
            data=data,
            method=method,
            task=task,
            include_global=include_global,
            output_space=output_space,
        )

    @classmethod
    def from_shap(
        cls,
        shap_explanation: Any,
        *,
        classes: Sequence[Any] | None = None,
        task: str | None = None,
        include_global: bool = True,
        features: Sequence[Any] | None = None,
        base_values: Any = None,
        data: Any = None,
        output_space: str | None = None,
        method: str = "shap",
    ) -> Explanation:
        """Return the explanation that the shap package computed.

        Parameters
        ----------
        shap_explanation : shap.Explanation, array, or list of arrays
            Importances of shape (N, F) or (N, F, C), or of one row, (F,) or (F, C); or what ``shap_values()`` returned,
            from older versions a list of C arrays (N, F).
        classes, task, include_global, output_space, method
            As of :meth:`from_arrays`. A binary classifier that shap explains by one margin gets both classes where
            ``classes`` names two, else it looks like a regression.
        features, base_values, data : optional
            Used in place of those of a ``shap.Explanation``; bare arrays have none of their own.

        Raises
        ------
        InvalidExplanationError
            These are interaction values, or not of tabular data, or base values differ between the rows.
        InvalidArgumentError
            This is nothing that shap returns.

        """
        from explanation_client.interop.shap_package import from_shap

        return from_shap(
            shap_explanation,
            classes=classes,
            task=task,
            include_global=include_global,
            features=features,
            base_values=base_values,
            data=data,
            output_space=output_space,
            method=method,
        )

    def to_shap(self, output: int | str | None = None, *, other: str | None = None) -> Any:
        """Return a ``shap.Explanation``, which every plot of the shap package takes.

        Values are (N, F), or (N, F, C) with several outputs, and base values (N,) or (N, C); a single row has no row
        axis. Feature values that are no numbers are in ``display_data``, and as codes in ``data``.

        Parameters
        ----------
        output : int or str, optional
            One output, by position or name: most plots show one. None: all.
        other : str, optional
            For an explanation that was cut: the name of one more feature, which has the sum of what the cut left out
            of each row, so that rows still add up. The features left out are 0 there.

        Raises
        ------
        PartMissingError
            There are no local importances.
        InvalidArgumentError
            There is no such output, or the explanation was cut and ``other`` is not given.
        MissingDependencyError
            shap is not installed.

        """
        from explanation_client.interop.shap_package import to_shap

        return to_shap(self, output, other=other)

    def save_html(
        self,
        path: str | Path,
        *,
        title: str | None = None,
        max_megabytes: float = 10.0,
        language: str | None = None,
        theme: Literal["light", "dark", "auto"] = "auto",
        comparison: Explanation | Sequence[Explanation] | Mapping[str, Explanation] | None = None,
        include_data: bool = True,
    ) -> Path:
        """Write a dashboard as one file that opens without a server and without network, and return its path.

        Charts show a sample of the rows where there are many; figures over all rows are exact, and the page says which
        is which. What needs the model is not in it: see :class:`explanation_client.dashboard.ExplanationDashboard`.

        Parameters
        ----------
        path : str or Path
        title : str, optional
            In the tab of the browser.
        max_megabytes : float
            Rows, then features, are left out until the page has at most so many millions of bytes. What is left out of
            the features is one exact sum.
        language : str, optional
            Such as ``"fr"``. None: that of the browser.
        theme : "light", "dark" or "auto"
        comparison : Explanation, list, or dict of label to explanation, optional
            Explanations to compare this one with.
        include_data : bool
            Put the explained rows into the page, as far as the explanation holds them and the page shows them.

        Raises
        ------
        LimitExceededError
            Names and global importances alone are larger than the page may be.
        InvalidExplanationError
            Importances hold NaN or infinity.

        """
        page = self.to_html(
            title=title,
            max_megabytes=max_megabytes,
            language=language,
            theme=theme,
            comparison=comparison,
            include_data=include_data,
        )
        target = Path(path)
        target.write_text(page, encoding="utf-8", newline="")
        return target

    def to_html(
        self,
        *,
        title: str | None = None,
        max_megabytes: float = 10.0,
        language: str | None = None,
        theme: Literal["light", "dark", "auto"] = "auto",
        comparison: Explanation | Sequence[Explanation] | Mapping[str, Explanation] | None = None,
        include_data: bool = True,
    ) -> str:
        """Return the page that :meth:`save_html` writes."""
        from explanation_client.dashboard import explanation_page

        return explanation_page(
            self,
            title=title,
            max_megabytes=max_megabytes,
            language=language,
            theme=theme,
            comparison=comparison,
            include_data=include_data,
        ).decode()

    def to_spark(self, session: SparkSession) -> SparkFrame:
        """Return the local importances as a DataFrame of Spark, in the columns of ``to_arrow("local")``.

        Of a downloaded explanation the executors read the shards; see :func:`explanation_client.spark.to_spark`.

        Parameters
        ----------
        session : pyspark.sql.SparkSession

        Raises
        ------
        PartMissingError
            There are no local importances.
        MissingDependencyError
            pyspark is not installed.

        """
        from explanation_client.spark import to_spark

        return to_spark(self, session)

    # --- As a value --------------------------------------------------------------------------------------------

    def load(self) -> Explanation:
        """Return the explanation with every part in memory."""
        local, interactions = self.local_importances, self.interactions
        return replace(
            self,
            local_importances=None if local is None else local.load(),
            interactions=None if interactions is None else interactions.load(),
            documents=None if self.documents is None else self.documents.load(),
        )

    def check_finite(self) -> None:
        """Raise ``InvalidExplanationError`` naming the first NaN or infinity in importances or base values."""
        parts = (
            ("global", self.global_importances),
            ("per-class", self.per_class_importances),
            ("local", self.local_importances),
        )
        for name, importances in parts:
            if importances is not None:
                check_finite(importances.values, self.features, name)
        if self.interactions is not None:
            self.interactions.check_finite(self.features)
        if self.documents is not None:
            self.documents.check_finite()
        if self.base_values is not None and not np.isfinite(self.base_values).all():
            raise InvalidExplanationError(f"base values must be finite, got {self.base_values.tolist()}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Explanation):
            return NotImplemented
        blank = dict.fromkeys(_RECORD_FIELDS)
        return (
            {**self.info.to_dict(), **blank} == {**other.info.to_dict(), **blank}
            and self.features == other.features
            and same_bits(self.base_values, other.base_values)
            and (self.data is None) == (other.data is None)
            and (self.data is None or other.data is None or self.data.same_as(other.data))
            and _same(self.global_importances, other.global_importances)
            and _same(self.per_class_importances, other.per_class_importances)
            and _same(self.local_importances, other.local_importances)
            and _same(self.interactions, other.interactions)
            and _same(self.documents, other.documents)
        )

    __hash__ = None  # type: ignore[assignment]  # arrays are compared by content, and content is no key

    def __repr__(self) -> str:
        return display.text(self)

    def _repr_html_(self) -> str:
        card = display.html(self)
        # One document is shown as it reads; many would bury the page.
        is_one = self.documents is not None and self.documents.is_loaded and len(self.documents) == 1
        return card + self.documents[0].to_html() if self.documents is not None and is_one else card

    # --- Inside ------------------------------------------------------------------------------------------------

    def _part(self, part: Part) -> AnyImportances:
        importances = {
            "global": self.global_importances,
            "per_class": self.per_class_importances,
            "local": self.local_importances,
        }[part]
        if importances is None:
            raise self._missing(f"{part.replace('_', '-')} importances")
        return importances

    def _interactions(self) -> AnyInteractions:
        if self.interactions is None:
            raise self._missing("interactions")
        return self.interactions

    def _global_order(self) -> NDArray[np.int32]:
        """Return positions of features, most important first; in feature order where nothing says."""
        if self.global_importances is None:
            return np.arange(self.num_features, dtype=np.int32)
        ranked = self.global_importances.load()
        return _index(ranked if ranked.is_ranked else ranked.ranked()).astype(np.int32, copy=False)

    def _table_part(self, part: tables.TablePart | None) -> tables.TablePart:
        if part not in ("global", "per_class", "local", "interactions", None):
            raise InvalidArgumentError(f"part={part!r}: 'global', 'per_class', 'local' or 'interactions'")
        if part == "interactions":
            self._interactions()
            return part
        chosen: Part = part or ("local" if self.global_importances is None else "global")
        self._part(chosen)
        return chosen

    def _missing(self, what: str) -> PartMissingError:
        reason = {
            "pfi": "permutation importance gives global importances only",
            "lime": "LIME explains rows only",
        }.get(self.info.method)
        if reason is None and what.startswith("per-class") and self.info.task == "regression":
            reason = "a regression has no classes"
        if reason is None and what == "interactions" and self.global_importances is not None:
            reason = "compute them with TreeExplainer(model, interactions=True).explain_global(rows)"
        if reason is None and what.startswith(("global", "per-class", "interactions")):
            reason = "it explains rows only: call explain_global for an explanation of all rows"
        if reason is None and what.startswith("local"):
            reason = "only aggregates over the rows were kept: explain with include_local=True"
        explained = reason or "the explainer that made it gives none"
        return PartMissingError(f"this explanation ({display.shown(self.info.method)}) has no {what}: {explained}")

    def _azure_axes(self, values: NDArray[Any]) -> NDArray[Any]:
        """Drop the axes that Azure's SDK drops: the output of a regression, the row of a single 1-D row."""
        if self.info.single_row:
            values = values[:, 0]
        return values[0] if self.info.task == "regression" else values

    def _shape_problems(self) -> Iterable[str]:
        info, n_features = self.info, len(self.features)
        if info.n_features != n_features:
            yield f"info says {info.n_features} features, {n_features} names were given"
        outputs, rows = len(info.outputs), info.n_rows
        wanted: tuple[tuple[str, AnyImportances | None, tuple[int, ...]], ...] = (
            ("global", self.global_importances, ()),
            ("per-class", self.per_class_importances, (outputs,)),
            ("local", self.local_importances, (outputs, rows)),
        )
        for name, importances, leading in wanted:
            if importances is None:
                continue
            kept = importances.shape[-1] if importances.is_ranked else n_features
            if importances.shape != (*leading, kept):
                yield f"{name} importances have shape {importances.shape}, expected {(*leading, kept)}"
            if kept > n_features:
                yield f"{name} importances keep {kept} of {n_features} features"
        if self.local_importances is not None and rows == 0:
            yield "there are no rows: nothing to explain"
        if self.base_values is not None and self.base_values.shape != (outputs,):
            yield f"base values have shape {self.base_values.shape}, expected {(outputs,)}"
        yield from interaction_problems(self.interactions, outputs, n_features)
        yield from document_problems(self.documents, rows, outputs, n_features)
        if self.documents is not None and self.local_importances is None:
            yield "there are documents and no local importances"
        if self.data is not None and not self.data.is_empty and self.data.n_rows != rows:
            yield f"evaluation data has {self.data.n_rows} rows, {rows} were explained"
        if all(part is None for _, part, _ in wanted):
            yield "there are neither global, per-class nor local importances"


def _cut(importances: AnyImportances | None, top_k: int) -> AnyImportances | None:
    if importances is None:
        return None
    return importances.ranked(top_k) if isinstance(importances, Importances) else importances.cut(top_k)


def _index(ranked: Importances) -> NDArray[np.integer[Any]]:
    return ranked.index if ranked.index is not None else np.arange(ranked.shape[-1], dtype=np.int32)


def _same(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    return bool(a.same_as(b))


def _row_selection(rows: Any, n: int) -> slice | NDArray[Any]:
    """Return a slice or positions; an int becomes a slice, so that unread parts stay unread."""
    if isinstance(rows, (int, np.integer)) and not isinstance(rows, bool):
        if not -n <= rows < n:
            raise InvalidArgumentError(f"row {rows} is out of range: {n} rows were explained")
        first = int(rows) % n
        return slice(first, first + 1)
    if isinstance(rows, slice):
        return rows
    selection = np.asarray(rows)
    if selection.ndim != 1 or selection.dtype.kind not in "iub" or (selection.dtype == bool and len(selection) != n):
        raise InvalidArgumentError(f"select rows by an int, a slice, a list of positions, or a mask of {n} booleans")
    if selection.dtype != bool and selection.size and not (-n <= selection.min() and selection.max() < n):
        raise InvalidArgumentError(f"rows {rows!r} are out of range: {n} rows were explained")
    return selection


def _output_position(output: int | str, outputs: tuple[str, ...]) -> int:
    if isinstance(output, str) and output in outputs:
        return outputs.index(output)
    if isinstance(output, (int, np.integer)) and not isinstance(output, bool) and 0 <= output < len(outputs):
        return int(output)
    raise InvalidArgumentError(f"output {output!r} does not exist: 0 to {len(outputs) - 1}, or one of {list(outputs)}")
