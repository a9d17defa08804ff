"""What may look on, or step in, while a network is trained."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TextIO

import numpy as np

from fastdl import _check

if TYPE_CHECKING:
    from fastdl.run import Run


class Callback:
    """Does nothing; override what you need. ``run`` is the fit: see ``Run``.

    Attributes
    ----------
    steps : int or None
        ``on_step`` is called whenever so many more steps are done; None: never.
    """

    steps: int | None = None

    def on_begin(self, run: Run) -> None:
        """Before the first batch; ``run.history`` has the records of a fit that is resumed."""

    def on_record(self, run: Run) -> None:
        """After a record was added to ``run.history``."""

    def on_step(self, run: Run) -> None:
        """After a step whose number ``steps`` divides, and after its record if there is one."""

    def on_epoch(self, run: Run) -> None:
        """After an epoch, ``run.epoch`` counting it."""

    def on_interrupt(self, run: Run) -> None:
        """After Ctrl-C, before any ``on_end``; unless it came while callbacks heard a record."""

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

    @property
    def _name(self) -> str:
        """Of the parameters that the run keeps: alike for what has the same best record."""
        return f"best {self.monitor} by {self.min_delta!r}"

    def _improves(self, record: dict[str, float]) -> bool:
        """Compare a record with the best so far."""
        if self.monitor not in record:
            raise ValueError(
                f"monitor must be one of {', '.join(record)}; got {self.monitor!r}, "
                "is the validation set missing?"
            )
        sign = -1.0 if self.monitor.endswith("accuracy") else 1.0
        value = record[self.monitor]
        if np.isnan(self.best) or sign * value < sign * self.best - self.min_delta:
            self.best, self.best_epoch, self._waited = value, record["epoch"], 0
            return True
        self._waited += 1
        return False

    def on_begin(self, run: Run) -> None:
        """Forget what an earlier fit has shown; look again at the records of a resumed one."""
        self._forget()
        for record in run.history.records if run.keeps(self._name) else ():
            self._improves(record)

    def on_record(self, run: Run) -> None:
        """Keep the parameters if they are the best so far, stop if they have not been for long."""
        if self._improves(run.history.last):
            run.keep(self._name)
        elif self._waited >= self.patience:
            run.stop(f"no better {self.monitor} in {self.patience} records")

    def on_end(self, run: Run) -> None:
        """Go back to the best parameters, unless the fit failed."""
        if not run.failed:
            run.go_back(self._name)


class CSVLog(Callback):
    """Write every record to a CSV file as soon as it is there.

    Parameters
    ----------
    path : path
        Replaced when a fit begins; that of a resumed one has the records before, too.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = _check.path(path)
        self._file: TextIO | None = None

    def on_begin(self, run: Run) -> None:
        """Open the file, and write the records of a fit that is resumed."""
        self._file = open(self.path, "w", newline="")  # noqa: SIM115 - closed in on_end
        if run.history:
            self._write(run.history.columns, run.history.records, names=True)

    def on_record(self, run: Run) -> None:
        """Write a line, and the names before the first one."""
        self._write(run.history.columns, [run.history.last], names=run.history.n_records == 1)

    def _write(self, columns: list[str], records: list[dict[str, float]], names: bool) -> None:
        assert self._file is not None
        writer = csv.DictWriter(self._file, columns)
        if names:
            writer.writeheader()
        writer.writerows(records)
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
    """Save the fit every so often, after Ctrl-C and at its end, so that it can be resumed.

    ``Trainer.resume`` goes on from the file; ``Network.load`` reads the network in it. Callbacks
    are called in their order: after an ``EarlyStopping`` the end's file has the best parameters. A
    fit that fails leaves the file as it is.

    Parameters
    ----------
    path : path
        A safetensors file, replaced whole each time.
    every : int
        How many of the unit.
    unit : {"epoch", "step"}
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        every: int = 1,
        unit: Literal["epoch", "step"] = "epoch",
    ) -> None:
        self.path = _check.path(path)
        self.every = _check.integer("every", every)
        self.unit = _check.choice("unit", unit, ("epoch", "step"))
        self.steps = self.every if unit == "step" else None

    def on_step(self, run: Run) -> None:
        """Save in the middle of an epoch."""
        run.save(self.path)

    def on_epoch(self, run: Run) -> None:
        """Save if it is time."""
        if self.unit == "epoch" and run.epoch % self.every == 0:
            run.save(self.path)

    def on_interrupt(self, run: Run) -> None:
        """Save where the fit is, before an ``EarlyStopping`` goes back."""
        run.save(self.path)

    def on_end(self, run: Run) -> None:
        """Save the end, if the fit has come to it."""
        if not (run.failed or run.interrupted):
            run.save(self.path)


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
        self.stop = _check.boolean("stop", stop)
        self.largest_gap = 0.0
        self.epoch: float | None = None

    def on_begin(self, run: Run) -> None:
        """Forget what an earlier fit has shown; look again at the records of a resumed one."""
        self.largest_gap = 0.0
        self.epoch = None
        for record in run.history.records:
            self._look(run, record)

    def on_record(self, run: Run) -> None:
        """Compare the two costs of the newest record."""
        self._look(run, run.history.last)

    def _look(self, run: Run, record: dict[str, float]) -> None:
        if "val_cost" not in record:
            raise ValueError("OverfitWatch must have a validation set; got none, give fit one")
        gap = abs(record["cost"] - record["val_cost"])
        self.largest_gap = max(self.largest_gap, gap)
        if gap > self.threshold and self.epoch is None:
            self.epoch = record["epoch"]
            if self.stop:
                run.stop(f"training and validation cost are {gap:.3g} apart")
