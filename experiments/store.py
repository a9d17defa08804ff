"""The results of trials in a folder: a file each, written whole or not at all."""

import contextlib
import functools
import io
import json
import os
import platform
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastdl as fd

from . import coding
from .spec import Run

_PACKAGES = ("fastdl", "numpy", "scipy", "matplotlib", "optuna")


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a trial has given.

    Attributes
    ----------
    run : Run
    seed : int
    metrics : dict of str to float
        Accuracies from 0 to 1; ``seconds`` is the fit's or the check's alone, without loading and
        the evaluation at the end.
    provenance, note : str
        See ``data.Loaded``.
    rows : dict of str to int
        Of each split.
    classes : tuple of str
    environment : dict
        Machine, threads, versions and the time of day.
    failure : str
        Why there are no metrics; empty where there are.
    history : dict of str to array
        The curves, a column each.
    arrays : dict of str to array
        What ``run.keep`` asks for.
    """

    run: Run
    seed: int
    metrics: dict[str, float]
    provenance: str
    note: str
    rows: dict[str, int]
    classes: tuple[str, ...]
    environment: dict[str, Any] = field(default_factory=dict)
    failure: str = ""
    history: dict[str, NDArray[Any]] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The name of its file, without the ending."""
        return coding.key(self.run, self.seed)


class ResultError(Exception):
    """Results that are not there, cannot be read or cannot be had."""


class DamagedError(ResultError, ValueError):
    """A result that cannot be read."""


class Store:
    """A folder of results, ``<key>.npz`` each: arrays, and the rest as JSON in one of them.

    Parameters
    ----------
    folder : Path
        Made when the first result comes.
    since : float
        Seconds since 1970; results that are older do not count.
    """

    def __init__(self, folder: Path, since: float = 0.0) -> None:
        self.folder, self.since = folder, since

    def path(self, key: str) -> Path:
        """Where the result with this key is or would be."""
        return self.folder / f"{key}.npz"

    def has(self, key: str) -> bool:
        """Whether there is a result that counts."""
        try:
            return self.path(key).stat().st_mtime >= self.since
        except FileNotFoundError:
            return False

    def save(self, outcome: Outcome) -> None:
        """Write a result, whole or not at all."""
        head = {
            "run": coding.plain(outcome.run),
            "seed": outcome.seed,
            "metrics": outcome.metrics,
            "provenance": outcome.provenance,
            "note": outcome.note,
            "rows": outcome.rows,
            "classes": outcome.classes,
            "environment": outcome.environment,
            "failure": outcome.failure,
        }
        arrays = {f"history/{name}": column for name, column in outcome.history.items()}
        arrays |= {f"arrays/{name}": array for name, array in outcome.arrays.items()}
        self.folder.mkdir(parents=True, exist_ok=True)
        with whole(self.path(outcome.key)) as part, part.open("wb") as file:
            np.savez(file, allow_pickle=False, head=np.array(json.dumps(head)), **arrays)

    def load(self, run: Run, seed: int) -> Outcome | None:
        """The result of a trial, under the names that the run has now; None without one.

        Raises
        ------
        DamagedError
            If the file is not what ``save`` has written.
        """
        key = coding.key(run, seed)
        if not self.has(key):
            return None
        path = self.path(key)
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                head = json.loads(file["head"].item())
                arrays = {name: file[name] for name in file.files if name != "head"}
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DamagedError(
                f"a result must be a whole .npz file; got {path} ({error}), delete it and run again"
            ) from error
        del head["run"], head["seed"]
        parts: dict[str, dict[str, NDArray[Any]]] = {"history": {}, "arrays": {}}
        for name, array in arrays.items():
            kind, _, rest = name.partition("/")
            parts[kind][rest] = array
        head["classes"] = tuple(head["classes"])
        return Outcome(run=run, seed=seed, history=parts["history"], arrays=parts["arrays"], **head)


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of ``path`` when all is written."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def environment() -> dict[str, Any]:
    """Versions, machine, threads, what fastdl says of itself, and the time."""
    return {**_machine(), "ended": datetime.now().astimezone().isoformat(timespec="seconds")}


@functools.cache
def _machine() -> dict[str, Any]:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        fd.show_config()
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    wish = os.environ.get("OMP_NUM_THREADS", "")
    return {
        "python": platform.python_version(),
        "versions": {package: version(package) for package in _PACKAGES},
        "host": platform.node(),
        "machine": f"{_processor()}, {platform.platform()}",
        "cores": cores,
        "threads": min(cores, int(wish)) if wish.isdigit() else cores,
        "fastdl": text.getvalue().splitlines(),
    }


def _processor() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
