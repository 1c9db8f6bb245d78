"""How large the shards of a stream are: few enough for one manifest, small enough for the memory of a worker."""

from __future__ import annotations

from dataclasses import dataclass

from explanation_client.errors import LimitExceededError
from explanation_client.format import SHARD_BYTES
from explanation_client.format.layout import TOP_RANKS
from explanation_client.format.v1.tiles import MAX_BLOCK, split

# A manifest of 256 KiB lists some 900 files: those of the parts, and a few of the whole; and there is a comment.
MAX_FILES = 800
# Where the number of rows is known there are at most so many shards of a kind, for those who read some rows.
_MOST_SHARDS = 256
# Where it is not, shards are twice as large after so many files of all parts.
_FILES_OF_A_SIZE = 128
# Before that they are larger the less often each part may fill one of each kind: not at all where it is so often.
_SHARDS_OF_A_PART = 24
# Readers refuse files of more than a gibibyte.
_LARGEST = 896 << 20
# A worker, one of several on its machine, holds two or three shards at a time: where the number of rows is not known,
# and larger ones may never be needed, this is enough.
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

    def least_files(self, row_bytes: int, n_files: int) -> int:
        """Return how many files of a kind there will be at least, whose shards are so many files each; 0 if unknown."""
        if self.n_rows is None:
            return 0
        n_shards = -(-self.n_rows * row_bytes // self.shard_bytes(row_bytes, n_written=0))
        return n_files * max(self.n_parts, n_shards)


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
    local = local_files(n_features, n_outputs=n_outputs, top_k=top_k)
    tops = _groups(n_outputs) * (top_k is None and n_features > TOP_RANKS)
    rows = len(list(split((0, n_features), MAX_BLOCK)))
    return max(1, (local + tops) * include_local + rows * include_rows)


def local_files(n_features: int, *, n_outputs: int, top_k: int | None) -> int:
    """Return how many files a shard of local importances is; the arguments are those of :func:`files_at_end`."""
    blocks = split((0, n_features), MAX_BLOCK) if top_k is None else split((0, top_k), MAX_BLOCK // 2)
    return _groups(n_outputs) * len(list(blocks))


def _groups(n_outputs: int) -> int:
    """Return in how many files outputs lie: two are apart, because one may be left out."""
    return 2 if n_outputs == 2 else 1


def most_parts(files_at_end: int) -> int:
    """Return into how many parts rows may be divided, so that half of the files is left to large parts."""
    return max(1, MAX_FILES // 2 // files_at_end)


def check_files(n_files: int, *, n_rows: int, is_known: bool) -> None:
    """Hold the files of some rows to what a manifest lists.

    Parameters
    ----------
    n_files : int
    n_rows : int
    is_known : bool
        The number of all rows was known, so that shards are as large as they may be.

    Raises
    ------
    LimitExceededError
        There are more.

    """
    if n_files > MAX_FILES:
        known = (
            "" if is_known else "tell how many rows there are (a Parquet path does, explain_spark() takes n_rows=), "
        )
        raise LimitExceededError(
            f"{n_rows:,} rows are more than {MAX_FILES} files, and an explanation has no more: {known}cut rows with "
            "top_k=, leave them out with include_local=False, or divide the rows among several explanations"
        )
