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
        ``"cifar10"`` or ``"mnist"``.
    path : str
        The folder or the archive that the loader reads.
    form : str
        The file format in words.
    official : bool
        Whether the first training file holds the official bytes.

    Examples
    --------
    >>> print(fd.datasets.Provenance("mnist", "/data/mnist", "idx files", official=True))
    mnist: idx files in /data/mnist (the official data)
    """

    name: str
    path: str
    form: str
    official: bool

    def __str__(self) -> str:
        bytes_ = "the official data" if self.official else "not the official bytes"
        return f"{self.name}: {self.form} in {self.path} ({bytes_})"


def empty_split(n: int, d: int) -> Split:
    """Room for n rows of d pixels and their labels."""
    return np.empty((n, d), np.uint8), np.empty(n, np.int64)
