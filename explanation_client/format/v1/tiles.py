"""How local importances are divided into files: groups of outputs, shards of rows, blocks of columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from explanation_client.format.entries import Range

# Beyond this many columns Parquet spends more on columns than on values.
MAX_BLOCK = 1_000
# Outputs are stored together while they stay this small: ten classes of a small table are one file, not ten.
_GROUP_BYTES = 2 << 20
# A manifest of 256 KiB holds some 900 files.
_MAX_TILES = 300


@dataclass(frozen=True, slots=True)
class Tile:
    """One file's part of an array (outputs, rows, columns)."""

    outputs: Range
    rows: Range
    columns: Range

    @property
    def shape(self) -> tuple[int, int, int]:
        """Outputs, rows, columns."""
        outputs, rows, columns = ((end - first) for first, end in (self.outputs, self.rows, self.columns))
        return outputs, rows, columns

    @property
    def lines(self) -> int:
        """Rows of the file: the rows of each output, one output after the other."""
        return self.shape[0] * self.shape[1]


def tiles(outputs: Range, rows: int, columns: int, *, itemsize: int, shard_bytes: int, block: int) -> list[Tile]:
    """Return the tiles of an array of these outputs, rows and columns, outputs first, then rows, then columns.

    Parameters
    ----------
    outputs : (first, end)
    rows, columns : int
    itemsize : int
        Bytes of one value.
    shard_bytes : int
        Bytes that a file should have before compression; more where there would be too many files.
    block : int
        Largest number of columns of a file.

    """
    group_bytes = min(_GROUP_BYTES, shard_bytes)
    while True:
        made = list(_tiles(outputs, rows, columns, itemsize, shard_bytes, group_bytes, block))
        if len(made) <= _MAX_TILES or (shard_bytes > 1 << 40 and block >= columns):
            return made
        shard_bytes, group_bytes = 2 * shard_bytes, 2 * group_bytes


def _tiles(
    outputs: Range, rows: int, columns: int, itemsize: int, shard_bytes: int, group_bytes: int, block: int
) -> Iterator[Tile]:
    column_blocks = list(split((0, columns), block))
    width = column_blocks[0][1] - column_blocks[0][0]
    line = width * itemsize
    shards = list(split((0, rows), max(1, shard_bytes // line)))
    together = max(1, group_bytes // (line * rows)) if len(shards) == 1 else 1
    for output_group in split(outputs, together):
        for shard in shards:
            for columns_ in column_blocks:
                yield Tile(output_group, shard, columns_)


def split(whole: Range, most: int) -> Iterator[Range]:
    """Yield ranges of about equal length, at most ``most`` each."""
    first, end = whole
    count = -(-(end - first) // most)
    for i in range(count):
        yield first + (end - first) * i // count, first + (end - first) * (i + 1) // count
