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
from explanation_client.explainers.coalitions import Pairs, draw_pairs
from explanation_client.explainers.codes import Codes
from explanation_client.explainers.inputs import Table
from explanation_client.explainers.mirror import Floats, mirrored
from explanation_client.explainers.mixture_explainer import MixtureExplainer
from explanation_client.explainers.mixtures import Mixtures, Request
from explanation_client.explainers.model import PROBABILITY
from explanation_client.explainers.precision import Precision
from explanation_client.explainers.regression_adjusted import ACCURACY, Estimate, estimate, plan
from explanation_client.explainers.shap_package import load_shap

ESTIMATORS = ("regression-adjusted", "shap")
# Mixtures that a batch of rows begins with: enough for large calls of the model, few enough for the bar to move.
_BATCH_MIXTURES = 32_768
_BATCH_ROWS = 64


class KernelExplainer(MixtureExplainer):
    """Shapley values of any model or prediction function, from its answers to mixtures of rows.

    The model is called with mixtures of the explained row and background rows, for many rows at a time. With up to
    eleven features all mixtures are tried, and the values are exact for the background (the game of Kernel SHAP,
    Lundberg and Lee 2017). With more they are estimated with regression adjustment (Witter, Liu and Musco 2025): a
    smooth game with known Shapley values is fitted to the answers, and what it leaves of answers that it has not seen
    gives the standard errors. Values add up to what the model returns: probabilities of a classifier (its decision
    function where it has none), values of a regressor.

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
        Coalitions of features for each row; the model answers each for every background row. ``"auto"``: as many as
        bring the standard error of a row's values under three hundredths of their length, at most 2048 and two for
        each feature; all where there are up to eleven features. ``estimator="shap"`` takes 2048 and two for each
        feature.
    nclusters : int
        Rows that a large background becomes.
    estimator : "regression-adjusted" or "shap"
        ``"shap"``: the estimator of the package of that name, row by row, without standard errors.
    l1_reg : float, int or str
        shap's selection of features: 0 for none, ``"num_features(10)"``, ``"aic"``, ``"bic"`` or a strength. Only with
        ``estimator="shap"``.
    seed : int
        The same seed gives the same values. numpy's global generator is left as it was found.
    features, classes, explain_subset, transformations, allow_all_transformations, model_task, show_progress
        As of every :class:`~explanation_client.explainers.Explainer`.

    Attributes
    ----------
    standard_errors : ndarray of float64, shape (C, N, F), or None
        Of the rows that were explained last with their local values, in the columns that the model takes. 0 where a
        value is exact. None before, and with ``estimator="shap"``.

    Raises
    ------
    InvalidArgumentError
        ``nsamples``, ``nclusters`` or ``estimator`` are out of range, or ``l1_reg`` is given without shap's estimator.
    MissingDependencyError
        ``estimator="shap"``, and shap is not installed.

    """

    method = "shap_kernel"

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
        estimator: str = "regression-adjusted",
        features: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        explain_subset: Sequence[int] | None = None,
        transformations: Any = None,
        allow_all_transformations: bool = False,
        model_task: str = "unknown",
        show_progress: bool | None = None,
    ) -> None:
        if estimator not in ESTIMATORS:
            raise InvalidArgumentError(f"estimator={estimator!r}: one of {', '.join(map(repr, ESTIMATORS))}")
        if estimator != "shap" and (isinstance(l1_reg, str) or l1_reg != 0):
            raise InvalidArgumentError(f"l1_reg={l1_reg!r} selects features in shap's estimator: add estimator='shap'")
        if nsamples != "auto" and (not isinstance(nsamples, int) or isinstance(nsamples, bool) or nsamples < 2):
            raise InvalidArgumentError(f"nsamples={nsamples!r}: 'auto', or at least 2 mixtures for each row")
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
        self._use_background(nclusters=nclusters, seed=seed)
        self._nsamples = nsamples
        self._estimator = estimator
        self._l1_reg = l1_reg
        self.packages = ("shap",) if estimator == "shap" else ("scipy",)
        if estimator == "shap":
            self._notes = (*self._notes, "estimator: shap")
        self._drawn: dict[tuple[int, int], Pairs] = {}
        self.how = "Kernel SHAP explains any model from its predictions"

    @property
    def standard_errors(self) -> NDArray[np.float64] | None:
        """Standard errors (C, N, F) of the rows that were explained last, where their local values were kept."""
        errors, subset = None if self._found is None else self._found.errors, self._reported.subset
        return errors if errors is None or subset is None or self._map is not None else errors[..., subset]

    @property
    def _batch_rows(self) -> int:
        if self._estimator == "shap":
            # A row takes up to seconds: the progress bar moves after a few.
            return 4
        first = 2 * plan(self._model_schema.n_features, self._nsamples)[0] * self._summary.shape[0]
        return max(1, min(_BATCH_ROWS, _BATCH_MIXTURES // max(1, first)))

    def _findings(self, n_kept: int | None) -> Precision | None:
        return None if self._estimator == "shap" else Precision(n_kept)

    def _attribute(self, rows: Any) -> tuple[Floats, Floats]:
        return self._find(rows, self._findings(None))

    def _find(self, rows: Any, findings: Precision | None) -> tuple[Floats, Floats]:
        values, base_values = self._by_shap(rows) if findings is None else self._adjusted(rows, findings)
        return mirrored(values[0], float(base_values[0])) if self._has_one_margin else (values, base_values)

    def _adjusted(self, rows: Any, precision: Precision) -> tuple[Floats, Floats]:
        """Return values and base values of the regression-adjusted estimator, before any mirroring."""
        mixtures = Mixtures(Table(rows), self._summary, self._mixture_answers)
        base_values = mixtures.background_weights @ self._mixture_answers(self._summary.data)
        totals = self._mixture_answers(rows) - base_values
        values = np.zeros((len(base_values), *rows.shape))
        errors = np.zeros_like(values)
        games = [_Game(self, mixtures, i, totals[i]) for i in range(len(totals))]
        waiting = [game for game in games if not game.is_done]
        while waiting:
            answers = mixtures.worths([request for game in waiting for request in game.asks()])
            for position, game in enumerate(waiting):
                game.learn(*answers[2 * position : 2 * position + 2])
            waiting = [game for game in waiting if not game.is_done]
        for game in games:
            values[:, game.row, game.players] = game.found.values.T
            errors[:, game.row, game.players] = game.found.errors.T
        precision.add(
            np.concatenate([errors, errors]) if self._has_one_margin else errors,
            [game.found.relative_error for game in games],
            [game.n_samples for game in games],
            all_exact=all(game.found.is_exact for game in games),
        )
        return values, base_values

    def _pairs(self, n_players: int, n_pairs: int) -> Pairs:
        """Return the pairs that all rows with so many players share."""
        key = n_players, n_pairs
        if key not in self._drawn:
            self._drawn[key] = draw_pairs(n_players, n_pairs, seed=self._seed)
        return self._drawn[key]

    def _by_shap(self, rows: Any) -> tuple[Floats, Floats]:
        """Return values and base values of shap's estimator, before any mirroring."""
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
        return values, np.asarray(explainer.expected_value, np.float64)

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
            from shap.utils._legacy import SparseData

            summary = SparseData(csr_matrix(self._summary.data))
            if self._summary.weights is not None:
                summary.weights = self._summary.weights.copy()
            return shap.KernelExplainer(self._answers_sparse, summary), csr_matrix(table.data)
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


class _Game:
    """The game of one row while it is being played: what is known of it, and how much more is to be asked.

    Parameters
    ----------
    explainer : KernelExplainer
    mixtures : Mixtures
    row : int
    totals : ndarray of float64, shape (C,)
        What all players are worth more than none.

    """

    def __init__(self, explainer: KernelExplainer, mixtures: Mixtures, row: int, totals: Floats) -> None:
        self.row = row
        self.players = mixtures.players(row)
        self.n_samples = 0
        self._explainer = explainer
        self._totals = np.asarray(totals, np.float64)
        self._plan = plan(len(self.players), explainer._nsamples)
        self._known: dict[bytes, NDArray[np.float64]] = {}
        n_players = len(self.players)
        # One player has all there is, and none of no players anything.
        self.found = Estimate(np.tile(self._totals, (n_players, 1)), np.zeros((n_players, len(self._totals))), True)
        self.is_done = n_players < 2

    def asks(self) -> list[Request]:
        """Return the coalitions to be answered next, and the rest of each."""
        self._wanted = self._explainer._pairs(len(self.players), self._plan[0])
        self._new = np.array([mask for mask in self._wanted.masks if mask.tobytes() not in self._known])
        return [Request(self.row, self._new), Request(self.row, ~self._new)]

    def learn(self, ours: Floats, theirs: Floats) -> None:
        """Take the worths of what was asked for, and estimate the values."""
        for mask, difference in zip(self._new, (ours - theirs) / 2, strict=True):
            self._known[mask.tobytes()] = difference
        differences = np.array([self._known[mask.tobytes()] for mask in self._wanted.masks])
        self.found = estimate(self._wanted, differences, self._totals, seed=self._explainer._seed)
        self.n_samples = 2 * len(self._known)
        self._plan = self._plan[1:]
        self.is_done = not self._plan or self.found.relative_error <= ACCURACY


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
