"""The rows a run asks for, or a stand-in for them, and which of the two it is."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import fastdl as fd
from experiments.spec import Cifar10

Rows = tuple[NDArray[np.uint8], NDArray[np.int64]]

_BATCH_ROWS = 10_000
_STAND_IN_SEED = 0


@dataclass(frozen=True, eq=False)
class Loaded:
    """A data set in memory.

    Attributes
    ----------
    train, validation, test : (x, y)
        uint8 (n, d) and int64 (n,).
    scaling : fd.Scaling
        How pixels become inputs.
    classes : tuple of str
        What each label means.
    provenance : str
        Where the rows come from, in a sentence.
    stand_in : bool
        Whether they are made up.
    note : str
        Why numbers got with them may not be compared with a report's; empty where they may.
    """

    train: Rows
    validation: Rows
    test: Rows
    scaling: fd.Scaling
    classes: tuple[str, ...]
    provenance: str
    stand_in: bool
    note: str


def load(wanted: Cifar10, data_dir: Path | None) -> Loaded:
    """Load CIFAR-10, or where there is none make its stand-in.

    Parameters
    ----------
    wanted : Cifar10
    data_dir : Path or None
        Where to look; None: where fastdl looks, and a stand-in if nothing is there.

    Raises
    ------
    fd.datasets.DatasetError
        If a file is damaged, or nothing lies in a ``data_dir`` that was given.
    """
    try:
        splits = fd.datasets.load_cifar10(
            train=wanted.train, validation=wanted.validation, data_dir=data_dir
        )
        provenance = str(fd.datasets.provenance("cifar10", data_dir=data_dir))
        stand_in = False
    except fd.datasets.MissingDatasetError:
        if data_dir is not None:
            raise
        n = _BATCH_ROWS * len(wanted.train) if wanted.rows is None else wanted.rows
        splits = fd.datasets.stand_in("cifar10", n, _STAND_IN_SEED)
        where = os.environ.get("FASTDL_DATA_DIR")
        provenance = (
            "made-up images, for CIFAR-10 was not found "
            + (f"in FASTDL_DATA_DIR={where} " if where else "")
            + "(python -m fastdl.datasets download cifar10 gets it)"
        )
        stand_in = True
    labels = fd.datasets.CIFAR10_LABELS
    train, validation, test = ((x[: wanted.rows], y[: wanted.rows]) for x, y in splits)
    return Loaded(
        train=train,
        validation=validation,
        test=test,
        scaling=fd.Scaling.standard(train[0]),
        classes=tuple(f"class {i}" for i in range(len(labels))) if stand_in else labels,
        provenance=provenance,
        stand_in=stand_in,
        note=_note(stand_in, wanted.rows),
    )


def _note(stand_in: bool, rows: int | None) -> str:
    parts = []
    if stand_in:
        parts.append("stand-in data, not CIFAR-10")
    if rows is not None:
        parts.append(f"quick look at {rows:,} rows")
    return "; ".join(parts)
