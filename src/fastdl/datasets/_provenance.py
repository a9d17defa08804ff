"""Say what a loader would read, and whether those are the official bytes."""

from contextlib import suppress
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fastdl import _check
from fastdl.datasets import _cifar10_forms, _cifar100, _emnist, _idx_sets, _mnist
from fastdl.datasets._cifar_forms import Found
from fastdl.datasets._errors import MissingDatasetError
from fastdl.datasets._files import data_root
from fastdl.datasets._idx_sets import ImageSet
from fastdl.datasets._sources import NAMES, OFFICIAL, REMOTES
from fastdl.datasets._types import PathLike, Provenance


def provenance(name: str, *, data_dir: PathLike | None = None) -> Provenance:
    """Say what the loader of a data set finds, and whether it is the official data.

    Parameters
    ----------
    name : str
        As `download` takes it.
    data_dir : path-like, optional
        Where to look, instead of ``$FASTDL_DATA_DIR`` or else the user's cache.

    Returns
    -------
    Provenance
        Its ``str`` is one sentence. ``official`` tells of the first training file alone.

    Raises
    ------
    MissingDatasetError
        If the data set is not found.
    DatasetError
        If its first file is damaged.
    ValueError
        If the name is not known.

    Examples
    --------
    >>> print(fd.datasets.provenance("mnist"))  # doctest: +SKIP
    """
    _check.choice("name", name, NAMES)
    if name in _CIFAR:
        found = _CIFAR[name].locate(data_root(data_dir))
        official = _is(_CIFAR[name].first_file(found), OFFICIAL[name])
        return Provenance(name, str(found.path), found.form.title, official)
    images, path = _images(name, data_dir)
    return Provenance(name, str(path), "idx files", _are_official(images, path))


class _Forms(Protocol):
    """A module of a data set of CIFAR."""

    def locate(self, root: Path, /) -> Found: ...
    def first_file(self, found: Found, /) -> NDArray[np.uint8]: ...


_CIFAR: dict[str, _Forms] = {"cifar10": _cifar10_forms, "cifar100": _cifar100}


def _images(name: str, data_dir: PathLike | None) -> tuple[ImageSet, Path]:
    """The set, and where its files lie; of EMNIST the first split that is there."""
    if name != "emnist":
        images = {each.name: each for each in (_mnist.MNIST, _mnist.FASHION_MNIST, _mnist.KMNIST)}
        return images[name], _idx_sets.locate(images[name], data_dir)
    for split in _emnist.SPLITS.values():
        with suppress(MissingDatasetError):
            return split, _idx_sets.locate(split, data_dir)
    split = _emnist.SPLITS["balanced"]
    return split, _idx_sets.locate(split, data_dir)


def _are_official(images: ImageSet, path: Path) -> bool | None:
    """Whether the training images are, or the file that was published and holds them."""
    content = _idx_sets.first_file(images, path)  # damaged files are told, whatever their bytes
    if images.name in OFFICIAL:
        return _is(content, OFFICIAL[images.name])
    del content
    file = path if path.is_file() else _idx_sets.find(path, images.files[0])
    remote = REMOTES[images.name][0]
    if file is None or file.name != Path(remote.path).name:
        return None
    return _is(np.fromfile(file, np.uint8), remote.sha256)


def _is(content: NDArray[np.uint8], sha256: str) -> bool:
    import hashlib

    return hashlib.sha256(content.data).hexdigest() == sha256
