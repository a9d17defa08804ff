"""The official forms of CIFAR-10, binary or Python, in a folder or in the archive."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastdl.datasets import _cifar_forms
from fastdl.datasets._cifar_forms import Form, Found
from fastdl.datasets._types import Pixels

ROWS = 10_000
D = _cifar_forms.D
TRAIN = tuple(f"data_batch_{i}" for i in range(1, 6))
TEST = "test_batch"
FORMS = tuple(
    Form("cifar10", f"cifar-10-batches-{short}", f"cifar-10-{kind}.tar.gz", suffix, remarks,
         {b"labels": 10})
    for kind, short, suffix, remarks in (
        ("binary", "bin", ".bin", ("batches.meta.txt", "readme.html")),
        ("python", "py", "", ("batches.meta", "readme.html")),
    )
)  # fmt: skip


def locate(root: Path, wanted: Iterable[str] = (*TRAIN, TEST)) -> Found:
    """Return the first form that holds the wanted batches: folders first, they load faster."""
    return _cifar_forms.locate(FORMS, root, wanted)


def read_batches(
    found: Found, wanted: Iterable[str]
) -> Iterator[tuple[str, tuple[NDArray[np.integer], Pixels]]]:
    """Yield the wanted batches, in the order in which they lie: labels (n,), pixels (n, 3072)."""
    rows = dict.fromkeys((*TRAIN, TEST), ROWS)
    for batch, (labels, pixels) in _cifar_forms.read_batches(found, rows, wanted):
        yield batch, (labels[:, 0], pixels)
        del labels, pixels  # or the next batch would need room beside this one


def first_file(found: Found) -> NDArray[np.uint8]:
    """Return the records of the first training batch, as the binary form has them."""
    ((_, (labels, pixels)),) = read_batches(found, TRAIN[:1])
    return np.column_stack([labels.astype(np.uint8), pixels])
