"""A fit of arrays, many batches at a time, and the file from which it can go on."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdl import advice, batch, resume
from fastdl._check import Array
from fastdl._epoch import Batches
from fastdl._warnings import warn
from fastdl.data import Data, refuse_if_not_finite, rows_of_fit, some
from fastdl.files import CheckpointError
from fastdl.fit import MOST_EVALUATED, DivergenceError, Fit, Terms
from fastdl.records import Asked, Records
from fastdl.room import Batched


class ArrayFit(Fit):
    """A fit whose rows are all there."""

    def __init__(
        self,
        terms: Terms,
        train: Data,
        validation: Data | None,
        asked: Asked,
        resumed: resume.Paused | None = None,
    ) -> None:
        batched = self._take_room(terms, len(train.x))
        first = terms.state.epoch if resumed is None else resumed.place.first_epoch
        super().__init__(terms, asked, first, len(batched.starts))
        self._train, self._validation = train, validation
        self.resumed = resumed is not None
        self._has_unread = not (self.resumed or self._stops[-1] < len(train.x))
        if not self._has_unread:  # else the first epoch reads every row
            refuse_if_not_finite(self.core, "x", train.x)
        self._allocate()
        if resumed is not None:
            self._go_on(resumed)

    def _take_room(self, terms: Terms, n: int) -> Batched:
        self._workspace, batched = terms.room.take(terms.program, terms.state, n, terms.settings)
        self._starts, self._stops, self._batch = batched.starts, batched.stops, batched.largest
        self._losses, self._correct = batched.losses, batched.correct
        self._losses.fill(np.nan)
        return batched

    def _allocate(self) -> None:
        """What the fit needs beside that, once."""
        core, terms = self.core, self._terms
        self._threads = core.threads(self._settings.n_threads, self._batch)
        self._rows = rows_of_fit(core, self._train, check_finite=self._has_unread)
        if core.loss.y == "own":
            self._by_own = terms.steps()
        self.records = Records(core, self._asked, self._threads)
        if self._asked.record is not None:
            workspace = terms.room.of_records(core.program, self._threads)
            self.records.measure(self._train, self._rows, self._validation, workspace)

    @property
    def has_batches(self) -> bool:
        return self.at < len(self._starts)

    @property
    def steps_left(self) -> int:
        return max(0, (self.last_epoch - self.state.epoch) * len(self._starts) - self.at)

    def serial_blas(self) -> AbstractContextManager[None]:
        """BLAS on one thread, where steps or records may call it."""
        return self.core.serial_blas(self._batch, trains=True, answers=MOST_EVALUATED)

    # --- an epoch ----------------------------------------------------------------------------

    def begin_epoch(self) -> None:
        if self.at == 0:
            self._draw()

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

    def steps(self, most: int) -> int:
        at = self.at
        until = min(at + most, len(self._starts))
        self._steps(at, until, self.rates.values[at:until])
        return until - at

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
            self._terms.program.train(
                self._rows, self._workspace, batches, self._terms.hyper, state.step,
                state.parameters, self._threads,
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
                one = some(self._train, rows if order is None else order[rows])
                loss = batch.take(self.core, steps, one, rates[i - at], self._threads)
                if loss - loss != 0:
                    break
                self._losses[i] = loss
                self.records.sums += loss * len(one.x), 0, len(one.x)
        finally:
            state.step = steps.t
            self.is_steady = True
        if state.step < first + until - at:
            state.step += 1
            self._diverge(loss)

    def end_epoch(self) -> None:
        is_last = self.state.epoch + 1 == self.last_epoch
        super().end_epoch()
        if self._has_unread and not is_last:  # every row has been read, and was finite
            self._rows, self._has_unread = rows_of_fit(self.core, self._train), False
            self.records.read_by(self._rows)

    def _place(self, ends: bool) -> list[float]:
        state = self.state
        return [state.epoch + 1 if ends else state.epoch + self.at / len(self._starts), state.step]

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

    def advise(self) -> bool:
        """Warn where nothing was learnt, and the data are the likely reason.

        Whether it could be told that all is well.
        """
        steps = self.state.step - self._first_step
        if self.interrupted or steps < advice.LEAST_STEPS or not self.rates.values.any():
            return False
        try:
            about = self.records.last_loss()
            if about is None:
                about = float(np.nanmean(self._losses))
            words = advice.Words(self.records.told_loss(self.state.step))
            why = advice.learnt_nothing(self.core, self._train, about, words)
        except KeyboardInterrupt:
            self.stop("interrupted after its last step")
            return False
        if why is not None:
            warn(why, advice.ScalingWarning)
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
