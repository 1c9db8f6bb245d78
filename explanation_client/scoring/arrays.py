"""Named arrays as one file and back: ``.npz`` without compression, read without pickle and within its own size."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explanation_client.errors import CorruptFileError

Array = NDArray[Any]

_KINDS = "biuf"


def pack_arrays(arrays: Mapping[str, Array]) -> bytes:
    """Return arrays of numbers as the bytes of an ``.npz`` file, the same bytes for the same arrays."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asarray(array), version=(1, 0), allow_pickle=False)
            # A time of its own would make other bytes of the same arrays.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), member.getvalue())
    return sink.getvalue()


def unpack_arrays(data: bytes, *, name: str) -> dict[str, Array]:
    """Return the arrays of an ``.npz`` file: numbers and truth values only, in memory of the file's size.

    Raises
    ------
    CorruptFileError
        It is no such file, is compressed, or holds anything but numbers.

    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {member.filename.removesuffix(".npy"): _array(archive, member) for member in archive.infolist()}
    except CorruptFileError:
        raise
    except (zipfile.BadZipFile, ValueError, EOFError, OSError, KeyError, NotImplementedError, SyntaxError) as error:
        raise CorruptFileError(f"{name}: is no file of arrays: {str(error)[:200]}") from error


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Array:
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
        raise ValueError(f"member {member.filename[:80]!r} is compressed or encrypted")
    source = io.BytesIO(archive.read(member))
    version = np.lib.format.read_magic(source)
    if version != (1, 0):
        raise ValueError(f"member {member.filename[:80]!r} has version {version}")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(source)
    count = 1
    for length in shape:
        count *= length
    rest = source.getbuffer()[source.tell() :]
    if dtype.kind not in _KINDS or dtype.hasobject or count * dtype.itemsize != len(rest):
        raise ValueError(f"member {member.filename[:80]!r} holds {len(rest)} bytes for {shape} of {dtype}")
    flat = np.frombuffer(bytes(rest), dtype.newbyteorder("=") if dtype.isnative else dtype)
    array = flat.reshape(shape, order="F" if fortran else "C")
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))
