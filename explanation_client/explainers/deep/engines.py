"""What computes importances of a network's scores, for each row and background row: gradients, or DeepLIFT's rules."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import CannotExplainError
from explanation_client.explainers.deep.network import Floats, Network
from explanation_client.explainers.deep.paths import Points, integrate

# How values are computed, as an explanation records it.
GRADIENTS = "expected_gradients"
DEEPLIFT = "shap_deep"

# A row is explained with so many halvings of the features at least.
_HALVINGS = 10
# Up to so many halvings are all tried.
_FEW = 100


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """The few rows that stand for features which are missing.

    Parameters
    ----------
    rows : ndarray of float64, shape (B, F)
        As the network takes them.
    weights : ndarray of float64, shape (B,)
        Adding up to 1.
    scores : ndarray of float64, shape (B, K)
        What goes into the network's head.

    """

    rows: Floats
    weights: Floats
    scores: Floats


class Engine(Protocol):
    """Computes importances of scores between background rows and rows."""

    method: str
    how: str
    # Paths between a background row and a row.
    n_legs: int

    def contributions(self, rows: Floats, scores: Floats) -> tuple[Floats, NDArray[np.intp]]:
        """Return importances (K, N, B, F), and how many gradients each row and background row took (N, B).

        Parameters
        ----------
        rows : ndarray of float64, shape (N, F)
        scores : ndarray of float64, shape (N, K)
            What goes into the network's head.

        """
        ...


class GradientEngine:
    """Integrals of gradients on paths from each background row to the row.

    On a straight path all features come in together (expected gradients), for Shapley values one after the other, in
    all orders. A broken path is in between, and nearer to them: a random half of the features comes in first, then
    the other; and the other way round. Effects of two features are then shared as Shapley values share them.
    Background rows have halves of their own, and few background rows several each.

    Parameters
    ----------
    network : Network
    background : Background
    broken : bool
        Whether paths are broken.
    seed : int
        Of the halves.

    """

    method = GRADIENTS

    def __init__(self, network: Network, background: Background, *, broken: bool, seed: int) -> None:
        self._network = network
        self._background = background
        self._halves = _halves(len(background.rows), background.rows.shape[1], seed) if broken else None
        self.n_legs = 1 if self._halves is None else 4 * len(self._halves)
        shape = "broken" if broken else "straight"
        self.how = f"expected gradients, on {shape} paths from each background row, integrated until they add up"

    def contributions(self, rows: Floats, scores: Floats) -> tuple[Floats, NDArray[np.intp]]:
        """Return importances (K, N, B, F), and how many gradients each row and background row took (N, B)."""
        n_rows, n_background = len(rows), len(self._background.rows)
        # A miss counts beside what the scores of this row differ by from the background's.
        apart = (scores[:, None, :] - self._background.scores[None, :, :]) ** 2
        scale = np.sqrt(np.einsum("nbk,b->nk", apart, self._background.weights)).max(axis=1)
        starts = Points(np.tile(self._background.rows, (n_rows, 1)), np.tile(self._background.scores, (n_rows, 1)))
        ends = Points(np.repeat(rows, n_background, axis=0), np.repeat(scores, n_background, axis=0))
        legs = [(starts, ends)] if self._halves is None else []
        for halves in () if self._halves is None else self._halves:
            chosen = np.tile(halves, (n_rows, 1))
            one = self._at(np.where(chosen, ends.rows, starts.rows))
            other = self._at(np.where(chosen, starts.rows, ends.rows))
            legs += [(starts, one), (one, ends), (starts, other), (other, ends)]
        scale = np.tile(np.repeat(scale, n_background), len(legs))
        values, taken = integrate(self._network.gradients, *_joined(legs), scale, rounding=self._network.rounding)
        n_ways = max(1, len(legs) // 2)
        values = values.reshape(len(values), len(legs), n_rows, n_background, -1).sum(axis=1) / n_ways
        return values, taken.reshape(len(legs), n_rows, n_background).sum(axis=0)

    def _at(self, rows: Floats) -> Points:
        return Points(rows, self._network.scores(rows))


def _halves(n_background: int, n_features: int, seed: int) -> NDArray[np.bool_]:
    """Return which features are in the first half, (halvings, B, F): each background row has one or more halvings."""
    generator = np.random.default_rng(seed)
    n_halvings = -(-_HALVINGS // n_background)
    wanted = n_halvings * n_background
    chosen = np.zeros((wanted, n_features), bool)
    size = n_features // 2
    if comb(n_features, size) <= _FEW:
        # All there are in turn, so that none comes by chance more often than others.
        known = generator.permutation(np.array(list(combinations(range(n_features), size))))
        positions = known[np.arange(wanted) % len(known)]
    else:
        positions = np.stack([generator.permutation(n_features)[:size] for _ in range(wanted)])
    np.put_along_axis(chosen, positions, True, axis=1)
    return chosen.reshape(n_halvings, n_background, n_features)


def _joined(legs: list[tuple[Points, Points]]) -> tuple[Points, Points]:
    """Return the starts and the ends of several legs, one after the other."""
    starts, ends = zip(*legs, strict=True)
    return Points.joined(starts), Points.joined(ends)


def make_engine(
    method: str, network: Network, background: Background, *, broken: bool, seed: int
) -> tuple[Engine, str | None]:
    """Return what computes importances of a network's scores, and a note where it is not what was asked for first.

    Parameters
    ----------
    method : "gradients", "deeplift" or "auto"
    network : Network
    background : Background
    broken, seed
        As of :class:`GradientEngine`.

    Raises
    ------
    CannotExplainError
        ``method="deeplift"``, and the network has an operation without a rule, or PyTorch does not compute it.

    """
    note = None
    if method != "gradients":
        try:
            return _rescale_engine(network, background), None
        except CannotExplainError as error:
            if method == "deeplift":
                raise
            note = f"method='auto' became gradients: {error}"
    return GradientEngine(network, background, broken=broken, seed=seed), note


def _rescale_engine(network: Network, background: Background) -> Engine:
    if "torch" not in network.packages:
        raise CannotExplainError(
            f"method='deeplift' has rules for operations of PyTorch, and TensorFlow computes {network.name}: use "
            "method='gradients'"
        )
    from explanation_client.explainers.deep.rescale import RescaleEngine
    from explanation_client.explainers.deep.torch_network import TorchNetwork

    assert isinstance(network, TorchNetwork)
    return RescaleEngine(network, background.rows)
