"""The only file that rejects bad arrays: the rule, the value, the remedy in one sentence.

What a function here returns may go to a kernel: native, aligned, of a known dtype, of sizes that a
C int holds. An array is copied only where its memory order asks for it; what a kernel counts with,
labels and row numbers, always, and before it is looked at: another thread may change the caller's.
"""

import operator
import os
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Array = NDArray[Any]

LARGEST = 2**31 - 1
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
ROW_TYPES = (*FLOATS, np.dtype(np.uint8))


def _array(name: str, value: object) -> Array:
    """Any array-like as an array of its own shape, before anything is copied."""
    if value is None:
        raise TypeError(f"{name} must be an array; got None")
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must not be a masked array; use {name}.filled(value)")
    try:
        array: Array = np.asarray(value).view()  # the caller may set the shape of his
    except ValueError as error:
        raise TypeError(f"{name} must be an array; got rows of unequal lengths") from error
    if array.dtype.hasobject and array.ndim == 2 and hasattr(value, "items"):
        array = _columns(value, array)
    if array.dtype.hasobject:
        raise TypeError(
            f"{name} must hold numbers; got {type(value).__name__} of dtype object, "
            f"use np.asarray({name}, np.float32), or .toarray() if it is sparse"
        )
    for length in array.shape:
        if length > LARGEST:
            raise OverflowError(
                f"{name} must have dimensions of at most {LARGEST}; got shape {array.shape}, "
                "split it"
            )
    return array


def _columns(frame: Any, objects: Array) -> Array:
    """A data frame whose columns are Arrow's or nullable; as a whole it is one of objects."""
    try:
        return np.column_stack([np.asarray(column) for _, column in frame.items()])
    except (TypeError, ValueError):  # columns that have no dtype in common, or none at all
        return objects


def _numbers(name: str, value: object, allowed: Sequence[np.dtype[Any]]) -> Array:
    array = _array(name, value)
    if array.dtype not in allowed or not array.dtype.isnative:
        rule = " or ".join(dtype.name for dtype in allowed)
        raise TypeError(
            f"{name} must be {rule} in native byte order; got {array.dtype.str} "
            f"({array.dtype.name}), use {name}.astype(np.{allowed[0].name})"
        )
    return array


def _dimensions(name: str, array: Array, shape: Sequence[int | None]) -> None:
    """None stands for any length."""
    fits = array.ndim == len(shape) and all(
        want is None or want == got for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        rule = ", ".join("any" if want is None else str(want) for want in shape)
        rule += "," if len(shape) == 1 else ""
        raise ValueError(f"{name} must have the shape ({rule}); got {array.shape}")


def dtype(value: DTypeLike) -> np.dtype[Any]:
    """float32 or float64."""
    if value is None:
        raise TypeError("dtype must be float32 or float64; got None")
    try:
        result = np.dtype(value)
    except TypeError as error:
        raise TypeError(f"dtype must be float32 or float64; got {value!r}") from error
    if result not in FLOATS or not result.isnative:
        raise TypeError(f"dtype must be float32 or float64; got {result.name}")
    return result


def floats(
    name: str,
    value: ArrayLike,
    shape: Sequence[int | None] | None = None,
    like: np.dtype[Any] | None = None,
) -> Array:
    """A float array in C order, copied if it is not; of the dtype ``like`` if that is given."""
    array = _numbers(name, value, FLOATS if like is None else (like,))
    if shape is not None:
        _dimensions(name, array, shape)
    return np.require(array, requirements=("C", "A"))


def vector(name: str, value: ArrayLike, n: int | None = None) -> NDArray[np.float64]:
    """Finite numbers (n,) of any real dtype, as a float64 array of its own."""
    array = _array(name, value)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} must hold real numbers; got {array.dtype.name}")
    _dimensions(name, array, (n,))
    with np.errstate(over="ignore"):  # a long double may be too large
        result = np.array(array, np.float64)
    finite(name, result)
    return result


def rows(name: str, value: ArrayLike, d: int | None = None) -> Array:
    """A data set (n, d) of float32, float64 or uint8; copied only where a row is not contiguous."""
    array = _numbers(name, value, ROW_TYPES)
    if array.ndim != 2:
        raise ValueError(
            f"{name} must have the shape (rows, inputs); got {array.shape}, "
            f"use {name}.reshape(len({name}), -1)"
        )
    if d is not None and array.shape[1] != d:
        raise ValueError(
            f"{name} must have {d} columns, the network's inputs; got {array.shape[1]}"
        )
    if not array.flags.aligned or (array.shape[1] > 1 and array.strides[1] != array.itemsize):
        array = np.require(array, requirements=("C", "A"))
    elif array.strides[0] % array.itemsize:
        array = np.ascontiguousarray(array)
    return array


def some(name: str, array: Array) -> None:
    """At least one row, for what takes a mean."""
    if len(array) == 0:
        raise ValueError(f"{name} must have at least one row; got shape {array.shape}")


def finite(name: str, array: Array) -> None:
    """No NaN and no infinity; looked at in blocks, so nothing of the data's size is allocated."""
    if array.dtype.kind != "f":
        return
    for start in range(0, len(array), 4096):
        block = array[start : start + 4096]
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(block.sum()):  # one pass; a sum of finite numbers may still overflow
                continue
        bad = ~np.isfinite(block)
        if bad.any():
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            value = array[start + at[0], *at[1:]]
            place = f"row {start + at[0]}" + (f", column {at[1]}" if len(at) > 1 else "")
            raise ValueError(
                f"{name} must be finite; got {value} at {place}, drop or fill such rows"
            )


def cast(name: str, array: Array, like: np.dtype[Any]) -> Array:
    """Finite numbers as a C array of the dtype ``like``, which must be able to hold them."""
    with np.errstate(over="ignore"):
        result = np.require(array, like, ("C", "A"))
    if array.dtype != like and not np.isfinite(result).all():
        raise ValueError(f"{name} must be finite in {like.name}; got numbers too large for it")
    return result


def labels(name: str, value: ArrayLike, n: int, k: int) -> NDArray[np.intc]:
    """Integer labels (n,) in [0, k), as an array of C ints of its own."""
    array = _array(name, value)
    if array.ndim == 2 and array.shape[1] > 1:
        raise ValueError(
            f"{name} must be one integer a row; got shape {array.shape}, "
            f"use {name}.argmax(axis=1) if it is one-hot"
        )
    _dimensions(name, array, (n,))
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must be integers; got {array.dtype.name}, use {name}.astype(np.int64)"
        )
    array = np.array(array, order="C")
    wrong = (array < 0) | (array >= k)
    if wrong.any():
        row = int(wrong.argmax())
        remedy = f", use {name} - 1 if they count from 1" if array[row] == k else ""
        raise ValueError(f"{name} must lie in [0, {k}); got {array[row]} at row {row}{remedy}")
    return array.astype(np.intc, copy=False)


def targets(name: str, value: ArrayLike, n: int, k: int, like: np.dtype[Any]) -> Array:
    """Float targets (n, k), or (n,) where k is 1, in the dtype ``like``; finite."""
    array = _numbers(name, value, FLOATS)
    if array.ndim == 1 and k == 1:
        array = array[:, None]
    _dimensions(name, array, (n, k))
    finite(name, array)
    return cast(name, array, like)


def weights(name: str, value: ArrayLike, n: int, like: np.dtype[Any]) -> Array:
    """Row weights (n,): finite, none negative, not all zero."""
    array = _numbers(name, value, FLOATS)
    _dimensions(name, array, (n,))
    finite(name, array)
    if (array < 0).any():
        row = int((array < 0).argmax())
        raise ValueError(f"{name} must not be negative; got {array[row]} at row {row}")
    if not array.any():
        raise ValueError(f"{name} must not all be zero; give at least one row a weight")
    return cast(name, array, like)


def writable(name: str, value: object, like: Array | None = None) -> Array:
    """An array that a kernel changes in place: C order, aligned, writable, of ``like``'s shape."""
    if not isinstance(value, np.ndarray):
        raise TypeError(
            f"{name} must be a NumPy array, it is changed in place; got {value!r}"[:200]
        )
    array = _numbers(name, value, FLOATS if like is None else (like.dtype,))
    if like is not None:
        _dimensions(name, array, like.shape)
    if not (array.flags.c_contiguous and array.flags.aligned and array.flags.writeable):
        raise ValueError(
            f"{name} must be writable and in C order, it is changed in place; "
            f"use np.ascontiguousarray({name}) or {name}.copy()"
        )
    return array


def apart(**arrays: Array) -> None:
    """No two of these arrays share memory."""
    names = list(arrays)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            if np.may_share_memory(arrays[a], arrays[b]):
                raise ValueError(f"{a} and {b} must not share memory; use {b}.copy()")


def order(name: str, value: ArrayLike, n: int) -> NDArray[np.intp]:
    """Row numbers in [0, n), as an array of its own."""
    array = _array(name, value)
    _dimensions(name, array, (None,))
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers; got {array.dtype.name}")
    array = np.array(array, order="C")
    wrong = (array < 0) | (array >= n)
    if wrong.any():
        at = int(wrong.argmax())
        raise ValueError(f"{name} must lie in [0, {n}); got {array[at]} at position {at}")
    return array.astype(np.intp, copy=False)


def integer(name: str, value: object, least: int = 1, most: int = LARGEST) -> int:
    """A whole number in [least, most]; True and 3.0 are none."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError as error:
        raise TypeError(f"{name} must be an integer; got {value!r}") from error
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an integer; got {value!r}")
    if not least <= number <= most:
        raise ValueError(f"{name} must lie in [{least}, {most}]; got {number}")
    return number


def real(
    name: str, value: object, least: float = -np.inf, below: float = np.inf, above: float = -np.inf
) -> float:
    """A finite number with least <= value < below and value > above."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number; got {value!r}"[:200])
    try:
        number = float(value)
    except OverflowError:
        number = np.inf
    if not (np.isfinite(number) and least <= number < below and number > above):
        low = f"({above:g}" if above > -np.inf else f"[{least:g}"
        rule = f"{low}, {below:g})".replace("[-inf", "(-inf")
        raise ValueError(f"{name} must be finite and lie in {rule}; got {number:g}")
    return number


def path(value: object, name: str = "path") -> str:
    """A path to a file; a number of an open one is none."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name} must be a string or a PathLike; got {value!r}"[:200])
    return os.fspath(value)


def boolean(name: str, value: object) -> bool:
    """True or False; a word such as "no" would count as true."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False; got {value!r:.100}")
    return bool(value)


def choice(name: str, value: object, among: Sequence[str]) -> str:
    """One of the names."""
    if not isinstance(value, str) or value not in among:
        raise ValueError(f"{name} must be one of {', '.join(among)}; got {value!r}")
    return value


def exact(name: str, value: ArrayLike, shape: Sequence[int], like: np.dtype[Any]) -> Array:
    """Finite numbers of this shape as an array of its own, of a dtype that holds them exactly."""
    array = _array(name, value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers; got {array.dtype.name}")
    _dimensions(name, array, shape)
    finite(name, array)
    result = np.array(cast(name, array, like))
    if (result != array).any():
        raise ValueError(
            f"{name} must hold numbers that {like.name} has exactly; got {array.dtype.name}, "
            f"round them with .astype(np.{like.name})"
        )
    return result
