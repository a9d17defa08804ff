"""The rows a run asks for, or a stand-in for them, and which of the two it is."""

import os
from dataclasses import dataclass, replace
from functools import lru_cache, singledispatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastdl as fd

from .spec import Cifar10, Data, Mnist, Surface

Rows = tuple[NDArray[Any], NDArray[Any]]

_STAND_IN_SEED = 0
_BLOCKY = 1.05  # CIFAR-10 after JPEG has 1.08, and .97 to 1.01 at other offsets of the blocks


@dataclass(frozen=True, eq=False)
class Loaded:
    """A data set in memory.

    Attributes
    ----------
    train, validation, test : (x, y)
        uint8 (n, d) and int64 (n,); float32 both for a surface.
    scaling : fd.Scaling or None
        How pixels become inputs.
    classes : tuple of str
        What each label means.
    provenance : str
        Where the rows come from, in a sentence.
    note : str
        Why numbers got with them may not be compared with a report's; empty where they may.
    """

    train: Rows
    validation: Rows
    test: Rows
    scaling: fd.Scaling | None
    classes: tuple[str, ...]
    provenance: str
    note: str


def missing(sources: frozenset[str], data_dir: Path | None) -> frozenset[str]:
    """Those of the data sets that are not on this machine.

    Raises
    ------
    fd.datasets.DatasetError
        If a file is damaged, or one is missing from a ``data_dir`` that was given.
    """
    absent = set()
    for source in sources:
        try:
            fd.datasets.provenance(source, data_dir=data_dir)
        except fd.datasets.MissingDatasetError:
            if data_dir is not None:
                raise
            absent.add(source)
    return frozenset(absent)


def load(wanted: Data, seed: int, data_dir: Path | None) -> Loaded:
    """The rows of a run; the last two data sets stay in memory.

    Parameters
    ----------
    wanted : Data
    seed : int
        Of the trial; decides rows that are drawn or made.
    data_dir : Path or None
        Where to look; None: where fastdl looks.

    Raises
    ------
    fd.datasets.DatasetError
        If a file is damaged or missing.
    """
    return _cached(wanted, seed if wanted.depends_on_seed else 0, data_dir)


@lru_cache(maxsize=2)
def _cached(wanted: Data, seed: int, data_dir: Path | None) -> Loaded:
    return _load(wanted, seed, data_dir)


@singledispatch
def _load(wanted: Data, seed: int, data_dir: Path | None) -> Loaded:
    raise TypeError(f"data must be of a kind that data knows; got {type(wanted).__name__}")


@_load.register
def _cifar10(wanted: Cifar10, seed: int, data_dir: Path | None) -> Loaded:
    labels: tuple[str, ...] = fd.datasets.CIFAR10_LABELS
    if wanted.stand_in:
        n = replace(wanted, train_rows=None).n_train
        splits = fd.datasets.stand_in("cifar10", n, _STAND_IN_SEED)
        labels = tuple(f"class {i}" for i in range(len(labels)))
    else:
        splits = fd.datasets.load_cifar10(
            train=wanted.train, validation=wanted.validation, seed=seed, data_dir=data_dir
        )
    train, validation, test = (_first(split, wanted.rows) for split in splits)
    train = _first(train, wanted.train_rows)
    scaling = fd.Scaling.standard(train[0]) if wanted.scaling == "standard" else None
    provenance, note = _origin(wanted, data_dir)
    if not wanted.stand_in:
        provenance += _coded(train[0][:1_000])
    return Loaded(train, validation, test, scaling, labels, provenance, note)


@_load.register
def _mnist(wanted: Mnist, seed: int, data_dir: Path | None) -> Loaded:
    if wanted.stand_in:
        splits = fd.datasets.stand_in("mnist", wanted.n_train, _STAND_IN_SEED)
    else:
        splits = fd.datasets.load_mnist(data_dir=data_dir)
    train, validation, test = (_first(split, wanted.rows) for split in splits)
    scaling = fd.Scaling.centred(train[0])
    digits = tuple(map(str, range(10)))
    return Loaded(train, validation, test, scaling, digits, *_origin(wanted, data_dir))


@_load.register
def _surface(wanted: Surface, seed: int, data_dir: Path | None) -> Loaded:
    rng = np.random.default_rng(seed)
    train, validation = (
        _points(rng.uniform(-2, 2, (m, 2)), wanted.target) for m in (wanted.m, wanted.m // 2)
    )
    side = np.linspace(-2, 2, wanted.side)
    grid = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    test = _points(grid, wanted.target)
    made = f"{wanted.m} + {wanted.m // 2} points drawn by the seed"
    return Loaded(train, validation, test, None, (), made, "")


def _points(x: NDArray[np.float64], target: str) -> Rows:
    hill = np.exp(-(x**2).sum(axis=1))
    y = x[:, 0] * hill if target == "product" else x[:, 0] + hill
    return x.astype(np.float32), y.astype(np.float32)


def block_steps(x: NDArray[np.uint8]) -> float:
    """How much pixels differ across the edges of 8 x 8 blocks, relative to two steps beside them.

    Parameters
    ----------
    x : uint8 array (n, 3072)

    Returns
    -------
    float
        About 1 where no such blocks were coded; JPEG leaves more.
    """
    images = x.reshape(-1, 32, 32).astype(np.int16)
    down, across = (np.abs(np.diff(images, axis=axis)).mean(axis=(0, 3 - axis)) for axis in (1, 2))
    steps = down + across
    edges = np.array([7, 15, 23])
    beside = edges[:, None] + np.array([-2, -1, 1, 2])
    return float(steps[edges].mean() / steps[beside].mean())


def _coded(x: NDArray[np.uint8]) -> str:
    """What provenance adds where images went through JPEG; empty where they did not."""
    steps = block_steps(x)
    if steps <= _BLOCKY:
        return ""
    return (
        f"; pixels differ {steps - 1:.0%} more across the edges of 8 × 8 blocks than beside "
        "them: these images went through JPEG"
    )


def _first(rows: Rows, n: int | None) -> Rows:
    x, y = rows
    return x[:n], y[:n]


def _origin(wanted: Data, data_dir: Path | None) -> tuple[str, str]:
    """Provenance and note."""
    assert wanted.source is not None
    parts = []
    if wanted.stand_in:
        parts.append("stand-in data")
        where = os.environ.get("FASTDL_DATA_DIR")
        looked = f" in FASTDL_DATA_DIR={where}" if where else ""
        provenance = (
            f"made-up images, for {wanted.source} was not found{looked} "
            f"(python -m fastdl.datasets download {wanted.source} gets it)"
        )
    else:
        provenance = str(fd.datasets.provenance(wanted.source, data_dir=data_dir))
    if wanted.rows is not None:
        parts.append(f"{wanted.rows:,} rows")
    return provenance, "; ".join(parts)
