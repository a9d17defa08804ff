"""The idx format: any file of it as an array."""

import math
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdl import _check
from fastdl.datasets import _files
from fastdl.datasets._errors import DatasetError, MissingDatasetError
from fastdl.datasets._types import PathLike, Stream

# The third byte of a file, and what it says of the items, which are big-endian.
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_AXES = 32
_MOST_UNPACKED = 1032  # bytes that deflate can make of one


def load_idx(path: PathLike) -> NDArray[Any]:
    """Load a file of the idx format, that of MNIST, packed with gzip or not.

    Parameters
    ----------
    path : path-like
        Whether it is packed is seen from its first bytes, whatever its name.

    Returns
    -------
    array
        Of the file's shape and type, uint8, int8, int16, int32, float32 or float64, in C order and
        this machine's byte order.

    Raises
    ------
    MissingDatasetError
        If there is no such file.
    DatasetError
        If it is no idx file, or is damaged; the message says what is wrong with it.

    Examples
    --------
    >>> images = fd.datasets.load_idx("train-images-idx3-ubyte.gz")  # doctest: +SKIP
    >>> x = images.reshape(len(images), -1)  # doctest: +SKIP
    """
    import gzip

    file = Path(_check.path(path)).expanduser()
    if file.is_dir() or not file.exists():
        raise MissingDatasetError(f"path must be an idx file that is there; got {str(file)!r}")
    with _files.reading(None, file), file.open("rb") as plain:
        size = os.fstat(plain.fileno()).st_size
        if plain.peek(2)[:2] != b"\x1f\x8b":
            return _read(plain, size, size)
        with gzip.GzipFile(fileobj=plain) as packed:
            return _read(packed, 0, size * _MOST_UNPACKED)


def header(shape: tuple[int, ...]) -> bytes:
    """What a file of uint8 of this shape begins with."""
    return struct.pack(f">HBB{len(shape)}I", 0, 0x08, len(shape), *shape)


def _read(stream: Stream, least: int, most: int) -> NDArray[Any]:
    """The array of a file of at least and at most so many bytes, of which it allocates no more."""
    zeros, code, axes = struct.unpack(">HBB", _take(stream, 4))
    if zeros or code not in _TYPES:
        raise DatasetError(
            f"it is no idx file, which begins with two zeros and the code of a type "
            f"({', '.join(f'{each:#04x}' for each in _TYPES)}), but with {zeros >> 8:#04x} "
            f"{zeros & 255:#04x} {code:#04x}"
        )
    if not 1 <= axes <= _MOST_AXES:
        raise DatasetError(f"it should have 1 to {_MOST_AXES} axes, but has {axes}")
    shape = struct.unpack(f">{axes}I", _take(stream, 4 * axes))
    kind = np.dtype(_TYPES[code])
    content = math.prod(shape) * kind.itemsize
    whole = 4 + 4 * axes + content
    if not least <= whole <= most:
        raise DatasetError(
            f"its header tells of {whole:,} bytes, {kind.name} of the shape {shape}, but it holds "
            + (f"{most:,}" if least else f"at most {most:,}")
        )
    array = np.empty(shape, kind)
    _files.fill(stream, array.reshape(-1).view(np.uint8))
    _files.expect_end(stream)
    return array if kind.isnative else array.byteswap(inplace=True).view(kind.newbyteorder("="))


def _take(stream: Stream, n: int) -> bytes:
    block = np.empty(n, np.uint8)
    _files.fill(stream, block)
    return block.tobytes()
