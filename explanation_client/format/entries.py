"""One data file of a stored explanation: what the manifest says of it, its name, its check, and the reader's limits."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from explanation_client.errors import CorruptFileError, InvalidArgumentError, LimitExceededError

Buffer = bytes | bytearray | memoryview
Range = tuple[int, int]

# Names become paths and URLs in stores that disagree about every other character.
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_NONCE = re.compile(r"[a-z0-9]{1,32}")
MAX_FILE_NAME = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """What the manifest says of one data file.

    Parameters
    ----------
    name : str
        Name in the explanation's folder; empty until the file has been written under one.
    role : str
        What the file holds: ``"features"``, ``"per-class"``, ``"local"``, ``"interactions"`` and so on.
    size : int
        Bytes.
    sha256 : str
        Digest of the bytes, 64 hexadecimal digits.
    dtype : str, optional
        dtype of its importances.
    shape : tuple of int
        Shape of what it holds, in the order outputs, rows, columns, as far as the role has them.
    outputs, rows, columns : (first, end), optional
        The part of the whole that the file covers, as half-open ranges. Columns count places in the order of
        ``features`` (``local``), or ranks (cut parts).
    holds : tuple of str
        The parts of the evaluation data in it: "columns", "row_names", "predicted", "predicted_proba", "true".
    sample : str, optional
        How the rows of a ``view`` were chosen (``"stratified"``), or those of which ``aggregates`` has quantiles
        (``"uniform"``).

    """

    name: str = ""
    role: str
    size: int
    sha256: str
    dtype: str | None = None
    shape: tuple[int, ...] = ()
    outputs: Range | None = None
    rows: Range | None = None
    columns: Range | None = None
    holds: tuple[str, ...] = ()
    sample: str | None = None

    @property
    def output(self) -> int | None:
        """The output that the file is of; None where it is of several, or of none."""
        return self.outputs[0] if self.outputs is not None and self.outputs[1] - self.outputs[0] == 1 else None


@dataclass(frozen=True, slots=True, eq=False)
class EncodedFile:
    """One encoded data file: its entry, still without a name, and its bytes."""

    entry: FileEntry
    data: Buffer


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large an explanation a reader accepts; checked before memory is allocated for it.

    Parameters
    ----------
    max_bytes : int
        Bytes of memory for one answer: the values of the rows and outputs that were asked for.
    max_file_bytes : int
        Size of one data file.
    max_features, max_outputs, max_files : int

    """

    max_bytes: int = 4 << 30
    max_file_bytes: int = 1 << 30
    max_features: int = 200_000
    max_outputs: int = 20_000
    max_files: int = 2_000

    def check(self, what: str, found: int, limit: str) -> None:
        """Raise ``LimitExceededError`` if ``found`` is above the limit of that name."""
        allowed: int = getattr(self, limit)
        if found > allowed:
            raise LimitExceededError(
                f"{what}: {found:,} is more than the reader accepts ({allowed:,}). If the explanation is yours and "
                f"that large, raise the limit with Limits({limit}={found})"
            )


def make_entry(
    data: Buffer,
    *,
    role: str,
    shape: tuple[int, ...],
    dtype: str | None = None,
    outputs: Range | None = None,
    rows: Range | None = None,
    columns: Range | None = None,
    holds: tuple[str, ...] = (),
    sample: str | None = None,
) -> FileEntry:
    """Return the entry of encoded bytes, with their size and digest."""
    return FileEntry(
        role=role,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        dtype=dtype,
        shape=shape,
        outputs=outputs,
        rows=rows,
        columns=columns,
        holds=holds,
        sample=sample,
    )


def file_name(entry: FileEntry, nonce: str) -> str:
    """Return the name under which a file is written in one attempt: role, what it covers, digest and nonce.

    A file of one output is ``local-<output>-…``; several row shards are told apart by their first row, blocks of
    columns by their first column.

    Raises
    ------
    InvalidArgumentError
        The nonce is not 1 to 32 of a-z and 0-9.

    """
    check_nonce(nonce)
    parts = [entry.role]
    if entry.outputs is not None:
        parts.append(str(entry.outputs[0]))
    if entry.rows is not None:
        parts.append(f"{entry.rows[0]:09d}")
    if entry.columns is not None:
        parts.append(f"{entry.columns[0]:06d}")
    return f"{'-'.join(parts)}-{entry.sha256[:16]}-{nonce}.parquet"


def check_nonce(nonce: str) -> None:
    """Raise ``InvalidArgumentError`` unless the nonce may be part of a file name."""
    if not _NONCE.fullmatch(nonce):
        raise InvalidArgumentError(f"nonce {nonce!r}: 1 to 32 characters of a-z and 0-9")


def is_plain_name(name: str) -> bool:
    """Whether a file name is safe to join to a folder: a-z, 0-9, dot, dash, underscore; no leading dot, no ``..``."""
    return len(name) <= MAX_FILE_NAME and _NAME.fullmatch(name) is not None and ".." not in name


def check_file(entry: FileEntry, data: Buffer) -> None:
    """Check size and digest of a file that was read.

    Raises
    ------
    CorruptFileError
        They are not what the manifest says; names the file, what was wanted and what was found.

    """
    size = memoryview(data).nbytes
    if size != entry.size:
        raise CorruptFileError(
            f"{entry.name or entry.role}: has {size:,} bytes, the manifest says {entry.size:,}. The file was cut or "
            "replaced after the upload; download again, and if it stays so, upload the explanation again"
        )
    found = hashlib.sha256(data).hexdigest()
    if found != entry.sha256:
        raise CorruptFileError(
            f"{entry.name or entry.role}: has SHA-256 {found}, the manifest says {entry.sha256}. The file was changed "
            "after the upload; download again, and if it stays so, upload the explanation again"
        )


def total_size(entries: Iterable[FileEntry]) -> int:
    """Return the bytes of all these files."""
    return sum(entry.size for entry in entries)
