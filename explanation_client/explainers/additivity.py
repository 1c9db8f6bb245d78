"""The gate that every additive explanation passes: values and base value add up to the model's own output.

An explainer that works on its own copy of a model can be wrong without a sign: its values add up to what the copy
says. So what they are held to here is the model's public prediction, on a sample of the rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import AdditivityError

# Share of the largest effect. Sums of float32 contributions stay under 1e-4, wrong explanations over 1e-2.
TOLERANCE = 1e-3
# Outputs far from 0 are rounded in float32 by some packages, whatever the effects are.
_ROUNDING = 8 * float(np.finfo(np.float32).eps)
# Rows of each batch that are checked.
SAMPLE = 32


def sample_positions(n_rows: int) -> NDArray[np.intp]:
    """Return positions of at most 32 rows, spread evenly."""
    return np.unique(np.linspace(0, n_rows - 1, min(n_rows, SAMPLE)).astype(np.intp))


def additivity_gap(
    values: NDArray[np.floating], base_values: NDArray[np.floating], answers: NDArray[np.float64]
) -> tuple[float, float]:
    """Return the largest gap between explained and actual outputs, and the gap that is accepted.

    Parameters
    ----------
    values : ndarray of shape (C, N, F)
    base_values : ndarray of shape (C,)
    answers : ndarray of float64, shape (N, C)
        What the model itself answers.

    """
    base = base_values.astype(np.float64)[:, None]
    explained = values.sum(axis=2, dtype=np.float64) + base
    gap = float(np.abs(explained - answers.T).max())
    effect = float(np.abs(answers.T - base).max())
    return gap, TOLERANCE * effect + _ROUNDING * float(np.abs(answers).max()) + 1e-12


def check_additivity(
    values: NDArray[np.floating],
    base_values: NDArray[np.floating],
    answers: NDArray[np.float64],
    *,
    who: str,
    space: str,
) -> None:
    """Return nothing, or raise where values (C, N, F) and base values (C,) miss the model's answers (N, C).

    Raises
    ------
    AdditivityError
        The gap is over a thousandth of the largest effect, or not a number.

    """
    gap, accepted = additivity_gap(values, base_values, answers)
    if not gap <= accepted:
        raise AdditivityError(
            f"{who}: values and base value miss the model's own output ({space}) by up to {gap:.3g}, accepted are "
            f"{accepted:.3g}; they do not explain this model. Where it answers the same each time, KernelExplainer does"
        )
