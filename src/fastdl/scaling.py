"""How raw features become inputs: (x - shift) * scale, applied while a row is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastdl import _check, _hints
from fastdl._check import Array

_BLOCK = 256  # rows that are held as float64 at once
_LARGEST_OFFSET = 256.0  # deviations from zero to a mean: with more, (x - 0) * scale loses digits


@dataclass(frozen=True, eq=False)
class Scaling:
    """The inputs of a network are (x - shift) * scale, feature by feature.

    Parameters
    ----------
    shift, scale : float64 array (d,)

    Examples
    --------
    >>> x = np.array([[1.0, 100.0], [3.0, 300.0]])
    >>> scaling = fd.Scaling.standard(x)
    >>> scaling.shift, scaling.scale
    (array([  2., 200.]), array([1.  , 0.01]))
    >>> net = fd.Network([2, 8, 3], scaling=scaling)
    """

    shift: Array
    scale: Array

    def __post_init__(self) -> None:
        d = None
        for name in ("shift", "scale"):
            array = _check.vector(name, getattr(self, name), d)
            d = len(array)
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.shift, self.scale)

    @_hints.maker
    def standard(cls, x: ArrayLike) -> Scaling:
        """Mean 0 and standard deviation 1 of every feature of x; a constant one becomes 0.

        Parameters
        ----------
        x : array (n, d) of any real dtype
            The training rows; summed in float64 by blocks.
        """
        rows = _data(x)
        span = _span(rows)
        mean = np.where(span > 0, _mean(rows), rows[0])  # exact where all are alike
        # A power of two near 1 / the range: squares then neither over- nor underflow.
        unit = np.exp2(-np.clip(np.frexp(span)[1], -1000, 1000))
        total, square = np.zeros((2, rows.shape[1]))
        for start in range(0, len(rows), _BLOCK):
            block = (rows[start : start + _BLOCK] - mean) * unit
            total += block.sum(axis=0)
            square += np.einsum("nd,nd->d", block, block)
        # The mean may be rounded by more than what is left of numbers far from zero.
        variance = square / len(rows) - np.square(total / len(rows))
        return cls(mean, np.where(span > 0, unit / np.sqrt(np.where(span > 0, variance, 1)), 1))

    @_hints.maker
    def centred(cls, x: ArrayLike, divisor: float = 255.0) -> Scaling:
        """(x - the mean of every feature of x) / divisor.

        Parameters
        ----------
        x : array (n, d) of any real dtype
            The training rows.
        divisor : float
            Above 0.
        """
        mean = _mean(_data(x))
        divisor = _check.real("divisor", divisor, above=0.0)
        return cls(mean, np.full(len(mean), 1 / divisor))

    @_hints.maker
    def divided(cls, d: int, divisor: float = 255.0) -> Scaling:
        """x / divisor for d features.

        Parameters
        ----------
        d : int
        divisor : float
            Above 0.
        """
        divisor = _check.real("divisor", divisor, above=0.0)
        return cls(np.zeros(_check.integer("d", d)), np.full(d, 1 / divisor))


class Applied:
    """A scaling in the types in which rows are scaled, or that of pixels where none is.

    Attributes
    ----------
    offset : array (d,) or None
        What inputs lack where the shift is left out; None where to leave it out loses digits.
    """

    def __init__(self, scaling: Scaling | None, d: int, dtype: np.dtype[Any]) -> None:
        if scaling is not None and not isinstance(scaling, Scaling):
            raise TypeError(
                f"scaling must be a Scaling; got {scaling!r:.100}, use "
                f"fd.Scaling.divided({d}) for pixels or fd.Scaling.standard(x)"
            )
        if scaling is not None and len(scaling.shift) != d:
            raise ValueError(
                f"scaling must be of {d} features, the network's inputs; got "
                f"{len(scaling.shift)}, use fd.Scaling.divided({d}) or make it of these rows"
            )
        self._only_pixels, self._dtype = scaling is None, dtype
        double = scaling or Scaling.divided(d)
        shift = _check.cast("scaling.shift", double.shift, dtype)
        scale = _check.cast("scaling.scale", double.scale, dtype)
        if ((scale == 0) & (double.scale != 0)).any():
            raise ValueError(
                f"scaling.scale must not be as small as {np.abs(double.scale).min():g} in "
                f"{dtype}; use dtype='float64'"
            )
        self._by_dtype = {dtype: (shift, scale), np.dtype(np.float64): (double.shift, double.scale)}
        offset = _check.cast("scaling.shift", -double.shift * double.scale, dtype)
        self.offset = offset if np.abs(offset).max() <= _LARGEST_OFFSET else None

    def of(self, x: Array) -> tuple[Array, Array] | None:
        """The shift and the scale of rows of this dtype, in the type in which they are applied."""
        if self._only_pixels and x.dtype != np.uint8:
            return None
        return self._by_dtype[x.dtype if x.dtype == np.float64 else self._dtype]

    def as_read(self, x: Array) -> tuple[Array | None, Array | None, Array | None]:
        """Shift, scale and offset of rows of this dtype, as the loops take them."""
        scaling = self.of(x)
        return (None, None, None) if scaling is None else (*scaling, self.offset)


def _data(x: ArrayLike) -> Array:
    rows = _check.rows("x", x)
    _check.some("x", rows)
    _check.finite("x", rows)
    return rows


def _span(rows: Array) -> Array:
    """The range of every feature."""
    with np.errstate(over="ignore"):
        span: Array = rows.max(axis=0).astype(np.float64) - rows.min(axis=0)
    _check.finite("the range of x", span)
    return span


def _mean(rows: Array) -> Array:
    total = np.zeros(rows.shape[1])
    for start in range(0, len(rows), _BLOCK):
        total += rows[start : start + _BLOCK].sum(axis=0, dtype=np.float64)
    return total / len(rows)
