"""What callbacks are, and what they see of a fit."""

from __future__ import annotations

import os
from functools import singledispatch
from typing import Any

from fastdl import _hints
from fastdl._settings import show
from fastdl.fit import Fit
from fastdl.history import History


class Run:
    """One fit: what callbacks see.

    Attributes
    ----------
    trainer : Trainer
    network : Network
    history : History
    columns : list of str
        That records have; none in a fit without records.
    epoch, step : int
        Done since the trainer was made.
    first_epoch, last_epoch : int
        Those that were done when the fit began, and that will be when it ends.
    resumed : bool
        Whether it goes on where a checkpoint was written.
    failed, interrupted : bool
        Whether the fit has ended with an error, or by Ctrl-C.

    Examples
    --------
    >>> class Tell(fd.Callback):
    ...     def on_epoch(self, run):
    ...         print(run.epoch, run.step, run.columns[:3])
    >>> trainer = fd.Trainer(fd.Network([1, 8, 2]), fd.SGD(0.5), batch_size=2)
    >>> history = trainer.fit([[0.0], [1.0]], [0, 1], epochs=2, callbacks=[Tell()])
    1 1 ['epoch', 'step', 'learning_rate']
    2 2 ['epoch', 'step', 'learning_rate']
    """

    def __init__(self, trainer: Any, fit: Fit) -> None:
        self.trainer, self.network = trainer, trainer.network
        self._fit = fit

    @property
    def history(self) -> History:
        """What is recorded so far."""
        return self._fit.records.history

    @property
    def columns(self) -> list[str]:
        """Those of records."""
        return list(self._fit.records.columns)

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self._fit.state.epoch

    @property
    def step(self) -> int:
        """Steps done."""
        return self._fit.state.step

    @property
    def first_epoch(self) -> int:
        """The epochs that were done when the fit began."""
        return self._fit.first_epoch

    @property
    def last_epoch(self) -> int:
        """The epoch after which the fit ends."""
        return self._fit.last_epoch

    @property
    def resumed(self) -> bool:
        """Whether it goes on where a checkpoint was written."""
        return self._fit.resumed

    @property
    def failed(self) -> bool:
        """Whether the fit has ended with an error."""
        return self._fit.failed

    @property
    def interrupted(self) -> bool:
        """Whether it has ended by Ctrl-C."""
        return self._fit.interrupted

    def stop(self, reason: str) -> None:
        """End the fit after this record or epoch."""
        self._fit.stop(reason)

    def keep(self, name: str) -> None:
        """Remember the parameters under a name, also in checkpoints."""
        self._fit.kept.keep(name, self._fit.state.parameters)

    def keeps(self, name: str) -> bool:
        """Whether parameters are remembered under this name."""
        return name in self._fit.kept.arrays

    def go_back(self, name: str) -> None:
        """Go back to the remembered parameters, if there are any."""
        self._fit.kept.go_back(name, self._fit.state.parameters)

    def is_at(self, step: float | None) -> bool:
        """Whether the parameters are those after this step."""
        return step == self.step and not self._fit.kept.gone_back

    def scale_rate(self, factor: float) -> None:
        """Multiply the schedule's rates of all steps to come, until the fit ends."""
        self._fit.rates.scale(factor, self._fit.at)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint, from which ``Trainer.resume`` goes on."""
        self._fit.save(path)


_ELSEWHERE = _hints.table(  # what other libraries call them
    {
        "on_begin(self, run)": "on_train_begin on_train_start on_fit_start on_fit_begin",
        "on_step(self, run), with steps = 1": "on_batch_end on_train_batch_end on_step_end",
        "on_epoch(self, run), which is called after each": "on_epoch_end on_train_epoch_end "
        "on_epoch_begin on_epoch_start",
        "on_end(self, run)": "on_train_end on_fit_end",
    }
)


class Callback:
    """Does nothing; override what you need. ``run`` is the fit: see ``Run``.

    Attributes
    ----------
    steps : int or None
        ``on_step`` is called whenever so many more steps are done; None: never.

    Examples
    --------
    >>> class StopAtNine(fd.Callback):
    ...     def on_epoch(self, run):
    ...         if run.epoch == 9:
    ...             run.stop("nine are enough")
    >>> trainer = fd.Trainer(fd.Network([1, 8, 2]), fd.SGD(0.5), batch_size=2)
    >>> history = trainer.fit([[0.0], [1.0]], [0, 1], epochs=99, callbacks=[StopAtNine()])
    >>> history.stopped
    'nine are enough'
    """

    steps: int | None = None

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        for name in cls.__dict__:  # of another library: nobody would ever call it
            if (use := _ELSEWHERE.get(name)) is not None:
                raise TypeError(
                    f"{cls.__name__} must override what fd.Callback has; got {name}, use {use}"
                )

    def __repr__(self) -> str:
        return show(self)

    def on_check(self, run: Run) -> None:
        """Before anything begins; raise here to refuse a fit that would fail later."""

    def on_begin(self, run: Run) -> None:
        """Before the first batch; ``run.history`` has the records of a fit that is resumed."""

    def on_record(self, run: Run) -> None:
        """After a record was added to ``run.history``."""

    def on_step(self, run: Run) -> None:
        """After a step whose number ``steps`` divides, and after its record if there is one."""

    def on_epoch(self, run: Run) -> None:
        """After an epoch, ``run.epoch`` counting it."""

    def on_interrupt(self, run: Run) -> None:
        """After Ctrl-C, before any ``on_finish``; unless it came while callbacks heard a record."""

    def on_finish(self, run: Run) -> None:
        """After the last batch of a fit that did not fail, before any ``on_end``.

        What changes the parameters once more does it here: it is saved whatever the order.
        """

    def on_end(self, run: Run) -> None:
        """At the end, also of a fit that was stopped or interrupted, or that failed."""


@singledispatch
def needs_records(callback: Callback) -> bool:
    """Whether a callback has nothing to do in a fit without records."""
    return type(callback).on_record is not Callback.on_record
