"""One fit, batch by batch: where it is, what it records, and where it can go on from."""

from __future__ import annotations

import os
import time
import warnings
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastdl import _kernels, advice, own, resume
from fastdl._check import Array
from fastdl._epoch import Batches, Program, Steps, Workspace
from fastdl.core import Core
from fastdl.data import Data, refuse_if_not_finite, rows_of_fit, some
from fastdl.files import CheckpointError
from fastdl.history import History
from fastdl.layers import Layer
from fastdl.optim import Hyper
from fastdl.rates import Rates
from fastdl.records import Asked, Records
from fastdl.schedules import Schedule
from fastdl.state import Kept, State

_MOST_EVALUATED = 128  # rows at once
_STEPS = 10  # of a fit that may be expected to have learnt something


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


class Batched:
    """The batches of n rows.

    Attributes
    ----------
    starts, stops : intp array
        Where each starts and stops.
    largest : int
        The rows of the largest one.
    losses : float64 array
        Of each, once trained on.
    correct : intp array
    """

    def __init__(self, n: int, size: int, drop_last: bool) -> None:
        starts = np.arange(0, n, size, dtype=np.intp)
        stops = np.minimum(starts + size, n)
        if drop_last and n % size:
            starts, stops = starts[:-1], stops[:-1]
            if not len(starts):
                raise ValueError(
                    f"batch_size must be at most the {n} rows with drop_last; got {size}, "
                    f"use batch_size={n} or drop_last=False"
                )
        self.starts, self.stops, self.largest = starts, stops, min(n, size)
        self.losses, self.correct = np.empty(len(starts)), np.empty(len(starts), np.intp)


class Room:
    """What fits write to beside their results: it lasts while their batches stay alike."""

    def __init__(self) -> None:
        self._of: tuple[object, ...] = ()
        self._records_of: tuple[object, ...] = ()

    def take(
        self, program: Program, state: State, n: int, settings: resume.Settings
    ) -> tuple[Workspace, Batched]:
        """A workspace for batches of n rows, and where they are."""
        size, drop_last = settings.batch_size, settings.drop_last
        of = program, n, size, drop_last, state.shuffling.stream
        if of != self._of:
            batched = Batched(n, size, drop_last)
            self._made = (
                Workspace(
                    program, batch=batched.largest, moments=state.moments,
                    seed=state.shuffling.stream,
                ),
                batched,
            )  # fmt: skip
            self._of = of
        return self._made

    def of_records(self, program: Program, n_threads: int) -> Workspace:
        """One for evaluations."""
        of = program, n_threads
        if of != self._records_of:
            self._evaluates, self._records_of = Workspace(program, n_threads=n_threads), of
        return self._evaluates


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

    def __init__(
        self,
        terms: Terms,
        train: Data,
        validation: Data | None,
        asked: Asked,
        resumed: resume.Paused | None = None,
    ) -> None:
        self.core, self.state, self._terms, self._asked = terms.core, terms.state, terms, asked
        self._train, self._validation, self._settings = train, validation, terms.settings
        self.resumed = resumed is not None
        self.failed = self.interrupted = self.is_over = self.may_be_saved = False
        self.is_steady = True
        self._workspace, batched = terms.room.take(
            terms.program, terms.state, len(train.x), terms.settings
        )
        self._starts, self._stops, self._batch = batched.starts, batched.stops, batched.largest
        self._losses, self._correct = batched.losses, batched.correct
        self._losses.fill(np.nan)
        self._has_unread = not (self.resumed or self._stops[-1] < len(train.x))
        if not self._has_unread:  # else the first epoch reads every row
            refuse_if_not_finite(self.core, "x", train.x)
        self.first_epoch = self.state.epoch if resumed is None else resumed.place.first_epoch
        self.last_epoch = self.first_epoch + asked.epochs
        self._first_step = self.state.step
        self._allocate()
        if resumed is not None:
            self._go_on(resumed)

    def _allocate(self) -> None:
        """All arrays that the fit needs, once."""
        core, self._program = self.core, self._terms.program
        n = len(self._starts)
        self.good, self.kept = self.state.copy(), Kept()
        self.rates = Rates(self._terms.schedule, n)
        self._hyper = self._terms.hyper
        self._threads = core.threads(self._settings.n_threads, self._batch)
        self._rows = rows_of_fit(core, self._train, check_finite=self._has_unread)
        if core.loss.y == "own":
            self._by_own = self._terms.steps()
        self.records = Records(core, self._asked, self._threads)
        if self._asked.record is not None:
            workspace = self._terms.room.of_records(core.program, self._threads)
            self.records.measure(self._train, self._rows, self._validation, workspace)

    @property
    def at(self) -> int:
        """Batches of this epoch that are done."""
        return self.state.step - self.good.step

    @property
    def steps_left(self) -> int:
        """Until its end."""
        return max(0, (self.last_epoch - self.state.epoch) * len(self._starts) - self.at)

    def serial_blas(self) -> AbstractContextManager[None]:
        """BLAS on one thread, where steps or records may call it."""
        return self.core.serial_blas(self._batch, trains=True, answers=_MOST_EVALUATED)

    # --- an epoch ----------------------------------------------------------------------------

    def plan_rates(self) -> None:
        """Ask the schedule for this epoch's rates: refuse those that are none."""
        self.rates.plan(self.good.step, self.state.epoch)

    def begin_epoch(self) -> int:
        """Begin an epoch, or go on in one; the number of its batches."""
        if self.at == 0:
            self._draw()
        return len(self._starts)

    def _draw(self) -> None:
        self._order = self._shuffled()
        self.rates.plan_another(self.good.step, self.state.epoch)

    def _shuffled(self) -> tuple[Array, Array, Array | None]:
        """This epoch's batches, and the order of the rows where those are shuffled."""
        if self._settings.shuffle == "rows":
            order = self.state.shuffling.permutation(len(self._train.x))
            return self._starts, self._stops, order
        if self._settings.shuffle == "batches":
            order = self.state.shuffling.permutation(len(self._starts))
            return self._starts[order], self._stops[order], None
        return self._starts, self._stops, None

    def steps(self, at: int, until: int) -> None:
        """Train on batches of this epoch, of which the first is the next one."""
        self._steps(at, until, self.rates.values[at:until])

    def _steps(self, at: int, until: int, rates: Array) -> None:
        """Train on these batches of the epoch's order."""
        by_own = self.core.loss.y == "own"
        (self._steps_by_own if by_own else self._steps_by_loops)(at, until, rates)

    def _steps_by_loops(self, at: int, until: int, rates: Array) -> None:
        """All of them in one call."""
        starts, stops, order = self._order
        state, losses = self.state, self._losses[at:until]
        batches = Batches(
            order, starts[at:until], stops[at:until], rates, losses, self._correct[: until - at],
            self.records.sums,
        )  # fmt: skip
        self.is_steady = self.kept.gone_back = False
        try:
            self._program.train(
                self._rows, self._workspace, batches, self._hyper, state.step, state.parameters,
                self._threads,
            )  # fmt: skip
        finally:
            done = batches.done
            state.step += done
            self.is_steady = True
        if done < until - at:
            state.step += 1
            self._diverge(losses[done])

    def _steps_by_own(self, at: int, until: int, rates: Array) -> None:
        """One after the other, by a loss of one's own."""
        starts, stops, order = self._order
        state, steps, first = self.state, self._by_own, self.state.step
        self.is_steady = self.kept.gone_back = False
        steps.t = first
        try:
            for i in range(at, until):
                rows = slice(starts[i], stops[i])
                batch = some(self._train, rows if order is None else order[rows])
                loss = own.take(self.core, steps, batch, rates[i - at], self._threads)
                if loss - loss != 0:
                    break
                self._losses[i] = loss
                self.records.sums += loss * len(batch.x), 0, len(batch.x)
        finally:
            state.step = steps.t
            self.is_steady = True
        if state.step < first + until - at:
            state.step += 1
            self._diverge(loss)

    def end_epoch(self) -> None:
        """Count an epoch whose batches are all done."""
        if not _kernels.finite(self.state.parameters):
            self._diverge(float("inf"))
        is_last = self.state.epoch + 1 == self.last_epoch
        if self._has_unread and not is_last:  # every row has been read, and was finite
            self._rows, self._has_unread = rows_of_fit(self.core, self._train), False
            self.records.read_by(self._rows)
        self.is_steady = False
        self.state.epoch += 1
        if is_last and not self.may_be_saved:
            self.good.count(self.state)
        else:
            self.good.take(self.state, shuffling=self.may_be_saved)
        self.is_steady = True

    def record_if_due(self) -> bool:
        """Take a record where it is time; the fit is steady once all have heard of it."""
        at, n, state = self.at, len(self._starts), self.state
        ends = at == n
        fit_ends = ends and state.epoch + 1 == self.last_epoch
        if at == 0 or not self.records.are_due(state.step, ends, fit_ends):
            return False
        penalty = self.core.places.penalty(state.parameters, self._terms.layers)
        trained = self.records.trained(penalty)
        if not np.isfinite(trained[1]):
            self._diverge(trained[1])
        place = [state.epoch + 1 if ends else state.epoch + at / n, state.step]
        place.append(float(self.rates.values[at - 1]))
        record = self.records.complete(place, trained, penalty)
        self.is_steady = False
        self.records.add(record)
        return True

    def range(self, rates: Array) -> NDArray[np.float64]:
        """Smoothed losses of steps at these rates."""
        mean, least, at = 0.0, np.inf, 0
        smooth: list[float] = []
        with self.serial_blas():
            while len(smooth) < len(rates):
                if at == 0:
                    self._order = self._shuffled()
                i = len(smooth)
                try:
                    self._steps(at, at + 1, rates[i : i + 1])
                except DivergenceError:
                    break
                mean = 0.9 * mean + 0.1 * float(self._losses[at])
                smooth.append(mean / (1 - 0.9 ** (i + 1)))
                least = min(least, smooth[-1])
                if smooth[-1] > 4 * least:
                    break
                at = (at + 1) % len(self._starts)
        return np.array(smooth)

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

    def advise(self) -> bool:
        """Warn where nothing was learnt, and the data are the likely reason.

        Whether it could be told that all is well.
        """
        steps = self.state.step - self._first_step
        if self.interrupted or steps < _STEPS or not self.rates.values.any():
            return False
        try:
            about = self.records.last_loss()
            if about is None:
                about = float(np.nanmean(self._losses))
            why = advice.learnt_nothing(self.core, self._train, about)
        except KeyboardInterrupt:
            self.stop("interrupted after its last step")
            return False
        if why is not None:
            warnings.warn(why, advice.ScalingWarning, stacklevel=3)
        return why is None

    # --- to a file and back ------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint."""
        history, state = self.records.history, self.state
        place = resume.Place(
            settings=self._settings.alike(),
            data=self._given,
            first_epoch=self.first_epoch,
            epochs=self._asked.epochs,
            epoch=state.epoch,
            step=state.step,
            batches=self.at,
            order=self._checksum() if self.at else 0,
            generator=dict(self.good.shuffling.state),
            sums=self.records.sums.tolist(),
            seconds=time.perf_counter() - self.records.began,
            stopped=history.stopped,
            columns=history.columns,
            n_records=history.n_records,
            kept=list(self.kept.arrays),
            gone_back=self.kept.gone_back,
        )
        paused = resume.Paused(
            str(path), place, history, state, self.good, self.kept.arrays, self.core.inputs
        )
        resume.write(path, self.core, paused)

    def _go_on(self, resumed: resume.Paused) -> None:
        """Take the place of the fit that wrote a checkpoint."""
        place, path, records = resumed.place, resumed.path, self.records
        records.go_on(resumed.history, place.sums, place.seconds)
        resume.compare(path, place.settings, self._settings.alike())
        resume.compare(path, place.data, self._given)
        resumed.check_epochs(self._asked.epochs)
        recorded = records.last_step == self.state.step
        if (
            place.batches > len(self._starts)
            or place.columns not in ([], records.columns)
            or not (place.batches == 0 or recorded or place.sums[2] > 0)
        ):
            raise CheckpointError(f"{path} must tell of a place in such a fit; got another one")
        self.kept.arrays, self.kept.gone_back = dict(resumed.kept), place.gone_back
        if place.batches:
            self.good.take(resumed.good)
        self.good.shuffling.take(resumed.good.shuffling)
        self.state.shuffling.take(resumed.good.shuffling)
        if place.batches:
            self._draw()
            if self._checksum() != place.order:
                raise CheckpointError(
                    f"{path} must have been written where NumPy shuffles as {np.__version__} does; "
                    "got another order of this epoch, resume with the version it was written with"
                )

    @cached_property
    def _given(self) -> dict[str, Any]:
        """What a fit that goes on must be given again."""
        return resume.checksums(self._train, self._validation) | {
            "record": self._asked.record,
            "train_metrics": self._asked.train_metrics,
            "the columns of records": self.records.columns,
        }

    def _checksum(self) -> int:
        """Of the order of this epoch."""
        starts, _, order = self._order
        return resume.checksum(starts if order is None else order)
