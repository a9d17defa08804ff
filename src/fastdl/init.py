"""Initialisations of a weight; biases start at zero."""

from dataclasses import dataclass
from math import sqrt
from typing import Protocol

import numpy as np

from fastdl import _check
from fastdl._check import Array


class Init(Protocol):
    """Draws a weight."""

    def draw(self, rng: np.random.Generator, d: int, h: int) -> Array:
        """A float64 array (d, h)."""
        ...


@dataclass(frozen=True)
class Normal:
    """Normal with mean 0 and standard deviation ``sigma``."""

    sigma: float = 0.01

    def __post_init__(self) -> None:
        _check.real("sigma", self.sigma, 0.0)

    def draw(self, rng: np.random.Generator, d: int, h: int) -> Array:
        """A float64 array (d, h)."""
        return rng.normal(0.0, self.sigma, (d, h))


@dataclass(frozen=True)
class Xavier:
    """Normal with standard deviation 1 / sqrt(d), d the inputs: the fan-in form of Glorot's."""

    def draw(self, rng: np.random.Generator, d: int, h: int) -> Array:
        """A float64 array (d, h)."""
        return rng.normal(0.0, 1 / sqrt(d), (d, h))


@dataclass(frozen=True)
class He:
    """Normal with standard deviation sqrt(2 / d), d the inputs (He et al. 2015), for ReLU."""

    def draw(self, rng: np.random.Generator, d: int, h: int) -> Array:
        """A float64 array (d, h)."""
        return rng.normal(0.0, sqrt(2 / d), (d, h))


@dataclass(frozen=True)
class Uniform:
    """Uniform between -1 / sqrt(d) and 1 / sqrt(d), d the inputs."""

    def draw(self, rng: np.random.Generator, d: int, h: int) -> Array:
        """A float64 array (d, h)."""
        return rng.uniform(-1 / sqrt(d), 1 / sqrt(d), (d, h))


INITS: dict[str, Init] = {
    "normal": Normal(), "xavier": Xavier(), "he": He(), "uniform": Uniform(),
}  # fmt: skip


def get(init: str | Init) -> Init:
    """An initialisation by its name, or as it is."""
    if isinstance(init, str):
        return INITS[_check.choice("init", init, tuple(INITS))]
    if not hasattr(init, "draw"):
        raise TypeError(f"init must be a name or have a method draw; got {init!r:.100}, use 'he'")
    return init
