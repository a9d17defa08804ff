"""CIFAR-100, with its fine or its coarse labels."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastdl import _check
from fastdl.datasets import _cifar_forms
from fastdl.datasets._cifar_forms import Form, Found
from fastdl.datasets._files import data_root
from fastdl.datasets._types import PathLike, Split, Splits, empty_split

# fmt: off
CIFAR100_LABELS = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle",
    "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle",
    "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch", "crab", "crocodile", "cup",
    "dinosaur", "dolphin", "elephant", "flatfish", "forest", "fox", "girl", "hamster", "house",
    "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion", "lizard", "lobster", "man",
    "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange", "orchid",
    "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy",
    "porcupine", "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal",
    "shark", "shrew", "skunk", "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar",
    "sunflower", "sweet_pepper", "table", "tank", "telephone", "television", "tiger", "tractor",
    "train", "trout", "tulip", "turtle", "wardrobe", "whale", "willow_tree", "wolf", "woman",
    "worm",
)
CIFAR100_COARSE_LABELS = (
    "aquatic_mammals", "fish", "flowers", "food_containers", "fruit_and_vegetables",
    "household_electrical_devices", "household_furniture", "insects", "large_carnivores",
    "large_man-made_outdoor_things", "large_natural_outdoor_scenes",
    "large_omnivores_and_herbivores", "medium_mammals", "non-insect_invertebrates", "people",
    "reptiles", "small_mammals", "trees", "vehicles_1", "vehicles_2",
)
# fmt: on

ROWS = {"train": 50_000, "test": 10_000}
_KINDS = {b"coarse_labels": 20, b"fine_labels": 100}  # in the order of the binary form
FORMS = tuple(
    Form("cifar100", f"cifar-100-{kind}", f"cifar-100-{kind}.tar.gz", suffix, remarks, _KINDS)
    for kind, suffix, remarks in (
        ("binary", ".bin", ("coarse_label_names.txt", "fine_label_names.txt", "readme.html")),
        ("python", "", ("meta", "file.txt~", "readme.html")),
    )
)


def load_cifar100(
    *,
    labels: str = "fine",
    validation: int = 10_000,
    seed: int = 0,
    data_dir: PathLike | None = None,
) -> Splits:
    """Load CIFAR-100 from the official files, whichever of their forms is found.

    Parameters
    ----------
    labels : {"fine", "coarse"}
        A hundred classes, or the twenty that hold five of these each.
    validation : int
        How many rows, drawn at random, to take out of the 50,000 training rows to validate on. The
        rows keep the order of the files.
    seed : int
        Seed of that draw.
    data_dir : path-like, optional
        Where to look, instead of ``$FASTDL_DATA_DIR`` or else the user's cache.

    Returns
    -------
    (x, y), (xv, yv), (xt, yt)
        Training, validation and test rows. ``x`` has shape (n, 3072) and dtype uint8: the red, the
        green and the blue plane of 32 by 32 pixels; ``y`` shape (n,) and dtype int64, in [0, 100)
        or [0, 20). ``fd.datasets.CIFAR100_LABELS`` and ``CIFAR100_COARSE_LABELS`` are the names.

    Raises
    ------
    MissingDatasetError
        If no form of the data set is found.
    DatasetError
        If a file is damaged.
    ValueError, TypeError
        If ``labels`` is none of the two, or ``validation`` is not a number of rows that leaves some
        to train on.

    Examples
    --------
    >>> (x, y), (xv, yv), (xt, yt) = fd.datasets.load_cifar100(labels="coarse")  # doctest: +SKIP
    """
    column = ("coarse", "fine").index(_check.choice("labels", labels, ("coarse", "fine")))
    drawn = _cifar_forms.draw(ROWS["train"], validation, seed)
    splits: dict[str, list[tuple[Split, NDArray[np.bool_] | slice]]] = {
        "train": [(empty_split(int(np.count_nonzero(to)), _cifar_forms.D), to)
                  for to in (~drawn, drawn)],
        "test": [(empty_split(ROWS["test"], _cifar_forms.D), slice(None))],
    }  # fmt: skip
    found = locate(data_root(data_dir))
    for batch, (numbers, pixels) in _cifar_forms.read_batches(found, ROWS, ROWS):
        for (x, y), rows in splits[batch]:
            x[:], y[:] = pixels[rows], numbers[rows, column]
        del numbers, pixels  # or the next batch would need room beside this one
    (training, held_out), (test,) = ([split for split, _ in each] for each in splits.values())
    return training, held_out, test


def locate(root: Path) -> Found:
    """Return the first form that is there."""
    return _cifar_forms.locate(FORMS, root, ROWS)


def first_file(found: Found) -> NDArray[np.uint8]:
    """Return the training records as the binary form has them."""
    for batch, (labels, pixels) in _cifar_forms.read_batches(found, ROWS, ROWS):
        if batch == "train":
            records = np.column_stack([labels.astype(np.uint8), pixels])
    return records
