"""Shapley values of a game from the worths of few coalitions, with their standard errors.

The game is fitted by one whose Shapley values are known (:mod:`~explanation_client.explainers.gaussian`), and what the
fit leaves is estimated from coalitions that it has not seen (Witter, Liu and Musco 2025, who fit boosted trees).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explanation_client.explainers.coalitions import Pairs, count_pairs, draw_pairs
from explanation_client.explainers.gaussian import fit_game

Floats = NDArray[np.float64]

# A fit takes the square of this in memory (19 MB) and the cube in time (a second); more pairs adjust it.
FITTED_PAIRS = 1536
# Up to so many players "auto" asks for every coalition: shap's default does so too.
_EXACT_PLAYERS = 11
# shap's default number of coalitions, and two for each player; "auto" never takes more.
_MOST = 2048
# "auto" starts with so many pairs, or two for each player.
_FIRST_PAIRS = 64
# "auto" stops where the standard error of all values together is under this share of their length.
ACCURACY = 0.03
_FOLDS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """Shapley values of a game.

    Parameters
    ----------
    values : ndarray of float64, shape (P, C)
    errors : ndarray of float64, shape (P, C)
        Standard errors; 0 where every coalition is known.
    is_exact : bool
        Whether every coalition is known.

    """

    values: Floats
    errors: Floats
    is_exact: bool

    @property
    def relative_error(self) -> float:
        """Length of the standard errors as a share of that of the values."""
        length = float(np.linalg.norm(self.values))
        return float(np.linalg.norm(self.errors)) / length if length else 0.0


def plan(n_players: int, nsamples: int | str) -> list[int]:
    """Return numbers of pairs to ask for, one after the other until the values are accurate.

    Parameters
    ----------
    n_players : int
    nsamples : "auto" or int
        Coalitions, two for each pair.

    """
    every = count_pairs(n_players) if n_players else 0
    if nsamples != "auto":
        return [min(every, int(nsamples) // 2)]
    if n_players <= _EXACT_PLAYERS:
        return [every]
    last = min(every, _MOST // 2 + n_players)
    steps = [max(_FIRST_PAIRS, 2 * n_players)]
    while steps[-1] < last:
        steps.append(min(2 * steps[-1], last))
    return steps


def estimate(pairs: Pairs, differences: Floats, totals: Floats, *, seed: int) -> Estimate:
    """Return the Shapley values of C games, which add up to their totals.

    Parameters
    ----------
    pairs : Pairs
        n pairs of coalitions, of ``draw_pairs`` with the same seed.
    differences : ndarray of float64, shape (n, C)
        Half of what each coalition is worth more than the rest.
    totals : ndarray of float64, shape (C,)
        What all players are worth more than none.
    seed : int

    """
    n_pairs, n_players = pairs.masks.shape
    if not pairs.unseen.any():
        values = pairs.influence.T @ differences + totals / n_players
        return Estimate(_adding_up(values, totals), np.zeros_like(values), True)
    if n_pairs <= FITTED_PAIRS:
        fit = fit_game(pairs.masks, differences, totals)
        # The fit meets the pairs that it has seen. What it would leave of them unseen tells how far it can be off.
        return Estimate(_adding_up(fit.values(), totals), _errors(pairs, fit.held_out(min(_FOLDS, n_pairs))), False)
    return _adjusted(pairs, differences, totals, seed)


def _adjusted(pairs: Pairs, differences: Floats, totals: Floats, seed: int) -> Estimate:
    """Return the values of a game fitted to some pairs, and those of what it leaves of the others: without bias."""
    fitted = draw_pairs(pairs.masks.shape[1], FITTED_PAIRS, seed=seed)
    positions = {mask.tobytes(): i for i, mask in enumerate(pairs.masks)}
    seen = np.array([positions[mask.tobytes()] for mask in fitted.masks])
    fit = fit_game(fitted.masks, differences[seen], totals)
    others = pairs.without(fitted)
    rest = np.array([positions[mask.tobytes()] for mask in others.masks])
    left = differences[rest] - fit.predict(others.masks)
    return Estimate(_adding_up(fit.values() + others.influence.T @ left, totals), _errors(others, left), False)


def _errors(pairs: Pairs, left: Floats) -> Floats:
    """Return the standard errors of sums over a sample of pairs, drawn without replacement within each size."""
    n_players = pairs.masks.shape[1]
    spread = (pairs.influence**2 * pairs.unseen[:, None]).T @ left**2
    # Sizes of which no pair was drawn are taken to be like the others.
    sizes = len(np.unique(pairs.masks.sum(axis=1)))
    return np.asarray(np.sqrt(spread) * ((n_players // 2) / sizes))


def _adding_up(values: Floats, totals: Floats) -> Floats:
    return np.asarray(values + (totals - values.sum(axis=0)) / len(values))
