"""A linear model of many columns of which few matter, from fewer answers than there are columns.

Sparse Bayesian regression: each column has a prior variance of its own, shared by the outputs, and the variances are
those under which the answers are most likely. Columns that explain nothing end up with a variance, and a coefficient,
of 0 (MacKay 1992; Tipping 2001).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Later rounds changed no coefficient by a hundredth of the largest.
_ROUNDS = 12
# Columns whose variance falls under this share of the largest are left out from then on.
_LEAST_VARIANCE = 1e-8
# Noise that is assumed beside the mean square of the answers: at first, and at least.
_FIRST_NOISE, _LEAST_NOISE = 0.1, 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class SparseFit:
    """Coefficients of a linear model through 0.

    Parameters
    ----------
    coefficients : ndarray of float64, shape (p, C)
    variances : ndarray of float64, shape (p,)
        Of each coefficient, given the answers.
    explained : float
        Share of the answers' mean square that the model explains, between 0 and 1.

    """

    coefficients: Floats
    variances: Floats
    explained: float


def fit_sparse(columns: Floats, answers: Floats) -> SparseFit:
    """Return the linear model of answers (n, C) in columns (n, p).

    All answers 0, or no column that varies, give coefficients of 0.
    """
    n_columns, n_outputs = columns.shape[1], answers.shape[1]
    power = float((answers * answers).mean()) if answers.size else 0.0
    coefficients, variances = np.zeros((n_columns, n_outputs)), np.zeros(n_columns)
    used = np.flatnonzero(columns.any(axis=0))
    if power == 0.0 or not len(used):
        return SparseFit(coefficients, variances, 1.0)
    prior = np.full(n_columns, power / (2 * len(used) * float((columns * columns).mean())))
    noise = _FIRST_NOISE * power
    for _ in range(_ROUNDS):
        x = columns[:, used]
        found, spread = _posterior(x, answers, prior[used], noise)
        settled = np.clip(1.0 - spread / prior[used], 1e-9, 1.0)
        coefficients[:], variances[:] = 0.0, 0.0
        coefficients[used], variances[used] = found, spread
        left = float(((answers - x @ found) ** 2).mean())
        n_free = max(len(answers) - float(settled.sum()), 1.0)
        noise = max(left * len(answers) / n_free, _LEAST_NOISE * power)
        prior[used] = (found * found).mean(axis=1) / settled
        used = used[prior[used] > _LEAST_VARIANCE * prior[used].max()]
    return SparseFit(coefficients, variances, max(0.0, 1.0 - left / power))


def _posterior(x: Floats, answers: Floats, prior: Floats, noise: float) -> tuple[Floats, Floats]:
    """Return means (p, C) and variances (p,) of coefficients, from the smaller of two equal systems."""
    from scipy.linalg import cho_factor, cho_solve

    n, p = x.shape
    if p <= n:
        root = np.sqrt(prior)
        system = np.eye(p) + (root[:, None] * (x.T @ x) * root) / noise
        covariance = root[:, None] * cho_solve(cho_factor(system, lower=True), np.diag(root))
        return covariance @ (x.T @ answers) / noise, np.diag(covariance).copy()
    factor = cho_factor((x * prior) @ x.T + noise * np.eye(n), lower=True)
    means = prior[:, None] * (x.T @ cho_solve(factor, answers))
    reach = np.einsum("np,np->p", x, cho_solve(factor, x))
    return means, np.maximum(prior - prior * prior * reach, 0.0)
