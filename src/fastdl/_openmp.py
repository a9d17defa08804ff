"""Loads the compiled modules: fast, and with OpenMP's idle threads asleep rather than spinning.

OpenMP reads its settings once, when it is loaded. By default a thread that has nothing to do spins
for a while, and where a neighbour holds a core it keeps from running what everybody waits for. The
environment is put back at once; where OpenMP was loaded before, or the user has a wish, all stays
as it is. Threads of our own, where there is no OpenMP, sleep by themselves.

The kernels take BLAS from one extension module of ``scipy.linalg``; the whole package would take
longer to import than all of fastdl and NumPy. So that module is loaded by itself; who imports the
package later gets it whole.
"""

import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_BLAS = "scipy.linalg.cython_blas"


@contextmanager
def _idle_threads_asleep() -> Iterator[None]:
    ours = "OMP_WAIT_POLICY" not in os.environ
    if ours:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    try:
        yield
    finally:
        if ours:
            del os.environ["OMP_WAIT_POLICY"]


@contextmanager
def _blas_by_itself() -> Iterator[None]:
    """Have SciPy's BLAS importable without its package; where that fails, the package it is."""
    if "scipy.linalg" not in sys.modules:
        _load_blas()
    try:
        yield
    finally:
        if "scipy.linalg" not in sys.modules:
            sys.modules.pop(_BLAS, None)


def _load_blas() -> None:
    import scipy

    folder = os.path.join(os.path.dirname(scipy.__file__), "linalg")
    found = importlib.machinery.PathFinder.find_spec("cython_blas", [folder])
    if found is None or found.origin is None:
        return
    spec = importlib.util.spec_from_file_location(_BLAS, found.origin)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    with suppress(ImportError):
        spec.loader.exec_module(module)
        sys.modules[_BLAS] = module


with _idle_threads_asleep(), _blas_by_itself():
    from fastdl import _epoch, _kernels  # noqa: F401
