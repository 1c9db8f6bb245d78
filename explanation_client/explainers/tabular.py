"""TabularExplainer: chooses the explainer that fits a model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from explanation_client.errors import CannotExplainError, FeatureMapError, InvalidArgumentError
from explanation_client.explainers.base import Explainer
from explanation_client.explainers.deep.explainer import DeepExplainer
from explanation_client.explainers.deep.recognise import is_network
from explanation_client.explainers.dispatch import find_entry, why_general, why_not
from explanation_client.explainers.kernel import KernelExplainer
from explanation_client.explainers.linear import LinearExplainer
from explanation_client.explainers.model import origin_of, type_name
from explanation_client.explainers.plugins import installed_explainers
from explanation_client.explainers.sampling import SamplingPolicy
from explanation_client.explainers.streams import ExplainedStream
from explanation_client.explainers.tree import TreeExplainer
from explanation_client.explanation import Explanation
from explanation_client.info import ExplanationInfo

if TYPE_CHECKING:
    from explanation_client.scoring import ScoringExplainer

_METHODS: dict[str, type[Explainer]] = {
    "tree": TreeExplainer,
    "deep": DeepExplainer,
    "linear": LinearExplainer,
    "kernel": KernelExplainer,
}


@dataclass(frozen=True, slots=True)
class Choice:
    """An explainer that fits a model, and why.

    Parameters
    ----------
    explainer : type of Explainer
    reason : str
    pipeline : sklearn.pipeline.Pipeline, optional
        Its last step is explained, and the steps before it are the transformations from raw features.
    model : object, optional
        What is explained in place of the given model: the only step of a pipeline.

    """

    explainer: type[Explainer]
    reason: str
    pipeline: Any = None
    model: Any = None


class TabularExplainer:
    """Explains a model with the fastest explainer that knows it from inside, else with Kernel SHAP.

    The choice is made from a table over the model's class: trees, networks, linear models, then what other installed
    packages add, then Kernel SHAP. Trees and linear models are explained exactly, networks approximately. A pipeline
    whose last step is in the table is taken apart, as long as the steps before it do not mix columns. A chosen
    explainer is held to the model's own output on some of the initialization examples; where its values do not add up
    to it, the next one is used, with a warning. The reason is stored with each explanation
    (``explanation.info.reason``).

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
        Choose by hand: ``"tree"``, ``"deep"``, ``"linear"``, ``"kernel"``, or the name of an installed explainer.
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
            explained = model if choice.model is None else choice.model
            return choice.explainer(
                explained if steps is None else steps[-1],
                initialization_examples,
                explain_subset=explain_subset,
                features=features,
                classes=classes,
                transformations=transformations if steps is None else _before_last(steps),
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
    def feature_maps(self) -> list[Any]:
        """What :meth:`Explanation.get_raw_explanation` takes; see :attr:`Explainer.feature_maps`.

        Raises
        ------
        InvalidArgumentError
            There are no transformations.

        """
        return self.explainer.feature_maps

    def explain_local(self, evaluation_examples: Any, *, engineered: bool = False) -> Explanation:
        """Return the importances of each row; see :meth:`Explainer.explain_local`."""
        return self._with_reason(self.explainer.explain_local(evaluation_examples, engineered=engineered))

    def explain_global(
        self,
        evaluation_examples: Any,
        sampling_policy: SamplingPolicy | None = None,
        include_local: bool = True,
        batch_size: int | None = None,
        *,
        engineered: bool = False,
    ) -> Explanation:
        """Return the importances over all rows; see :meth:`Explainer.explain_global`."""
        return self._with_reason(
            self.explainer.explain_global(
                evaluation_examples, sampling_policy, include_local, batch_size, engineered=engineered
            )
        )

    def explain_batches(
        self, batches: Any, *, batch_size: int | None = None, engineered: bool = False, include_rows: bool = False
    ) -> ExplainedStream:
        """Return what explains rows batch by batch; see :meth:`Explainer.explain_batches`."""
        stream = self.explainer.explain_batches(
            batches, batch_size=batch_size, engineered=engineered, include_rows=include_rows
        )
        return stream.amended(self._amended)

    def create_scoring_explainer(self, evaluation_examples: Any = None, *, keep_model: bool = True) -> ScoringExplainer:
        """Return what explains rows at prediction time; see :meth:`Explainer.create_scoring_explainer`."""
        explainer = copy(self.explainer)
        explainer.how = self.reason
        return explainer.create_scoring_explainer(evaluation_examples, keep_model=keep_model)

    def _with_reason(self, explanation: Explanation) -> Explanation:
        return replace(explanation, info=self._amended(explanation.info))

    def _amended(self, info: ExplanationInfo) -> ExplanationInfo:
        return replace(info, reason=self.reason, model_type=self._model_type)


def _steps(pipeline: Any) -> list[tuple[str, Any]]:
    """Return a pipeline's steps with those of a pipeline, or of a search's best one, at its end in its place."""
    *before, (name, last) = pipeline.steps
    last = getattr(last, "best_estimator_", last)
    if ("sklearn", "Pipeline") not in origin_of(last):
        return [*before, (name, last)]
    return [*before, *((f"{name}__{inner}", step) for inner, step in _steps(last))]


def _before_last(pipeline: Any) -> Any:
    """Return what a pipeline does before its last step."""
    first = pipeline.steps[0][1]
    # A step by itself need not look fitted to scikit-learn, as those of other packages do not.
    return first if len(pipeline.steps) == 2 and hasattr(first, "transform") else pipeline[:-1]


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
    if transformations is None and ("sklearn", "Pipeline") in origin_of(inner):
        steps = _steps(inner)
        if len(steps) == 1:
            return [replace(choice, model=steps[0][1]) for choice in _fitting(steps[0][1], None)]
        if steps != list(inner.steps):
            inner = type(inner)(steps)
    if not (hasattr(inner, "predict") or is_network(inner)):
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
