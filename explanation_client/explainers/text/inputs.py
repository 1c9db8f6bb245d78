"""Documents as text explainers take them: one string, or many in whatever holds strings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.dataset import is_instance_of
from explanation_client.errors import InvalidArgumentError


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """N documents.

    Parameters
    ----------
    texts : list of str
    single : bool
        The caller gave one string.
    row_names : ndarray of object (str), shape (N,), optional
        The index of a Series or DataFrame, unless it only counts.

    """

    texts: list[str]
    single: bool = False
    row_names: NDArray[np.object_] | None = None

    def __len__(self) -> int:
        return len(self.texts)


def read_texts(documents: Any, *, what: str = "evaluation examples") -> Texts:
    """Return documents as a list: a string, a list or tuple, a numpy array, a Series, one column of a table.

    Raises
    ------
    InvalidArgumentError
        They are something else, there is none, or one of them is no valid text.

    """
    if isinstance(documents, str):
        return Texts(_checked([documents], what), single=True)
    row_names = None
    if is_instance_of(documents, "pandas", "Series", "DataFrame"):
        if not is_instance_of(documents.index, "pandas", "RangeIndex"):
            row_names = np.array([str(name) for name in documents.index], dtype=object)
        documents = documents.to_numpy(dtype=object)
    elif is_instance_of(documents, "pyarrow", "Array", "ChunkedArray"):
        documents = np.array(documents.to_pylist(), dtype=object)
    elif is_instance_of(documents, "pyarrow", "Table", "RecordBatch"):
        documents = np.array([column.to_pylist() for column in documents.columns], dtype=object).T
    if isinstance(documents, np.ndarray):
        if documents.ndim == 2 and documents.shape[1] == 1:
            documents = documents[:, 0]
        if documents.ndim != 1:
            raise InvalidArgumentError(
                f"the {what} are a table of shape {documents.shape}: pass documents, a string for each, such as one "
                "column of it"
            )
        documents = documents.tolist()
    if not isinstance(documents, (list, tuple)):
        raise InvalidArgumentError(
            f"the {what} are a {type(documents).__qualname__}: pass a string, or a list, an array or a Series of them"
        )
    return Texts(_checked(list(documents), what), row_names=row_names)


def _checked(texts: list[Any], what: str) -> list[str]:
    if not texts:
        raise InvalidArgumentError(f"the {what} are empty: at least one document is needed")
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise InvalidArgumentError(
                f"document {position} of the {what} is {str(text)[:60]!r}, a {type(text).__qualname__}: documents are "
                "strings; decode bytes, and leave out or replace what is missing"
            )
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidArgumentError(f"document {position} of the {what} is no valid Unicode: {error}") from error
    return [str(text) for text in texts]
