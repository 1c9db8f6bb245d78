"""MimicExplainer: trains a simple model on what the model answers, and explains that one."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers.augmentation import augmented
from explanation_client.explainers.base import Explainer
from explanation_client.explainers.encoding import Encoding, read_positions
from explanation_client.explainers.inputs import Table, read_table
from explanation_client.explainers.model import LOG_ODDS, MARGIN, PROBABILITY
from explanation_client.explanation import Explanation
from explanation_client.progress import progress_bar
from explanation_client.surrogates import ExplainableModel, LinearExplainableModel
from explanation_client.surrogates.base import OUTPUTS

Floats = NDArray[np.float64]

# Mixtures are made until there are so many rows: four times as many add a hundredth to the r2.
_ENOUGH_ROWS = 20_000
# Rows set aside to see how faithful the surrogate is; with fewer rows in all, none are.
_HELD_OUT, _FEWEST_ROWS = 0.2, 10
_FAITHFUL = 0.8
# Rows that the teacher is asked about at a time.
_ASKED_ROWS = 4096
_SEED = 123


class MimicExplainer(Explainer):
    """Trains a surrogate on a model's answers and explains the surrogate: any model, fast, as good as the surrogate.

    The surrogate is fitted to the log-odds of the model's class probabilities, to its decision function where it has
    no probabilities, or to its values. A fifth of the initialization examples is held out to see how often the
    surrogate says the same as the model; the result is among the notes of each explanation
    (``explanation.info.notes``), and under 0.8 there is a warning. Importances add up to what the *surrogate* says.

    Parameters
    ----------
    model : object
        A trained model, or a function from rows to (N,) or (N, C).
    initialization_examples : table of shape (B, F)
        Rows that the surrogate is trained on, with the model's answers: the model's training rows, for example.
    explainable_model : type of ExplainableModel
        ``LGBMExplainableModel``, ``LinearExplainableModel``, ``SGDExplainableModel`` or
        ``DecisionTreeExplainableModel`` of :mod:`explanation_client.surrogates`.
    explainable_model_args : mapping, optional
        Parameters of the surrogate, such as ``{"num_leaves": 15}``.
    is_function : bool
        ``model`` is to be called, also where it has ``predict``.
    augment_data : bool
        Train on mixtures of the initialization examples as well, until there are 20,000 rows.
    max_num_of_augmentations : int
        At most so many mixtures for each initialization example.
    transformations : object with ``transform``, or list of (columns, transformer), optional
        Fitted, from raw rows to what the model takes. The surrogate is trained on the latter; all rows are raw, and raw
        features are explained.
    shap_values_output : "default", "probability" or "teacher_probability"
        What importances add up to: the surrogate's log-odds, the surrogate's probabilities, or the model's own
        probabilities, where what the surrogate misses of a row is shared among its features in proportion to theirs.
    categorical_features : sequence of str or int, optional
        Columns whose numbers are categories, by name or position among the columns that the model takes. Columns of
        text and of categories are without being named.
    reset_index : "ignore"
        Rows keep their index, and the model gets it. Other values are refused.
    features, classes, explain_subset, allow_all_transformations, model_task, show_progress
        As of every :class:`~explanation_client.explainers.Explainer`.

    Attributes
    ----------
    fidelity : float or None
        How faithful the surrogate is on the examples that were held out: accuracy, or r2 of a regression. None where
        there were too few examples.

    Raises
    ------
    InvalidArgumentError
        An argument is out of its range, or does not fit the model.
    UnsupportedModelError
        Probabilities are asked for, and the model has none.
    MissingDependencyError
        The surrogate needs a package that is not installed.

    """

    def __init__(
        self,
        model: Any,
        initialization_examples: Any,
        explainable_model: type[ExplainableModel],
        explainable_model_args: Mapping[str, Any] | None = None,
        is_function: bool = False,
        augment_data: bool = True,
        max_num_of_augmentations: int = 10,
        explain_subset: Sequence[int] | None = None,
        features: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        transformations: Any = None,
        allow_all_transformations: bool = False,
        shap_values_output: str = "default",
        categorical_features: Sequence[str | int] | None = None,
        model_task: str = "unknown",
        reset_index: str = "ignore",
        *,
        show_progress: bool | None = None,
    ) -> None:
        _check_arguments(explainable_model, max_num_of_augmentations, shap_values_output, reset_index)
        super().__init__(
            model,
            initialization_examples,
            features=features,
            classes=classes,
            explain_subset=explain_subset,
            transformations=transformations,
            allow_all_transformations=allow_all_transformations,
            model_task=model_task,
            is_function=is_function,
            show_progress=show_progress,
        )
        examples = self._training_rows()
        self._teacher_space = self._model.default_space(examples.data[:1])
        self._shap_values_output = shap_values_output
        self._check_output()
        names = self._model_schema.names or self._model_schema.features
        self._encoding = Encoding.of(examples, read_positions(categorical_features, names))
        self._surrogate = self._make_surrogate(explainable_model, explainable_model_args or {})
        self.packages = self._surrogate.packages
        self.fidelity: float | None = None
        self._train(examples, max_num_of_augmentations if augment_data else 0)
        self.how = f"a surrogate, {explainable_model.__name__}, was asked for"

    @property
    def method(self) -> str:  # type: ignore[override]  # the surrogate decides
        """How values are computed: ``"mimic.lightgbm"``, ``"mimic.linear"``, ``"mimic.sgd"`` or ``"mimic.tree"``."""
        return self._surrogate.method

    @property
    def surrogate_model(self) -> ExplainableModel:
        """The trained surrogate. It takes rows as numbers: categories as their codes."""
        return self._surrogate

    def explain_global(  # type: ignore[override]  # there are no evaluation examples to choose from by a policy
        self,
        evaluation_examples: Any = None,
        include_local: bool = True,
        batch_size: int | None = None,
        *,
        engineered: bool = False,
    ) -> Explanation:
        """Return the importances over all rows: the mean of the absolute local importances.

        Parameters
        ----------
        evaluation_examples : table of shape (N, F), optional
            None: the initialization examples, without local importances.
        include_local : bool
            Keep the importances of each row, and the rows. Without, memory does not grow with the number of rows.
        batch_size : int, optional
            Rows explained at a time. None: what fits well.
        engineered : bool
            Explain the features that the transformations make, as in :meth:`explain_local`.

        Raises
        ------
        InvalidArgumentError
            The columns are not those of the model, ``batch_size`` is no positive number, or ``engineered`` as in
            :meth:`explain_local`.

        """
        if evaluation_examples is not None:
            return super().explain_global(
                evaluation_examples, include_local=include_local, batch_size=batch_size, engineered=engineered
            )
        return self._explain(
            self._training_rows(),
            self._features(engineered),
            keep_local=False,
            batch_size=batch_size,
            # The examples are in the model's form already.
            prepare=lambda examples: examples.data,
        )

    def get_surrogate_model_replication_measure(self, training_data: Any) -> float:
        """Return how faithful the surrogate is on some rows: accuracy of a classifier, r2 of a regression.

        1 means that it says the same as the model. On rows that it was trained on it says more than it should:
        ``fidelity`` is of rows that were held out.

        Parameters
        ----------
        training_data : table of shape (N, F)

        Raises
        ------
        InvalidArgumentError
            The columns are not those of the model, or there is a single row of a regression.

        """
        table = self._schema.align(read_table(training_data))
        rows = Table(self._rows(table), self._model_schema.names)
        if self._model.task == "regression" and rows.shape[0] < 2:
            raise InvalidArgumentError("the r2 of one row is not defined: pass two or more")
        return self._agreement(rows, self._ask(rows))[0]

    # --- Training ------------------------------------------------------------------------------------------------

    def _training_rows(self) -> Table:
        """Return the initialization examples in the form that the model takes."""
        if self._background is None:
            raise InvalidArgumentError("MimicExplainer needs initialization_examples: the surrogate is trained on them")
        if self._background.weights is not None:
            raise InvalidArgumentError(
                "MimicExplainer takes no weighted summary of rows: pass the initialization examples themselves"
            )
        return Table(self._model.form(self._background), self._background.names)

    def _check_output(self) -> None:
        if self._shap_values_output == "default":
            return
        if self._model.task == "regression":
            raise InvalidArgumentError(
                f"shap_values_output={self._shap_values_output!r}: {self._model.short_name} is a regression, which has "
                "no probabilities; leave it out"
            )
        if self._teacher_space != PROBABILITY or not self._has_probabilities:
            raise UnsupportedModelError(
                f"shap_values_output={self._shap_values_output!r}: {self._model.short_name} gives no class "
                "probabilities; leave it out"
            )

    @property
    def _has_probabilities(self) -> bool:
        return self._model.is_function or hasattr(self._model.estimator, "predict_proba")

    def _make_surrogate(self, kind: type[ExplainableModel], given: Mapping[str, Any]) -> ExplainableModel:
        parameters = dict(given)
        for name in ("multiclass", "classification", "shap_values_output"):
            if name in parameters:
                raise InvalidArgumentError(
                    f"explainable_model_args= holds {name!r}, which is known from the model and from "
                    "MimicExplainer's own arguments: leave it out"
                )
        options: dict[str, Any] = {
            "random_state": parameters.pop("random_state", _SEED),
            "classification": self._model.task == "classification",
            "multiclass": self._model.n_outputs > 2,
            "shap_values_output": self._shap_values_output,
        }
        if issubclass(kind, LinearExplainableModel):
            options["sparse_data"] = parameters.pop("sparse_data", False)
        return kind(**options, parameters=parameters)

    def _train(self, examples: Table, most_copies: int) -> None:
        """Fit the surrogate to the model's answers, and measure it on the examples that were held out."""
        n_rows = examples.shape[0]
        order = np.random.default_rng(_SEED).permutation(n_rows)
        n_out = round(_HELD_OUT * n_rows) if n_rows >= _FEWEST_ROWS else 0
        held_out, kept = examples.take(np.sort(order[:n_out])), examples.take(np.sort(order[n_out:]))
        copies = max(0, min(most_copies, _ENOUGH_ROWS // kept.shape[0] - 1))
        parts = [kept]
        if copies:
            parts.append(augmented(kept, copies, taken=self._encoding.categorical, seed=_SEED))
        self._surrogate.fit(
            _stacked([self._encoding.encode(part) for part in parts]),
            np.concatenate([self._ask(part) for part in parts]),
            space="margin" if self._teacher_space == MARGIN else "probability",
            categorical_features=self._encoding.categorical,
            background=self._encoding.encode(examples),
        )
        said = f"surrogate trained on {kept.shape[0]:,} of {n_rows:,} initialization examples"
        if copies:
            said += f" and {copies * kept.shape[0]:,} mixtures of them"
        self._notes = (said, self._measured(held_out), *self._output_notes(), *self._notes)

    def _measured(self, held_out: Table) -> str:
        """Return what is noted of the surrogate's fidelity; warn where it is low."""
        n_rows = held_out.shape[0]
        if n_rows < 2:
            return f"surrogate fidelity unknown: with fewer than {_FEWEST_ROWS} examples none are held out"
        answers = self._ask(held_out)
        self.fidelity, spread = self._agreement(held_out, answers)
        is_classifier = self._model.task == "classification"
        said = f"{'accuracy' if is_classifier else 'r2'} {self.fidelity:.3f}"
        if self.fidelity < _FAITHFUL:
            warnings.warn(
                f"the surrogate says little of {self._model.short_name}: on {n_rows} held-out initialization examples "
                f"its {said} is under {_FAITHFUL}. Another explainable_model, more initialization examples or "
                "KernelExplainer may do better",
                UserWarning,
                stacklevel=4,
            )
        if is_classifier:
            what = "probabilities" if self._teacher_space == PROBABILITY else "margins"
            said += f", r2 of {what} {spread:.3f}"
        return f"surrogate fidelity on {n_rows:,} held-out initialization examples: {said}"

    def _agreement(self, rows: Table, answers: Floats) -> tuple[float, float]:
        """Return accuracy, or r2, against the model's predictions, and the r2 of its answers (N, C)."""
        from sklearn.metrics import r2_score

        encoded = self._encoding.encode(rows)
        own = self._surrogate.outputs(encoded)
        if self._model.task == "classification" and self._teacher_space == PROBABILITY:
            own = self._surrogate.predict_proba(encoded)
        # Classes that hardly occur would decide a plain mean over the outputs.
        spread = float(r2_score(answers, own, multioutput="variance_weighted")) if len(answers) > 1 else float("nan")
        if self._model.task == "regression":
            return spread, spread
        return float((own.argmax(axis=1) == self._predicted(rows, answers)).mean()), spread

    def _predicted(self, rows: Table, answers: Floats) -> NDArray[Any]:
        """Return the positions of the classes that the model predicts, which need not be the most probable ones."""
        labels = getattr(self._model.estimator, "classes_", None)
        if self._model.is_function or labels is None:
            return np.asarray(answers.argmax(axis=1))
        positions = {label: i for i, label in enumerate(np.asarray(labels).tolist())}
        predicted = self._model.predict(rows.data)
        return np.array([positions[label] for label in np.asarray(predicted).tolist()])

    def _ask(self, rows: Table) -> Floats:
        """Return the model's answers (N, C)."""
        n_rows = rows.shape[0]
        found = []
        with progress_bar("Asking the model", total=n_rows, unit="row", show=self._show_progress) as advance:
            for start in range(0, n_rows, _ASKED_ROWS):
                batch = rows.take(slice(start, start + _ASKED_ROWS)).data
                found.append(self._model.answer(batch, self._teacher_space))
                advance(batch.shape[0])
        return np.concatenate(found)

    # --- Explaining ----------------------------------------------------------------------------------------------

    @cached_property
    def _output_space(self) -> str:
        if self._shap_values_output == "teacher_probability":
            return PROBABILITY
        if self._shap_values_output == "probability":
            return f"{PROBABILITY} of the surrogate"
        space = LOG_ODDS if self._teacher_space == PROBABILITY else self._teacher_space
        return f"{space} of the surrogate"

    def _output_notes(self) -> tuple[str, ...]:
        if self._shap_values_output == "default":
            return ()
        carried = "values of log-odds carried over to probabilities along the straight way from the base value"
        if self._shap_values_output == "probability":
            return (carried,)
        return (f"{carried}; what the surrogate misses of a row is shared in proportion to them",)

    def _attribute(self, rows: Any) -> tuple[Floats, Floats]:
        encoded = self._encoding.encode(Table(rows, self._model_schema.names))
        given = self._model.answer(rows, PROBABILITY) if self._shap_values_output == "teacher_probability" else None
        return self._surrogate.explain_local(encoded, given), self._surrogate.expected_values

    def _answers(self, rows: Any) -> Floats:
        if self._shap_values_output == "teacher_probability":
            return self._model.answer(rows, PROBABILITY)
        encoded = self._encoding.encode(Table(rows, self._model_schema.names))
        if self._shap_values_output == "probability":
            return self._surrogate.predict_proba(encoded)
        return self._surrogate.outputs(encoded)


def _check_arguments(kind: Any, most_copies: Any, shap_values_output: str, reset_index: str) -> None:
    if not (isinstance(kind, type) and issubclass(kind, ExplainableModel)):
        raise InvalidArgumentError(
            f"explainable_model={kind!r}: a class of explanation_client.surrogates, such as LGBMExplainableModel"
        )
    if not isinstance(most_copies, int) or isinstance(most_copies, bool) or most_copies < 0:
        raise InvalidArgumentError(f"max_num_of_augmentations={most_copies!r}: a whole number, 0 or more")
    if shap_values_output not in OUTPUTS:
        raise InvalidArgumentError(f"shap_values_output={shap_values_output!r}: one of {', '.join(OUTPUTS)}")
    if reset_index != "ignore":
        raise InvalidArgumentError(
            f"reset_index={reset_index!r}: rows keep their index here, whatever it is, and the model gets them so; "
            "leave it out"
        )


def _stacked(parts: list[Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.vstack(parts)
    from scipy.sparse import csr_matrix, vstack

    return csr_matrix(vstack(parts, format="csr"))
