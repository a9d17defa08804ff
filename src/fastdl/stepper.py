"""Steps of one batch each: those that come ready go to the loops at once, others are checked."""

from __future__ import annotations

from numpy.typing import ArrayLike

from fastdl import _kernels, advice, batch
from fastdl.data import Data, data_sets, led, refuse_if_not_finite, rows_of_fit
from fastdl.fit import DivergenceError, Terms
from fastdl.history import History
from fastdl.rates import Rates
from fastdl.schedules import Constant


class Stepper:
    """Takes steps by what a trainer's settings and its network's penalties are when it is made.

    Attributes
    ----------
    layers : tuple of Layer
        The network's when it was made.
    """

    def __init__(self, terms: Terms) -> None:
        core, state = terms.core, terms.state
        core.refuse_if_not_finite()
        self.layers, self._terms, self._state = core.layers, terms, state
        self._rates = Rates(terms.schedule, 1)
        self._rate = terms.schedule.rate if isinstance(terms.schedule, Constant) else None
        self._steps, self._takes = terms.steps(), core.loss.takes

    def take(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> float:
        """One step; the mean loss of its batch."""
        steps, state, loss = self._steps, self._state, None
        steps.t = state.step
        try:
            rate = self._planned() if self._rate is None else self._rate
            if sample_weight is None and self._takes(y):
                loss = steps.take_ready(x, y, rate)
            if loss is None:
                loss = self._take_checked(x, y, sample_weight, rate)
        finally:  # counts without a call of a function, where Ctrl-C could come between
            state.step = steps.t
        if loss - loss != 0:  # it is not finite
            self._refuse(loss, x, y, sample_weight)
        return loss

    def follow(self, x: ArrayLike, dlogits: ArrayLike) -> None:
        """One step by the gradient of the logits (n, k)."""
        steps, state, found = self._steps, self._state, None
        steps.t = state.step
        try:
            rate = self._planned() if self._rate is None else self._rate
            found = steps.follow_ready(x, dlogits, rate)
            if found is None:
                found = self._follow_checked(x, dlogits, rate)
        finally:
            state.step = steps.t
        if found - found != 0:
            data, _ = led(self._terms.core, x, dlogits)
            raise self._divergence(found, data)

    def _planned(self) -> float:
        """The schedule's rate of this step."""
        self._rates.plan(self._state.step, self._state.epoch)
        return float(self._rates.values[0])

    def _take_checked(
        self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, rate: float
    ) -> float:
        terms, core = self._terms, self._terms.core
        data = self._read(x, y, sample_weight)
        loss = batch.take(core, self._steps, data, rate, terms.settings.n_threads)
        if loss - loss == 0:
            core.inputs = data.inputs
        return loss

    def _follow_checked(self, x: ArrayLike, dlogits: ArrayLike, rate: float) -> float:
        terms, core = self._terms, self._terms.core
        data, gradient = led(core, x, dlogits)
        n = len(data.x)
        threads = core.threads(terms.settings.n_threads, n)
        with core.serial_blas(n, trains=True):
            found = self._steps.follow(rows_of_fit(core, data), gradient, rate, threads)
        if found == 0:
            core.inputs = data.inputs
        return found

    def _read(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> Data:
        return data_sets(self._terms.core, x, y, sample_weight=sample_weight)[0]

    def _refuse(
        self, loss: float, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None
    ) -> None:
        """Say why there is no loss: because of x, or of the steps."""
        data = self._read(x, y, sample_weight)
        refuse_if_not_finite(self._terms.core, "x", data.x)
        raise self._divergence(loss, data)

    def _divergence(self, loss: float, data: Data) -> DivergenceError:
        """That the loss is not finite because of the step before, or of this one's rate."""
        core, state = self._terms.core, self._state
        held = f"the parameters of step {state.step}"
        if not _kernels.finite(state.parameters):
            held = "some that are not finite, make it again or load it"
        scale = advice.of_scale(core, data)
        return DivergenceError(state.epoch + 1, state.step + 1, loss, History(), scale, held)
