"""How many threads a call takes, and who owns the cores while it runs.

A call either runs on one thread or cuts its work into blocks for OpenMP. BLAS is held to one thread
meanwhile: two pools of threads on the same cores are slower than one, and BLAS splits a product by
the number of its threads, which changes bits.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from fastdl import _check, _kernels

MOST = 64
WORK_PER_THREAD = 1_000_000  # multiply-adds that make waking one more thread worth its while

_forked = False
_lock = threading.Lock()
_holders = 0
_limit: Any = None


def _after_fork() -> None:
    """The threads that held the lock or BLAS are not in the child."""
    global _forked, _lock, _holders
    _forked, _lock = True, threading.Lock()
    if _holders:
        _holders = 0
        _limit.restore_original_limits()


# GCC's OpenMP runtime hangs in a child forked after its first parallel region (GCC bug 52303).
os.register_at_fork(after_in_child=_after_fork)


def available() -> int:
    """The cores that this process may run on, or OMP_NUM_THREADS where that is less."""
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    wish = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return min(cores, max(1, int(wish))) if wish.isdigit() else cores


def resolve(n_threads: int | None, work: int) -> int:
    """The threads to use.

    Parameters
    ----------
    n_threads : int or None
        The caller's wish; None: as many as help.
    work : int
        Multiply-adds between two meetings of the threads.
    """
    wish = None if n_threads is None else _check.integer("n_threads", n_threads, 1, MOST)
    if _forked or not _kernels.OPENMP:
        return 1
    if wish is not None:
        return wish
    return max(1, min(available(), work // WORK_PER_THREAD, MOST))


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def serial_blas(needed: bool = True) -> Iterator[None]:
    """Hold BLAS to one thread, if that is needed; the last of several holders gives it back."""
    global _holders, _limit
    if not needed:
        yield
        return
    with _lock:
        if _holders == 0:
            _limit = _controller().limit(limits=1, user_api="blas")
        _holders += 1
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if _holders == 0:
                _limit.restore_original_limits()


class Claim:
    """One holder at a time; a child after a fork starts without any."""

    def __init__(self) -> None:
        self._lock, self._pid = threading.Lock(), os.getpid()

    def take(self) -> bool:
        """Whether it was free, and is now held."""
        if self._pid != os.getpid():
            self._lock, self._pid = threading.Lock(), os.getpid()
        return self._lock.acquire(blocking=False)

    def give_back(self) -> None:
        """Free it, in the process that took it."""
        if self._pid == os.getpid():
            self._lock.release()
