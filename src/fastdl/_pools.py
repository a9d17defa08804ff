"""The BLAS libraries of this process, and whether the one that products call can be held.

fastdl calls SciPy's BLAS, and threadpoolctl sets its threads: if it does not know that library, as
older ones do not know those of newer SciPys, nobody would hear of it. So SciPy's own module is
asked which library it calls.
"""

import ctypes
import importlib.machinery
import os
from functools import cache
from importlib.metadata import version
from typing import Any

import scipy

from fastdl import _system
from fastdl._warnings import warn


@cache
def loaded() -> Any:
    """Each BLAS that is loaded, and no OpenMP: its limits belong to the thread that sets them."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas").lib_controllers


@cache
def unknown() -> str:
    """Why SciPy's BLAS cannot be held to one thread, with the remedy; empty where it can be."""
    if _calls_one_of(loaded()):
        return ""
    return (
        f"fastdl cannot hold the BLAS of SciPy {scipy.__version__} to one thread: threadpoolctl "
        f"{version('threadpoolctl')} does not know it, so bits may depend on its threads; "
        "pip install -U threadpoolctl, or start Python with 1 as that library's own number of "
        "threads and ignore this warning"
    )


@cache
def tell_if_unknown() -> None:
    """Warn, once, where bits may depend on threads that nobody holds."""
    if unknown():
        warn(unknown(), RuntimeWarning)


def _calls_one_of(pools: Any) -> bool:
    """Whether a function of one of them is what SciPy's module finds under its name."""
    folder = os.path.join(os.path.dirname(scipy.__file__), "linalg")
    found = importlib.machinery.PathFinder.find_spec("cython_blas", [folder])
    if not _system.FINDS_NEEDED or found is None or found.origin is None:
        return bool(pools)
    module = ctypes.CDLL(found.origin)
    return any(
        _address(pool.dynlib, name) == _address(module, name) is not None
        for pool in pools
        for name in pool.check_symbols
    )


def _address(library: ctypes.CDLL, name: str) -> int | None:
    """Where a function lies that a library, or one that it needs, has under a name."""
    function = getattr(library, name, None)
    return None if function is None else ctypes.cast(function, ctypes.c_void_p).value
