"""The learning rates of an epoch's steps."""

from __future__ import annotations

import math

import numpy as np

from fastdl import _check, schedules
from fastdl.schedules import Constant, Cosine, ExponentialDecay, Schedule, Triangular, Warmup


class Rates:
    """Those of the epoch at hand, as the schedule plans them and as callbacks scale them.

    Attributes
    ----------
    values : float64 array (n,)
        Of the epoch's n steps.
    """

    def __init__(self, schedule: Schedule, n: int) -> None:
        self._schedule, self._n = schedule, n
        self._factors: list[float] = []
        self._are_the_same = type(schedule) is Constant  # in every epoch
        self._planned = self.values = np.empty(0)
        self._zero_from, self._idle_from = math.inf, math.inf  # steps
        self._n_idle = self._n_epochs = 0

    def plan(self, first: int, epoch: int) -> None:
        """Take an epoch, of which the first step has this number."""
        if type(self._schedule) is Constant:
            self._planned = np.full(self._n, self._schedule.rate)
            self.values = self._planned * self._scale if self._factors else self._planned
            return
        steps = np.arange(first, first + self._n)
        rates = _check.vector("rates", self._schedule.rates(steps, epoch), self._n)
        if (rates < 0).any():
            raise ValueError(
                f"rates must not be negative; got {rates.min()} from {self._schedule!r:.100}, "
                "use np.maximum(rates, 0)"
            )
        self._planned = rates
        self.values = rates * self._scale

    def plan_another(self, first: int, epoch: int) -> None:
        """Take another epoch, if it may differ from the one before."""
        if not self._are_the_same:
            self.plan(first, epoch)
            self._see_zeros(first)

    def _see_zeros(self, first: int) -> None:
        """Note the step from which the schedule's rates are 0, if those planned end so."""
        if self._planned[-1] > 0:
            self._zero_from = math.inf
        elif len(above := np.flatnonzero(self._planned)):
            self._zero_from = first + int(above[-1]) + 1
        else:
            self._zero_from = min(self._zero_from, first)

    def end_epoch(self, first: int) -> None:
        """Count an epoch, and whether its rates were all 0; its first step has this number."""
        self._n_epochs += 1
        if self._zero_from <= first:
            self._n_idle += 1
            self._idle_from = min(self._idle_from, self._zero_from)

    def why_idle(self, first: int, steps: int, epochs: int) -> str | None:
        """A sentence where epochs were trained at a rate of 0 alone, or None.

        Parameters
        ----------
        first : int
            The step with which they began.
        steps, epochs : int
            Those of the whole training, had nothing ended it.
        """
        if not self._n_idle or type(self._schedule) is Constant:  # who writes 0 means it
            return None
        on = " on" if self._zero_from == self._idle_from else ""
        since = f" from step {self._idle_from}{on}" if self._idle_from > first else ""
        remedy = _above_zero(self._schedule, steps, epochs)
        return (
            f"{self._n_idle} of {self._n_epochs} epochs learnt nothing, for the learning rate is 0"
            f"{since}: got {self._schedule!r:.200}, use {remedy}"
        )

    def scale(self, factor: float, at: int) -> None:
        """Multiply the rates of all steps to come, from one of this epoch on."""
        factors = [*self._factors, _check.real("factor", factor, above=0.0)]
        _check.real("factor times those before", math.prod(factors))
        self._factors, self._are_the_same = factors, False
        self.values = self.values.copy()
        self.values[at:] = self._planned[at:] * self._scale

    @property
    def _scale(self) -> float:
        """All factors together; in an order that does not go by that of the callbacks."""
        return math.prod(sorted(self._factors))


def _above_zero(schedule: Schedule, steps: int, epochs: int) -> str:
    """How a schedule gives rates above 0 through a training of so many steps and epochs."""
    while isinstance(schedule, Warmup):
        schedule = schedules.get(schedule.schedule)
    if isinstance(schedule, Cosine) and schedule.high > 0:
        by_epoch = f"steps={epochs}, unit='epoch'"
        return by_epoch if schedule.unit == "epoch" else f"{by_epoch} or steps={steps}"
    if isinstance(schedule, Triangular) and schedule.high > 0:
        return f"low={schedule.high / 100:g}"
    if isinstance(schedule, ExponentialDecay) and schedule.rate > 0:
        return f"floor={schedule.rate / 1000:g}"
    return "rates above 0, or fewer epochs"
