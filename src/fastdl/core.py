"""A network as the library's own modules know it: layers, parameters, compiled loops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np

from fastdl import _check, _kernels, _memory, _threads, init
from fastdl._check import Array
from fastdl._epoch import ANSWERS, Program, Reading
from fastdl.init import Init
from fastdl.inputs import Inputs, read_as_before, read_as_they_are
from fastdl.layers import BatchNorm, Dense, Layer, dense_of, without_masks
from fastdl.losses import Loss
from fastdl.parameters import Parameters, Places
from fastdl.scaling import Applied, Scaling

_TYPES = (np.float32, np.float64, np.uint8)  # of rows, in the order of a ``Reading``


def _settings(layer: Layer) -> tuple[float, float]:
    """Two numbers that the loops need to know of a layer."""
    if isinstance(layer, Dense):
        return layer.l1, layer.l2
    if isinstance(layer, BatchNorm):
        return layer.momentum, layer.epsilon
    return layer.rate, 0.0


class Core:
    """What a ``Network`` is made of; users see the network alone.

    Attributes
    ----------
    layers, dtype, scaling, inputs
        As a network has them.
    loss : Loss
    n_parameters : int
    places : Places
        Where each parameter lies.
    flat : array
        The parameters.
    applied : Applied
        The scaling as rows take it.
    reading, reading_of_steps : Reading
        Which rows need no look by Python to be answered; and to be trained on.
    program : Program
        The loops, with the penalties of the layers; it learns how many threads are worth it.
    """

    def __init__(
        self,
        layers: tuple[Layer, ...],
        loss: Loss,
        dtype: np.dtype[Any],
        scaling: Scaling | None,
    ) -> None:
        self.layers, self.loss, self.dtype, self.scaling = layers, loss, dtype, scaling
        self._inputs: Inputs | None = None
        self.places = Places(layers, dtype)
        self.n_parameters = sum(layer.n_parameters for layer in layers)
        self._make(self.places.first())

    def _make(self, flat: Array) -> None:
        """All that neither a copy nor a pickle takes along."""
        self.flat = flat
        d = self.layers[0].d
        self.applied = Applied(self.scaling, d, self.dtype)
        scalings = [self.applied.as_read(np.empty(0, kind)) for kind in _TYPES]
        most = _threads.most_alone(self.n_parameters)
        self.reading = Reading(d, most, scalings)
        self.reading_of_steps = Reading(d, most, scalings)
        self.inputs = self._inputs
        self.program = self.compiled(self.layers)
        self._busy = _threads.Claim()

    def __getstate__(self) -> dict[str, Any]:
        made = ("applied", "reading", "reading_of_steps", "program", "_busy")
        return {name: value for name, value in self.__dict__.items() if name not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._make(_memory.own(self.flat))

    @property
    def inputs(self) -> Inputs | None:
        """What its rows are, once it has been fitted."""
        return self._inputs

    @inputs.setter
    def inputs(self, inputs: Inputs | None) -> None:
        self._inputs = inputs
        self.reading.takes = read_as_they_are(inputs, self.scaling is not None)
        self.reading_of_steps.takes = read_as_before(inputs)

    def copy(self, dtype: np.dtype[Any]) -> Core:
        """One of its own, in this dtype."""
        result = Core(self.layers, self.loss, dtype, self.scaling)
        result.inputs = self.inputs
        # Not as they lie in memory: where a weight lies by unit depends on the dtype.
        for name, view in result.parameters.items():
            view[...] = self.parameters[name]
        return result

    def leave_masks_out(self) -> None:
        """Be the network that answers: the layers that then do something, which count anew."""
        before = self.parameters
        self.layers = without_masks(self.layers)
        self.places = Places(self.layers, self.dtype)
        self._make(self.places.zeros())
        for view, own in zip(self.parameters.values(), before.values(), strict=True):
            view[...] = own

    def compiled(self, layers: tuple[Layer, ...]) -> Program:
        """The loops over its arrays, with the penalties of these layers."""
        settings = np.array([_settings(layer) for layer in layers], np.float64)
        code, single = self.loss.code, self.dtype == np.float32
        return Program(self.places.table, settings, code, self.loss.numbers, single)

    def set_layers(self, layers: tuple[Layer, ...]) -> None:
        """Give it layers that differ in their penalties alone."""
        if layers != self.layers:  # a program also knows how many threads are worth it by now
            self.layers, self.program = layers, self.compiled(layers)

    @property
    def parameters(self) -> Parameters:
        """Views of the parameters by name."""
        return Parameters(self.places.views(self.flat))

    def draw(self, default: str | Init, seed: int | None) -> None:
        """Draw every weight by its layer's initialisation, or by the default."""
        default = init.get(default)
        if seed is not None:
            _check.integer("seed", seed, 0, 2**63 - 1)
        rng = np.random.default_rng(seed)
        parameters = self.parameters
        for i, layer in dense_of(self.layers).items():
            chosen = default if layer.init is None else init.get(layer.init)
            weight = _check.cast("init", chosen.draw(rng, layer.d, layer.h), self.dtype)
            parameters[f"layers.{i}.weight"][...] = weight

    def refuse_if_not_finite(self) -> None:
        """Name the first parameter that is not finite."""
        if _kernels.finite(self.flat):
            return
        for name, view in self.parameters.items():
            if not np.isfinite(view).all():
                raise ValueError(
                    f"parameters[{name!r}] must be finite; got {view[~np.isfinite(view)][0]}, "
                    "make the network again or load it"
                )

    def take(self) -> None:
        """Hold the network for a fit, until it is given back; a second one is refused."""
        if not self._busy.take():
            raise RuntimeError(
                "this network must be free for a fit or a step; another call of this or another "
                "thread holds it, use net.copy() for a network of its own, or call once that call "
                "has ended, of several threads with a threading.Lock around each call"
            )

    def give_back(self) -> None:
        """Let others fit the network."""
        self._busy.give_back()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the network for a fit; a second one at the same time is refused."""
        self.take()
        try:
            yield
        finally:
            self.give_back()

    def answer(self, x: object, n_threads: int | None, kind: str) -> Array | None:
        """The answer to a few rows that are ready, by its kind; else None."""
        if n_threads is not None:
            _threads.resolve(n_threads, 0)  # refuses what is no number of threads
        return self.program.answer(self.reading, x, self.flat, ANSWERS[kind])

    def threads(self, n_threads: int | None, n: int) -> int:
        """How many threads work on so many rows at once."""
        return _threads.resolve(n_threads, n * self.n_parameters)

    def serial_blas(
        self, n: int, *, trains: bool = False, answers: int = 0
    ) -> AbstractContextManager[None]:
        """BLAS on one thread, where n rows at a time may call it on their way.

        trains: whether they also come back; answers: and where that many go forward beside them.
        """
        needs = self.program.needs_blas
        needed = needs(n, trains) or (answers > 0 and needs(answers, False))
        return _threads.serial_blas() if needed else nullcontext()
