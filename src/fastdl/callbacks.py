"""What may look on, or step in, while a network is trained."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TextIO

import numpy as np

from fastdl import _check
from fastdl._settings import Setting
from fastdl.evaluation import KNOWN, RISING
from fastdl.history import in_place_of
from fastdl.run import Callback, Run, needs_records

Mode = Literal["min", "max"] | None


# --- what is monitored -----------------------------------------------------------------------


def _column(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be the name of a column; got {value!r:.100}, use 'loss'")
    return value


def _mode(name: str, value: object) -> Mode:
    if value is None:
        return None
    _check.choice(name, value, ("min", "max"), {"auto": "mode=None"}, ", or None")
    return "max" if value == "max" else "min"


def _check_monitor(name: str, column: str, mode: Mode, run: Run) -> None:
    """Refuse a column that records will not have, or of which nobody knows what is better."""
    if column not in run.columns:
        raise ValueError(
            f"{name} must be one of {', '.join(run.columns)}; got {column!r:.100}"
            f"{in_place_of(column, run.columns)}"
        )
    if mode is None and column.removeprefix("val_") not in KNOWN:
        raise ValueError(
            f"mode must be 'max' or 'min' for {column}, a metric of your own; got None, "
            "use mode='max' if more is better"
        )


@dataclass
class _Best:
    """The best value of a column so far: a finite number, or NaN where there was none yet."""

    value: float = np.nan
    epoch: float | None = None
    step: float | None = None
    waited: int = 0  # records since

    def look(
        self, record: dict[str, float], column: str, mode: Mode, min_delta: float = 0.0
    ) -> None:
        """Compare a record with the best so far."""
        rises = column.removeprefix("val_") in RISING if mode is None else mode == "max"
        value, sign = record[column], -1.0 if rises else 1.0
        better = np.isnan(self.value) or sign * value < sign * self.value - min_delta
        if np.isfinite(value) and better:
            self.value, self.epoch, self.step = value, record["epoch"], record["step"]
            self.waited = 0
        else:
            self.waited += 1


class _Watch(Callback):
    """Looks at every record, first at those of a fit that is resumed: so it comes to the same."""

    def _forget(self) -> None:
        """Forget what an earlier fit has shown."""

    def _look(self, run: Run, record: dict[str, float]) -> None:
        """Take in a record."""

    def on_begin(self, run: Run) -> None:
        """Forget what an earlier fit has shown; look again at the records of a resumed one."""
        self._forget()
        for record in run.history.records:
            self._look(run, record)

    def on_record(self, run: Run) -> None:
        """Look at the newest record."""
        self._look(run, run.history.last)


class _Monitor(_Watch):
    """Waits for a column to improve."""

    monitor = Setting(_column)
    patience = Setting(_check.integer)
    min_delta = Setting(lambda name, value: _check.real(name, value, 0.0))
    mode = Setting(_mode)

    def __init__(self, monitor: str, patience: int, min_delta: float, mode: Mode) -> None:
        self.monitor, self.patience = monitor, patience
        self.min_delta, self.mode = min_delta, mode
        self._forget()

    def on_check(self, run: Run) -> None:
        """Refuse a column that there will not be."""
        _check_monitor("monitor", self.monitor, self.mode, run)

    def _forget(self) -> None:
        self._best = _Best()

    def _look(self, run: Run, record: dict[str, float]) -> None:
        self._best.look(record, self.monitor, self.mode, self.min_delta)


class EarlyStopping(_Monitor):
    """Stop when a recorded quantity no longer improves, and go back to the best parameters.

    A value that is NaN or infinite is no improvement.

    Parameters
    ----------
    monitor : str
        A column of the history.
    patience : int
        Records without an improvement before the fit stops.
    min_delta : float
        What counts as an improvement.
    mode : {"max", "min"}, optional
        Whether the column is to rise or to fall; None: accuracy and R2 rise, what else the library
        records falls, and a metric of one's own must have a mode.

    Attributes
    ----------
    best : float
        The best value so far; NaN where there was no number yet.
    best_epoch : float or None
        The epoch of its record.

    Examples
    --------
    >>> x, y = np.linspace(-1, 1, 40)[:, None], np.arange(40) // 20
    >>> trainer = fd.Trainer(fd.Network([1, 8, 2]), fd.SGD(0.5))
    >>> early = fd.EarlyStopping("val_loss", patience=3)
    >>> history = trainer.fit(x, y, epochs=5, validation_split=0.2, callbacks=[early])
    >>> early.best_epoch
    5
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        patience: int = 5,
        min_delta: float = 0.0,
        mode: Mode = None,
    ) -> None:
        super().__init__(monitor, patience, min_delta, mode)

    @property
    def best(self) -> float:
        """The best value so far."""
        return self._best.value

    @property
    def best_epoch(self) -> float | None:
        """The epoch of its record."""
        return self._best.epoch

    @property
    def _name(self) -> str:
        """Of the parameters that the run keeps: alike for what has the same best record."""
        mode = "" if self.mode is None else f"{self.mode} "
        return f"best {mode}{self.monitor} by {self.min_delta!r}"

    def _stop_if_late(self, run: Run) -> None:
        if self._best.waited >= self.patience:
            run.stop(f"no better {self.monitor} in {self.patience} records")

    def on_begin(self, run: Run) -> None:
        """Forget what an earlier fit has shown; look again at the records of a resumed one."""
        super().on_begin(run)
        if run.is_at(self._best.step):  # maybe saved before this callback heard of that record
            run.keep(self._name)
        elif not (np.isnan(self.best) or run.keeps(self._name)):
            self._forget()
        self._stop_if_late(run)

    def on_record(self, run: Run) -> None:
        """Keep the parameters if they are the best so far, stop if they have not been for long."""
        super().on_record(run)
        if self._best.waited == 0:
            run.keep(self._name)
        self._stop_if_late(run)

    def on_finish(self, run: Run) -> None:
        """Go back to the best parameters, if there are any."""
        run.go_back(self._name)


class ReduceOnPlateau(_Monitor):
    """Lower the learning rate when a recorded quantity no longer improves.

    The rates of the schedule are scaled for the rest of the fit. A value that is NaN or infinite
    is no improvement.

    Parameters
    ----------
    monitor : str
        A column of the history.
    factor : float in (0, 1)
        What the rate is multiplied by.
    patience : int
        Records without an improvement before that, and from one time to the next.
    min_delta : float
        What counts as an improvement.
    least : float
        The rate is not lowered below it.
    mode : {"max", "min"}, optional
        As for ``EarlyStopping``.

    Examples
    --------
    >>> x, y = np.linspace(-1, 1, 40)[:, None], np.arange(40) // 20
    >>> trainer = fd.Trainer(fd.Network([1, 8, 2]), fd.SGD(0.5))
    >>> plateau = fd.ReduceOnPlateau("loss", factor=0.5, patience=1, min_delta=1.0)
    >>> history = trainer.fit(x, y, epochs=4, callbacks=[plateau])
    >>> history["learning_rate"]
    array([0.5  , 0.5  , 0.25 , 0.125])
    """

    factor = Setting(lambda name, value: _check.real(name, value, below=1.0, above=0.0))
    least = Setting(lambda name, value: _check.real(name, value, 0.0))

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        factor: float = 0.1,
        patience: int = 10,
        min_delta: float = 0.0,
        least: float = 0.0,
        mode: Mode = None,
    ) -> None:
        super().__init__(monitor, patience, min_delta, mode)
        self.factor, self.least = factor, least

    def _look(self, run: Run, record: dict[str, float]) -> None:
        super()._look(run, record)
        if self._best.waited < self.patience:
            return
        self._best.waited = 0
        rate = record["learning_rate"]
        lowered = max(rate * self.factor, self.least)
        if 0 < lowered < rate:
            run.scale_rate(lowered / rate)


class OverfitWatch(_Watch):
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

    Examples
    --------
    >>> x, y = np.linspace(-1, 1, 40)[:, None], np.arange(40) // 20
    >>> trainer = fd.Trainer(fd.Network([1, 8, 2]), fd.SGD(0.5))
    >>> watch = fd.OverfitWatch(threshold=0.5)
    >>> history = trainer.fit(x, y, epochs=2, validation_split=0.2, callbacks=[watch])
    >>> watch.epoch is None, watch.largest_gap < 0.5
    (True, True)
    """

    threshold = Setting(lambda name, value: _check.real(name, value, 0.0))
    stop = Setting(_check.boolean)

    def __init__(self, threshold: float = 0.5, *, stop: bool = False) -> None:
        self.threshold, self.stop = threshold, stop
        self._forget()

    def _forget(self) -> None:
        self.largest_gap = 0.0
        self.epoch: float | None = None

    def on_check(self, run: Run) -> None:
        """Refuse a fit without a validation set."""
        if "val_cost" not in run.columns:
            raise ValueError(
                "OverfitWatch must have a validation set; got none, use validation_split=0.2"
            )

    def _look(self, run: Run, record: dict[str, float]) -> None:
        gap = abs(record["cost"] - record["val_cost"])
        self.largest_gap = max(self.largest_gap, gap)
        if gap > self.threshold and self.epoch is None:
            self.epoch = record["epoch"]
            if self.stop:
                run.stop(f"training and validation cost are {gap:.3g} apart")


class Snapshot(Callback):
    """Call a function every so many epochs: draw a diagram, copy the network.

    Parameters
    ----------
    every : int
        Epochs.
    take : callable
        Called with the run.

    Examples
    --------
    >>> x, y = np.linspace(-1, 1, 40)[:, None], np.arange(40) // 20
    >>> trainer = fd.Trainer(fd.Network([1, 8, 2]), fd.SGD(0.5))
    >>> copies = []
    >>> take = fd.Snapshot(2, lambda run: copies.append(run.network.copy()))
    >>> history = trainer.fit(x, y, epochs=4, callbacks=[take])
    >>> len(copies)
    2
    """

    every = Setting(_check.integer)

    def __init__(self, every: int, take: Callable[[Run], object]) -> None:
        self.every = every
        if not callable(take):
            raise TypeError(f"take must be callable; got {take!r}"[:200])
        self.take = take

    def on_epoch(self, run: Run) -> None:
        """Call the function if it is time."""
        if run.epoch % self.every == 0:
            self.take(run)


# --- files -----------------------------------------------------------------------------------


def _check_folder(path: str) -> None:
    """Refuse a path to which no file can be written."""
    _check.new_file(path)
    if not os.access(os.path.dirname(os.path.abspath(path)), os.W_OK):
        raise PermissionError(
            f"path must lie in a folder that may be written to; got {path!r}, choose another one"
        )


def _epoch(line: bytes) -> float:
    """The first number of a line."""
    try:
        return float(line.split(b",")[0])
    except ValueError:
        return np.inf


class CSVLog(Callback):
    """Write every record to a CSV file as soon as it is there.

    Parameters
    ----------
    path : path
        The first fit of a trainer replaces the file; later fits append to it. That of a fit that
        is resumed has the records before, too.

    Examples
    --------
    >>> x, y = np.linspace(-1, 1, 40)[:, None], np.arange(40) // 20
    >>> trainer = fd.Trainer(fd.Network([1, 8, 2]), fd.SGD(0.5))
    >>> history = trainer.fit(x, y, epochs=2, callbacks=[fd.CSVLog("log.csv")])
    >>> np.loadtxt("log.csv", delimiter=",", skiprows=1).shape
    (2, 7)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = _check.written(path, ".csv")
        self._file: TextIO | None = None
        self._stays = 0  # bytes

    def on_check(self, run: Run) -> None:
        """Refuse a file that cannot be written, or be gone on with."""
        if os.path.isfile(self.path) and not os.access(self.path, os.W_OK):
            raise PermissionError(
                f"path must be that of a file to write to; got {self.path!r}, choose another one"
            )
        if not os.path.exists(self.path) or os.path.isdir(self.path):
            _check_folder(self.path)
        header = b"".join(self._of_earlier_fits(run)[:1]).decode(errors="replace")
        if header and next(csv.reader([header])) != run.columns:
            raise ValueError(
                f"path must be that of a file with the columns {', '.join(run.columns)}, to which "
                f"a later fit appends; got {self.path!r} with {header.strip():.200}, use "
                f"{'_2'.join(os.path.splitext(self.path))!r}"
            )

    def _of_earlier_fits(self, run: Run) -> list[bytes]:
        """The lines that stay in the file."""
        begun_before = run.first_epoch if run.resumed else run.step
        if not (begun_before and os.path.exists(self.path)):
            return []
        with open(self.path, "rb") as file:
            lines = [line for line in file if line.endswith(b"\n")]
        if run.resumed:  # what it has written itself comes again from its records
            lines[1:] = [line for line in lines[1:] if _epoch(line) <= run.first_epoch]
        return lines

    def on_begin(self, run: Run) -> None:
        """Find what stays in the file; write the records of a fit that is resumed."""
        self._stays = sum(len(line) for line in self._of_earlier_fits(run))
        if run.resumed:
            self._open(run)

    def on_record(self, run: Run) -> None:
        """Write a line; the first one of a fit opens the file: one that fails before leaves it."""
        if self._file is None:
            self._open(run)
        else:
            self._write(run.columns, [run.history.last])

    def _open(self, run: Run) -> None:
        """Open the file behind what stays, and write all records."""
        mode: Literal["a", "w"] = "a" if self._stays else "w"
        self._file = file = open(self.path, mode, newline="")  # noqa: SIM115 - closed in on_end
        if self._stays:
            file.truncate(self._stays)
        self._write(run.columns, run.history.records, names=not self._stays)

    def _write(
        self, columns: list[str], records: list[dict[str, float]], names: bool = False
    ) -> None:
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
            self._file = None


class Checkpoint(_Watch):
    """Save the fit every so often, after Ctrl-C and at its end, so that it can be resumed.

    ``Trainer.resume`` goes on from the file; ``Network.load`` reads the network in it. After an
    ``EarlyStopping``, in whatever order, the end's file has the best parameters. A fit that fails
    leaves the file as it is.

    Parameters
    ----------
    path : path
        A safetensors file, replaced whole each time.
    every : int
        How many of the unit.
    unit : {"epoch", "step"}
    best : str, optional
        A column of the history: save whenever it is better than in all records of this fit before,
        and at no other time. A column that is never a finite number writes no file.
    mode : {"max", "min"}, optional
        Whether ``best`` is to rise or to fall, as for ``EarlyStopping``.

    Examples
    --------
    >>> x, y = np.linspace(-1, 1, 40)[:, None], np.arange(40) // 20
    >>> trainer = fd.Trainer(fd.Network([1, 8, 2]), fd.SGD(0.5))
    >>> history = trainer.fit(x, y, callbacks=[fd.Checkpoint("run.safetensors")])
    >>> fd.Network.load("run.safetensors")
    <Network 1-8-2: relu, identity; softmax_cross_entropy; float32; 34 parameters>
    """

    every = Setting(_check.integer)
    mode = Setting(_mode)

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        every: int = 1,
        unit: Literal["epoch", "step"] = "epoch",
        best: str | None = None,
        mode: Mode = None,
    ) -> None:
        self.path = _check.written(path, ".safetensors")
        self.every = every
        self.unit = _check.choice("unit", unit, ("epoch", "step"))
        self.best = None if best is None else _column("best", best)
        self.mode = mode
        if best is not None and (every, unit) != (1, "epoch"):
            raise ValueError(
                "best must go without every and unit, for each record is looked at; "
                f"got every={every!r}, unit={unit!r}, use every=1, unit='epoch'"
            )
        if best is None and mode is not None:
            raise ValueError(f"mode must go with best; got {mode!r} alone, use best='val_loss'")
        self._forget()

    @property
    def steps(self) -> int | None:  # type: ignore[override]
        """How often ``on_step`` is called."""
        return self.every if self.unit == "step" else None

    def on_check(self, run: Run) -> None:
        """Refuse a file that cannot be written, and a column that there will not be."""
        _check_folder(self.path)
        if self.best is not None:
            _check_monitor("best", self.best, self.mode, run)

    def _forget(self) -> None:
        self._so_far = _Best()

    def _look(self, run: Run, record: dict[str, float]) -> None:
        if self.best is not None:
            self._so_far.look(record, self.best, self.mode)

    def on_begin(self, run: Run) -> None:
        """Forget what an earlier fit has shown; look again at the records of a resumed one."""
        super().on_begin(run)
        if run.is_at(self._so_far.step):  # maybe saved by another one before this one heard of it
            run.save(self.path)

    def on_record(self, run: Run) -> None:
        """Save the best so far."""
        super().on_record(run)
        if self.best is not None and self._so_far.waited == 0:
            run.save(self.path)

    def on_step(self, run: Run) -> None:
        """Save in the middle of an epoch."""
        run.save(self.path)

    def on_epoch(self, run: Run) -> None:
        """Save if it is time."""
        if self.best is None and self.unit == "epoch" and run.epoch % self.every == 0:
            run.save(self.path)

    def on_interrupt(self, run: Run) -> None:
        """Save where the fit is, before an ``EarlyStopping`` goes back."""
        if self.best is None:
            run.save(self.path)

    def on_end(self, run: Run) -> None:
        """Save the end, if the fit has come to it."""
        if self.best is None and not (run.failed or run.interrupted):
            run.save(self.path)


@needs_records.register
def _(callback: Checkpoint) -> bool:
    return callback.best is not None
