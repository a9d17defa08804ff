"""Files and folders that a command is given, refused before any work begins.

Each of these is the ``type`` of an option: argparse puts the option's name before the sentence.
"""

import argparse
import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from .meant import meant

Reason = Callable[[OSError], str]


def file(text: str) -> Path:
    """The path of a file that is read."""
    path = Path(text)
    with _told("must be a file that can be read", text, lambda error: _near(path, error)):
        path.open("rb").close()
    return path


def folder(text: str) -> Path:
    """The path of a folder that is read."""
    path = Path(text)
    with _told("must be a folder that can be read", text, lambda error: _near(path, error)):
        os.scandir(path).close()
    return path


def new_file(text: str) -> Path:
    """The path of a file that is written, in a folder that is there."""
    path = Path(text)
    with _told("must be a file that can be written", text, _elsewhere):
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        tempfile.TemporaryFile(dir=path.parent).close()
    return path


def new_folder(text: str) -> Path:
    """The path of a folder that is written to, and made if need be."""
    path = Path(text)
    with _told("must be a folder that can be written", text, _elsewhere):
        there = next(each for each in (path, *path.absolute().parents) if each.exists())
        tempfile.TemporaryFile(dir=there).close()
    return path


@contextlib.contextmanager
def _told(rule: str, given: str, remedy: Reason) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise argparse.ArgumentTypeError(
            f"{rule}; got {given!r} ({error.strerror}){remedy(error)}"
        ) from error


def _near(path: Path, error: OSError) -> str:
    """What lies beside a file that is not there and is nearly called so."""
    beside: list[str] = []
    if isinstance(error, FileNotFoundError):
        with contextlib.suppress(OSError):
            beside = os.listdir(path.parent)
    return meant(path.name, beside) or ", give the path of one"


def _elsewhere(_: OSError) -> str:
    return ", give another path, or make its folder one that you may write to"
