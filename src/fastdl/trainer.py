"""What trains a network, from fit to fit: optimiser, moments, shuffling, the epochs done."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastdl import _check, _hints, _memory, _threads, checkpoint, resume, schedules
from fastdl._check import Array
from fastdl.callbacks import Callback
from fastdl.history import History
from fastdl.inputs import Inputs
from fastdl.network import Data, Network
from fastdl.optim import SGD, Adam, Optimiser
from fastdl.run import Run

Shuffle = Literal["rows", "batches"] | None
_ELSEWHERE = _hints.table(  # what a user of another library looks for, and what it is here
    {
        "trainer.fit(x, y)": "train partial_fit train_on_batch compile",
        "trainer.network": "net model module",
        "trainer.network.predict(x)": "predict",
        "trainer.network.predict_proba(x)": "predict_proba",
        "trainer.network.logits(x)": "logits forward decision_function",
        "trainer.network.evaluate(x, y)": "evaluate",
        "trainer.network.evaluate(x, y).accuracy": "score",
        "trainer.network.gradients(x, y)": "gradients",
        "trainer.network.parameters": "parameters weights coefs_ intercepts_",
        "trainer.network.layers": "layers",
        "trainer.network.summary()": "summary",
        "trainer.network.save(path)": "save",
        "trainer.resume(path)": "load load_checkpoint",
        "trainer.range_test(x, y)": "lr_find find_lr",
        "fd.Trainer(trainer.network, fd.SGD(0.01))": "learning_rate lr momentum",
        "trainer.optimiser, and another fd.Trainer to change it": "optimizer",
    }
)
ClassWeight = Mapping[int, float] | ArrayLike | Literal["balanced"]


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


class Trainer(_hints.Hinted):
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
        self.drop_last = _check.boolean("drop_last", drop_last)
        self._seed = None if seed is None else _check.integer("seed", seed, 0, 2**63 - 1)
        self.n_threads = n_threads
        _threads.resolve(n_threads, 0)
        self.epoch = 0
        self.step = 0
        self._schedule = schedules.get(optimiser.learning_rate)
        self._rng = np.random.default_rng(seed)
        size = len(network._flat)
        self._moments = [_memory.zeros(size, network.dtype) for _ in range(optimiser.n_moments)]
        self._resumed: resume.State | None = None

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._moments = [_memory.own(array) for array in self._moments]

    def _elsewhere(self) -> Mapping[str, str]:
        return _ELSEWHERE

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
            After ``resume``: those of the fit that goes on, with what it has done.
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
        ValueError, TypeError
            For arguments that break a rule. NaN and infinities in ``x`` are looked for as the first
            epoch reads its rows: by then callbacks have been called, but parameters, moments, step
            and generator are as before the fit.
        DivergenceError
            Where the loss is no longer finite.
        RuntimeError
            Where the network is being fitted already.
        CheckpointError
            After ``resume``, where the fit that goes on was given something else.
        """
        epochs = _check.integer("epochs", epochs)
        _check.choice("train_metrics", train_metrics, ("full", "batches"))
        if progress is not None:
            _check.boolean("progress", progress)
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
            held_out = self._validation_data(validation, train.inputs)
            run = Run(self, train, held_out, epochs, record, train_metrics, self._resumed)
            self._resumed = None
            with self.network._fitted_on(train.inputs):
                run._fit(callbacks, progress)
        return run.history

    def resume(self, path: str | os.PathLike[str]) -> None:
        """Take the state of the fit that wrote a checkpoint; the next ``fit`` goes on with it.

        Make network and trainer as before, and call ``fit`` with the same arguments: it ends with
        the bits of a fit that was never stopped, in parameters and history (but for ``seconds``),
        where the same instruction set and version of NumPy are used. Callbacks begin anew, with the
        records in the history. Of ``x`` some thousand rows are compared with what they were, of the
        validation set only their number.

        Parameters
        ----------
        path : path
            Of a ``Checkpoint``.

        Raises
        ------
        CheckpointError
            For a file that is not one, or is of another network, optimiser, batch size, shuffling
            or seed; everything is then as before.

        Examples
        --------
        >>> if os.path.exists("run.safetensors"):
        ...     trainer.resume("run.safetensors")
        >>> trainer.fit(x, y, epochs=100, callbacks=[fd.Checkpoint("run.safetensors")])
        """
        with self.network.exclusive():
            _, config = checkpoint.contents(self.network)
            del config["inputs"]  # the fit that goes on finds what its rows are
            given = {"l1": self.l1, "l2": self.l2}
            penalties = {name: value for name, value in given.items() if value is not None}
            config["layers"] = [layer | penalties for layer in config["layers"]]
            state = resume.read(path, self.network, len(self._moments), config | self._settings())
            for array, saved in zip([self.network._flat, *self._moments], state.now, strict=True):
                array[...] = saved
            self.epoch, self.step = state.place.epoch, state.place.step
            self._resumed = state

    def _settings(self) -> dict[str, Any]:
        """What a trainer that goes on must have alike."""
        return {
            "optimiser": resume.describe(self.optimiser),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "drop_last": self.drop_last,
            "seed": self._seed,
        }

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
        k = self.network.layers[-1].h
        weights = _row_weights(sample_weight, class_weight, data, k)
        return data if weights is None else self.network._weighted(data, weights)

    def _validation_data(
        self, validation: tuple[ArrayLike, ArrayLike] | None, known: Inputs
    ) -> Data | None:
        if validation is None:
            return None
        try:
            x, y = validation
        except (TypeError, ValueError) as error:
            got = type(validation).__name__
            raise TypeError(f"validation must be a pair (x, y) of arrays; got {got}") from error
        names = ("validation[0]", "validation[1]")
        data = self.network._data(x, y, names, known)
        self.network._refuse_if_not_finite(names[0], data.x)
        return data


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
