"""The official forms of CIFAR-10, binary or Python, in a folder or in the archive."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastdl.datasets import _files, _pickle, _tar
from fastdl.datasets._errors import DatasetError
from fastdl.datasets._types import Pixels, Stream

ROWS = 10_000
D = 3072
TRAIN = tuple(f"data_batch_{i}" for i in range(1, 6))
TEST = "test_batch"
_MOST_REMARKS = 1 << 16  # readme.html, batches.meta

Batch: TypeAlias = tuple[NDArray[np.integer], Pixels]


class Form(NamedTuple):
    """A published form: what its files are called, how long a batch is, how it is read."""

    title: str
    folder: str
    archive: str
    suffix: str
    remarks: tuple[str, ...]
    batch_size: Callable[[int], tuple[int, int]]
    read: Callable[[Stream, int], Batch]

    def file(self, batch: str) -> str:
        """Return the path of a batch, from the data directory or in the archive."""
        return f"{self.folder}/{batch}{self.suffix}"


class Found(NamedTuple):
    """A form and the folder or the archive in which it lies."""

    form: Form
    path: Path


def locate(root: Path, wanted: Iterable[str] = (*TRAIN, TEST)) -> Found:
    """Return the first form that holds the wanted batches: folders first, they load faster."""
    wanted = tuple(wanted)
    for form in FORMS:
        if all((root / form.file(batch)).is_file() for batch in wanted):
            return Found(form, root / form.folder)
    for form in FORMS:
        if (root / form.archive).is_file():
            return Found(form, root / form.archive)
    places = [place for form in FORMS for place in (form.folder, form.archive)]
    raise _files.missing("cifar10", root, places)


def read_batches(found: Found, wanted: Iterable[str]) -> Iterator[tuple[str, Batch]]:
    """Yield the wanted batches, in the order in which they lie: labels (n,), pixels (n, 3072)."""
    if found.path.name == found.form.archive:
        yield from _from_archive(found, set(wanted))
    else:
        for batch in wanted:
            yield batch, _from_file(found, batch)


def first_file(found: Found) -> NDArray[np.uint8]:
    """Return the records of the first training batch, as the binary form has them."""
    ((_, (labels, pixels)),) = read_batches(found, TRAIN[:1])
    return np.column_stack([labels.astype(np.uint8), pixels])


def _from_file(found: Found, batch: str) -> Batch:
    file = found.path / Path(found.form.file(batch)).name
    with _files.reading("cifar10", file), file.open("rb", buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size
        _files.expect_size(size, *found.form.batch_size(ROWS))
        return found.form.read(stream, size)


def _from_archive(found: Found, wanted: set[str]) -> Iterator[tuple[str, Batch]]:
    """Read in one pass, to the very end, where the checksum is."""
    import gzip

    form = found.form
    names = {form.file(batch): batch for batch in (*TRAIN, TEST)}
    sizes = {name: form.batch_size(ROWS) for name in names}
    sizes |= {f"{form.folder}/{name}": (0, _MOST_REMARKS) for name in form.remarks}
    sizes[f"{form.folder}/"] = (0, 0)
    most = sum(most for _, most in sizes.values())
    with _files.reading("cifar10", found.path), gzip.open(found.path) as stream:
        _files.expect_packed_size(found.path, most)
        for member in _tar.members(stream, sizes):
            batch = names.get(member.name, "")
            if batch in wanted:
                wanted.remove(batch)
                yield batch, form.read(member, member.size)
        if wanted:
            raise DatasetError(f"it lacks {', '.join(sorted(wanted))}")


def _read_binary(stream: Stream, size: int) -> Batch:
    """Read rows of a label and the red, green and blue plane."""
    records = np.empty((size // (1 + D), 1 + D), np.uint8)
    _files.fill(stream, records)
    _files.expect_labels(records[:, 0])
    return records[:, 0], records[:, 1:]


def _read_python(stream: Stream, size: int) -> Batch:
    """Read the pickle of a dict with the matrix "data" and the list "labels"."""
    buffer = np.empty(size, np.uint8)
    _files.fill(stream, buffer)
    match _pickle.load(buffer.data, most_opcodes=10 * ROWS + 1000):
        case {b"data": np.ndarray(shape=(n, d)) as pixels, b"labels": list(numbers)} if (
            d == D and n == len(numbers) == ROWS and all(type(i) is int for i in numbers)
        ):
            labels = np.array(numbers)
            _files.expect_labels(labels)
            return labels, pixels
    raise DatasetError(f"its pickle is no dict of a data matrix and {ROWS:,} labels")


FORMS = (
    Form(
        title="binary files",
        folder="cifar-10-batches-bin",
        archive="cifar-10-binary.tar.gz",
        suffix=".bin",
        remarks=("batches.meta.txt", "readme.html"),
        batch_size=lambda n: (n * (1 + D), n * (1 + D)),
        read=_read_binary,
    ),
    Form(
        title="Python files",
        folder="cifar-10-batches-py",
        archive="cifar-10-python.tar.gz",
        suffix="",
        remarks=("batches.meta", "readme.html"),
        # Beside a row's pixels: its label, its file name, and what the pickle says of both.
        batch_size=lambda n: (n * (2 + D), n * (100 + D) + 1000),
        read=_read_python,
    ),
)
