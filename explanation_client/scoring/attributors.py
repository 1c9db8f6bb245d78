"""What computes the importances of a scoring explainer: numbers alone, or an explainer with its model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError
from explanation_client.explainers.base import Explainer
from explanation_client.explainers.inputs import Table
from explanation_client.explainers.mirror import mirrored
from explanation_client.scoring.encoding import Levels
from explanation_client.scoring.networks import Serializer
from explanation_client.scoring.refusals import refusals
from explanation_client.scoring.sums import Sums

if TYPE_CHECKING:
    from explanation_client.treeshap.ensemble import Link

Floats = NDArray[np.float64]
Output = Literal["sums", "carried", "surrogate probability", "teacher probability"]


@dataclass(frozen=True, eq=False)
class SumAttributor:
    """Importances from trees or coefficients: needs numpy and numba, and no model.

    Parameters
    ----------
    sums : TreeSum or LinearSum
        Of K raw outputs; 1 for two classes.
    n_outputs : int
        C.
    features : tuple of str
        Names of the columns, for messages.
    levels : Levels
        How columns become numbers.
    unstored_is_missing : bool
        What a sparse row does not store is missing, not 0.
    output : str
        What importances add up to: the sums themselves; or the probabilities that belong to them, carried over along
        a link, or as a surrogate has them, its own or the teacher's.
    link : str
    scale : float
        Of ``"carried"``.
    teacher : callable, optional
        From tables to the teacher's probabilities (N, C).
    takes_missing, takes_infinite : bool
        Whether the model predicts for such rows; where it does not, they are not explained either.

    """

    sums: Sums
    n_outputs: int
    features: tuple[str, ...]
    levels: Levels
    unstored_is_missing: bool = False
    output: Output = "sums"
    link: Link = "identity"
    scale: float = 1.0
    teacher: Callable[[Table], Floats | None] | None = None
    takes_missing: bool = True
    takes_infinite: bool = True

    @cached_property
    def base_values(self) -> Floats:
        """Base values (C,)."""
        found = self._both(self.sums.base_values)
        if self.output == "carried":
            return self._carried(np.zeros((self.n_outputs, 0, 0)), found)[1]
        if self.output != "sums":
            from explanation_client.surrogates.targets import to_probabilities

            return np.asarray(to_probabilities(found[None])[0])
        return found

    def attribute(self, table: Table) -> Floats:
        """Return importances (C, N, E)."""
        rows = self.numbers(table)
        found = self.sums.values(self.levels.expand(rows))
        values = self._mirrored(self.levels.fold(found))
        if self.output == "sums":
            return values
        base = self._both(self.sums.base_values)
        if self.output == "carried":
            return self._carried(values, base)[0]
        from explanation_client.surrogates.targets import values_of_given, values_of_probabilities

        values = values_of_probabilities(values, base)[0]
        if self.output == "surrogate probability":
            return values
        assert self.teacher is not None
        said = self.teacher(table)
        assert said is not None
        return values_of_given(values, self.base_values, said)

    def outputs(self, table: Table) -> Floats:
        """Return the raw outputs (N, K)."""
        return self.sums.outputs(self.levels.expand(self.numbers(table)))

    def numbers(self, table: Table) -> Floats:
        """Return rows as float64 (N, E)."""
        if table.is_sparse:
            rows = _dense(table.data, self.unstored_is_missing)
        else:
            rows = self.levels.encode(table, self.features)
        if not (self.takes_missing and self.takes_infinite) and not np.isfinite(rows).all():
            self._refuse(rows)
        return rows

    def _refuse(self, rows: Floats) -> None:
        """Raise for a number that the model does not take, if there is one."""
        refused = np.zeros(rows.shape, np.bool_)
        refused |= np.isnan(rows) & (not self.takes_missing)
        refused |= np.isinf(rows) & (not self.takes_infinite)
        for row, column in np.argwhere(refused):
            raise InvalidArgumentError(
                f"column {self.features[column]!r} of row {row} is {rows[row, column]}, and the model takes no such "
                "number there"
            )

    def _mirrored(self, values: Floats) -> Floats:
        if len(values) == 1 and self.n_outputs == 2:
            return np.asarray(mirrored(values[0], 0.0)[0])
        return values

    def _both(self, base_values: Floats) -> Floats:
        if len(base_values) == 1 and self.n_outputs == 2:
            return np.array([-base_values[0], base_values[0]])
        return base_values

    def _carried(self, values: Floats, base_values: Floats) -> tuple[Floats, Floats]:
        from explanation_client.treeshap.probability import to_predictions

        return to_predictions(values, base_values, link=self.link, scale=self.scale)


@dataclass(frozen=True, eq=False)
class ExplainerAttributor:
    """Importances from an explainer that has its model: Kernel SHAP, gradients, or a package's own contributions.

    Parameters
    ----------
    explainer : Explainer
    probe : Table
        A row in the columns of the model, to ask for the base values once.
    serializer : Serializer, optional
        What writes its network.

    """

    explainer: Explainer
    probe: Table
    serializer: Serializer | None = None

    @cached_property
    def base_values(self) -> Floats:
        """Base values (C,)."""
        return np.asarray(self._found(self.probe)[1], np.float64)

    def attribute(self, table: Table) -> Floats:
        """Return importances (C, N, E)."""
        step = self.explainer._batch_rows
        parts = [self._found(table.take(slice(i, i + step)))[0] for i in range(0, table.shape[0], step)]
        return np.asarray(parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1), np.float64)

    def _found(self, table: Table) -> tuple[Any, Any]:
        with refusals(self.explainer._model.short_name):
            return self.explainer._attribute(self.explainer._model.form(table))


def _dense(rows: Any, unstored_is_missing: bool) -> Floats:
    """Return a CSR matrix as an array, with gaps where that is what it does not store."""
    if not unstored_is_missing:
        return np.asarray(rows.toarray(), np.float64)
    stored = rows.tocoo()
    dense = np.full(rows.shape, np.nan)
    dense[stored.row, stored.col] = stored.data
    return dense
