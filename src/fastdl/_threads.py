"""How many threads a call takes, and who owns the cores while it runs.

A call either runs on one thread or cuts its work into blocks for several: OpenMP's or, where the
compiler has none, those of c/team.c. BLAS is held to one thread meanwhile: two pools of threads on
the same cores are slower than one, and BLAS splits a product by the number of its threads, which
changes bits.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from fastdl import _check, _kernels, _pools, _system

MOST = _kernels.MOST_THREADS
WORK_PER_THREAD = 1_000_000  # multiply-adds that make waking one more thread worth its while

_forked = 0  # how often, since the process that was started
_lock = threading.Lock()
_holders: set[object] = set()
_before: list[int] = []  # the threads that each BLAS is to have again after the last holder


def _after_fork() -> None:
    """The threads that held the lock or BLAS are not in the child."""
    global _forked, _lock
    _forked, _lock = _forked + 1, threading.Lock()
    _holders.clear()
    _give_back()


# GCC's OpenMP runtime hangs in a child forked after its first parallel region (GCC bug 52303).
_system.after_fork(_after_fork)


def _of_environment() -> int:
    """The threads that OMP_NUM_THREADS allows; it is read once, as OpenMP reads it."""
    with suppress(ValueError):
        n = int(os.environ.get("OMP_NUM_THREADS", "").partition(",")[0])
        return n if n > 0 else sys.maxsize
    return sys.maxsize


class _Limit(threading.local):
    """Of threads of our own: a number for each thread that asks for some, as OpenMP has it."""

    threads = _of_environment()


_own_limit = _Limit()


def _obey_threadpoolctl() -> None:
    """Have its limits of OpenMP bind threads of our own."""
    import threadpoolctl

    class OwnThreads(threadpoolctl.LibController):  # type: ignore[misc]
        user_api, internal_api = "openmp", "fastdl"
        filename_prefixes, check_symbols = ("_kernels",), ("fastdl_team_run",)

        def get_num_threads(self) -> int:
            return available()

        def set_num_threads(self, num_threads: int) -> None:
            _own_limit.threads = num_threads

        def get_version(self) -> None:
            return None

    threadpoolctl.register(OwnThreads)


if not _kernels.OPENMP:
    _obey_threadpoolctl()


def available() -> int:
    """The cores that this process may run on, or the limit in this thread where that is less.

    The limit is OMP_NUM_THREADS, or what ``threadpoolctl`` has set.
    """
    limit = _kernels.openmp_limit() if _kernels.OPENMP else _own_limit.threads
    return min(_system.cores(), limit) if limit > 0 else _system.cores()


def resolve(n_threads: int | None, work: int) -> int:
    """The threads to use.

    Parameters
    ----------
    n_threads : int or None
        At most so many; None: as many as help.
    work : int
        Multiply-adds between two meetings of the threads.
    """
    if n_threads == -1 and type(n_threads) is int:  # as joblib counts all
        raise ValueError(
            "n_threads must be at least 1, or None for as many as help; got -1, use None"
        )
    wish = None if n_threads is None else _check.integer("n_threads", n_threads, 1, sys.maxsize)
    if _forked and _kernels.OPENMP:
        return 1
    if wish is not None:
        return min(wish, MOST)
    most = min(work // WORK_PER_THREAD, MOST)
    return min(available(), most) if most > 1 else 1


def most_alone(work: int) -> int:
    """Things of so much work that are as well done by one thread."""
    return (2 * WORK_PER_THREAD - 1) // max(1, work)


def _set_blas(counts: list[int]) -> None:
    """Give each BLAS its number of threads.

    threadpoolctl 3.8 lets one thread at a time control OpenBLAS and ignores all others in silence;
    the last holder may be another thread than the first, and a user may want it in a third one.
    """
    for pool, count in zip(_pools.loaded(), counts, strict=True):
        give_up = getattr(pool, "clear_controlling_thread", lambda force: None)
        give_up(force=True)
        pool.set_num_threads(count)
        give_up(force=True)


@contextmanager
def serial_blas() -> Iterator[None]:
    """Hold BLAS to one thread; the last of several holders gives it back."""
    _pools.tell_if_unknown()
    holder = object()
    try:
        _hold(holder)
        yield
    finally:
        _holders.discard(holder)
        _give_back()


def _hold(holder: object) -> None:
    with _lock:
        if not _before:
            _before[:] = [pool.num_threads for pool in _pools.loaded()]
        _holders.add(holder)
        if len(_holders) == 1:
            _set_blas([1] * len(_before))


def _give_back() -> None:
    """Where Ctrl-C keeps from it, the next holder does it."""
    with _lock:
        if _before and not _holders:
            _set_blas(_before)
            _before.clear()


class Claim:
    """One holder at a time; a child after a fork starts without any."""

    def __init__(self) -> None:
        self._lock, self._forked = threading.Lock(), _forked

    def take(self) -> bool:
        """Whether it was free, and is now held."""
        if self._forked != _forked:
            self._lock, self._forked = threading.Lock(), _forked
        return self._lock.acquire(blocking=False)

    def give_back(self) -> None:
        """Free it, in the process that took it."""
        if self._forked == _forked:
            self._lock.release()
