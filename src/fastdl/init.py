"""Initialisations of a weight; biases start at zero."""

from dataclasses import dataclass
from math import sqrt
from typing import Protocol

import numpy as np

from fastdl import _check
from fastdl._check import Array


class Init(Protocol):
    """Draws a weight.

    Examples
    --------
    >>> class Orthogonal:
    ...     def draw(self, rng, d, h):
    ...         return np.linalg.qr(rng.normal(size=(d, h)))[0]
    >>> net = fd.Network([8, 4, 2], init=Orthogonal())
    """

    def draw(self, rng: np.random.Generator, d: int, h: int) -> Array:
        """A float64 array (d, h)."""
        ...


@dataclass(frozen=True)
class Normal:
    """Normal with mean 0 and standard deviation ``sigma``.

    Examples
    --------
    >>> fd.Network([4, 8, 3], init=fd.init.Normal(0.1)).n_parameters
    67
    """

    sigma: float = 0.01

    def __post_init__(self) -> None:
        _check.real("sigma", self.sigma, 0.0)

    def draw(self, rng: np.random.Generator, d: int, h: int) -> Array:
        """A float64 array (d, h)."""
        return rng.normal(0.0, self.sigma, (d, h))


@dataclass(frozen=True)
class Xavier:
    """Normal with standard deviation 1 / sqrt(d), d the inputs: the fan-in form of Glorot's.

    Examples
    --------
    >>> fd.Network([4, 8, 3], init=fd.init.Xavier()).n_parameters
    67
    """

    def draw(self, rng: np.random.Generator, d: int, h: int) -> Array:
        """A float64 array (d, h)."""
        return rng.normal(0.0, 1 / sqrt(d), (d, h))


@dataclass(frozen=True)
class He:
    """Normal with standard deviation sqrt(2 / d), d the inputs (He et al. 2015), for ReLU.

    Examples
    --------
    >>> fd.Network([4, 8, 3], init=fd.init.He()).n_parameters
    67
    """

    def draw(self, rng: np.random.Generator, d: int, h: int) -> Array:
        """A float64 array (d, h)."""
        return rng.normal(0.0, sqrt(2 / d), (d, h))


@dataclass(frozen=True)
class Uniform:
    """Uniform between -1 / sqrt(d) and 1 / sqrt(d), d the inputs.

    Examples
    --------
    >>> fd.Network([4, 8, 3], init=fd.init.Uniform()).n_parameters
    67
    """

    def draw(self, rng: np.random.Generator, d: int, h: int) -> Array:
        """A float64 array (d, h)."""
        return rng.uniform(-1 / sqrt(d), 1 / sqrt(d), (d, h))


INITS: dict[str, Init] = {
    "normal": Normal(), "xavier": Xavier(), "he": He(), "uniform": Uniform(),
}  # fmt: skip


def get(init: str | Init) -> Init:
    """An initialisation by its name, or as it is."""
    if isinstance(init, str):
        return INITS[_check.choice("init", init, tuple(INITS), None, ", or what has a method draw")]
    if not hasattr(init, "draw"):
        raise TypeError(f"init must be a name or have a method draw; got {init!r:.100}, use 'he'")
    return init
