"""Digits drawn with straight strokes: what stands in for the images of MNIST."""

from __future__ import annotations  # numpy.random is slow to import, so nothing does that yet

import numpy as np
from numpy.typing import NDArray

from fastdl.datasets._types import Labels, Pixels

_SIDE = 28
_SHIFTS = 3  # places for a digit in either direction
_HANDS = 1500  # ways to write a digit
# The corners of a digit's strokes, (x, y) in hundredths from the top left.
_STROKES = (
    ((50, 0), (90, 25), (90, 75), (50, 100), (10, 75), (10, 25), (50, 0)),
    ((30, 20), (55, 0), (55, 100)),
    ((10, 20), (45, 0), (85, 20), (80, 45), (10, 100), (90, 100)),
    ((10, 8), (60, 0), (85, 25), (45, 48), (90, 72), (55, 100), (10, 90)),
    ((65, 100), (65, 0), (10, 65), (95, 65)),
    ((85, 0), (20, 0), (15, 45), (65, 40), (90, 70), (55, 100), (10, 92)),
    ((75, 0), (30, 35), (12, 75), (50, 100), (88, 75), (60, 50), (15, 70)),
    ((10, 0), (90, 0), (40, 100)),
    ((50, 48), (15, 25), (50, 0), (85, 25), (50, 48), (10, 75), (50, 100), (90, 75), (50, 48)),
    ((85, 30), (50, 50), (15, 25), (50, 0), (85, 30), (75, 100)),
)
_JITTER, _SHEAR, _TURN = 0.17, 0.4, 0.3
_WIDTH, _HEIGHT, _THICKNESS = (8, 17), (14, 20), (0.6, 1.9)


class Digits:
    """Images of ten digits: one of many ways to write it, somewhere near the middle."""

    d = _SIDE * _SIDE

    def __init__(self, rng: np.random.Generator) -> None:
        self._images = np.stack([_write(np.array(strokes) / 100, rng) for strokes in _STROKES])

    def draw(self, y: Labels, rng: np.random.Generator) -> Pixels:
        """Draw an image for every label: shape (n, 784)."""
        n = len(y)
        hand = rng.integers(0, _HANDS, n)
        place = rng.integers(0, _SHIFTS**2, n)
        x = np.empty((n, _SIDE, _SIDE), np.uint8)
        for i in range(_SHIFTS**2):
            top, left = divmod(i, _SHIFTS)
            here = place == i
            images = self._images[y[here], hand[here]]
            x[here] = images[:, top : top + _SIDE, left : left + _SIDE]
        return x.reshape(n, self.d)


def _write(strokes: NDArray[np.float64], rng: np.random.Generator) -> Pixels:
    """Write a digit in every hand, with a margin for the shifts: shape (hands, side, side)."""
    side = _SIDE + _SHIFTS - 1
    corners = strokes - 0.5 + _between(rng, -_JITTER, _JITTER, (_HANDS, *strokes.shape))
    x = corners[..., 0] * _between(rng, *_WIDTH)
    y = corners[..., 1] * _between(rng, *_HEIGHT)
    x -= y * _between(rng, -_SHEAR, _SHEAR)
    y += x * _between(rng, -_TURN, _TURN)
    distance = _distance(x + side / 2, y + side / 2, side)
    ink = (_between(rng, *_THICKNESS)[..., None] + 0.7 - distance) / 1.4
    grey: NDArray[np.float64] = np.rint(np.clip(ink, 0, 1) * 255)
    return grey.astype(np.uint8)


def _between(
    rng: np.random.Generator, low: float, high: float, shape: tuple[int, ...] = (_HANDS, 1)
) -> NDArray[np.float64]:
    """Draw from a thousandth to a thousandth."""
    drawn: NDArray[np.int64] = rng.integers(
        round(low * 1000), round(high * 1000), shape, endpoint=True
    )
    return drawn / 1000


def _distance(x: NDArray[np.float64], y: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Return how far every pixel is from the strokes between the corners (hands, corners)."""
    row, column = np.arange(side)[:, None] + 0.0, np.arange(side) + 0.0
    nearest = np.full((len(x), side, side), np.inf)
    for i in range(x.shape[1] - 1):
        x0, y0 = x[:, i, None, None], y[:, i, None, None]
        dx, dy = x[:, i + 1, None, None] - x0, y[:, i + 1, None, None] - y0
        along = ((column - x0) * dx + (row - y0) * dy) / (dx * dx + dy * dy + 1e-9)
        along = np.clip(along, 0, 1)
        square = (column - x0 - along * dx) ** 2 + (row - y0 - along * dy) ** 2
        np.minimum(nearest, square, out=nearest)
    distance: NDArray[np.float64] = np.sqrt(nearest)
    return distance
