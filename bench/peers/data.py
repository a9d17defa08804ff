"""The rows that a workload is trained on, and how its workers get them."""

from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np


def make(workload):
    """Inputs (n, d) in float32 and labels (n,) or targets (n, k); always the same."""
    x = aligned(workload.n, workload.widths[0])
    if workload.images:
        pixels, labels = images(workload.images, workload.n)
        return np.multiply(pixels, np.float32(1 / 255), out=x), labels.copy()
    rng = np.random.default_rng(0)
    rng.random(out=x, dtype=np.float32)
    x -= 0.5
    if workload.regression:
        return x, np.sin(6 * x).sum(axis=1, keepdims=True).repeat(workload.widths[-1], axis=1)
    return x, rng.integers(0, workload.widths[-1], workload.n)


def aligned(n, d):
    """An empty float32 array that begins on a cache line, so that JAX need not copy it."""
    buffer = np.empty(n * d + 16, np.float32)
    skipped = -buffer.ctypes.data % 64 // 4
    return buffer[skipped : skipped + n * d].reshape(n, d)


@lru_cache(maxsize=2)
def images(name, n):
    """The first n training rows of a data set, or of its stand-in: uint8 pixels and labels."""
    # Here, not above: a worker times how long its library takes to import.
    from fastdl import datasets

    load = {
        "cifar10": datasets.load_cifar10,
        "mnist": lambda: datasets.load_mnist(validation=0),
    }
    try:
        (x, y), *_ = load[name]()
    except datasets.MissingDatasetError:
        (x, y), *_ = datasets.stand_in(name, n)
    return x[:n], y[:n]


def origin(name):
    """Where the images come from, in a sentence."""
    from fastdl import datasets

    try:
        return str(datasets.provenance(name))
    except datasets.MissingDatasetError:
        return f"{name}: made-up images, for it was not found (set FASTDL_DATA_DIR)"


@contextmanager
def written(workload):
    """A folder with the rows, for `read`, while the context lasts."""
    with TemporaryDirectory() as folder:
        x, y = make(workload)
        x.tofile(Path(folder, "x"))
        np.save(Path(folder, "y.npy"), y)
        del x, y
        yield folder


def read(workload, folder):
    """The rows that were written; no other memory is touched than what they take."""
    x = aligned(workload.n, workload.widths[0])
    with Path(folder, "x").open("rb") as file:
        file.readinto(memoryview(x).cast("B"))
    return x, np.load(Path(folder, "y.npy"))
