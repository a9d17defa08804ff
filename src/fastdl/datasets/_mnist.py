"""MNIST and the sets that were made to stand in its place, from their official idx files."""

from fastdl.datasets import _idx_sets
from fastdl.datasets._idx_sets import ImageSet
from fastdl.datasets._types import PathLike, Splits

FASHION_MNIST_LABELS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
KMNIST_LABELS = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")

MNIST = ImageSet("mnist", "MNIST", "MNIST/raw")
FASHION_MNIST = ImageSet(
    "fashion_mnist",
    "Fashion-MNIST",
    "FashionMNIST/raw",
    system="/usr/share/datasets/fashion-mnist",  # of Debian's dataset-fashion-mnist
)
KMNIST = ImageSet("kmnist", "KMNIST", "KMNIST/raw")


def load_mnist(*, validation: int = 10_000, data_dir: PathLike | None = None) -> Splits:
    """Load MNIST from the official idx files.

    Parameters
    ----------
    validation : int
        How many of the 60,000 training rows, the last ones, to validate on instead: 10,000 is the
        split of ``mnist.pkl.gz``.
    data_dir : path-like, optional
        Where to look, instead of ``$FASTDL_DATA_DIR`` or else the user's cache: the files lie in
        ``MNIST/raw`` there.

    Returns
    -------
    (x, y), (xv, yv), (xt, yt)
        Training, validation and test rows. ``x`` has shape (n, 784) and dtype uint8: 28 by 28
        pixels, 0 where there is no ink; ``y`` has shape (n,) and dtype int64, in [0, 10).

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
    return _idx_sets.load(MNIST, validation, data_dir)


def load_fashion_mnist(*, validation: int = 10_000, data_dir: PathLike | None = None) -> Splits:
    """Load Fashion-MNIST, pictures of clothes, from the official idx files.

    Without ``data_dir`` those of Debian's package ``dataset-fashion-mnist`` are found, too.

    Parameters
    ----------
    validation : int
        How many of the 60,000 training rows, the last ones, to validate on instead.
    data_dir : path-like, optional
        Where to look, instead of ``$FASTDL_DATA_DIR`` or else the user's cache: the files lie in
        ``FashionMNIST/raw`` there.

    Returns
    -------
    (x, y), (xv, yv), (xt, yt)
        As `load_mnist`; ``fd.datasets.FASHION_MNIST_LABELS`` are the names of the classes.

    Raises
    ------
    MissingDatasetError, DatasetError, ValueError, TypeError
        As `load_mnist`.

    Examples
    --------
    >>> (x, y), (xv, yv), (xt, yt) = fd.datasets.load_fashion_mnist()  # doctest: +SKIP
    """
    return _idx_sets.load(FASHION_MNIST, validation, data_dir)


def load_kmnist(*, validation: int = 10_000, data_dir: PathLike | None = None) -> Splits:
    """Load Kuzushiji-MNIST, ten characters of old Japanese, from the official idx files.

    Parameters
    ----------
    validation : int
        How many of the 60,000 training rows, the last ones, to validate on instead.
    data_dir : path-like, optional
        Where to look, instead of ``$FASTDL_DATA_DIR`` or else the user's cache: the files lie in
        ``KMNIST/raw`` there.

    Returns
    -------
    (x, y), (xv, yv), (xt, yt)
        As `load_mnist`; ``fd.datasets.KMNIST_LABELS`` are the names of the classes.

    Raises
    ------
    MissingDatasetError, DatasetError, ValueError, TypeError
        As `load_mnist`.

    Examples
    --------
    >>> (x, y), (xv, yv), (xt, yt) = fd.datasets.load_kmnist()  # doctest: +SKIP
    """
    return _idx_sets.load(KMNIST, validation, data_dir)
