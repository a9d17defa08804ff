"""What trains a network, from fit to fit: optimiser, moments, shuffling, the epochs done."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastdl import _check, _hints, _html, _threads, resume, schedules
from fastdl._epoch import Program
from fastdl._settings import Setting, T, show
from fastdl._warnings import warn
from fastdl.arrays import ArrayFit
from fastdl.data import ClassWeight, Validation, data_sets, refuse_unless_one, validation_set
from fastdl.evaluation import Metric, own_metrics
from fastdl.fit import Fit, Terms
from fastdl.history import History
from fastdl.inputs import Inputs
from fastdl.layers import Dense, Layer, has_norms, penalised
from fastdl.loop import Loop
from fastdl.network import Network, core_of
from fastdl.optim import Optimiser
from fastdl.records import Asked
from fastdl.room import Room
from fastdl.run import Callback, Run
from fastdl.state import State
from fastdl.stepper import Stepper
from fastdl.stream import Source, StreamFit, source

Shuffle = Literal["rows", "batches"] | None
_ELSEWHERE = _hints.table(  # what a user of another library looks for, and what it is here
    {
        "trainer.fit(x, y)": "train compile",
        "trainer.step(x, y)": "partial_fit train_on_batch zero_grad backward",
        "trainer.n_steps": "steps step_count iterations t_",
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
        "trainer.clip_norm": "clip_grad_norm clipnorm gradient_clip_val max_grad_norm",
        "trainer.range_test(x, y)": "lr_find find_lr",
        "trainer.optimiser, and another fd.Trainer to change it": "optimizer",
    }
)


@dataclass(frozen=True)
class RangeTest:
    """What a learning-rate range test has measured.

    Attributes
    ----------
    learning_rate, loss : float64 array
        The rate of each step and its batch's loss, smoothed.

    Examples
    --------
    >>> x, y = np.linspace(-1, 1, 40)[:, None], np.arange(40) // 20
    >>> trainer = fd.Trainer(fd.Network([1, 8, 2]), fd.SGD(0.5))
    >>> test = trainer.range_test(x, y, steps=50)
    >>> low, high = test.suggestion
    >>> low < high, len(test.loss) == len(test.learning_rate)
    (True, True)
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
            raise ValueError(
                "low must leave the loss finite for some steps; got none, use low=1e-9"
            )
        least = int(self.loss.argmin())
        fallen = self.loss[0] - 0.1 * (self.loss[0] - self.loss[least])
        low = int((self.loss <= fallen).argmax())
        return float(self.learning_rate[min(low, least)]), float(self.learning_rate[least])

    def __repr__(self) -> str:
        if len(self.loss) < 2:
            return f"<RangeTest: {len(self.loss)} steps, the loss blew up at once>"
        steps, rates, loss, suggestion = self._said()
        return f"<RangeTest: {steps} steps, rates {rates}, loss {loss}; suggestion {suggestion}>"

    def _said(self) -> list[str]:
        rates, losses = self.learning_rate, self.loss
        ends = (rates[0], rates[-1]), (losses[0], losses.min()), self.suggestion
        return [str(len(losses)), *(f"{first:.3g} to {last:.3g}" for first, last in ends)]

    def _repr_html_(self) -> str:
        if len(self.loss) < 2:
            return _html.table((), (), [repr(self)])
        names = "steps", "rates", "loss", "suggestion"
        return _html.figure(4.8, 3.4, self._draw) + _html.table(names, [self._said()])

    def _draw(self, figure: Any) -> None:
        axes = figure.add_subplot()
        axes.semilogx(self.learning_rate, self.loss)
        for rate in self.suggestion:
            axes.axvline(rate, color="gray", linestyle="--")
        axes.set(xlabel="learning rate", ylabel="loss")


def _penalty(name: str, value: object) -> float | None:
    return None if value is None else _check.real(name, value, 0.0)


def _clip_norm(name: str, value: object) -> float | None:
    return None if value is None else _check.real(name, value, above=0.0)


def _shuffle(name: str, value: object) -> Shuffle:
    if value is None:
        return None
    elsewhere = _hints.table({"shuffle=None": "false 0", "shuffle='rows'": "true 1"})
    _check.choice(name, value, ("rows", "batches"), elsewhere, ", or None")
    return "rows" if value == "rows" else "batches"


def _at_most(name: str, value: int | None) -> int | None:
    _threads.resolve(value, 0)
    return value


class Trainer(_hints.Hinted):
    """Trains a network on batches.

    Its seed is 0 unless another one is given, as a network's is: five networks that are made and
    trained alike in a loop end alike, too, unless ``seed`` differs from one to the next.

    Parameters
    ----------
    network : Network
    optimiser : Optimiser
        One of ``fastdl.optim``, with its learning rate: ``fd.SGD(0.1)``.
    batch_size : int
    l1, l2 : float, optional
        The penalty of every layer while this trainer trains, instead of the layer's own; None: the
        layer's own. The cost in the history has it; the network stays as it is, so that what
        ``Network.evaluate`` says afterwards has the penalties of the layers.
    clip_norm : float, optional
        Where the gradient of a batch's cost, penalties included, is longer than this as one vector
        of all parameters, it is scaled to this length (Pascanu et al. 2013); None: it never is. A
        length that is not finite counts as a loss that is not.
    shuffle : {"rows", "batches"} or None
        Each epoch: all rows, or only the order of the batches, or nothing.
    drop_last : bool
        Leave out a last batch of fewer rows.
    seed : int, optional
        Of the shuffling, of ``validation_split`` and of what ``Dropout`` drops; None: a different
        one each time.
    n_threads : int, optional
        At most so many, None: as many as the machine has for the work. A fit times one and all of
        them as it goes and takes what is faster; the results have the same bits for any number.

    Attributes
    ----------
    epoch, n_steps : int
        Done since it was made.

    Notes
    -----
    A second ``fit`` goes on where the first one ended, and so do ``step`` and a fit after it: the
    schedule, the optimiser's moments and the shuffling are the trainer's. Settings but the network,
    the optimiser and the seed may be changed between fits.

    Examples
    --------
    >>> x, y = np.linspace(-1, 1, 40)[:, None], np.arange(40) // 20
    >>> trainer = fd.Trainer(fd.Network([1, 8, 2]), fd.SGD(0.5, momentum=0.9), batch_size=10)
    >>> history = trainer.fit(x, y, epochs=20)
    >>> history.last["accuracy"] > 0.9, trainer.epoch, trainer.n_steps
    (True, 20, 80)
    """

    # With these alone a setting that is misspelt, or that there is not, cannot be set.
    __slots__ = (
        *("_batch_size", "_clip_norm", "_core", "_drop_last", "_fits", "_l1", "_l2", "_learns"),
        *(
            "_n_threads",
            "_network",
            "_optimiser",
            "_program",
            "_resumed",
            "_schedule",
            "_seed",
            "_shuffle",
        ),
        *("_room", "_split_seed", "_state", "_stepper", "_terms", "__weakref__"),
    )

    class _BetweenFits(Setting[T]):
        """A setting that a fit takes when it begins."""

        def __set__(self, instance: Any, value: Any) -> None:
            if instance._fits:
                raise RuntimeError(
                    f"{self._name} must be set between two fits; got one that is running, "
                    "which would go on as it began"
                )
            super().__set__(instance, value)
            instance._terms = instance._stepper = None

    batch_size = _BetweenFits(_check.integer)
    l1 = _BetweenFits(_penalty)
    l2 = _BetweenFits(_penalty)
    clip_norm = _BetweenFits(_clip_norm)
    shuffle = _BetweenFits(_shuffle)
    drop_last = _BetweenFits(_check.boolean)
    n_threads = _BetweenFits(_at_most)

    def __init__(
        self,
        network: Network,
        optimiser: Optimiser,
        *,
        batch_size: int = 128,
        l1: float | None = None,
        l2: float | None = None,
        clip_norm: float | None = None,
        shuffle: Shuffle = "rows",
        drop_last: bool = False,
        seed: int | None = 0,
        n_threads: int | None = None,
    ) -> None:
        if not isinstance(network, Network):
            raise TypeError(
                f"network must be a Network; got {network!r:.100}, use fd.Network([4, 8, 3]) "
                "with your widths"
            )
        if not isinstance(optimiser, Optimiser):
            raise TypeError(
                f"optimiser must be one of fastdl.optim; got {optimiser!r:.100}, use fd."
                + ("Adam(0.001)" if "adam" in str(optimiser).lower() else "SGD(0.1)")
            )
        self._network, self._core = network, core_of(network)
        self._optimiser = optimiser
        self._fits = self._learns = False
        self.batch_size = batch_size
        self.l1, self.l2, self.clip_norm = l1, l2, clip_norm
        self.shuffle, self.drop_last = shuffle, drop_last
        self._seed = None if seed is None else _check.integer("seed", seed, 0, 2**63 - 1)
        self.n_threads = n_threads
        self._schedule = schedules.get(optimiser.learning_rate)
        self._state = State.first(self._core.flat, optimiser.n_moments, seed)
        self._split_seed = int(np.random.default_rng().integers(2**63)) if seed is None else seed
        self._resumed: resume.Paused | None = None
        self._program: tuple[tuple[Layer, ...], Program] | None = None
        self._terms: tuple[tuple[Layer, ...], Terms] | None = None
        self._room = Room()
        self._stepper: Stepper | None = None

    def __repr__(self) -> str:
        return show(self)

    def __getstate__(self) -> dict[str, Any]:
        made = {"_program", "_room", "_stepper", "_terms", "__weakref__"}
        names = set(Trainer.__slots__) - made
        more = getattr(self, "__dict__", {})  # of a subclass
        return {name: getattr(self, name) for name in names} | more

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self._fits, self._program, self._room = False, None, Room()
        self._stepper = self._terms = None
        self._state = self._state.owned(self._core.flat)

    def _elsewhere(self) -> Mapping[str, str]:
        kind = type(self._optimiser).__name__
        another = f"fd.Trainer(trainer.network, fd.{kind}(0.01)), whose moments begin anew"
        return dict.fromkeys(("learning_rate", "lr", "momentum"), another) | _ELSEWHERE

    @property
    def network(self) -> Network:
        """What it trains."""
        return self._network

    @property
    def optimiser(self) -> Optimiser:
        """How it steps."""
        return self._optimiser

    @property
    def seed(self) -> int | None:
        """Of the shuffling."""
        return self._seed

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self._state.epoch

    @property
    def n_steps(self) -> int:
        """Steps done."""
        return self._state.step

    def _now(self) -> Terms:
        """What a fit goes by, until a setting or a penalty of the network changes."""
        layers = self._core.layers
        if self._terms is None or self._terms[0] is not layers:
            self._terms = layers, self._made()
        return self._terms[1]

    def _made(self) -> Terms:
        """The same anew; the loops with other penalties last from one to the next, too."""
        core = self._core
        layers, program = penalised(core.layers, self.l1, self.l2), core.program
        if layers != core.layers:
            if self._program is None or self._program[0] != layers:
                self._program = layers, core.compiled(layers)
            program = self._program[1]
        hyper = self._optimiser.hyper._replace(clip_norm=self.clip_norm or 0.0)
        return Terms(
            core, self._state, self._schedule, layers, program, self._settings(), hyper, self._room
        )

    def _settings(self) -> resume.Settings:
        return resume.Settings(
            self._optimiser, self.batch_size, self.l1, self.l2, self.clip_norm,
            self.shuffle, self.drop_last, self._seed, self.n_threads,
        )  # fmt: skip

    def fit(
        self,
        x: ArrayLike | Source,
        y: ArrayLike | None = None,
        *,
        epochs: int = 1,
        validation: Validation | None = None,
        validation_split: float | None = None,
        record: Literal["epoch"] | int | None = "epoch",
        train_metrics: Literal["full", "batches"] | None = None,
        sample_weight: ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
        metrics: Mapping[str, Metric] | None = None,
        callbacks: Sequence[Callback] = (),
        progress: bool | None = None,
    ) -> History:
        """Train for some epochs.

        Parameters
        ----------
        x : array (n, d)
            Finite numbers of any real dtype, or a data frame. Arrays of float32, float64 and uint8
            are never copied where the items of a row lie side by side. What uint8 means, and what
            the network remembers of it: see ``Network``.
            Without y: batches, an iterable of (x, y) or (x, y, sample_weight), such as a generator
            or another library's loader, or a function that gives one for each epoch. See Notes.
        y : labels (n,) in [0, k), or targets (n, k), as the loss takes them; (n,) too where k is 1
        epochs : int
            After ``resume``: those of the fit that goes on, with what it has done.
        validation : (x, y) or (x, y, sample_weight), optional
            Evaluated at every record; beside batches arrays, too, or memory maps. Class weights
            count there as in training, so the same rows have the same loss and accuracy as
            validation set and as training set.
        validation_split : float in (0, 1), optional
            Instead of ``validation``: this share of the rows, rounded, is held out. They are drawn
            at random by the trainer's seed, whatever their labels, the same ones in every fit of
            so many rows. Both parts are copies, in the order of ``x``. Where the seed is None, a
            fit that is resumed draws others, and is refused.
        record : "epoch", int or None
            A record after every epoch, after every so many steps (and the last one), or none.
        train_metrics : {"full", "batches"}, optional
            Whether a record's training loss and accuracy are of the full training set, or the means
            over the batches since the record before, as they were when trained on. Of the batches
            there are no R2, absolute error and ``metrics``. None: of all that there is, so "full"
            with arrays, and "batches" where batches come one by one.
        sample_weight : float array (n,), optional
        class_weight : "balanced", mapping or array (k,), optional
            Weights multiply a row's loss; they are brought to a mean of one over each data set.
            A label that a mapping leaves out has the weight 1; "balanced" is n / (k count), of the
            training set.
        metrics : mapping of str to callable, optional
            ``{"f1": function}`` records ``function(y, predicted)`` as ``f1``, and as ``val_f1`` of
            the validation set; predicted is what ``Network.predict`` gives.
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
            Where the loss is no longer finite, or with ``clip_norm`` the gradient.
        RuntimeError
            Where the network is being fitted already.
        CheckpointError
            After ``resume``, where the fit that goes on was given something else.

        Warns
        -----
        ScalingWarning
            Where after ten steps or more the training loss is no better than that of the best
            constant answer, and columns of x, or targets, lie orders of magnitude from unit size;
            of a trainer that has learnt something in an earlier fit nobody asks again, nor of
            batches.
        UserWarning
            Where a schedule's rate was 0 in every step of an epoch.

        Notes
        -----
        Batches are trained on as they come, whatever the trainer's batch_size and shuffle are, to
        the bits of a fit of arrays with the same ones. A thread reads and checks the next two while
        one is trained on, and copies what it is given, so that a generator may fill one array again
        and again; no more than four are in memory. Their records have the means over batches
        (``train_metrics="batches"``), and the epochs that are done; weights are brought to a mean
        of one over a batch. Such a fit cannot be resumed.

        Examples
        --------
        Batches, here of random numbers. Those of a Parquet file have to be pairs, too: ``for each
        in pyarrow.parquet.ParquetFile(path).iter_batches(1000): yield each.select(columns),
        each["label"]``.

        >>> def batches():
        ...     rng = np.random.default_rng(0)
        ...     for _ in range(4):
        ...         x = rng.normal(size=(50, 2))
        ...         yield x, (x[:, 0] > 0).astype(int)
        >>> trainer = fd.Trainer(fd.Network([2, 8, 2]), fd.SGD(0.5))
        >>> trainer.fit(batches, epochs=3)["step"]
        array([ 4,  8, 12])
        """
        epochs = _check.integer("epochs", epochs)
        if train_metrics is not None:
            _check.choice("train_metrics", train_metrics, ("full", "batches"), None, ", or None")
        if progress is not None:
            _check.boolean("progress", progress, ", or None")
        if isinstance(record, str):
            _check.choice("record", record, ("epoch",), None, ", or a number of steps, or None")
        elif record is not None:
            record = _check.integer("record", record)
        if not isinstance(callbacks, Sequence) or not all(
            isinstance(callback, Callback) for callback in callbacks
        ):
            remedy = (
                "[callbacks]" if isinstance(callbacks, Callback) else "[fd.EarlyStopping('loss')]"
            )
            raise TypeError(
                f"callbacks must be a list of Callback objects; got {callbacks!r:.100}, "
                f"use {remedy}"
            )
        if self.batch_size == 1 and y is not None and has_norms(self.network.layers):
            warn(
                "a batch of one row has no variance, so BatchNorm learns nothing from it: use a "
                "batch_size of 8 or more"
            )
        if callable(x) and y is not None:
            raise TypeError(
                "y must be left out where x is a function, whose batches are pairs (x, y); got "
                "both, use y=None"
            )
        asked = Asked(epochs, record, train_metrics or "full", own_metrics(metrics))
        core = self._core
        core.take()
        try:
            core.refuse_if_not_finite()
            if y is None:
                self._refuse_of_arrays(sample_weight, class_weight, validation_split)
                if train_metrics == "full":
                    raise ValueError(
                        "train_metrics must be 'batches' where batches come one by one, which are "
                        "gone once they are trained on; got 'full', use train_metrics=None"
                    )
                fit = self._of_batches(cast(Source, x), validation, asked)
                found = core.inputs
            else:
                train, held_out = data_sets(
                    core, cast(ArrayLike, x), y, sample_weight=sample_weight,
                    class_weight=class_weight, validation=validation,
                    validation_split=validation_split, seed=self._split_seed,
                )  # fmt: skip
                asked.refuse_metrics_of_nothing(held_out)
                fit = ArrayFit(self._now(), train, held_out, asked, self._resumed)
                found = train.inputs
            loop = Loop(fit, Run(self, fit), callbacks, record)
            loop.check()
            self._train(fit, loop, found, progress)
        finally:
            core.give_back()
        if (why := fit.why_idle()) is not None:
            warn(why)
        if not self._learns:
            self._learns = fit.advise()
        return fit.records.history

    def _of_batches(self, batches: Source, validation: Validation | None, asked: Asked) -> Fit:
        """A fit of batches that come one by one."""
        if self._resumed is not None:
            raise RuntimeError(
                "batches must come after the fit that resume goes on with; got none yet, call "
                "trainer.fit as that fit was called"
            )
        begin = source(batches, asked.epochs)
        held_out = None if validation is None else validation_set(self._core, validation)
        asked = asked._replace(train_metrics="batches")
        asked.refuse_metrics_of_nothing(held_out)
        return StreamFit(self._now(), begin, held_out, asked)

    @staticmethod
    def _refuse_of_arrays(*given: object) -> None:
        """Refuse what only goes with arrays."""
        names = "sample_weight", "class_weight", "validation_split"
        for name, value in zip(names, given, strict=True):
            if value is not None:
                raise ValueError(
                    f"{name} must go with arrays x and y; got batches or no y, use {name}=None "
                    "and batches (x, y, sample_weight), or give y"
                )

    def _train(self, fit: Fit, loop: Loop, found: Inputs | None, progress: bool | None) -> None:
        """Remember what rows are, and go on from a checkpoint once; not if no step is taken."""
        core, before, step, resumed = self._core, self._core.inputs, self.n_steps, self._resumed
        try:
            if found != before:
                core.inputs = found
            self._fits, self._resumed = True, None
            loop.train(progress)
        finally:
            self._fits = False
            if self.n_steps == step and (fit.interrupted or not fit.is_over):
                core.inputs, self._resumed = before, resumed

    @overload
    def step(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float: ...
    @overload
    def step(self, x: ArrayLike, *, dlogits: ArrayLike) -> None: ...
    def step(
        self,
        x: ArrayLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        dlogits: ArrayLike | None = None,
    ) -> float | None:
        """Train on one batch, to the bits of a ``fit`` with these rows alone, unshuffled.

        It counts as a step but not as an epoch: rates that a schedule plans by epochs, such as
        those of ``ExponentialDecay`` without ``unit="step"``, stay where they are.

        Rows of the kind that the network was fitted on before, float32 or float64 or pixels of
        uint8 whose items lie side by side, with labels of int64 or int32 or targets of the
        network's dtype, cost a few microseconds beyond the products; all else is read as by
        ``fit``. Nothing is recorded, no callback called.

        Parameters
        ----------
        x : array (n, d)
            The rows of the batch, however many; as for ``fit``.
        y : labels (n,) in [0, k), or targets (n, k), as the loss takes them; (n,) too where k is 1
        sample_weight : float array (n,), optional
            They are brought to a mean of one over the batch, so they count among its rows alone;
            the weight of a batch of one row changes nothing.
        dlogits : float array (n, k), optional; (n,) too where k is 1
            Instead of y: the gradient by the logits of these rows of a loss that you have found
            yourself, one number for the whole batch, as ``loss.backward()`` leaves it in
            ``logits.grad``. It is used as it is: divide by n where the loss is a mean. Penalties,
            ``clip_norm`` and the optimiser follow as ever. ``network.logits(x)`` are the logits;
            with ``Dropout`` or ``BatchNorm`` those of a step differ, so a loss of your own is
            needed instead: ``fd.losses.Own``.

        Returns
        -------
        float
            The mean loss of the batch, before the step and without penalties; with ``dlogits``,
            which tell of no loss, None.

        Raises
        ------
        ValueError, TypeError
            For arguments that break a rule; no step is taken then.
        DivergenceError
            Where the loss is not finite, or with ``clip_norm`` the gradient: the network holds the
            parameters from before.
        RuntimeError
            Where the network is being fitted, or ``resume`` waits for the fit that goes on.

        Examples
        --------
        >>> trainer = fd.Trainer(fd.Network([4, 8, 3]), fd.SGD(0.1))
        >>> for x, y in [(np.eye(4), [0, 1, 2, 0])] * 3:
        ...     loss = trainer.step(x, y)

        A policy gradient, of actions that were taken and what came of them:

        >>> actions, advantages = np.array([0, 2, 1, 1]), np.array([1.0, -0.5, 0.25, 0.0])
        >>> p = trainer.network.predict_proba(x)
        >>> trainer.step(x, dlogits=(p - np.eye(3)[actions]) * advantages[:, None] / len(x))
        """
        core = self._core
        core.take()
        try:
            stepper = self._stepper
            if stepper is None or stepper.layers is not core.layers:
                stepper = self._stepper = self._begin_steps()
            if dlogits is None and y is not None:
                return stepper.take(x, y, sample_weight)
            refuse_unless_one(y, dlogits)
            assert dlogits is not None
            self._check_led(sample_weight)
            stepper.follow(x, dlogits)
            return None
        finally:
            core.give_back()

    def _check_led(self, sample_weight: object) -> None:
        """Refuse what does not go with a gradient that is given."""
        if sample_weight is not None:
            raise ValueError(
                "dlogits must go without sample_weight, which they have in them; got both, use "
                "sample_weight=None"
            )
        if any(not isinstance(layer, Dense) for layer in self._core.layers):
            raise ValueError(
                "dlogits must be of a network without Dropout or BatchNorm, whose logits in a step "
                "are others; got one with it, where a loss of your own, fd.losses.Own, is told "
                "those"
            )

    def _begin_steps(self) -> Stepper:
        if self._resumed is not None:
            raise RuntimeError(
                "step must come after the fit that resume goes on with; got none yet, call "
                "trainer.fit as that fit was called"
            )
        return Stepper(self._now())

    def resume(self, path: str | os.PathLike[str]) -> None:
        """Take the state of the fit that wrote a checkpoint; the next ``fit`` goes on with it.

        Make network and trainer as before, and call ``fit`` with the same arguments: it ends with
        the bits of a fit that was never stopped, in parameters and history (but for ``seconds``),
        where the same instruction set and version of NumPy are used. Callbacks begin anew, with the
        records in the history. A fit that has nothing left to train says so with a warning; one
        that was stopped is not trained on. Of ``x`` some thousand rows are compared with what they
        were, of the validation set only their number.

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
        >>> import os
        >>> x, y = np.linspace(-1, 1, 40)[:, None], np.arange(40) // 20
        >>> for epochs in (2, 4):  # as if the process had ended after two epochs
        ...     trainer = fd.Trainer(fd.Network([1, 8, 2]), fd.SGD(0.5))
        ...     if os.path.exists("run.safetensors"):
        ...         trainer.resume("run.safetensors")
        ...     saved = fd.Checkpoint("run.safetensors")
        ...     history = trainer.fit(x, y, epochs=epochs, callbacks=[saved])
        >>> history["epoch"]
        array([1, 2, 3, 4])
        """
        with self._core.exclusive():
            paused = resume.read(path, self._core, self._settings())
            self._state.take(paused.now)
            self._core.inputs, self._resumed, self._stepper = paused.inputs, paused, None

    def range_test(
        self, x: ArrayLike, y: ArrayLike, *, low: float = 1e-5, high: float = 1.0, steps: int = 200
    ) -> RangeTest:
        """Train with a rate that grows from low to high, then undo it (Smith 2017).

        Its steps are those of a fit, clipped too where ``clip_norm`` is given. Network, optimiser,
        schedule and generator are afterwards what they were before. The test ends early once the
        smoothed loss is four times its least value or not finite.

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
        with self._core.exclusive(), self._undone():
            fit = ArrayFit(self._now(), data_sets(self._core, x, y)[0], None, Asked())
            losses = fit.range(rates)
        return RangeTest(rates[: len(losses)], losses)

    @contextmanager
    def _undone(self) -> Iterator[None]:
        """Put network and trainer back to what they were."""
        before = self._state.copy()
        try:
            yield
        finally:
            self._state.take(before)
