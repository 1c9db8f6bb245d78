"""Parquet files cut into pieces: each task reads its own from the storage, and no row passes through Spark.

Between Parquet and Python, Spark makes rows of columns and columns of rows again, which costs more than explaining with
a small model does. It is asked here only to say who reads what.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from explanation_client.errors import InvalidArgumentError, InvalidExplanationError
from explanation_client.streams.files import parquet_dataset, parquet_files, row_groups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from pyarrow.dataset import Dataset, ParquetFileFragment

    from explanation_client.streams.files import RowGroup

# A task that is lost costs the half of its piece, on average; each task brings a sample of its own, and a few files.
_PIECE_BYTES = 64 << 20
_PIECES_PER_CORE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some row groups that follow one another, of one file or several.

    Parameters
    ----------
    n_rows : int
    groups : tuple of tuple of int
        Numbers of the row groups, file by file.
    pickled : bytes
        The Arrow dataset of the files, whole: paths, file system and columns. Packed for each piece, so that a task
        does not unpack the files of all.

    """

    n_rows: int
    groups: tuple[tuple[int, ...], ...]
    pickled: bytes

    def open(self) -> Dataset:
        """Return the dataset, whose files can be read here.

        Raises
        ------
        InvalidArgumentError
            One of the files is not there, or is no longer what it was when it was cut.

        """
        # A dataset is recognised by this module, which unpickling one does not import.
        import pyarrow.dataset as ds

        files: Any = pickle.loads(self.pickled)
        try:
            # Cut here: Arrow pickles row groups in no order.
            fragments = [
                fragment.subset(row_group_ids=groups)
                for fragment, groups in zip(files.get_fragments(), self.groups, strict=True)
            ]
            # Arrow's count_rows() counts the whole files.
            found = sum(group.num_rows for fragment in fragments for group in fragment.row_groups)
        except FileNotFoundError as error:
            raise InvalidArgumentError(
                f"an executor can't find what the driver found: {error}. Executors read the files themselves: put them "
                "where all machines reach them, a folder that all mount or an object store, or pass a DataFrame"
            ) from error
        except IndexError:  # there are fewer row groups
            found = -1
        if found != self.n_rows:
            raise InvalidArgumentError(
                f"{', '.join(files.files[:3])} changed: row groups that had {self.n_rows:,} rows are no longer there. "
                "Explain files that stay as they are"
            )
        return ds.FileSystemDataset(fragments, files.schema, files.format, files.filesystem)


def cut_files(source: Any, *, n_cores: int, at_most: int, dumps: Callable[[Any], bytes]) -> tuple[Piece, ...]:
    """Return the row groups of Parquet files, in the order of the files, in pieces of about as many rows each.

    There are four pieces for each core, so that one that is repeated, or slow, keeps the others waiting for little, and
    more where they would be larger than 64 MiB of float64. Row groups are not divided.

    Parameters
    ----------
    source : path, or pyarrow.dataset.Dataset
        Of a Parquet file or folder; or a dataset of such files.
    n_cores : int
        On which the pieces will be explained.
    at_most : int
        Number of pieces.
    dumps : callable
        Pickles what executors get.

    Raises
    ------
    InvalidArgumentError
        There is no Parquet, or a file of it can't be read.
    InvalidExplanationError
        The files have no rows.

    """
    import pyarrow.dataset as ds

    if not isinstance(source, ds.Dataset) and os.path.exists(source):
        source = os.path.abspath(source)  # executors work in folders of their own
    dataset = source if isinstance(source, ds.Dataset) else parquet_dataset(source)
    groups = _groups_of(dataset)
    sizes = np.array([n_rows for _, _, n_rows in groups], np.int64)
    n_rows = int(sizes.sum())
    if not n_rows:
        raise InvalidExplanationError("the Parquet files have no rows: at least one is needed")
    n_pieces = max(_PIECES_PER_CORE * n_cores, -(-n_rows * len(dataset.schema) * 8 // _PIECE_BYTES))
    pieces = []
    for chosen in divide(sizes, min(n_pieces, at_most)):
        fragments, ids = zip(*_by_file([groups[place] for place in chosen]), strict=True)
        files = ds.FileSystemDataset(fragments, dataset.schema, dataset.format, dataset.filesystem)
        pieces.append(Piece(n_rows=int(sizes[chosen].sum()), groups=ids, pickled=_packed(files, dumps)))
    return tuple(pieces)


def divide(sizes: NDArray[np.int64], n_parts: int) -> list[NDArray[np.intp]]:
    """Return the places of sizes in at most so many parts, one after the other; sizes of zero are left out.

    Every size goes where its middle lies when the sum of all is cut into equal parts: no part is further from that than
    by one size.
    """
    places = np.flatnonzero(sizes)
    ends = np.cumsum(sizes[places])
    parts = ((2 * ends - sizes[places]) * n_parts) // (2 * ends[-1])
    return np.split(places, np.flatnonzero(np.diff(parts)) + 1)


def _groups_of(dataset: Any) -> list[RowGroup]:
    """Return file, number and rows of all row groups, in order."""
    import pyarrow.dataset as ds

    fragments = parquet_files(dataset)
    if fragments is None:
        is_parquet = isinstance(dataset, ds.FileSystemDataset) and isinstance(dataset.format, ds.ParquetFileFormat)
        what = "filtered" if is_parquet else f"a {type(dataset).__qualname__}"
        raise InvalidArgumentError(
            f"the dataset is {what}: executors read the files of one Parquet dataset, as pyarrow.dataset.dataset(path) "
            "makes it. Pass the rows as a DataFrame of Spark, or use upload_stream()"
        )
    if any(fragment.buffer is not None for fragment in fragments):
        raise InvalidArgumentError("the dataset is in memory, where executors can't read it: use upload_stream()")
    return row_groups(fragments, dataset.schema)


def _by_file(groups: Sequence[RowGroup]) -> Iterator[tuple[ParquetFileFragment, tuple[int, ...]]]:
    """Yield the files of row groups, each with the numbers of its own."""
    for _, found in groupby(groups, key=lambda group: id(group[0])):
        files, numbers, _ = zip(*found, strict=True)
        yield files[0], numbers


def _packed(files: Any, dumps: Callable[[Any], bytes]) -> bytes:
    try:
        return dumps(files)
    except (pickle.PicklingError, TypeError) as error:
        raise InvalidArgumentError(
            f"the files lie in a {type(files.filesystem).__qualname__} that can't be sent to executors ({error}): pass "
            "their path, or a DataFrame"
        ) from error
