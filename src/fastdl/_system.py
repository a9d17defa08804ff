"""What systems differ in: forks, locks between processes, folders that are synced, cores."""

import importlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedIOBase
from pathlib import Path
from typing import Any

_fcntl: Any  # None on Windows
try:
    import fcntl
except ImportError:
    _fcntl = None
else:
    _fcntl = fcntl

FINDS_NEEDED = os.name != "nt"  # whether a library finds names of those that it needs
_AGAIN = 0.1  # seconds until a lock that another process has is tried again


def after_fork(function: Callable[[], None]) -> None:
    """Have it called in the child of every fork; Windows has none."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)


def cores() -> int:
    """The cores that this process may run on, or all of them where that is not told."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def sync_folder(folder: Path) -> None:
    """Make new names in it last through a loss of power; Windows opens no folder for that."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock that is this file, which others wait for; the last of them removes it.

    The system frees it where a process ends.
    """
    while True:
        with path.open("ab") as file:
            _lock(file)
            if not _is_at(file, path):  # whoever had it before has removed it
                continue
            try:
                yield
            finally:
                if _fcntl is not None:
                    path.unlink()
        if _fcntl is None:  # Windows removes no file that is open here, or with another who waits
            with suppress(PermissionError):
                path.unlink()
        return


def _lock(file: BufferedIOBase) -> None:
    if _fcntl is not None:
        _fcntl.flock(file, _fcntl.LOCK_EX)
        return
    msvcrt: Any = importlib.import_module("msvcrt")
    while True:
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            time.sleep(_AGAIN)
        else:
            return


def _is_at(file: BufferedIOBase, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
