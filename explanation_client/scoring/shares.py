"""Shares of raw features in engineered ones as a Parquet file of triples, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from explanation_client.errors import CorruptFileError
from explanation_client.format.audit import Audit
from explanation_client.format.v1.parquet import ParquetReader, write
from explanation_client.scoring.tables import plain_numbers

_SCHEMA: list[tuple[str | None, pa.DataType]] = [
    ("raw", pa.int32()),
    ("engineered", pa.int32()),
    ("share", pa.float64()),
]
# A dense matrix of more numbers would be a file of some bytes that asks for gigabytes.
_MOST_DENSE = 1 << 27


def shares_document(weights: Any) -> dict[str, Any]:
    """Return the shape of a matrix (R, E), as JSON says it."""
    is_sparse = not isinstance(weights, np.ndarray)
    n_stored = int(np.count_nonzero(weights)) if not is_sparse else int(weights.tocoo().nnz)
    return {"raw": int(weights.shape[0]), "engineered": int(weights.shape[1]), "stored": n_stored, "sparse": is_sparse}


def pack_shares(weights: Any) -> bytes:
    """Return a matrix (R, E), dense or CSR, as the bytes of a file."""
    if isinstance(weights, np.ndarray):
        raw, engineered = np.nonzero(weights)
        share = weights[raw, engineered]
    else:
        stored = weights.tocoo()
        raw, engineered, share = stored.row, stored.col, stored.data
    columns = [np.asarray(raw, np.int32), np.asarray(engineered, np.int32), np.asarray(share, np.float64)]
    return bytes(write(pa.table(columns, names=[str(name) for name, _ in _SCHEMA])))


def unpack_shares(document: dict[str, Any], data: bytes, audit: Audit, where: str, *, name: str) -> Any:
    """Return the matrix (R, E) of a file, CSR where it was; None after noting what is wrong with its description.

    Raises
    ------
    CorruptFileError
        Its columns do not add up to 1, or lie outside.

    """
    n_raw = audit.natural(document, "raw", where, least=1)
    n_engineered = audit.natural(document, "engineered", where, least=1)
    n_stored = audit.natural(document, "stored", where, least=1)
    is_sparse = audit.field(document, "sparse", bool, where)
    if n_raw is None or n_engineered is None or n_stored is None or is_sparse is None:
        return None
    if not is_sparse and n_raw * n_engineered > _MOST_DENSE:
        audit.note(where, f"is a dense matrix of {n_raw} by {n_engineered}")
        return None
    columns = ParquetReader(data, _SCHEMA, n_stored, name=name).columns()
    raw, engineered, share = (plain_numbers(column, name=name) for column in columns)
    inside = raw.min() >= 0 and raw.max() < n_raw and engineered.min() >= 0 and engineered.max() < n_engineered
    if not inside or not np.isfinite(share).all():
        raise CorruptFileError(f"{name}: a share lies outside of {n_raw} by {n_engineered}, or is no number")
    if not np.allclose(np.bincount(engineered, weights=share, minlength=n_engineered), 1.0, atol=1e-9):
        raise CorruptFileError(f"{name}: the shares in an engineered feature do not add up to 1")
    if is_sparse:
        from scipy.sparse import csr_matrix

        return csr_matrix((share, (raw, engineered)), shape=(n_raw, n_engineered))
    weights = np.zeros((n_raw, n_engineered))
    weights[raw, engineered] = share
    return weights
