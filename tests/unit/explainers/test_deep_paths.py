"""Integrals of gradients along paths: exact where they can be, and honest where they cannot."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from explanation_client.explainers.deep.paths import Gradients, Points, integrate

Array = NDArray[np.float64]
RNG = np.random.default_rng(0)
STARTS, ENDS = RNG.normal(size=(2, 12, 3))


def polynomial(x: Array) -> tuple[Array, Array]:
    """Two columns: a product of three features, and a square."""
    scores = np.stack([x.prod(axis=1), x[:, 0] ** 2 + x[:, 1]], axis=1)
    of_product = np.stack([x[:, 1] * x[:, 2], x[:, 0] * x[:, 2], x[:, 0] * x[:, 1]], axis=1)
    of_square = np.stack([2.0 * x[:, 0], np.ones(len(x)), np.zeros(len(x))], axis=1)
    return scores, np.stack([of_product, of_square])


WEIGHTS = RNG.normal(size=(3, 40))


def bent(x: Array) -> tuple[Array, Array]:
    """A sum of forty ReLUs, whose gradient jumps where one of them bends."""
    inner = x @ WEIGHTS - 0.3
    return np.maximum(inner, 0.0).sum(axis=1, keepdims=True), ((inner > 0.0) @ WEIGHTS.T)[None]


def jumping(x: Array) -> tuple[Array, Array]:
    """A step, whose gradient says nothing of it."""
    return (x[:, :1] > 0.0).astype(float) + x[:, 1:2], np.repeat([[[0.0, 1.0, 0.0]]], len(x), axis=1)


def integral(gradients: Gradients, starts: Array = STARTS, ends: Array = ENDS) -> tuple[Array, NDArray[np.intp]]:
    first, last = gradients(starts)[0], gradients(ends)[0]
    scale = np.abs(last - first).max(axis=1)
    return integrate(gradients, Points(starts, first), Points(ends, last), scale, rounding=1e-15)


def test_a_polynomial_is_integrated_exactly_with_one_try() -> None:
    values, taken = integral(polynomial)
    # Gauss's rule with a hundred nodes, of which none is adapted to anything.
    nodes, weights = np.polynomial.legendre.leggauss(100)
    points = STARTS[:, None] + ((nodes + 1.0) / 2.0)[None, :, None] * (ENDS - STARTS)[:, None]
    slopes = polynomial(points.reshape(-1, 3))[1].reshape(2, 12, 100, 3)
    wanted = np.einsum("kpmf,m->kpf", slopes, weights / 2.0) * (ENDS - STARTS)
    np.testing.assert_allclose(values, wanted, rtol=0, atol=1e-13)
    assert set(taken) == {7}


def test_values_add_up_where_gradients_jump_and_come_from_where_they_do() -> None:
    values, taken = integral(bent)
    change = bent(ENDS)[0] - bent(STARTS)[0]
    assert np.abs(values.sum(axis=2).T - change).max() < 1e-4 * np.abs(change).max()
    # A sum of ReLUs can be integrated one by one: each is straight but for one bend.
    inner, outer = STARTS @ WEIGHTS - 0.3, ENDS @ WEIGHTS - 0.3
    share = (np.maximum(outer, 0.0) - np.maximum(inner, 0.0)) / (outer - inner)
    wanted = (ENDS - STARTS) * (share @ WEIGHTS.T)
    assert np.linalg.norm(values[0] - wanted) < 0.02 * np.linalg.norm(wanted)
    assert taken.max() < 100


def test_what_gradients_do_not_say_stays_open() -> None:
    starts, ends = np.array([[-1.0, 0.0, 0.0]]), np.array([[1.0, 2.0, 5.0]])
    values, _ = integral(jumping, starts, ends)
    np.testing.assert_allclose(values, [[[0.0, 2.0, 0.0]]])


def test_a_path_of_no_length_is_worth_nothing() -> None:
    values, _ = integral(bent, STARTS, STARTS)
    assert (values == 0.0).all()


def test_paths_do_not_depend_on_those_beside_them() -> None:
    values, taken = integral(bent)
    for i in (0, 5):
        alone, taken_alone = integral(bent, STARTS[i : i + 1], ENDS[i : i + 1])
        np.testing.assert_allclose(alone[:, 0], values[:, i], rtol=1e-12, atol=1e-12)
        assert taken_alone[0] == taken[i]
