"""Binary classifiers with one margin: what it says for the second class is the opposite for the first, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def mirrored(values: Floats, base_value: float) -> tuple[Floats, Floats]:
    """Return importances (2, N, F) and base values (2,) of both classes, from those of the second (N, F).

    The first class's are the second's with the sign turned: equal to the last bit, whatever computed them.
    """
    both = np.empty((2, *values.shape), np.float64)
    both[1] = values
    np.negative(both[1], out=both[0])
    return both, np.array([-base_value, base_value])
