"""What people bring as arrays of numbers: lists, frames, tensors, masked and nullable columns.

Nothing here knows what an array is for. What cannot become an array of numbers without a loss is
refused in one sentence: the argument, the rule, the value, the remedy.
"""

import datetime
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

LARGEST = 2**31 - 1
_EXACT = 2**53  # beyond which float64 does not hold every integer
_WORDS = (str, bytes)
_EACH = ", replace each by one number"
_NUMBERS = (bool, int, float, np.bool_, np.integer, np.floating)


class Table(NamedTuple):
    """A data set as it was brought.

    Attributes
    ----------
    array : Array
        Of real numbers of any kind, of its own shape; of a frame as floats.
    columns : tuple of str, or None
        The names of a frame's columns, unless they are numbered from 0.
    """

    array: Array
    columns: tuple[str, ...] | None


def table(name: str, value: object) -> Table:
    """Rows of numbers, of a frame as floats."""
    if type(value) is np.ndarray or not is_frame(value):
        return Table(numbers(name, array(name, value)), None)
    labels, columns = _columns(value)
    whole = np.asarray(value) if _is_plain(value) else _by_column(name, value, labels, columns)
    numbered = labels == list(range(len(labels)))
    return Table(as_float(name, whole), None if numbered else tuple(map(str, labels)))


def _is_plain(frame: Any) -> bool:
    """Whether a frame's columns are NumPy's floats, or all of one dtype of its numbers."""
    dtypes = set(getattr(frame, "dtypes", ()))
    kinds = {dtype.kind if isinstance(dtype, np.dtype) else "O" for dtype in dtypes}
    return kinds == {"f"} or (len(dtypes) == 1 and kinds <= set("biu"))


def _by_column(name: str, frame: Any, labels: Sequence[Any], columns: Iterable[Any]) -> Array:
    """A frame column by column, so that the one at fault is named."""
    each = []
    for label, column in zip(labels, columns, strict=True):
        where = f"column {label!r} of {name}"
        given = array(where, column)
        is_word = words(given) is not None and not any(map(_is_numeral, given.tolist()))
        is_word = is_word and not _are_dates(given)
        whole = numbers(where, given, _encoded(name, frame, label) if is_word else "")
        each.append(as_float(where, whole))
    dtype = np.result_type(np.float32, *each)
    return np.stack(each, axis=1, dtype=dtype) if each else np.empty((frame.shape[0], 0), dtype)


def array(name: str, value: object) -> Array:
    """Any array-like as an array of its own shape; words and times are left to who asked."""
    if type(value) is np.ndarray and value.dtype.kind in "biuf":
        result: Array = value.view()  # the caller may set the shape of his
    else:
        result = _standard(name, _from(name, value), value)
    for length in result.shape:
        if length > LARGEST:
            raise OverflowError(
                f"{name} must have dimensions of at most {LARGEST}; got shape {result.shape}, "
                "split it"
            )
    return result


def _from(name: str, value: object) -> Array:
    """Whatever it is as an array of NumPy."""
    if value is None:
        raise TypeError(f"{name} must be an array; got None")
    if hasattr(value, "toarray") and hasattr(value, "nnz"):
        kind = type(value).__name__
        raise TypeError(f"{name} must be dense; got a {kind}, use {name}.toarray()")
    if isinstance(value, np.ma.MaskedArray):
        _no_missing(name, np.ma.getmaskarray(value), f"use {name}.filled(0) to fill them")
        return np.asarray(value.data).view()
    try:
        if is_frame(value):
            return np.stack([np.asarray(column) for column in _columns(value)[1]], axis=1)
        return np.asarray(value).view()
    except ValueError as error:
        raise TypeError(f"{name} must be an array; got rows of unequal lengths") from error
    except Exception as error:  # whatever another library's tensors raise
        raise TypeError(
            f"{name} must be an array in the memory of NumPy; got a {type(value).__name__} "
            f"({error!s:.80}), use {_to_numpy(name, value)}"
        ) from error


def _standard(name: str, given: Array, value: object) -> Array:
    """NumPy's own dtypes for what can be one: numbers that are objects, or another library's."""
    if given.dtype.hasobject and given.ndim:
        return _from_objects(name, given, hasattr(value, "notna"))
    if given.dtype.kind == "V" and given.dtype.names is None and _fits(given, np.float32):
        return given.astype(np.float32)  # bfloat16 and its like
    return given


def _whole(name: str) -> str:
    """In code, what is named: of a column of a frame the frame."""
    return name.rpartition(" of ")[2]


def _it(name: str) -> str:
    """In code, what is named: a column by its label."""
    label, of, whole = name.removeprefix("column ").rpartition(" of ")
    return f"{whole}[{label}]" if of else name


def _from_objects(name: str, given: Array, is_pandas: bool) -> Array:
    """Objects that are all real numbers as such an array, others as they are."""
    items = given.reshape(-1).tolist()
    has_words = any(isinstance(item, _WORDS) for item in items)
    if given.ndim == 1 or not has_words:  # rows of words are refused for those
        absent = [_is_missing(item) or (has_words and _is_nan(item)) for item in items]
        remedy = _without_missing(name, given.ndim, is_pandas)
        _no_missing(name, np.array(absent, bool).reshape(given.shape), remedy)
    if not all(_is_number(item) for item in items):
        return given
    lost = [isinstance(item, int) and float(item) != item for item in items]
    if any(lost) and any(isinstance(item, float) for item in items):
        at = place([int(i) for i in np.unravel_index(lost.index(True), given.shape)])
        raise _inexact(name, items[lost.index(True)], at, f"np.array({name}, np.float64)")
    return np.array(items, None if items else np.float64).reshape(given.shape)


def _inexact(name: str, value: object, at: str, remedy: str) -> ValueError:
    return ValueError(
        f"{name} must hold numbers that float64 holds exactly; got {value} at {at}, use {remedy}"
    )


def _without_missing(name: str, ndim: int, is_pandas: bool) -> str:
    """How to go on without what is missing; a missing label is no label."""
    if ndim == 1 and is_pandas:
        whole = _whole(name)
        return f"keep the rows of {whole}.notna(){'' if whole == name else '.all(axis=1)'}"
    if ndim == 1:
        return f"keep the rows of [one is not None and one == one for one in {name}]"
    return f"use np.nan_to_num(np.array({name}, np.float64)) to fill them"


def _is_number(item: Any) -> bool:
    """Whether it is a real number that an array of NumPy's integers or floats holds."""
    return isinstance(item, _NUMBERS) and not (isinstance(item, int) and abs(item) >= 2**63)


def _is_row(item: object) -> bool:
    """Whether it is a container of several things."""
    return isinstance(item, Iterable) and not isinstance(item, _WORDS)


def _is_missing(item: object) -> bool:
    return item is None or type(item).__name__ in ("NAType", "NaTType")


def _is_nan(item: Any) -> bool:
    return getattr(item, "ndim", 0) == 0 and bool(item != item)


def _no_missing(name: str, absent: Array, remedy: str) -> None:
    if absent.any():
        at = place(tuple(int(i) for i in np.argwhere(absent)[0]))
        raise ValueError(f"{name} must have no missing values; got one at {at}, {remedy}")


def place(index: Sequence[int]) -> str:
    """Where an item of an array is, in words."""
    if not len(index):
        return "its only item"
    return f"row {index[0]}" + (f", column {index[1]}" if len(index) > 1 else "")


def numbers(name: str, given: Array, remedy: str = "") -> Array:
    """Real numbers of any of NumPy's dtypes: bool, integers, floats."""
    if given.dtype.kind in "biuf":
        return given
    if given.dtype.kind in "mM" and (absent := np.isnat(given)).any():
        kept = f"~np.isnat(np.array({_it(name)}))" + (".any(axis=1)" if given.ndim > 1 else "")
        _no_missing(name, absent, f"keep the rows of {kept}")
    what, advice = _described(name, given)
    raise TypeError(f"{name} must hold real numbers; got {what}{remedy or advice}")


def _described(name: str, given: Array) -> tuple[str, str]:
    """What is no array of real numbers, and what to do about it."""
    kind = given.dtype.kind
    if kind == "O" and given.ndim == 0:
        return f"a {type(given.item()).__name__}", _unpacked(name, given.item())
    if kind in "OUST":
        return _of_items(name, given, given.reshape(-1).tolist())
    if kind in "mM":
        return f"times ({given.dtype})", _replaced(name, "np.array({}).astype(np.int64)")
    if kind == "c":
        return f"complex numbers ({given.dtype})", _replaced(name, "np.real({})")
    return "records", f", use np.column_stack([{name}[field] for field in {name}.dtype.names])"


def _of_items(name: str, given: Array, items: Sequence[Any]) -> tuple[str, str]:
    """The same of words and things; of several kinds rows, which no other remedy takes, count."""
    wrong = [i for i, item in enumerate(items) if not _is_numeral(item)]
    if not wrong:
        odd = next((each for each in items if not _is_number(each)), "")
        return _such_as(odd), _replaced(name, "np.array({}, np.float64)")
    first = max(wrong, key=lambda i: _is_row(items[i]))
    odd, what = items[first], _such_as(items[first])
    if not isinstance(odd, _WORDS):
        return what, _of_things(name, given, odd)
    if _are_dates(given):
        return what, _replaced(name, "np.array({}, str).astype('M8[us]').astype(np.int64)")
    if 2 * len(wrong) > len(items):  # words, of which a few may read as numbers
        form = "np.array({}, str)" if given.dtype.kind == "O" else "{}"
        unique = f"np.unique({form.format(_it(name))}, return_inverse=True)"
        return what, f", replace them by numbers, as {unique} does"
    at = place([int(i) for i in np.unravel_index(first, given.shape)])
    return f"{odd!r:.40} at {at}", ", put a number there or leave out the row"


def _such_as(odd: object) -> str:
    return f"{'words' if isinstance(odd, _WORDS) else 'items'} such as {odd!r:.40}"


def _of_things(name: str, given: Array, odd: object) -> str:
    """How rows, dates or whatever else lies in an array of objects become numbers."""
    if _is_row(odd):
        return f", use np.array({name}.tolist())" if _are_rows(given) else _EACH
    code = _of_times(given.reshape(-1).tolist())
    return _replaced(name, code) if code else _EACH


def _are_dates(given: Array) -> bool:
    """Whether words are all dates or times as ISO 8601 writes them, without a zone."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy warns of zones, which it would forget
            return not np.isnat(given.astype(str).astype("M8[us]")).any()
    except (ValueError, Warning):
        return False


def _of_times(items: Sequence[Any]) -> str:
    """Code for dates and times of the standard library's, or nothing."""
    if all(isinstance(item, datetime.timedelta) for item in items):
        return "np.array({}, 'm8[us]').astype(np.int64)"
    if not all(isinstance(item, datetime.date) for item in items):
        return ""
    zoned = [getattr(item, "tzinfo", None) is not None for item in items]
    if any(zoned):
        return "np.vectorize(lambda one: one.timestamp())({})" if all(zoned) else ""
    days = not any(isinstance(item, datetime.datetime) for item in items)
    return f"np.array({{}}, 'M8[{'D' if days else 'us'}]').astype(np.int64)"


def _replaced(name: str, code: str) -> str:
    """Code in the place of an array, or of a column in its frame."""
    whole = _whole(name)
    if whole == name:
        return f", use {code.format(name)}"
    label = name.removeprefix("column ").rpartition(" of ")[0]
    return f", use {whole}.assign(**{{{label}: {code.format(_it(name))}}})"


def _unpacked(name: str, value: object) -> str:
    """How a container that NumPy takes for a single thing becomes an array."""
    if isinstance(value, Mapping):
        if not any(map(_is_row, value.values())):
            return f", use np.array(list({name}.values()))"
        return f", use np.column_stack(list({name}.values())) for columns"
    if isinstance(value, Iterable):
        return f", use np.array(list({name}))"
    return f", use {name}()" if callable(value) else ""


def _is_numeral(item: Any) -> bool:
    """Whether it is a number, or a word that reads as one."""
    try:
        if _is_row(item):
            return False
        float(item)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _are_rows(given: Array) -> bool:
    """Whether the items are rows of numbers, all of one length."""
    try:
        return np.array(given.tolist()).dtype.kind in "biuf"
    except ValueError:
        return False


def words(given: Array) -> tuple[str | bytes, Array] | None:
    """The first word in an array, as labels may be, and all items as words; None without one."""
    if given.dtype.kind not in "OUST":
        return None
    items = given.reshape(-1).tolist()
    first = next((item for item in items if isinstance(item, _WORDS)), None)
    if first is None or given.dtype.kind != "O":
        return None if first is None else (first, given)
    try:
        return first, given.astype(str)  # what is no word would not compare with one
    except ValueError:  # a sequence is no label
        return None


def as_float(name: str, given: Array) -> Array:
    """Real numbers as float32 or float64 in native byte order, whichever holds all of the kind."""
    if given.dtype in (np.float32, np.float64) and given.dtype.isnative:
        return given
    if _fits(given, np.float32):
        return given.astype(np.float32)
    with np.errstate(over="ignore"):  # a long double may be too large
        result = given.astype(np.float64)
    if given.dtype.itemsize > 4:
        _no_loss(name, given, result)
    return result


def _fits(given: Array, dtype: type[np.floating[Any]]) -> bool:
    return np.can_cast(given.dtype, dtype)


def _no_loss(name: str, given: Array, result: NDArray[np.float64]) -> None:
    """Refuse numbers that are not what they were: integers beyond 2^53, digits of long doubles."""
    if given.dtype.kind == "f":
        same = (result == given) | np.isnan(given)
        remedy = f"np.array({_whole(name)}, np.float64) if fewer digits will do"
    elif given.size and max(int(given.max()), -int(given.min())) > _EXACT:
        high = (given >> 32).astype(np.float64) * 2.0**32
        same = result - high == (given & 0xFFFFFFFF)
        whole = _whole(name)
        is_column = whole != name
        remedy = f"{whole} - {whole}.min()" if is_column else f"np.subtract({name}, np.min({name}))"
    else:
        return
    if not same.all():
        index = tuple(int(i) for i in np.argwhere(~same)[0])
        raise _inexact(name, given[index], place(index), remedy)


# --- frames ----------------------------------------------------------------------------------


def is_frame(value: object) -> bool:
    """Whether it is a data frame, of whatever library."""
    return hasattr(value, "columns") and hasattr(value, "shape") and len(value.shape) == 2


def _columns(frame: Any) -> tuple[list[Any], Iterable[Any]]:
    """The labels and the columns of a frame of pandas or polars, or of a table of Arrow."""
    if hasattr(frame, "iloc"):
        labels = list(frame.columns)
        return labels, (frame.iloc[:, i] for i in range(len(labels)))
    if hasattr(frame, "column_names"):
        return list(frame.column_names), frame.columns
    return list(frame.columns), (frame[label] for label in frame.columns)


def _encoded(name: str, frame: object, label: object) -> str:
    """How a column of words becomes columns of numbers."""
    if hasattr(frame, "iloc"):
        way = f"pd.get_dummies({name}, dtype=float)"
    elif hasattr(frame, "to_dummies"):
        way = f"{name}.to_dummies({label!r})"
    else:
        way = f"pd.get_dummies({name}.to_pandas(), dtype=float)"
    return f", use {way} for a column a word, or leave it out"


def _to_numpy(name: str, value: object) -> str:
    """How another library's tensor becomes an array of NumPy."""
    if not hasattr(value, "detach"):
        return f"np.array of the numbers in {name}"
    widened = ".float()" if "bfloat16" in str(getattr(value, "dtype", "")) else ""
    return f"{name}.detach().cpu(){widened}.numpy()"
