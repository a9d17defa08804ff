"""Sets of images in four idx files, as MNIST is: found, packed or not, and read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastdl import _check
from fastdl.datasets import _files, _idx
from fastdl.datasets._errors import DatasetError
from fastdl.datasets._types import PathLike, Pixels, Split, Splits, Stream, empty_split

SIDE = 28
_D = SIDE * SIDE
_IMAGES, _LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"
_BLOCK = 4096  # images that are turned at a time


class ImageSet(NamedTuple):
    """A set of images of 28 by 28 pixels, as it was published.

    Attributes
    ----------
    name, title : str
        For a command, and in words.
    folder : str
        Of its files, from the data directory.
    n_train, n_test : int
    parts : (str, str)
        What the names of training and test files begin with.
    k, first : int
        The number of classes, and the label that stands for the first one.
    turned : bool
        Whether a file has the columns of an image where others have the rows.
    system : str
        A folder in which a package of the operating system puts the files.
    archive : str
        A zip file, from the data directory, that holds the packed files in a folder ``gzip``.
    """

    name: str
    title: str
    folder: str
    n_train: int = 60_000
    n_test: int = 10_000
    parts: tuple[str, str] = ("train", "t10k")
    k: int = 10
    first: int = 0
    turned: bool = False
    system: str = ""
    archive: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """The names of its files, the training images first."""
        return tuple(f"{part}-{kind}" for part in self.parts for kind in (_IMAGES, _LABELS))


def load(images: ImageSet, validation: int, data_dir: PathLike | None) -> Splits:
    """Training rows, the last of them to validate on, and test rows."""
    n_held_out = _check.integer("validation", validation, 0, images.n_train - 1)
    place = locate(images, data_dir)
    training, held_out, test = (
        empty_split(n, _D) for n in (images.n_train - n_held_out, n_held_out, images.n_test)
    )
    _read(images, place, images.parts[0], training, held_out)
    _read(images, place, images.parts[1], test)
    return training, held_out, test


def locate(images: ImageSet, data_dir: PathLike | None) -> Path:
    """Return the folder that holds the four files, or the archive.

    The system's folder is looked at where the user has named none.
    """
    root = _files.data_root(data_dir)
    folders = [root / images.folder]
    if images.system and data_dir is None:
        folders.append(Path(images.system))
    for folder in folders:
        if all(find(folder, name) for name in images.files):
            return folder
    if images.archive and (root / images.archive).is_file():
        return root / images.archive
    places = [str(folder / f"{name}[.gz]") for folder in folders for name in images.files]
    raise _files.missing(images.name, root, [*places, *filter(None, [images.archive])])


def find(folder: Path, name: str) -> Path | None:
    """Return the unpacked file or else the packed one, if there is any."""
    files = folder / name, folder / f"{name}.gz"
    return next((file for file in files if file.is_file()), None)


def first_file(images: ImageSet, place: Path) -> NDArray[np.uint8]:
    """Return the bytes of the training images, unpacked."""
    header = _header(_IMAGES, images.n_train)
    content = np.empty(len(header) + images.n_train * _D, np.uint8)
    content[: len(header)] = bytearray(header)
    with _open_idx(images, place, images.parts[0], _IMAGES, images.n_train) as stream:
        _files.fill(stream, content[len(header) :])
    return content


def _read(images: ImageSet, place: Path, part: str, *splits: Split) -> None:
    """Fill the splits, which lie one after the other in the files."""
    n = sum(len(y) for _, y in splits)
    with _open_idx(images, place, part, _IMAGES, n) as stream:
        for x, _ in splits:
            _files.fill(stream, x)
            if images.turned:
                _turn(x)
    with _open_idx(images, place, part, _LABELS, n) as stream:
        for _, y in splits:
            labels = np.empty(len(y), np.uint8)
            _files.fill(stream, labels)
            _files.expect_labels(labels, images.k, images.first)
            y[:] = labels
            y -= images.first


def _turn(x: Pixels) -> None:
    """Make rows of columns in every image, in place."""
    for start in range(0, len(x), _BLOCK):
        block = x[start : start + _BLOCK].reshape(-1, SIDE, SIDE)
        block[...] = block.swapaxes(1, 2)


@contextmanager
def _open_idx(images: ImageSet, place: Path, part: str, kind: str, n: int) -> Iterator[Stream]:
    """Open a file behind its header, and see that it ends where its reader has stopped."""
    expected = _header(kind, n)
    most = len(expected) + n * (_D if kind == _IMAGES else 1)
    opener = _member if place.is_file() else _file
    with opener(images, place, f"{part}-{kind}", most) as stream:
        header = np.empty(len(expected), np.uint8)
        _files.fill(stream, header)
        if header.tobytes() != expected:
            raise DatasetError(
                f"its header is not that of the {n:,} {kind[:6]} of {images.title} (a file of "
                "your own is read by fd.datasets.load_idx)"
            )
        yield stream
        _files.expect_end(stream)


@contextmanager
def _file(images: ImageSet, folder: Path, name: str, most: int) -> Iterator[Stream]:
    """A file of a folder, which unpacks to so many bytes."""
    import gzip

    file = find(folder, name)
    if file is None:  # removed since it was located
        raise _files.missing(images.name, folder, [f"{name}[.gz]"])
    opener = gzip.open if file.suffix == ".gz" else open
    with _files.reading(images.name, file), opener(file, "rb") as stream:
        if file.suffix == ".gz":
            _files.expect_packed_size(file.stat().st_size, most)
        yield stream


@contextmanager
def _member(images: ImageSet, archive: Path, name: str, most: int) -> Iterator[Stream]:
    """A packed file of the archive; nothing is extracted."""
    import gzip
    import zipfile

    with _files.reading(images.name, archive):
        try:
            with zipfile.ZipFile(archive) as members:
                member = members.getinfo(f"gzip/{name}.gz")
                _files.expect_packed_size(member.file_size, most)
                with members.open(member) as packed, gzip.GzipFile(fileobj=packed) as stream:
                    yield stream
        except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError) as error:
            raise DatasetError(f"its member gzip/{name}.gz: {error}") from error


def _header(kind: str, n: int) -> bytes:
    return _idx.header((n, SIDE, SIDE) if kind == _IMAGES else (n,))
