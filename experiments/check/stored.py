"""The stored runs of correct code and of every mistake: a file a setting, shipped with the code."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import assignments
from ..spec import Search, Training
from ..store import whole
from . import mistakes, report
from .mistakes import Mistake
from .recipe import Recipe, of
from .student import SPLITS, Trace

FOLDER = Path(__file__).with_name("runs")
_BITS = 14  # of a number's fraction that are kept: 3e-5 of it, far below any noise


@dataclass(frozen=True, eq=False)
class Setting:
    """A run of an assignment that answers can be held against.

    Attributes
    ----------
    assignment : str
    run : Training
    folder : Path
        Where the files of runs are.
    """

    assignment: str
    run: Training
    folder: Path = FOLDER

    @property
    def recipe(self) -> Recipe:
        """Of correct code."""
        return of(self.run)

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """Correct code, and then what can go wrong so that it shows."""
        return mistakes.of(self.assignment, self.recipe)

    @property
    def path(self) -> Path:
        """Of its stored runs."""
        return self.folder / self.assignment / f"{self.run.name}.npz"


@dataclass(frozen=True, eq=False)
class Told:
    """What the stored runs of a mistake tell.

    Attributes
    ----------
    curves : dict of str to array (r, epochs)
    weights : dict of str to array (r,)
        What the final weights look like.
    """

    curves: report.Columns
    weights: dict[str, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class Runs:
    """All stored runs of a setting.

    Attributes
    ----------
    setting : Setting
    epochs : tuple of int
        Of the points of every curve.
    rows : dict of str to int
        Of each split.
    told : dict of str to Told
        By the mistake's name.
    """

    setting: Setting
    epochs: tuple[int, ...]
    rows: dict[str, int]
    told: dict[str, Told]


def settings(assignment: str) -> dict[str, Setting]:
    """The settings of an assignment that can be checked, by the names of their runs."""
    runs: dict[str, Training] = {}
    for item in assignments.get(assignment).items:
        if isinstance(item, Training):
            runs[item.name] = item
        elif isinstance(item, Search):
            runs |= {run.name: run for run in map(item.run, item.settings())}
    return {name: Setting(assignment, runs[name]) for name in mistakes.SETTINGS[assignment]}


def save(setting: Setting, traces: dict[str, Trace], rows: dict[str, int]) -> None:
    """Write the runs of a setting, whole or not at all.

    Parameters
    ----------
    setting : Setting
    traces : dict of str to Trace
        By the name of the mistake; those alone that train differently.
    rows : dict of str to int
    """
    first = next(iter(traces.values()))
    arrays: dict[str, Any] = {
        "epochs": np.array(first.epochs),
        "rows": np.array([rows[split] for split in SPLITS]),
        "columns": np.array(list(first.columns)),
        "weights": np.array(list(first.weights)),
    }
    for name, trace in traces.items():
        arrays[f"curves/{name}"] = _short(np.stack(list(trace.columns.values()), axis=1))
        arrays[f"weights/{name}"] = _short(np.stack(list(trace.weights.values()), axis=1))
    setting.path.parent.mkdir(parents=True, exist_ok=True)
    with whole(setting.path) as path, path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _short(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Numbers without the digits that say nothing, which makes files small."""
    with np.errstate(over="ignore"):  # of runs that diverge
        fraction, exponent = np.frexp(values)
        short = np.ldexp(np.round(fraction * 2**_BITS) / 2**_BITS, exponent)
        result: NDArray[np.float32] = short.astype(np.float32)
    return result


def traces(setting: Setting) -> tuple[dict[str, Trace], dict[str, int]]:
    """What ``save`` has written."""
    with np.load(setting.path, allow_pickle=False) as file:
        epochs = tuple(int(epoch) for epoch in file["epochs"])
        rows = dict(zip(SPLITS, map(int, file["rows"]), strict=True))
        columns, weights = file["columns"].tolist(), file["weights"].tolist()
        found = {}
        for key in file.files:
            kind, _, name = key.partition("/")
            if kind == "curves":
                curves = file[key].astype(np.float64)
                looks = file[f"weights/{name}"].astype(np.float64)
                found[name] = Trace(
                    epochs,
                    {column: curves[:, i] for i, column in enumerate(columns)},
                    {weight: looks[:, i] for i, weight in enumerate(weights)},
                )
    return found, rows


@lru_cache(maxsize=4)
def load(setting: Setting) -> Runs:
    """The stored runs of a setting, as correct code and every mistake tell them."""
    found, rows = traces(setting)
    told = {}
    for mistake in setting.mistakes:
        recipe = mistake.applied(setting.recipe)
        trace = found[trained_as(setting, recipe)]
        told[mistake.name] = Told(report.told(trace, recipe.reported, rows), trace.weights)
    return Runs(setting, trace.epochs, rows, told)


def trained_as(setting: Setting, recipe: Recipe) -> str:
    """The first mistake whose recipe trains like this one."""
    return next(
        mistake.name
        for mistake in setting.mistakes
        if mistake.applied(setting.recipe).training == recipe.training
    )
