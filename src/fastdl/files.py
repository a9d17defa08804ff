"""Safetensors files: written whole or not at all, read back, and checked before they are used.

The metadata hold a configuration as JSON and the SHA-256 of it and of every array. A checkpoint of
a fit is a saved network with more arrays, whose names begin with ``training.``: ``Network.load``
reads it too and leaves those alone.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import math
import os
import secrets
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fastdl import _check, _system
from fastdl._check import Array

FORMAT = "fastdl 1"
TRAINING = "training."

_CODES = {"float32": "F32", "float64": "F64", "int64": "I64"}
_LONGEST = 2**22  # characters of JSON; a list takes twenty times its text when it is read
_MARGIN = 2**21  # bytes that safetensors may need beside an array
_STALE = 3600.0  # seconds; no writer lets so many pass before the next byte

Layout = Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]


class CheckpointError(Exception):
    """A file is not what fastdl saved, or is of another network or training.

    Examples
    --------
    >>> with open("notes.txt", "w") as file:
    ...     size = file.write("no network")
    >>> try:
    ...     fd.Network.load("notes.txt")
    ... except fd.CheckpointError as error:
    ...     print("refused")
    refused
    """


def pack(arrays: Mapping[str, Array], config: object) -> tuple[bytes, dict[str, str]]:
    """The bytes of a file, and the digests in it.

    Not by safetensors itself, which ends the process where memory is short.
    """
    # The widest items first: so each array lies at a multiple of the size of its items.
    names = sorted(arrays, key=lambda name: -arrays[name].itemsize)
    tensors = {name: _little_endian(arrays[name]) for name in names}
    text = json.dumps(config)
    digests = {"config": _digest(text.encode())}
    digests |= {name: _digest(tensor.data) for name, tensor in tensors.items()}
    metadata = {"format": FORMAT, "config": text, "sha256": json.dumps(digests)}
    header: dict[str, object] = {"__metadata__": metadata}
    at = 0
    for name, tensor in tensors.items():
        offsets = [at, at := at + tensor.nbytes]
        kind = _CODES[tensor.dtype.name]
        header[name] = {"dtype": kind, "shape": tensor.shape, "data_offsets": offsets}
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    start = struct.pack("<Q", len(head))
    return b"".join([start, head, *(t.data for t in tensors.values())]), digests


def write(path: str | os.PathLike[str], arrays: Mapping[str, Array], config: object) -> None:
    """Write arrays and a configuration; an older file stays until the new one is complete.

    Raises
    ------
    OSError
        Where the file cannot be written; the older one is then as it was.
    """
    path = _check.written(path, ".safetensors")
    data, digests = pack(arrays, config)
    replace(path, data, lambda written: _read_back(written, digests))


def replace(
    path: str | os.PathLike[str], data: bytes, check: Callable[[Path], None] | None = None
) -> None:
    """Write bytes; an older file stays until the new one is complete, and checked if need be.

    Raises
    ------
    OSError
        As ``write``.
    """
    target = Path(_check.new_file(path))
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        _remove_stale(target)
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if check is not None:
            check(temporary)
        os.replace(temporary, target)
    except OSError as error:
        reason = f"{error.strerror or error}; nothing was changed"
        raise OSError(error.errno, reason, str(target)) from error
    finally:
        temporary.unlink(missing_ok=True)
    _system.sync_folder(target.parent)


def read(
    path: str | os.PathLike[str], expect: Callable[[dict[str, Any]], Layout]
) -> tuple[dict[str, Any], dict[str, Array]]:
    """The configuration of a file, and the arrays that one expects by it.

    Parameters
    ----------
    path : path
    expect : callable
        Given the configuration, the names of the arrays with their shapes and dtypes; others than
        these are not read.
    """
    with _open(path) as file:
        config, digests = _header(path, file)
        expected = expect(config)
        _check_layout(path, file, expected)
        arrays = {name: _array(file, name) for name in expected}
    for name, array in arrays.items():
        if _digest(array.data) != digests.get(name):
            raise CheckpointError(f"{name} in {path} must be as it was saved; the file is damaged")
    return config, arrays


def _little_endian(array: Array) -> Array:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


def _digest(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def _open(path: str | os.PathLike[str]) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    path = _check.file(path)
    _need(0)
    try:
        try:
            file = safe_open(path, framework="numpy")
        except (SafetensorError, ValueError) as error:
            raise CheckpointError(f"{path} must be a safetensors file: {error}") from error
        with file:
            yield file
    except BaseException as error:
        # What safetensors raises without memory is no Exception, and has no name to be caught by.
        if type(error).__name__ == "PanicException":
            raise MemoryError(f"{path} must fit in memory; safetensors said: {error}") from error
        raise


def _array(file: Any, name: str) -> Array:
    """One array of an open file."""
    entry = file.get_slice(name)
    _need(8 * math.prod(entry.get_shape()))
    array: Array = file.get_tensor(name)
    return array


def _need(size: int) -> None:
    """Raise MemoryError where so many bytes, and some more, cannot be had just now.

    Where safetensors finds that out it panics, which takes memory too and may hang for want of it.
    """
    np.empty(size + _MARGIN, np.uint8)


def _header(path: str | os.PathLike[str], file: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration and the digests of an open file."""
    metadata = file.metadata() or {}
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} must be a file saved by fastdl ({FORMAT}); got {metadata.get('format')!r:.100}"
        )
    text, digests = metadata.get("config", ""), metadata.get("sha256", "")
    if max(len(text), len(digests)) > _LONGEST:
        raise CheckpointError(f"{path} must describe a network in {_LONGEST} characters; got more")
    try:
        config, known = json.loads(text), json.loads(digests)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} must hold a configuration; got none that reads") from error
    if not isinstance(config, dict) or not isinstance(known, dict):
        raise CheckpointError(f"{path} must hold a configuration; got {type(config).__name__}")
    if _digest(text.encode()) != known.get("config"):
        raise CheckpointError(f"{path} must be as it was saved; the file is damaged")
    return config, known


def _check_layout(path: str | os.PathLike[str], file: Any, expected: Layout) -> None:
    """Names, shapes and dtypes, before any array is read."""
    names = {name for name in file.keys() if name in expected or not name.startswith(TRAINING)}  # noqa: SIM118 - no dict
    if names != set(expected):
        wrong = ", ".join(sorted(names ^ set(expected)))
        raise CheckpointError(f"{path} must hold {', '.join(expected)}; wrong are {wrong}"[:2000])
    for name, (shape, dtype) in expected.items():
        entry = file.get_slice(name)
        got = (tuple(entry.get_shape()), entry.get_dtype())
        if got != (shape, _CODES[dtype.name]):
            raise CheckpointError(
                f"{name} in {path} must be {dtype.name} {shape}; got {got[1]} {got[0]}"
            )


def _read_back(path: Path, digests: dict[str, str]) -> None:
    """What is in the file must be what was to be written."""
    with _open(path) as file:
        _header(path, file)
        got = {name: _digest(_array(file, name).data) for name in file.keys()}  # noqa: SIM118 - no dict
    if got | {"config": digests["config"]} != digests:
        raise OSError(errno.EIO, "what was written does not read back the same")


def _remove_stale(target: Path) -> None:
    """Remove what writers of this file left when they were killed; one at work has a newer one."""
    for path in target.parent.glob(f".{glob.escape(target.name)}.*.part"):
        try:
            if time.time() - path.stat().st_mtime > _STALE:
                path.unlink()
        except OSError:  # another writer was faster, or it is somebody else's
            continue
