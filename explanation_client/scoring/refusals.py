"""What a model or its transformations refuse of rows, said in one way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from explanation_client.errors import ExplanationError, UnsupportedModelError
from explanation_client.explainers.inputs import Table

if TYPE_CHECKING:
    from explanation_client.explainers.model import Model

_SHOWN = 300


@contextmanager
def refusals(who: str) -> Iterator[None]:
    """Turn what packages raise over rows that they do not take into ``UnsupportedModelError``, with its cause."""
    try:
        yield
    except ExplanationError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        first = str(error).strip().splitlines()[0][:_SHOWN] if str(error).strip() else type(error).__name__
        raise UnsupportedModelError(f"{who} does not take these rows: {first}") from error


def takes(model: Model, table: Table, value: float) -> bool:
    """Whether a model predicts for a row all of whose numbers are missing (NaN), or infinite.

    Parameters
    ----------
    model : Model
    table : Table
        A row, or more, in the columns of the model.
    value : float

    """
    if table.is_sparse:
        return True
    row = table.take(slice(0, 1))
    if row.is_frame:
        frame = row.data.copy()
        for position, dtype in enumerate(frame.dtypes):
            if getattr(dtype, "kind", "O") in "iuf":
                frame.isetitem(position, [value])
        changed = Table(frame, row.names)
    elif row.data.dtype.kind in "iuf":
        changed = Table(np.full(row.shape, value), row.names)
    else:
        return True
    try:
        with np.errstate(all="ignore"):
            model.predict(model.form(changed))
    except ValueError:
        # What scikit-learn raises where a model takes no such numbers.
        return False
    return True
