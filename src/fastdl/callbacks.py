"""What may look on, or step in, while a network is trained."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

import numpy as np

from fastdl import _check

if TYPE_CHECKING:
    from fastdl.network import Network
    from fastdl.trainer import Run


class Callback:
    """Does nothing; override what you need. ``run`` is the fit: see ``Run``."""

    def on_begin(self, run: Run) -> None:
        """Before the first batch."""

    def on_record(self, run: Run) -> None:
        """After a record was added to ``run.history``."""

    def on_epoch(self, run: Run) -> None:
        """After an epoch, ``run.epoch`` counting it."""

    def on_end(self, run: Run) -> None:
        """After the last batch, also of a fit that was stopped or interrupted."""


class EarlyStopping(Callback):
    """Stop when a recorded quantity no longer improves, and go back to the best parameters.

    Parameters
    ----------
    monitor : str
        A column of the history; one that ends in ``accuracy`` is to rise, any other to fall.
    patience : int
        Records without an improvement before the fit stops.
    min_delta : float
        What counts as an improvement.

    Attributes
    ----------
    best : float
        The best value so far.
    best_epoch : float or None
        The epoch of its record.
    """

    def __init__(
        self, monitor: str = "val_loss", *, patience: int = 5, min_delta: float = 0.0
    ) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"monitor must be the name of a column; got {monitor!r}"[:200])
        self.monitor = monitor
        self.patience = _check.integer("patience", patience)
        self.min_delta = _check.real("min_delta", min_delta, 0.0)
        self._forget()

    def _forget(self) -> None:
        self.best = np.nan
        self.best_epoch: float | None = None
        self._waited = 0
        self._network: Network | None = None

    def on_begin(self, run: Run) -> None:
        """Forget what an earlier fit has shown."""
        self._forget()

    def on_record(self, run: Run) -> None:
        """Compare with the best so far."""
        sign = -1.0 if self.monitor.endswith("accuracy") else 1.0
        if self.monitor not in run.history:
            raise ValueError(
                f"monitor must be one of {', '.join(run.history.columns)}; got {self.monitor!r}, "
                "is the validation set missing?"
            )
        record = run.history.last
        value = record[self.monitor]
        if np.isnan(self.best) or sign * value < sign * self.best - self.min_delta:
            self.best, self.best_epoch, self._waited = value, record["epoch"], 0
            self._network = run.network.copy()
            return
        self._waited += 1
        if self._waited >= self.patience:
            run.stop(f"no better {self.monitor} in {self.patience} records")

    def on_end(self, run: Run) -> None:
        """Go back to the best parameters, unless the fit failed."""
        if self._network is not None and not run.failed:
            best = self._network.parameters
            for name, view in run.network.parameters.items():
                view[...] = best[name]
        self._network = None


class CSVLog(Callback):
    """Write every record to a CSV file as soon as it is there.

    Parameters
    ----------
    path : path
        Replaced when a fit begins.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = _check.path(path)
        self._file: TextIO | None = None

    def on_begin(self, run: Run) -> None:
        """Open the file."""
        self._file = open(self.path, "w", newline="")  # noqa: SIM115 - closed in on_end

    def on_record(self, run: Run) -> None:
        """Write a line, and the names before the first one."""
        assert self._file is not None
        writer = csv.DictWriter(self._file, run.history.columns)
        if len(run.history) == 1:
            writer.writeheader()
        writer.writerow(run.history.last)
        self._file.flush()

    def on_end(self, run: Run) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


class Snapshot(Callback):
    """Call a function every so many epochs: draw a diagram, copy the network.

    Parameters
    ----------
    every : int
        Epochs.
    take : callable
        Called with the run.
    """

    def __init__(self, every: int, take: Callable[[Run], object]) -> None:
        self.every = _check.integer("every", every)
        if not callable(take):
            raise TypeError(f"take must be callable; got {take!r}"[:200])
        self.take = take

    def on_epoch(self, run: Run) -> None:
        """Call the function if it is time."""
        if run.epoch % self.every == 0:
            self.take(run)


class Checkpoint(Callback):
    """Save the network every so many epochs, and at the end.

    Callbacks are called in their order: after an ``EarlyStopping`` it saves the best parameters.

    Parameters
    ----------
    path : path
        A safetensors file, replaced whole each time.
    every : int
        Epochs.
    """

    def __init__(self, path: str | os.PathLike[str], *, every: int = 1) -> None:
        self.path = _check.path(path)
        self.every = _check.integer("every", every)

    def on_epoch(self, run: Run) -> None:
        """Save if it is time."""
        if run.epoch % self.every == 0:
            run.network.save(self.path)

    def on_end(self, run: Run) -> None:
        """Save what there is."""
        run.network.save(self.path)


class OverfitWatch(Callback):
    """Watch the gap between training and validation cost.

    Parameters
    ----------
    threshold : float
        Of the absolute difference.
    stop : bool
        Whether to stop the fit there.

    Attributes
    ----------
    largest_gap : float
        The greatest absolute difference so far.
    epoch : float or None
        The epoch of the first record over the threshold.
    """

    def __init__(self, threshold: float = 0.5, *, stop: bool = False) -> None:
        self.threshold = _check.real("threshold", threshold, 0.0)
        self.stop = stop
        self.largest_gap = 0.0
        self.epoch: float | None = None

    def on_begin(self, run: Run) -> None:
        """Forget what an earlier fit has shown."""
        self.largest_gap = 0.0
        self.epoch = None

    def on_record(self, run: Run) -> None:
        """Compare the two costs of the newest record."""
        record = run.history.last
        if "val_cost" not in record:
            raise ValueError("OverfitWatch must have a validation set; got none, give fit one")
        gap = abs(record["cost"] - record["val_cost"])
        self.largest_gap = max(self.largest_gap, gap)
        if gap > self.threshold and self.epoch is None:
            self.epoch = record["epoch"]
            if self.stop:
                run.stop(f"training and validation cost are {gap:.3g} apart")
