"""Rows of any table as one Parquet file and back, without pandas metadata that a reader would act on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from explanation_client.errors import CorruptFileError, InvalidArgumentError
from explanation_client.explainers.inputs import Table
from explanation_client.format.audit import Audit
from explanation_client.format.v1.parquet import ParquetReader, numbers, strings, write
from explanation_client.scoring.arrays import pack_arrays, unpack_arrays
from explanation_client.scoring.encoding import REAL

# Types of columns, and what they are in the file.
_NUMBERS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")
_TEXTS = ("object", "str", "string")
_DATES = ("datetime64[s]", "datetime64[ms]", "datetime64[us]", "datetime64[ns]")
_CATEGORY = "category"
_NULLABLE = ("boolean", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float32", "Float64")
TYPES = (*_NUMBERS, *_TEXTS, *_DATES, _CATEGORY, *_NULLABLE)
Scalar = str | int | float | bool
_MISSING_DATE = np.iinfo(np.int64).min


def pack_table(table: Table, what: str) -> tuple[dict[str, Any], str, bytes]:
    """Return what a table is, the suffix of its file, and the bytes of it.

    Raises
    ------
    InvalidArgumentError
        A column holds values of several types, or of one that has no place in a file.

    """
    names = None if table.names is None else list(table.names)
    document: dict[str, Any] = {"rows": table.shape[0], "columns": table.shape[1], "names": names}
    if table.weights is not None:
        document["weights"] = table.weights.tolist()
    if table.is_sparse:
        data = table.data.tocsr()
        parts = {"data": data.data, "indices": np.asarray(data.indices, np.int64), "indptr": np.asarray(data.indptr)}
        return {**document, "form": "csr"}, "npz", pack_arrays(parts)
    if not table.is_frame and table.data.dtype.kind in "biuf":
        arrow = [pa.array(np.ascontiguousarray(column)) for column in table.data.T]
        document |= {"form": "array", "dtype": str(table.data.dtype)}
    else:
        columns = _columns(table)
        found = [_packed(column, f"{what}, column {j}") for j, column in enumerate(columns)]
        arrow = [column for _, _, column in found]
        document |= {
            "form": "frame" if table.is_frame else "objects",
            "types": [kind for kind, _, _ in found],
            "levels": {str(j): levels for j, (_, levels, _) in enumerate(found) if levels is not None},
        }
    return document, "parquet", bytes(write(pa.table(arrow, names=[f"c{j}" for j in range(len(arrow))])))


def unpack_table(document: dict[str, Any], data: bytes, audit: Audit, where: str, *, name: str) -> Table | None:
    """Return the table of a file, or None after noting what is wrong with its description.

    Raises
    ------
    CorruptFileError
        The file does not hold what the description says.

    """
    rows = audit.natural(document, "rows", where, least=1)
    columns = audit.natural(document, "columns", where, least=1)
    form = audit.choice(document, "form", ("array", "csr", "frame", "objects"), where)
    names = audit.list_of(document, "names", str, where, optional=True)
    weights = audit.list_of(document, "weights", float, where, optional=True)
    if rows is None or columns is None or form is None:
        return None
    if (names is not None and len(names) != columns) or (weights is not None and len(weights) != rows):
        audit.note(where, f"has {rows} rows and {columns} columns, and another number of names or weights")
        return None
    weighing = None if weights is None else np.array(weights)
    if form == "csr":
        return Table(_read_csr(data, rows, columns, name), names, weights=weighing)
    if form == "array":
        dtype = audit.choice(document, "dtype", _NUMBERS, where)
        if dtype is None:
            return None
        found = _read_columns(data, [dtype] * columns, rows, name)
        return Table(np.column_stack([plain_numbers(column, name=name) for column in found]), names, weights=weighing)
    types = audit.list_of(document, "types", str, where)
    levels = read_levels(document, where, audit)
    if types is None or levels is None or len(types) != columns or not set(types) <= set(TYPES):
        audit.note(f"{where}.types", f"are not {columns} known types")
        return None
    stored = ["int32" if kind == _CATEGORY else "int64" if kind in _DATES else kind for kind in types]
    arrays = _read_columns(data, stored, rows, name)
    made = [
        _unpacked(column, kind, levels.get(j), name) for j, (column, kind) in enumerate(zip(arrays, types, strict=True))
    ]
    return Table(_frame(made, types, names) if form == "frame" else _objects(made), names, weights=weighing)


def read_levels(document: dict[str, Any], where: str, audit: Audit) -> dict[int, tuple[Scalar, ...]] | None:
    """Return lists of texts, numbers or truth values by position of the column, None after noting what is wrong."""
    found: dict[int, tuple[Scalar, ...]] = {}
    for key, values in (audit.field(document, "levels", dict, where) or {}).items():
        if not key.isdecimal() or len(key) > 9 or not isinstance(values, list):
            audit.note(f"{where}.levels", f"has the key {key[:40]!r}, expected lists by position of a column")
            return None
        if not all(isinstance(value, (str, int, float, bool)) for value in values) or len(set(values)) != len(values):
            audit.note(f"{where}.levels", f"of column {key} are not all different texts, numbers or truth values")
            return None
        found[int(key)] = tuple(values)
    return found


def plain_scalars(values: Sequence[Any], what: str) -> tuple[Scalar, ...]:
    """Return values as what JSON can say.

    Raises
    ------
    InvalidArgumentError
        One is no text, number or truth value.

    """
    plain = tuple(value.item() if isinstance(value, np.generic) else value for value in values)
    wrong = [value for value in plain if not isinstance(value, (str, int, float, bool)) or value != value]
    if wrong:
        raise InvalidArgumentError(
            f"{what} has values such as {wrong[0]!r}, a {type(wrong[0]).__qualname__}: a scoring explainer is saved "
            "with texts, numbers and truth values; train on one of these"
        )
    return plain


def plain_numbers(column: Any, *, name: str) -> NDArray[Any]:
    """Return a column without nulls as a numpy array.

    Without pyarrow's own conversion where that can be helped: it imports pandas, for a quarter of a second.
    """
    if column.null_count or pa.types.is_boolean(column.type):
        return numbers(column, name=name)
    return np.from_dlpack(column)


def _columns(table: Table) -> list[Any]:
    return [table.data.iloc[:, j] if table.is_frame else table.data[:, j] for j in range(table.shape[1])]


def _packed(column: Any, what: str) -> tuple[str, list[Scalar] | None, Any]:
    """Return the type of a column, its levels if it is of categories, and it as an Arrow array."""
    kind = str(column.dtype)
    if kind == _CATEGORY:
        codes = np.asarray(column.cat.codes, np.int32)
        return kind, list(plain_scalars(column.cat.categories.tolist(), what)), pa.array(codes)
    if kind in _NUMBERS:
        return kind, None, pa.array(np.asarray(column))
    if kind in _NULLABLE:
        return kind, None, pa.array(column.array, from_pandas=True)
    if kind in _DATES:
        return kind, None, pa.array(np.asarray(column).astype(kind).view(np.int64))
    if kind not in _TEXTS:
        raise InvalidArgumentError(f"{what} is of type {kind}, which a scoring explainer is not saved with")
    values = [None if _is_missing(value) else value for value in column]
    types = {type(value) for value in values if value is not None}
    if types <= {str}:
        return kind, None, pa.array(values, pa.string())
    if kind == "object" and types <= {bool, np.bool_}:
        return "boolean", None, pa.array(values, pa.bool_())
    if kind == "object" and all(issubclass(found, REAL) for found in types):
        return "float64", None, pa.array(np.array([np.nan if v is None else float(v) for v in values]))
    shown = ", ".join(sorted(found.__qualname__ for found in types))
    raise InvalidArgumentError(f"{what} holds values of the types {shown}: a scoring explainer is saved with one type")


def _is_missing(value: Any) -> bool:
    return (
        value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value)
    )


def _read_columns(data: bytes, types: Sequence[str], rows: int, name: str) -> list[Any]:
    kinds = {"bool": pa.bool_(), "boolean": pa.bool_(), "float32": pa.float32(), "float64": pa.float64()}
    kinds |= {text: pa.string() for text in _TEXTS}

    def arrow(kind: str) -> pa.DataType:
        return kinds.get(kind) or pa.type_for_alias(kind.lower())

    schema: list[tuple[str | None, pa.DataType]] = [(f"c{j}", arrow(kind)) for j, kind in enumerate(types)]
    return ParquetReader(data, schema, rows, name=name).columns()


def _unpacked(column: Any, kind: str, levels: tuple[Scalar, ...] | None, name: str) -> Any:
    """Return a column as a numpy array, or as a pandas array where numpy has no such type."""
    if kind == _CATEGORY:
        codes = plain_numbers(column, name=name)
        if levels is None or codes.min(initial=0) < -1 or codes.max(initial=-1) >= len(levels):
            raise CorruptFileError(f"{name}: a category lies outside of those that the description has")
        import pandas

        categories: Any = list(levels)
        return pandas.Categorical.from_codes(codes, categories=categories)
    if kind in _NUMBERS:
        return plain_numbers(column, name=name)
    if kind in _TEXTS:
        return strings(column, name=name)
    if kind in _DATES:
        return plain_numbers(column, name=name).view(kind)
    import pandas

    return pandas.array(column.to_pylist(), dtype=kind)


def _frame(columns: Sequence[Any], types: Sequence[str], names: Sequence[str] | None) -> Any:
    import pandas

    made: dict[int, Any] = dict(enumerate(columns))
    for j, kind in enumerate(types):
        if kind in _TEXTS:
            dtype: Any = kind
            made[j] = pandas.Series(columns[j], dtype=dtype)
    frame = pandas.DataFrame(made)
    return frame if names is None else frame.set_axis(list(names), axis=1)


def _objects(columns: Sequence[Any]) -> NDArray[np.object_]:
    made = np.empty((len(columns[0]), len(columns)), object)
    for j, column in enumerate(columns):
        made[:, j] = [None if _is_missing(value) else value for value in column.tolist()]
    return made


def _read_csr(data: bytes, rows: int, columns: int, name: str) -> Any:
    from scipy.sparse import csr_matrix

    arrays = unpack_arrays(data, name=name)
    try:
        matrix = csr_matrix((arrays["data"], arrays["indices"], arrays["indptr"]), shape=(rows, columns))
        matrix.check_format(full_check=True)
    except (KeyError, ValueError, TypeError) as error:
        raise CorruptFileError(f"{name}: is no sparse matrix of {rows} rows and {columns} columns") from error
    return matrix
