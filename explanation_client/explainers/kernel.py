"""KernelExplainer: Shapley values of any model, from its predictions alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.background import summarise
from explanation_client.explainers.base import Explainer
from explanation_client.explainers.codes import Codes
from explanation_client.explainers.inputs import Table
from explanation_client.explainers.mirror import Floats, mirrored
from explanation_client.explainers.model import PROBABILITY
from explanation_client.explainers.shap_package import load_shap


class KernelExplainer(Explainer):
    """Shapley values of any model or prediction function, estimated by Kernel SHAP (Lundberg and Lee 2017).

    The model is called with mixtures of the explained row and background rows. With up to about ten features all
    mixtures are tried, and the values are exact for the background; with more they are sampled. Values add up to
    what the model returns: probabilities of a classifier (its decision function where it has none), values of a
    regressor.

    Parameters
    ----------
    model : object
        A trained model, or a function from rows to (N,) or (N, C). It gets rows in the form and with the types of the
        initialization examples.
    initialization_examples : table of shape (B, F)
        Background data. More than ``10 * nclusters`` rows are summarised as weighted k-means centroids; rows with text
        or missing values are sampled; of a CSR matrix the median row is kept.
    is_function : bool
        ``model`` is to be called, also where it has ``predict``.
    nsamples : "auto" or int
        Mixtures for each row. ``"auto"``: 2048 and two for each feature, or all where there are fewer.
    nclusters : int
        Rows that a large background becomes.
    l1_reg : float, int or str
        shap's selection of features: 0 for none, ``"num_features(10)"``, ``"aic"``, ``"bic"`` or a strength.
    seed : int
        The same seed gives the same values. numpy's global generator is left as it was found.
    features : sequence of str, optional
        Names of the F features. None: those of the initialization examples or the model.
    classes : sequence of str, optional
        Names of the classes, in the order of the model's outputs. None: the model's labels.
    explain_subset : sequence of int, optional
        Positions of the columns to explain. Values are the same as without it; the other columns are not reported.
    transformations : object with ``transform``, or list of (columns, transformer), optional
        Fitted, from raw rows to what the model takes. All rows are then raw, and raw features are explained.
    allow_all_transformations : bool
        Share the importance of an engineered column that comes from several raw ones equally among them.
    model_task : "classification", "regression" or "unknown"
    show_progress : bool, optional
        None: a bar appears on a terminal or in a notebook, when work takes longer than half a second.

    Raises
    ------
    InvalidArgumentError
        ``nsamples`` or ``nclusters`` are out of range.
    MissingDependencyError
        shap is not installed.

    """

    method = "shap_kernel"
    packages = ("shap",)

    def __init__(
        self,
        model: Any,
        initialization_examples: Any,
        *,
        is_function: bool = False,
        nsamples: int | str = "auto",
        nclusters: int = 10,
        l1_reg: float | str = 0,
        seed: int = 0,
        features: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        explain_subset: Sequence[int] | None = None,
        transformations: Any = None,
        allow_all_transformations: bool = False,
        model_task: str = "unknown",
        show_progress: bool | None = None,
    ) -> None:
        if nsamples != "auto" and (not isinstance(nsamples, int) or isinstance(nsamples, bool) or nsamples < 2):
            raise InvalidArgumentError(f"nsamples={nsamples!r}: 'auto', or at least 2 mixtures for each row")
        if isinstance(nclusters, bool) or nclusters < 1:
            raise InvalidArgumentError(f"nclusters={nclusters!r}: at least 1")
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
        if self._background is None:
            raise InvalidArgumentError("KernelExplainer needs initialization_examples: they replace missing features")
        self._nsamples = nsamples
        self._l1_reg = l1_reg
        self._seed = seed
        summary, note = summarise(self._background, n_clusters=nclusters, seed=seed)
        self._summary = Table(self._model.form(summary), summary.names, weights=summary.weights)
        self._notes = (note, *self._notes)
        self.how = "Kernel SHAP explains any model from its predictions"

    @cached_property
    def _output_space(self) -> str:
        return self._model.default_space(self._summary.data[:1])

    @property
    def _batch_rows(self) -> int:
        # A row takes up to seconds: the progress bar moves after a few.
        return 4

    def _attribute(self, rows: Any) -> tuple[Floats, Floats]:
        # shap seeds nothing and takes no generator, so that it gets numpy's own for the time it works.
        with _seeded(self._seed) as reseed, _quiet():
            explainer, numbers = self._kernel(Table(rows))
            values = np.empty((1 if self._has_one_margin else self._model.n_outputs, *numbers.shape))
            for i in range(numbers.shape[0]):
                # Each row starts from the seed: its values do not depend on the rows before it.
                reseed()
                found = explainer.shap_values(
                    numbers[i : i + 1], nsamples=self._nsamples, l1_reg=self._l1_reg, silent=True
                )
                values[:, i] = found[0].T
        base_values = np.asarray(explainer.expected_value, np.float64)
        return mirrored(values[0], float(base_values[0])) if self._has_one_margin else (values, base_values)

    @cached_property
    def _has_one_margin(self) -> bool:
        """Whether the model has one number for two classes, so that the first class is the second's mirror image."""
        one = self._model.task == "classification" and self._model.n_outputs == 2 and not self._model.is_function
        return one and self._output_space != PROBABILITY

    def _mixture_answers(self, rows: Any) -> NDArray[np.float64]:
        """Return the model's answers to mixtures, (N, C), or (N, 1) for one margin."""
        answers = self._answers(rows)
        return answers[:, 1:] if self._has_one_margin else answers

    def _kernel(self, table: Table) -> tuple[Any, Any]:
        """Return shap's explainer for these rows, and the rows as the numbers that it mixes."""
        shap = load_shap("KernelExplainer")
        if table.is_sparse or self._summary.is_sparse:
            from scipy.sparse import csr_matrix

            return shap.KernelExplainer(self._answers_sparse, csr_matrix(self._summary.data)), csr_matrix(table.data)
        codes = Codes.of(self._summary, table)

        # A closure: shap copies bound methods with their model, and sets attributes on it.
        def answers(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
            return self._mixture_answers(codes.decode(numbers))

        from shap.utils._legacy import DenseData

        background = codes.encode(self._summary)
        weights = np.ones(len(background)) if self._summary.weights is None else self._summary.weights.copy()
        names = [str(j) for j in range(background.shape[1])]
        return shap.KernelExplainer(answers, DenseData(background, names, None, weights)), codes.encode(table)

    def _answers_sparse(self, rows: Any) -> NDArray[np.float64]:
        return self._mixture_answers(rows.tocsr())


@contextmanager
def _seeded(seed: int) -> Iterator[Any]:
    """Yield a function that seeds numpy's global generator, whose state is put back at the end, however it comes."""
    before = np.random.get_state()
    try:
        yield lambda: np.random.seed(seed)
    finally:
        np.random.set_state(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep shap from advising how to make a background smaller that was chosen on purpose."""
    logger = logging.getLogger("shap")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
