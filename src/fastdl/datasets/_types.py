"""The shapes in which every data set is handed out."""

import os
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.uint8]
Labels: TypeAlias = NDArray[np.int64]
Split: TypeAlias = tuple[Pixels, Labels]
Splits: TypeAlias = tuple[Split, Split, Split]
PathLike: TypeAlias = str | os.PathLike[str]


class Stream(Protocol):
    """What the readers need of a file: a plain one, a gzip one or a member of an archive."""

    def readinto(self, buffer: memoryview, /) -> int | None: ...


class Provenance(NamedTuple):
    """What a loader finds, and whether it is the official data.

    Attributes
    ----------
    name : str
        As `download` takes it.
    path : str
        The folder or the archive that the loader reads.
    form : str
        The file format in words.
    official : bool or None
        Whether the first training file holds the official bytes; None where there is nothing to
        compare it with: KMNIST is known by its packed files alone, EMNIST by its archive.

    Examples
    --------
    >>> print(fd.datasets.Provenance("mnist", "/data/mnist", "idx files", official=True))
    mnist: idx files in /data/mnist (the official data)
    """

    name: str
    path: str
    form: str
    official: bool | None

    def __str__(self) -> str:
        bytes_ = {True: "the official data", False: "not the official bytes", None: "not compared"}
        return f"{self.name}: {self.form} in {self.path} ({bytes_[self.official]})"


def empty_split(n: int, d: int) -> Split:
    """Room for n rows of d pixels and their labels."""
    return np.empty((n, d), np.uint8), np.empty(n, np.int64)
