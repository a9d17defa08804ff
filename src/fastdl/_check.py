"""The only file that rejects bad arrays: the rule, the value, the remedy in one sentence.

What a function here returns may go to a kernel: native, aligned, of a known dtype, of sizes that a
C int holds. Numbers of other dtypes are taken where nothing of them is lost (``_intake``). An array
is copied only where its dtype or its memory order asks for it; what a kernel counts with, labels
and row numbers, always, and before it is looked at: another thread may change the caller's.
"""

import inspect
import operator
import os
import stat
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastdl import _hints, _intake
from fastdl._intake import LARGEST, Table
from fastdl._intake import Array as Array

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def _dimensions(name: str, array: Array, shape: Sequence[int | None], remedy: str = "") -> None:
    """None stands for any length."""
    fits = array.ndim == len(shape) and all(
        want is None or want == got for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        rule = ", ".join("any" if want is None else str(want) for want in shape)
        if len(shape) == 1:
            rule += ","
            remedy = f", use np.ravel({name})" if shape[0] in (None, array.size) else remedy
        raise ValueError(f"{name} must have the shape ({rule}); got {array.shape}{remedy}")


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
    """A float array in C order, copied if it is not; of the dtype ``like`` if that is given.

    Narrower floats count as float32, integers and bools as float64.
    """
    given = _intake.numbers(name, _intake.array(name, value))
    array = _intake.as_float(name, given)
    if like is None and given.dtype.kind != "f":
        array = array.astype(np.float64)
    if like is not None and not np.can_cast(array.dtype, like):
        raise TypeError(
            f"{name} must be {like.name} like the arrays before it; got {array.dtype.name}, "
            f"use {name}.astype(np.{like.name})"
        )
    if shape is not None:
        _dimensions(name, array, shape)
    return np.require(array, like, ("C", "A"))


def vector(name: str, value: ArrayLike, n: int | None = None) -> NDArray[np.float64]:
    """Finite numbers (n,) of any real dtype, as a float64 array of its own."""
    array = _intake.numbers(name, _intake.array(name, value))
    _dimensions(name, array, (n,), f", use np.ones({n}) with your numbers")
    with np.errstate(over="ignore"):  # a long double may be too large
        result = np.array(array, np.float64)
    _all_finite(name, result)
    return result


def _all_finite(name: str, array: Array, remedy: str = "") -> None:
    """As ``finite`` for what has no rows that could be left out."""
    if not np.isfinite(array).all():
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(
            f"{name} must be finite; got {array[at]} at {_intake.place(at)}, "
            f"use {remedy or f'np.where(np.isfinite({name}), {name}, 0)'}"
        )


def table(name: str, value: ArrayLike, d: int | None = None) -> Table:
    """A data set (n, d) of any real dtype, and the names of its columns if it has any."""
    given = _intake.table(name, value)
    array = given.array
    if array.ndim != 2 or d not in (None, array.shape[1]):
        rule = "the shape (rows, inputs)" if d is None else f"{d} columns, the network's inputs"
        remedy = _rows_again(_as_array(name, value), array, d)
        raise ValueError(f"{name} must have {rule}; got {array.shape}{remedy}")
    return given


def _as_array(name: str, value: object) -> str:
    """An argument in code, as what has the methods of an array."""
    return name if type(value) is np.ndarray else f"np.array({name})"


def _rows_again(it: str, array: Array, d: int | None) -> str:
    """How an array of another shape becomes rows of d numbers, if it is clear."""
    if array.ndim == 1 and d in (1, None):
        return f", use {it}[:, None]"
    if array.ndim == 1 and array.size == d:
        return f", use {it}[None]"
    if array.ndim == 2 and array.shape[0] == d:
        return f", use {it}.T"
    if d is not None and array.size == d:
        return f", use {it}.reshape(1, -1)"
    if array.ndim > 2 and d in (None, array[:1].size):
        return f", use {it}.reshape({len(array)}, -1)"
    return ""


def rows(name: str, value: ArrayLike, d: int | None = None) -> Array:
    """A data set (n, d) as float32, float64 or uint8; copied only where it has to be."""
    return readable(name, table(name, value, d).array)


def readable(name: str, array: Array) -> Array:
    """Rows of any real dtype as kernels read them: floats or uint8, a row's items side by side."""
    if array.dtype != np.uint8:
        array = _intake.as_float(name, array)
    if not array.flags.aligned or (array.shape[1] > 1 and array.strides[1] != array.itemsize):
        array = np.require(array, requirements=("C", "A"))
    elif array.strides[0] % array.itemsize:
        array = np.ascontiguousarray(array)
    return array


def some(name: str, array: Array) -> None:
    """At least one row, for what takes a mean."""
    if len(array) == 0:
        raise ValueError(f"{name} must have at least one row; got shape {array.shape}")


def finite(
    name: str,
    array: Array,
    like: np.dtype[Any] | None = None,
    scaling: tuple[Array, Array] | None = None,
) -> None:
    """No NaN and no infinity, nor in the dtype ``like`` after (x - shift) * scale, if given.

    It is looked at in blocks, so nothing of the data's size is allocated.
    """
    if array.dtype.kind != "f":
        return
    for start in range(0, len(array), 4096):
        block = array[start : start + 4096]
        with np.errstate(over="ignore", invalid="ignore"):
            if scaling is not None:
                block = (block - scaling[0]) * scaling[1]
            if like is not None:
                block = block.astype(like, copy=False)
            if np.isfinite(block.sum()):  # one pass; a sum of finite numbers may still overflow
                continue
        bad = ~np.isfinite(block)
        if bad.any():
            at = np.argwhere(bad)[0]
            at[0] += start
            raise ValueError(_not_finite(name, array, tuple(int(i) for i in at), like))


def _not_finite(name: str, array: Array, at: tuple[int, ...], like: np.dtype[Any] | None) -> str:
    value, where = array[at], _intake.place(at)
    each = ".all(axis=1)" if array.ndim > 1 else ""
    if not np.isfinite(value):
        rule, mask = "finite", f"np.isfinite(np.array({name}, float)){each}"
    elif array.ndim > 1:
        rule, mask = f"finite in {like}", f"(np.abs(np.array({name})) < 1e38){each}"
    else:
        return f"{name} must be finite in {like}; got {value} at {where}, use dtype='float64'"
    return (
        f"{name} must be {rule}; got {value} at {where}, fill such items or keep the rows of {mask}"
    )


def cast(name: str, array: Array, like: np.dtype[Any]) -> Array:
    """Finite numbers as a C array of the dtype ``like``, which must be able to hold them."""
    finite(name, array, like)
    return np.require(array, like, ("C", "A"))


def labels(name: str, value: ArrayLike, n: int, k: int) -> NDArray[np.intc]:
    """Labels (n,) in [0, k), whole numbers of any dtype, as an array of C ints of its own."""
    given = _intake.array(name, value)
    if found := _intake.words(given):
        word, all_words = found
        form = "np.array({}, str)" if given.dtype.kind == "O" else "{}"
        raise TypeError(
            f"{name} must be integers; got words such as {word!r:.40}, "
            f"{_encoded(name, form)}{_more_than(k, all_words)}"
        )
    array = _intake.numbers(name, given)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2:
        what = _of_two_axes(_as_array(name, value), array, n)
        raise ValueError(f"{name} must be one label a row; got {what}")
    _dimensions(name, array, (n,), f", a label for each of {n} rows of x")
    array = np.array(array, order="C")
    if array.dtype.kind == "b":
        array = array.astype(np.intc)
    finite(name, array)
    broken = np.mod(array, 1) != 0 if array.dtype.kind == "f" else np.zeros(0, bool)
    if broken.any():
        row = int(broken.argmax())
        raise ValueError(
            f"{name} must be whole numbers; got {array[row]} at row {row}, "
            f"use np.rint({name}) if they are labels, or loss='mse' for numbers"
        )
    wrong = (array < 0) | (array >= k)
    if wrong.any():
        row = int(wrong.argmax())
        remedy = _in_range(name, _as_array(name, value), array, k)
        raise ValueError(f"{name} must lie in [0, {k}); got {array[row]} at row {row}, {remedy}")
    return array.astype(np.intc, copy=False)


def _of_two_axes(it: str, array: Array, n: int) -> str:
    """What labels of two axes are, and how they become one a row."""
    is_mask = bool(np.isin(array, (0, 1)).all())
    for axis, rows in ((1, array), (0, array.T)):
        if is_mask and len(rows) == n and (rows.sum(axis=1) == 1).all():
            return f"one-hot of shape {array.shape}, use {it}.argmax(axis={axis})"
    if is_mask and len(array) == n:
        return (
            f"several labels a row in an array of ones and zeros of the shape {array.shape}, "
            f"use {it}[:, 0], or a network with loss='binary_cross_entropy' for all of them"
        )
    if len(array) == 1:
        return f"the shape {array.shape}, use {it}[0]"
    return f"the shape {array.shape}, use {it}[:, 0], or whichever column is the label"


def _in_range(name: str, it: str, array: Array, k: int) -> str:
    """How whole numbers become labels in [0, k)."""
    least, greatest = int(array.min()), int(array.max())
    n_labels = len(np.unique(array))
    if least == 1 and greatest == k:
        return f"use {it} - 1 if they count from 1"
    if least >= 0 and n_labels > k and greatest < 2 * n_labels:
        return f"labels up to {greatest} take {greatest + 1} outputs"
    return f"{_encoded(name)}{_more_than(k, array)}"


def _more_than(k: int, labels: Array) -> str:
    """That a network of k outputs has too few for these, if it has."""
    n_labels = len(np.unique(labels))
    return f", and {n_labels} outputs for so many" if n_labels > k else ""


def _encoded(name: str, form: str = "{}") -> str:
    """How anything that tells classes from each other becomes labels."""
    code = f"classes, {name} = np.unique({form.format(name)}, return_inverse=True)"
    return f"use {code} on the labels of all rows at once"


def targets(name: str, value: ArrayLike, n: int, k: int, like: np.dtype[Any]) -> Array:
    """Targets (n, k), or (n,) where k is 1, in the dtype ``like``; finite."""
    array = _intake.table(name, value).array
    if array.ndim == 1 and k == 1:
        array = array[:, None]
    remedy = ""
    if array.ndim == 1 and len(array) == n and array.dtype.kind in "iu":
        remedy = f", use np.eye({k})[{name}] if they are labels"
    elif array.ndim == 2 and array.T.shape == (n, k):
        remedy = f", use {name}.T"
    _dimensions(name, array, (n, k), remedy)
    result = cast(name, array, like)
    _keeps_its_digits(name, array, result)
    return result


def binary(name: str, value: ArrayLike, n: int, k: int, like: np.dtype[Any]) -> Array:
    """Targets (n, k), or (n,) where k is 1, each 0 or 1, in the dtype ``like``."""
    result = targets(name, value, n, k, like)
    wrong = np.argwhere((result != 0) & (result != 1))
    if len(wrong):
        row, column = wrong[0]
        raise ValueError(
            f"{name} must be 0 or 1; got {result[row, column]:g} at row {row}, use "
            f"np.asarray({name}) > 0 if what is above 0 is to be 1, or loss='mse' for numbers"
        )
    return result


def not_negative(name: str, array: Array) -> Array:
    """Targets that count something."""
    wrong = np.argwhere(array < 0)
    if len(wrong):
        row, column = wrong[0]
        raise ValueError(
            f"{name} must not be negative with loss='poisson'; got {array[row, column]:g} at row "
            f"{row}, use np.maximum({name}, 0), or loss='mse' for numbers of any sign"
        )
    return array


def _keeps_its_digits(name: str, array: Array, result: Array) -> None:
    """Refuse targets that differ by little more than what they lose: they would be learnt wrong."""
    if not len(array) or np.can_cast(array.dtype, result.dtype):
        return
    lost = np.abs(result.astype(np.float64) - array).max(axis=0)
    deviation = np.std(array, axis=0, dtype=np.float64)
    if (lost > 1e-3 * deviation)[deviation > 0].any():
        raise ValueError(
            f"{name} must keep its digits in {result.dtype}; got numbers up to {array.max():.10g} "
            f"that differ by {deviation.min():.4g}, use {name} - np.mean({name}, axis=0)"
        )


def weights(name: str, value: ArrayLike, n: int, like: np.dtype[Any]) -> Array:
    """Row weights (n,): finite, none negative, not all zero."""
    if isinstance(value, str):
        raise TypeError(
            f"{name} must be an array; got {value!r:.100}, use {name}=None, class_weight='balanced'"
        )
    array = _intake.numbers(name, _intake.array(name, value))
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    _dimensions(name, array, (n,), f", use np.ones({n}) with a weight for each row")
    array = cast(name, array, like)
    if (array < 0).any():
        row = int((array < 0).argmax())
        raise ValueError(
            f"{name} must not be negative; got {array[row]} at row {row}, "
            f"use np.maximum({name}, 0) to leave such rows out"
        )
    if not array.any():
        raise ValueError(
            f"{name} must leave some row a weight above 0; got 0 for every one, leave these rows "
            "out altogether, or use None to weigh all alike"
        )
    return array


def writable(name: str, value: object, like: Array | None = None) -> Array:
    """An array that a kernel changes in place: C order, aligned, writable, of ``like``'s shape."""
    if not isinstance(value, np.ndarray):
        raise TypeError(
            f"{name} must be a NumPy array, it is changed in place; got a {type(value).__name__}, "
            f"use np.array({name}, np.float64)"
        )
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must not be a masked array; use {name}.filled(0)")
    array: Array = value.view()  # the caller may set the shape of his
    allowed = FLOATS if like is None else (like.dtype,)
    if array.dtype not in allowed or not array.dtype.isnative:
        rule = " or ".join(dtype.name for dtype in allowed)
        raise TypeError(
            f"{name} must be {rule}, it is changed in place; got {array.dtype}, "
            f"use {name}.astype(np.{allowed[-1].name})"
        )
    if like is not None:
        _dimensions(name, array, like.shape)
    if not (array.flags.c_contiguous and array.flags.aligned and array.flags.writeable):
        raise ValueError(
            f"{name} must be writable and in C order, it is changed in place; "
            f"use np.array({name}, order='C')"
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
    array = _intake.numbers(name, _intake.array(name, value))
    _dimensions(name, array, (None,))
    if array.dtype.kind not in "iu":
        remedy = f"np.flatnonzero({name})" if array.dtype == bool else f"{name}.astype(np.int64)"
        raise TypeError(f"{name} must be integers; got {array.dtype.name}, use {remedy}")
    array = np.array(array, order="C")
    wrong = (array < 0) | (array >= n)
    if wrong.any():
        at, it = int(wrong.argmax()), _as_array(name, value)
        raise ValueError(
            f"{name} must lie in [0, {n}); got {array[at]} at position {at}, "
            f"use {it}[({it} >= 0) & ({it} < {n})]"
        )
    return array.astype(np.intp, copy=False)


def integer(name: str, value: object, least: int = 1, most: int = LARGEST) -> int:
    """A whole number in [least, most]; True and 3.0 are none."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError as error:
        usual = least == 1 and most >= LARGEST
        rule = "an integer" if usual else f"an integer in [{least}, {most}]"
        raise TypeError(f"{name} must be {rule}; got {value!r}"[:200]) from error
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


def takes_two(value: object) -> bool:
    """Whether it can be called with two arguments; where nobody can tell, yes."""
    if not callable(value):
        return False
    try:
        inspect.signature(value).bind(None, None)
    except TypeError:
        return False
    except ValueError:
        pass
    return True


def path(value: object, name: str = "path") -> str:
    """A path to a file; a number of an open one is none."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{name} must be a string or a PathLike; got {value!r}"[:200])
    return os.fspath(value)


def file(value: object, name: str = "path") -> str:
    """A path to a file, not to a folder."""
    result = path(value, name)
    if os.path.isdir(result):
        raise IsADirectoryError(
            f"{name} must be that of a file; got the folder {result!r}, add the file's name"
        )
    return result


def new_file(value: object) -> str:
    """A path at which a file may be written: its folder is there."""
    result = file(value)
    folder = os.path.dirname(result) or "."
    try:
        is_folder = stat.S_ISDIR(os.stat(folder).st_mode)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"path must lie in a folder that exists; got {result!r}, "
            f"use os.makedirs({os.path.abspath(folder)!r}) before"
        ) from None
    except NotADirectoryError:
        is_folder = False
    except OSError:  # writing will tell what is wrong, such as that nobody may look there
        is_folder = True
    if not is_folder:
        raise NotADirectoryError(
            f"path must lie in a folder; got {result!r} in what is a file, choose another one"
        )
    return result


_WRITERS = {  # what is written to files of these endings, and by what
    ".safetensors": "net.save(path) for a network",
    ".onnx": "net.to_onnx(path) for an ONNX graph",
    ".csv": "history.to_csv(path) for records",
}
_FORMATS = {  # other endings by which another library knows what is in a file
    *(".npz", ".npy", ".pkl", ".pickle", ".joblib", ".h5", ".hdf5", ".keras", ".pt", ".pth"),
    *(".json", ".parquet", ".xlsx"),
}


def written(value: object, ending: str) -> str:
    """A path to a file that will be of this ending's format: another format's ending would lie."""
    name = path(value)
    stem, got = os.path.splitext(name)
    got = got.lower()
    if got != ending and (got in _FORMATS or got in _WRITERS):
        remedy = f", or {_WRITERS[got]}" if got in _WRITERS else ""
        raise ValueError(
            f"path must not have the ending of another format than {ending}; got {name!r:.200}, "
            f"use {stem + ending!r}{remedy}"
        )
    return name


def boolean(name: str, value: object, beside: str = "") -> bool:
    """True or False; a word such as "no" would count as true.

    beside: what else may be given, in words.
    """
    if not isinstance(value, bool | np.bool_):
        is_number = isinstance(value, int) and value in (0, 1)
        use = f", use {name}={bool(value)}" if is_number else ""
        raise TypeError(f"{name} must be True or False{beside}; got {value!r:.100}{use}")
    return bool(value)


def choice(
    name: str, value: object, among: Sequence[str], elsewhere: Mapping[str, str] | None = None,
    beside: str = "",
) -> str:  # fmt: skip
    """One of the names.

    elsewhere: what to use by other libraries' names for it, in small letters; beside: what else may
    be given, in words.
    """
    if not isinstance(value, str) or value not in among:
        use = (elsewhere or {}).get(str(value).lower())
        remedy = _hints.near(value, among) if use is None else f", use {use}"
        rule = f"{name} must be one of {', '.join(among)}{beside}"
        raise ValueError(f"{rule}; got {value!r:.100}{remedy}")
    return value


def values(
    name: str, value: ArrayLike, shape: Sequence[int], like: np.dtype[Any], remedy: str = ""
) -> Array:
    """Finite numbers of this shape, rounded to the dtype ``like``, as an array of its own.

    remedy: what to use where some are not finite.
    """
    array = _intake.numbers(name, _intake.array(name, value))
    across = f", use np.transpose({name})" if array.T.shape == tuple(shape) else ""
    _dimensions(name, array, shape, across)
    _all_finite(name, array, remedy)
    return np.array(cast(name, array, like))
