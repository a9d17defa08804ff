"""What the official forms of CIFAR have in common: binary or Python, in a folder or an archive."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastdl import _check
from fastdl.datasets import _files, _pickle, _tar
from fastdl.datasets._errors import DatasetError
from fastdl.datasets._types import Pixels, Stream

D = 3072
_MOST_REMARKS = 1 << 16  # names of the classes, a page about the data

# Labels (n, kinds of labels), pixels (n, 3072).
Batch: TypeAlias = tuple[NDArray[np.integer], Pixels]
Kinds: TypeAlias = Mapping[bytes, int]


class Form(NamedTuple):
    """A published form: what its files are called, and whether they are pickles.

    Attributes
    ----------
    name : str
        Of the data set.
    folder, archive, suffix : str
        Batches lie in the folder, from the data directory or in the archive, and end like this.
    remarks : sequence of str
        What else may lie there.
    kinds : mapping
        The kinds of labels that a row has, by the name in a pickle, and how many classes each has.
    """

    name: str
    folder: str
    archive: str
    suffix: str
    remarks: tuple[str, ...]
    kinds: Kinds

    @property
    def title(self) -> str:
        """The form in words."""
        return "binary files" if self.suffix else "Python files"

    def file(self, batch: str) -> str:
        """Return the path of a batch, from the data directory or in the archive."""
        return f"{self.folder}/{batch}{self.suffix}"

    def batch_size(self, n: int) -> tuple[int, int]:
        """The least and the greatest size of a batch of n rows."""
        row = len(self.kinds) + D
        if self.suffix:
            return n * row, n * row
        # Beside a row's pixels: its labels, its file name, and what the pickle says of them.
        return n * (1 + row), n * (99 + row) + 1000

    def read(self, stream: Stream, size: int, n: int) -> Batch:
        """Read a batch of n rows."""
        reader = _read_binary if self.suffix else _read_python
        labels, pixels = reader(stream, size, n, self.kinds)
        for column, k in zip(labels.T, self.kinds.values(), strict=True):
            _files.expect_labels(column, k)
        return labels, pixels


class Found(NamedTuple):
    """A form and the folder or the archive in which it lies."""

    form: Form
    path: Path


def locate(forms: Sequence[Form], root: Path, wanted: Iterable[str]) -> Found:
    """Return the first form that holds the wanted batches: folders first, they load faster."""
    wanted = tuple(wanted)
    for form in forms:
        if all((root / form.file(batch)).is_file() for batch in wanted):
            return Found(form, root / form.folder)
    for form in forms:
        if (root / form.archive).is_file():
            return Found(form, root / form.archive)
    places = [place for form in forms for place in (form.folder, form.archive)]
    raise _files.missing(forms[0].name, root, places)


def draw(n: int, validation: object, seed: object) -> NDArray[np.bool_]:
    """Which of n training rows validate: so many, drawn at random."""
    n_drawn = _check.integer("validation", validation, 0, n - 1)
    generator = np.random.Generator(np.random.PCG64(_check.integer("seed", seed, 0, 2**63 - 1)))
    drawn = np.zeros(n, bool)
    drawn[generator.permutation(n)[:n_drawn]] = True
    return drawn


def read_batches(
    found: Found, rows: Mapping[str, int], wanted: Iterable[str]
) -> Iterator[tuple[str, Batch]]:
    """Yield the wanted batches as they lie; ``rows`` has how many each has, wanted or not."""
    if found.path.name == found.form.archive:
        yield from _from_archive(found, rows, set(wanted))
    else:
        for batch in wanted:
            yield batch, _from_file(found, batch, rows[batch])


def _from_file(found: Found, batch: str, n: int) -> Batch:
    form = found.form
    file = found.path / Path(form.file(batch)).name
    with _files.reading(form.name, file), file.open("rb", buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size
        _files.expect_size(size, *form.batch_size(n))
        return form.read(stream, size, n)


def _from_archive(
    found: Found, rows: Mapping[str, int], wanted: set[str]
) -> Iterator[tuple[str, Batch]]:
    """Read in one pass, to the very end, where the checksum is."""
    import gzip

    form = found.form
    names = {form.file(batch): batch for batch in rows}
    sizes = {name: form.batch_size(rows[batch]) for name, batch in names.items()}
    sizes |= {f"{form.folder}/{name}": (0, _MOST_REMARKS) for name in form.remarks}
    sizes[f"{form.folder}/"] = (0, 0)
    most = sum(most for _, most in sizes.values())
    with _files.reading(form.name, found.path), gzip.open(found.path) as stream:
        _files.expect_packed_size(found.path.stat().st_size, most)
        for member in _tar.members(stream, sizes):
            batch = names.get(member.name, "")
            if batch in wanted:
                wanted.remove(batch)
                yield batch, form.read(member, member.size, rows[batch])
        if wanted:
            raise DatasetError(f"it lacks {', '.join(sorted(wanted))}")


def _read_binary(stream: Stream, size: int, n: int, kinds: Kinds) -> Batch:
    """Read rows of the labels and the red, green and blue plane."""
    records = np.empty((n, len(kinds) + D), np.uint8)
    _files.fill(stream, records)
    return records[:, : len(kinds)], records[:, len(kinds) :]


def _read_python(stream: Stream, size: int, n: int, kinds: Kinds) -> Batch:
    """Read the pickle of a dict with the matrix "data" and lists of labels."""
    buffer = np.empty(size, np.uint8)
    _files.fill(stream, buffer)
    found = _pickle.load(buffer.data, most_opcodes=10 * n + 1000)
    if isinstance(found, dict):
        pixels: Any = found.get(b"data")
        columns: list[Any] = [found.get(name) for name in kinds]
        if getattr(pixels, "shape", None) == (n, D) and all(
            _are_labels(each, n) for each in columns
        ):
            return np.array(columns).T, pixels
    raise DatasetError(f"its pickle is no dict of a data matrix and {n:,} labels")


def _are_labels(column: object, n: int) -> bool:
    return isinstance(column, list) and len(column) == n and all(type(i) is int for i in column)
