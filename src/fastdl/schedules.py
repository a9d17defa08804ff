"""The learning rate as a function of the step.

Every schedule answers ``rates(steps, epoch)``: the rates (float64) of the update steps with these
numbers, all of one epoch; both are counted from 0 over the whole training.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from fastdl import _check

Steps = NDArray[np.intp]
Rates = NDArray[np.float64]


class Schedule(Protocol):
    """Anything with a method ``rates``."""

    def rates(self, steps: Steps, epoch: int) -> Rates:
        """The learning rate of each step."""
        ...


@dataclass(frozen=True)
class Constant:
    """The same rate always."""

    rate: float

    def __post_init__(self) -> None:
        _check.real("rate", self.rate, 0.0)

    def rates(self, steps: Steps, epoch: int) -> Rates:
        """The learning rate of each step."""
        return np.full(len(steps), self.rate)


@dataclass(frozen=True)
class ExponentialDecay:
    """max(rate * decay^(t / every), floor), t in whole epochs or in steps.

    Parameters
    ----------
    rate : float
        The first rate.
    decay : float in (0, 1]
    every : float
        How many t it takes to multiply by ``decay`` once.
    unit : {"epoch", "step"}
    floor : float
        The least rate.
    """

    rate: float
    decay: float
    every: float = 1.0
    unit: Literal["epoch", "step"] = "epoch"
    floor: float = 0.0

    def __post_init__(self) -> None:
        _check.real("rate", self.rate, 0.0)
        if _check.real("decay", self.decay, above=0.0) > 1:
            raise ValueError(f"decay must be finite and lie in (0, 1]; got {self.decay:g}")
        _check.real("every", self.every, above=0.0)
        _check.choice("unit", self.unit, ("epoch", "step"))
        _check.real("floor", self.floor, 0.0)

    def rates(self, steps: Steps, epoch: int) -> Rates:
        """The learning rate of each step."""
        t = np.full(len(steps), epoch) if self.unit == "epoch" else steps
        return np.maximum(self.rate * self.decay ** (t / self.every), self.floor)


@dataclass(frozen=True)
class StepDecay:
    """rate * factor^floor(epoch / every): by ten every so many epochs, say.

    Parameters
    ----------
    rate : float
    factor : float in (0, 1)
    every : int
        Epochs.
    """

    rate: float
    factor: float = 0.1
    every: int = 10

    def __post_init__(self) -> None:
        _check.real("rate", self.rate, 0.0)
        _check.real("factor", self.factor, below=1.0, above=0.0)
        _check.integer("every", self.every)

    def rates(self, steps: Steps, epoch: int) -> Rates:
        """The learning rate of each step."""
        return np.full(len(steps), self.rate * self.factor ** (epoch // self.every))


@dataclass(frozen=True)
class Triangular:
    """Up from low to high and down again, linearly, over and over (Smith 2017, CLR "triangular").

    Parameters
    ----------
    low, high : float
    half_cycle : int
        Steps from low to high: n_s.
    """

    low: float
    high: float
    half_cycle: int

    def __post_init__(self) -> None:
        _check.real("low", self.low, 0.0)
        _check.real("high", self.high, self.low)
        _check.integer("half_cycle", self.half_cycle)

    def rates(self, steps: Steps, epoch: int) -> Rates:
        """The learning rate of each step."""
        position = (steps % (2 * self.half_cycle)) / self.half_cycle
        return self.low + (self.high - self.low) * (1 - np.abs(1 - position))


@dataclass(frozen=True)
class Cosine:
    """From high to low along half a cosine, then low (Loshchilov and Hutter 2017).

    Parameters
    ----------
    high : float
    steps : int
        Of the half cosine.
    low : float
    """

    high: float
    steps: int
    low: float = 0.0

    def __post_init__(self) -> None:
        _check.real("low", self.low, 0.0)
        _check.real("high", self.high, self.low)
        _check.integer("steps", self.steps)

    def rates(self, steps: Steps, epoch: int) -> Rates:
        """The learning rate of each step."""
        share = np.minimum(steps / self.steps, 1.0)
        return self.low + (self.high - self.low) * (1 + np.cos(np.pi * share)) / 2


def get(rate: "float | Schedule") -> Schedule:
    """A number as a constant schedule; a schedule as it is."""
    if hasattr(rate, "rates"):
        return rate
    return Constant(_check.real("learning_rate", rate, 0.0))
