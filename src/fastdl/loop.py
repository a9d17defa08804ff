"""A fit from its first epoch to its last, with the callbacks that hear of it and the bar."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from fastdl import _check
from fastdl._warnings import warn
from fastdl.fit import Fit
from fastdl.progress import Progress
from fastdl.run import Callback, Run, needs_records


class Loop:
    """Runs a fit, and tells callbacks of it."""

    def __init__(
        self, fit: Fit, run: Run, callbacks: Sequence[Callback], every: int | str | None
    ) -> None:
        self._fit, self._run, self._callbacks, self._every = fit, run, callbacks, every
        self._history = fit.records.history
        fit.may_be_saved = bool(callbacks)

    def check(self) -> None:
        """Refuse what would fail later, and say so where there is nothing to do."""
        fit = self._fit
        for callback in self._callbacks:
            if self._every is None and needs_records(callback):
                raise ValueError(
                    f"record must not be None with {type(callback).__name__}, which looks at "
                    "records; got None, use record='epoch'"
                )
            if callback.steps is not None:
                _check.integer(f"steps of {type(callback).__name__}", callback.steps)
            callback.on_check(self._run)
        left, stopped = self._has_epochs, self._history.stopped
        if left:
            fit.plan_rates()
        if stopped is not None:
            why = f"it was stopped, with {stopped!r:.200}"
        else:
            why = "" if left else "its epochs are done, ask for more"
        if why:
            warn(f"nothing of the resumed fit is left to train: {why}")

    def train(self, progress: bool | None) -> None:
        """All of it."""
        with self._fit.serial_blas():
            try:
                self._with_bar(Progress(progress, self._fit.steps_left))
            finally:  # whatever has ended the fit before its end is an error, wherever it came
                self._fit.failed = not self._fit.is_over
                self._fit.close()
                if self._callbacks:
                    self._tell_of_the_end()

    def _with_bar(self, bar: Progress) -> None:
        try:
            self._epochs(bar)
            for callback in self._callbacks:
                callback.on_finish(self._run)
            self._fit.is_over = True
        finally:
            bar.close()

    @property
    def _has_epochs(self) -> bool:
        return self._fit.state.epoch < self._fit.last_epoch

    def _epochs(self, bar: Progress) -> None:
        fit, run = self._fit, self._run
        try:
            for callback in self._callbacks:
                callback.on_begin(run)
            if fit.at and self._has_epochs:
                self._epoch(bar)
            while self._has_epochs and self._history.stopped is None:
                self._epoch(bar)
        except KeyboardInterrupt:
            fit.interrupted = True
            for callback in self._callbacks if fit.is_steady else ():
                callback.on_interrupt(run)
            fit.stop(f"interrupted in epoch {run.epoch + 1}, after step {run.step}")

    def _epoch(self, bar: Progress) -> None:
        """An epoch, or the rest of a resumed one."""
        fit, run = self._fit, self._run
        fit.begin_epoch()
        self._record()  # one that an interruption has prevented
        history = self._history
        while fit.has_batches and history.stopped is None:
            steps = fit.steps(self._span(bar))
            self._record()
            for callback in self._callbacks:
                if callback.steps and run.step % callback.steps == 0:
                    callback.on_step(run)
            bar.advance(steps, history)
        if not fit.has_batches:
            fit.end_epoch()
            for callback in self._callbacks:
                callback.on_epoch(run)

    def _record(self) -> None:
        """Take a record if it is time, and tell of it."""
        if self._every is not None and self._fit.record_if_due():
            for callback in self._callbacks:
                callback.on_record(self._run)
            self._fit.is_steady = True

    def _span(self, bar: Progress) -> int:
        """Steps until Python is needed again: for a record, a callback or the bar."""
        steps = [callback.steps for callback in self._callbacks]
        marks = [_check.integer("steps", each) for each in steps if each is not None]
        if isinstance(self._every, int):
            marks.append(self._every)
        step = self._fit.state.step
        return min([bar.span, *(mark - step % mark for mark in marks)])

    def _tell_of_the_end(self) -> None:
        """Every callback's on_end in their order, whichever of them fails."""
        with ExitStack() as stack:
            for callback in reversed(self._callbacks):
                stack.callback(callback.on_end, self._run)
