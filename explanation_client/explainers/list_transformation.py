"""A list of columns and fitted transformers, in the form of sklearn-pandas, as one transformation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import InvalidArgumentError


@dataclass(frozen=True, slots=True, eq=False)
class ListTransformation:
    """Pairs of columns and fitted transformers, whose results lie side by side.

    Parameters
    ----------
    parts : tuple of (columns, steps)
        Columns are a list of names (rows are handed on as a table) or one name (as a single series).

    """

    parts: tuple[tuple[list[str] | str, tuple[Any, ...]], ...]

    @classmethod
    def of(cls, pairs: list[Any]) -> ListTransformation:
        """Return the transformation of a list in the form of sklearn-pandas.

        Raises
        ------
        InvalidArgumentError
            An entry is no pair of columns and transformers.

        """
        parts = []
        for pair in pairs:
            if not isinstance(pair, tuple) or len(pair) < 2:
                raise InvalidArgumentError(
                    f"transformations= holds {pair!r}: pairs of (columns, transformer) are needed"
                )
            columns, transformer = pair[0], pair[1]
            steps = transformer if isinstance(transformer, (list, tuple)) else [transformer]
            kept = tuple(step for step in steps if step is not None)
            if not all(hasattr(step, "transform") for step in kept):
                raise InvalidArgumentError(f"transformations= for {columns!r}: {transformer!r} has no transform method")
            parts.append((columns if isinstance(columns, str) else list(columns), kept))
        return cls(tuple(parts))

    def transform(self, rows: Any) -> Any:
        """Return the results side by side: CSR if any is sparse, else an array.

        Raises
        ------
        InvalidArgumentError
            The rows are no DataFrame.

        """
        if not hasattr(rows, "columns"):
            raise InvalidArgumentError("a list of transformations names columns: pass rows as a pandas DataFrame")
        results = self._results(rows)
        if any(hasattr(result, "tocsr") for result in results):
            from scipy.sparse import csr_matrix, hstack

            return csr_matrix(hstack(results, format="csr"))
        return np.hstack(results)

    def blocks(self, rows: Any) -> list[tuple[list[str], slice]]:
        """Return for each part its raw columns and the engineered ones that come from them."""
        found, start = [], 0
        for (columns, _), result in zip(self.parts, self._results(rows), strict=True):
            found.append(([columns] if isinstance(columns, str) else columns, slice(start, start + result.shape[1])))
            start += result.shape[1]
        return found

    def get_feature_names_out(self) -> NDArray[np.object_]:
        """Return the names of the results, as the last transformers name them, else those of the columns.

        Raises
        ------
        ValueError
            A transformer that makes other columns does not name them.

        """
        names: list[str] = []
        for columns, steps in self.parts:
            current = [columns] if isinstance(columns, str) else columns
            for step in steps:
                current = [str(name) for name in step.get_feature_names_out(current)]
            if isinstance(columns, str) and steps:
                # Made from a series: the words of a text, for example, of which one cannot tell the column.
                current = [f"{columns}_{name}" for name in current]
            names += current
        return np.array(names, dtype=object)

    def _results(self, rows: Any) -> list[Any]:
        results = []
        for columns, steps in self.parts:
            # A single series, as sklearn-pandas hands it on; with no transformer to want one, a table.
            values = rows[columns] if steps or not isinstance(columns, str) else rows[[columns]]
            for step in steps:
                values = step.transform(values)
            results.append(values if hasattr(values, "tocsr") else _two_dimensional(np.asarray(values)))
        return results


def _two_dimensional(values: NDArray[Any]) -> NDArray[Any]:
    return values[:, None] if values.ndim == 1 else values
