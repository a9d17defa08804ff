"""What the rows of a network are: pixels or numbers, and the names of their columns.

A uint8 array is an image and is divided by 255. All else holds numbers, which are taken as they
are: floats, other integers, and every data frame, whatever its columns' dtypes. A network with a
scaling scales all of them alike. One without remembers which of the two it was fitted on.
"""

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import numpy as np

from fastdl import _check, _hints
from fastdl._check import Array
from fastdl._intake import Table

Kind = Literal["pixels", "numbers"]
_WHITE = 128  # integers that reach it, and stay below 256, look like pixels
_LEAST_IMAGE = 64  # of so many or more


class Inputs(NamedTuple):
    """What a network was fitted on.

    Attributes
    ----------
    kind : {"pixels", "numbers"}
    columns : tuple of str, or None
        The names of a data frame's columns, in their order.
    """

    kind: Kind
    columns: tuple[str, ...] | None = None


def read(name: str, given: Table, known: Inputs | None, scaled: bool) -> tuple[Array, Inputs]:
    """Rows as kernels read them, if they mean what those meant that the network was fitted on.

    Parameters
    ----------
    name : str
        Of the argument.
    given : Table
    known : Inputs or None
        What the network was fitted on; None: on nothing yet.
    scaled : bool
        Whether the network has a scaling, which holds for every dtype.

    Returns
    -------
    float32, float64 or uint8 array (n, d), and what it is
    """
    refuse_other_columns(name, given.columns, known)
    array = given.array if scaled else _as_known(name, given.array, known)
    rows = _check.readable(name, array)
    kind: Kind = "pixels" if rows.dtype == np.uint8 else "numbers"
    columns = given.columns or (None if known is None else known.columns)
    return rows, Inputs(kind, columns)


def with_columns(known: Inputs | None, columns: Iterable[str]) -> Inputs:
    """What a network was fitted on, numbers if nobody has said, in columns of these names."""
    return (known or Inputs("numbers"))._replace(columns=tuple(columns))


def refuse_other_columns(name: str, got: tuple[str, ...] | None, known: Inputs | None) -> None:
    """Refuse a frame's columns where they are not those that the network was fitted on."""
    if known is not None and known.columns and got not in (None, known.columns):
        raise ValueError(_other_columns(name, got or (), known.columns))


def read_as_they_are(known: Inputs | None, scaled: bool) -> tuple[bool, bool, bool]:
    """Whether rows of float32, float64 and uint8 are read as they come, being what is known."""
    numbers = scaled or known is None or known.kind == "numbers"
    return numbers, numbers, scaled or known is None or known.kind == "pixels"


def read_as_before(known: Inputs | None) -> tuple[bool, bool, bool]:
    """Which of these leave what is known as it is."""
    kind = None if known is None else known.kind
    return kind == "numbers", kind == "numbers", kind == "pixels"


def from_saved(saved: Any, d: int) -> Inputs | None:
    """What a file says of it; None in files from before that was kept.

    Raises
    ------
    TypeError, ValueError
        For anything else than what JSON makes of ``Inputs``.
    """
    if saved is None:
        return None
    kind, columns = saved
    _check.choice("the kind of inputs", kind, ("pixels", "numbers"))
    if columns is None:
        return Inputs(kind)
    if len(columns) != d or not all(isinstance(column, str) for column in columns):
        raise ValueError(f"columns must be the names of {d} inputs; got {columns!r:.100}")
    return Inputs(kind, tuple(columns))


def _as_known(name: str, array: Array, known: Inputs | None) -> Array:
    """An array that means what is known, or is clear by itself where nothing is."""
    it = f"np.asarray({name})"
    if known is None or known.kind == "numbers":
        if _look_like_pixels(array):
            raise ValueError(
                f"{name} must say what its integers up to {array.max()} are; got {array.dtype}, "
                f"use {it}.astype(np.uint8) for pixels, which are divided by 255, "
                f"or {it}.astype(np.float32) for numbers, which are taken as they are"
            )
    elif array.dtype != np.uint8:
        return _as_pixels(name, array)
    if known is not None and known.kind == "numbers" and array.dtype == np.uint8:
        raise TypeError(
            f"{name} must hold numbers, on which this network was fitted; got uint8, which are "
            f"pixels: use {it}.astype(np.float32) for numbers taken as they are, "
            f"or {it} / 255 for pixels if it was fitted on such"
        )
    return array


def _look_like_pixels(array: Array) -> bool:
    """Whether integers lie in [0, 255] and reach the upper half: an image in a wider dtype."""
    if array.dtype.kind not in "iu" or array.dtype == np.uint8 or not array.size:
        return False
    is_wide = array.shape[1] >= _LEAST_IMAGE
    return is_wide and bool(array.min() >= 0 and _WHITE <= array.max() <= 255)


def _as_pixels(name: str, array: Array) -> Array:
    """Whole numbers from 0 to 255 of another integer dtype as the pixels that they are."""
    least, most = (array.min(), array.max()) if array.size else (0, 0)
    if array.dtype.kind in "biu" and least >= 0 and most <= 255:
        return array.astype(np.uint8)
    remedy = f"bring it from {least:.4g} to {most:.4g} into that range"
    if least >= 0 and most <= 1:
        remedy = f"use np.rint(255 * np.asarray({name})).astype(np.uint8)"
    elif least >= 0 and most <= 255:
        remedy = f"use np.asarray({name}).astype(np.uint8)"
    raise TypeError(
        f"{name} must hold pixels, uint8 from 0 to 255, on which this network was fitted; got "
        f"{array.dtype}, {remedy}"
    )


def _other_columns(name: str, got: tuple[str, ...], known: tuple[str, ...]) -> str:
    """The sentence about columns of other names, or in another order."""
    rule = f"{name} must have the columns on which this network was fitted, in their order"
    missing = [column for column in known if column not in got]
    if missing:
        return f"{rule}; got none named {missing[0]!r:.100}{_hints.near(missing[0], got)}"
    return f"{rule}; got {', '.join(got):.200}, use {name}[list(network.inputs.columns)]"
