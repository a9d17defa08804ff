"""Arrays whose first item lies on a cache line: a vector that crosses one costs two reads."""

import numpy as np
from numpy.typing import DTypeLike

from fastdl._check import Array

LINE = 64  # bytes


def aligned(size: int) -> int:
    """A number of items, rounded up to whole cache lines of float32."""
    return -(-size // (LINE // 4)) * (LINE // 4)


def empty(size: int, dtype: DTypeLike) -> Array:
    """A flat array of any content."""
    kind = np.dtype(dtype)
    raw = np.empty(size * kind.itemsize + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + size * kind.itemsize].view(kind)


def zeros(size: int, dtype: DTypeLike) -> Array:
    """A flat array of zeros."""
    result = empty(size, dtype)
    result.fill(0)
    return result
