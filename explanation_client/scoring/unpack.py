"""A scoring explainer from bytes that anybody may have made: everything is held to its description and to sense."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import (
    CorruptFileError,
    ExplanationError,
    InvalidArgumentError,
    InvalidManifestError,
    MissingDependencyError,
    UnsupportedModelError,
)
from explanation_client.explainers.boosters import BoosterModel
from explanation_client.explainers.deep.estimators import NetworkClassifier
from explanation_client.explainers.deep.explainer import DeepExplainer
from explanation_client.explainers.deep.state import DeepState, explainer_of
from explanation_client.explainers.feature_map import FeatureMap
from explanation_client.explainers.inputs import Schema, Table
from explanation_client.explainers.kernel import KernelExplainer
from explanation_client.explainers.list_transformation import ListTransformation
from explanation_client.explainers.model import Model
from explanation_client.explainers.reading import read_model
from explanation_client.explainers.tree import TreeExplainer
from explanation_client.format.audit import Audit
from explanation_client.scoring.arrays import unpack_arrays
from explanation_client.scoring.attributors import ExplainerAttributor, Output, SumAttributor
from explanation_client.scoring.base import ScoringExplainer
from explanation_client.scoring.deep import DeepScoringExplainer
from explanation_client.scoring.description import Bundle, File, check_file, read_description
from explanation_client.scoring.kernel import KernelScoringExplainer
from explanation_client.scoring.linear import LinearScoringExplainer
from explanation_client.scoring.models import unpack_model, unpack_transformer
from explanation_client.scoring.networks import FORMATS, Serializer, unpack_network
from explanation_client.scoring.parts import Attributor, Parts, Predictor
from explanation_client.scoring.predictors import ModelPredictor, Rule, SumPredictor
from explanation_client.scoring.reading import (
    one_of,
    read_encoding,
    read_head,
    read_labels,
    read_linear,
    read_trees,
)
from explanation_client.scoring.selftest import LOOSEST, replay
from explanation_client.scoring.shares import unpack_shares
from explanation_client.scoring.sums import Sums
from explanation_client.scoring.tables import unpack_table
from explanation_client.scoring.tree import TreeScoringExplainer
from explanation_client.treeshap.ensemble import Link

_KINDS: dict[str, type[ScoringExplainer]] = {
    "tree": TreeScoringExplainer,
    "linear": LinearScoringExplainer,
    "kernel": KernelScoringExplainer,
    "deep": DeepScoringExplainer,
}


def unpack(
    bundle: Bundle,
    *,
    allow_pickle: bool = False,
    serializer: Serializer | None = None,
    compiled: bool | None = None,
) -> ScoringExplainer:
    """Return the scoring explainer of some bytes, tested.

    Raises
    ------
    StoredDataError
        The bytes are not those that were saved, contradict themselves, or do not make what was saved.

    """
    document, files = read_description(bundle.description)
    return _Unpacker(document, files, bundle.files, allow_pickle, serializer, compiled).scoring_explainer()


class _Unpacker:
    def __init__(
        self,
        document: dict[str, Any],
        files: list[File],
        data: Mapping[str, bytes],
        allow_pickle: bool,
        serializer: Serializer | None,
        compiled: bool | None,
    ) -> None:
        self._document = document
        self._audit = Audit("the description of the scoring explainer")
        self._files = {file.role: (file.name, check_file(file, data[file.name])) for file in files}
        self._allow_pickle, self._serializer, self._compiled = allow_pickle, serializer, compiled

    def scoring_explainer(self) -> ScoringExplainer:
        model = self._document.get("model")
        if isinstance(model, dict) and model.get("format") == "serializer" and self._serializer is None:
            raise InvalidArgumentError(
                "the network was written by a serializer, which is code of yours: pass the same one to "
                "load(serializer=...)"
            )
        try:
            made, tolerance = self._made()
        except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
            raise InvalidManifestError(
                f"the description of the scoring explainer contradicts itself: {str(error)[:200]}"
            ) from error
        name, expected = self._file("expected")
        replay(made, expected, tolerance, name=name)
        return made

    def _made(self) -> tuple[ScoringExplainer, float]:
        document, audit = self._document, self._audit
        head = read_head(document, audit)
        test = audit.field(document, "selftest", dict, "") or {}
        tolerance = audit.field(test, "tolerance", float, "selftest")
        audit.finish()
        assert head is not None
        assert tolerance is not None
        if not 0.0 <= tolerance <= LOOSEST:
            raise ValueError(f"a tolerance of {tolerance}")
        self._inputs, self._columns = head.inputs, head.columns
        self._task, self._outputs = head.task, head.outputs
        examples = self._table(test.get("table"), "examples", "selftest.table")
        transformation = self._transformation()
        weights, raw_names = self._maps(head.inputs.schema.n_features)
        self._rows = self._in_columns(examples, transformation)
        self._model = self._read_model()
        attributor = self._attributor()
        parts = Parts(
            info=head.info,
            task=head.task,
            outputs=head.outputs,
            inputs=head.inputs,
            columns=head.columns,
            transformation=transformation,
            weights=weights,
            raw_names=raw_names,
            subset=self._subset(head.inputs.schema.n_features),
            attributor=attributor,
            predictor=self._predictor(attributor),
            examples=examples,
        )
        return _KINDS[head.kind].of_parts(parts), tolerance

    def _in_columns(self, examples: Table, transformation: FeatureMap | None) -> Table:
        """Return the example rows in the columns of the model."""
        rows = self._inputs.read(examples.data)
        return rows if transformation is None else self._columns.align(transformation.transform(rows))

    # --- Files -----------------------------------------------------------------------------------------------------

    def _file(self, role: str) -> tuple[str, bytes]:
        """Return name and bytes of the file of a role."""
        if role not in self._files:
            raise InvalidManifestError(f"the scoring explainer has no file {role}-*")
        return self._files[role]

    def _table(self, document: Any, role: str, where: str) -> Table:
        name, data = self._file(role)
        found = None
        if not isinstance(document, dict):
            self._audit.note(where, "is missing")
        else:
            found = unpack_table(document, data, self._audit, where, name=name)
        self._audit.finish()
        assert found is not None
        return found

    # --- Parts -----------------------------------------------------------------------------------------------------

    def _subset(self, n_features: int) -> NDArray[np.intp] | None:
        found = self._document.get("subset")
        if found is None:
            return None
        positions = np.array(found, np.intp)
        if positions.ndim != 1 or not 0 <= positions.min() <= positions.max() < n_features:
            raise ValueError("the subset of features lies outside of them")
        return positions

    def _transformation(self) -> FeatureMap | None:
        document = self._document["transformation"]
        if document is None:
            return None
        name, data = self._file("transformation")
        fitted = unpack_transformer(document, data, name=name, allow_pickle=self._allow_pickle)
        if document["is_list"]:
            fitted = ListTransformation.of([(columns, steps) for columns, steps in fitted])
        if not hasattr(fitted, "transform"):
            raise CorruptFileError(f"{name}: holds no transformers")
        names = self._audit.list_of(document, "names", str, "transformation", optional=True)
        engineered = self._audit.list_of(document, "engineered_names", str, "transformation", optional=True)
        weights = self._shares(document["shares"], "shares", "transformation.shares")
        widths = (self._inputs.schema.n_features, self._columns.n_features)
        if weights.shape != widths or (engineered is not None and len(engineered) != widths[1]):
            raise ValueError(f"shares of shape {weights.shape} for {widths} columns")
        return FeatureMap(
            transformation=fitted,
            weights=weights,
            as_frame=bool(document["as_frame"]),
            names=names,
            engineered_names=engineered,
        )

    def _maps(self, n_columns: int) -> tuple[NDArray[np.float64] | None, tuple[str, ...] | None]:
        document = self._document["maps"]
        if document is None:
            return None, None
        names = self._audit.list_of(document, "names", str, "maps")
        weights = self._shares(document["shares"], "maps", "maps.shares")
        if names is None or len(set(names)) != len(names) or weights.shape != (len(names), n_columns):
            raise ValueError(f"feature maps of shape {weights.shape} for {n_columns} columns")
        return weights, names

    def _shares(self, document: dict[str, Any], role: str, where: str) -> Any:
        name, data = self._file(role)
        found = unpack_shares(document, data, self._audit, where, name=name)
        self._audit.finish()
        return found

    def _read_model(self) -> Model | None:
        document = self._document["model"]
        if document is None:
            return None
        name, data = self._file("model")
        if document["format"] in FORMATS:
            given = unpack_network(document, data, name=name, serializer=self._serializer)
        else:
            given = unpack_model(document, data, name=name, allow_pickle=self._allow_pickle)
        try:
            return read_model(
                given,
                background=self._rows,
                classes=self._outputs if self._task == "classification" else None,
                model_task=self._task,
                is_function=bool(document["is_function"]),
            )
        except MissingDependencyError:
            raise
        except ExplanationError as error:
            raise CorruptFileError(f"{name}: holds another model than the description says: {error}") from error

    def _attributor(self) -> Attributor:
        document = self._document["attributor"]
        kind = one_of(document["type"], ("sums", "kernel", "package", "deep"))
        if kind == "sums":
            return self._sums(document, self._columns, len(self._outputs))
        if self._model is None:
            raise ValueError("the model is missing")
        try:
            explainer = {"kernel": self._kernel, "package": self._package, "deep": self._deep}[kind](document)
        except (InvalidArgumentError, UnsupportedModelError) as error:
            raise InvalidManifestError(
                f"the description of the scoring explainer contradicts itself: {error}"
            ) from error
        if explainer._model_schema.n_features != self._columns.n_features:
            raise ValueError(f"a model of {explainer._model_schema.n_features} columns")
        return ExplainerAttributor(explainer, self._rows.take(slice(0, 1)), self._serializer)

    def _kernel(self, document: dict[str, Any]) -> KernelExplainer:
        """Return the Kernel explainer of the model and the stored background."""
        assert self._model is not None
        background = self._table(document["background"], "background", "attributor.background")
        return KernelExplainer(
            self._model.given,
            background,
            is_function=self._model.is_function,
            nsamples=document["nsamples"],
            nclusters=max(1, background.shape[0]),
            l1_reg=document["l1_reg"],
            seed=int(document["seed"]),
            estimator=document["estimator"],
            features=self._columns.features,
            classes=self._model.outputs if self._task == "classification" else None,
            model_task=self._task,
            show_progress=False,
        )

    def _deep(self, document: dict[str, Any]) -> DeepExplainer:
        """Return the explainer of the network and the stored background."""
        assert self._model is not None
        background = self._table(document["background"], "background", "attributor.background")
        if not isinstance(background.data, np.ndarray) or background.weights is None:
            raise ValueError("the background of a network is no weighted array")
        return explainer_of(
            DeepState(
                model=self._model.given,
                background=background.data,
                weights=background.weights,
                features=self._columns.features,
                task=self._task,
                classes=self._outputs if self._task == "classification" else None,
                method=str(document["method"]),
                shap_values_output=str(document["output"]),
                broken_paths=bool(document["broken_paths"]),
                seed=int(document["seed"]),
            ),
            show_progress=False,
        )

    def _package(self, document: dict[str, Any]) -> TreeExplainer:
        """Return the explainer that asks the model's own package."""
        assert self._model is not None
        return TreeExplainer(
            self._model.given,
            self._rows.data,
            features=self._columns.features,
            classes=self._model.outputs if self._task == "classification" else None,
            model_task=self._task,
            show_progress=False,
            shap_values_output=document["output"],
        )

    def _sums(self, document: dict[str, Any], columns: Schema, n_outputs: int) -> SumAttributor:
        kind = document["sums"]["type"]
        name, data = self._file("linear" if kind == "linear" else "trees")
        arrays = unpack_arrays(data, name=name)
        fill = arrays.pop("fill", None)
        sums: Sums
        if kind == "linear":
            sums = read_linear(arrays, name)
            width = sums.coefficients.shape[1]
            outputs = len(sums.coefficients)
        else:
            sums = read_trees(document["sums"], arrays, name, self._compiled)
            width, outputs = sums.n_columns, sums.n_outputs
        levels = read_encoding(document["levels"], fill, columns.n_features, width)
        if outputs not in ((1, 2) if n_outputs == 2 else (n_outputs,)):
            raise ValueError(f"{outputs} sums for {n_outputs} outputs")
        output = one_of(document["output"], get_args(Output))
        teacher = None
        if output == "teacher probability":
            if self._model is None:
                raise ValueError("the model is missing")
            teacher = ModelPredictor(self._model).predict_proba
        return SumAttributor(
            sums,
            n_outputs,
            columns.features,
            levels,
            unstored_is_missing=bool(document["unstored_is_missing"]),
            output=cast(Output, output),
            link=cast(Link, one_of(document["link"], get_args(Link))),
            scale=float(document["scale"]),
            teacher=teacher,
            takes_missing=bool(document["takes_missing"]),
            takes_infinite=bool(document["takes_infinite"]),
        )

    def _predictor(self, attributor: Attributor) -> Predictor | None:
        document = self._document["predictor"]
        if document is None:
            return None
        labels = read_labels(document["labels"])
        if labels is not None and len(labels) != len(self._outputs):
            raise ValueError("the labels are not those of the outputs")
        if document["type"] == "model" and self._model is not None:
            # A model that knows its labels says them itself.
            return ModelPredictor(self._model, labels if _knows_positions(self._model) else None)
        if (labels is None) != (self._task == "regression"):
            raise ValueError("the labels are not those of the task")
        if document["type"] == "sums" and isinstance(attributor, SumAttributor):
            return SumPredictor(
                attributor,
                labels,
                cast(Rule, one_of(document["rule"], get_args(Rule))),
                cast(Link, one_of(document["link"], get_args(Link))),
                float(document["scale"]),
            )
        raise ValueError(f"there is no predictor of type {str(document['type'])[:40]!r}")


def _knows_positions(model: Model) -> bool:
    """Whether a model says positions of classes, not labels: boosters, and networks without an estimator around."""
    return isinstance(model.estimator, (BoosterModel, NetworkClassifier))
