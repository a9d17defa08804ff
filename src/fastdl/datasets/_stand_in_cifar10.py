"""Blurry colour patterns: what stands in for the images of CIFAR-10."""

from __future__ import annotations  # numpy.random is slow to import, so nothing does that yet

import numpy as np
from numpy.typing import NDArray

from fastdl.datasets._types import Labels, Pixels

_SIDE = 32
_PATTERNS = 3  # of a class, each also mirrored
# What all patterns of a class have in common, which a linear classifier finds, and what each has of
# its own, for which it takes more. A grid's points along a side, and its weight in the image. The
# clouds hide the patterns for good because one kind of them has the grid of the patterns.
_PATTERN_GRID, _COMMON_WEIGHT, _OWN_WEIGHT = 4, 4, 11
_CLOUDS = ((2, 20), (4, 29), (8, 12))
_CLOUDS_TO_DRAW_FROM = 512


class Patterns:
    """Images of ten classes: a pattern of the class, and clouds and noise of all classes alike."""

    d = 3 * _SIDE * _SIDE

    def __init__(self, rng: np.random.Generator) -> None:
        common = _smooth(rng, 10, _PATTERN_GRID) * np.int16(_COMMON_WEIGHT)
        own = _smooth(rng, 10 * _PATTERNS, _PATTERN_GRID) * np.int16(_OWN_WEIGHT)
        patterns = own.reshape(_PATTERNS, *common.shape) + common
        both = np.stack([patterns, patterns[..., ::-1]])
        self._patterns = both.reshape(2 * _PATTERNS, 10, self.d)
        self._clouds = [
            _smooth(rng, _CLOUDS_TO_DRAW_FROM, grid).reshape(-1, self.d) * np.int16(weight)
            for grid, weight in _CLOUDS
        ]

    def draw(self, y: Labels, rng: np.random.Generator) -> Pixels:
        """Draw an image for every label: shape (n, 3072)."""
        n = len(y)
        image = self._patterns[rng.integers(0, len(self._patterns), n), y]
        for clouds in self._clouds:
            image += clouds[rng.integers(0, len(clouds), n)]
        image >>= 5
        noise = rng.integers(0, 256, image.shape, np.uint8) >> 4
        image += noise
        image += 128 - 8
        return np.clip(image, 0, 255, out=image).astype(np.uint8)


def _smooth(rng: np.random.Generator, n: int, grid: int) -> NDArray[np.int16]:
    """Interpolate n random grids between their points: shape (n, 3, 32, 32), within 191 of 0."""
    grey, colour = (rng.integers(-127, 128, (n, planes, grid, grid)) for planes in (1, 3))
    values = (2 * grey + colour) // 2
    steps = _SIDE - 1
    position = np.arange(_SIDE) * (grid - 1)
    before = np.minimum(position // steps, grid - 2)
    weight = position - before * steps
    values = values[..., before] * (steps - weight) + values[..., before + 1] * weight
    values = values.swapaxes(2, 3)
    values = values[..., before] * (steps - weight) + values[..., before + 1] * weight
    values = values.swapaxes(2, 3) // steps**2
    return np.ascontiguousarray(values, np.int16)
