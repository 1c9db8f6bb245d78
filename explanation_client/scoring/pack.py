"""A scoring explainer as bytes: a description, and files that hold what is too large for it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.deep.explainer import DeepExplainer
from explanation_client.explainers.deep.state import state_of
from explanation_client.explainers.feature_map import FeatureMap
from explanation_client.explainers.inputs import Schema, Table
from explanation_client.explainers.kernel import KernelExplainer
from explanation_client.explainers.list_transformation import ListTransformation
from explanation_client.explainers.model import PROBABILITY, Model
from explanation_client.explainers.tree import TreeExplainer
from explanation_client.scoring.arrays import pack_arrays
from explanation_client.scoring.attributors import ExplainerAttributor, SumAttributor
from explanation_client.scoring.base import ScoringExplainer
from explanation_client.scoring.description import Bundle, named, write_description
from explanation_client.scoring.encoding import Levels
from explanation_client.scoring.models import pack_model, pack_transformer, pickled_model
from explanation_client.scoring.networks import Packed, holds_network, pack_network
from explanation_client.scoring.parts import Attributor, Parts, Predictor, ScoringInfo
from explanation_client.scoring.predictors import ModelPredictor, SumPredictor
from explanation_client.scoring.rows import Inputs
from explanation_client.scoring.selftest import pack_selftest
from explanation_client.scoring.shares import pack_shares, shares_document
from explanation_client.scoring.sums import LinearSum, TreeSum
from explanation_client.scoring.tables import TYPES, pack_table, plain_scalars
from explanation_client.scoring.trees import ensemble_arrays, ensemble_document

_LABEL_TYPES = {"b": "bool", "i": "int", "u": "int", "f": "float", "U": "str"}


def pack(scoring_explainer: ScoringExplainer, *, allow_pickle: bool = False) -> Bundle:
    """Return a scoring explainer as bytes.

    Parameters
    ----------
    scoring_explainer : ScoringExplainer
    allow_pickle : bool
        Pickle what there is no other way to store. Loading it runs code that is in the file.

    Raises
    ------
    InvalidArgumentError
        Something can only be pickled, and ``allow_pickle`` does not say that it may.

    """
    return _Packer(scoring_explainer, allow_pickle).bundle()


class _Packer:
    def __init__(self, scoring_explainer: ScoringExplainer, allow_pickle: bool) -> None:
        self._explainer = scoring_explainer
        self._allow_pickle = allow_pickle
        self._files: dict[str, bytes] = {}

    def bundle(self) -> Bundle:
        parts = self._explainer._parts
        body: dict[str, Any] = {
            "kind": self._explainer.kind,
            "info": info_document(parts.info),
            "task": parts.task,
            "outputs": list(parts.outputs),
            "inputs": inputs_document(parts.inputs),
            "columns": schema_document(parts.columns),
            "transformation": self._transformation(parts.transformation),
            "maps": self._maps(parts),
            "subset": None if parts.subset is None else parts.subset.tolist(),
            "attributor": self._attributor(parts.attributor),
            "predictor": self._predictor(parts.predictor),
            "model": self._model(parts),
        }
        document, files = pack_selftest(self._explainer)
        body["selftest"] = document
        for role, suffix, data in files:
            self._add(role, suffix, data)
        return Bundle(write_description(body, self._files), self._files)

    def _add(self, role: str, suffix: str, data: bytes) -> None:
        name, data = named(role, suffix, data)
        self._files[name] = data

    def _transformation(self, feature_map: FeatureMap | None) -> dict[str, Any] | None:
        if feature_map is None:
            return None
        fitted = feature_map.transformation
        stored: Any = fitted
        is_list = isinstance(fitted, ListTransformation)
        if isinstance(fitted, ListTransformation):
            stored = [[columns, list(steps)] for columns, steps in fitted.parts]
        document, suffix, data = pack_transformer(stored, allow_pickle=self._allow_pickle)
        self._add("transformation", suffix, data)
        self._add("shares", "parquet", pack_shares(feature_map.weights))
        return {
            **document,
            "is_list": is_list,
            "as_frame": feature_map.as_frame,
            "names": None if feature_map.names is None else list(feature_map.names),
            "engineered_names": None if feature_map.engineered_names is None else list(feature_map.engineered_names),
            "shares": shares_document(feature_map.weights),
        }

    def _maps(self, parts: Parts) -> dict[str, Any] | None:
        if parts.weights is None or parts.raw_names is None:
            return None
        self._add("maps", "parquet", pack_shares(parts.weights))
        return {"names": list(parts.raw_names), "shares": shares_document(parts.weights)}

    def _attributor(self, attributor: Attributor) -> dict[str, Any]:
        if isinstance(attributor, SumAttributor):
            return self._sums(attributor)
        assert isinstance(attributor, ExplainerAttributor)
        explainer = attributor.explainer
        if isinstance(explainer, KernelExplainer):
            document, suffix, data = pack_table(explainer._summary, "the background")
            self._add("background", suffix, data)
            return {
                "type": "kernel",
                "nsamples": explainer._nsamples,
                "l1_reg": explainer._l1_reg,
                "seed": explainer._seed,
                "estimator": explainer._estimator,
                "background": document,
            }
        if isinstance(explainer, DeepExplainer):
            return self._deep(explainer)
        assert isinstance(explainer, TreeExplainer)
        return {"type": "package", "output": PROBABILITY if explainer._carried else "default"}

    def _deep(self, explainer: DeepExplainer) -> dict[str, Any]:
        state = state_of(explainer)
        document, suffix, data = pack_table(Table(state.background, weights=state.weights), "the background")
        self._add("background", suffix, data)
        return {
            "type": "deep",
            "method": state.method,
            "output": state.shap_values_output,
            "broken_paths": state.broken_paths,
            "seed": state.seed,
            "background": document,
        }

    def _model(self, parts: Parts) -> dict[str, Any] | None:
        """Return what the model is, where something needs it."""
        model = _needed_model(parts)
        if model is None:
            return None
        document, suffix, data = self._packed_model(model, parts)
        self._add("model", suffix, data)
        return {**document, "is_function": model.is_function}

    def _packed_model(self, model: Model, parts: Parts) -> Packed:
        if not holds_network(model.given):
            given = model.given if model.is_function else model.estimator
            return pack_model(given, allow_pickle=self._allow_pickle)
        serializer = getattr(parts.attributor, "serializer", None)
        try:
            return pack_network(model.given, parts.columns.n_features, serializer)
        except InvalidArgumentError:
            if not self._allow_pickle:
                raise
        return pickled_model(model.given)

    def _sums(self, attributor: SumAttributor) -> dict[str, Any]:
        levels = attributor.levels
        document = {
            "type": "sums",
            "n_outputs": attributor.n_outputs,
            "unstored_is_missing": attributor.unstored_is_missing,
            "output": attributor.output,
            "link": attributor.link,
            "scale": attributor.scale,
            "takes_missing": attributor.takes_missing,
            "takes_infinite": attributor.takes_infinite,
        }
        sums = attributor.sums
        arrays: dict[str, NDArray[Any]] = {}
        if isinstance(sums, LinearSum):
            document["sums"] = {"type": "linear"}
            arrays |= {"coefficients": sums.coefficients, "intercepts": sums.intercepts, "mean": sums.mean}
        else:
            assert isinstance(sums, TreeSum)
            document["sums"] = _trees_document(sums)
            arrays |= _trees_arrays(sums)
        document["levels"] = levels_document(levels)
        if levels.fill is not None:
            arrays["fill"] = levels.fill
        self._add("linear" if isinstance(sums, LinearSum) else "trees", "npz", pack_arrays(arrays))
        return document

    def _predictor(self, predictor: Predictor | None) -> dict[str, Any] | None:
        if predictor is None:
            return None
        if isinstance(predictor, SumPredictor):
            return {
                "type": "sums",
                "rule": predictor.rule,
                "link": predictor.link,
                "scale": predictor.scale,
                "labels": labels_document(predictor.labels),
            }
        assert isinstance(predictor, ModelPredictor)
        labels = predictor.labels
        model = predictor.model
        if labels is None and not model.is_function and model.task == "classification":
            # A booster knows positions only, and is what a model of LightGBM is stored as.
            labels = np.asarray(model.estimator.classes_)
        return {"type": "model", "labels": labels_document(labels)}


def _needed_model(parts: Parts) -> Model | None:
    """Return the model, None where the sums say all that is asked."""
    if isinstance(parts.attributor, ExplainerAttributor):
        return parts.attributor.explainer._model
    return parts.predictor.model if isinstance(parts.predictor, ModelPredictor) else None


def _trees_document(sums: TreeSum) -> dict[str, Any]:
    return {
        "type": "trees",
        "n_outputs": sums.n_outputs,
        "n_columns": sums.n_columns,
        "members": [
            {"weight": member.weight, "outputs": member.outputs.tolist(), **ensemble_document(member.tables.ensemble)}
            for member in sums.members
        ],
    }


def _trees_arrays(sums: TreeSum) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for i, member in enumerate(sums.members):
        arrays |= {f"{i}.{name}": array for name, array in ensemble_arrays(member.tables.ensemble).items()}
        if member.columns is not None:
            arrays[f"{i}.columns"] = np.asarray(member.columns, np.int64)
        if member.tables.interventional:
            arrays[f"{i}.background"] = np.asarray(member.tables._rows)
    return arrays


def info_document(info: ScoringInfo) -> dict[str, Any]:
    """Return what a listing shows, as JSON says it."""
    return {
        "id": info.id,
        "created_at": info.created_at.isoformat(),
        "explained_by": info.explained_by,
        "output_space": info.output_space,
        "model_type": info.model_type,
        "reason": info.reason,
        "notes": list(info.notes),
        "made_with": [list(pair) for pair in info.made_with],
    }


def schema_document(schema: Schema) -> dict[str, Any]:
    """Return the columns of a table, as JSON says them."""
    return {
        "features": list(schema.features),
        "names": None if schema.names is None else list(schema.names),
    }


def inputs_document(inputs: Inputs) -> dict[str, Any]:
    """Return how rows are read, as JSON says it.

    Raises
    ------
    InvalidArgumentError
        A column is of a type, or has a category, that a file has no place for.

    """
    for j, kind in enumerate(inputs.types or ()):
        if kind not in TYPES:
            raise InvalidArgumentError(
                f"column {inputs.schema.features[j]!r} is of type {kind}, which a scoring explainer is not saved with: "
                "train on numbers, texts, categories, or dates without a time zone"
            )
    return {
        **schema_document(inputs.schema),
        "types": None if inputs.types is None else list(inputs.types),
        "levels": {
            str(j): list(plain_scalars(levels, f"column {inputs.schema.features[j]!r}"))
            for j, levels in inputs.levels.items()
        },
        "as_frame": inputs.as_frame,
    }


def levels_document(levels: Levels) -> dict[str, Any]:
    """Return how columns become numbers, as JSON says it; without what stands for missing ones."""
    design = levels.design
    return {
        "codes": {str(j): list(known) for j, known in levels.codes.items()},
        "design": None if design is None else {str(j): codes.tolist() for j, codes in design.levels.items()},
        "n_features": 0 if design is None else design.n_features,
    }


def labels_document(labels: NDArray[Any] | None) -> dict[str, Any] | None:
    """Return a model's labels, as JSON says them.

    Raises
    ------
    InvalidArgumentError
        They are no texts, numbers or truth values.

    """
    if labels is None:
        return None
    values = labels.tolist()
    kind = _LABEL_TYPES.get(labels.dtype.kind)
    if kind is None and all(isinstance(value, str) for value in values):
        kind = "str"
    if kind is None:
        raise InvalidArgumentError(
            f"the model's labels are of {labels.dtype}, {values[:3]}: train it on texts, whole numbers or truth values"
        )
    return {"type": kind, "values": values}
