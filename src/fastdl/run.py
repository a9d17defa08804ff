"""One fit: its batches epoch by epoch, what it records, and where it can go on from."""

from __future__ import annotations

import math
import os
import time
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastdl import _check, _kernels, _memory, _threads, advice, resume, schedules
from fastdl._check import Array
from fastdl.callbacks import Callback
from fastdl.checkpoint import CheckpointError
from fastdl.data import Data, refuse_if_not_finite
from fastdl.evaluation import Evaluator, Metric
from fastdl.history import History
from fastdl.layers import penalised
from fastdl.network import core_of
from fastdl.progress import Progress

if TYPE_CHECKING:
    from fastdl.trainer import Trainer

_STEPS = 10  # of a fit that may be expected to have learnt something
_SAMPLE = 1000  # about the rows by which x is told from another one


class DivergenceError(ArithmeticError):
    """The loss stopped being finite; the network holds the parameters of the last good epoch.

    Attributes
    ----------
    epoch, step : int
        Where, counted from 1 over the whole training.
    loss : float
        What it was.
    history : History
        What was recorded before.
    """

    def __init__(
        self, epoch: int, step: int, loss: float, history: History, scale: str | None = None
    ) -> None:
        remedy = "lower the learning rate" if scale is None else f"{scale}; or lower the rate"
        super().__init__(
            f"the loss must stay finite; got {loss} at epoch {epoch}, step {step}, {remedy} "
            f"(the network holds the parameters of the end of epoch {epoch - 1})"
        )
        self.epoch, self.step, self.loss, self.history = epoch, step, loss, history
        self._scale = scale

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.epoch, self.step, self.loss, self.history, self._scale)


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
    """

    def __init__(
        self,
        trainer: Trainer,
        train: Data,
        validation: Data | None,
        *,
        epochs: int = 1,
        record: Literal["epoch"] | int | None = None,
        train_metrics: str = "batches",
        metrics: Mapping[str, Metric] | None = None,
        resumed: resume.State | None = None,
    ) -> None:
        self.trainer, self.network = trainer, trainer.network
        self._core = core_of(trainer.network)
        self._done, self._shuffle = trainer._done, trainer.shuffle
        self._hyper = trainer.optimiser.hyper
        self.history = History() if resumed is None else resumed.history
        self.failed = self.interrupted = False
        self.resumed = resumed is not None
        self._first_epoch = trainer.epoch if resumed is None else resumed.place.first_epoch
        self._epochs_asked, self._record_every, self._train_metrics = epochs, record, train_metrics
        self._train, self._validation, self._metrics = train, validation, metrics or {}
        for data in (train, validation):
            if data is not None:  # both, for the same rows to have the same bits
                data.compiled.judge()
        self._starts, self._stops = _batches(len(train.x), trainer.batch_size, trainer.drop_last)
        if self.resumed or self._stops[-1] < len(train.x):
            refuse_if_not_finite(self._core, "x", train.x)
        else:  # the first epoch reads every row
            train.compiled.trust(False)
        self._began = time.perf_counter()
        self._sums = np.zeros(3)  # loss, hits and rows of the batches since the last record
        self._kept: dict[str, Array] = {}
        self._gone_back = False  # whether the parameters are kept ones, not those of the last step
        self._callbacks: Sequence[Callback] = ()
        self._at = 0  # batches of this epoch that are done
        self._over = False  # whether it has come to its end, or been interrupted
        self._steady = True  # whether all of this belongs together, so that it may be saved
        self._generator = trainer._rng.bit_generator.state  # when this epoch began
        self._factors: list[float] = []  # by which callbacks have scaled the schedule's rates
        self._same_rates = type(trainer._schedule) is schedules.Constant  # in every epoch
        self._planned = self._rates = np.empty(0)  # of the epoch at hand, without and with factors
        self._last_recorded: float | None = None  # step
        self._allocate()
        if resumed is not None:
            self._go_on(resumed)

    def _allocate(self) -> None:
        """All arrays that the fit needs, once."""
        network, trainer = self._core, self.trainer
        self._layers = penalised(network.layers, trainer.l1, trainer.l2)
        self._program = trainer._program_of(self._layers)
        batch = int((self._stops - self._starts).max())
        self._threads = _threads.resolve(trainer.n_threads, batch * network.n_parameters)
        self._grads = _memory.zeros(len(network.flat), network.dtype)
        self._workspace = _memory.empty(self._program.training_size(batch), network.dtype)
        self._losses = np.full(len(self._starts), np.nan)  # of an epoch's batches, once trained on
        self._correct = np.empty(len(self._starts), np.intp)
        self._state = [network.flat, *trainer._moments]
        self._good = [array.copy() for array in self._state]
        self._first_step = self._good_step = trainer.step
        self._on_training: Evaluator | None = None
        self._on_validation: Evaluator | None = None
        self._columns: list[str] = []
        if self._record_every is not None:
            self._prepare_records()

    def _prepare_records(self) -> None:
        """What measures the data sets, and the columns that this gives."""
        trained = ["loss", "cost"] if self._train.labels is None else ["loss", "cost", "accuracy"]
        held_out: list[str] = []
        workspace = None
        if self._train_metrics == "full":
            self._on_training = self._evaluator(self._train)
            trained, workspace = self._on_training.columns, self._on_training.workspace
        if self._validation is not None:
            self._on_validation = self._evaluator(self._validation, workspace)
            held_out = [f"val_{name}" for name in self._on_validation.columns]
        self._columns = ["epoch", "step", "learning_rate", *trained, *held_out, "seconds"]

    def _evaluator(self, data: Data, workspace: Array | None = None) -> Evaluator:
        return Evaluator(self._core, data, self._threads, self._metrics, workspace)

    @property
    def columns(self) -> list[str]:
        """Those of records."""
        return list(self._columns)

    @property
    def first_epoch(self) -> int:
        """The epochs that were done when the fit began."""
        return self._first_epoch

    @property
    def last_epoch(self) -> int:
        """The epoch after which the fit ends."""
        return self._first_epoch + self._epochs_asked

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self._done.epoch

    @property
    def step(self) -> int:
        """Steps done."""
        return self._done.step

    def stop(self, reason: str) -> None:
        """End the fit after this record or epoch."""
        self.history.stopped = reason

    def keep(self, name: str) -> None:
        """Remember the parameters under a name, also in checkpoints."""
        self._kept[name] = self._core.flat.copy()

    def keeps(self, name: str) -> bool:
        """Whether parameters are remembered under this name."""
        return name in self._kept

    def go_back(self, name: str) -> None:
        """Go back to the remembered parameters, if there are any."""
        if name in self._kept:
            self._gone_back = True
            np.copyto(self._core.flat, self._kept[name])

    def is_at(self, step: float | None) -> bool:
        """Whether the parameters are those after this step."""
        return step == self.step and not self._gone_back

    def scale_rate(self, factor: float) -> None:
        """Multiply the schedule's rates of all steps to come, until the fit ends."""
        factors = [*self._factors, _check.real("factor", factor, above=0.0)]
        _check.real("factor times those before", math.prod(factors))
        self._factors, self._same_rates = factors, False
        self._rates[self._at :] = self._planned[self._at :] * self._scale

    @property
    def _scale(self) -> float:
        """All factors together; in an order that does not go by that of the callbacks."""
        return math.prod(sorted(self._factors))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint, from which ``Trainer.resume`` goes on."""
        place = resume.Place(
            settings=self.trainer._settings(),
            data=self._data,
            first_epoch=self._first_epoch,
            epochs=self._epochs_asked,
            epoch=self.epoch,
            step=self.step,
            batches=self._at,
            order=self._checksum() if self._at else 0,
            generator=dict(self._generator),
            sums=self._sums.tolist(),
            seconds=time.perf_counter() - self._began,
            stopped=self.history.stopped,
            columns=self.history.columns,
            n_records=self.history.n_records,
            kept=list(self._kept),
            gone_back=self._gone_back,
        )
        good = self._good if self._at else []
        state = resume.State(
            str(path), place, self.history, self._state, good, self._kept, self.network.inputs
        )
        resume.write(path, self._core, state)

    def _go_on(self, resumed: resume.State) -> None:
        """Take the place of the fit that wrote a checkpoint."""
        place, path = resumed.place, resumed.path
        if place.n_records:
            self._last_recorded = self.history.last.get("step")
        resume.compare(path, place.settings, self.trainer._settings())
        resume.compare(path, place.data, self._data)
        self._check_epochs(resumed)
        if (
            place.batches > len(self._starts)
            or place.columns not in ([], self._columns)
            or not (place.batches == 0 or self._recorded or place.sums[2] > 0)
        ):
            raise CheckpointError(f"{path} must tell of a place in such a fit; got another one")
        self.trainer._rng = resume.generator(place)
        self._generator = place.generator
        self._began -= place.seconds
        self._sums[:] = place.sums
        self._kept, self._gone_back = dict(resumed.kept), place.gone_back
        self._at = place.batches
        if self._at:
            self._begin_epoch()
            if self._checksum() != place.order:
                raise CheckpointError(
                    f"{path} must have been written where NumPy shuffles as {np.__version__} does; "
                    "got another order of this epoch, resume with the version it was written with"
                )
            self._good = [array.copy() for array in resumed.good]
            self._good_step = self.step - self._at

    def _check_epochs(self, resumed: resume.State) -> None:
        """Refuse a number of epochs for which a fit cannot go on."""
        place, path, asked = resumed.place, resumed.path, self._epochs_asked
        begun = place.epoch - place.first_epoch + (place.batches > 0)
        if asked < begun:
            raise CheckpointError(
                f"epochs must be at least {begun}, of which the fit in {path} has begun the last; "
                f"got {asked}"
            )
        if place.stopped is not None and asked > place.epochs:
            raise CheckpointError(
                f"epochs must be {place.epochs}, as before: the fit in {path} was stopped, with "
                f"{place.stopped!r:.200}; got {asked}, to train on give a new Trainer the network "
                f"that Network.load({path!r}) reads"
            )

    @cached_property
    def _data(self) -> dict[str, Any]:
        """What a fit that goes on must be given again."""
        x, weights = self._train.x, self._train.weights
        y = self._train.targets if self._train.labels is None else self._train.labels
        assert y is not None
        return {
            "the rows of x": len(x),
            "the checksum of x": _crc(x[:: -(-len(x) // _SAMPLE)]),
            "the checksum of y": _crc(y),
            "the checksum of weights": 0 if weights is None else _crc(weights),
            "the rows of validation": len(self._validation.x) if self._validation else 0,
            "record": self._record_every,
            "train_metrics": self._train_metrics,
            "the columns of records": self._columns,
        }

    def _checksum(self) -> int:
        """Of the order of this epoch."""
        starts, _, order = self._order
        return _crc(starts if order is None else order)

    def _check_all(self, callbacks: Sequence[Callback]) -> None:
        """Refuse what would fail later, and say so where there is nothing to do."""
        for callback in callbacks:
            if self._record_every is None and callback._needs_records:
                raise ValueError(
                    f"record must not be None with {type(callback).__name__}, which looks at "
                    "records; got None, use record='epoch'"
                )
            if callback.steps is not None:
                _check.integer(f"steps of {type(callback).__name__}", callback.steps)
            callback.on_check(self)
        left, stopped = self.epoch < self.last_epoch, self.history.stopped
        if left:
            self._set_rates()
        if stopped is not None:
            why = f"it was stopped, with {stopped!r:.200}"
        else:
            why = "" if left else "its epochs are done, ask for more"
        if why:
            warnings.warn(f"nothing of the resumed fit is left to train: {why}", stacklevel=3)

    def _fit(self, callbacks: Sequence[Callback], progress: bool | None) -> None:
        self._callbacks = callbacks
        with _threads.serial_blas(), _ending(callbacks, self):
            left = (self.last_epoch - self.epoch) * len(self._starts) - self._at
            bar = Progress(progress, max(0, left))
            try:
                self._epochs(bar)
                for callback in callbacks:
                    callback.on_finish(self)
                self._over = True
            finally:
                bar.close()

    def _advise(self) -> None:
        """Warn where nothing was learnt, and the data are the likely reason."""
        steps = self.step - self._first_step
        if self.interrupted or steps < _STEPS or not self._rates.any():
            return
        try:
            measured = self._on_training is not None and self.history
            about = self.history.last["loss"] if measured else float(np.nanmean(self._losses))
            why = advice.learnt_nothing(self._core, self._train, about)
        except KeyboardInterrupt:
            self.stop("interrupted after its last step")
        else:
            if why is not None:
                warnings.warn(why, advice.ScalingWarning, stacklevel=3)

    def _epochs(self, bar: Progress) -> None:
        try:
            for callback in self._callbacks:
                callback.on_begin(self)
            if self._at and self.epoch < self.last_epoch:
                self._epoch(bar)
            while self.epoch < self.last_epoch and self.history.stopped is None:
                self._epoch(bar)
        except KeyboardInterrupt:
            self.interrupted = True
            for callback in self._callbacks if self._steady else ():
                callback.on_interrupt(self)
            self.stop(f"interrupted in epoch {self.epoch + 1}, after step {self.step}")

    def _epoch(self, bar: Progress) -> None:
        """An epoch, or the rest of a resumed one."""
        if self._at == 0:
            self._begin_epoch()
        starts, stops, order = self._order
        n = len(starts)
        self._record_if_due()  # one that an interruption has prevented
        while self._at < n and self.history.stopped is None:
            at, until = self._at, min(n, self._at + self._span(bar))
            self._steps(starts[at:until], stops[at:until], order, self._rates[at:until])
            self._record_if_due()
            for callback in self._callbacks:
                if callback.steps and self.step % callback.steps == 0:
                    callback.on_step(self)
            bar.advance(until - at, self.history)
        if self._at == n:
            self._end_epoch()

    def _begin_epoch(self) -> None:
        self._order = self._shuffled()
        if not self._same_rates:
            self._set_rates()

    def _set_rates(self) -> None:
        """Those of the epoch at hand, as the schedule plans them and as they are scaled."""
        first, n = self.step - self._at, len(self._starts)
        self._planned = _rates(self.trainer._schedule, first, n, self.epoch)
        self._rates = self._planned * self._scale

    def _end_epoch(self) -> None:
        if not _kernels.finite(self._core.flat):
            self._diverged(float("inf"))
        self._train.compiled.trust(True)
        self._steady = False
        self._done.epoch += 1
        self._at = 0
        if self._callbacks:  # only they save
            self._generator = self.trainer._rng.bit_generator.state
        for kept, array in zip(self._good, self._state, strict=True):
            np.copyto(kept, array)
        self._good_step = self.step
        self._steady = True
        for callback in self._callbacks:
            callback.on_epoch(self)

    def _settle(self) -> None:
        """Whatever has ended the fit before its end is an error, wherever it came."""
        self.failed = not self._over

    def _shuffled(self) -> tuple[Array, Array, Array | None]:
        """This epoch's batches, and the order of the rows where those are shuffled."""
        if self._shuffle == "rows":
            order = self.trainer._rng.permutation(len(self._train.x))
            return self._starts, self._stops, order
        if self._shuffle == "batches":
            order = self.trainer._rng.permutation(len(self._starts))
            return self._starts[order], self._stops[order], None
        return self._starts, self._stops, None

    def _span(self, bar: Progress) -> int:
        """Steps until Python is needed again: for a record, a callback or the bar."""
        steps = [callback.steps for callback in self._callbacks]
        marks = [_check.integer("steps", each) for each in steps if each is not None]
        if isinstance(self._record_every, int):
            marks.append(self._record_every)
        return min([bar.span, *(mark - self.step % mark for mark in marks)])

    def _steps(self, starts: Array, stops: Array, order: Array | None, rates: Array) -> None:
        """Train on some batches."""
        n, program, correct = len(starts), self._program, self._correct[: len(starts)]
        losses = self._losses[self._at : self._at + n]
        first, second = [*self._state[1:], None, None][:2]
        program.done = 0
        self._steady = self._gone_back = False
        try:
            program.train(
                self._train.compiled, order, starts, stops, rates, self._hyper, self._done.step,
                self._core.flat, self._grads, first, second, self._workspace, losses, correct,
                self._sums, self._threads,
            )  # fmt: skip
        finally:
            done = program.done
            self._done.step += done
            self._at += done
            self._steady = True
        if done < n:
            self._done.step += 1
            self._diverged(losses[done])

    @property
    def _recorded(self) -> bool:
        """Whether the last record is of this step."""
        return self._last_recorded == self.step

    def _record_if_due(self) -> None:
        at, n, every = self._at, len(self._starts), self._record_every
        if every is None or at == 0 or self._recorded:
            return
        last = at == n and self.epoch + 1 == self.last_epoch
        due = at == n if every == "epoch" else self.step % every == 0 or last
        if due:
            self._record(self._rates[at - 1], at / n)

    def _record(self, rate: float, share: float) -> None:
        """Add a record; share is how much of the epoch at hand is done."""
        epoch, penalty = (
            self.epoch + share,
            self._core.places.penalty(self._core.flat, self._layers),
        )
        if self._on_training is not None:
            measured = self._on_training.measure(penalty)
        else:
            loss, correct, rows = self._sums.tolist()
            measured = [loss / rows, loss / rows + penalty]
            measured += [] if self._train.labels is None else [correct / rows]
        if not np.isfinite(measured[1]):
            self._diverged(measured[1])
        values = [int(epoch) if epoch == int(epoch) else epoch, self.step, float(rate), *measured]
        if self._on_validation is not None:
            values += self._on_validation.measure(penalty)
        values.append(time.perf_counter() - self._began)
        record = dict(zip(self._columns, values, strict=True))
        self._steady = False
        self.history.append(record)
        self._last_recorded = self.step
        self._sums = np.zeros(3)
        for callback in self._callbacks:
            callback.on_record(self)
        self._steady = True

    def _range(self, rates: Array) -> NDArray[np.float64]:
        """Smoothed losses of steps at these rates."""
        mean, least, at = 0.0, np.inf, 0
        smooth: list[float] = []
        with _threads.serial_blas():
            while len(smooth) < len(rates):
                if at == 0:
                    starts, stops, order = self._shuffled()
                i, self._at = len(smooth), at
                try:
                    self._steps(starts[at : at + 1], stops[at : at + 1], order, rates[i : i + 1])
                except DivergenceError:
                    break
                mean = 0.9 * mean + 0.1 * float(self._losses[at])
                smooth.append(mean / (1 - 0.9 ** (i + 1)))
                least = min(least, smooth[-1])
                if smooth[-1] > 4 * least:
                    break
                at = (at + 1) % len(starts)
        return np.array(smooth)

    def _diverged(self, loss: float) -> None:
        """Go back to the end of the last good epoch, and say so, or which row of x is to blame."""
        step = self.step
        self._steady = False  # an interrupt may not save a step that has no batch any more
        for kept, array in zip(self._good, self._state, strict=True):
            np.copyto(array, kept)
        self._done.step = self._good_step
        self._blame_x()
        raise DivergenceError(
            self.epoch + 1, step, loss, self.history, advice.of_scale(self._core, self._train)
        )

    def _blame_x(self) -> None:
        """Refuse x if it is not finite; in the first epoch, as if the fit had not been begun."""
        try:
            refuse_if_not_finite(self._core, "x", self._train.x)
        except ValueError:
            if self.epoch == self._first_epoch:
                self.trainer._rng.bit_generator.state = self._generator
            raise


@contextmanager
def _ending(callbacks: Sequence[Callback], run: Run) -> Iterator[None]:
    """Every callback's on_end in their order, whatever happens and whichever of them fails."""
    with ExitStack() as stack:
        for callback in reversed(callbacks):
            stack.callback(callback.on_end, run)
        stack.callback(run._settle)
        yield


def _crc(array: Array) -> int:
    return zlib.crc32(np.ascontiguousarray(array).data)


def _batches(n: int, size: int, drop_last: bool) -> tuple[Array, Array]:
    """Where each batch of n rows starts and stops."""
    starts = np.arange(0, n, size, dtype=np.intp)
    stops = np.minimum(starts + size, n)
    if drop_last and n % size:
        starts, stops = starts[:-1], stops[:-1]
        if not len(starts):
            raise ValueError(
                f"batch_size must be at most the {n} rows with drop_last; got {size}, "
                f"use batch_size={n} or drop_last=False"
            )
    return starts, stops


def _rates(schedule: schedules.Schedule, first: int, n: int, epoch: int) -> Array:
    """The learning rates of an epoch's n steps, the first of which has the number first."""
    rates = _check.vector("rates", schedule.rates(np.arange(first, first + n), epoch), n)
    if (rates < 0).any():
        raise ValueError(
            f"rates must not be negative; got {rates.min()} from {schedule!r:.100}, "
            "use np.maximum(rates, 0)"
        )
    return rates
