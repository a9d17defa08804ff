"""MNIST from its official idx files, packed or not."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastdl import _check
from fastdl.datasets import _files
from fastdl.datasets._errors import DatasetError
from fastdl.datasets._types import PathLike, Split, Splits, Stream, empty_split

N_TRAIN, N_TEST = 60_000, 10_000
FOLDER = "MNIST/raw"
_SIDE = 28
_D = _SIDE * _SIDE
_IMAGES, _LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"
FILES = tuple(f"{part}-{kind}" for part in ("train", "t10k") for kind in (_IMAGES, _LABELS))


def load_mnist(*, validation: int = 10_000, data_dir: PathLike | None = None) -> Splits:
    """Load MNIST from the official idx files.

    Parameters
    ----------
    validation : int
        How many of the 60,000 training rows, the last ones, to validate on instead: 10,000 is the
        split of ``mnist.pkl.gz``.
    data_dir : path-like, optional
        Where to look, instead of ``$FASTDL_DATA_DIR`` or else the user's cache.

    Returns
    -------
    (x, y), (xv, yv), (xt, yt)
        Training, validation and test rows. ``x`` has shape (n, 784) and dtype uint8: 28 by 28
        pixels, 0 is paper; ``y`` has shape (n,) and dtype int64, in [0, 10).

    Raises
    ------
    MissingDatasetError
        If the data set is not found.
    DatasetError
        If a file is damaged.
    ValueError, TypeError
        If ``validation`` is not a number of rows that leaves some to train on.

    Examples
    --------
    >>> (x, y), (xv, yv), (xt, yt) = fd.datasets.load_mnist()  # doctest: +SKIP
    """
    n_held_out = _check.integer("validation", validation, 0, N_TRAIN - 1)
    folder = locate(_files.data_root(data_dir))
    training, held_out, test = (
        empty_split(n, _D) for n in (N_TRAIN - n_held_out, n_held_out, N_TEST)
    )
    _read(folder, "train", training, held_out)
    _read(folder, "t10k", test)
    return training, held_out, test


def locate(root: Path) -> Path:
    """Return the folder that holds the four files."""
    folder = root / FOLDER
    if all(find(folder, name) for name in FILES):
        return folder
    raise _files.missing("mnist", root, [f"{FOLDER}/{name}[.gz]" for name in FILES])


def find(folder: Path, name: str) -> Path | None:
    """Return the unpacked file or else the packed one, if there is any."""
    files = folder / name, folder / f"{name}.gz"
    return next((file for file in files if file.is_file()), None)


def first_file(folder: Path) -> NDArray[np.uint8]:
    """Return the bytes of the training images, unpacked."""
    header = _header(_IMAGES, N_TRAIN)
    content = np.empty(len(header) + N_TRAIN * _D, np.uint8)
    content[: len(header)] = bytearray(header)
    with _open_idx(folder, "train", _IMAGES, N_TRAIN) as stream:
        _files.fill(stream, content[len(header) :])
    return content


def _read(folder: Path, part: str, *splits: Split) -> None:
    """Fill the splits, which lie one after the other in the files."""
    n = sum(len(y) for _, y in splits)
    with _open_idx(folder, part, _IMAGES, n) as stream:
        for x, _ in splits:
            _files.fill(stream, x)
    with _open_idx(folder, part, _LABELS, n) as stream:
        for _, y in splits:
            labels = np.empty(len(y), np.uint8)
            _files.fill(stream, labels)
            _files.expect_labels(labels)
            y[:] = labels


@contextmanager
def _open_idx(folder: Path, part: str, kind: str, n: int) -> Iterator[Stream]:
    """Open a file behind its header, and see that it ends where its reader has stopped."""
    import gzip

    file = find(folder, f"{part}-{kind}")
    if file is None:  # removed since it was located
        raise _files.missing("mnist", folder, [f"{part}-{kind}[.gz]"])
    opener = gzip.open if file.suffix == ".gz" else open
    with _files.reading("mnist", file), opener(file, "rb") as stream:
        expected = _header(kind, n)
        if file.suffix == ".gz":
            _files.expect_packed_size(file, len(expected) + n * (_D if kind == _IMAGES else 1))
        header = np.empty(len(expected), np.uint8)
        _files.fill(stream, header)
        if header.tobytes() != expected:
            whole = "gzip.open(path).read()" if file.suffix == ".gz" else "open(path, 'rb').read()"
            raise DatasetError(
                f"its header is not that of the {n:,} {kind[:6]} of MNIST (a file of your own "
                f"is read by np.frombuffer({whole}, np.uint8, offset={len(expected)}))"
            )
        yield stream
        _files.expect_end(stream)


def _header(kind: str, n: int) -> bytes:
    """Return the magic number and the dimensions, big-endian."""
    if kind == _IMAGES:
        return struct.pack(">4i", 2051, n, _SIDE, _SIDE)
    return struct.pack(">2i", 2049, n)
