"""What a student tells of his runs: curves of loss, cost and accuracy, or something else."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from .student import SPLITS, Trace

Columns = dict[str, NDArray[np.float64]]
TOLD = tuple(f"{split}_{what}" for split in SPLITS for what in ("loss", "cost", "accuracy"))


def told(trace: Trace, reported: str, rows: Mapping[str, int]) -> Columns:
    """The curves that are told of some runs.

    Parameters
    ----------
    trace : Trace
    reported : str
        One of ``REPORTS``.
    rows : mapping of str to int
        Of each split.

    Returns
    -------
    dict of str to array (r, epochs)
        ``train_loss``, ``train_cost``, ``train_accuracy``, and so on for every split.
    """
    columns = {}
    for split in SPLITS:
        loss = trace.columns[f"{split}_loss"]
        columns[f"{split}_loss"] = loss
        columns[f"{split}_cost"] = loss + trace.columns["penalty"]
        columns[f"{split}_accuracy"] = trace.columns[f"{split}_accuracy"]
    with np.errstate(invalid="ignore"):  # of losses that are infinite
        return columns | REPORTS[reported](columns, trace, rows)


def _from_to(columns: Columns, source: str, target: str) -> Columns:
    return {
        name.replace(source, target): values
        for name, values in columns.items()
        if name.startswith(source)
    }


def _losses(columns: Columns, change: Callable[[NDArray[np.float64], str], object]) -> Columns:
    """Every loss as ``change`` makes it of the loss and its split, and its cost."""
    new: Columns = {}
    for split in SPLITS:
        loss = columns[f"{split}_loss"]
        new[f"{split}_loss"] = np.asarray(change(loss, split))
        new[f"{split}_cost"] = new[f"{split}_loss"] + columns[f"{split}_cost"] - loss
    return new


def _costs(columns: Columns, share: float) -> Columns:
    return {
        f"{split}_cost": columns[f"{split}_loss"]
        + share * (columns[f"{split}_cost"] - columns[f"{split}_loss"])
        for split in SPLITS
    }


def _last_batch(columns: Columns, trace: Trace, rows: Mapping[str, int]) -> Columns:
    loss = trace.columns["batch_loss"]
    return {
        "train_loss": loss,
        "train_cost": loss + trace.columns["penalty"],
        "train_accuracy": trace.columns["batch_accuracy"],
    }


# What a report has in place of the plain columns.
REPORTS: dict[str, Callable[[Columns, Trace, Mapping[str, int]], Columns]] = {
    "all rows": lambda columns, trace, rows: {},
    "last batch": _last_batch,
    "test is train": lambda columns, trace, rows: _from_to(columns, "train", "test"),
    "test is validation": lambda columns, trace, rows: _from_to(columns, "validation", "test"),
    "validation is train": lambda columns, trace, rows: _from_to(columns, "train", "validation"),
    "best test": lambda columns, trace, rows: {
        "test_accuracy": trace.columns["best_test_accuracy"]
    },
    "loss summed": lambda columns, trace, rows: _losses(
        columns, lambda loss, split: loss * rows[split]
    ),
    "log10": lambda columns, trace, rows: _losses(columns, lambda loss, split: loss / np.log(10)),
    "cost without penalty": lambda columns, trace, rows: _costs(columns, 0.0),
    "cost with half": lambda columns, trace, rows: _costs(columns, 0.5),
    "loss is cost": lambda columns, trace, rows: {
        f"{split}_loss": columns[f"{split}_cost"] for split in SPLITS
    },
}
