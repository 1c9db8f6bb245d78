"""From an explainer to the parts of a scoring explainer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers.base import Explainer
from explanation_client.explainers.deep.explainer import DeepExplainer
from explanation_client.explainers.inputs import Schema, Table, read_table
from explanation_client.explainers.kernel import KernelExplainer
from explanation_client.explainers.linear import LinearExplainer
from explanation_client.explainers.mimic import MimicExplainer
from explanation_client.explainers.record import _packages_of
from explanation_client.explainers.tabular import TabularExplainer
from explanation_client.explainers.tree import TreeExplainer
from explanation_client.feature_maps import chained
from explanation_client.info import new_id, now, versions
from explanation_client.scoring.attributors import ExplainerAttributor, SumAttributor
from explanation_client.scoring.base import ScoringExplainer, read_names
from explanation_client.scoring.examples import N_EXAMPLES, made_up, mixed
from explanation_client.scoring.parts import Attributor, Parts, Predictor, ScoringInfo
from explanation_client.scoring.predictors import ModelPredictor, SumPredictor, sum_predictor
from explanation_client.scoring.refusals import takes
from explanation_client.scoring.rows import Inputs

if TYPE_CHECKING:
    from explanation_client.explainers.model import Model

# Rows on which predictions from sums are held to the model's own before they stand for them.
_TRIED_ROWS = 500


def create_scoring_explainer(
    explainer: Any,
    evaluation_examples: Any = None,
    *,
    data_transformer: Any = None,
    feature_maps: Any = None,
    keep_model: bool = True,
) -> ScoringExplainer:
    """Return the scoring explainer that fits an explainer.

    Parameters
    ----------
    explainer : Explainer or TabularExplainer
        Of a MimicExplainer the surrogate is explained.
    evaluation_examples : table of shape (N, F), optional
        Rows as they will come in. They are not stored: what is tested at each load are mixtures of them, and on these
        rows predictions from the parsed model are held to its own.
    data_transformer : None
        Refused: transformations belong to the explainer, which takes them as ``transformations=``.
    feature_maps : list of matrix of shape (R, F), optional
        Shares of raw features in the columns that are passed, for ``explain(rows, get_raw=True)``.
    keep_model : bool
        Keep what predicts. Without it the scoring explainer explains only.

    Raises
    ------
    UnsupportedModelError
        There is no scoring explainer for this explainer.
    InvalidArgumentError
        An argument does not fit the explainer.

    """
    from explanation_client.scoring.deep import DeepScoringExplainer
    from explanation_client.scoring.kernel import KernelScoringExplainer
    from explanation_client.scoring.linear import LinearScoringExplainer
    from explanation_client.scoring.tree import TreeScoringExplainer

    if data_transformer is not None:
        raise InvalidArgumentError(
            "data_transformer= is not used here: pass transformations= to the explainer, and the scoring explainer "
            "takes raw rows"
        )
    kinds: dict[str, Callable[..., ScoringExplainer]] = {
        "tree": TreeScoringExplainer,
        "linear": LinearScoringExplainer,
        "kernel": KernelScoringExplainer,
        "deep": DeepScoringExplainer,
    }
    kind = kind_of(unwrapped(explainer)[0])
    return kinds[kind](
        explainer, evaluation_examples=evaluation_examples, feature_maps=feature_maps, keep_model=keep_model
    )


def unwrapped(original: Any) -> tuple[Explainer, str | None]:
    """Return the explainer that computes values, and why it was chosen.

    Raises
    ------
    UnsupportedModelError
        It is none of this library's.

    """
    if isinstance(original, TabularExplainer):
        return original.explainer, original.reason
    if isinstance(original, Explainer):
        return original, original.how
    raise UnsupportedModelError(
        f"a {type(original).__module__}.{type(original).__qualname__} is no explainer of this library: pass a "
        "TabularExplainer, TreeExplainer, LinearExplainer, KernelExplainer or MimicExplainer"
    )


def kind_of(explainer: Explainer) -> str:
    """Return the kind of scoring explainer that an explainer has: ``"tree"``, ``"linear"``, ``"kernel"``, ``"deep"``.

    Raises
    ------
    UnsupportedModelError
        It has none.

    """
    if isinstance(explainer, MimicExplainer):
        return explainer.surrogate_model.explainable_model_type()
    kinds = ((TreeExplainer, "tree"), (LinearExplainer, "linear"), (KernelExplainer, "kernel"), (DeepExplainer, "deep"))
    for known, kind in kinds:
        if isinstance(explainer, known):
            return kind
    raise UnsupportedModelError(
        f"{type(explainer).__qualname__} has no scoring explainer: make one from a TabularExplainer of the same model"
    )


def check_kind(explainer: Explainer, kind: str, who: str) -> None:
    """Raise unless an explainer has that kind of scoring explainer.

    Raises
    ------
    UnsupportedModelError
        With the class to use.

    """
    found = kind_of(explainer)
    if found != kind:
        raise UnsupportedModelError(
            f"{who} is made from {kind} explainers, and this is a {type(explainer).__qualname__}: use "
            f"{found.capitalize()}ScoringExplainer, or explainer.create_scoring_explainer()"
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wishes:
    """What the caller of a scoring explainer's constructor asks for.

    Parameters
    ----------
    feature_maps, raw_features, engineered_features, evaluation_examples, keep_model
        As in :class:`~explanation_client.scoring.TreeScoringExplainer`.

    """

    feature_maps: Any = None
    raw_features: Sequence[str] | None = None
    engineered_features: Sequence[str] | None = None
    evaluation_examples: Any = None
    keep_model: bool = True


def make_parts(
    explainer: Explainer, reason: str | None, attributor: Attributor, wishes: Wishes, *, predicts: bool = True
) -> Parts:
    """Return the parts of a scoring explainer.

    Parameters
    ----------
    explainer : Explainer
    reason : str, optional
        Why it was chosen.
    attributor : Attributor
        What computes the importances of the model's columns.
    wishes : Wishes
    predicts : bool
        The attributor's sums are the model's, so that predictions may come from them.

    """
    model, feature_map = explainer._model, explainer._map
    if wishes.feature_maps is not None and feature_map is not None:
        raise InvalidArgumentError(
            "feature_maps= does not go with an explainer that has transformations: these are its feature maps already"
        )
    if wishes.raw_features is not None and wishes.feature_maps is None and feature_map is None:
        raise InvalidArgumentError(
            "raw_features= names features before transformations, and there are none: leave it out, or pass "
            "feature_maps="
        )
    source = rows_of(explainer, wishes.evaluation_examples)
    tried = _tried(explainer, attributor, source)
    engineered = explainer._model_schema.align(feature_map.transform(tried)) if feature_map is not None else tried
    predictor = _predictor(attributor, model, engineered, predicts) if wishes.keep_model else None
    if predicts and isinstance(attributor, SumAttributor):
        attributor = _as_strict(attributor, model, engineered)
        predictor = replace(predictor, attributor=attributor) if isinstance(predictor, SumPredictor) else predictor
    schema = _named(explainer._schema, wishes, of_raw=feature_map is not None)
    weights, raw_names = _maps(wishes, schema)
    if feature_map is not None and wishes.engineered_features is not None:
        names = read_names(wishes.engineered_features, "engineered_features", explainer._model_schema.n_features)
        feature_map = replace(feature_map, engineered_names=names)
    inputs = _inputs(explainer, schema, attributor, predictor, source)
    # Kernel SHAP takes as long for a row as the model for thousands.
    n_examples = 2 if isinstance(explainer, KernelExplainer) else N_EXAMPLES
    return Parts(
        info=_info(explainer, reason),
        task=model.task,
        outputs=model.outputs,
        inputs=inputs,
        columns=replace(explainer._model_schema, dtypes=None),
        transformation=feature_map,
        weights=weights,
        raw_names=raw_names,
        subset=explainer._reported.subset,
        attributor=attributor,
        predictor=predictor,
        examples=mixed(source, n_examples) if source is not None else tried.take(slice(0, n_examples)),
    )


def rows_of(explainer: Explainer, examples: Any) -> Table | None:
    """Return rows as they come in, None where none are known."""
    if examples is not None:
        return explainer._schema.align(read_table(examples))
    if explainer._shown is not None:
        return explainer._schema.align(explainer._shown)
    return None


def _tried(explainer: Explainer, attributor: Attributor, source: Table | None) -> Table:
    """Return rows as they come in, to try predictions on."""
    if source is not None:
        return source.take(np.unique(np.linspace(0, source.shape[0] - 1, _TRIED_ROWS).astype(np.intp)))
    if not isinstance(attributor, SumAttributor) or explainer._map is not None:
        raise InvalidArgumentError(
            "no rows are known to test the scoring explainer with: pass evaluation_examples=, some rows as they will "
            "come in; they are not stored"
        )
    return made_up(attributor.sums, explainer._schema.n_features, 64)


def _predictor(attributor: Attributor, model: Model, engineered: Table, predicts: bool) -> Predictor:
    """Return what predicts: the sums where they say what the model says, else the model."""
    if predicts and isinstance(attributor, SumAttributor) and not model.is_function:
        found = sum_predictor(attributor, model, engineered)
        if found is not None:
            return found
    return ModelPredictor(model)


def _as_strict(attributor: SumAttributor, model: Model, engineered: Table) -> SumAttributor:
    """Return the attributor that refuses what the model refuses: sums take any number."""
    return replace(
        attributor,
        takes_missing=takes(model, engineered, float("nan")),
        takes_infinite=takes(model, engineered, float("inf")),
    )


def _named(schema: Schema, wishes: Wishes, *, of_raw: bool) -> Schema:
    """Return the schema of rows with the names that the caller gives their columns."""
    given, argument = (
        (wishes.raw_features, "raw_features") if of_raw else (wishes.engineered_features, "engineered_features")
    )
    names = read_names(given, argument, schema.n_features)
    # Types are given to rows here, as Inputs says, and not by way of pandas for each row.
    return replace(schema, features=names or schema.features, dtypes=None)


def _maps(wishes: Wishes, schema: Schema) -> tuple[NDArray[np.float64] | None, tuple[str, ...] | None]:
    """Return the shares of raw features in the columns of rows, and the names of the raw features."""
    if wishes.feature_maps is None:
        return None, None
    weights = chained(wishes.feature_maps, schema.n_features)
    dense = np.asarray(weights.toarray() if hasattr(weights, "toarray") else weights, np.float64)
    names = read_names(wishes.raw_features, "raw_features", len(dense))
    return dense, names or tuple(f"feature_{i}" for i in range(len(dense)))


def _inputs(
    explainer: Explainer, schema: Schema, attributor: Attributor, predictor: Predictor | None, source: Table | None
) -> Inputs:
    """Return how rows are read: as numbers where all that uses them takes numbers."""
    feature_map, model = explainer._map, explainer._model
    if feature_map is not None:
        as_frame, mixed_types = feature_map.as_frame, True
    else:
        needs_model = isinstance(attributor, ExplainerAttributor) or isinstance(predictor, ModelPredictor)
        encodes = isinstance(attributor, SumAttributor) and bool(attributor.levels.codes)
        as_frame, mixed_types = needs_model and model.as_frame, encodes or needs_model
    if source is None or source.is_sparse or not mixed_types:
        return Inputs(schema, None, {}, as_frame)
    if source.is_frame:
        dtypes = [source.data.iloc[:, j].dtype for j in range(source.shape[1])]
        levels = {j: tuple(dtype.categories.tolist()) for j, dtype in enumerate(dtypes) if str(dtype) == "category"}
        return Inputs(schema, tuple(map(str, dtypes)), levels, as_frame)
    if source.data.dtype.kind in "biuf":
        return Inputs(schema, None, {}, as_frame)
    return Inputs(schema, ("object",) * source.shape[1], {}, as_frame)


def _info(explainer: Explainer, reason: str | None) -> ScoringInfo:
    model = explainer._model
    used = ("explanation-client", "numpy", *explainer.packages, *_packages_of(model))
    return ScoringInfo(
        id=new_id(),
        created_at=now(),
        explained_by=explainer.method,
        output_space=explainer._output_space,
        model_type=model.type_name,
        reason=reason,
        notes=explainer._notes,
        made_with=versions(*dict.fromkeys(used)),
    )


def with_rows_of(explainer: Explainer, own: Explainer) -> Explainer:
    """Return an explainer of the model's own columns with the rows and transformations of the one it was made from."""
    if own is explainer:
        return explainer
    joined = copy(own)
    joined._map, joined._schema = explainer._map, explainer._schema
    joined._reported, joined._shown = explainer._reported, explainer._shown
    return joined


def probe_of(explainer: Explainer, examples: Any) -> Table:
    """Return one row in the columns of the model, for base values that only come with values.

    Raises
    ------
    InvalidArgumentError
        No rows are known.

    """
    if explainer._background is not None:
        return explainer._background.take(slice(0, 1))
    source = rows_of(explainer, examples)
    if source is None:
        raise InvalidArgumentError(
            "no rows are known to test the scoring explainer with: pass evaluation_examples=, some rows as they will "
            "come in; they are not stored"
        )
    return explainer._engineered(source.take(slice(0, 1)))
