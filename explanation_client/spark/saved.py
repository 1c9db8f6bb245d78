"""A saved scoring explainer on its way to executors: its files, and no pickle of it."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explanation_client.errors import InvalidArgumentError

if TYPE_CHECKING:
    from explanation_client.batches import ExplainedBatches
    from explanation_client.scoring import ScoringExplainer


@dataclass(frozen=True, eq=False)
class SavedExplainer:
    """The files of a scoring explainer, which is loaded where it is used.

    Parameters
    ----------
    files : dict of str to bytes
        By their names in the folder.

    """

    files: dict[str, bytes]

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> SavedExplainer:
        """Return the explainer of a folder that :func:`explanation_client.scoring.save` wrote, loaded once to see.

        Raises
        ------
        InvalidArgumentError
            There is no such folder.
        StoredDataError, MissingDependencyError
            As of :func:`explanation_client.scoring.load`.

        """
        root = Path(folder)
        if not root.is_dir():
            raise InvalidArgumentError(
                f"there is no folder {os.fspath(folder)!r}: pass an explainer, or where one was saved"
            )
        made = cls({str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()})
        _ = made._loaded
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how it is pickled: without what has been loaded."""
        return SavedExplainer, (self.files,)

    @cached_property
    def _loaded(self) -> ScoringExplainer:
        from explanation_client.scoring import load

        with tempfile.TemporaryDirectory() as folder:
            for name, data in self.files.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            return load(folder)

    def explain_batches(
        self, batches: Any, *, batch_size: int | None = None, engineered: bool = False, include_rows: bool = False
    ) -> ExplainedBatches:
        """Return what explains rows batch by batch; see :meth:`ScoringExplainer.explain_batches`."""
        return self._loaded.explain_batches(
            batches, batch_size=batch_size, engineered=engineered, include_rows=include_rows
        )
