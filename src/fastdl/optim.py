"""The optimisers: settings alone; the kernels do the steps, the trainer keeps the moments."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from fastdl import _check, _hints, _kernels, schedules
from fastdl.schedules import Schedule


class Hyper(NamedTuple):
    """How parameters are updated, as the kernels and loops take it.

    Attributes
    ----------
    optimiser : int
        Its code.
    settings : tuple of float
        In the order of its update.
    clip_norm : float
        The most that the gradient of a batch may have; 0: no bound.
    """

    optimiser: int
    settings: tuple[float, ...]
    clip_norm: float = 0.0


_ELSEWHERE = _hints.table(  # what a user of another library looks for, and what it is here
    {
        "optimiser.learning_rate": "lr rate learning_rate_init",
        "fd.Trainer(net, optimiser).step(x, y)": "step zero_grad minimize apply_gradients",
    }
)


class _Named(_hints.Hinted):
    """What tells of names that it has not."""

    def _elsewhere(self) -> Mapping[str, str]:
        return _ELSEWHERE


@dataclass(frozen=True)
class SGD(_Named):
    """Stochastic gradient descent, with momentum (Polyak 1964) or Nesterov's if asked for.

    With g the gradient of the cost: velocity = momentum velocity + g, then
    W -= rate velocity, or rate (g + momentum velocity) with ``nesterov``.

    Parameters
    ----------
    learning_rate : float or Schedule
    momentum : float in [0, 1)
    nesterov : bool
        Needs a momentum.

    Examples
    --------
    >>> fd.SGD(0.1, momentum=0.9)
    SGD(learning_rate=0.1, momentum=0.9, nesterov=False)
    >>> optimiser = fd.SGD(fd.schedules.Cosine(0.1, 20, unit="epoch"))
    """

    learning_rate: float | Schedule
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        schedules.get(self.learning_rate)
        nesterov = _check.boolean("nesterov", self.nesterov)
        if _check.real("momentum", self.momentum, 0.0, 1.0) == 0.0 and nesterov:
            raise ValueError("momentum must be above 0 with nesterov; got 0, use momentum=0.9")

    @property
    def n_moments(self) -> int:
        """The arrays of the parameters' size that it keeps."""
        return int(self.momentum > 0)

    @property
    def hyper(self) -> Hyper:
        """Its settings as the kernels take them."""
        name = "nesterov" if self.nesterov else "momentum" if self.momentum > 0 else "sgd"
        return Hyper(_kernels.OPTIMISERS[name], (0.0, 0.0, self.momentum))


@dataclass(frozen=True)
class Adam(_Named):
    """Adam (Kingma and Ba 2015, algorithm 1); the penalties count as part of the gradient.

    Parameters
    ----------
    learning_rate : float or Schedule
    beta1, beta2 : float in [0, 1)
    epsilon : float
        Above 0.

    Examples
    --------
    >>> fd.Adam(1e-3)
    Adam(learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-08)
    """

    learning_rate: float | Schedule = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        schedules.get(self.learning_rate)
        _check.real("beta1", self.beta1, 0.0, 1.0)
        _check.real("beta2", self.beta2, 0.0, 1.0)
        _check.real("epsilon", self.epsilon, above=0.0)

    @property
    def n_moments(self) -> int:
        """The arrays of the parameters' size that it keeps."""
        return 2

    @property
    def hyper(self) -> Hyper:
        """Its settings as the kernels take them."""
        return Hyper(_kernels.OPTIMISERS["adam"], (self.beta1, self.beta2, self.epsilon))


@dataclass(frozen=True)
class AdamHat(Adam):
    """Adam in the other order of its paper (the end of section 2), as Keras has it.

    W -= rate sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + epsilon): epsilon stands beside the
    root of a mean that is not corrected, and so counts for more in the first steps than Adam's.

    Parameters
    ----------
    learning_rate : float or Schedule
    beta1, beta2 : float in [0, 1)
    epsilon : float
        Above 0.

    Examples
    --------
    >>> fd.AdamHat(1e-3).epsilon
    1e-08
    """

    @property
    def hyper(self) -> Hyper:
        """Its settings as the kernels take them."""
        return super().hyper._replace(optimiser=_kernels.OPTIMISERS["adam_hat"])


@dataclass(frozen=True)
class AdamW(_Named):
    """Adam with a decay of the weights beside the gradient's step (Loshchilov and Hutter 2019).

    W -= rate (Adam's step + weight_decay W); biases do not decay. Penalties l1 and l2 count as part
    of the gradient all the same, so leave them at 0 where the decay is to be the only one.

    Parameters
    ----------
    learning_rate : float or Schedule
    weight_decay : float
        Not negative.
    beta1, beta2 : float in [0, 1)
    epsilon : float
        Above 0.

    Examples
    --------
    >>> fd.AdamW(1e-3, weight_decay=0.05)
    AdamW(learning_rate=0.001, weight_decay=0.05, beta1=0.9, beta2=0.999, epsilon=1e-08)
    """

    learning_rate: float | Schedule = 1e-3
    weight_decay: float = 1e-2
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        Adam(self.learning_rate, self.beta1, self.beta2, self.epsilon)  # refuses what is wrong
        _check.real("weight_decay", self.weight_decay, 0.0)

    @property
    def n_moments(self) -> int:
        """The arrays of the parameters' size that it keeps."""
        return 2

    @property
    def hyper(self) -> Hyper:
        """Its settings as the kernels take them."""
        settings = self.beta1, self.beta2, self.epsilon, self.weight_decay
        return Hyper(_kernels.OPTIMISERS["adamw"], settings)


Optimiser = SGD | Adam | AdamW
