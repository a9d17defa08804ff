"""What the stored trials say of an assignment, and which of them are missing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import coding
from .spec import CHEAP, Assignment, Best, Between, Group, Run, Search
from .store import Outcome, Store

FEW = 3  # seeds of a cheap run where nobody has said how many: so many tell a spread


class Trial(NamedTuple):
    """A run with a seed."""

    run: Run
    seed: int

    @property
    def key(self) -> str:
        """The name of its result."""
        return coding.key(self.run, self.seed)


@dataclass(frozen=True, eq=False)
class RunResult:
    """A run over its seeds.

    Attributes
    ----------
    run : Run
    outcomes : tuple of Outcome
        A seed each, those that are done; failed ones too.
    settings : dict
        Where the run is of a group: what sets it apart there.
    """

    run: Run
    outcomes: tuple[Outcome, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def good(self) -> tuple[Outcome, ...]:
        """The outcomes that have metrics."""
        return tuple(outcome for outcome in self.outcomes if not outcome.failure)

    def values(self, metric: str) -> NDArray[np.float64]:
        """A metric over the seeds, (n,); empty where the run does not have it."""
        return np.array([o.metrics[metric] for o in self.good if metric in o.metrics])

    def mean(self, metric: str) -> float | None:
        """Over the seeds; None where the run does not have it."""
        values = self.values(metric)
        return float(values.mean()) if len(values) else None

    def sd(self, metric: str) -> float | None:
        """The sample standard deviation over the seeds; None with fewer than two."""
        values = self.values(metric)
        return float(values.std(ddof=1)) if len(values) > 1 else None

    def curve(self, column: str) -> NDArray[np.float64] | None:
        """A column of the history, (seeds, records); None where there is none."""
        columns = [o.history[column] for o in self.good if column in o.history]
        return np.stack(columns) if columns else None

    @property
    def first(self) -> Outcome | None:
        """The outcome of the first seed that has metrics."""
        return self.good[0] if self.good else None

    @property
    def note(self) -> str:
        """Why its numbers may not be judged; empty where they may."""
        if self.run.any_rows:
            return ""
        cut = f"quick look: {self.run.cut}" if self.run.cut else ""
        return "; ".join(filter(None, (self.of_data, cut)))

    @property
    def of_data(self) -> str:
        """What its rows are, where they are not those of a report; empty where they are."""
        return next((o.note for o in self.outcomes if o.note), "")


@dataclass(frozen=True, eq=False)
class GroupResult:
    """A group over its runs and their seeds.

    Attributes
    ----------
    group : Group
    runs : tuple of RunResult
        In the order of the group.
    """

    group: Group
    runs: tuple[RunResult, ...]

    def ranked(self, metric: str | None = None) -> list[RunResult]:
        """The runs, best first, by the mean of a metric; None: the group's own."""
        metric = metric or self.group.rank
        sign = -1.0 if metric.endswith("accuracy") else 1.0
        means = {id(run): run.mean(metric) for run in self.runs}
        scored = [run for run in self.runs if means[id(run)] is not None]
        return sorted(scored, key=lambda run: sign * (means[id(run)] or 0.0))


@dataclass(frozen=True, eq=False)
class Results:
    """All of an assignment.

    Attributes
    ----------
    name : str
        Of the assignment.
    assignment : Assignment
    seeds : int or None
        How many a run has unless it says otherwise; None: ``FEW`` where they are cheap, else one.
    runs : dict of str to RunResult
        Every run by its name, those of groups too.
    groups : dict of str to GroupResult
        Groups whose runs are known.
    missing : list of Trial
        Those that could be done now; more may follow where a group goes by another.
    """

    name: str
    assignment: Assignment
    seeds: int | None
    runs: dict[str, RunResult]
    groups: dict[str, GroupResult]
    missing: list[Trial]

    @property
    def outcomes(self) -> list[Outcome]:
        """Of all runs, without doubles."""
        unique = {o.key: o for run in self.runs.values() for o in run.outcomes}
        return list(unique.values())

    @property
    def searches(self) -> list[GroupResult]:
        """The groups of more than one run."""
        return [group for group in self.groups.values() if len(group.runs) > 1]

    @property
    def note(self) -> str:
        """Why no number of it may be judged: its rows; empty where some may."""
        return next((run.of_data for run in self.runs.values() if not run.run.any_rows), "")

    @property
    def cut(self) -> dict[str, str]:
        """What a quick look has left out, by the title of the run or group."""
        items = self.assignment.items
        runs = {item.title: item.base if isinstance(item, Group) else item for item in items}
        return {title: run.cut for title, run in runs.items() if run.cut}

    @property
    def most_seeds(self) -> int:
        """Of any run."""
        return max((len(run.outcomes) for run in self.runs.values()), default=0)


def collect(name: str, assignment: Assignment, seeds: int | None, store: Store) -> Results:
    """Read what is stored of an assignment.

    Parameters
    ----------
    name : str
    assignment : Assignment
    seeds : int or None
        Seeds 0 to seeds - 1 of every run that does not ask for fewer; None: see ``Results``.
    store : Store
    """
    runs: dict[str, RunResult] = {}
    groups: dict[str, GroupResult] = {}
    missing: dict[str, Trial] = {}

    def read(run: Run, settings: Mapping[str, Any]) -> RunResult:
        outcomes = []
        for seed in range(_seeds(run, seeds)):
            outcome = store.load(run, seed)
            if outcome is None:
                missing.setdefault(coding.key(run, seed), Trial(run, seed))
            else:
                outcomes.append(outcome)
        runs[run.name] = RunResult(run, tuple(outcomes), settings)
        return runs[run.name]

    for item in assignment.items:
        if isinstance(item, Run):
            read(item, {})
            continue
        settings = _settings(item, groups, seeds)
        if settings is not None:
            members = tuple(read(item.run(each), each) for each in settings)
            groups[item.name] = GroupResult(item, members)
    return Results(name, assignment, seeds, runs, groups, list(missing.values()))


def _seeds(run: Run, seeds: int | None) -> int:
    if seeds is None:
        seeds = FEW if run.cost <= CHEAP else 1
    return seeds if run.seeds is None else min(seeds, run.seeds)


def _settings(
    group: Group, groups: Mapping[str, GroupResult], seeds: int | None
) -> list[dict[str, Any]] | None:
    """The settings of a group's runs; None where they go by a group that is not finished."""
    if isinstance(group, Search):
        return group.settings()
    assert isinstance(group, Between | Best)
    of = groups.get(group.of)
    if of is None or any(len(run.outcomes) < _seeds(run.run, seeds) for run in of.runs):
        return None
    best = [run.settings for run in of.ranked()]
    return group.settings(best) if best else None
