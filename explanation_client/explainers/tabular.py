"""TabularExplainer: chooses the explainer that fits a model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.additivity import CannotExplainError
from explanation_client.explainers.base import Explainer
from explanation_client.explainers.dispatch import find_entry, why_general, why_not
from explanation_client.explainers.feature_map import FeatureMap, FeatureMapError
from explanation_client.explainers.inputs import Table, read_table
from explanation_client.explainers.kernel import KernelExplainer
from explanation_client.explainers.linear import LinearExplainer
from explanation_client.explainers.model import origin_of, type_name
from explanation_client.explainers.plugins import installed_explainers
from explanation_client.explainers.sampling import SamplingPolicy
from explanation_client.explainers.tree import TreeExplainer
from explanation_client.explanation import Explanation

_METHODS: dict[str, type[Explainer]] = {"tree": TreeExplainer, "linear": LinearExplainer, "kernel": KernelExplainer}


@dataclass(frozen=True, slots=True)
class Choice:
    """An explainer that fits a model, and why.

    Parameters
    ----------
    explainer : type of Explainer
    reason : str
    pipeline : sklearn.pipeline.Pipeline, optional
        Its last step is explained, and the steps before it are the transformations from raw features.

    """

    explainer: type[Explainer]
    reason: str
    pipeline: Any = None


class TabularExplainer:
    """Explains a model with the fastest explainer that is exact for it, else with Kernel SHAP.

    The choice is made from a table over the model's class: trees, then linear models, then what other installed
    packages add, then Kernel SHAP. A pipeline whose last step is in the table is taken apart, as long as the steps
    before it do not mix columns. A chosen explainer is held to the model's own output on some of the initialization
    examples; where its values do not add up to it, the next one is used, with a warning. The reason is stored with
    each explanation (``explanation.info.reason``).

    Parameters
    ----------
    model : object
        A trained model; a prediction function from rows to (N,) or (N, C); or the coefficients and the intercept of a
        linear model, as a tuple.
    initialization_examples : table of shape (B, F)
        Background data, the training rows for example: a numpy array, DataFrame, CSR matrix or Arrow table.
    explain_subset : sequence of int, optional
        Positions of the columns to explain. Values are the same as without it; the other columns are not reported.
    features : sequence of str, optional
        Names of the F features. None: those of the initialization examples or the model.
    classes : sequence of str, optional
        Names of the classes, in the order of the model's outputs. None: the model's labels.
    transformations : object with ``transform``, or list of (columns, transformer), optional
        Fitted, from raw rows to what the model takes. All rows are then raw, and raw features are explained.
    allow_all_transformations : bool
        Share the importance of an engineered column that comes from several raw ones equally among them.
    model_task : "classification", "regression" or "unknown"
        Needed only for models that do not tell.
    use_gpu : bool
        Refused where it is set: nothing here computes on a GPU.
    method : str, optional
        Choose by hand: ``"tree"``, ``"linear"``, ``"kernel"``, or the name of an installed explainer.
    show_progress : bool, optional
        None: a bar appears on a terminal or in a notebook, when work takes longer than half a second.

    Attributes
    ----------
    explainer : Explainer
        The one that was chosen.
    reason : str
        Why.

    Raises
    ------
    UnsupportedModelError
        ``method`` does not explain the model, or the model cannot predict.
    InvalidArgumentError
        An argument does not fit the model; ``method`` is unknown.
    AdditivityError
        The explainer chosen by hand does not add up to the model's output.

    """

    def __init__(
        self,
        model: Any,
        initialization_examples: Any,
        explain_subset: Sequence[int] | None = None,
        features: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        transformations: Any = None,
        allow_all_transformations: bool = False,
        *,
        model_task: str = "unknown",
        use_gpu: bool = False,
        method: str | None = None,
        show_progress: bool | None = None,
    ) -> None:
        if use_gpu:
            raise InvalidArgumentError("use_gpu=True: no explainer here computes on a GPU; leave it out")

        def build(choice: Choice) -> Explainer:
            steps = choice.pipeline
            return choice.explainer(
                model if steps is None else steps[-1],
                initialization_examples,
                explain_subset=explain_subset,
                features=features,
                classes=classes,
                transformations=transformations if steps is None else steps[:-1],
                allow_all_transformations=allow_all_transformations,
                model_task=model_task,
                show_progress=show_progress,
            )

        choices = _chosen(method) if method is not None else _fitting(model, transformations)
        self._given = model
        self._model_type = type_name(model)
        self.explainer, self.reason = _first_that_adds_up(choices, build, initialization_examples)

    @property
    def model(self) -> Any:
        """The model that is explained, as it was given."""
        return self._given

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the explained features."""
        return self.explainer.features

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes in the order of the outputs, None for a regression."""
        return self.explainer.classes

    @property
    def method(self) -> str:
        """How the chosen explainer computes values."""
        return self.explainer.method

    @property
    def feature_maps(self) -> list[NDArray[np.float64]]:
        """What :meth:`Explanation.get_raw_explanation` takes: shares of raw features in engineered ones, (R, E).

        Raises
        ------
        InvalidArgumentError
            There are no transformations.

        """
        return [self._map.weights.copy()]

    def explain_local(self, evaluation_examples: Any, *, engineered: bool = False) -> Explanation:
        """Return the importances of each row; see :meth:`Explainer.explain_local`.

        Parameters
        ----------
        evaluation_examples : table of shape (N, F), or one row of shape (F,)
            Raw rows where there are transformations.
        engineered : bool
            Explain the features that the transformations make. ``get_raw_explanation(explainer.feature_maps)`` of the
            result is the explanation of the raw ones, without explaining again.

        """
        if not engineered:
            return self._with_reason(self.explainer.explain_local(evaluation_examples))
        table = self._raw_table(evaluation_examples)
        return self._marked(table, self._engineered.explain_local(self._map.transform(table).data))

    def explain_global(
        self,
        evaluation_examples: Any,
        sampling_policy: SamplingPolicy | None = None,
        include_local: bool = True,
        batch_size: int | None = None,
        *,
        engineered: bool = False,
    ) -> Explanation:
        """Return the importances over all rows; see :meth:`Explainer.explain_global`.

        Parameters
        ----------
        evaluation_examples, sampling_policy, include_local, batch_size
            As of the chosen explainer; raw rows where there are transformations.
        engineered : bool
            Explain the features that the transformations make, as in :meth:`explain_local`. All rows are transformed
            at once.

        """
        if not engineered:
            return self._with_reason(
                self.explainer.explain_global(
                    evaluation_examples, sampling_policy, include_local=include_local, batch_size=batch_size
                )
            )
        table = self._raw_table(evaluation_examples)
        return self._marked(
            table,
            self._engineered.explain_global(
                self._map.transform(table).data, sampling_policy, include_local=include_local, batch_size=batch_size
            ),
        )

    @property
    def _map(self) -> FeatureMap:
        found = self.explainer._map
        if found is None:
            raise InvalidArgumentError(
                "there are no transformations, so that raw and engineered features are the same: pass "
                "transformations=, or a pipeline whose last step is a tree or linear model"
            )
        return found

    @cached_property
    def _engineered(self) -> Explainer:
        """The chosen explainer, of the model's own columns."""
        return in_model_columns(self.explainer, self._map)

    def _raw_table(self, rows: Any) -> Table:
        return self.explainer._schema.align(read_table(rows))

    def _marked(self, table: Table, explanation: Explanation) -> Explanation:
        """Return the explanation as one of engineered features, of a single row where one was given."""
        info = replace(explanation.info, feature_space="engineered", single_row=table.single_row)
        return self._with_reason(replace(explanation, info=info))

    def _with_reason(self, explanation: Explanation) -> Explanation:
        return replace(explanation, info=replace(explanation.info, reason=self.reason, model_type=self._model_type))


def in_model_columns(explainer: Explainer, feature_map: FeatureMap) -> Explainer:
    """Return the same explainer, that takes rows which are transformed already and reports the model's own columns.

    Raises
    ------
    InvalidArgumentError
        It reports a subset of the raw columns.

    """
    if explainer._subset is not None:
        raise InvalidArgumentError(
            "engineered=True does not go with explain_subset=, which chooses among the raw columns: leave it out"
        )
    schema = explainer._model_schema
    # A model that was trained on names keeps them; otherwise the transformations say what their columns are called.
    if schema.names is None and feature_map.engineered_names is not None:
        schema = replace(schema, features=feature_map.engineered_names)
    view = copy(explainer)
    view._map, view._schema = None, schema
    return view


def _chosen(method: str) -> list[Choice]:
    """Return the explainer that the caller names."""
    if method in _METHODS:
        return [Choice(_METHODS[method], f"method={method!r} was asked for")]
    installed = {entry.name: entry for entry in installed_explainers()}
    if method not in installed:
        known = ", ".join(repr(name) for name in (*_METHODS, *sorted(installed)))
        raise InvalidArgumentError(f"method={method!r}: one of {known}")
    return [Choice(installed[method].load(), f"method={method!r} was asked for")]


def _fitting(model: Any, transformations: Any) -> list[Choice]:
    """Return the explainers that fit a model, the best first; the last explains any model."""
    if isinstance(model, tuple):
        return [Choice(LinearExplainer, "coefficients and an intercept are a linear model")]
    inner = getattr(model, "best_estimator_", model)
    if not hasattr(inner, "predict"):
        problem = "the prediction function is in no table of tree or linear models"
        return [*_installed(model), Choice(KernelExplainer, problem)]
    origin = origin_of(inner)
    listed, problem = _listed(inner)
    if listed is not None:
        return [listed, Choice(KernelExplainer, "so the general one is used")]
    if ("sklearn", "Pipeline") in origin and transformations is None and len(inner.steps) > 1:
        last, problem_of_last = _listed(inner.steps[-1][1])
        problem = f"{problem}, and of its last step: {problem_of_last}"
        if last is not None:
            reason = f"the last step of the pipeline, {last.reason}; the steps before it are transformations"
            return [replace(last, reason=reason, pipeline=inner), Choice(KernelExplainer, "so the general one is used")]
    return [*_installed(model), Choice(KernelExplainer, problem)]


def _listed(model: Any) -> tuple[Choice | None, str]:
    """Return the explainer that the table has for a model, or None and why there is none."""
    origin = origin_of(model)
    name = ".".join(origin[0])
    entry = find_entry(origin)
    if entry is None:
        general = why_general(origin)
        return None, f"{name} is in no table of tree or linear models{'' if general is None else f': {general}'}"
    refused = why_not(entry, model)
    if refused is not None:
        return None, f"{name} is not explained as a {entry.kind} model, since {refused}"
    parent = "" if origin[0] == (entry.package, entry.name) else f", as a {entry.package}.{entry.name}"
    return Choice(_METHODS[entry.kind], f"{name} is a {entry.kind} model{parent}"), ""


def _installed(model: Any) -> list[Choice]:
    """Return the explainers of other packages that say that they explain the model."""
    choices = []
    for installed in installed_explainers():
        why = installed.explains(model)
        if why is not None:
            choices.append(Choice(installed.load(), f"{installed.name} of {installed.package}: {why}"))
    return choices


def _first_that_adds_up(
    choices: list[Choice], build: Callable[[Choice], Explainer], examples: Any
) -> tuple[Explainer, str]:
    """Return the first explainer whose values are the model's, and the reason; warn of those that were passed over."""
    failures: list[str] = []
    for choice in choices[:-1]:
        try:
            explainer = build(choice)
            explainer.check(examples)
        except CannotExplainError as error:
            failures.append(str(error))
            warnings.warn(f"{error}; the next explainer is used instead", UserWarning, stacklevel=3)
        except FeatureMapError as error:
            if choice.pipeline is None:
                raise
            # The caller asked for no transformations: nothing is wrong, only slower.
            failures.append(f"the pipeline is not taken apart: {error}")
        else:
            return explainer, _with_how(choice.reason, explainer)
    explainer = build(choices[-1])
    return explainer, _with_how("; ".join([*failures, choices[-1].reason]), explainer)


def _with_how(reason: str, explainer: Explainer) -> str:
    """Return why an explainer was chosen, and what it says of how it works."""
    return reason if explainer.how is None else f"{reason}: {explainer.how}"
