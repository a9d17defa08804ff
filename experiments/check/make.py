"""Trains correct code and every mistake over seeds, on the real data, for the files that ship."""

from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from ..data import Loaded, load
from . import stored, student
from .mistakes import RIGHT
from .recipe import Recipe
from .stored import Setting
from .student import Array, Labels, Trace

SEEDS = 5


def make(settings: Iterable[Setting], data_dir: Path | None, seeds: int = SEEDS) -> None:
    """Make the files of these settings; runs that are stored already are kept.

    Parameters
    ----------
    settings : iterable of Setting
    data_dir : Path or None
        See ``data.load``.
    seeds : int
        Runs of each mistake; of correct code two for each.

    Raises
    ------
    fd.datasets.DatasetError
        If the data are not there.
    """
    for setting in settings:
        found, _ = stored.traces(setting) if setting.path.exists() else ({}, {})
        data = load(setting.run.data, 0, data_dir)
        rows = {split: len(getattr(data, split)[1]) for split in student.SPLITS}
        wanted = {name: recipe for name, recipe in _trainings(setting).items() if name not in found}
        memory = Inputs(data)
        for name, recipe in tqdm(_by_inputs(wanted), desc=f"{setting.run.name}"):
            right = name == RIGHT.name
            n = 2 * seeds if right else seeds  # its spread counts for every mistake too
            found[name] = trace(recipe, memory, tuple(range(n)), choose=right)
            stored.save(setting, found, rows)


def _trainings(setting: Setting) -> dict[str, Recipe]:
    """The recipes that train differently, by the first mistake that has each."""
    recipes = (mistake.applied(setting.recipe).training for mistake in setting.mistakes)
    return {stored.trained_as(setting, recipe): recipe for recipe in recipes}


def _by_inputs(recipes: dict[str, Recipe]) -> list[tuple[str, Recipe]]:
    """Those of one scaling beside each other."""
    return sorted(recipes.items(), key=lambda item: (item[1].scaling, item[1].labels))


class Inputs:
    """The inputs of the last scaling that was asked for."""

    def __init__(self, data: Loaded) -> None:
        self.data = data
        self._scaling = ""
        self._x: dict[str, Array] = {}

    def of(self, recipe: Recipe) -> tuple[dict[str, Array], dict[str, Labels]]:
        """Inputs and labels by split."""
        if recipe.scaling != self._scaling:
            self._x.clear()
            self._x = student.inputs(self.data, recipe.scaling)
            self._scaling = recipe.scaling
        return self._x, student.labels(self.data, recipe)


def trace(recipe: Recipe, inputs: Inputs, seeds: tuple[int, ...], *, choose: bool = False) -> Trace:
    """Runs of a recipe."""
    return student.train(recipe, *inputs.of(recipe), seeds, choose=choose)
