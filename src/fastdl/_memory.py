"""Arrays whose first item lies on a cache line: a vector that crosses one costs two reads.

They begin in the middle of a page, where a large array of NumPy's begins at its start: lines that
lie equally far into a page share a few places of the first-level cache, and a product reads some
rows of x and some of a weight at the same column.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]

LINE = 64  # bytes
PAGE = 4096


def aligned(size: int) -> int:
    """A number of items, rounded up to whole cache lines of float32."""
    return -(-size // (LINE // 4)) * (LINE // 4)


def empty(size: int, dtype: DTypeLike) -> Array:
    """A flat array of any content."""
    kind = np.dtype(dtype)
    raw = np.empty(size * kind.itemsize + PAGE, np.uint8)
    start = (PAGE // 2 - raw.__array_interface__["data"][0]) % PAGE
    return raw[start : start + size * kind.itemsize].view(kind)


def own(array: Array) -> Array:
    """A flat array's copy that may be written to: what was unpickled may be a file's memory."""
    result = empty(array.size, array.dtype)
    np.copyto(result, array)
    return result


def zeros(size: int, dtype: DTypeLike) -> Array:
    """A flat array of zeros."""
    result = empty(size, dtype)
    result.fill(0)
    return result
