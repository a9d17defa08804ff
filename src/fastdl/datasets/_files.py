"""Where files lie, and reading exactly as many bytes as a format promises."""

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastdl import _check
from fastdl.datasets._errors import DatasetError, MissingDatasetError
from fastdl.datasets._types import PathLike, Stream

_STEP = 1 << 17  # bytes that are read at a time


def data_root(data_dir: PathLike | None) -> Path:
    """Return the argument, else $FASTDL_DATA_DIR, else the user's cache."""
    if data_dir is not None:
        return Path(_check.path(data_dir, "data_dir")).expanduser()
    if chosen := os.environ.get("FASTDL_DATA_DIR"):
        return Path(chosen).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "fastdl"


def missing(name: str, root: Path, places: list[str]) -> MissingDatasetError:
    """Return the error that says where was looked and which command gets the data."""
    looked = ", ".join(str(root / place) for place in places)
    return MissingDatasetError(
        f"{name} was not found (looked for {looked}): run "
        f"`python -m fastdl.datasets download {name}`, or set FASTDL_DATA_DIR to where it lies"
    )


@contextmanager
def reading(name: str | None, path: Path) -> Iterator[None]:
    """Turn whatever a broken file provokes into a DatasetError that names the file.

    name: of the data set that it belongs to; None where it is one of the user's own.
    """
    try:
        yield
    except (DatasetError, OSError, EOFError, zlib.error) as error:
        message = f"{path} cannot be read: {error}"
        if name is not None:
            command = f"python -m fastdl.datasets download {name}"
            message += f"; give it another name and run `{command}`"
        raise DatasetError(message) from error


def fill(stream: Stream, out: NDArray[np.uint8]) -> None:
    """Read ``out.size`` bytes into the contiguous array, no fewer.

    A gzip file first reads what is asked for to memory of its own, so it is asked for little.
    """
    if out.size == 0:
        return
    rest = out.reshape(-1).data
    while rest:
        n = stream.readinto(rest[:_STEP])
        if not n:
            raise DatasetError(f"it ends {len(rest):,} bytes early")
        rest = rest[n:]


def expect_end(stream: Stream) -> None:
    """Hold the file to its length; at the end of a gzip file its checksum is compared."""
    if stream.readinto(memoryview(bytearray(1))):
        raise DatasetError("it goes on after its last row")


def expect_size(size: int, least: int, most: int) -> None:
    """Hold a size to its bounds, before anything of that size is allocated."""
    if not least <= size <= most:
        wanted = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        raise DatasetError(f"it should hold {wanted} bytes, but holds {size:,}")


def expect_packed_size(size: int, most: int) -> None:
    """Hold a gzip file to what its content may take; one that unpacks to nothing has no end."""
    expect_size(size, 0, most + most // 1000 + (1 << 16))


def expect_labels(labels: NDArray[np.integer], k: int = 10, first: int = 0) -> None:
    """Hold the labels to k classes, of which the first has this number."""
    wrong = np.flatnonzero((labels < first) | (labels >= first + k))
    if wrong.size:
        row = int(wrong[0])
        raise DatasetError(
            f"labels must lie in [{first}, {first + k}), but row {row} has {labels[row]}"
        )
