"""EMNIST, handwritten digits and letters, in each of its splits."""

from collections.abc import Mapping
from string import ascii_lowercase, ascii_uppercase, digits
from types import MappingProxyType

from fastdl import _check
from fastdl.datasets import _idx_sets
from fastdl.datasets._idx_sets import ImageSet
from fastdl.datasets._types import PathLike, Splits

# Small letters that look like no capital, which where some are merged keep a class of their own.
_MERGED = (*digits, *ascii_uppercase, *"abdefghnqrt")
EMNIST_LABELS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "balanced": _MERGED,
        "bymerge": _MERGED,
        "byclass": (*digits, *ascii_uppercase, *ascii_lowercase),
        "letters": tuple(ascii_lowercase),
        "digits": tuple(digits),
        "mnist": tuple(digits),
    }
)


def _split(name: str, n_train: int, n_test: int, first: int = 0) -> ImageSet:
    return ImageSet(
        "emnist", f"EMNIST, {name}", "EMNIST/raw", n_train, n_test,
        (f"emnist-{name}-train", f"emnist-{name}-test"), len(EMNIST_LABELS[name]), first,
        turned=True, archive="EMNIST/gzip.zip",
    )  # fmt: skip


SPLITS = {
    "balanced": _split("balanced", 112_800, 18_800),
    "bymerge": _split("bymerge", 697_932, 116_323),
    "byclass": _split("byclass", 697_932, 116_323),
    "letters": _split("letters", 124_800, 20_800, first=1),
    "digits": _split("digits", 240_000, 40_000),
    "mnist": _split("mnist", 60_000, 10_000),
}


def load_emnist(
    *, split: str = "balanced", validation: int = 10_000, data_dir: PathLike | None = None
) -> Splits:
    """Load a split of EMNIST, handwritten digits and letters, from the official idx files.

    Parameters
    ----------
    split : {"balanced", "bymerge", "byclass", "letters", "digits", "mnist"}
        ``byclass`` tells all 62 digits, capitals and small letters apart, ``bymerge`` has one
        class for the letters whose two forms look alike, and ``balanced`` as many rows of each of
        these 47; ``letters`` are 26 classes, of both forms each.
    validation : int
        How many of the training rows, the last ones, to validate on instead.
    data_dir : path-like, optional
        Where to look, instead of ``$FASTDL_DATA_DIR`` or else the user's cache: for the files in
        ``EMNIST/raw``, or for ``EMNIST/gzip.zip`` as it was published.

    Returns
    -------
    (x, y), (xv, yv), (xt, yt)
        As `load_mnist`. The images are upright, which in the files they are not; labels count from
        0, which those of ``letters`` do not. ``fd.datasets.EMNIST_LABELS[split]`` are the names of
        the classes.

    Raises
    ------
    MissingDatasetError, DatasetError, ValueError, TypeError
        As `load_mnist`; ValueError also for a split that there is not.

    Examples
    --------
    >>> (x, y), (xv, yv), (xt, yt) = fd.datasets.load_emnist(split="letters")  # doctest: +SKIP
    """
    images = SPLITS[_check.choice("split", split, tuple(SPLITS))]
    return _idx_sets.load(images, validation, data_dir)
