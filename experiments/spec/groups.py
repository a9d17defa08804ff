"""Groups: trainings that differ in some settings, and which settings those are."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Self

import numpy as np

from .data import Data
from .runs import Training

QUICK_VALUES = 5  # of an axis with many
QUICK_DRAWS = 3


@dataclass(frozen=True, kw_only=True)
class Group:
    """Trainings that differ in some settings, ranked by what they reach.

    Attributes
    ----------
    name, title, answers
        As of a run.
    base : Training
        What all have in common.
    rank : str
        The metric by which they are ranked; one that ends in ``accuracy`` the higher the better.
    """

    name: str
    title: str
    answers: tuple[str, ...] = ()
    base: Training
    rank: str = "validation_accuracy"

    def quick(self) -> Self:
        """The same group of quick runs."""
        return replace(self, base=self.base.quick())

    def _cut(self, left: str) -> Training:
        """The base of what is left of the group, with one seed."""
        return replace(self.base.shorter(left), seeds=1)

    def on_stand_in(self, sources: Collection[str]) -> Self:
        """The same group of runs on made-up rows where their data set is one of these."""
        return replace(self, base=self.base.on_stand_in(sources))

    @property
    def data(self) -> Data:
        """The rows that its base asks for."""
        return self.base.data

    def run(self, settings: Mapping[str, Any]) -> Training:
        """The training with these settings."""
        changed: Training = self.base
        for path, value in settings.items():
            changed = with_setting(changed, path, value)
        shown = ", ".join(f"{symbol(path)} = {value:.4g}" for path, value in settings.items())
        label = "_".join(f"{path.rpartition('.')[2]}{value!r}" for path, value in settings.items())
        return replace(changed, name=f"{self.name}_{label}", title=shown, answers=())


@dataclass(frozen=True, kw_only=True)
class Search(Group):
    """Every combination of some values.

    Attributes
    ----------
    axes : mapping of str to tuple of numbers
        Values by the path of a setting of the base: ``l2``, ``optimiser.learning_rate.rate``.
    """

    axes: Mapping[str, tuple[Any, ...]]

    def quick(self) -> Self:
        """The same search over every second value, of an axis with many over some."""
        axes = {
            name: values[:: max(2, len(values) // QUICK_VALUES)]
            for name, values in self.axes.items()
        }
        small = replace(self, axes=axes)
        left = f"{len(small.settings())} of {len(self.settings())} settings"
        return replace(small, base=self._cut(left))

    def settings(self) -> list[dict[str, Any]]:
        """Every combination, the last axis changing fastest."""
        return [
            dict(zip(self.axes, values, strict=True)) for values in product(*self.axes.values())
        ]


@dataclass(frozen=True, kw_only=True)
class Between(Group):
    """Values of one setting drawn uniformly between the extremes of the best of a search.

    Attributes
    ----------
    of : str
        The search.
    top : int
        How many of its best.
    draws : int
    """

    of: str
    top: int = 3
    draws: int

    def quick(self) -> Self:
        """The same with fewer draws."""
        draws = min(self.draws, QUICK_DRAWS)
        left = f"{draws} of {self.draws} draws after a cut search"
        return replace(self, draws=draws, base=self._cut(left))

    def settings(self, best: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The draws, least first, between the settings of the search's best runs."""
        (axis,) = best[0]
        values = [each[axis] for each in best[: self.top]]
        drawn = np.random.default_rng(0).uniform(min(values), max(values), self.draws)
        return [{axis: value} for value in sorted(drawn.tolist())]


@dataclass(frozen=True, kw_only=True)
class Best(Group):
    """One training with the settings of the best run of a search or of draws.

    Attributes
    ----------
    of : str
        The group.
    """

    of: str

    def quick(self) -> Self:
        """The best of a quick search."""
        return replace(self, base=self._cut("chosen by a cut search"))

    def settings(self, best: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Those of the best."""
        return [dict(best[0])]

    def run(self, settings: Mapping[str, Any]) -> Training:
        """The training, under the name of the group."""
        run = super().run(settings)
        return replace(run, name=self.name, title=f"{self.title}: {run.title}")


def with_setting(value: Any, path: str, new: Any) -> Any:
    """A copy of a dataclass with the setting at a dotted path replaced."""
    name, _, rest = path.partition(".")
    return replace(value, **{name: with_setting(getattr(value, name), rest, new) if rest else new})


def symbol(path: str) -> str:
    """How figures call a setting: ``optimiser.learning_rate.rate`` is η."""
    return {"l1": "λ₁", "l2": "λ", "rate": "η", "learning_rate": "η", "batch_size": "batch"}.get(
        path.rpartition(".")[2], path
    )


def log_uniform(n: int, low: float, high: float, seed: int) -> tuple[float, ...]:
    """n draws of 10^U(low, high), least first."""
    return tuple(sorted((10 ** np.random.default_rng(seed).uniform(low, high, n)).tolist()))
