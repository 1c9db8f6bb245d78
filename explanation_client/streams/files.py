"""Rows that lie in files."""

from __future__ import annotations

import os
from typing import Any

from explanation_client.errors import InvalidArgumentError


def parquet_dataset(path: str | os.PathLike[str]) -> Any:
    """Return the Arrow dataset of a Parquet file or folder.

    Raises
    ------
    InvalidArgumentError
        There is nothing of the kind under the path.

    """
    import pyarrow as pa
    import pyarrow.dataset as ds

    try:
        found = ds.dataset(path, format="parquet")
    except (OSError, pa.ArrowInvalid) as error:
        raise InvalidArgumentError(
            f"the evaluation examples are the path {os.fspath(path)!r}, which can't be read as Parquet: {error}"
        ) from error
    if not found.files:
        raise InvalidArgumentError(
            f"the evaluation examples are the folder {os.fspath(path)!r}, without a Parquet file"
        )
    return found
