"""Made-up data sets of the shapes and about the difficulty of the real ones.

Everything is made of whole numbers, or of floats through single additions, products, quotients and
square roots, which round alike everywhere; so the same arguments give the same bytes on every
machine.
"""

from __future__ import annotations  # numpy.random is slow to import, so nothing does that yet

from collections.abc import Callable
from typing import Protocol

import numpy as np

from fastdl import _check
from fastdl.datasets import _stand_in_cifar10, _stand_in_mnist
from fastdl.datasets._types import Labels, Pixels, Splits, empty_split


class _World(Protocol):
    """A distribution of images of d pixels."""

    d: int

    def draw(self, y: Labels, rng: np.random.Generator) -> Pixels: ...


_WORLDS: dict[str, Callable[[np.random.Generator], _World]] = {
    "cifar10": _stand_in_cifar10.Patterns,
    "mnist": _stand_in_mnist.Digits,
}
_CHUNK = 500  # rows: what is made of them stays in the cache
_WORLD_SEED = 2424


def stand_in(name: str, n: int = 10_000, seed: int = 0) -> Splits:
    """Make a data set that stands in for a real one on a machine without it.

    The rows are drawn from one fixed distribution of images, whatever the seed, and those of every
    split independently. The same arguments give the same bytes on every machine.

    Parameters
    ----------
    name : str
        ``"cifar10"``: blurry colour patterns, several to a class, each as it is or mirrored, under
        clouds of colour and noise. ``"mnist"``: digits drawn with straight strokes.
    n : int
        The number of training rows.
    seed : int
        Seed of the draw.

    Returns
    -------
    (x, y), (xv, yv), (xt, yt)
        n training rows; to validate and to test on, a fifth of that each, but at least 1,000.
        ``x`` has shape (n, 3072) or (n, 784) and dtype uint8, ``y`` shape (n,) and dtype int64, in
        [0, 10), laid out as by `load_cifar10` and `load_mnist`.

    Raises
    ------
    ValueError, TypeError
        If the name is not known, ``n`` is not positive or ``seed`` is negative.

    Examples
    --------
    >>> (x, y), (xv, yv), (xt, yt) = fd.datasets.stand_in("mnist", 500)
    >>> x.shape, xt.shape
    ((500, 784), (1000, 784))
    """
    new_world = _WORLDS[_check.choice("name", name, tuple(_WORLDS))]
    n = _check.integer("n", n)
    seed = _check.integer("seed", seed, 0, 2**63 - 1)
    world = new_world(np.random.Generator(np.random.PCG64(_WORLD_SEED)))
    n_held_out = max(1000, n // 5)
    splits = [empty_split(rows, world.d) for rows in (n, n_held_out, n_held_out)]
    streams = np.random.SeedSequence(seed).spawn(len(splits))
    for (x, y), stream in zip(splits, streams, strict=True):
        rng = np.random.Generator(np.random.PCG64(stream))
        y[:] = rng.integers(0, 10, len(y))
        for start in range(0, len(y), _CHUNK):
            rows = slice(start, start + _CHUNK)
            x[rows] = world.draw(y[rows], rng)
    return splits[0], splits[1], splits[2]
