"""One fit: where it is, what it records, where it ends; others bring what is trained on."""

from __future__ import annotations

import math
import os
from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np

from fastdl import _kernels, advice, resume
from fastdl._epoch import Program, Steps
from fastdl.core import Core
from fastdl.data import Data, refuse_if_not_finite
from fastdl.history import History
from fastdl.layers import Layer
from fastdl.optim import Hyper
from fastdl.rates import Rates
from fastdl.records import Asked, Records
from fastdl.room import Room
from fastdl.schedules import Schedule
from fastdl.state import Kept, State

MOST_EVALUATED = 128  # rows at once


class DivergenceError(ArithmeticError):
    """The loss stopped being finite; the network holds the parameters of the last good epoch.

    Of ``Trainer.step`` it holds those before the step.

    Attributes
    ----------
    epoch, step : int
        Where, counted from 1 over the whole training.
    loss : float
        What it was.
    history : History
        What was recorded before; of ``Trainer.step`` it is empty.

    Examples
    --------
    >>> net = fd.Network([1, 8, 1], loss="mse")
    >>> try:
    ...     history = fd.Trainer(net, fd.SGD(1e6)).fit([[1.0], [2.0]], [1.0, 2.0], epochs=99)
    ... except fd.DivergenceError as error:
    ...     print(error.epoch > 1)
    True
    """

    def __init__(
        self, epoch: int, step: int, loss: float, history: History, scale: str | None = None,
        held: str | None = None,
    ) -> None:  # fmt: skip
        remedy = "lower the learning rate" if scale is None else f"{scale}; or lower the rate"
        super().__init__(
            f"the loss must stay finite; got {loss} at epoch {epoch}, step {step}, {remedy} "
            f"(the network holds {held or f'the parameters of the end of epoch {epoch - 1}'})"
        )
        self.epoch, self.step, self.loss, self.history = epoch, step, loss, history
        self._more = scale, held

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.epoch, self.step, self.loss, self.history, *self._more)


class Terms(NamedTuple):
    """What a fit has of its trainer: what it trains, and by which settings."""

    core: Core
    state: State
    schedule: Schedule
    layers: tuple[Layer, ...]  # with the penalties of the fit
    program: Program
    settings: resume.Settings
    hyper: Hyper
    room: Room

    def steps(self) -> Steps:
        """For batches that are handed over one by one."""
        core, state = self.core, self.state
        return Steps(
            self.program, self.hyper, state.parameters, state.moments,
            state.shuffling.stream, core.reading_of_steps, core.loss.ready,
        )  # fmt: skip


class Fit:
    """One fit. Who hears of it, and when, is none of its business.

    Attributes
    ----------
    core : Core
    state : State
        Where it is; the trainer's own.
    good : State
        Where it was before the epoch at hand.
    kept : Kept
    rates : Rates
    records : Records
    first_epoch, last_epoch : int
        Those that were done when it began, and that will be when it ends.
    resumed, failed, interrupted : bool
    is_over : bool
        Whether it has come to its end, or been interrupted.
    is_steady : bool
        Whether all of this belongs together, so that it may be saved.
    may_be_saved : bool
        Whether anybody may save it.
    """

    resumed = False
    records: Records
    _train: Data  # the rows at hand

    def __init__(self, terms: Terms, asked: Asked, first_epoch: int, n_batches: int) -> None:
        self.core, self.state, self._terms, self._asked = terms.core, terms.state, terms, asked
        self._settings = terms.settings
        self.failed = self.interrupted = self.is_over = self.may_be_saved = False
        self.is_steady = True
        self.first_epoch, self.last_epoch = first_epoch, first_epoch + asked.epochs
        self._first_step = self.state.step
        self.good, self.kept = self.state.copy(), Kept()
        self.rates = Rates(terms.schedule, n_batches)

    @property
    def at(self) -> int:
        """Batches of this epoch that are done."""
        return self.state.step - self.good.step

    @property
    def steps_left(self) -> int | None:
        """Until its end; None where nobody knows."""
        return None

    @property
    def has_batches(self) -> bool:
        """Whether there is more of the epoch at hand."""
        raise NotImplementedError

    def serial_blas(self) -> AbstractContextManager[None]:
        """BLAS on one thread, where steps or records may call it."""
        raise NotImplementedError

    def plan_rates(self) -> None:
        """Ask the schedule for this epoch's rates: refuse those that are none."""
        self.rates.plan(self.good.step, self.state.epoch)

    def begin_epoch(self) -> None:
        """Begin an epoch, or go on in one."""
        raise NotImplementedError

    def steps(self, most: int) -> int:
        """Train on the next batches of this epoch, at most so many; how many there were."""
        raise NotImplementedError

    def end_epoch(self) -> None:
        """Count an epoch whose batches are all done."""
        if not _kernels.finite(self.state.parameters):
            self._diverge(float("inf"))
        self.rates.end_epoch(self.good.step)
        self.is_steady = False
        self.state.epoch += 1
        if self.state.epoch == self.last_epoch and not self.may_be_saved:
            self.good.count(self.state)
        else:
            self.good.take(self.state, shuffling=self.may_be_saved)
        self.is_steady = True

    def record_if_due(self) -> bool:
        """Take a record where it is time; the fit is steady once all have heard of it."""
        state, at = self.state, self.at
        if at == 0 or self._asked.record is None:
            return False
        ends = not self.has_batches
        fit_ends = ends and state.epoch + 1 == self.last_epoch
        if not self.records.are_due(state.step, ends, fit_ends):
            return False
        penalty = self.core.places.penalty(state.parameters, self._terms.layers)
        trained = self.records.trained(penalty)
        if not np.isfinite(trained[1]):
            self._diverge(trained[1])
        place = [*self._place(ends), float(self.rates.values[:at][-1])]
        record = self.records.complete(place, trained, penalty)
        self.is_steady = False
        self.records.add(record)
        return True

    def _place(self, ends: bool) -> list[float]:
        """Epoch and step of a record."""
        raise NotImplementedError

    def why_idle(self) -> str | None:
        """A sentence where epochs were trained at a rate of 0 alone, or None."""
        steps = math.ceil(self.state.step * self.last_epoch / max(1, self.state.epoch))
        return self.rates.why_idle(self._first_step, steps, self.last_epoch)

    def advise(self) -> bool:
        """Warn where nothing was learnt, and the data are the likely reason.

        Whether it could be told that all is well.
        """
        return False

    def close(self) -> None:
        """Give back what the fit has taken; it is called however the fit ends."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint."""
        raise NotImplementedError

    # --- where it ends -----------------------------------------------------------------------

    def stop(self, reason: str) -> None:
        """End after this record or epoch."""
        self.records.history.stopped = reason

    def _diverge(self, loss: float) -> None:
        """Go back to the end of the last good epoch, and say so, or which row of x is to blame."""
        step = self.state.step
        self.is_steady = False  # an interrupt may not save a step that has no batch any more
        self.state.take(self.good, shuffling=False)
        self._blame_x()
        raise DivergenceError(
            self.state.epoch + 1, step, loss, self.records.history,
            advice.of_scale(self.core, self._train),
        )  # fmt: skip

    def _blame_x(self) -> None:
        """Refuse x if it is not finite; in the first epoch, as if the fit had not been begun."""
        try:
            refuse_if_not_finite(self.core, "x", self._train.x)
        except ValueError:
            if self.state.epoch == self.first_epoch:
                self.state.shuffling.take(self.good.shuffling)
            raise
