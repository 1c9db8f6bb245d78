"""A smooth model of a game on sampled coalitions, whose Shapley values are known exactly.

The game is a Gaussian process on the cube {-1, 1}^P. Its covariance is a large linear part, for the players' own
effects, and a product over the players of 1 for those that two coalitions agree on and of ``(1 - r) / (1 + r)`` for
the others, where a player's relevance r says how much it takes part in interactions. Only differences between a
coalition and the rest matter, so that all is made odd. Shapley values are linear, and those of a product of functions
of one player each are an integral of a polynomial (a multilinear extension; Owen 1972), which Gauss's rule solves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Variance of the linear part, beside a mean scale of 1 for what is fitted.
_LINEAR = 10.0
# Variance of what no smooth game explains, as a share of the product's.
_NOISE = 1e-5
# Of the coalition of all players, whose worth is met as far as floats go.
_EXACT = 1e-7
# What is tried: relevances that are the same for all, scales and exponents of those that follow the players' effects,
# variances of the product part. Finer steps changed errors by less than a tenth.
_SAME = (0.05, 0.2)
_SCALES = (0.08, 0.2, 0.5)
_EXPONENTS = (0.5, 1.0)
_VARIANCES = (0.03, 1.0, 30.0)
# A game that is all but linear: with more, a millionth of the effects would be taken for interactions.
_NEARLY_NONE = 1e-5
_ROUNDS = 2
_LEAST, _MOST = 0.002, 0.7
# Pairs that settle covariances; more do not find better ones.
_TUNED_ON = 128
# The rule is exact up to 63 players, and near enough beyond.
_MOST_POINTS = 32


@dataclass(frozen=True, slots=True, eq=False)
class Covariance:
    """How worths of coalitions vary together.

    Parameters
    ----------
    relevance : ndarray of float64, shape (P,)
    variance : float

    """

    relevance: Floats
    variance: float

    def between(self, x: Floats, y: Floats) -> Floats:
        """Return the covariances of two sets of coalitions, coded as -1 and 1."""
        rates = np.log1p(-self.relevance) - np.log1p(self.relevance)
        apart = (x * (rates / 2)) @ y.T
        same = rates.sum() / 2
        odd = (np.exp(same - apart) - np.exp(same + apart)) / 2
        return np.asarray(self.variance * odd + (_LINEAR / x.shape[1]) * (x @ y.T))

    def shapley(self, y: Floats) -> Floats:
        """Return the Shapley values (P, n) of the games S -> covariance of S and each of n coalitions."""
        odd = (_product_values(y, self.relevance) - _product_values(-y, self.relevance)) / 2
        return np.asarray((self.variance * odd + (2 * _LINEAR / y.shape[1]) * y).T)


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A game fitted to pairs of coalitions, and to the worth of all players.

    Parameters
    ----------
    covariance : Covariance
    coded : ndarray of float64, shape (n + 1, P)
        The fitted coalitions; the last is that of all players.
    root : ndarray of float64, shape (n + 1, n + 1)
        Cholesky factor of their covariances.
    weights : ndarray of float64, shape (n + 1, C)

    """

    covariance: Covariance
    coded: Floats
    root: Floats
    weights: Floats

    def values(self) -> Floats:
        """Return the Shapley values of the fitted game, (P, C)."""
        return np.asarray(self.covariance.shapley(self.coded) @ self.weights)

    def predict(self, masks: NDArray[np.bool_]) -> Floats:
        """Return half the difference of other pairs, (m, C)."""
        return np.asarray(self.covariance.between(_coded(masks), self.coded) @ self.weights)

    def held_out(self, n_folds: int) -> Floats:
        """Return what a fit to all other folds leaves of each pair, (n, C).

        With K the covariances, the residual of a fold is the inverse of its block of inverse(K) times its weights
        (Rasmussen and Williams 2006, 5.4.2), so that nothing is fitted again.
        """
        from scipy.linalg import cho_solve

        n_pairs = len(self.coded) - 1
        inverse = cho_solve((self.root, True), np.eye(n_pairs + 1), check_finite=False)
        left = np.empty((n_pairs, self.weights.shape[1]))
        for fold in range(n_folds):
            # Pairs are in the order of their sizes: each fold has all of them.
            out = np.arange(fold, n_pairs, n_folds)
            left[out] = np.linalg.solve(inverse[np.ix_(out, out)], self.weights[out])
        return left


def fit_game(masks: NDArray[np.bool_], differences: Floats, totals: Floats) -> Fit:
    """Return the game of the largest likelihood among those tried: first all players alike, then by their effects.

    Parameters
    ----------
    masks : ndarray of bool, shape (n, P)
    differences : ndarray of float64, shape (n, C)
        Half of what each coalition is worth more than the rest.
    totals : ndarray of float64, shape (C,)
        What all players are worth more than none.

    """
    coded = np.vstack([_coded(masks), np.ones(masks.shape[1])])
    worths = np.vstack([differences, totals / 2])
    tuned = np.unique(np.append(np.linspace(0, len(masks) - 1, min(len(masks), _TUNED_ON)).astype(np.intp), len(masks)))
    tried = _alike(masks.shape[1])
    best: tuple[float, Covariance] | None = None
    fit = None
    for _ in range(1 + _ROUNDS):
        for covariance in tried:
            score = _likelihood(covariance, coded[tuned], worths[tuned])
            if best is None or score > best[0]:
                best = score, covariance
        assert best is not None
        if fit is not None and fit.covariance is best[1]:
            # Nothing better was found, and the next round would try the same again.
            return fit
        fit = _fit(best[1], coded, worths)
        tried = _by_effect(fit.values())
    assert fit is not None
    return fit


def _alike(n_players: int) -> list[Covariance]:
    linear = Covariance(np.full(n_players, _SAME[0]), _NEARLY_NONE)
    return [linear, *(Covariance(np.full(n_players, same), variance) for same in _SAME for variance in _VARIANCES)]


def _by_effect(values: Floats) -> list[Covariance]:
    """Return covariances in which players of large effect are those that interact."""
    sizes = np.abs(values).mean(axis=1)
    sizes = sizes / max(float(sizes.max()), 1e-300)
    return [
        Covariance(np.clip(scale * sizes**exponent, _LEAST, _MOST), variance)
        for exponent in _EXPONENTS
        for scale in _SCALES
        for variance in _VARIANCES
    ]


def _matrix(covariance: Covariance, coded: Floats) -> Floats:
    """Return the covariances of what was asked for, noise included."""
    matrix = covariance.between(coded, coded)
    last = len(coded) - 1
    matrix[np.arange(last), np.arange(last)] += _NOISE * covariance.variance
    matrix[last, last] += _EXACT * covariance.variance
    return matrix


def _likelihood(covariance: Covariance, coded: Floats, worths: Floats) -> float:
    """Return the logarithm of the likelihood, each output's scale being its best, up to a constant."""
    from scipy.linalg import cholesky, solve_triangular

    root = cholesky(_matrix(covariance, coded), lower=True, check_finite=False)
    white = solve_triangular(root, worths, lower=True, check_finite=False)
    scales = np.log((white * white).mean(axis=0) + 1e-300)
    return float(-0.5 * len(coded) * scales.sum() - worths.shape[1] * np.log(np.diag(root)).sum())


def _fit(covariance: Covariance, coded: Floats, worths: Floats) -> Fit:
    from scipy.linalg import cho_solve, cholesky

    matrix = _matrix(covariance, coded)
    root = cholesky(matrix, lower=True, check_finite=False)
    weights = cho_solve((root, True), worths, check_finite=False)
    # Refined once: a game without interactions is then met to the last digits.
    weights += cho_solve((root, True), worths - matrix @ weights, check_finite=False)
    return Fit(covariance, coded, root, weights)


def _coded(masks: NDArray[np.bool_]) -> Floats:
    return np.where(masks, 1.0, -1.0)


def _product_values(y: Floats, relevance: Floats) -> Floats:
    """Return the Shapley values (n, P) of the products' games."""
    apart = (1.0 - relevance) / (1.0 + relevance)
    member = y > 0
    inside, outside = np.where(member, 1.0, apart), np.where(member, apart, 1.0)
    points, weights = np.polynomial.legendre.leggauss(min(y.shape[1] // 2 + 1, _MOST_POINTS))
    values = np.zeros(y.shape)
    for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
        factors = np.log(point * inside + (1 - point) * outside)
        values += weight * np.exp(factors.sum(axis=1, keepdims=True) - factors)
    return np.asarray(values * (inside - outside))
