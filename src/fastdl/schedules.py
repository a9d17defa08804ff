"""The learning rate as a function of the step.

Every schedule answers ``rates(steps, epoch)``: the rates (float64) of the update steps with these
numbers, all of one epoch; both are counted from 0 over the whole training. A schedule whose unit is
the epoch keeps one rate through each of them.
"""

from dataclasses import dataclass
from numbers import Real
from typing import Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from fastdl import _check

Steps = NDArray[np.intp]
Rates = NDArray[np.float64]
Unit = Literal["epoch", "step"]


class Schedule(Protocol):
    """Anything with a method ``rates``.

    Examples
    --------
    >>> class Halved:
    ...     def rates(self, steps, epoch):
    ...         return np.full(len(steps), 0.1 * 0.5**epoch)
    >>> optimiser = fd.SGD(Halved())
    """

    def rates(self, steps: Steps, epoch: int) -> Rates:
        """The learning rate of each step."""
        ...


@dataclass(frozen=True)
class Constant:
    """The same rate always.

    Examples
    --------
    >>> fd.schedules.Constant(0.1).rates(np.arange(3), epoch=0)
    array([0.1, 0.1, 0.1])
    """

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

    Examples
    --------
    >>> schedule = fd.schedules.ExponentialDecay(0.1, 0.5)
    >>> [schedule.rates(np.arange(1), epoch).item() for epoch in range(3)]
    [0.1, 0.05, 0.025]
    """

    rate: float
    decay: float
    every: float = 1.0
    unit: Unit = "epoch"
    floor: float = 0.0

    def __post_init__(self) -> None:
        _check.real("rate", self.rate, 0.0)
        if _check.real("decay", self.decay, above=0.0) > 1:
            raise ValueError(f"decay must be finite and lie in (0, 1]; got {self.decay:g}")
        _check.real("every", self.every, above=0.0)
        _check_unit(self.unit)
        _check.real("floor", self.floor, 0.0)

    def rates(self, steps: Steps, epoch: int) -> Rates:
        """The learning rate of each step."""
        t = _counted(self.unit, steps, epoch)
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

    Examples
    --------
    >>> schedule = fd.schedules.StepDecay(0.5, factor=0.5, every=2)
    >>> [schedule.rates(np.arange(1), epoch).item() for epoch in range(5)]
    [0.5, 0.5, 0.25, 0.25, 0.125]
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
        Steps from low to high (n_s), or epochs, as ``unit`` says.
    unit : {"step", "epoch"}

    Examples
    --------
    >>> fd.schedules.Triangular(0.0, 1.0, half_cycle=2).rates(np.arange(6), epoch=0)
    array([0. , 0.5, 1. , 0.5, 0. , 0.5])
    """

    low: float
    high: float
    half_cycle: int
    unit: Unit = "step"

    def __post_init__(self) -> None:
        _check.real("low", self.low, 0.0)
        _check.real("high", self.high, self.low)
        _check.integer("half_cycle", self.half_cycle)
        _check_unit(self.unit)

    def rates(self, steps: Steps, epoch: int) -> Rates:
        """The learning rate of each step."""
        t = _counted(self.unit, steps, epoch)
        position = (t % (2 * self.half_cycle)) / self.half_cycle
        return self.low + (self.high - self.low) * (1 - np.abs(1 - position))


@dataclass(frozen=True)
class Cosine:
    """From high to low along half a cosine, then low (Loshchilov and Hutter 2017).

    ``Cosine(0.1, 10)`` counts steps and is at low after ten of them, which may be within the first
    epoch; ``Cosine(0.1, 10, unit="epoch")`` takes ten epochs.

    Parameters
    ----------
    high : float
    steps : int
        Of the half cosine; with ``unit="epoch"`` they are epochs.
    low : float
    unit : {"step", "epoch"}

    Examples
    --------
    >>> fd.schedules.Cosine(1.0, 4).rates(np.arange(6), epoch=0).round(3)
    array([1.   , 0.854, 0.5  , 0.146, 0.   , 0.   ])
    """

    high: float
    steps: int
    low: float = 0.0
    unit: Unit = "step"

    def __post_init__(self) -> None:
        _check.real("low", self.low, 0.0)
        _check.real("high", self.high, self.low)
        _check.integer("steps", self.steps)
        _check_unit(self.unit)

    def rates(self, steps: Steps, epoch: int) -> Rates:
        """The learning rate of each step."""
        share = np.minimum(_counted(self.unit, steps, epoch) / self.steps, 1.0)
        return self.low + (self.high - self.low) * (1 + np.cos(np.pi * share)) / 2


@dataclass(frozen=True)
class Warmup:
    """The rates of another schedule, but grown linearly to them over the first steps.

    Step t of them, counted from 0, has the share (t + 1) / steps of its rate. The other schedule
    counts from the first step on, too: of ``Warmup(Cosine(0.1, 1000), 100)`` 900 are left for it.

    Parameters
    ----------
    schedule : float or Schedule
    steps : int
        With the full rate from the last of them on; with ``unit="epoch"`` they are epochs.
    unit : {"step", "epoch"}

    Examples
    --------
    >>> fd.schedules.Warmup(1.0, steps=4).rates(np.arange(6), epoch=0)
    array([0.25, 0.5 , 0.75, 1.  , 1.  , 1.  ])
    """

    schedule: float | Schedule
    steps: int
    unit: Unit = "step"

    def __post_init__(self) -> None:
        get(self.schedule, "schedule")
        _check.integer("steps", self.steps)
        _check_unit(self.unit)

    def rates(self, steps: Steps, epoch: int) -> Rates:
        """The learning rate of each step."""
        share = np.minimum((_counted(self.unit, steps, epoch) + 1) / self.steps, 1.0)
        return share * get(self.schedule).rates(steps, epoch)


def get(rate: float | Schedule, name: str = "learning_rate") -> Schedule:
    """A number as a constant schedule; a schedule as it is."""
    if callable(getattr(rate, "rates", None)) and not isinstance(rate, type):
        return cast(Schedule, rate)
    if not isinstance(rate, Real):
        raise TypeError(f"{name} must be a number or a schedule; got {rate!r:.100}, use 0.1")
    return Constant(_check.real(name, rate, 0.0))


def _check_unit(unit: object) -> None:
    _check.choice("unit", unit, ("epoch", "step"))


def _counted(unit: Unit, steps: Steps, epoch: int) -> Steps:
    """What each step is to a schedule that counts in this unit."""
    return np.full(len(steps), epoch) if unit == "epoch" else steps
