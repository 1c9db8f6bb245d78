"""LIMEExplainer: a weighted linear model of the answers around one row, columns kept or replaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.inputs import Table
from explanation_client.explainers.mixture_explainer import MixtureExplainer
from explanation_client.explainers.mixtures import Masks, Mixtures, Request

Floats = NDArray[np.float64]

# The original's width of the kernel, for distances between 0 (nothing replaced) and 1 (all replaced).
_WIDTH = 0.75
# Strength of the ridge beside mixtures whose weights add up to 1; shared by the columns.
_RIDGE = 1e-3
_BATCH_ROWS = 16


@dataclass(frozen=True, slots=True, eq=False)
class Fits:
    """Collects how much of the answers' variance the linear models explain.

    Parameters
    ----------
    n_mixtures : int
        For each row.
    parts : list of ndarray of float64, shape (C, n)
        Batch by batch.

    """

    n_mixtures: int
    parts: list[Floats] = field(default_factory=list)

    @property
    def values(self) -> Floats:
        """R² of each output and row, (C, N)."""
        return np.concatenate(self.parts, axis=1)

    def notes(self) -> tuple[str, ...]:
        """Return what the explanation records of it."""
        values = self.values
        spread = f"median {np.median(values):.2f}, least {values.min():.2f}"
        return (f"local fits: {self.n_mixtures:,} mixtures for each row; R² {spread}",)


class LIMEExplainer(MixtureExplainer):
    """Local linear models of any model or prediction function (Ribeiro, Singh and Guestrin 2016).

    For each row, columns are kept or replaced by those of a background row, at random, and the model answers. A linear
    model of which columns were kept is fitted to the answers, with more weight where more was kept. A value is what
    keeping the column adds in that model; the base value, what it gives when all are replaced, is held to the model's
    mean answer to the background, so that it is the same for all rows. Values and base value need not add up to the
    model's output: how much of the answers' variance the linear models explain is in ``explanation.info.notes`` (local
    R²). Global importances are means over the rows.

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
    nclusters : int
        Rows that a large background becomes.
    classes : sequence of str, optional
        Names of the classes, in the order of the model's outputs. None: the model's labels. Needed for a function of
        one column that is the probability of the second of two classes.
    verbose : bool
        Refused where it is set: nothing is printed. What the fits explain is in the notes.
    categorical_features : sequence of int or str
        Columns that hold categories. Accepted for its place in old calls: a column is kept or replaced as a whole, so
        that numbers and categories are treated alike. Unknown columns are refused.
    nsamples : int
        Mixtures for each row.
    seed : int
        The same seed gives the same values. numpy's global generator is not used.
    features, explain_subset, transformations, allow_all_transformations, model_task, show_progress
        As of every :class:`~explanation_client.explainers.Explainer`.

    Attributes
    ----------
    local_fit : ndarray of float64, shape (C, N), or None
        The share of the answers' variance that each linear model explains (R², weighted), of the rows that were
        explained last.

    Raises
    ------
    InvalidArgumentError
        An argument is out of range.

    """

    method = "lime"
    is_additive: ClassVar[bool] = False
    packages = ()

    def __init__(
        self,
        model: Any,
        initialization_examples: Any,
        is_function: bool = False,
        explain_subset: Sequence[int] | None = None,
        nclusters: int = 10,
        features: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        verbose: bool = False,
        categorical_features: Sequence[int | str] = (),
        show_progress: bool | None = None,
        transformations: Any = None,
        allow_all_transformations: bool = False,
        *,
        model_task: str = "unknown",
        nsamples: int = 2000,
        seed: int = 0,
    ) -> None:
        if verbose:
            raise InvalidArgumentError(
                "verbose=True: nothing is printed; the explanation's notes say what the fits tell"
            )
        if isinstance(nsamples, bool) or not isinstance(nsamples, int) or nsamples < 10:
            raise InvalidArgumentError(f"nsamples={nsamples!r}: at least 10 mixtures for each row")
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
        self._check_categorical(categorical_features)
        self._nsamples = nsamples
        self.how = "LIME explains any model from its predictions"

    @property
    def local_fit(self) -> NDArray[np.float64] | None:
        """Share of the variance that each linear model explains, (C, N), of the rows that were explained last."""
        return None if self._found is None else np.asarray(self._found.values)

    @property
    def _batch_rows(self) -> int:
        return _BATCH_ROWS

    def _check_categorical(self, columns: Sequence[int | str]) -> None:
        names, n_features = self._schema.features, self._schema.n_features
        for column in columns:
            known = column in names if isinstance(column, str) else 0 <= column < n_features
            if not known:
                raise InvalidArgumentError(
                    f"categorical_features names {column!r}: a column's name, or its position under {n_features}"
                )

    def _findings(self, n_kept: int | None) -> Fits:
        return Fits(self._nsamples)

    def _attribute(self, rows: Any) -> tuple[Floats, Floats]:
        return self._find(rows, self._findings(None))

    def _find(self, rows: Any, findings: Fits) -> tuple[Floats, Floats]:
        mixtures = Mixtures(Table(rows), self._summary, self._answers)
        n_rows, n_outputs = rows.shape[0], self._model.n_outputs
        values, fits = np.zeros((n_outputs, *rows.shape)), np.ones((n_outputs, n_rows))
        players = [mixtures.players(row) for row in range(n_rows)]
        requests = [self._request(mixtures, row, len(columns)) for row, columns in enumerate(players)]
        base_values = mixtures.background_weights @ self._answers(self._summary.data)
        for row, answers in enumerate(mixtures.worths(requests)):
            if len(players[row]):
                coefficients, fits[:, row] = fit_linear(requests[row].masks, answers - base_values)
                values[:, row, players[row]] = coefficients.T
        findings.parts.append(fits)
        return values, base_values

    def _request(self, mixtures: Mixtures, row: int, n_players: int) -> Request:
        """Return which columns are kept in each mixture, and what row the others come from."""
        # Rows with so many columns to replace share the mixtures: a row's values do not depend on the rows before it.
        rng = np.random.default_rng([self._seed, n_players])
        kept = rng.integers(0, n_players + 1, self._nsamples)
        masks = rng.random((self._nsamples, n_players)).argsort(axis=1) < kept[:, None]
        masks[0] = True
        chosen = rng.choice(mixtures.n_background, self._nsamples, p=mixtures.background_weights)
        return Request(row, masks, chosen)


def fit_linear(masks: Masks, answers: Floats) -> tuple[Floats, Floats]:
    """Return the slopes (P, C) of a linear model through 0 of answers (n, C), and its R² (C,).

    Mixtures weigh ``sqrt(exp(-(d / 0.75)**2))`` with d the share of columns that was replaced.
    """
    kept = masks.astype(np.float64)
    weights = np.sqrt(np.exp(-(((1.0 - kept.mean(axis=1)) / _WIDTH) ** 2)))
    weights /= weights.sum()
    weighted = kept * weights[:, None]
    slopes = np.linalg.solve(kept.T @ weighted + _RIDGE / masks.shape[1] * np.eye(masks.shape[1]), weighted.T @ answers)
    left = weights @ (answers - kept @ slopes) ** 2
    spread = weights @ (answers - weights @ answers) ** 2
    # A constant answer leaves nothing to explain.
    return slopes, np.where(spread > 0, 1.0 - left / np.where(spread > 0, spread, 1.0), 1.0)
