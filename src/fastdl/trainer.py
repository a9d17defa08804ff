"""The loop over epochs, and what happens between them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastdl import _check, _memory, _threads, schedules
from fastdl._check import Array
from fastdl.callbacks import Callback
from fastdl.history import METRICS, History
from fastdl.network import Data, Network
from fastdl.optim import SGD, Adam, Optimiser
from fastdl.progress import Progress

Shuffle = Literal["rows", "batches"] | None
ClassWeight = Mapping[int, float] | ArrayLike | Literal["balanced"]


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

    def __init__(self, epoch: int, step: int, loss: float, history: History) -> None:
        super().__init__(
            f"the loss must stay finite; got {loss} at epoch {epoch}, step {step}, lower the "
            f"learning rate (the network holds the parameters of the end of epoch {epoch - 1})"
        )
        self.epoch, self.step, self.loss, self.history = epoch, step, loss, history

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.epoch, self.step, self.loss, self.history)


@dataclass(frozen=True)
class RangeTest:
    """What a learning-rate range test has measured.

    Attributes
    ----------
    learning_rate, loss : float64 array
        The rate of each step and its batch's loss, smoothed.
    """

    learning_rate: NDArray[np.float64]
    loss: NDArray[np.float64]

    @property
    def suggestion(self) -> tuple[float, float]:
        """Rates between which to cycle: where the loss begins to fall, and where it is least.

        It has begun to fall once a tenth of the whole fall is done.

        Raises
        ------
        ValueError
            Where the loss blew up at once.
        """
        if len(self.loss) < 2:
            raise ValueError("low must leave the loss finite for some steps; got none, lower it")
        least = int(self.loss.argmin())
        fallen = self.loss[0] - 0.1 * (self.loss[0] - self.loss[least])
        low = int((self.loss <= fallen).argmax())
        return float(self.learning_rate[min(low, least)]), float(self.learning_rate[least])


class Trainer:
    """Trains a network on batches.

    Parameters
    ----------
    network : Network
    optimiser : SGD or Adam
    batch_size : int
    l1, l2 : float, optional
        Given to every layer of the network when a fit begins; None leaves what the layers have.
    shuffle : {"rows", "batches"} or None
        Each epoch: all rows, or only the order of the batches, or nothing.
    drop_last : bool
        Leave out a last batch of fewer rows.
    seed : int, optional
        Of the shuffling; None: a different one each time.
    n_threads : int, optional
        At most so many, None: as many as the machine has for the work. A fit times one and all of
        them as it goes and takes what is faster; the results have the same bits for any number.

    Notes
    -----
    A second ``fit`` goes on where the first one ended: the schedule, the optimiser's moments and
    the shuffling are the trainer's.
    """

    def __init__(
        self,
        network: Network,
        optimiser: Optimiser,
        *,
        batch_size: int = 128,
        l1: float | None = None,
        l2: float | None = None,
        shuffle: Shuffle = "rows",
        drop_last: bool = False,
        seed: int | None = 0,
        n_threads: int | None = None,
    ) -> None:
        if not isinstance(network, Network):
            raise TypeError(f"network must be a Network; got {network!r}"[:200])
        if not isinstance(optimiser, SGD | Adam):
            raise TypeError(f"optimiser must be SGD or Adam; got {optimiser!r}, use SGD(0.1)"[:200])
        self._network = network
        self._optimiser = optimiser
        self.batch_size = _check.integer("batch_size", batch_size)
        self.l1 = None if l1 is None else _check.real("l1", l1, 0.0)
        self.l2 = None if l2 is None else _check.real("l2", l2, 0.0)
        if shuffle is not None:
            _check.choice("shuffle", shuffle, ("rows", "batches"))
        self.shuffle = shuffle
        self.drop_last = drop_last
        if seed is not None:
            _check.integer("seed", seed, 0, 2**63 - 1)
        self.n_threads = n_threads
        _threads.resolve(n_threads, 0)
        self.epoch = 0
        self.step = 0
        self._schedule = schedules.get(optimiser.learning_rate)
        self._rng = np.random.default_rng(seed)
        size = len(network._flat)
        self._moments = [_memory.zeros(size, network.dtype) for _ in range(optimiser.n_moments)]

    @property
    def network(self) -> Network:
        """What it trains."""
        return self._network

    @property
    def optimiser(self) -> Optimiser:
        """How it steps."""
        return self._optimiser

    def fit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        epochs: int = 1,
        validation: tuple[ArrayLike, ArrayLike] | None = None,
        record: Literal["epoch"] | int | None = "epoch",
        train_metrics: Literal["full", "batches"] = "full",
        sample_weight: ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
        callbacks: Sequence[Callback] = (),
        progress: bool | None = None,
    ) -> History:
        """Train for some epochs.

        Parameters
        ----------
        x : float32, float64 or uint8 array (n, d)
            Never copied where the items of a row lie side by side.
        y : integer array (n,) in [0, k); for ``mse`` float array (n, k), or (n,) where k is 1
        epochs : int
        validation : (x, y), optional
            Evaluated at every record.
        record : "epoch", int or None
            A record after every epoch, after every so many steps (and the last one), or none.
        train_metrics : {"full", "batches"}
            Whether a record's training loss and accuracy are of the full training set, or the means
            over the batches since the record before, as they were when trained on.
        sample_weight : float array (n,), optional
        class_weight : "balanced", mapping or array (k,), optional
            Weights multiply a row's loss; they are brought to a mean of one over the training set.
            A label that a mapping leaves out has the weight 1; "balanced" is n / (k count).
        callbacks : sequence of Callback
        progress : bool, optional
            Show a progress bar; None: where a terminal or a notebook looks on.

        Returns
        -------
        History
            Also of a fit that Ctrl-C or a callback ended: ``history.stopped`` says why.

        Raises
        ------
        DivergenceError
            Where the loss is no longer finite.
        RuntimeError
            Where the network is being fitted already.
        """
        epochs = _check.integer("epochs", epochs)
        _check.choice("train_metrics", train_metrics, ("full", "batches"))
        if record is not None and record != "epoch":
            record = _check.integer("record", record)
        if not isinstance(callbacks, Sequence) or not all(
            isinstance(callback, Callback) for callback in callbacks
        ):
            raise TypeError(f"callbacks must be a sequence of Callback; got {callbacks!r}"[:200])
        for callback in callbacks if record is None else ():
            if type(callback).on_record is not Callback.on_record:
                raise ValueError(
                    f"record must not be None with {type(callback).__name__}, which looks at "
                    "records; got None, use record='epoch'"
                )
        with self.network.exclusive():
            self.network._set_penalty(self.l1, self.l2)
            train = self._training_data(x, y, sample_weight, class_weight)
            held_out = self._validation_data(validation)
            run = Run(self, train, held_out, epochs, record, train_metrics)
            run._fit(callbacks, progress)
        return run.history

    def range_test(
        self, x: ArrayLike, y: ArrayLike, *, low: float = 1e-5, high: float = 1.0, steps: int = 200
    ) -> RangeTest:
        """Train with a rate that grows from low to high, then undo it (Smith 2017).

        Network, optimiser, schedule and generator are afterwards what they were before. The test
        ends early once the smoothed loss is four times its least value or not finite.

        Parameters
        ----------
        x, y : as for ``fit``
        low, high : float
        steps : int

        Returns
        -------
        RangeTest
        """
        low = _check.real("low", low, above=0.0)
        high = _check.real("high", high, above=low)
        rates = np.geomspace(low, high, _check.integer("steps", steps, 2))
        with self.network.exclusive(), self._undone():
            self.network._set_penalty(self.l1, self.l2)
            run = Run(self, self._training_data(x, y, None, None), None, 1, None, "batches")
            losses = run._range(rates)
        return RangeTest(rates[: len(losses)], losses)

    @contextmanager
    def _undone(self) -> Iterator[None]:
        """Put network and trainer back to what they were."""
        arrays = [self.network._flat, *self._moments]
        before = [array.copy() for array in arrays]
        layers, state, step = self.network.layers, self._rng.bit_generator.state, self.step
        try:
            yield
        finally:
            for array, values in zip(arrays, before, strict=True):
                array[...] = values
            self.network._set_layers(layers)
            self._rng.bit_generator.state = state
            self.step = step

    def _training_data(
        self,
        x: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
        class_weight: ClassWeight | None,
    ) -> Data:
        data = self.network._data(x, y)
        _check.finite("x", data.x)
        k = self.network.layers[-1].h
        weights = _row_weights(sample_weight, class_weight, data, k)
        return data if weights is None else self.network._weighted(data, weights)

    def _validation_data(self, validation: tuple[ArrayLike, ArrayLike] | None) -> Data | None:
        if validation is None:
            return None
        try:
            x, y = validation
        except (TypeError, ValueError) as error:
            got = type(validation).__name__
            raise TypeError(f"validation must be a pair (x, y) of arrays; got {got}") from error
        return self.network._data(x, y, names=("validation[0]", "validation[1]"))


class Run:
    """One fit: what callbacks see.

    Attributes
    ----------
    trainer : Trainer
    network : Network
    history : History
    epoch, step : int
        Done since the trainer was made.
    last_epoch : int
        The one after which the fit ends.
    failed : bool
        Whether the fit has ended with an error.
    """

    def __init__(
        self,
        trainer: Trainer,
        train: Data,
        validation: Data | None,
        epochs: int,
        record: Literal["epoch"] | int | None,
        train_metrics: str,
    ) -> None:
        self.trainer, self.network, self.history = trainer, trainer.network, History()
        self.last_epoch = trainer.epoch + epochs
        self.failed = False
        self._record_every, self._full = record, train_metrics == "full"
        self._train, self._validation = train, validation
        self._starts, self._stops = _batches(len(train.x), trainer.batch_size, trainer.drop_last)
        self._began = time.perf_counter()
        self._batches_loss = self._batches_correct = self._batches_rows = 0.0
        self._allocate()

    def _allocate(self) -> None:
        """All arrays that the fit needs, once."""
        network, trainer, n = self.network, self.trainer, len(self._train.x)
        batch = int((self._stops - self._starts).max())
        self._threads = _threads.resolve(trainer.n_threads, batch * network.n_parameters)
        self._grads = _memory.empty(len(network._flat), network.dtype)
        size = network._program.training_size(batch)
        self._workspace = _memory.empty(size, network.dtype)
        self._losses = np.empty(len(self._starts))
        self._correct = np.empty(len(self._starts), np.intp)
        size = network._program.evaluation_size(self._threads)
        self._evaluation = _memory.empty(size, network.dtype)
        largest = max(n, len(self._validation.x) if self._validation else 0)
        self._results = np.empty((network._program.pieces(largest), 2))
        self._state = [network._flat, *trainer._moments]
        self._good = [array.copy() for array in self._state]
        self._good_step = trainer.step

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self.trainer.epoch

    @property
    def step(self) -> int:
        """Steps done."""
        return self.trainer.step

    def stop(self, reason: str) -> None:
        """End the fit after this record or epoch."""
        self.history.stopped = reason

    def _fit(self, callbacks: Sequence[Callback], progress: bool | None) -> None:
        with _threads.serial_blas(), _ending(callbacks, self):
            bar = Progress(progress, (self.last_epoch - self.epoch) * len(self._starts))
            try:
                for callback in callbacks:
                    callback.on_begin(self)
                while self.epoch < self.last_epoch and self.history.stopped is None:
                    self._epoch(callbacks, bar)
            except KeyboardInterrupt:
                self.stop(f"interrupted in epoch {self.epoch + 1}, after step {self.step}")
            except BaseException:
                self.failed = True
                raise
            finally:
                bar.close()

    def _epoch(self, callbacks: Sequence[Callback], bar: Progress) -> None:
        starts, stops, order = self._shuffled()
        n = len(starts)
        first = self.step
        rates = _rates(self.trainer._schedule, first, n, self.epoch)
        at = 0
        while at < n and self.history.stopped is None:
            until = min(n, at + self._span(at + first, bar))
            self._steps(starts[at:until], stops[at:until], order, rates[at:until])
            done, at = until - at, until
            last = at == n and self.epoch + 1 == self.last_epoch
            if self._record_due(last, at == n):
                self._record(rates[at - 1], at / n)
                for callback in callbacks:
                    callback.on_record(self)
            bar.advance(done, self.history)
        if at == n:
            if not np.isfinite(self.network._flat).all():
                self._diverged(float("inf"))
            self.trainer.epoch += 1
            for kept, array in zip(self._good, self._state, strict=True):
                np.copyto(kept, array)
            self._good_step = self.step
            for callback in callbacks:
                callback.on_epoch(self)

    def _shuffled(self) -> tuple[Array, Array, Array | None]:
        """This epoch's batches, and the order of the rows where those are shuffled."""
        trainer = self.trainer
        if trainer.shuffle == "rows":
            return self._starts, self._stops, trainer._rng.permutation(len(self._train.x))
        if trainer.shuffle == "batches":
            order = trainer._rng.permutation(len(self._starts))
            return self._starts[order], self._stops[order], None
        return self._starts, self._stops, None

    def _span(self, step: int, bar: Progress) -> int:
        """Steps until Python is needed again: for a record, or for the bar."""
        wanted = bar.span
        if isinstance(self._record_every, int):
            wanted = min(wanted, self._record_every - step % self._record_every)
        return wanted

    def _steps(self, starts: Array, stops: Array, order: Array | None, rates: Array) -> None:
        """Train on some batches."""
        network, trainer, n = self.network, self.trainer, len(starts)
        program, losses, correct = network._program, self._losses[:n], self._correct[:n]
        first, second = [*trainer._moments, None, None][:2]
        hyper = trainer.optimiser.hyper
        program.done = 0
        try:
            program.train(
                self._train.compiled, order, starts, stops, rates, hyper, trainer.step,
                network._flat, self._grads, first, second, self._workspace, losses, correct,
                self._threads,
            )  # fmt: skip
        finally:
            done = program.done
            trainer.step += done
        if done < n:
            trainer.step += 1
            self._diverged(losses[done])
        sizes = stops - starts
        self._batches_loss += float(losses @ sizes)
        self._batches_correct += float(correct.sum())
        self._batches_rows += float(sizes.sum())

    def _record_due(self, last: bool, end_of_epoch: bool) -> bool:
        if self._record_every is None:
            return False
        if self._record_every == "epoch":
            return end_of_epoch
        return self.step % self._record_every == 0 or last

    def _record(self, rate: float, share: float) -> None:
        """Add a record; share is how much of the epoch at hand is done."""
        epoch = self.epoch + share
        record = {
            "epoch": int(epoch) if epoch == int(epoch) else epoch,
            "step": self.step,
            "learning_rate": float(rate),
        }
        rows = self._batches_rows
        loss, accuracy = self._batches_loss / rows, self._batches_correct / rows
        self._batches_loss = self._batches_correct = self._batches_rows = 0.0
        if self._full:
            loss, accuracy = self._evaluate(self._train)
        values = self.network._evaluation(loss, accuracy)
        if not np.isfinite(values.cost):
            self._diverged(values.cost)
        record |= zip(METRICS, values, strict=True)
        if self._validation is not None:
            loss, accuracy = self._evaluate(self._validation)
            values = self.network._evaluation(loss, accuracy)
            record |= zip((f"val_{name}" for name in METRICS), values, strict=True)
        record["seconds"] = time.perf_counter() - self._began
        self.history.append(record)

    def _evaluate(self, data: Data) -> tuple[float, float]:
        n = len(data.x)
        loss, correct = self.network._program.evaluate(
            data.compiled, self.network._flat, self._evaluation, None,
            self._results[: self.network._program.pieces(n)], self._threads,
        )  # fmt: skip
        return loss / n, correct / n

    def _range(self, rates: Array) -> NDArray[np.float64]:
        """Smoothed losses of steps at these rates."""
        mean, least, at = 0.0, np.inf, 0
        smooth: list[float] = []
        with _threads.serial_blas():
            while len(smooth) < len(rates):
                if at == 0:
                    starts, stops, order = self._shuffled()
                i = len(smooth)
                try:
                    self._steps(starts[at : at + 1], stops[at : at + 1], order, rates[i : i + 1])
                except DivergenceError:
                    break
                mean = 0.9 * mean + 0.1 * float(self._losses[0])
                smooth.append(mean / (1 - 0.9 ** (i + 1)))
                least = min(least, smooth[-1])
                if smooth[-1] > 4 * least:
                    break
                at = (at + 1) % len(starts)
        return np.array(smooth)

    def _diverged(self, loss: float) -> None:
        """Go back to the end of the last good epoch, and say so."""
        step = self.step
        for kept, array in zip(self._good, self._state, strict=True):
            np.copyto(array, kept)
        self.trainer.step = self._good_step
        raise DivergenceError(self.epoch + 1, step, loss, self.history)


@contextmanager
def _ending(callbacks: Sequence[Callback], run: Run) -> Iterator[None]:
    """Every callback's on_end in their order, whatever happens and whichever of them fails."""
    with ExitStack() as stack:
        for callback in reversed(callbacks):
            stack.callback(callback.on_end, run)
        yield


def _batches(n: int, size: int, drop_last: bool) -> tuple[Array, Array]:
    """Where each batch of n rows starts and stops."""
    starts = np.arange(0, n, size, dtype=np.intp)
    stops = np.minimum(starts + size, n)
    if drop_last and n % size:
        starts, stops = starts[:-1], stops[:-1]
        if not len(starts):
            raise ValueError(f"batch_size must be at most the {n} rows with drop_last; got {size}")
    return starts, stops


def _rates(schedule: schedules.Schedule, first: int, n: int, epoch: int) -> Array:
    """The learning rates of an epoch's n steps, the first of which has the number first."""
    rates = _check.vector("rates", schedule.rates(np.arange(first, first + n), epoch), n)
    if (rates < 0).any():
        raise ValueError(f"rates must not be negative; got {rates.min()} from {schedule!r}"[:200])
    return rates


def _row_weights(
    sample_weight: ArrayLike | None, class_weight: ClassWeight | None, data: Data, k: int
) -> Array | None:
    """The weights of rows and of classes in one float64 array (n,), or None."""
    double = np.dtype(np.float64)
    result = None
    if sample_weight is not None:
        result = _check.weights("sample_weight", sample_weight, len(data.x), double)
    if class_weight is not None:
        if data.labels is None:
            raise ValueError("class_weight must go with labels; got targets, use sample_weight")
        by_class = _class_weights(class_weight, data.labels, k)[data.labels]
        with np.errstate(over="ignore"):
            result = by_class if result is None else result * by_class
        if not np.isfinite(result).all():
            raise ValueError("sample_weight times class_weight must be finite; scale them down")
    if result is not None and not result.any():
        raise ValueError("class_weight must leave some row a weight; got zero for every row")
    return result


def _class_weights(given: ClassWeight, labels: NDArray[np.intc], k: int) -> Array:
    """A weight for each class, float64 (k,)."""
    if isinstance(given, str):
        _check.choice("class_weight", given, ("balanced",))
        return len(labels) / (k * np.maximum(np.bincount(labels, minlength=k), 1))
    if isinstance(given, Mapping):
        each = np.ones(k)
        for label, weight in given.items():
            at = _check.integer("class_weight", label, 0, k - 1)
            each[at] = _check.real(f"class_weight[{at}]", weight, 0.0)
        return each
    each = _check.vector("class_weight", given, k)
    return _check.weights("class_weight", each, k, np.dtype(np.float64))
