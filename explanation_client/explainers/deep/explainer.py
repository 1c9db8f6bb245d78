"""DeepExplainer: importances of neural networks of PyTorch and Keras, from their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import CannotExplainError, InvalidArgumentError, UnsupportedModelError
from explanation_client.explainers.deep.engines import Background, make_engine
from explanation_client.explainers.deep.estimators import link_of, what_returns
from explanation_client.explainers.deep.findings import Sums
from explanation_client.explainers.deep.heads import from_scores, through_head
from explanation_client.explainers.deep.network import Head, Network
from explanation_client.explainers.deep.recognise import best_of, is_network, is_wrapped, why_no_gradients
from explanation_client.explainers.mirror import Floats, mirrored
from explanation_client.explainers.mixture_explainer import MixtureExplainer
from explanation_client.explainers.model import LOG_ODDS, MARGIN, PROBABILITY, VALUE

METHODS = ("gradients", "deeplift", "auto")
OUTPUTS = ("default", "probability", "margin")
# Importances held at a time, for each row and background row: 32 MB.
_MAX_VALUES = 1 << 22
_MAX_ROWS = 256
# Background rows on which answers are compared.
_COMPARED = 20
# Up to so many features paths are broken: with more, each is small beside the rest, and straight ones are as near.
_BROKEN = 32


class DeepExplainer(MixtureExplainer):
    """Importances of a neural network's columns, from its gradients between background rows and the row.

    Values are integrals of gradients on paths from each background row to the row (expected gradients, Erion et al.
    2021), refined until they add up. They approximate the Shapley values for the same background, of any network that
    has gradients. ``method="deeplift"`` gives DeepLIFT SHAP values (Shrikumar et al. 2017, Lundberg and Lee 2017)
    instead, of networks all of whose operations have a rule. Both are held to the network's own output.

    A softmax or sigmoid at the end is taken apart from the rest: scores get importances, and probabilities the Shapley
    values of scores that add up; see :mod:`explanation_client.explainers.deep.heads`.

    Parameters
    ----------
    model : object
        A trained ``torch.nn.Module``, a model of Keras 3 (PyTorch or TensorFlow backend), or an estimator of skorch or
        of ``keras.wrappers`` that holds one. It takes one table of rows, and answers the same each time in evaluation
        mode. It is left as it is found.
    initialization_examples : table of shape (B, F)
        Background data. More than ``10 * nclusters`` rows are summarised as weighted k-means centroids; of a CSR matrix
        the median row is kept.
    explain_subset : sequence of int, optional
        Positions of the columns to explain. Values are the same as without it; the other columns are not reported.
    nclusters : int
        Rows that a large background becomes.
    is_classifier : bool, optional
        The same as ``model_task="classification"`` or ``"regression"``. Without either, several columns, a sigmoid or
        softmax at the end, and ``classes`` make a classifier.
    method : "gradients", "deeplift" or "auto"
        ``"auto"``: DeepLIFT's rules where every operation has one, else gradients, and the explanation says which.
    shap_values_output : "default", "probability" or "margin"
        What values of a classifier add up to. ``"default"``: what the network returns. ``"margin"``: what goes into
        its last softmax or sigmoid. ``"probability"``: of a network that returns scores, what a softmax makes of
        several, or a sigmoid of one.
    check_additivity : True
        Sums are always held to the network.
    broken_paths : bool, optional
        Whether a random half of the features comes in before the other, and the other way round: mostly half as far
        from Shapley values, for four times the work. None: up to 32 features. Not with DeepLIFT's rules.
    seed : int
        Of the k-means centroids and of the halves.
    features, classes, transformations, allow_all_transformations, model_task, show_progress
        As of every :class:`~explanation_client.explainers.Explainer`.

    Raises
    ------
    UnsupportedModelError
        The model is no network; or one with several inputs or targets, with integer ids for input, in half precision,
        or that answers differently each time; or ``method="deeplift"``, and it has an operation without a rule.
    InvalidArgumentError
        An argument is out of range, or does not fit the model.

    """

    def __init__(
        self,
        model: Any,
        initialization_examples: Any,
        *,
        explain_subset: Sequence[int] | None = None,
        nclusters: int = 10,
        features: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        transformations: Any = None,
        allow_all_transformations: bool = False,
        model_task: str = "unknown",
        is_classifier: bool | None = None,
        method: str = "gradients",
        shap_values_output: str = "default",
        check_additivity: bool = True,
        broken_paths: bool | None = None,
        seed: int = 0,
        show_progress: bool | None = None,
    ) -> None:
        for name, value, known in (
            ("method", method, METHODS),
            ("shap_values_output", shap_values_output, OUTPUTS),
        ):
            if value not in known:
                raise InvalidArgumentError(f"{name}={value!r}: one of {', '.join(map(repr, known))}")
        if check_additivity is not True:
            raise InvalidArgumentError(
                f"check_additivity={check_additivity!r}: sums are always held to the network, since values that miss "
                "it explain another; leave it out"
            )
        _check_is_network(model)
        super().__init__(
            model,
            initialization_examples,
            features=features,
            classes=classes,
            explain_subset=explain_subset,
            transformations=transformations,
            allow_all_transformations=allow_all_transformations,
            model_task=_task(model_task, is_classifier),
            show_progress=show_progress,
        )
        self._use_background(nclusters=nclusters, seed=seed)
        self._network = self._read_network()
        self.packages = self._network.packages
        self._link, self._space = self._read_output(shap_values_output)
        rows = self._network.numbers(self._summary.data).astype(np.float64)
        weights = np.full(len(rows), 1.0 / len(rows)) if self._summary.weights is None else self._summary.weights
        self._reference = Background(rows, weights, self._network.scores(rows))
        self._broken = rows.shape[1] > 1 and (rows.shape[1] <= _BROKEN if broken_paths is None else broken_paths)
        self._engine, note = make_engine(method, self._network, self._reference, broken=self._broken, seed=seed)
        if note is not None:
            self._notes = (*self._notes, note)
        self.how = self._engine.how

    @property
    def method(self) -> str:  # type: ignore[override]  # what computes the values decides
        """How values are computed: ``"expected_gradients"``, or ``"shap_deep"`` for DeepLIFT SHAP."""
        return self._engine.method

    @cached_property
    def _output_space(self) -> str:
        return self._space

    @property
    def _batch_rows(self) -> int:
        return min(_MAX_ROWS, self._rows_at_once)

    @property
    def _rows_at_once(self) -> int:
        size = self._engine.n_legs * self._network.n_columns * self._reference.rows.size
        return max(1, _MAX_VALUES // size)

    # --- What the network is -------------------------------------------------------------------------------------

    def _read_network(self) -> Network:
        """Return the network.

        Raises
        ------
        CannotExplainError
            It has no gradients, or answers differently each time.

        """
        problem = why_no_gradients(best_of(self._model.given))
        if problem is not None:
            raise CannotExplainError(
                f"DeepExplainer does not explain {self._model.short_name}: {problem}; KernelExplainer does"
            )
        try:
            network: Network = self._model.estimator.network
        except UnsupportedModelError as error:
            raise CannotExplainError(f"DeepExplainer does not explain {self._model.short_name}: {error}") from error
        # Each row twice: random numbers differ from row to row, also where they begin anew with each call.
        rows = np.repeat(network.numbers(self._summary.data[:_COMPARED]), 2, axis=0)
        outputs, again, alone = network.outputs(rows), network.outputs(rows), network.outputs(rows[:1])
        differences = outputs - again, outputs[::2] - outputs[1::2], outputs[:1] - alone
        apart = max(float(np.abs(difference).max()) for difference in differences)
        # A row alone may be rounded otherwise than among others.
        if not apart <= 1e-3 * float(np.ptp(outputs)) + 8.0 * network.rounding * float(np.abs(outputs).max()):
            raise CannotExplainError(
                f"{self._model.short_name} answers a row differently each time in evaluation mode, or differently "
                f"among other rows, by {apart:.3g}: no importances add up to that"
            )
        return network

    def _read_output(self, wanted: str) -> tuple[Head, str]:
        """Return what makes of scores what values add up to, and what that is.

        Raises
        ------
        InvalidArgumentError
            The network does not give what is asked for.

        """
        if self._model.task == "regression":
            if wanted != "default":
                raise InvalidArgumentError(
                    f"shap_values_output={wanted!r}: {self._model.short_name} is a regression; leave it out"
                )
            return self._network.head, VALUE
        returned = what_returns(self._network, self._summary.data, is_classifier=True)
        link = link_of(self._network, returned)
        if wanted == "probability" or (wanted == "default" and returned == "probability"):
            return link, PROBABILITY
        if link == "none":
            raise InvalidArgumentError(
                f"shap_values_output='margin': {self._model.short_name} returns probabilities, and no softmax or "
                "sigmoid is seen at its end; leave it out"
            )
        return "none", LOG_ODDS if link == "sigmoid" else MARGIN

    # --- What it says of rows ------------------------------------------------------------------------------------

    def _answers(self, rows: Any) -> NDArray[np.float64]:
        if self._space in (PROBABILITY, VALUE):
            return self._model.answer(rows, self._space)
        scores = self._network.scores(rows)
        return scores if scores.shape[1] > 1 else np.column_stack([-scores, scores])

    def _findings(self, n_kept: int | None) -> Sums:
        return Sums()

    def _attribute(self, rows: Any) -> tuple[Floats, Floats]:
        return self._find(rows, self._findings(None))

    def _find(self, rows: Any, findings: Sums) -> tuple[Floats, Floats]:
        size = self._rows_at_once
        parts = [self._values(rows[i : i + size], findings, i) for i in range(0, rows.shape[0], size)]
        values, base_values = np.concatenate(parts, axis=1), self._base_values
        if len(values) > 1 or self._model.n_outputs == 1:
            return values, base_values
        both, bases = mirrored(values[0], float(base_values[0]))
        # Of two classes with one probability, the first has what is left.
        return both, bases if self._space != PROBABILITY else np.array([1.0 - base_values[0], base_values[0]])

    @cached_property
    def _base_values(self) -> NDArray[np.float64]:
        """What the network says of the background on average, (K,)."""
        return np.asarray(self._reference.weights @ from_scores(self._reference.scores, self._link))

    def _values(self, given: Any, findings: Sums, first: int) -> NDArray[np.float64]:
        """Return importances (K, n, F) of a few rows, the first of which is that of the batch."""
        rows = self._network.numbers(given).astype(np.float64)
        if not np.isfinite(rows).all():
            row, column = np.argwhere(~np.isfinite(rows))[0]
            raise InvalidArgumentError(
                f"column {self._model_schema.features[column]!r} of row {first + row} is {rows[row, column]}: a "
                "network takes finite numbers"
            )
        scores = self._network.scores(rows)
        parts, taken = self._engine.contributions(rows, scores)
        if self._link == "none":
            values = np.asarray(np.einsum("knbf,b->knf", parts, self._reference.weights, optimize=True))
        else:
            values = np.zeros((len(parts), *rows.shape))
            for b, weight in enumerate(self._reference.weights):
                values += weight * through_head(parts[:, :, b], self._reference.scores[b], self._link)
        # What the network itself says, where that is what values add up to, with its own rounding.
        is_said = self._link == self._network.head
        said = self._network.outputs(rows) if is_said else from_scores(scores, self._link)
        effects = said - self._base_values
        findings.add(effects.T, values.sum(axis=2), taken)
        return values


def _check_is_network(model: Any) -> None:
    inner = best_of(model)
    if not (is_network(inner) or is_wrapped(inner)):
        raise UnsupportedModelError(
            f"a {type(inner).__module__}.{type(inner).__qualname__} is no network: DeepExplainer takes modules of "
            "PyTorch, models of Keras, and estimators of skorch and keras.wrappers; TabularExplainer chooses for others"
        )


def _task(model_task: str, is_classifier: bool | None) -> str:
    """Return the task that both arguments say.

    Raises
    ------
    InvalidArgumentError
        They contradict one another.

    """
    if is_classifier is None:
        return model_task
    said = "classification" if is_classifier else "regression"
    if model_task not in ("unknown", said):
        raise InvalidArgumentError(f"is_classifier={is_classifier!r} contradicts model_task={model_task!r}: pass one")
    return said
