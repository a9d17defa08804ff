"""How an estimator steps: its rate from epoch to epoch, and the moments that the loops write."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastdl import _kernels, _memory
from fastdl.optim import Hyper


class Optimizer:
    """SGD or Adam, in scikit-learn's way.

    The loops multiply a velocity by the rate of the step, where scikit-learn's has the rates of
    the steps in it: so a velocity is scaled where the rate changes.

    Parameters
    ----------
    estimator : estimator
        Whose settings it takes.
    flat : array
        The network's parameters as they lie.

    Attributes
    ----------
    rate : float
        As the loops take it.
    t : int
        Steps done.
    moments : list of array
    """

    def __init__(self, estimator: Any, flat: NDArray[Any]) -> None:
        momentum = float(estimator.momentum)
        if estimator.solver == "adam":
            name, n = "adam_hat", 2
            settings = (estimator.beta_1, estimator.beta_2, estimator.epsilon)
        else:
            name, n = ("nesterov" if estimator.nesterovs_momentum else "momentum"), 1
            settings = (0.0, 0.0, momentum)
            if momentum == 0:
                name, n = "sgd", 0
        self._hyper = name, settings
        self._plan = estimator.learning_rate if estimator.solver == "sgd" else "constant"
        self._first, self._power = float(estimator.learning_rate_init), estimator.power_t
        self.rate, self.t = self._first, 0
        self.moments = [_memory.zeros(len(flat), flat.dtype) for _ in range(n)]
        self._layout = len(flat), flat.dtype

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.moments = [_memory.own(moment) for moment in self.moments]

    def fits(self, flat: NDArray[Any]) -> bool:
        """Whether its moments are laid out like these parameters."""
        return self._layout == (len(flat), flat.dtype)

    @property
    def hyper(self) -> Hyper:
        """As the loops take it."""
        name, settings = self._hyper
        return Hyper(_kernels.OPTIMISERS[name], settings)

    @property
    def learning_rate(self) -> float:
        """As scikit-learn tells it: Adam's has the corrections of the last step."""
        name, (beta_1, beta_2, _) = self._hyper
        if name != "adam_hat" or self.t == 0:
            return self.rate
        return float(self.rate * np.sqrt(1 - beta_2**self.t) / (1 - beta_1**self.t))

    def end_epoch(self, t: int) -> None:
        """Take the rate that follows t samples."""
        if self._plan == "invscaling":
            self._set(self._first / (t + 1) ** self._power)

    def stops(self, why: str, verbose: object) -> bool:
        """Whether training ends where nothing improves, or goes on at a lower rate."""
        goes_on = self._plan == "adaptive" and self.rate > 1e-6
        if goes_on:
            self._set(self.rate / 5)
        if verbose:
            small = "Learning rate too small. " if self._plan == "adaptive" else ""
            print(
                why,
                f"Setting learning rate to {self.rate:f}" if goes_on else f"{small}Stopping.",
            )
        return not goes_on

    def _set(self, rate: float) -> None:
        for velocity in self.moments:
            velocity *= self.rate / rate
        self.rate = rate
