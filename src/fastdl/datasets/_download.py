"""Make sure that a data set is there."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from fastdl import _check
from fastdl.datasets._cifar10 import load_cifar10
from fastdl.datasets._cifar100 import load_cifar100
from fastdl.datasets._emnist import load_emnist
from fastdl.datasets._errors import DatasetError
from fastdl.datasets._files import data_root
from fastdl.datasets._mnist import load_fashion_mnist, load_kmnist, load_mnist
from fastdl.datasets._sources import NAMES, REMOTES
from fastdl.datasets._types import PathLike, Splits

_LOADERS: dict[str, Callable[..., Splits]] = {
    "cifar10": partial(load_cifar10, train=range(1, 6), validation=0),
    "mnist": load_mnist,
    "fashion_mnist": load_fashion_mnist,
    "kmnist": load_kmnist,
    "emnist": load_emnist,
    "cifar100": load_cifar100,
}


def download(name: str, *, data_dir: PathLike | None = None) -> None:
    """Fetch a data set, unless its loader reads it already.

    Every file is compared with the size and the SHA-256 of the official one and gets its name only
    then. What an interrupted download has brought waits beside it, under the same name and
    ``.part``, for the next one.

    Parameters
    ----------
    name : str
        ``"cifar10"``, ``"mnist"``, ``"fashion_mnist"``, ``"kmnist"``, ``"emnist"`` or
        ``"cifar100"``.
    data_dir : path-like, optional
        Where to put it, instead of ``$FASTDL_DATA_DIR`` or else the user's cache.

    Raises
    ------
    DatasetError
        If no mirror has the official file, or it cannot be written.
    ValueError
        If the name is not known.

    Examples
    --------
    >>> fd.datasets.download("mnist")  # doctest: +SKIP
    """
    load = _LOADERS[_check.choice("name", name, NAMES)]
    try:
        load(data_dir=data_dir)
    except DatasetError:
        _fetch_all(name, data_root(data_dir))


def _fetch_all(name: str, root: Path) -> None:
    from fastdl.datasets import _http  # what it imports, only a download needs

    for remote in REMOTES[name]:
        target = root / remote.path
        try:
            _http.fetch(remote, target)
        except OSError as error:
            raise DatasetError(f"{target} cannot be written: {error}") from error
