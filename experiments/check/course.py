"""What there is to show of a course: correct runs, and the mistakes that can be told from them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import assignments
from ..reported import Reported, public_band
from . import mistakes, stored
from .mistakes import RIGHT, Mistake
from .report import TOLD
from .stored import Runs, Setting
from .submission import keys

Array = NDArray[np.float64]
_APART = 4.0  # deviations of a seed, over the points of some curve, by which two can be told apart
# The least deviation of a seed: what no seed shows, as copies of CIFAR-10 have different pixels.
_PREFERRED = {"test_accuracy": 1.3, "train_cost": 1.15}  # columns that people look at first
_SHARE = np.array([[each.endswith("accuracy")] for each in TOLD])
_HIGHEST = 1e100  # a number that can be drawn
_LEAST = np.where(_SHARE, 0.0025, 0.0005)  # of losses and costs relative


class Band(NamedTuple):
    """What correct code gives after the last epoch."""

    column: str
    mean: float
    low: float
    high: float
    seeds: int


@dataclass(frozen=True, eq=False)
class Group:
    """Mistakes whose curves look alike.

    Attributes
    ----------
    mistakes : tuple of Mistake
    column : str
        Whose curve differs most from that of correct code.
    curves, correct : array (r, epochs)
        That column of the first of them, and of correct code.
    """

    mistakes: tuple[Mistake, ...]
    column: str
    curves: Array
    correct: Array


@dataclass(frozen=True, eq=False)
class Shown:
    """A setting of a course.

    Attributes
    ----------
    runs : Runs
    hidden : tuple of Mistake
        Those whose curves are like correct code's.
    groups : tuple of Group
        The others.
    """

    runs: Runs
    hidden: tuple[Mistake, ...]
    groups: tuple[Group, ...]

    @property
    def setting(self) -> Setting:
        """Whose runs they are."""
        return self.runs.setting

    @property
    def words(self) -> str:
        """The setting as ``check --run`` takes it."""
        own = keys(self.setting.recipe)
        others = [keys(each.recipe) for each in stored.settings(self.setting.assignment).values()]
        apart = [name for name in own if len({each.get(name) for each in others}) > 1]
        return ", ".join(f"{name}={own[name]:g}" for name in apart) or self.setting.run.name

    @property
    def correct(self) -> Mapping[str, Array]:
        """The curves of correct code."""
        return self.runs.told[RIGHT.name].curves

    @property
    def bands(self) -> list[Band]:
        """Of all that correct code tells at the end; without a penalty a cost is a loss."""
        columns = [each for each in TOLD if self.setting.recipe.l2 or not each.endswith("cost")]
        found = []
        for column in columns:
            last = self.correct[column][:, -1]
            found.append(Band(column, last.mean(), last.min(), last.max(), len(last)))
        return found

    @property
    def public(self) -> Reported | None:
        """The band of other people's test accuracies."""
        return public_band(self.setting.run.answers)

    def reached(self, mistake: Mistake) -> tuple[float, float] | None:
        """The least and the greatest test accuracy that it tells; None where all runs are lost."""
        last = self.runs.told[mistake.name].curves["test_accuracy"][:, -1]
        finite = last[np.isfinite(last)]
        return (float(finite.min()), float(finite.max())) if len(finite) else None


@dataclass(frozen=True, eq=False)
class Course:
    """An assignment whose runs can be checked.

    Attributes
    ----------
    name, title : str
        Of the assignment.
    settings : tuple of Shown
    """

    name: str
    title: str
    settings: tuple[Shown, ...]

    @property
    def main(self) -> Shown:
        """The setting in which most mistakes show."""
        return max(self.settings, key=lambda each: len(each.groups))

    @property
    def seeds(self) -> int:
        """That there are of correct code, at least."""
        return min(band.seeds for shown in self.settings for band in shown.bands)

    @property
    def every(self) -> list[Mistake]:
        """The mistakes of all settings, in the order of the file."""
        found = {each.name: each for shown in self.settings for each in shown.setting.mistakes}
        return [each for each in found.values() if each.wrong]


def course(name: str) -> Course:
    """All that is stored of an assignment.

    Parameters
    ----------
    name : str
        One of ``mistakes.SETTINGS``.
    """
    settings = tuple(_shown(stored.load(each)) for each in _settings(name))
    return Course(name, assignments.get(name).title, settings)


def names() -> list[str]:
    """The assignments that there is a page of."""
    return [name for name in mistakes.SETTINGS if _settings(name)]


def _settings(name: str) -> list[Setting]:
    """Those that have stored runs: while a new one is being made, the others are shown."""
    return [each for each in stored.settings(name).values() if each.path.exists()]


def _shown(runs: Runs) -> Shown:
    means, spreads = _levels(runs)
    groups = list(_groups(runs.setting.mistakes, means, spreads))
    hidden = next(group for group in groups if RIGHT in group)
    return Shown(
        runs,
        tuple(each for each in hidden if each.wrong),
        tuple(_group(runs, group) for group in groups if group is not hidden),
    )


def _levels(runs: Runs) -> tuple[dict[str, Array], dict[str, Array]]:
    """The curves of all as means over the seeds and deviations of one, (columns, epochs) each."""
    means, spreads = {}, {}
    for name, told in runs.told.items():
        curves = np.stack([told.curves[column] for column in TOLD], axis=1)
        with np.errstate(invalid="ignore", over="ignore"):
            mean = curves.mean(axis=0)
            spread = curves.std(axis=0, ddof=1)
        means[name], spreads[name] = mean, np.maximum(spread, _LEAST * np.where(_SHARE, 1.0, mean))
    return means, spreads


def _apart(a: Array, b: Array, spread_a: Array, spread_b: Array) -> bool:
    """Whether the curves of some column lie further from each other than seeds do."""
    lost = ~np.isfinite(a), ~np.isfinite(b)
    if (lost[0] != lost[1]).any():
        return True
    with np.errstate(invalid="ignore"):
        z = (a - b) / np.sqrt((spread_a**2 + spread_b**2) / 2)
    z[lost[0]] = 0.0
    return bool((np.sqrt((z**2).mean(axis=1)) > _APART).any())


def _groups(
    every: tuple[Mistake, ...], means: Mapping[str, Array], spreads: Mapping[str, Array]
) -> Iterator[list[Mistake]]:
    """Mistakes that cannot be told from the first of their group."""
    left = list(every)
    while left:
        a = left[0].name
        alike = [
            each
            for each in left
            if not _apart(means[a], means[each.name], spreads[a], spreads[each.name])
        ]
        group = [left[0], *(each for each in alike if each is not left[0])]
        left = [each for each in left if each not in group]
        yield group


def _group(runs: Runs, group: list[Mistake]) -> Group:
    told, right = runs.told[group[0].name].curves, runs.told[RIGHT.name].curves
    column = max(
        TOLD, key=lambda each: _PREFERRED.get(each, 1.0) * _differs(told[each], right[each])
    )
    return Group(tuple(group), column, told[column], right[column])


def _differs(own: Array, right: Array) -> float:
    """How far apart two curves look, of the height of a figure that holds both."""
    own, right = own.mean(axis=0), right.mean(axis=0)
    both = np.concatenate([own, right])
    if not np.isfinite(both).all() or np.abs(both).max() > _HIGHEST:
        return 0.0
    return float(np.abs(own - right).max() / max(np.ptp(both), 1e-12))
