"""CIFAR-10, split into training, validation and test rows."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastdl import _check
from fastdl.datasets import _cifar10_forms as forms
from fastdl.datasets import _cifar_forms
from fastdl.datasets._files import data_root
from fastdl.datasets._types import PathLike, Split, Splits, empty_split

CIFAR10_LABELS = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

# Where rows of a batch go: the split, its first row to write, and which rows of the batch.
Target: TypeAlias = tuple[Split, int, NDArray[np.intp] | slice]
Plan: TypeAlias = tuple[Split, Split, dict[str, list[Target]]]
_EVERY_ROW = slice(None)


def load_cifar10(
    *,
    train: Iterable[int] = (1,),
    validation: Iterable[int] | int = (2,),
    seed: int = 0,
    data_dir: PathLike | None = None,
) -> Splits:
    """Load CIFAR-10 from the official files, whichever of their forms is found.

    Parameters
    ----------
    train : iterable of int
        The batches (1 to 5) to train on, of 10,000 rows each, in this order.
    validation : iterable of int, or int
        The batches to validate on; or how many rows, drawn at random, to take out of the training
        batches for it. Either way the rows keep the order of the files.
    seed : int
        Seed of that draw.
    data_dir : path-like, optional
        Where to look, instead of ``$FASTDL_DATA_DIR`` or else the user's cache.

    Returns
    -------
    (x, y), (xv, yv), (xt, yt)
        Training, validation and test rows. ``x`` has shape (n, 3072) and dtype uint8: the red, the
        green and the blue plane of 32 by 32 pixels; ``y`` shape (n,) and dtype int64, in [0, 10).

    Raises
    ------
    MissingDatasetError
        If no form of the data set is found.
    DatasetError
        If a file is damaged.
    ValueError, TypeError
        If ``train`` or ``validation`` ask for batches or rows that there are not.

    Examples
    --------
    >>> splits = fd.datasets.load_cifar10(train=range(1, 6), validation=1000)  # doctest: +SKIP
    """
    numbers = _batch_numbers("train", train)
    if not numbers:
        raise ValueError("train must name at least one of the batches 1 to 5; got none, use [1]")
    given: object = validation
    if isinstance(given, Iterable) and not isinstance(given, str):
        plan = _plan_batches(numbers, _batch_numbers("validation", given))
    else:
        plan = _plan_draw(numbers, validation, seed)
    training, held_out, targets = plan
    test = empty_split(forms.ROWS, forms.D)
    targets[forms.TEST] = [(test, 0, _EVERY_ROW)]

    found = forms.locate(data_root(data_dir), targets)
    for batch, (labels, pixels) in forms.read_batches(found, targets):
        for (x, y), start, rows in targets[batch]:
            stop = start + len(labels[rows])
            x[start:stop] = pixels[rows]
            y[start:stop] = labels[rows]
        del labels, pixels  # or the next batch would need room beside this one
    return training, held_out, test


def _batch_numbers(name: str, batches: object) -> tuple[int, ...]:
    if not isinstance(batches, Iterable) or isinstance(batches, str):
        raise TypeError(f"{name} must list batches; got {batches!r:.100}, use [1]")
    numbers = tuple(_check.integer(f"{name}[{i}]", batch, 1, 5) for i, batch in enumerate(batches))
    if len({*numbers}) < len(numbers):
        raise ValueError(
            f"{name} must name each batch once; got {list(numbers)}, use {sorted({*numbers})}"
        )
    return numbers


def _plan_batches(train: Sequence[int], validation: Sequence[int]) -> Plan:
    """Give every batch to one of the two splits."""
    if shared := sorted({*train} & {*validation}):
        raise ValueError(
            f"train and validation must not share batches; both name {shared}, use "
            f"{sorted({*range(1, 6)} - {*train}) or 1000} (a number draws so many rows)"
        )
    splits = [empty_split(len(numbers) * forms.ROWS, forms.D) for numbers in (train, validation)]
    targets: dict[str, list[Target]] = {
        forms.TRAIN[number - 1]: [(split, i * forms.ROWS, _EVERY_ROW)]
        for split, numbers in zip(splits, (train, validation), strict=True)
        for i, number in enumerate(numbers)
    }
    return splits[0], splits[1], targets


def _plan_draw(train: Sequence[int], validation: object, seed: int) -> Plan:
    """Draw rows out of the training batches."""
    n = len(train) * forms.ROWS
    drawn = _cifar_forms.draw(n, validation, seed)
    n_drawn = int(np.count_nonzero(drawn))
    splits = empty_split(n - n_drawn, forms.D), empty_split(n_drawn, forms.D)
    targets: dict[str, list[Target]] = {}
    for i, number in enumerate(train):
        before, here = drawn[: i * forms.ROWS], drawn[i * forms.ROWS : (i + 1) * forms.ROWS]
        targets[forms.TRAIN[number - 1]] = [
            (split, int(np.count_nonzero(before == taken)), np.flatnonzero(here == taken))
            for split, taken in zip(splits, (False, True), strict=True)
        ]
    return *splits, targets
