"""How large the shards of a stream are: few enough for one manifest, small enough for the memory of a worker."""

from __future__ import annotations

from dataclasses import dataclass

from explanation_client.errors import LimitExceededError
from explanation_client.format import SHARD_BYTES
from explanation_client.format.layout import TOP_RANKS
from explanation_client.format.v1.tiles import MAX_BLOCK, split

# A manifest of 256 KiB lists some 900 files: those of the parts, and a few of the whole.
MAX_FILES = 850
# Where the number of rows is known there are at most so many shards of a kind, for those who read some rows.
_MOST_SHARDS = 256
# Where it is not, shards are twice as large after so many files of all parts.
_FILES_OF_A_SIZE = 128
# Before that they are larger the less often each part may fill one of each kind: not at all where it is so often.
_SHARDS_OF_A_PART = 24
# Readers refuse files of more than a gibibyte.
_LARGEST = 896 << 20
# A worker, one of several on its machine, holds a few shards at a time.
_LARGEST_OF_A_PART = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardSizes:
    """The sizes of the shards of one part.

    Parameters
    ----------
    n_parts : int
        About how many parts there are.
    n_rows : int, optional
        Rows of all parts together, where they are known.
    files_at_end : int
        Files that a part has at least: one shard of each kind that is stored.

    """

    n_parts: int
    n_rows: int | None
    files_at_end: int

    def shard_bytes(self, row_bytes: int, *, n_written: int) -> int:
        """Return how many bytes the next shard has, before compression.

        Parameters
        ----------
        row_bytes : int
            Of one row in shards of this kind.
        n_written : int
            Files that the part has written.

        """
        if self.n_rows is not None:
            room = (MAX_FILES - self.n_parts * self.files_at_end) // self.files_at_end
            n_shards = max(1, min(_MOST_SHARDS, room))
            return min(max(SHARD_BYTES, -(-self.n_rows * row_bytes // n_shards)), _LARGEST)
        first = SHARD_BYTES * max(1, _SHARDS_OF_A_PART * self.n_parts * self.files_at_end // MAX_FILES)
        size = first << min(16, n_written * self.n_parts // _FILES_OF_A_SIZE)
        return min(size, _LARGEST if self.n_parts == 1 else _LARGEST_OF_A_PART)


def files_at_end(n_features: int, *, n_outputs: int, top_k: int | None, include_local: bool, include_rows: bool) -> int:
    """Return how many files one shard of each kind is.

    Parameters
    ----------
    n_features : int
    n_outputs : int
        Two are stored apart, any other number together.
    top_k : int, optional
        Features that are kept of each row.
    include_local, include_rows : bool
        What is stored.

    """
    wide = len(list(split((0, n_features), MAX_BLOCK)))
    if top_k is None:
        local = wide + (n_features > TOP_RANKS)
    else:
        local = len(list(split((0, top_k), MAX_BLOCK // 2)))
    groups = 2 if n_outputs == 2 else 1
    return max(1, groups * local * include_local + wide * include_rows)


def most_parts(files_at_end: int) -> int:
    """Return into how many parts rows may be divided, so that a quarter of the files is left to large parts."""
    return max(1, MAX_FILES * 3 // 4 // files_at_end)


def check_files(n_files: int, *, n_rows: int) -> None:
    """Hold the files of some rows to what a manifest lists.

    Raises
    ------
    LimitExceededError
        There are more.

    """
    if n_files > MAX_FILES:
        raise LimitExceededError(
            f"{n_rows:,} rows are more than {MAX_FILES} files, and a manifest lists no more: let shards be larger by "
            "telling how many rows there are (a Parquet path or dataset knows it, explain_spark() takes n_rows=), cut "
            "rows with top_k=, or leave them out with include_local=False"
        )
