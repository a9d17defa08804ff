"""A network as a safetensors file: written whole or not at all, checked before it is used."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

import numpy as np

from fastdl import _check
from fastdl._check import Array

FORMAT = "fastdl 1"


class CheckpointError(Exception):
    """A file is no network that fastdl saved."""


def write(path: str | os.PathLike[str], arrays: dict[str, Array], config: dict[str, Any]) -> None:
    """Write arrays and a configuration; an older file stays until the new one is complete."""
    from safetensors.numpy import save

    # safetensors writes the memory of an array without a look at its strides.
    tensors = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    data = save(tensors, {"format": FORMAT, "config": json.dumps(config)})
    target = Path(_check.path(path))
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The configuration of a file that ``write`` wrote."""
    with _open(path) as file:
        metadata = file.metadata() or {}
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} must be a network saved by fastdl ({FORMAT}); got {metadata.get('format')!r}"
        )
    try:
        config = json.loads(metadata["config"])
    except (KeyError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} must hold a configuration; got none that reads") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} must hold a configuration; got {type(config).__name__}")
    return config


def read_arrays(
    path: str | os.PathLike[str], expected: dict[str, tuple[tuple[int, ...], np.dtype[Any]]]
) -> dict[str, Array]:
    """The arrays of a file, whose names, shapes and dtypes must be the expected ones."""
    codes = {"float32": "F32", "float64": "F64"}
    with _open(path) as file:
        names = set(file.keys())
        if names != set(expected):
            wrong = ", ".join(sorted(names ^ set(expected)))
            raise CheckpointError(f"{path} must hold {', '.join(expected)}; wrong are {wrong}")
        for name, (shape, dtype) in expected.items():
            entry = file.get_slice(name)
            got = (tuple(entry.get_shape()), entry.get_dtype())
            if got != (shape, codes[dtype.name]):
                raise CheckpointError(
                    f"{name} in {path} must be {dtype.name} {shape}; got {got[1]} {got[0]}"
                )
        return {name: file.get_tensor(name) for name in expected}


def _open(path: str | os.PathLike[str]) -> Any:
    from safetensors import SafetensorError, safe_open

    path = _check.path(path)
    try:
        return safe_open(path, framework="numpy")
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path} must be a safetensors file: {error}") from error
