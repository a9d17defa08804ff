"""What a fit has recorded."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastdl import _check

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRICS = ("loss", "cost", "accuracy")


class History:
    """The records of a fit, a column each: ``history["val_accuracy"]`` is an array.

    ``epoch`` and ``step`` count what was done; ``learning_rate`` is the last step's; ``loss`` is
    the mean data loss and ``cost`` adds the penalty; ``val_...`` are of the validation set;
    ``seconds`` is the time since the fit began. Whether ``loss`` is of the full training set or of
    the batches since the record before is the fit's ``train_metrics``.

    Attributes
    ----------
    stopped : str or None
        Why the fit ended before its last epoch, or None.
    """

    def __init__(self) -> None:
        self._records: list[dict[str, float]] = []
        self.stopped: str | None = None

    def append(self, record: Mapping[str, float]) -> None:
        """Add a record; every one has the same columns."""
        if self._records and list(record) != self.columns:
            raise ValueError(f"a record must have the columns {self.columns}; got {list(record)}")
        self._records.append(dict(record))

    @property
    def records(self) -> list[dict[str, float]]:
        """The records, oldest first."""
        return [dict(record) for record in self._records]

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self._records[0]) if self._records else []

    @property
    def last(self) -> dict[str, float]:
        """The newest record."""
        if not self._records:
            raise IndexError("the history must hold a record; got none, fit with record='epoch'")
        return dict(self._records[-1])

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    def __getitem__(self, column: str) -> NDArray[Any]:
        if column not in self:
            raise KeyError(f"{column!r}: the history has the columns {', '.join(self.columns)}")
        return np.array([record[column] for record in self._records])

    def __repr__(self) -> str:
        what = f"{len(self)} records" + (f" of {', '.join(self.columns)}" if len(self) else "")
        return f"<History: {what}{f'; stopped: {self.stopped}' if self.stopped else ''}>"

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the records to a CSV file, a line each under a line of names."""
        with open(_check.path(path), "w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(self._records)

    def plot(self, x: str = "step") -> Figure:
        """Loss, cost and accuracy over the steps, training and validation; needs matplotlib.

        Parameters
        ----------
        x : {"step", "epoch", "seconds"}

        Returns
        -------
        matplotlib.figure.Figure
        """
        if not self._records:
            raise ValueError("the history must hold a record to plot; got none, fit with a record")
        _check.choice("x", x, ("step", "epoch", "seconds"))
        from matplotlib.figure import Figure

        shown = [name for name in METRICS if name in self and np.isfinite(self[name]).any()]
        figure = Figure(figsize=(4.2 * max(1, len(shown)), 3.4), layout="constrained")
        for i, name in enumerate(shown):
            axes = figure.add_subplot(1, len(shown), i + 1)
            axes.plot(self[x], self[name], label="training")
            if f"val_{name}" in self:
                axes.plot(self[x], self[f"val_{name}"], label="validation")
            axes.set(xlabel=x, ylabel=name)
            axes.legend()
        return figure
