"""What training changes step by step, as one value: to copy, to keep, to go back to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastdl import _memory
from fastdl._check import Array


class Shuffling:
    """The generator that shuffles. To copy one is cheap: NumPy's is made where one draws."""

    __slots__ = ("_generator", "_state")

    def __init__(
        self, state: Mapping[str, Any] | None, generator: np.random.Generator | None = None
    ) -> None:
        self._state, self._generator = state, generator  # a state of None: ask the generator

    @classmethod
    def seeded(cls, seed: int | None) -> Shuffling:
        """A new one."""
        return cls(None, np.random.default_rng(seed))

    @classmethod
    def saved(cls, state: Mapping[str, Any]) -> Shuffling:
        """One as a file has it; raises for what is no state of such a generator."""
        result = cls.seeded(0)
        result.take(cls(state))
        return result

    @property
    def state(self) -> Mapping[str, Any]:
        """The numbers that it goes by."""
        if self._state is None:
            assert self._generator is not None
            self._state = self._generator.bit_generator.state
        return self._state

    @property
    def stream(self) -> int:
        """A number that the seed decides, and that stays while others are drawn."""
        return int(self.state["state"]["inc"]) >> 1 & (2**63 - 1)

    def permutation(self, n: int) -> Array:
        """The next order of n things."""
        if self._generator is None:
            self._generator = Shuffling.saved(self.state)._generator
        assert self._generator is not None
        self._state = None
        return self._generator.permutation(n)

    def take(self, other: Shuffling) -> None:
        """Be as another one."""
        if self._generator is not None:
            self._generator.bit_generator.state = other.state
        self._state = other.state


class State:
    """How far training is: a trainer's own, or a copy.

    Attributes
    ----------
    parameters : array
        Flat; a trainer's own are those of its network.
    moments : list of array
        The optimiser's, laid out like the parameters.
    arrays : list of array
        The parameters and the moments.
    shuffling : Shuffling
    epoch, step : int
        Done. To count in them calls no function of Python, where Ctrl-C could come between.
    """

    __slots__ = ("arrays", "epoch", "moments", "parameters", "shuffling", "step")

    def __init__(
        self,
        parameters: Array,
        moments: list[Array],
        shuffling: Shuffling,
        epoch: int = 0,
        step: int = 0,
    ) -> None:
        self.parameters, self.moments, self.shuffling = parameters, moments, shuffling
        self.arrays = [parameters, *moments]
        self.epoch, self.step = epoch, step

    @classmethod
    def first(cls, parameters: Array, n_moments: int, seed: int | None) -> State:
        """Before any step."""
        moments = [_memory.zeros(len(parameters), parameters.dtype) for _ in range(n_moments)]
        return cls(parameters, moments, Shuffling.seeded(seed))

    def copy(self) -> State:
        """One that stays as it is."""
        parameters, *moments = [array.copy() for array in self.arrays]
        shuffling = Shuffling(self.shuffling.state)
        return State(parameters, moments, shuffling, self.epoch, self.step)

    def owned(self, parameters: Array) -> State:
        """One that arrived in memory of whatever kind, in arrays of its own but for these."""
        moments = [_memory.own(array) for array in self.moments]
        shuffling = Shuffling(self.shuffling.state)
        return State(parameters, moments, shuffling, self.epoch, self.step)

    def count(self, other: State) -> None:
        """Be as far as another one, whose arrays nobody asks for any more."""
        self.step, self.epoch = other.step, other.epoch

    def take(self, other: State, *, shuffling: bool = True) -> None:
        """Be as another one is now, in the same arrays; on request but for the shuffling."""
        for array, values in zip(self.arrays, other.arrays, strict=True):
            np.copyto(array, values)
        if shuffling:
            self.shuffling.take(other.shuffling)
        self.epoch, self.step = other.epoch, other.step


class Kept:
    """Parameters that are remembered under names.

    Attributes
    ----------
    arrays : dict of str to array
    gone_back : bool
        Whether the parameters are such ones, and not those of the last step.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}
        self.gone_back = False

    def keep(self, name: str, parameters: Array) -> None:
        """Remember them as they are now."""
        self.arrays[name] = parameters.copy()

    def go_back(self, name: str, parameters: Array) -> None:
        """Make them what is remembered, if it is."""
        if name in self.arrays:
            self.gone_back = True
            np.copyto(parameters, self.arrays[name])
